#!/bin/sh
# The thin-link view: what goes to a site is the text and what is small; the whole stays at the hub
# for a time, and comes, or its first part, by mochila release, or when one of those it was for
# asks for it by mail, through a call and no other way.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage

hub=$work/hub home=$work/home
make_site "$hub" hub
make_site "$home" home
# shellcheck disable=SC2016	# the script expands it
printf '#!/bin/sh\ntest "$3" = image/png && printf "\\377\\330\\377 small" >"$2"\n' >"$work/shrink"
chmod 755 "$work/shrink"
cat >>"$hub/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0
	[filter thin]
	run = thin:attachments=1K keep=7d pictures=$work/shrink robot=release@hub.example
	users = bob@home.example eve@*
	[filter passing]
	run = thin:keep=0
	[site home]
	filters = thin
	robot = release@hub.example
	[site ship]
	filters = senders passing
	[filter senders]
	run = senders:senders
	[routes]
	hub.example = maildir:mail/%u
	home.example = site:home
	ship.example = site:ship
	/^release\+.*@hub\.example$/ = release:
END
cat >>"$home/mochila.conf" <<-END
	[site hub]
	link = exec:uucico-ssh -r0 --root=$hub --peer=home
	hold-over = 100K
	announce = yes
	[routes]
	home.example = maildir:mail/%u
	* = site:hub
	[relay main]
	listen = 127.0.0.1:0
END
printf '%s\n' '# who wants whom' 'cap@* ann@* yes' '*@ship.example *@hub.example no' >"$hub/senders"
relay_up "$hub" || fail "no hub"
hub_relay=$relay
relay_up "$home" || fail "no home"

