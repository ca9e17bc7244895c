#!/bin/sh
# Mail that goes on before it is answered for: the client hears what the next hop says, and
# nothing is kept, unless something is left to do.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage

root=$work/hub
# turn NAME LINE...: the script of a connection with one message, up to its recipients and on.
turn() {
	turn_name=$1
	shift
	printf '%s\n' "> 220 hop" "< EHLO" "> 250 hop" "< MAIL" "> 250 ok" "< RCPT" "$@" "< QUIT" "> 221 bye" >"$work/$turn_name"
}
turn 1 "> 250 ok" "< DATA" "> 354 go" "<." "> 250 2.6.0 queued there as 4711"
turn 2 "> 250 ok" "< DATA" "> 354 go" "<." "> 554 5.7.1 we do not want that"
turn 3 "> 250 ok" "< DATA" "> 354 go" "<." "> 450 4.7.1 greylisted"
turn 4 "> 550 5.1.1 nobody of that name"
turn 5 "> 250 ok" "< RCPT" "> 550 5.1.1 not he" "< DATA" "> 354 go" "<." "> 250 2.0.0 half of it"
turn 6 "> 250 ok" "< DATA" "> 354 go" "<." "> 250 2.0.0 taken without DSN"
printf '%s\n' "> 220 hop" "< EHLO" "> 250 hop" "< MAIL" "> 250 ok" "< RCPT" "> 250 ok" "< DATA" "> 354 go" "<." close >"$work/7"
turn 8 "> 250 ok" "< DATA" "> 354 go" "<." "> 250 2.0.0 the second time"
serve words "$work/1" "$work/2" "$work/3" "$work/4" "$work/5" "$work/6" "$work/7" "$work/8" && words=$port
free_port && down=$port
play held lanes.py "gate=$work/gate"
make_site "$root" hub
cat >>"$root/mochila.conf" <<-END
	retry-after = 1h
	[relay main]
	listen = 127.0.0.1:0
	forward = at-once
	[relay strict]
	listen = 127.0.0.1:0
	forward = at-once
	forward-down = refuse
	[relay early]
	listen = 127.0.0.1:0
	forward = connect
	[relay late]
	listen = 127.0.0.1:0
	forward = disconnect
	[routes]
	hub.example = maildir:mail/%u
	words.example = smtp:127.0.0.1:$words
	down.example = smtp:127.0.0.1:$down
	down2.example = smtp:127.0.0.1:$down
	* = smtp:127.0.0.1:$(cat "$work/held.port")
END
relay_up "$root" || fail "the relay does not start"
main=$(at "$root") strict=$(at "$root" strict) early=$(at "$root" early) late=$(at "$root" late)

# said WHERE REPLY TO...: a mail for them is answered so.
said() {
	said_where=$1 said_reply=$2 said_rcpts=''
	shift 2
	for said_to; do
		said_rcpts="$said_rcpts
> RCPT TO:<$said_to>
< 250"
	done
	call "$said_where" "< 220" "> EHLO test.example" "< 250" "> MAIL FROM:<ann@hub.example>" "< 250$said_rcpts" "> DATA" "< 354" \
	    "> Subject: hello" "> " "> Hello." "> ." "< $said_reply" "> QUIT" "< 221"
}
waiting() { test "$(messages "$root/spool/out")" -eq "$1"; }
no_trace() { empty "$root/spool/in" && empty "$root/spool/out" && empty "$root/spool/tmp"; }
took() { test "$(grep -c ^took "$work/held.said")" -eq "$1"; }

say "# in the words of the next hop"
check "taken" said "$main" "250 2.6.0 queued there as 4711" a@words.example
check "is in no spool" no_trace
check "but in its history" logged "$root" "event=passed from=<ann@hub.example>"
check "refused" said "$main" "554 5.7.1 we do not want that" a@words.example
check "put off" said "$main" "450 4.7.1 greylisted" a@words.example
check "nobody there" said "$main" "550 5.1.1 nobody of that name" a@words.example
check "leaves no trace" no_trace
check "nor does anybody get a report" test "$(boxed "$root" ann)" -eq 0
check "one of two is there" said "$main" "250 2.0.0" a@words.example b@words.example
check "for the other ann gets a report" wait_for 20 has_mail "$root" ann 1
check "with those words" grep -q '550 5.1.1 not he' "$root/mail/ann/new/"*
check "and nothing is left" wait_for 10 no_trace
check "who asks to be told" call "$main" "< 220" "> EHLO test.example" "< 250" "> MAIL FROM:<eve@hub.example>" "< 250" \
    "> RCPT TO:<a@words.example> NOTIFY=SUCCESS" "< 250" "> DATA" "< 354" "> Subject: hello" "> " "> ." "< 250 2.0.0" "> QUIT" "< 221"
