#!/bin/sh
# The ways into mochila-relay besides a port: sockets of this host, sockets handed over by systemd,
# LMTP, and those who speak for others; and who is kept out for his manners.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage

root=$work/home
pki=$work/pki
mkdir -p "$pki"
cert() { (cd "$pki" && "$build/tests/e2e/cert" "$@"); }
cert ca "Test-CA" 30
cert mx "mx.example" 30 ca
cert filter "filter.example" 30 ca
make_site "$root" home
mkdir -p "$root/run"
cat >>"$root/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0 lmtp:127.0.0.1:0
	timeout = 20s
	max-client-connections = 40
	[relay local]
	listen = lmtp:unix:run/lmtp.sock
	[relay here]
	listen = unix:run/smtp.sock
	relay-from =
	[relay behind]
	listen = 127.0.0.1:0
	proxy-from = 127.0.0.1
	relay-from = 192.0.2.0/24
	timeout = 3s
	max-client-connections = 3
	[relay near]
	listen = 127.0.0.1:0
	xclient-from = 127.0.0.1
	relay-from = 127.0.0.1
	[relay filtered]
	listen = 127.0.0.1:0
	xclient-from = 127.0.0.1
	relay-from = 192.0.2.0/24
	tls-cert = $pki/mx.pem
	tls-key = $pki/mx.key
	tls-client-ca = $pki/ca.pem
	relay-from-certificates = filter.example
	[relay patient]
	listen = 127.0.0.1:0
	greeting-delay = 1s
	[relay busy]
	listen = 127.0.0.1:0
	max-client-rate = 3
	[routes]
	home.example = maildir:mail/%u
	* = site:hub
END
python() { python3 "$top/tests/e2e/62-doors.py" "$@"; }
lmtp_at() { sed -n 's/^main lmtp //p' "$root/ready"; }
is_in() { has_mail "$root" "$1" "$2"; }
relay_up "$root" || fail "the relay did not start"

say "# LMTP"
check "a mail by LMTP, answered for each" python lmtp "$(lmtp_at)"
check "is delivered to one" wait_for 10 is_in one 1
check "and to two" wait_for 10 is_in two 1
check "and says so" grep -q "with LMTP id" "$root"/mail/one/new/*
check "by a socket of this host too" python lmtp "$root/run/lmtp.sock"
check "there again" wait_for 10 is_in two 2
check "by such a socket one is one of ours" python here "$root/run/smtp.sock"
check "which others may not open" test "$(stat -c %a "$root/run/lmtp.sock")" = 660

say "# a proxy says who is behind it (AUTH-06)"
behind=$(at "$root" behind)
check "version 1, one of ours" python proxy "$behind" 1 192.0.2.7 250
check "version 1, a stranger" python proxy "$behind" 1 198.51.100.7 550
check "version 2, one of ours" python proxy "$behind" 2 192.0.2.7 250
check "version 2, a stranger" python proxy "$behind" 2 198.51.100.7 550
check "a host of IPv6 has no more connections for having many addresses" python one-host "$behind" 3
check "without it nobody is heard" python no-header "$behind" 'EHLO x\r\n'
check "nor with half of it" python no-header "$behind" 'PROXY TCP4 192.0.2.7'
check "the log has the client, not the proxy" grep -q "event=connect relay=behind client=198.51.100.7:1234" "$work/home.log"
check "from others it is no header" call "$(at "$root")" "< 220" "> PROXY TCP4 192.0.2.7 192.0.2.1 1 25" "< 500"

say "# XCLIENT (AUTH-06)"
filtered=$(at "$root" filtered)
check "for one of ours" python xclient "$filtered" 192.0.2.7 250
check "for a stranger" python xclient "$filtered" 198.51.100.7 550
check "for one who is near" python xclient "$(at "$root" near)" 127.0.0.1 250
check "but not for one whose address it does not know" python xclient "$(at "$root" near)" '[UNAVAILABLE]' 550
check "for one by IPv6" python xclient "$filtered" IPV6:2001:db8::1 550
check "its own certificate gives a stranger no right" python xclient-tls "$filtered" "$pki" 550
check "who is not named may not say it" python xclient "$(at "$root")" 192.0.2.7 none

say "# manners"
check "who talks before the greeting is sent away (SMTP-11)" python early "$(at "$root" patient)"
check "who comes too often is, too" python rate "$(at "$root" busy)" 3
stop "$relay"
check "the sockets go with the relay" test ! -e "$root/run/lmtp.sock"

say "# what a dead relay has left"
relay_up "$root" || fail "the relay did not start"
killed "$relay"
check "a socket is there" test -S "$root/run/lmtp.sock"
relay_up "$root" || fail "the relay did not start beside a dead one's socket"
check "and is ours now" python lmtp "$root/run/lmtp.sock"
check "a living one's is not taken" exits 78 timeout 20 mochila-relay --root "$root" --instance local
stop "$relay"

say "# started by systemd"
mkdir -p "$work/systemd"
start systemd python3 "$top/tests/e2e/62-doors.py" systemd "$work/systemd" mochila-relay --root "$root" --instance given \
    --set "relay given.listen=systemd:smtp lmtp:systemd:lmtp" --log "$work/systemd/log"
notified() { grep -q "$1" "$work/systemd/notified" 2>/dev/null; }
check "it says when it is ready" wait_for 20 notified READY=1
given=$(cat "$work/systemd/pid")
check "and takes mail on a socket that was handed over" mail "$(cat "$work/systemd/port")" a@b.example given@home.example given
check "by LMTP on the other" python lmtp "$work/systemd/inherited.sock"
check "it is there" wait_for 10 is_in given 1
check "signs of life go on" wait_for 10 notified WATCHDOG=1
kill -HUP "$given"
check "a reload is told" wait_for 10 notified RELOADING=1
check "with its time" notified MONOTONIC_USEC=
reloaded() { test "$(grep -c READY=1 "$work/systemd/notified")" -eq 2; }
check "and its end" wait_for 10 reloaded
check "after it the sockets are the same" mail "$(cat "$work/systemd/port")" a@b.example given2@home.example given
kill "$given"
check "and so is the end" wait_for 20 notified STOPPING=1
check "a socket that nobody handed over is not waited for" exits 78 timeout 20 mochila-relay --root "$root" --instance given \
    --set "relay given.listen=systemd:smtp"
finish
