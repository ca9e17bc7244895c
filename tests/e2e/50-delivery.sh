#!/bin/sh
# Mail ends at this host: in a Maildir with a quota, in a mailbox file, with a program, or with
# an LMTP server, and each says what became of it.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage

root=$work/hub
make_site "$root" hub
cat >"$work/program" <<'END'
#!/bin/sh
# What it was called with, then by what the recipient is called.
out=$OUT_DIR/$1
{ printf '<%s>' "$@"; echo; echo "$SENDER $RECIPIENT"; env | grep -c .; cat; } >"$out.tmp" && mv "$out.tmp" "$out"
case $1 in
ok*) exit 0 ;;
nobody) echo "no such person here"; echo "and more"; exit 67 ;;
later) echo "come back"; exit 75 ;;
broken) exit 1 ;;
forker) sleep 300 & echo $! >"$out.pid"; exit 0 ;;
loud) head -c 3000000 /dev/zero; exit 0 ;;
killed) kill -9 $$ ;;
esac
END
sed -i "s|\$OUT_DIR|$work/got|" "$work/program"
chmod 755 "$work/program"
mkdir "$work/got"
lmtp='> 220 fake\n< LHLO\n> 250-fake\n> 250-PIPELINING\n> 250 SIZE\n'
# shellcheck disable=SC2059	# the format is the script
printf "$lmtp< MAIL\n> 250 ok\n< RCPT TO:<one@\n> 250 ok\n< RCPT TO:<two@\n> 250 ok\n< RCPT TO:<three@\n> 550 5.1.1 none\n< DATA\n> 354 go\n<.\n> 250 2.0.0 one has it\n> 552 5.2.2 two is full\nsay all\n< QUIT\n> 221 bye\n" >"$work/lmtp.script"
serve lmtp "$work/lmtp.script"
cat >>"$root/mochila.conf" <<-END
	retry-after = 1h
	mailbox-quota = 2000
	[relay main]
	listen = 127.0.0.1:0
	[routes]
	sender.example = mbox:boxes/%d
	home.example = maildir:mail/%u
	files.example = mbox:boxes/%u
	one.example = mbox:boxes/shared
	run.example = command:$work/program %u -x %d --to=%r
	lm.example = lmtp:127.0.0.1:$port
	/^list-.*@files\.example$/ = mbox:boxes/lists
END
mkdir "$root/boxes"
relay_up "$root" || fail "the relay does not start"
main=$(at "$root")
waiting() { test "$(messages "$root/spool/out/$1")" -eq "$2"; }
told() { grep -qs "$1" "$root/boxes/sender.example"; }
froms() { test -f "$root/boxes/$1" && test "$(grep -c '^From ' "$root/boxes/$1")" -eq "$2"; }

say "# a mailbox file"
body='> From here it goes on'
check "a mail with a From line in its text" call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<ann@sender.example>" \
    "< 250" "> RCPT TO:<bob@files.example>" "< 250" "> DATA" "< 354" "> Subject: x" "> " "$body" "> ." "< 250"
check "comes to a file" wait_for 10 froms bob 1
check "and its line is quoted" grep -q '^>From here' "$root/boxes/bob"
check "the file says whose it is" grep -q '^Delivered-To: bob@files.example$' "$root/boxes/bob"
check "with the sender" grep -q '^Return-Path: <ann@sender.example>$' "$root/boxes/bob"
touch "$root/boxes/bob.lock"
mail "$main" ann@sender.example bob@files.example second
sleep 0.5
check "while a reader has it locked, nothing is written" froms bob 1
rm "$root/boxes/bob.lock"
check "and afterwards it is" wait_for 10 froms bob 2
python3 -c 'import mailbox, sys
box = mailbox.mbox(sys.argv[1])
assert [m["Subject"] for m in box] == ["x", "second"], list(box)' "$root/boxes/bob" 2>"$work/py" ||
    fail "another reader of mbox reads it otherwise: $(tail -n 1 "$work/py")"
check "a mail to two in one file" call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<ann@sender.example>" "< 250" \
    "> RCPT TO:<a@one.example>" "< 250" "> RCPT TO:<b@one.example>" "< 250" "> DATA" "< 354" "> S: y" "> " "> ." "< 250"
check "is there once" wait_for 10 froms shared 1
check "for both" test "$(grep -c '^Delivered-To: ' "$root/boxes/shared")" -eq 2
mail "$main" ann@sender.example list-x@files.example listed
check "a regular expression finds its file" wait_for 10 froms lists 1

