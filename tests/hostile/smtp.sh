#!/bin/sh
# The SMTP and DATA rows of hostile inputs, a row each (smtp.py), against the built relay; and,
# outwards, what a next hop hears of a message that holds them.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage
# A sanitizer keeps what was freed, which is not what is measured here.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=4"

root=$work/home
make_site "$root" home
cat >>"$root/mochila.conf" <<-END
	max-size = 8M
	[relay main]
	listen = 127.0.0.1:0
	timeout = 60s
	max-client-connections = 40
	[routes]
	home.example = maildir:mail/%u
END
relay_up "$root" || fail "the relay did not start"
check "every row is answered as it must be" python3 "$top/tests/hostile/smtp.py" "$(at "$root")" "$root/mail/v" "$relay"
check "the relay lives" kill -0 "$relay"
check "no line of its log holds another's bytes" sh -c "! LC_ALL=C grep -q '[^ -~]' '$work/home.log'"
stop "$relay"

say "# outwards (DATA-02)"
# Whatever way it came, no bare CR or LF, and no end of data within, leaves by SMTP.
root=$work/out
make_site "$root" out
cat >"$work/hop.py" <<-'END'
	import socket, sys
	server = socket.create_server(("127.0.0.1", 0))
	open(sys.argv[1], "w").write("%d\n" % server.getsockname()[1])
	while True:
	    peer, _ = server.accept()
	    peer.settimeout(20)
	    heard = open(sys.argv[2], "ab", 0)
	    f = peer.makefile("rwb", 0)
	    f.write(b"220 hop\r\n")
	    data = False
	    while True:
	        line = f.readline()
	        if not line:
	            break
	        heard.write(line)
	        if data:
	            if line == b".\r\n":
	                data = False
	                f.write(b"250 ok\r\n")
	        elif line.startswith(b"DATA"):
	            data = True
	            f.write(b"354 go\r\n")
	        else:
	            f.write(b"250 ok\r\n")
END
start hop python3 "$work/hop.py" "$work/hop-port" "$work/heard"
wait_for 10 test -s "$work/hop-port" || fail "no hop"
cat >>"$root/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0
	[routes]
	hop.example = smtp:127.0.0.1:$(cat "$work/hop-port")
END
relay_up "$root" || fail "the relay did not start"
count=0
for end in '\n.\n' '\n.\r\n' '\r\n.\n' '\r.\r' '\r\n.\r' '\r.\r\n' '\r\n.\r\n' '\r\n..\r\n' '\n..\n'; do
	count=$((count + 1))
	printf 'Subject: %d\n\nfirst%bMAIL FROM:<evil@x.example>\r\nRCPT TO:<v@x.example>\r\nDATA\r\nSubject: smuggled\r\n\r\n.\r\n' \
	    "$count" "$end" >"$work/message"
	MOCHILA_ROOT=$root mochila sendmail -i -f a@b.example "v$count@hop.example" <"$work/message" 2>>"$work/sent-err" ||
	    MOCHILA_ROOT=$root mochila rmail "v$count@hop.example" <"$work/message" 2>>"$work/sent-err"
done
came() { test "$(grep -ac '^RCPT TO:<v[0-9]*@hop' "$work/heard" 2>/dev/null)" -ge "$1"; }
check "what can be made into lines goes out" wait_for 20 came 7
check "all lines end in CR LF, and only lines do" python3 -c '
import re, sys
heard = open(sys.argv[1], "rb").read()
sys.exit(1 if re.search(rb"(?<!\r)\n|\r(?!\n)", heard) else 0)' "$work/heard"
check "as many ends as messages" python3 -c '
import sys
heard = open(sys.argv[1], "rb").read()
sys.exit(0 if heard.count(b"\r\n.\r\n") == heard.count(b"\r\nDATA\r\n") - heard.count(b"\r\nDATA\r\nSubject: smuggled") else 1)' "$work/heard"
check "and nothing smuggled is a command" python3 -c '
import sys
data, bad = False, 0
for line in open(sys.argv[1], "rb"):
    if data:
        data = line != b".\r\n"
    elif line == b"DATA\r\n":
        data = True
    elif b"evil" in line:
        bad += 1
sys.exit(bad)' "$work/heard"
stop "$relay"
finish