check "is told by us, where the next hop does not" wait_for 20 has_mail "$root" eve 1
check "that it was handed on" grep -q '^Action: relayed' "$root/mail/eve/new/"*
check "nothing is left" wait_for 10 no_trace

say "# a next hop that is down"
check "in the middle: nobody knows, so it waits" said "$main" "250 2.0.0" a@words.example
check "and goes later" wait_for 20 logged "$root" 'reply="250 2.0.0 the second time"'
check "or not there at all" said "$main" "250 2.0.0" a@down.example
check "it waits in the spool" wait_for 10 waiting 1
check "or it is refused" said "$strict" "451 4.4.1" a@down2.example
check "and does not wait" waiting 1
check "with the pause that there is for it nobody waits" said "$main" "250 2.0.0" b@down.example

say "# for several next hops, or for us"
check "it is the spool's" said "$main" "250 2.0.0" bob@hub.example x@held.example
check "from where it goes" wait_for 20 has_mail "$root" bob 1
touch "$work/gate"
check "to all" wait_for 20 took 1

say "# killed while the next hop has it"
rm "$work/gate"
said "$main" "250 2.0.0" x@held.example >/dev/null 2>&1 &
client=$!
check "it has it" wait_for 20 sh -c "test \$(grep -c ^at-once '$work/held.said') -eq 2"
killed "$relay"
wait "$client"
check "the client has heard nothing" test $? -ne 0
touch "$work/gate"
check "the next hop took it" wait_for 20 took 2
relay_up "$root" || fail "the relay does not start"
main=$(at "$root") strict=$(at "$root" strict) early=$(at "$root" early) late=$(at "$root" late)
check "nothing of it is here" sh -c "! grep -rqs held.example '$root/spool/out' '$root/spool/in' '$root/spool/tmp'"
check "what waited does" waiting 2

say "# on connect"
connects=$(grep -c ^connect "$work/held.said")
connected() { test "$(grep -c ^connect "$work/held.said")" -gt "$connects"; }
mkfifo "$work/lines"
"$wire" call "$early" <"$work/lines" >"$work/early.log" 2>&1 &
client=$!
exec 4>"$work/lines"
echo "< 220" >&4
check "and the next hop is called" wait_for 20 connected
printf '%s\n' "> EHLO test.example" "< 250" "> MAIL FROM:<ann@hub.example>" "< 250" "> RCPT TO:<x@held.example>" "< 250" \
    "> DATA" "< 354" "> Subject: early" "> " "> ." "< 250 2.0.0 taken" "> QUIT" "< 221" >&4
exec 4>&-
wait "$client"
check "its words are the answer" test $? -eq 0
check "over that connection" test "$(grep -c ^connect "$work/held.said")" -eq $((connects + 1))

say "# on disconnect"
"$wire" call "$late" <"$work/lines" >"$work/late.log" 2>&1 &
client=$!
exec 4>"$work/lines"
printf '%s\n' "< 220" "> EHLO test.example" "< 250" "> MAIL FROM:<ann@hub.example>" "< 250" "> RCPT TO:<late@hub.example>" "< 250" \
    "> DATA" "< 354" "> Subject: late" "> " "> ." "< 250 2.0.0" >&4
check "what is accepted" wait_for 20 sh -c "grep -q 'event=accepted.*relay=late' '$root/spool/log/mochila.log'"
check "stays in in/" test "$(messages "$root/spool/in")" -ge 1
check "until the client goes" has_mail "$root" late 0
printf '%s\n' "> QUIT" "< 221" >&4
exec 4>&-
wait "$client"
check "then it goes on" wait_for 20 has_mail "$root" late 1
finish
