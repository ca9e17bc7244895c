#!/bin/sh
# Calls that a shared secret proves, in the clear: over exec: and tcp:, with everything wrong
# that can be; nothing of a stranger's is believed, and no call of the site's is ended by him.
# shellcheck disable=SC2317	# called by check
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
stage
cat >"$work/answers" <<-END
	#!/bin/sh
	MOCHILA_LIBEXEC="$MOCHILA_LIBEXEC" exec "$MOCHILA_LIBEXEC/uucico-ssh" -r0 --peer=home --root="$work/hub" 2>>"$work/hub.errors"
END
chmod 755 "$work/answers"
two_sites "$work" "exec:$work/answers"
secret() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$1" && chmod 600 "$1"; }
secret "$home/secret"
cp "$home/secret" "$hub/secret"
chmod 600 "$hub/secret"
sed -i 's/^\[site .*/&\nkey-auth = secret/' "$home/mochila.conf" "$hub/mochila.conf"
call() { exits "$1" ours -s hub --wire-stats="$work/stats" ${2:+"$2"}; }
failed_there() { grep -q "$1" "$hub/spool/log/uucico-ssh.log"; }

check "a mail waits here" from_home first
check "and there" from_hub second
check "a call" call 0
check "brought ours" arrived "$hub" first
check "and theirs" arrived "$home" second
# shellcheck disable=SC2016	# awk expands it
check "what the proofs cost is counted" awk '{ for (i = 1; i <= NF; i++) { split($i, v, "="); n[v[1]] = v[2] } }
	END { exit !(n["wire_up"] > n["up"] + 28 && n["wire_down"] > n["down"] + 28 && n["wire_up"] < n["up"] + 600) }' "$work/stats"

# ---- Over a port ------------------------------------------------------------------------

start inetd "$build/tests/e2e/inetd" "$work/port" "$work/answers"
check "a port" wait_for 10 test -s "$work/port"
port=$(cat "$work/port")
check "a mail waits here" from_home third
check "a call by it" call 0 "--set=site hub.link=tcp:127.0.0.1:$port"
check "brought it" arrived "$hub" third
stop "$pid"

# ---- What is wrong ------------------------------------------------------------------------

kept() { test "$(messages "$home/spool/sent")" -ge 1; }
check "a mail waits here" from_home fourth
secret "$home/other"
check "another secret" call 75 "--set=site hub.key-auth=other"
check "is told there" failed_there 'another secret than our key-auth'
# Who waits for the shorter time says why.
check "no secret here" exits 75 ours -s hub "--set=site hub.key-auth=" "--set=site hub.timeout=2s"
check "is told there, too" wait_for 10 failed_there 'before anybody proved to be home'
sed -i 's/^key-auth/#&/' "$hub/mochila.conf"
check "none there" call 76
check "is told here" said 'without key-auth'
sed -i 's/^#key-auth/key-auth/' "$hub/mochila.conf"
chmod 644 "$home/secret"
check "a secret that others can read" call 78
chmod 600 "$home/secret"
echo short >"$home/other"
check "one that is too short" call 78 "--set=site hub.key-auth=other"
check "says how one is made" said 'openssl rand'
check "and one that is not there" call 78 "--set=site hub.key-auth=none"
# One byte of many is another one.
cat >"$work/garbled" <<-END
	#!/bin/sh
	{ dd bs=1 count=\$GOOD 2>/dev/null; head -c 1 | tr '\000-\377' '\001-\377\000'; cat; } | "$work/answers"
END
chmod 755 "$work/garbled"
for good in 3 25 40 100 300; do
	export GOOD=$good
	check "a byte garbled behind $good" exits 75 ours -s hub "--set=site hub.link=exec:$work/garbled" "--set=site hub.timeout=3s"
	check "lets no mail through" test "$(there "$hub" fourth)" -eq 0
	check "and loses none" kept
done
# A call's bytes, recorded, and said again to the answering end.
cat >"$work/recorded" <<-END
	#!/bin/sh
	tee "$work/record" | "$work/answers"
END
chmod 755 "$work/recorded"
check "a call that somebody records" exits 0 ours -s hub "--set=site hub.link=exec:$work/recorded"
check "brings it" arrived "$hub" fourth
jobs_of() { find "$hub/spool/xqt" "$hub/spool/in" "$hub/spool/out" -type f ! -name '.*' | wc -l; }
all_run() { test -z "$(find "$hub/spool/xqt" "$hub/spool/in" -type f ! -name '.*')"; }
check "and all that came is run" wait_for 20 all_run
before=$(jobs_of)
"$work/answers" <"$work/record" >"$work/answer" 2>&1
check "said again, it is no call" failed_there 'not authentic'
check "and changes nothing" test "$(jobs_of)" -eq "$before"
# A stranger on the port while a call runs: it goes on.
check "a mail waits here" from_home fifth
mkfifo "$work/hold"
cat >"$work/waits" <<-END
	#!/bin/sh
	{ dd bs=1 count=150 2>/dev/null; cat "$work/hold"; cat; } | "$work/answers"
END
chmod 755 "$work/waits"
ours -s hub "--set=site hub.link=exec:$work/waits" >"$work/running" 2>&1 &
running=$!
check "a call that waits" wait_for 10 test -e "$hub/run/call.home"
printf 'hello? hello?' | "$work/answers" >/dev/null 2>&1
: >"$work/hold"
wait "$running"
check "goes on when a stranger calls in its name" test $? -eq 0
check "and brings its mail" arrived "$hub" fifth
finish
