#!/bin/sh
# What a client may ask for with a message, and what becomes of it: BINARYMIME, DELIVERBY,
# MT-PRIORITY, FUTURERELEASE, LIMITS; with two relays, and a next hop that knows none of them.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage

hub=$work/hub
home=$work/home
make_site "$hub" hub
make_site "$home" home
cat >>"$home/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0
	[routes]
	home.example = maildir:mail/%u
	* = maildir:mail/others
END
relay_up "$home" || fail "home did not start"
home_relay=$relay
cat >"$work/refused" <<-'END'
	>> 220 old\r\n
	< EHLO
	>> 250 old\r\n
	< QUIT
	close
END
cat >"$work/plain" <<-'END'
	>> 220 old\r\n
	< EHLO
	>> 250 old\r\n
	< MAIL FROM:<late@b.example>
	>> 250 ok\r\n
	< RCPT TO
	>> 250 ok\r\n
	< DATA
	>> 354 go\r\n
	<.
	>> 250 ok\r\n
	< QUIT
	close
END
serve plain "$work/refused" "$work/plain"
cat >>"$hub/mochila.conf" <<-END
	[site far]
	[relay main]
	listen = 127.0.0.1:0
	max-hold = 1h
	[relay strangers]
	listen = 127.0.0.1:0
	relay-from =
	[hop *]
	connections = 1
	keep = 0
	[routes]
	hub.example = maildir:mail/%u
	home.example = smtp:$(at "$home")
	plain.example = smtp:127.0.0.1:$port
	far.example = site:far
	* = maildir:mail/others
END
relay_up "$hub" || fail "the hub did not start"
main=$(at "$hub")
strangers=$(at "$hub" strangers)

# ask WHERE TO "MAIL PARAMETERS" REPLY...: a mail with a subject of its recipient
ask() {
	call "$1" "< 220" "> EHLO test.example" "< 250" "> MAIL FROM:<${sender-a@b.example}> $3" "< $4" "> RCPT TO:<$2>" "< 250" \
	    "> DATA" "< 354" "> Subject: $2" "> " "> Hello." "> ." "< 250" "> QUIT" "< 221"
}

say "# BINARYMIME"
cat >"$work/binary.py" <<-'END'
	import smtplib, sys, hashlib
	host, port = sys.argv[1].split(":")
	blob = bytes(range(256)) * 40 + b"\n\r\n.\r\n\r\r\n\0end without line end"
	head = (b"From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=%s\r\n\r\n"
	    b"--x\r\nContent-Type: text/plain\r\n\r\nHello.\r\n--x\r\nContent-Type: application/octet-stream\r\n"
	    b"Content-Transfer-Encoding: binary\r\n\r\n" % b"x")
	body = {"whole": head + blob + b"\r\n--x--\r\n",
	    "signed": head.replace(b"mixed", b"signed") + blob + b"\r\n--x--\r\n",
	    "not-mime": b"Subject: x\r\n\r\n" + blob}[sys.argv[2]]
	s = smtplib.SMTP(host, int(port))
	s.ehlo("x")
	assert s.has_extn("binarymime") and s.has_extn("chunking")
	assert s.docmd("MAIL FROM:<a@b.example> BODY=BINARYMIME")[0] == 250
	assert s.docmd("RCPT TO:<bin@home.example>")[0] == 250
	assert s.docmd("DATA")[0] == 503
	s.send(b"BDAT %d\r\n" % 100 + body[:100])
	assert s.getreply()[0] == 250
	s.send(b"BDAT %d LAST\r\n" % len(body[100:]) + body[100:])
	code, text = s.getreply()
	assert str(code) == sys.argv[3], (code, text)
	if code == 554:
	    assert text.startswith(b"5.6.3"), text
	print(hashlib.sha256(blob).hexdigest())
	s.quit()
