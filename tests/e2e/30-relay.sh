#!/bin/sh
# mochila-relay takes mail by SMTP and delivers it into Maildirs; what it refuses; how it ends,
# is killed, and comes back.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage

root=$work/home
make_site "$root" home
cat >>"$root/mochila.conf" <<-END
	max-hops = 30
	[relay main]
	listen = 127.0.0.1:0
	[relay strange]
	listen = 127.0.0.1:0 127.0.0.1:0
	relay-from = 192.0.2.0/24
	timeout = 2s
	max-client-connections = 3
	max-errors = 5
	[routes]
	home.example = maildir:mail/%u
	list.example = maildir:mail/list
	gone.example = reject:they moved away
	* = smtp:127.0.0.1:1
END

say "# configurations that are refused"
check "an open relay is not started" exits 78 \
    mochila-relay --root "$root" --set "relay main.relay-from=0.0.0.0/0"
check "and the sentence says so" grep -q "this would be an open relay" "$work/said"
check "nor one over IPv6" exits 78 \
    mochila-relay --root "$root" --set "relay main.relay-from=::/0"
check "an instance that is not there is named" exits 78 \
    mochila-relay --root "$root" --instance nobody
check "a network that is none is named" exits 78 \
    mochila-relay --root "$root" --set "relay main.relay-from=10.1.2.3/8"
check "a descriptor that is none is a slip of the command line" exits 64 \
    mochila-relay --root "$root" --ready-fd 77

