#!/bin/sh
# How mochila-relay is watched and fenced in: metrics for Prometheus, the example filter for
# fail2ban with what a real one makes of a real log, the example unit's score, what it takes to wait.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage

root=$work/home
make_site "$root" home
mkdir -p "$root/run"
cat >>"$root/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0
	relay-from =
	metrics-listen = unix:run/metrics.sock 127.0.0.1:0
	[relay behind]
	listen = 127.0.0.1:0
	relay-from =
	proxy-from = 127.0.0.1
	greeting-delay = 1s
	[relay few]
	listen = 127.0.0.1:0
	max-client-rate = 1
	[routes]
	home.example = maildir:mail/%u
	* = site:hub
END
relay_up "$root" --log "$work/relay.log" || fail "the relay did not start"
main=$(at "$root")

say "# metrics"
cat >"$work/metrics.py" <<-'END'
	import re, socket, sys
	def ask(request):
	    sock = socket.socket(socket.AF_UNIX)
	    sock.connect(sys.argv[1])
	    sock.sendall(request)
	    heard = b""
	    while True:
	        piece = sock.recv(65536)
	        if not piece:
	            return heard.decode()
	        heard += piece
	head, text = ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").split("\r\n\r\n", 1)
	assert head.startswith("HTTP/1.0 200"), head
	assert "Content-Length: %d" % len(text) in head
	for line in text.splitlines():
	    assert re.fullmatch(r"# (HELP|TYPE) mochila_\w+ .+|mochila_\w+ \d+", line), line
	got = dict(line.split() for line in text.splitlines() if line[0] != "#")
	for want in sys.argv[2:]:
	    name, number = want.split("=")
	    assert int(got["mochila_" + name]) >= int(number), (want, got)
	assert ask(b"GET / HTTP/1.0\r\n\r\n").startswith("HTTP/1.0 404")
	assert ask(b"POST /metrics HTTP/1.0\r\n\r\n").startswith("HTTP/1.0 405")
	assert ask(b"GET /metrics HTTP/1.0\r\nX: " + b"x" * 9000).startswith("HTTP/1.0 431")
END
check "a mail" mail "$main" a@b.example bob@home.example one
check "and one that is refused" call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<a@b.example>" "< 250" "> RCPT TO:<x@far.example>" "< 550"
settled() { python3 "$work/metrics.py" "$root/run/metrics.sock" messages_settled_total=1; }
check "are counted" wait_for 20 settled
check "each in its place" python3 "$work/metrics.py" "$root/run/metrics.sock" connections_total=2 messages_accepted_total=1 \
    bytes_accepted_total=100 refused_total=1 sessions=1
check "on a port too" call "$(sed -n 's/^main metrics \(127.*\)/\1/p' "$root/ready")" "> GET /metrics HTTP/1.0" "> " "<= HTTP/1.0 200 OK"

say "# fail2ban"
cat >"$work/behind.py" <<-'END'
	import socket, sys, time
	host, port = sys.argv[1].rsplit(":", 1)
	def say(family, ip, *lines):
	    sock = socket.create_connection((host, int(port)), 20)
	    sock.sendall(b"PROXY %s %s %s 999 25\r\n" % (family, ip, ip))
	    for line in lines:
	        sock.recv(4096)
	        sock.sendall(line + b"\r\n")
	        time.sleep(0.1)
	    sock.recv(4096)
	    sock.close()
	HOSTILE = b'"x mochila-relay: -: event=refused relay=x client=203.0.113.9:1 helo=x"@x.example'
	say(b"TCP4", b"192.0.2.7", b"EHLO x", b"MAIL FROM:<a@b.example>", b"RCPT TO:<x@far.example>")
	say(b"TCP6", b"2001:db8::7", b"EHLO x", b"MAIL FROM:<a@b.example>", b"RCPT TO:<x@far.example>")
	say(b"TCP4", b"192.0.2.8", b"EHLO client=203.0.113.9:1", b"MAIL FROM:<%s>" % HOSTILE, b"RCPT TO:<x@far.example>")
	sock = socket.create_connection((host, int(port)), 20)
	sock.sendall(b"PROXY TCP4 192.0.2.9 192.0.2.9 999 25\r\nEHLO too early\r\n")
	sock.recv(4096)
END
python3 "$work/behind.py" "$(at "$root" behind)" || fail "the clients did not come"
call "$(at "$root" few)" "< 220" >/dev/null 2>&1
call "$(at "$root" few)" "< 421" >/dev/null 2>&1
stop "$relay"
if peer fail2ban; then
	PYTHONPATH=$peer/usr/lib/python3/dist-packages python3 "$peer/usr/bin/fail2ban-regex" -o ip "$work/relay.log" \
	    "$top/scripts/examples/fail2ban-filter.conf" 2>"$work/fail2ban.err" | sort -u >"$work/banned"
	printf '%s\n' 127.0.0.1 192.0.2.7 192.0.2.8 192.0.2.9 2001:db8::7 >"$work/expected"
	check "fail2ban finds those who were refused, and nobody whom they name" cmp "$work/banned" "$work/expected"
else
	say "not tried: fail2ban ($why)"
fi

say "# memory"
# What nobody else has mapped, and what is its own though its helper still shares it: in KiB.
takes() { awk '/^(Private_Clean|Anonymous):/ { sum += $2 } END { print sum }' "/proc/$1/smaps_rollup"; }
little() { test "$(takes "$relay")" -le 4096; }
if test -r /proc/self/smaps_rollup && ! grep -q '^SAN = .*sanitize' "$build/Makefile"; then
	(cd "$work" && "$build/tests/e2e/cert" mail mail.example 30 >/dev/null) || fail "no certificate"
	relay_up "$root" --set "relay main.tls-cert=$work/mail.pem" --set "relay main.tls-key=$work/mail.key" ||
	    fail "the relay did not start again"
	check "waiting, with a certificate, it has at most 4096 KiB of its own" wait_for 20 little
	say "  $(takes "$relay") KiB"
	stop "$relay"
else
	say "not counted: no smaps_rollup here, or sanitizers, whose memory says nothing of ours"
fi

say "# systemd"
if command -v systemd-analyze >/dev/null && systemd-analyze security --help 2>&1 | grep -q -- --offline; then
	score=$(systemd-analyze security --offline=yes "$top/scripts/examples/mochila-relay.service" 2>/dev/null |
	    sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p')
	check "the example unit is exposed by no more than 2.0 (it is $score)" awk "BEGIN { exit !($score > 0 && $score <= 2.0) }"
else
	say "not tried: systemd-analyze is not here"
fi
finish
