#!/bin/sh
# bsmtp unpack to an SMTP server: each message has its own outcome, the batch is done once.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
stage
mails=$top/tests/fixtures
wire=$build/tests/e2e/wire
cd "$work" || exit 99

greeting='> 220 fake\n< EHLO\n> 250-fake\n> 250-PIPELINING\n> 250-8BITMIME\n> 250 SIZE\n'
script() { # NAME LINES
	# shellcheck disable=SC2059	# the format is the script
	printf "$greeting$2" >"$1"
}
serve() { # SCRIPT...: one a connection, at $port
	start "$1" "$wire" serve "$work/$1.port" "$@"
	wait_for 10 test -s "$work/$1.port"
	port=$(cat "$work/$1.port")
}
taken='< MAIL FROM:<ann@example.org>\n> 250 ok\n< RCPT\n> 250 ok\n< DATA\n> 354 go\n<.\n> 250 2.0.0 taken\n'
later='< MAIL\n> 451 4.3.0 not now\n< RCPT\n> 503 5.5.1 no\n< DATA\n> 503 5.5.1 no\n< RSET\n> 250 ok\n'
never='< MAIL\n> 250 ok\n< RCPT\n> 550 5.1.1 no such mailbox\n< DATA\n> 503 5.5.1 no\n'
script all "$taken$taken$taken"'< QUIT\n> 221 bye\n'
script mixed "$taken$later$never"'< QUIT\n> 221 bye\n'
script vanish "$taken"'< MAIL\n> 250 ok\n< RCPT\n> 250 ok\n< DATA\n> 354 go\n<.\nreset\n'

site() { # NAME
	make_site "$1" "$1"
	cat >>"$1/mochila.conf" <<-END
		[site hub]
		[routes]
		home.example = site:inner
		[site inner]
		link =
	END
}
bsmtp pack --files "$mails/plain.eml" "$mails/dots.eml" "$mails/eight-bit.eml" --to=user@home.example -o three.gz
count() { # SITE FOLDER
	spooled "$1/spool/$2"
}

site all.site
serve all
check "a server takes them all" exits 0 at all.site bsmtp unpack --to=smtp:127.0.0.1:"$port" --peer=hub three.gz
check "nothing is left here" test "$(count all.site out),$(count all.site hold),$(count all.site in)" = 0,0,0
check "the same batch again is not sent again, though nobody listens as before" \
    exits 75 at all.site bsmtp unpack --to=smtp:127.0.0.1:1 --peer=hub three.gz

out() { say "$1/spool/out/smtp:127.0.0.1:$port"; }	# SITE: where what waits for the server waits

script one "$taken"'< QUIT\n> 221 bye\n'

site mixed.site
serve mixed one
check "one taken, one later, one never: the batch is done" exits 0 \
    at mixed.site bsmtp unpack --to=smtp:127.0.0.1:"$port" --peer=hub three.gz
check "it says so" grep -q 'messages=3 repeats=0 done=1 later=1 failed=1' said
check "the one for later waits for the server" test "$(spooled "$(out mixed.site)")" -eq 1
check "it is the second" grep -qr 'Subject: dots' "$(out mixed.site)"
check "with the server's words" grep -qar 'deferred via=[^ ]* reply="451 4.3.0 not now"' "$(out mixed.site)"
check "the sender is told of the one for never" test "$(count mixed.site hold)" -eq 1
report=$(find mixed.site/spool/hold -type f)
check "by a report, for which there is no route here" grep -aq '^RCPT TO:<ann@example.org> NOTIFY=NEVER' "$report"
check "with the server's words" grep -aq '^ *550 5.1.1 no such mailbox' "$report"
check "and the host that said so" grep -aq 'Remote-MTA: dns; 127.0.0.1' "$report"
check "the batch again brings nothing, and what waits is sent" exits 0 \
    at mixed.site bsmtp unpack --to=smtp:127.0.0.1:"$port" --peer=hub three.gz
check "and says so" grep -q 'repeats=3 done=1 later=0 failed=0' said
check "nothing came twice, and nothing waits" test "$(count mixed.site out),$(count mixed.site hold)" = 0,1

site vanish.site
serve vanish one one
check "a server that took one and vanishes is called again for the rest" exits 0 \
    at vanish.site bsmtp unpack --to=smtp:127.0.0.1:"$port" --peer=hub three.gz
check "the one that was under way waits" test "$(spooled "$(out vanish.site)")" -eq 1
check "it is the second" grep -qr 'Subject: dots' "$(out vanish.site)"
check "deliver sends what waits" exits 0 at vanish.site bsmtp deliver --to=smtp:127.0.0.1:"$port"
check "and says so" grep -q 'event=delivered to=smtp:127.0.0.1:[0-9]* done=1 later=0 failed=0' said
check "no server: 75" exits 75 at vanish.site bsmtp deliver --to=smtp:127.0.0.1:1
check "deliver needs to know where" exits 64 at vanish.site bsmtp deliver