say "# from a client into a Maildir"
relay_up "$root" || fail "the relay did not start"
main=$(at "$root") strange=$(at "$root" strange | head -n 1)
check "two doors of one instance have two ports" test "$(at "$root" strange | sort -u | wc -l)" -eq 2
check "a mail is accepted" mail "$main" ann@hub.example Bob@home.example first
check "and delivered" wait_for 10 has_mail "$root" bob 1
cat "$root"/mail/bob/new/* >"$work/first"
check "with its envelope on top" grep -q '^Return-Path: <ann@hub.example>$' "$work/first"
check "and to whom" grep -q '^Delivered-To: Bob@home.example$' "$work/first"
check "and our trace" grep -q '^	by home.example with ESMTP id ' "$work/first"
check "lines end in LF alone" test "$(tr -d '\n' <"$work/first" | tr -cd '\r' | wc -c)" -eq 0
check "the spool is empty again" empty "$root/spool/out"
check "the history knows it" logged "$root" "event=delivered to=<Bob@home.example>"

check "dots, long lines and a missing last line end stay as they are" call "$main" "< 220" \
    "> HELO x" "< 250" "> MAIL FROM:<>" "< 250" "> RCPT TO:<dots@home.example>" "< 250" "> DATA" "< 354" \
    "> Subject: dots" "> " "> ..one" "> ...two" "> from here" ">> $(printf '%998s' x)\\r\\n" "> ." "< 250"
check "they came" wait_for 10 has_mail "$root" dots 1
check "unstuffed" grep -qx '\.\.two' "$root"/mail/dots/new/*
check "with 998 bytes in a line" grep -q '^ \{997\}x$' "$root"/mail/dots/new/*
check "without a sender" grep -q '^Return-Path: <>$' "$root"/mail/dots/new/*

check "two recipients of one box get one file" call "$main" "< 220" "> EHLO x" "< 250" \
    "> MAIL FROM:<a@b.example>" "< 250" "> RCPT TO:<one@list.example>" "< 250" \
    "> RCPT TO:<two@list.example>" "< 250" ">> BDAT 14 LAST\\r\\nA: b\\r\\n\\r\\ntext\\r\\n" "< 250 2.0.0" "> QUIT"
check "it came" wait_for 10 has_mail "$root" list 1
check "naming both" test "$(grep -c '^Delivered-To' "$root"/mail/list/new/*)" -eq 2

say "# who may send where"
check "a stranger may send to us" mail "$strange" s@victim.example carol@home.example stranger
check "and not through us" call "$strange" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<u@home.example>" "< 250" \
    "> RCPT TO:<t@victim.example>" "< 550 5.7.1" "> RCPT TO:<t%victim.example@home.example>" "< 550 5.7.1" \
    "> RCPT TO:<carol@home.example>" "< 250" "> RCPT TO:<t@victim.example>" "< 550 5.7.1" "> RSET" "< 250"
check "recipient probing is cut off (OR-75)" call "$strange" "< 220" "> EHLO x" "< 250" \
    "> MAIL FROM:<>" "< 250" "> RCPT TO:<a@v.example>" "< 550" "> RCPT TO:<b@v.example>" "< 550" \
    "> RCPT TO:<c@v.example>" "< 550" "> RCPT TO:<d@v.example>" "< 550" "> RCPT TO:<e@v.example>" "< 550" \
    "> RCPT TO:<f@v.example>" "< 550" "< 421 4.7.0" "<!"
check "what is routed to reject hears why" call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<>" "< 250" \
    "> RCPT TO:<u@gone.example>" "< 550 5.7.1 they moved away" "> QUIT" "< 221"
check "no mailbox can be called .profile or a b" call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<>" "< 250" \
    '> RCPT TO:<"a b"@home.example>' "< 550 5.1.1" '> RCPT TO:<".profile"@home.example>' "< 550 5.1.1"

say "# loops, sizes, silence, crowds"
hops=$(i=0; while [ $i -lt 31 ]; do printf 'Received: from a by b; %d\\r\\n' $i; i=$((i + 1)); done)
check "a mail that goes in circles is refused (DATA-06)" call "$main" "< 220" "> EHLO x" "< 250" \
    "> MAIL FROM:<a@b.example>" "< 250" "> RCPT TO:<loop@home.example>" "< 250" "> DATA" "< 354" \
    ">> $hops" "> " "> body" "> ." "< 554 5.4.6" "> QUIT" "< 221"
check "a size beyond ours is refused at once" call "$main" "< 220" "> EHLO x" "< 250" \
    "> MAIL FROM:<a@b.example> SIZE=99999999999" "< 552 5.3.4"
check "a bare LF is no line end (DATA-01)" call "$main" "< 220" "> EHLO x" "< 250" \
    "> MAIL FROM:<a@b.example>" "< 250" "> RCPT TO:<lf@home.example>" "< 250" "> DATA" "< 354" \
    '>> x\r\n.\nMAIL FROM:<evil@x.example>\r\n.\r\n' "< 550" "<!"
check "one who trickles is sent away on time (SMTP-14)" call "$strange" "< 220" ">> E" "wait 700" ">> H" \
    "wait 700" ">> L" "wait 700" ">> O" "< 421 4.4.2" "<!"
check "one who is silent in the middle of DATA too" call "$strange" "< 220" "> EHLO x" "< 250" \
    "> MAIL FROM:<a@b.example>" "< 250" "> RCPT TO:<late@home.example>" "< 250" "> DATA" "< 354" "> half" \
    "< 421 4.4.2" "<!"
printf '%s\n' "< 220" "say in" "wait 6000" >"$work/hold"
for i in 1 2 3; do start "hold$i" sh -c "exec '$wire' call $strange <'$work/hold'"; done
all_in() { test "$(cat "$work"/hold?.log | grep -c '^in$')" -eq 3; }
check "three connections of a client are welcome" wait_for 5 all_in
check "the fourth is told to wait (SMTP-15)" call "$strange" "< 421 4.7.0" "<!"
check "the other instance has no part in it" mail "$main" a@b.example dave@home.example crowd
say "# the dialogues of the engine's tests, over the wire"
talk=$work/talk
make_site "$talk" mx
cat >>"$talk/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0
	[routes]
	* = maildir:mail/all
END
sed -i 's/^host = .*/host = mx.example/' "$talk/mochila.conf"
home_relay=$relay
relay_up "$talk" || fail "the relay did not start"
for file in "$top"/tests/talk/smtp-*.talk; do
	grep -qE 'refused@|later@' "$file" && continue	# that spool in memory has a mind of its own
	check "${file##*/}" "$build/tests/talk/player" --to "$(at "$talk")" "$file"
done
stop "$relay"
relay=$home_relay