say "# a mail that was here before"
check "goes in circles" call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<ann@sender.example>" "< 250" \
    "> RCPT TO:<bob@files.example>" "< 250" "> RCPT TO:<bob@home.example>" "< 250" "> DATA" "< 354" \
    "> Delivered-To: Bob@files.example" "> Delivered-To: bob@home.example" "> S: y" "> " "> ." "< 250"
check "and its sender is told" wait_for 10 told '^Status: 5.4.6'
check "it is not there again" froms bob 2

say "# a Maildir's quota"
mail "$main" ann@sender.example bob@home.example small
check "a small mail fits" wait_for 10 has_mail "$root" bob 1
large=$(printf '%02000d' 0)
check "a large one" call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<ann@sender.example>" "< 250" \
    "> RCPT TO:<bob@home.example>" "< 250" "> DATA" "< 354" "> S: y" "> " "> $large" "> ." "< 250"
check "waits" wait_for 10 logged "$root" 'event=deferred to=<bob@home.example>.*452 4.2.2\|event=deferred to=<bob@home.example>.*4.2.2 '
check "outside" has_mail "$root" bob 1

say "# a program"
ran() { test -f "$work/got/$1"; }
mail "$main" ann@sender.example ok@run.example well
check "gets a mail" wait_for 10 ran ok
check "with its words" grep -qxF '<ok><-x><run.example><--to=ok@run.example>' "$work/got/ok"
check "who sent it to whom" grep -qx 'ann@sender.example ok@run.example' "$work/got/ok"
check "and the text with LF" sh -c "grep -qx 'Hello, well.' '$work/got/ok' && ! grep -q '$(printf '\r')' '$work/got/ok'"
check "no word of it is a shell's" call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<ann@sender.example>" "< 250" \
    "> RCPT TO:<\"ok;touch \$(x)\"@run.example>" "< 250" "> DATA" "< 354" "> S: y" "> " "> ." "< 250"
# shellcheck disable=SC2016	# as it was said
check "but one word" wait_for 10 grep -qsF '<"ok;touch $(x)"><-x>' "$work/got/\"ok;touch \$(x)\""
check "a recipient that looks like an option" call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<ann@sender.example>" \
    "< 250" "> RCPT TO:<-oQ@run.example>" "< 250" "> DATA" "< 354" "> S: y" "> " "> ." "< 250"
check "is refused" wait_for 10 told 'begins with a dash'
mail "$main" ann@sender.example nobody@run.example nobody
check "what a program refuses goes back in its words" wait_for 10 told 'no such person here'
check "with a status that says who is meant" told '^Status: 5.1.1'
mail "$main" ann@sender.example broken@run.example broken
check "so does what it fails at" wait_for 10 logged "$root" 'event=failed to=<broken@run.example>'
mail "$main" ann@sender.example later@run.example later
check "what it puts off waits" wait_for 10 logged "$root" 'event=deferred to=<later@run.example>.*come back'
mail "$main" ann@sender.example killed@run.example killed
check "and so does what it died of" wait_for 10 logged "$root" 'event=deferred to=<killed@run.example>.*signal 9'
mail "$main" ann@sender.example loud@run.example loud
check "one that never stops talking is listened to, a little" wait_for 10 logged "$root" 'event=delivered to=<loud@run.example>'
mail "$main" ann@sender.example forker@run.example forker
check "one that leaves a child behind" wait_for 10 logged "$root" 'event=delivered to=<forker@run.example>'
dead() { ! kill -0 "$(cat "$work/got/forker.pid")" 2>/dev/null || grep -qs '^State:.*Z' "/proc/$(cat "$work/got/forker.pid")/status"; }
check "leaves none" wait_for 5 dead

say "# LMTP"
check "a mail to three" call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<ann@sender.example>" "< 250" \
    "> RCPT TO:<one@lm.example>" "< 250" "> RCPT TO:<two@lm.example>" "< 250" "> RCPT TO:<three@lm.example>" "< 250" \
    "> DATA" "< 354" "> S: y" "> " "> ." "< 250"
check "is told of each" wait_for 10 grep -qx all "$work/lmtp.log"
check "one has it" wait_for 10 logged "$root" 'event=delivered to=<one@lm.example>.*taken'
check "another has no room" wait_for 10 logged "$root" 'event=failed to=<two@lm.example>.*two is full'
check "the third there is not" wait_for 10 told 'Final-Recipient: rfc822; three@lm.example'
check "and the server is named" told '^Remote-MTA: dns; 127.0.0.1'
finish
