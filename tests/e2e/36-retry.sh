#!/bin/sh
# What cannot be reached: one probe a pause for all that waits, back whole at the first
# success; a link that comes up; a message that breaks every connection blocks only itself.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage
hub=$work/hub home=$work/home
spool=$hub/spool

# A port on which nobody listens until home does.
free_port && home_port=$port
make_site "$home" home
cat >>"$home/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:$home_port
	[routes]
	home.example = maildir:mail/%u
END
free_port && other_port=$port

# A hop that takes a mail, but whose line breaks while one to big@ is on it.
taken='> 220 x\n< EHLO\n> 250-x\n> 250 PIPELINING\n< MAIL\n> 250 ok\n'
cd "$work" || exit 99
# shellcheck disable=SC2059	# the format is the script
{
	printf "$taken"'< RCPT TO:<big@\n> 250 ok\nsay broke\nreset\n' >broken
	printf "$taken"'< RCPT TO:<small@\n> 250 ok\n< DATA\n> 354 go\n<.\n> 250 2.0.0 taken\nsay took\n< QUIT\n> 221 bye\n' >works
}
serve hop broken works && hop_port=$port

make_site "$hub" hub
cat >>"$hub/mochila.conf" <<-END
	retry-after = 1s
	retry-max = 1s
	[relay main]
	listen = 127.0.0.1:0
	[routes]
	home.example = smtp:127.0.0.1:$home_port
	other.example = smtp:127.0.0.1:$other_port
	hop.example = smtp:127.0.0.1:$hop_port
	[link ppp*]
	destinations = smtp:127.0.0.1:$home_port
	[link wlan0]
	destinations = *:$other_port
END
relay_up "$hub" || fail "the relay did not start"
main=$(at "$hub")
probes() { grep -c "event=unreachable by=smtp:127.0.0.1:$1 " "$work/hub.log"; }
failed_at_least() { test "$(probes "$1")" -ge "$2"; }
waits() { messages "$spool/out/smtp:127.0.0.1:$1"; }
hint() { sed -n "s/.*$2=\([^ ]*\).*/\1/p" "$spool/out/smtp:127.0.0.1:$1/.retry" 2>/dev/null; }
has_hint() { test "$(hint "$1" "$2")" = "$3"; }
now() { date +%s; }

say "# a dead destination"
begun=$(now)
i=0
while [ $i -lt 20 ]; do mail "$main" a@b.example bob@home.example "mail $i" >/dev/null || fail "mail $i"; i=$((i + 1)); done
check "is probed again and again" wait_for 20 failed_at_least "$home_port" 3
count=$(probes "$home_port")
check "not by each message, but once a pause" test "$count" -le $(($(now) - begun + 1))
check "nothing is lost" test "$(waits "$home_port")" -eq 20
check "and the messages are left as they are" test -z "$(grep -la deferred -r "$spool/out")"
relay_hub=$relay
relay_up "$home" || fail "home did not start"
home_relay=$relay
check "all of it comes at the first success" wait_for 20 has_mail "$home" bob 20
check "and the hint is gone" wait_for 5 test ! -e "$spool/out/smtp:127.0.0.1:$home_port/.retry"

kill "$home_relay" "$relay_hub"
wait "$home_relay" "$relay_hub"
relay_up "$hub" --set spool.retry-after=1h --set spool.retry-max=2h || fail "the relay did not start"
relay_hub=$relay
main=$(at "$hub")

say "# a message that breaks the connection"
mail "$main" a@b.example big@hop.example big >/dev/null
wait_for 10 grep -qx broke "$work/hop.log"
mail "$main" a@b.example small@hop.example small >/dev/null
check "does not keep the next from going" wait_for 10 grep -qx took "$work/hop.log"
check "waits alone, with what happened" grep -qa '4.4.2 the connection broke' -r "$spool/out/smtp:127.0.0.1:$hop_port"
mochila --root "$hub" remove --to 'big@*' >/dev/null

say "# a link"
mail "$main" a@b.example carl@home.example one >/dev/null
mail "$main" a@b.example x@other.example one >/dev/null
check "two destinations rest for an hour" wait_for 10 has_hint "$home_port" failures 1
check "both of them" wait_for 10 has_hint "$other_port" failures 1
relay_up "$home" || fail "home did not start"
home_relay=$relay
check "a link that leads nowhere" mochila --root "$hub" link-up eth0
check "makes nothing due" test -z "$(hint "$home_port" asked)$(hint "$other_port" asked)"
MOCHILA_ROOT=$hub IFACE=ppp0 MOCHILA_ACCOUNT='' "$top/scripts/examples/link-up" || fail "the example"
check "the one that leads there, by the example for the system" wait_for 10 has_mail "$home" carl 1
check "the other still rests" test "$(hint "$other_port" failures):$(hint "$other_port" asked)" = 1:
i=0
while [ $i -lt 10 ]; do
	mochila --root "$hub" link-up wlan0 || fail "link-up"
	i=$((i + 1))
done
check "one that comes and goes wins a try" wait_for 10 has_hint "$other_port" failures 2
mochila --root "$hub" link-up wlan0
check "not ten" test "$(probes "$other_port")" -eq 2
check "the history has who made it due" grep -q 'event=due by=link-up link=wlan0' "$spool/log/mochila.log"
check "NetworkManager's other events are none" env NM_DISPATCHER_ACTION=down DEVICE_IP_IFACE=wlan0 \
    MOCHILA_ROOT="$work/none" "$top/scripts/examples/link-up" wlan0 down
kill "$home_relay" "$relay_hub"
wait "$home_relay" "$relay_hub"

say "# a site"
cat >>"$hub/mochila.conf" <<-END
	[site ship]
	link = exec:false
	retry-after = 1h
	retry-max = 2h
	[link sat0]
	destinations = ship
	call = yes
END
mochila --root "$hub" link-up sat0 >"$work/call.log" 2>&1
check "a link may be called over" test "$(sed -n 's/.*failures=\([0-9]*\) asked=.*/\1/p' "$spool/out/ship/.retry")" = 1
check "but not twice in a minute" mochila --root "$hub" link-up sat0
check "a site that rests is left out by those who ask" mochila --root "$hub" call --all --due
check "it was not called" test "$(sed -n 's/.*failures=\([0-9]*\) .*/\1/p' "$spool/out/ship/.retry")" = 1
check "but by those who do not" exits 75 mochila --root "$hub" call --all
check "it was" test "$(sed -n 's/.*failures=\([0-9]*\) .*/\1/p' "$spool/out/ship/.retry")" = 2
check "a site can be named" mochila --root "$hub" link-up home ship
check "and what is neither leads nowhere" mochila --root "$hub" link-up nonsense
finish