say "# early ends"
for how in close reset; do
	check "an end after RCPT ($how) leaves nothing" call "$main" "< 220" "> EHLO x" "< 250" \
	    "> MAIL FROM:<a@b.example>" "< 250" "> RCPT TO:<early@home.example>" "< 250" "$how"
	check "an end in mid-DATA ($how) leaves nothing" call "$main" "< 220" "> EHLO x" "< 250" \
	    "> MAIL FROM:<a@b.example>" "< 250" "> RCPT TO:<early@home.example>" "< 250" "> DATA" "< 354" \
	    "fill 300000" "$how"
done
nothing_left() { empty "$root/spool/tmp" && empty "$root/spool/in"; }
check "nothing is left of them" wait_for 5 nothing_left
check "nobody got anything" has_mail "$root" early 0

say "# new settings under a running dialogue"
sed -i 's/^home.example = .*/&\nnew.example = maildir:mail\/%u/' "$root/mochila.conf"
(
	printf '%s\n' "< 220" "> EHLO x" "< 250" "> MAIL FROM:<a@b.example>" "< 250" \
	    "> RCPT TO:<hup@home.example>" "< 250" "> DATA" "< 354" "> Subject: hup" "> "
	kill -HUP "$relay"
	sleep 0.5
	printf '%s\n' "> body" "> ." "< 250 2.0.0" "> QUIT" "< 221"
) | "$wire" call "$main"
check "SIGHUP drops no connection" test $? -eq 0
check "and the new route is there" mail "$main" a@b.example hup@new.example reloaded
check "both came" wait_for 10 has_mail "$root" hup 2
sed -i 's/^new.example = .*/&\nnonsense/' "$root/mochila.conf"
kill -HUP "$relay"
check "settings with a slip are not taken" wait_for 5 grep -q "event=reload-refused" "$work/home.log"
check "and the old ones go on" mail "$main" a@b.example hup@new.example reloaded
sed -i '/^nonsense/d' "$root/mochila.conf"

say "# killed, and ended"
printf '%s\n' "< 220" "> EHLO x" "< 250" "> MAIL FROM:<a@b.example>" "< 250" "> RCPT TO:<cut@home.example>" \
    "< 250" "> DATA" "< 354" "fill 100000" "say sent" "wait 500" "<!" >"$work/cut"
start cut sh -c "exec $wire call $main <$work/cut"
cut=$pid
wait_for 10 grep -qs sent "$work/cut.log"
killed "$relay"
wait "$cut"
relay_up "$root" || fail "the relay did not come back"
main=$(at "$root")
check "what was killed in mid-DATA left nothing" nothing_left
mail "$main" a@b.example after@home.example after; after=$?
killed "$relay"
check "what was accepted before the kill" test $after -eq 0
relay_up "$root" || fail "the relay did not come back"
main=$(at "$root")
check "is delivered after it" wait_for 10 has_mail "$root" after 1
on_its_way() { grep -q "on its way" "$work/term.said"; }
(
	printf '%s\n' "< 220" "> EHLO x" "< 250" "> MAIL FROM:<a@b.example>" "< 250" \
	    "> RCPT TO:<term@home.example>" "< 250" "> DATA" "< 354" "> Subject: term" "> " "say it is on its way"
	wait_for 10 on_its_way
	kill -TERM "$relay"
	sleep 0.5
	printf '%s\n' "> body" "> ." "< 250 2.0.0" "< 421 4.3.2" "<!"
) | "$wire" call "$main" >"$work/term.said"
check "SIGTERM lets a message end" test $? -eq 0
wait "$relay"
check "and then leaves in good order" test $? -eq 0
check "in the background it is ready when the command is over" \
    mochila-relay --root "$root" --background --log "$work/background.log" --pid-file "$work/pid"
check "its message of before is delivered" wait_for 10 has_mail "$root" term 1
check "a second one finds the ports taken" exits 78 mochila-relay --root "$root" \
    --set "relay main.listen=$(sed -n 's/.*relay=main .*at=//p' "$work/background.log")"
kill "$(cat "$work/pid")"
check "and goes when told, with its pid file" wait_for 12 test ! -e "$work/pid"
finish