END
cat >"$work/part.py" <<-'END'
	import email, glob, hashlib, sys
	m = email.message_from_bytes(open(glob.glob(sys.argv[1] + "/new/*")[0], "rb").read())
	parts = m.get_payload()
	assert parts[0].get_payload(decode=True).strip() == b"Hello."
	assert parts[1]["Content-Transfer-Encoding"] == "base64", parts[1]["Content-Transfer-Encoding"]
	print(hashlib.sha256(parts[1].get_payload(decode=True)).hexdigest())
END
binary() { python3 "$work/binary.py" "$main" "$1" "$2" >"$work/sent.$1"; }
check "a body that is no lines is taken by BDAT" binary whole 250
got_bin() { has_mail "$home" bin 1; }
check "goes on, as lines" wait_for 20 got_bin
same_part() { python3 "$work/part.py" "$home/mail/bin" | cmp - "$work/sent.whole"; }
check "and is, decoded, what it was" same_part
check "one that is signed cannot be, and is refused" binary signed 554
check "nor one that is not MIME" binary not-mime 554

say "# MT-PRIORITY"
is_in() { has_mail "$1" "$2" 1; }
check "a priority is a grade" ask "$main" urgent@far.example MT-PRIORITY=3 250
queued() { test -n "$(find "$hub/spool/out/far" -path "*/$1-*/*" -type f 2>/dev/null)"; }
check "K is before N" wait_for 10 queued K
check "a stranger may not go first, and is told so" ask "$strangers" stranger@far.example MT-PRIORITY=9 "250 2.3.6"
check "N is where he waits" wait_for 10 queued N
check "but may go last" ask "$strangers" patient@far.example MT-PRIORITY=-2 "250 2.1.0"
check "in P" wait_for 10 queued P
check "to a next hop it goes on as it came" ask "$main" fast@home.example MT-PRIORITY=4 250
check "and is delivered" wait_for 10 is_in "$home" fast

say "# DELIVERBY"
check "in time to one who knows it" ask "$main" intime@home.example "BY=600;R" 250
check "it is there" wait_for 10 is_in "$home" intime
sender=strict@hub.example
check "who gives up does not go to one who does not know it" ask "$main" strict@plain.example "BY=600;R" 250
told() { is_in "$hub" "$1" && grep -q "$2" "$hub/mail/$1"/new/*; }
check "he is told so" wait_for 20 told strict "^Status: 5.3.3"
sender=late@b.example
check "who only wants to know goes on" ask "$main" late@plain.example "BY=600;N" 250
went() { logged "$hub" "event=delivered to=<late@plain.example>"; }
check "to one who does not" wait_for 10 went
sender=gone@hub.example
check "what is too late for a site" ask "$main" gone@far.example "BY=1;R" 250
sleep 2
pack() { MOCHILA_ROOT=$hub mochila bsmtp pack far >/dev/null 2>&1; told gone "^Status: 5.4.7"; }
check "comes back when it is looked at" wait_for 20 pack
unset sender

say "# FUTURERELEASE"
begun=$(date +%s)
check "a mail for later" ask "$main" later@hub.example "HOLDFOR=4" 250
check "is kept as a time" wait_for 10 grep -rq "^MAIL FROM:<a@b.example> HOLDUNTIL=20" "$hub/spool/out"
check "is not there at once" empty "$hub/mail/later"
poke() { is_in "$hub" later && return; MOCHILA_ROOT=$hub mochila retry maildir:mail/%u >/dev/null 2>&1; return 1; }
check "but then" wait_for 80 poke
check "and not before" test $(($(date +%s) - begun)) -ge 3
check "a stranger may not have mail kept" call "$strangers" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<a@b.example> HOLDFOR=1" "< 555"
check "nor anybody for longer than is said" call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<a@b.example> HOLDFOR=3601" "< 501"

say "# LIMITS, and what nobody knows"
check "how many recipients is told" call "$main" "< 220" "> EHLO x" "<= 250-hub.example" "< 250"
check "a parameter that is not known is not dropped" call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<a@b.example> X-MINE=1" "< 555 5.5.4"
stop "$relay"
stop "$home_relay"
finish