# A page, a small file, a large one, a picture.
pdf() { awk 'BEGIN {for (i = 0; i < 200; i++) print "> QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0"}'; }
# page TO ...: from ann
page() {
	{ printf '%s\n' '< 220' '> EHLO x' '< 250' '> MAIL FROM:<ann@hub.example>' '< 250'
	  for to; do printf '%s\n' "> RCPT TO:<$to>" '< 250'; done
	  printf '%s\n' '> DATA' '< 354' \
	    '> From: ann@hub.example' '> Subject: pages' '> DKIM-Signature: v=1; bad' '> Authentication-Results: gate.example; dkim=pass' \
	    '> MIME-Version: 1.0' '> Content-Type: multipart/mixed; boundary=b' '> ' '> --b' '> Content-Type: text/html' '> ' '> <p>Hello <b>there</b></p>' \
	    '> --b' '> Content-Type: text/x-note; name=note.txt' '> ' '> a note' \
	    '> --b' '> Content-Type: application/pdf; name="report.pdf"' '> Content-Transfer-Encoding: base64' '> '
	  pdf
	  printf '%s\n' '> --b' '> Content-Type: image/png' '> Content-Disposition: inline; filename="cat.png"' '> Content-Transfer-Encoding: base64' '> '
	  pdf
	  printf '%s\n' '> --b--' '> .' '< 250 2.0.0'; } | "$wire" call "$(at "$hub")"
}
carry() { mochila --root "$home" call hub >"$work/call.said" 2>&1 || sed 's/^/	/' "$work/call.said"; }
at_home() { cat "$home"/mail/"$1"/new/* 2>/dev/null | grep -q -- "$2"; }
waits() { test "$(messages "$hub/spool/out/home")" -eq "$1"; }
wholes() { find "$hub/spool/hold" -type f -exec grep -la 'from=whole' {} + 2>/dev/null | wc -l; }

say "# the view"
check "a page for home" page bob@home.example
check "waits for the call" wait_for 20 waits 1
check "the whole of it is kept" test "$(wholes)" -eq 1
id=$(basename "$(find "$hub/spool/hold" -type f | head -n 1)")
check "for a time" sh -c "mochila --root '$hub' show '$id' | grep -q 'whole for home until'"
carry
check "it comes" wait_for 20 at_home bob 'Subject: pages'
check "as text" at_home bob '^Hello there$'
check "with the small file" at_home bob '^a note$'
check "without the large one" sh -c "! grep -q QUJD '$home'/mail/bob/new/*"
check "which is named" at_home bob '  report.pdf, application/pdf, 1[0-9] KB'
check "with the picture made smaller" at_home bob '^Content-Type: image/jpeg'
check "without the signature that fits no more" sh -c "! grep -q ^DKIM '$home'/mail/bob/new/*"
check "and what was found of it" at_home bob '^Authentication-Results: gate.example; dkim=pass'
check "it says how to have all" at_home bob "mailto:release+$id@hub.example"
check "what is thin already is no view" mail "$(at "$hub")" ann@hub.example eve@home.example plain
check "and nothing is kept of it" wait_for 20 waits 1
check "at all" test "$(wholes)" -eq 1
carry

say "# who may ask"
ask() { mail "$1" "$2" "release+$3@hub.example" "${4:-please}"; }
check "nobody by a listener" call "$(at "$hub")" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<bob@home.example>" "< 250" \
    "> RCPT TO:<release+$id@hub.example>" "< 550 5.7.1"
check "another than it was for" ask "$(at "$home")" eve@home.example "$id"
check "or for what is not there" ask "$(at "$home")" bob@home.example "20260101T000000.000000-0000000000000000-1"
carry
told() { test "$(cat "$home"/mail/"$1"/new/* 2>/dev/null | grep -c 'there is no such mail for you here')" -ge 1; }
wait_for 20 sh -c "test \"\$(find '$hub'/spool/out/home -type f ! -name '.*' | wc -l)\" -ge 2"
carry
check "is told so" wait_for 20 told eve
check "he, too" wait_for 20 told bob
check "it is still there" test "$(wholes)" -eq 1

say "# asked for"
check "its first part, by mail" ask "$(at "$home")" bob@home.example "$id" "Re: first 2K please"
carry
check "is made" wait_for 20 waits 1
carry
check "and comes" wait_for 20 at_home bob '^X-Mochila-First: [0-9]* of [0-9]* bytes'
check "so much of it" sh -c "n=\$(cat '$home'/mail/bob/new/* | grep -c '^QUJD'); test \"\$n\" -gt 5 && test \"\$n\" -lt 40"
check "all of it, by mail" ask "$(at "$home")" bob@home.example "$id"
carry
check "goes out" wait_for 20 waits 1
check "and is kept no longer" test "$(wholes)" -eq 0
carry
check "whole" wait_for 20 sh -c "test \"\$(cat '$home'/mail/bob/new/* | grep -c '^QUJD')\" -ge 400"
check "with its signature" at_home bob '^DKIM-Signature: v=1; bad'

say "# what is held back until home asks for it"
long() { awk 'BEGIN { srand(7); for (i = 0; i < 4000; i++) { s = "> "; for (j = 0; j < 60; j++) s = s sprintf("%c", 97 + int(rand() * 26)); print s } }'; }
large_mail() {	# TO SUBJECT
	{ printf '%s\n' '< 220' '> EHLO x' '< 250' '> MAIL FROM:<ann@hub.example>' '< 250' "> RCPT TO:<$1>" '< 250' '> DATA' '< 354' "> Subject: $2" '> '
	  long
	  printf '%s\n' '> .' '< 250 2.0.0'; } | "$wire" call "$(at "$hub")"
}
held_back() { find "$hub/spool/hold" -type f -exec grep -la 'held back for home' {} + 2>/dev/null | wc -l; }
check "a large mail" large_mail max@home.example novel
check "waits" wait_for 20 waits 1
carry
check "does not come" test "$(held_back)" -eq 1
check "but is told of" wait_for 20 at_home max 'held back at hub: 2[0-9]* kB from ann@hub.example: novel'
id=$(basename "$(find "$hub/spool/hold" -type f | head -n 1)")
check "with the address to answer to" at_home max "^Reply-To: <release+$id@hub.example>"
check "which no listener takes mail for" call "$(at "$hub")" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<max@home.example>" "< 250" \
    "> RCPT TO:<release+$id@hub.example>" "< 550 5.7.1"
rm -f "$home"/mail/eve/new/*
check "another answers" ask "$(at "$home")" eve@home.example "$id"
carry
wait_for 20 waits 1
carry
check "and is told that there is nothing" wait_for 20 told eve
check "it is still there" test "$(held_back)" -eq 1
summaries() { find "$home/spool/hold" -type f -exec grep -la 'from=summary' {} + 2>/dev/null | wc -l; }
check "and waits here to be asked for" test "$(summaries)" -eq 1
check "he answers" ask "$(at "$home")" max@home.example "$id" "Re: held back"
carry
check "it goes out" wait_for 20 waits 1
carry
check "and comes" wait_for 20 at_home max '^Subject: novel'
check "is held nowhere" test "$(held_back)$(summaries)" = 00
ls "$home/spool/part/hub" >"$work/parts"
check "and nothing is left of the asking" test ! -s "$work/parts"

say "# by hand, at the hub"
check "another" page bob@home.example
check "waits" wait_for 20 waits 1
id=$(basename "$(find "$hub/spool/hold" -type f | head -n 1)")
check "its first part" mochila --root "$hub" release --first 1K "$id"
check "goes" wait_for 20 waits 2
check "all of it" mochila --root "$hub" release "$id"
check "goes as well" wait_for 20 waits 3
check "as it was" sh -c "grep -ra '^QUJD' '$hub'/spool/out/home | wc -l | { read -r n; test \"\$n\" -ge 400; }"
check "what waits is no such mail" exits 69 mochila --root "$hub" release --first 1K "$id"

say "# nothing is kept where that is said"
check "for another site" page cap@ship.example
check "a view goes" wait_for 20 sh -c "test \"\$(find '$hub'/spool/out/ship -type f ! -name '.*' 2>/dev/null | wc -l)\" -eq 1"
check "and that is all" test "$(wholes)" -eq 0
check "nor for another user" page x@home.example
check "to whom all goes" wait_for 20 waits 4
check "that, too" test "$(wholes)" -eq 0

say "# some who want a view, and some who do not"
carry
check "one page for all of them" page bob@home.example dan@home.example eve@home.example fay@home.example
check "is two mails" wait_for 20 waits 2
check "and is kept once" test "$(wholes)" -eq 1
carry
thin_for() { wait_for 20 sh -c "grep -l '^Hello there' '$home/mail/$1/new/'* | xargs grep -L QUJD | grep -q ."; }
whole_for() { wait_for 20 sh -c "grep -q '^DKIM-Signature: v=1; bad' '$home/mail/$1/new/'* && grep -q '^QUJD' '$home/mail/$1/new/'*"; }
check "the one has a view" thin_for eve
check "another the whole" whole_for dan
check "each of those" whole_for fay
check "and nobody has two" test "$(boxed "$home" dan) $(boxed "$home" fay)" = "1 1"
mochila --root "$hub" release "$(find "$hub/spool/hold" -type f -exec basename {} \;)" >/dev/null
carry

say "# whose mail is wanted"
at_ship() { grep -rlas "^RCPT TO:<$1@ship.example>" "$hub/spool/out/ship" | wc -l | grep -qx "$2"; }
returned() { cat "$hub"/mail/bea/new/* 2>/dev/null | grep -q "Final-Recipient: rfc822; *$1@ship.example"; }
check "one is welcome to all" mail "$(at "$hub")" cid@far.example mate@ship.example far
check "and comes" wait_for 20 at_ship mate 1
check "one to nobody" call "$(at "$hub")" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<bea@hub.example>" "< 250" "> RCPT TO:<cap@ship.example>" \
    "< 250" "> RCPT TO:<mate@ship.example>" "< 250" "> DATA" "< 354" "> Subject: x" "> " "> x" "> ." "< 250"
check "who hears so" wait_for 20 returned mate
check "of each" wait_for 20 returned cap
check "one to some" call "$(at "$hub")" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<ann@hub.example>" "< 250" "> RCPT TO:<cap@ship.example>" \
    "< 250" "> RCPT TO:<mate@ship.example>" "< 250" "> DATA" "< 354" "> Subject: some" "> " "> x" "> ." "< 250"
check "comes to those" wait_for 20 sh -c "grep -rlas '^Subject: some' '$hub/spool/out/ship' | wc -l | grep -qx 1"
check "and no others" sh -c "! grep -A9 -rash '^MAIL FROM:<ann@hub' '$hub/spool/out/ship' | grep -q '^RCPT TO:<mate'"

say "# its time is over"
stop "$hub_relay"
sed -i 's/keep=7d/keep=1s/' "$hub/mochila.conf"
relay_up "$hub" || fail "no hub"
check "one more" page bob@home.example
check "is kept" wait_for 20 sh -c "test \"\$(find '$hub/spool/hold' -type f | wc -l)\" -eq 1"
once_more() { stop "$relay"; relay_up "$hub" && test "$(wholes)" -eq 0; }
check "until then" wait_for 5 once_more
check "which the history knows" logged "$hub" 'event=removed reason="its time is over"'
finish
