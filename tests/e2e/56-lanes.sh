#!/bin/sh
# Many messages for one next hop: how many connections it gets, for how long, and what it is
# told at a time.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage

root=$work/hub
make_site "$root" hub
cat >>"$root/mochila.conf" <<-END
	retry-after = 1h
	[relay main]
	listen = 127.0.0.1:0
	[routes]
	hub.example = maildir:mail/%u
END
hops=''
# hop NAME SETTINGS-OF-[hop] OPTION...: a next hop (lanes.py), and the way to it.
hop() {
	hop_name=$1 hop_settings=$2
	shift 2
	play "$hop_name" lanes.py "$@"
	leads_to "$hop_name" "$hop_settings"
	hops="$hops $hop_name"
}
hop wide 'connections = 3\nkeep = 1h' "gate=$work/gate"
hop narrow 'connections = 5\nkeep = 1h' "gate=$work/gate2" most=2
hop single 'connections = 1\nkeep = 0' "gate=$work/gate"
hop limited 'connections = 1\nkeep = 0' limits=RCPTMAX=2,MAILMAX=3
hop strict 'connections = 1\nkeep = 0' rcpts=3
hop fallen 'connections = 2\nkeep = 1h' "gate=$work/gate3" "falls=$work/fall"
hop few 'connections = 1\nkeep = 1h\nmax-messages = 2'
if peer microsocks; then
	free_port && socks=$port
	start socks env LD_LIBRARY_PATH="$peer_libs" "$peer/usr/bin/microsocks" -i 127.0.0.1 -p "$socks"
	wait_for 10 listening "$socks" || fail "no proxy"
	hop behind "proxy = socks5://127.0.0.1:$socks"
	free_port && nobody=$port
	hop lost "proxy = socks5://127.0.0.1:$nobody"
else
	say "no proxy: $why"
fi
relay_up "$root" || fail "the relay does not start"
main=$(at "$root")

# send TO...: one message, in Subject the first of them.
send() {
	send_first=$1 send_rcpts=''
	for send_to; do
		send_rcpts="$send_rcpts
> RCPT TO:<$send_to>
< 250"
	done
	printf '%s\n' "< 220" "> EHLO test.example" "< 250" "> MAIL FROM:<ann@hub.example>" "< 250$send_rcpts" "> DATA" "< 354" \
	    "> Subject: ${send_first%@*}" "> " "> Hello." "> ." "< 250 2.0.0" "> QUIT" "< 221" | "$wire" call "$main" ||
	    fail "mail for $send_first"
}
said() { if test -e "$work/$1.said"; then grep -c -- "$2" "$work/$1.said"; else echo 0; fi; }
says() { test "$(said "$1" "$2")" "${4:--eq}" "$3"; }
no_line() { ! grep -q -- "$1" "$2"; }
once_each() { test "$(grep ^took "$work/$1.said" | cut -d' ' -f3 | sort -u | wc -l)" -eq "$2"; }
# at_most N NAME: so many transactions over each of its connections.
at_most() { grep ^took "$work/$2.said" | cut -d' ' -f2 | sort | uniq -c | awk -v most="$1" '$1 > most { exit 1 }'; }
closed() { test "$(said "$1" ^connect)" -eq "$(said "$1" ^quit)"; }
place() { echo "smtp:127.0.0.1:$(cat "$work/$1.port")"; }

say "# side by side"
touch "$work/gate"
send w0@wide.example
check "the first message goes alone" wait_for 20 says wide ^took 1
rm "$work/gate"
for n in 1 2 3 4 5 6 7; do send "w$n@wide.example"; done
check "one got through: two may go" wait_for 20 grep -qx 'at-once 2' "$work/wide.said"
check "and no third" says wide '^at-once 3' 0
touch "$work/gate"
check "the others follow" wait_for 20 says wide ^took 8
rm "$work/gate"
for n in a b c d e f; do send "w$n@wide.example"; done
check "some are under way" wait_for 20 says wide ^at-once 9 -ge
touch "$work/gate"
check "and all arrive" wait_for 20 says wide ^took 14
check "none twice" once_each wide 14
check "by three connections at most" says wide ^connect 3 -le
check "which stay" says wide ^quit 0
check "nothing waits any more" wait_for 10 empty "$root/spool/out/$(place wide)"

say "# fewer than we would like"
touch "$work/gate2"
for n in 0 1; do send "n$n@narrow.example"; done
check "some get through" wait_for 20 says narrow ^took 2
rm "$work/gate2"
for n in 2 3 4 5 6 7 8; do send "n$n@narrow.example"; done
check "two at a time" wait_for 20 says narrow '^at-once 2' 1 -ge
touch "$work/gate2"
check "all arrive" wait_for 30 says narrow ^took 9
check "none twice" once_each narrow 9
check "never more than two" says narrow '^at-once 3' 0
check "who was turned away was no trouble" no_line "event=unreachable by=$(place narrow)" "$work/hub.log"

say "# fewer than we have, and then none"
send f0@fallen.example
check "a message is under way" wait_for 20 says fallen '^at-once 1' 1
for n in 1 2; do send "f$n@fallen.example"; done
touch "$work/gate3"
unreachable() { test "$(grep -c "event=unreachable by=$(place fallen)" "$work/hub.log")" -eq "$1"; }
check "it gets through, and then the connection and its successor are gone" wait_for 20 unreachable 1
check "while a second one waits for its greeting" says fallen ^turned-away 1
touch "$work/fall"
check "and is sent away, too" wait_for 20 says fallen ^turned-away 2
check "which is the same trouble, not a crowd" wait_for 20 unreachable 2
mochila --root "$root" retry "$(place fallen)" >"$work/retry" 2>&1
check "that has an end: both are tried again, and arrive" wait_for 20 says fallen ^took 3
check "none twice" once_each fallen 3

say "# one only"
for n in 0 1 2 3 4; do send "s$n@single.example"; done
check "all arrive" wait_for 20 says single ^took 5
check "one after the other" says single '^at-once 2' 0
check "and the connection is closed" wait_for 20 closed single

say "# what it says it takes"
send a@limited.example b@limited.example c@limited.example d@limited.example e@limited.example
check "RCPTMAX: two recipients at a time" wait_for 20 grep -q ' a a,b$' "$work/limited.said"
check "and two" wait_for 20 grep -q ' a c,d$' "$work/limited.said"
check "and the rest" wait_for 20 grep -q ' a e$' "$work/limited.said"
for n in 0 1 2 3; do send "l$n@limited.example"; done
check "all arrive" wait_for 20 says limited ^took 7
check "MAILMAX: three over one connection" at_most 3 limited
send a@strict.example b@strict.example c@strict.example d@strict.example e@strict.example f@strict.example g@strict.example
check "what was one too many goes next" wait_for 20 grep -q ' a g$' "$work/strict.said"
check "in its turn" says strict ' a [a-g],[a-g],[a-g]$' 2
check "nobody was put off" no_line "event=deferred to=<.@strict" "$root/spool/log/mochila.log"
for n in 0 1 2 3 4; do send "f$n@few.example"; done
check "max-messages" wait_for 20 says few ^took 5
check "is two over one connection" at_most 2 few

case $hops in *behind*)
	say "# through a proxy"
	for name in behind lost; do send "p@$name.example"; done
	check "by SOCKS5" wait_for 20 says behind ^took 1
	check "one that is not there" wait_for 20 grep -q "event=unreachable by=$(place lost) why=.*127.0.0.1:$nobody: " "$work/hub.log"
	check "is not gone around" says lost ^connect 0
esac
finish
