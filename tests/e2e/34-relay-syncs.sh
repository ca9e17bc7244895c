#!/bin/sh
# Sixteen sessions at once share their syncs; killed in the midst of it, the relay has lost
# nothing that it said 250 to; told to stop, it answers who waits and leaves nothing undone.
# A process settles for it where the disk is slow, and may be killed as often as one likes.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage
sessions=16 each=25 size=3000

root=$work/hub
free_port && main=127.0.0.1:$port
make_site "$root" hub
cat >>"$root/mochila.conf" <<-END
	[relay main]
	listen = $main
	max-client-connections = 40
	[routes]
	home.example = site:away
END

# dialogue NAME: so many mails in one session, each said when it was accepted.
dialogue() {
	printf '%s\n' "< 220" "> EHLO x" "< 250"
	dialogue_n=0
	while [ $dialogue_n -lt $each ]; do
		dialogue_n=$((dialogue_n + 1))
		printf '%s\n' "> MAIL FROM:<a@b.example>" "< 250" "> RCPT TO:<bob@home.example>" "< 250" \
		    "> DATA" "< 354" "> Subject: token-$1-$dialogue_n-" "> " "fill $size" "> ." "< 250 2.0.0" \
		    "say token-$1-$dialogue_n-"
	done
	printf '%s\n' "> QUIT" "< 221"
}

# flood NAME: all sessions at once; their pids in $flooding, what was accepted in $work/NAME.*
flood() {
	flooding=
	flood_n=0
	while [ $flood_n -lt $sessions ]; do
		flood_n=$((flood_n + 1))
		dialogue "$1-$flood_n" >"$work/dialogue.$flood_n"
	done
	while [ $flood_n -gt 0 ]; do
		"$wire" call "$main" <"$work/dialogue.$flood_n" >"$work/$1.$flood_n" 2>/dev/null &
		flooding="$flooding $!"
		flood_n=$((flood_n - 1))
	done
}
flooded() {
	# shellcheck disable=SC2086	# one word a pid
	wait $flooding 2>/dev/null
	cat "$work/$1".* | sort >"$work/$1"
}
count() { wc -l <"$1"; }
accepted() { test "$(cat "$work/$1".* | wc -l)" -ge "$2"; }

# spooled_once NAME: each that was accepted waits, whole, once.
spooled_once() {
	find "$root/spool/in" "$root/spool/out" "$root/spool/hold" "$root/spool/failed" -type f -exec cat {} + |
	    sed -n 's/^Subject: \(token-.*-\).*$/\1/p' | sort >"$work/there"
	test -z "$(comm -23 "$work/$1" "$work/there")" && test -z "$(uniq -d "$work/there")"
}

flush=$build/tests/bench/flush.so
if test -f "$flush"; then
	# slow as a poor SD card: clients that wait for a busy machine, not for the disk, share nothing
	stage_with relay/mochila-settle "LD_PRELOAD=$flush" "FLUSH_COUNT=$work/flushes.settle" "FLUSH_SLOW=100000"
	: >"$work/flushes.settle"
	start hub env LD_PRELOAD="$flush" FLUSH_COUNT="$work/flushes" FLUSH_SLOW=100000 mochila-relay --root "$root" \
	    --set=spool.sandbox=no	# the count is written outside the root
	relay=$pid
	check "the relay starts" wait_for 20 grep -q listening "$work/hub.log"
	flood shared
	flooded shared
	stop "$relay"
	check "all is accepted" test "$(count "$work/shared")" -eq $((sessions * each))
	settling=$(cat "$work/flushes.settle")
	syncs=$(($(cat "$work/flushes") + ${settling:-0}))
	say "$syncs syncs for $(count "$work/shared") messages, ${settling:-0} of them to settle these"
	check "at most one sync for two messages" test $((2 * syncs)) -le "$(count "$work/shared")"
	check "and nobody waits for the syncs of those" test "${settling:-0}" -gt 0
	stage	# as it was
	check "and each is there once" spooled_once shared
else
	say "not counted: there is no $flush (with sanitizers: they own LD_PRELOAD)"
fi

for round in 1 2 3 4; do
	relay_up "$root" || fail "the relay does not start"
	flood "killed$round"
	wait_for 30 accepted "killed$round" $((round * 60))
	killed "$relay"
	flooded "killed$round"
	relay_up "$root" || fail "the relay does not start again"
	stop "$relay"
	say "$(count "$work/killed$round") of $((sessions * each)) accepted before the kill"
	check "killed: nothing accepted is lost, nothing is there twice" spooled_once "killed$round"
done

relay_up "$root" || fail "the relay does not start"
flood stopped
wait_for 30 accepted stopped 200
stop "$relay"
flooded stopped
check "stopped: who was told 250 has it in the spool" spooled_once stopped
nothing_left() { test -z "$(find "$root/spool/in" "$root/spool/tmp" -type f ! -name '.*')"; }
check "and nothing lies half done" nothing_left

# worker: the pid of the relay's mochila-settle.
worker() {
	tr ' ' '\n' <"/proc/$relay/task/$relay/children" | while read -r worker_pid; do
		test "$(cat "/proc/$worker_pid/comm" 2>/dev/null)" = mochila-settle && echo "$worker_pid"
	done
}
has_worker() { test -n "$(worker)"; }
flooding() {
	# shellcheck disable=SC2086	# one word a pid
	kill -0 $flooding 2>/dev/null
}
if test -r "/proc/$$/task/$$/children"; then
	relay_up "$root" || fail "the relay does not start"
	each=10 size=40000
	flood much
	check "what is much is settled by a process of its own" wait_for 60 has_worker
	slain=0
	while flooding; do
		slayed=$(worker)
		test -n "$slayed" && kill -9 "$slayed" 2>/dev/null && slain=$((slain + 1))
		sleep 0.05
	done
	flooded much
	check "all is accepted while that is killed ($slain times)" test "$(count "$work/much")" -eq $((sessions * each))
	check "and comes to be settled" wait_for 60 nothing_left
	stop "$relay"
	check "and is there once" spooled_once much
fi
finish
