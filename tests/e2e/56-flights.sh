#!/bin/sh
# Several messages under way over one connection, and what becomes of them when one is refused, or
# the connection breaks.
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
# hop NAME SETTINGS-OF-[hop] OPTION...: a next hop (flights.py), and the way to it.
hop() {
	hop_name=$1 hop_settings=$2
	shift 2
	play "$hop_name" flights.py "$@"
	leads_to "$hop_name" "connections = 1\nkeep = 0\n$hop_settings"
	hops="$hops $hop_name"
}
hop deep '' chunks=yes together=4
hop dotted '' together=2 "gate=$work/gate"
hop calm 'in-flight = 1' chunks=yes "gate=$work/gate"
hop broken '' chunks=yes together=4 drop=5
hop choosy '' chunks=yes
hop choosydots ''
hop limited '' chunks=yes limits=MAILMAX=3
say 'ann secret' >"$work/login"
hop known "login = $work/login\nlogin-in-clear = yes" chunks=yes together=4 drop=5 login=ann:secret
hop knowndots "login = $work/login\nlogin-in-clear = yes" together=2 "gate=$work/gate" login=ann:secret
hop strange "login = $work/login\nlogin-in-clear = yes" chunks=yes login=ann:other

# send NAME COUNT: that many wait for it, in this order.
send() {
	for send_n in $(seq "$2"); do
		printf 'From: ann@hub.example\nSubject: %s\n\nHello.\n' "$send_n" |
		    MOCHILA_ROOT="$root" sendmail -f "ann$send_n@hub.example" "${3:-bob}$send_n@$1.example" || fail "mail for $1"
	done
}
said() { if test -e "$work/$1.said"; then grep -c -- "$2" "$work/$1.said"; else echo 0; fi; }
says() { test "$(said "$1" "$2")" "${4:--eq}" "$3"; }
no_line() { ! grep -q -- "$1" "$2"; }
place() { echo "smtp:127.0.0.1:$(cat "$work/$1.port")"; }
none_wait() { empty "$root/spool/in" && empty "$root/spool/out/$(place "$1")"; }
# Each as it was given, so often.
as_given() {	# NAME COUNT
	for as_n in $(seq "$2"); do
		grep -q " $as_n from ann$as_n to bob$as_n\$" "$work/$1.said" || return 1
	done
}
so_often() { grep '^took' "$work/$1.said" | cut -d' ' -f3 | sort | uniq -c | awk -v times="$2" '$1 == times { n++ } END { print n + 0 }'; }

send deep 9
send dotted 5
send calm 3
send broken 9
for name in choosy choosydots; do
	send $name 2
	printf 'From: ann@hub.example\nSubject: 3\n\nHello.\n' |
	    MOCHILA_ROOT="$root" sendmail -f ann3@hub.example "nobody@$name.example" || fail "mail for $name"
	for n in 4 5; do
		printf 'From: ann@hub.example\nSubject: %s\n\nHello.\n' "$n" |
		    MOCHILA_ROOT="$root" sendmail -f "ann$n@hub.example" "bob$n@$name.example" || fail "mail for $name"
	done
done
send limited 7
send known 9
send knowndots 5
send strange 3
relay_up "$root" || fail "the relay does not start"

say "# several by BDAT"
check "all arrive" wait_for 30 says deep ^took 9
check "the first alone" says deep '^answered 1$' 1
check "and four at a time" says deep '^answered 4$' 2
check "as they were given" as_given deep 9
check "over one connection" says deep ^connect 1
check "nothing waits any more" wait_for 10 none_wait deep

say "# two by DATA"
check "the next envelope comes behind the dot" wait_for 30 says dotted ^took 5
touch "$work/gate"	# the last one has no company
check "all are answered" wait_for 10 none_wait dotted
check "as they were given" as_given dotted 5

say "# one at a time, if it is to be so"
check "all arrive" wait_for 20 none_wait calm
check "each alone" says calm ^answered 3
check "and nothing came before the answer" says calm ^ahead 0

say "# the connection breaks under four"
check "all arrive" wait_for 30 none_wait broken
check "as they were given" as_given broken 9
check "what was answered for, once" test "$(so_often broken 1)" -eq 5
check "what nobody knows of, twice" test "$(so_often broken 2)" -eq 4
check "and nothing was put off" no_line "event=deferred.*by=$(place broken)" "$root/spool/log/mochila.log"
check "by one connection more" says broken ^connect 2

say "# one that nobody wants among them"
for name in choosy choosydots; do
	check "by $name the others arrive" wait_for 20 none_wait $name
	check "each once" test "$(so_often $name 1)" -eq 4
	for n in 1 2 4 5; do
		check "from who sent it" grep -q " $n from ann$n to bob$n\$" "$work/$name.said"
	done
	check "its sender hears of it" wait_for 20 grep -qr "nobody@$name.example" "$root/mail/ann3"
done

say "# what it says it takes"
check "all arrive" wait_for 20 none_wait limited
check "three over each connection" says limited ^connect 3
check "each once" test "$(so_often limited 1)" -eq 7

say "# a login"
check "all arrive by BDAT" wait_for 30 none_wait known
check "by DATA" wait_for 20 none_wait knowndots
for name in known knowndots; do
	count=$(said $name ^connect)
	check "each of $count connections of $name is logged in, once" says $name '^login ok' "$count"
	check "and no message was said before it, nor a login behind one" says $name '^stranger\|^login [nl]' 0
done
check "what was under way when it broke is said again behind the next one" test "$(so_often known 1),$(so_often known 2)" = 5,4
check "who is not let in" wait_for 20 says strange '^login no' 1 -ge
check "says nothing" says strange '^stranger\|^took' 0
check "and all of it waits" test "$(messages "$root/spool/out/$(place strange)")" -eq 3
finish
