#!/bin/sh
# What mochila-relay does when there is too much or too little of something: connections,
# descriptors, disk, bytes a second; and when a route leads back to itself.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage

root=$work/home
free_port && self=$port
make_site "$root" home
cat >>"$root/mochila.conf" <<-END
	max-hops = 5
	[relay main]
	listen = 127.0.0.1:$self
	max-connections = 40
	max-client-connections = 40
	timeout = 1s
	min-data-rate = 40
	[routes]
	home.example = maildir:mail/%u
	circle.example = smtp:127.0.0.1:$self
END

# hold COUNT: so many connections that do nothing but be there; they say so in hold.log.
hold() {
	printf '%s\n' "< 220" "say in" "< 421" >"$work/hold"
	hold_left=$1
	holding=
	while [ "$hold_left" -gt 0 ]; do
		"$wire" call "$main" <"$work/hold" >>"$work/hold.log" 2>/dev/null &
		holding="$holding $!"
		hold_left=$((hold_left - 1))
	done
}
let_go() {
	# shellcheck disable=SC2086	# one word a pid
	kill $holding 2>/dev/null
	# shellcheck disable=SC2086
	wait $holding 2>/dev/null
	true
}
in_now() { test "$(grep -c in "$work/hold.log")" -ge "$1"; }

say "# too many"
six=
grep -qs '^0\{31\}1 ' /proc/net/if_inet6 && six="--set=relay six.listen=[::1]:0"
relay_up "$root" --set "relay main.timeout=20s" ${six:+"$six"} || fail "the relay did not start"
main=$(at "$root")
hold 40
check "forty connections are welcome" wait_for 20 in_now 40
check "one more is told to come back (SMTP-15)" call "$main" "< 421 4.3.2" "<!"
let_go
again() { mail "$main" a@b.example bob@home.example again 2>/dev/null; }
check "and when they are gone, mail goes on" wait_for 5 again
test -z "$six" || six=$(at "$root" six)
test -z "$six" || check "over IPv6 too" mail "$six" a@b.example bob@home.example six
stop "$relay"

if command -v prlimit >/dev/null; then
	rm -f "$work/hold.log" "$work/home.log"
	start home prlimit --nofile=40 mochila-relay --root "$root" --set "relay main.timeout=20s"
	relay=$pid
	check "with 40 descriptors it starts" wait_for 10 listening "$self"
	hold 39
	check "out of descriptors it pauses" wait_for 10 grep -q "event=accept-pause" "$work/home.log"
	before=$(awk '{ print $14 + $15 }' "/proc/$relay/stat")
	sleep 2
	check "and does not spin" test $(($(awk '{ print $14 + $15 }' "/proc/$relay/stat") - before)) -lt 50
	let_go
	check "then goes on" wait_for 10 again
	stop "$relay"
else
	say "not tried without prlimit: running out of descriptors"
fi

say "# too little"
relay_up "$root" --set "spool.min-free=900000G" || fail "the relay did not start"
check "without room on the disk, mail is put off (DATA-07)" call "$main" "< 220" "> EHLO x" "< 250" \
    "> MAIL FROM:<a@b.example> SIZE=1000" "< 452 4.3.1"
stop "$relay"
say waits >"$root/spool/hold/waits"
relay_up "$root" --set "spool.quota=1" || fail "the relay did not start"
check "over quota too" call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<a@b.example>" "< 452 4.3.1"
rm "$root/spool/hold/waits"
check "and when what waited has gone, mail goes on" wait_for 20 again
stop "$relay"
relay_up "$root" || fail "the relay did not start"
check "a slow body is taken as long as it comes" call "$main" "< 220" "> EHLO x" "< 250" \
    "> MAIL FROM:<a@b.example>" "< 250" "> RCPT TO:<slow@home.example>" "< 250" "> DATA" "< 354" "fill 72" \
    "wait 700" "fill 72" "wait 700" "fill 72" "wait 700" "fill 72" "> ." "< 250"
check "a slower one is not" call "$main" "< 220" "> EHLO x" "< 250" \
    "> MAIL FROM:<a@b.example>" "< 250" "> RCPT TO:<slower@home.example>" "< 250" "> DATA" "< 354" "> x" \
    "wait 700" "> x" "< 421 4.4.2"

say "# in circles"
failed() { test "$(messages "$root/spool/hold")" -eq "$1"; }
check "a mail for a route that leads back to us" mail "$main" a@b.example x@circle.example circle
check "ends where its hops are counted" wait_for 20 failed 1
check "and its report says so" grep -q '554 5.4.6' "$root"/spool/hold/*
check "nothing of it goes on" empty "$root/spool/out"

say "# with another's client"
if peer swaks; then
	check "swaks hands in a mail" perl "$peer/usr/bin/swaks" --server "$main" --from a@b.example \
	    --to swaks@home.example --header "Subject: from swaks" --pipeline --silent 3
	swaked() { has_mail "$root" swaks 1; }
	check "which is delivered" wait_for 10 swaked
else
	say "not tried: $why"
fi
finish