site dead.site
free_port
check "no server: the batch waits, 75" exits 75 at dead.site bsmtp unpack --to=smtp:127.0.0.1:"$port" three.gz
check "and nothing was put anywhere" test "$(count dead.site out),$(count dead.site hold),$(count dead.site in)" = 0,0,0
check "a sink that is none is 64 and answered" exits 64 at dead.site bsmtp unpack --to=smpt:127.0.0.1:25 three.gz
check "with the nearest" grep -q 'did you mean smtp' said
check "an address without a port too" exits 78 at dead.site bsmtp unpack --to=smtp:127.0.0.1 three.gz
head -c 100 three.gz >cut.gz
serve all
check "a cut batch: nothing is sent" exits 65 at dead.site bsmtp unpack --to=smtp:127.0.0.1:"$port" cut.gz

# ---- a server that takes no 8 bits (RFC 6152 3) ----

if command -v python3 >/dev/null; then
	mkdir kept
	start seven python3 "$top/tests/e2e/hop.py" "$work/seven.port" "$work/seven.said" plain taken "$work/kept"
	wait_for 10 test -s seven.port
	printf 'Subject: seven\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\ngr\303\274n\n' >mime.eml
	bsmtp pack --files mime.eml --from=mime@example.org --to=user@home.example -o mime.gz
	bsmtp pack --files "$mails/eight-bit.eml" --from=none@example.org --to=user@home.example -o none.gz
	bsmtp pack --files "$mails/plain.eml" --from=plain@example.org --to=user@home.example -o ascii.gz
	site seven.site
	for one in mime none ascii; do
		check "a server that takes no 8 bits: $one" exits 0 at seven.site \
		    bsmtp unpack --to=smtp:127.0.0.1:"$(cat seven.port)" --peer=hub "$one.gz"
	done
	check "what says how it is encoded goes in 7" grep -q '^gr=C3=BCn' kept/mime
	check "with no other byte" test "$(tr -d '\000-\177' <kept/mime | wc -c)" -eq 0
	check "what does not say it comes back" grep -aq '^ *554 5.6.3 the next host takes no 8 bits' seven.site/spool/hold/*
	check "and was not sent" test ! -e kept/none
	check "what has none goes as it is" test "$(tail -n 1 kept/plain | tr -d '\r')" = "$(tail -n 1 "$mails/plain.eml")"
	check "nothing waits" test "$(count seven.site out)" -eq 0
fi

# ---- LMTP: a reply for each recipient ----

printf '%s\n' '> 220 fake' '< LHLO lmtp.site.example' '> 250-fake' '> 250-PIPELINING' '> 250 DSN' \
    '< MAIL FROM:<ann@example.org>' '> 250 ok' '< RCPT TO:<a@home.example>' '> 250 ok' \
    '< RCPT TO:<b@home.example>' '> 550 5.1.1 no b' '< RCPT TO:<c@home.example>' '> 250 ok' \
    '< RCPT TO:<d@home.example>' '> 250 ok' '< DATA' '> 354 go' '<.' \
    '> 250 2.0.0 a has it' '> 452 4.2.2 c is full' '> 550 5.2.0 d will not' '< QUIT' '> 221 bye' >lmtp
site lmtp.site
serve lmtp
bsmtp pack --files "$mails/plain.eml" --to=a@home.example --to=b@home.example --to=c@home.example \
    --to=d@home.example -o four.gz
check "an LMTP server takes it for some" exits 0 at lmtp.site bsmtp unpack --to=lmtp:127.0.0.1:"$port" --peer=hub four.gz
waits=$(find lmtp.site/spool/out -type f ! -name '.*')
check "who is full waits, and only he" test "$(grep -a '^RCPT' "$waits")" = 'RCPT TO:<c@home.example>'
check "with his reply" grep -aq 'rcpt=1 deferred via=lmtp:[^ ]* reply="452 4.2.2 c is full"' "$waits"
check "the two refused are reported" test "$(grep -haic '^Final-Recipient:' lmtp.site/spool/hold/*)" -eq 2
if command -v python3 >/dev/null; then
	cat >lmtp.py <<-'END'
		import socket, sys
		there = socket.socket(socket.AF_UNIX)
		there.bind(sys.argv[1])
		there.listen()
		peer, rcpts = there.accept()[0].makefile("rwb", 0), 0
		peer.write(b"220 fake\r\n")
		for line in peer:
		    word = line[:4].upper()
		    rcpts += word == b"RCPT"
		    if word == b"DATA":
		        peer.write(b"354 go\r\n")
		        while peer.readline() not in (b".\r\n", b""):
		            pass
		        peer.write(b"250 2.0.0 taken\r\n" * rcpts)
		    else:
		        peer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
	END
	start socket python3 lmtp.py "$work/lm"
	wait_for 10 test -S "$work/lm"
	site socket.site
	check "one at a socket's path takes it for all" exits 0 at socket.site bsmtp unpack --to=lmtp:"$work/lm" --peer=hub four.gz
	check "and nothing waits" test "$(count socket.site out),$(count socket.site hold)" = 0,0
	check "it is said" grep -q 'done=1 later=0 failed=0' said
fi
check "a socket's path that nobody listens on: 75" exits 75 at lmtp.site bsmtp unpack --to=lmtp:"$work/nobody" four.gz

# ---- a sendmail: its exit status ----

cat >taker <<-END
	#!/bin/sh
	printf '[%s]' "\$@" >>"$work/taker.args"
	cat >"$work/taken.mail"
	exit \$(cat "$work/taker.status")
END
chmod 755 taker
for status in 0 75 71 67; do
	site send$status.site
	say $status >taker.status
	rm -f taker.args
	check "a sendmail that says $status: the batch is done" exits 0 \
	    at send$status.site bsmtp unpack --to=sendmail:"$work/taker" --peer=hub four.gz
	case $status in 0) want=1,0,0 ;; 67) want=0,0,1 ;; *) want=0,1,0 ;; esac
	check "and that" grep -q "done=${want%%,*} later=$(say $want | cut -d, -f2) failed=${want##*,}" said
done
check "it is run with an argument list" test "$(cat taker.args)" = \
    '[-i][-f][ann@example.org][--][a@home.example][b@home.example][c@home.example][d@home.example]'
sed 's/\r$//' "$mails/plain.eml" >plain
check "and gets every byte" came_whole plain taken.mail
printf '#!/bin/sh\nhead -n 1\n' >taker.first
chmod 755 taker.first
site first.site
check "one that says 0 and has not read it all" exits 0 \
    at first.site bsmtp unpack --to=sendmail:"$work/taker.first" --peer=hub four.gz
check "has not taken it" grep -q 'done=0 later=1 failed=0' said
# One that does not read what no pipe holds is ended when its half hour is over.
slow=$build/tests/e2e/slow-clock.so
if test -f "$slow"; then
	{ cat "$mails/plain.eml"; yes 'a line of many' | head -n 20000; } >large.eml
	bsmtp pack --files large.eml --to=a@home.example -o large.gz
	printf '#!/bin/sh\nexec sleep 300\n' >sleeper
	chmod 755 sleeper
	site sleeps.site
	check "a sendmail that does not read is not waited for without end" exits 0 at sleeps.site \
	    timeout 120 env LD_PRELOAD="$slow" SLOW_CLOCK=1 bsmtp unpack --to=sendmail:"$work/sleeper" --peer=hub large.gz
	check "and comes later" grep -q 'done=0 later=1 failed=0' said
	check "with the reason" grep -raq 'sleeper: no end after 1800 s' sleeps.site/spool/out
fi
check "one that is not there is for a person" exits 78 at send0.site bsmtp unpack --to=sendmail:/nowhere/sendmail four.gz

# ---- what is wrong in one envelope is its own affair ----

cat >odd <<-END
	MAIL FROM:<ann@example.org>
	RCPT TO:<good@home.example>
	RCPT TO:<b a d@home.example>
	RCPT TO:<x@home.example> FOO=BAR
	DATA
	Subject: one

	one
	.
	MAIL FROM: nobody at all
	RCPT TO:<good@home.example>
	DATA
	Subject: two

	MAIL FROM:<evil@example.org>
	.
	MAIL FROM:<ann@example.org>
	RCPT TO:<good@home.example>
	DATA
	Subject: three

	$(head -c 3000 /dev/zero | tr '\0' x)
	.
	MAIL FROM:<ann@example.org>
	RCPT TO:<good@home.example>
	DATA
	Subject: four

	four
	.
END
site odd.site
check "a batch with wrong envelopes is taken" exits 0 \
    at odd.site bsmtp unpack --set spool.max-size=2000 --to=maildir:mail odd
check "the good messages are delivered to the good recipients" \
    test "$(grep -h '^Subject' odd.site/mail/new/* | sort | tr '\n' ' ')" = 'Subject: four Subject: one '
check "two recipients are reported" grep -haq 'RFC822; *b a d@home.example\|rfc822; *b a d@home.example' odd.site/spool/hold/*
check "so is the message that is too large" grep -haq '552 5.3.4' odd.site/spool/hold/*
check "the one without a sender is kept" test "$(grep -lar 'Subject: two' odd.site/spool/failed | wc -l)" -eq 1
check "with what was wrong, and where" grep -qar 'reply="501 5.1.7 .*line 10 of the batch' odd.site/spool/failed
check "check takes it for whole" exits 0 bsmtp check odd
finish
