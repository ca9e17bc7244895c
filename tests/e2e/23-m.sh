#!/bin/sh
# Two sites of ours that speak protocol m over an exec link: mail straight from the queue, lines
# that are cut, ends that stop, and a far end that has forgotten how.
# shellcheck disable=SC2317	# called by check
. "${srcdir:-.}/tests/e2e/lib.sh"
protocols=mi
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
stage
cutter=$build/tests/crash/cutter
answer="uucico-ssh -r0 --peer=home --root=$work/hub"
two_sites "$work" "exec:$answer"
over() { ours -s hub --set="site hub.link=exec:$1"; }
cut_at() { over "$cutter $work/report pipe $1 $2 cut $answer"; }	# cut_at WAY BYTE
large() { { printf 'Subject: %s\n\n' "$1"; head -c "$2" /dev/urandom | base64; } |
    MOCHILA_ROOT=$home sendmail -f ann@home.example bob@hub.example; }
batches() { messages "$home/spool/sent"; messages "$hub/spool/sent"; }
nothing_in_flight() { test "$(batches | tr -d '\n')" = 00; }
number() { sed -n "s/.* $1=\([0-9]*\).*/\1/p" "$work/stats" | tail -n 1; }
less() { test "$(number "$1")" -lt "$2"; }

# ---- A call ---------------------------------------------------------------------------

from_home one && from_hub two
check "two strangers" exits 0 ours -s hub --wire-stats="$work/stats"
check "speak m" grep -q 'protocol=m' "$work/stats"
check "a mail each way" arrived "$hub" one
check "" arrived "$home" two
check "nothing is in flight" nothing_in_flight
from_home three && from_hub four
check "the next call" exits 0 ours -s hub --wire-stats="$work/stats"
check "" arrived "$hub" three
check "" arrived "$home" four
check "packs nothing" test "$(grep -c event=packed "$home/spool/log/mochila.log")" -eq 1
check "sends straight from the queue" grep -q 'event=sent site=hub by=m' "$home/spool/log/mochila.log"
check "nothing is in flight" nothing_in_flight
for i in 1 2 3 4; do from_home "again-$i" && ours -s hub --wire-stats="$work/stats" >/dev/null 2>&1; done
check "a mail like others costs little" less packed_out 150
check "and a call is short" less up 350
check "with little from there" less down 350
large big 600000
check "a large mail" exits 0 ours -s hub --wire-stats="$work/stats"
check "comes through" arrived "$hub" big
check "its base64 decoded" less packed_out 620000
for i in 1 2 3 4 5 6 7; do large "many-$i" 300000; done
check "more large ones than are made ready at once" exits 0 ours -s hub
check "go in one call" test "$(there "$home" many-)" -eq 0
if command -v script >/dev/null; then
	from_home shown
	on_terminal() { script -qec "uucico-ssh --root='$home' -s hub" "$work/terminal" >/dev/null; }
	check "a call on a terminal" on_terminal
	check "shows what moves, and how far it is" grep -qE 'hub:  > \.\.[0-9a-f.-]+ 100% of [0-9]+, [0-9.]+ kB/s' "$work/terminal"
	check "and the mail is there" arrived "$hub" shown
fi

# ---- One floor ----------------------------------------------------------------------------

floor() { sed -i "/^half-duplex/d; s/^timeout = 20s/&\nhalf-duplex = $1/" "$home/mochila.conf" "$hub/mochila.conf"; }
floor 10s
from_home floor-there && from_hub floor-back
check "two ends that speak in turns" exits 0 ours -s hub --wire-stats="$work/stats"
check "have a mail each way" arrived "$hub" floor-there
check "" arrived "$home" floor-back
check "in two turns" less turns 3
check "and no model for so little" sh -c "! grep -q mixes= '$work/stats'"
texts() { for i in ${2:-1 2 3 4}; do { printf 'Subject: %s-%s\n\n' "$1" "$i"; head -c 6000 "$top/LICENSE" "$top/README" | tail -c 6000; } |
    MOCHILA_ROOT=$hub sendmail -f bob@hub.example ann@home.example; done; }
texts text
line_was() { sed -i "1s/.*/m=1 rtt=0 rate=$1/" "$home/spool/out/hub/.peer" "$hub/spool/out/home/.peer"; }
line_was 100
check "over a line so slow" exits 0 ours -s hub --wire-stats="$work/stats"
check "more text goes by mix" sh -c "tail -n 1 '$work/stats' | grep -q 'mixes=[1-9]'"
for i in 1 2 3 4; do check "" arrived "$home" "text-$i"; done
slow=$build/tests/e2e/slow-clock.so
if test -f "$slow"; then
	slow_peer() { grep -q '^m=1 .* slow$' "$home/spool/out/hub/.peer"; }
	texts slow
	check "where that takes the processor too long" exits 0 env LD_PRELOAD="$slow" uucico-ssh --root="$home" -s hub
	check "it is remembered" slow_peer
	for i in 1 2 3 4; do check "" arrived "$home" "slow-$i"; done
	texts without
	sed -i '1s/rate=[0-9]*/rate=100/' "$home/spool/out/hub/.peer" "$hub/spool/out/home/.peer"
	check "and the next call" exits 0 ours -s hub --wire-stats="$work/stats"
	check "goes without" sh -c "! tail -n 1 '$work/stats' | grep -q mixes="
	for i in 1 2 3 4; do check "" arrived "$home" "without-$i"; done
	check "as do all that follow" slow_peer
fi

# What was said is taught to a model behind the call, at both ends, and the next begins with it.
kept_there() { test -f "$hub/spool/ring/home/to-main~model" && test -f "$home/spool/ring/hub/from-main~model"; }
kept_word() { tail -n 1 "$work/stats" | sed -n 's/.* kept=\([0-9]*\).*/\1/p'; }
line_was 100
texts lesson "1 2 3 4 5 6 7 8 9 10 11 12"
check "a longer history" exits 0 ours -s hub --wire-stats="$work/stats"
check "is taught behind the call" wait_for 20 kept_there
line_was 100
texts taught
check "and the next call" exits 0 ours -s hub --wire-stats="$work/stats"
check "begins with that" test "$(kept_word)" = 1
check "as the sender remembers" wait_for 10 grep -q '^m=1 .* kept' "$hub/spool/out/home/.peer"
for i in 1 2 3 4; do check "" arrived "$home" "taught-$i"; done
cp "$home/spool/ring/hub/from-main~model" "$work/model"
said_taught() { rm "$home/spool/ring/hub/to-main~model" && bsmtp teach -v --root="$home" hub 2>"$work/said" && grep -q 'event=taught history=to-main' "$work/said"; }
test ! -f "$home/spool/ring/hub/to-main~model" || check "who asks sees it" said_taught
check "as long as little came since" exits 0 bsmtp teach --root="$home" hub
check "it stays" cmp "$home/spool/ring/hub/from-main~model" "$work/model"
printf 'damaged' | dd of="$home/spool/ring/hub/from-main~model" bs=1 seek=3000 conv=notrunc status=none
line_was 100
texts damaged
check "one that is damaged" exits 0 ours -s hub --wire-stats="$work/stats"
check "is of no use" test "$(kept_word)" = 0
for i in 1 2 3 4; do check "" arrived "$home" "damaged-$i"; done
check "history that is forgotten" exits 0 mochila --root="$home" history --erase hub
check "takes it along" test ! -e "$home/spool/ring/hub/from-main~model"
line_was 100
texts forgotten
check "and mail goes on" exits 0 ours -s hub
for i in 1 2 3 4; do check "" arrived "$home" "forgotten-$i"; done
floor 0

# ---- Lines that are cut -------------------------------------------------------------------

large cut-large 600000
check "the line is cut on the way there" exits 75 cut_at up 300000
part_kept() { test -n "$(find "$hub/spool/part/home" -type f -size +200k)"; }
check "the part is kept" wait_for 10 part_kept
check "the mail waits in the queue" test "$(there "$home" cut-large)" -eq 1
from_home after-the-cut
check "the next call" exits 0 ours -s hub --wire-stats="$work/stats"
check "goes on where it stopped" less data_out 400000
check "the mail is there once" arrived "$hub" cut-large
check "so is the other" arrived "$hub" after-the-cut
check "no part is left" test -z "$(find "$hub/spool/part" -type f)"

command_file() { { echo '#!/bin/sh'; cat; } >"$work/$1"; chmod 755 "$work/$1"; }

# ---- What takes long to read ----------------------------------------------------------------

slow=$build/tests/e2e/slow-read.so
if test -f "$slow"; then
	command_file answers <<-END
		exec $answer --set="site home.timeout=5s"
	END
	large_to_home() { { printf 'Subject: %s\n\n' "$1"; head -c "$2" /dev/urandom | base64; } |
	    MOCHILA_ROOT=$hub sendmail -f bob@hub.example ann@home.example; }
	large slow-there 2000000 && large_to_home slow-back 2000000 && from_home quick-there && from_hub quick-back
	check "two ends that read large mails for longer than a line may be silent" exits 0 env LD_PRELOAD="$slow" \
	    uucico-ssh --root="$home" -s hub --set="site hub.timeout=5s" --set="site hub.link=exec:$work/answers"
	check "have them" arrived "$hub" slow-there
	check "" arrived "$home" slow-back
	check "and what is quick before" sh -c "grep event=sent '$home/spool/log/mochila.log' | tail -n 1 | grep -q 'bytes=[0-9]\{7\}'"
	check "" arrived "$hub" quick-there
fi

# ---- Ends that stop ------------------------------------------------------------------------

command_file slow <<-END
	mkfifo "$work/slow-line"
	$answer <"$work/slow-line" &
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do dd bs=20000 count=1 2>/dev/null; sleep 0.3; done >"$work/slow-line"
END
large stopped 900000
start stopping uucico-ssh --root="$home" -s hub --set="site hub.link=exec:$work/slow"
check "a slow call" wait_for 10 grep -q caller "$home/run/call.hub"
sleep 1
kill -TERM "$pid"
wait "$pid"
check "told to stop, it stops, with status 75" test $? -eq 75
told_there() { tail -n 3 "$hub/spool/log/uucico-ssh.log" | grep -q 'was told to stop'; }
check "and has said so" wait_for 10 told_there
command_file hangs <<-END
	$cutter "$work/report" pipe up 100000 hang $answer
END
check "a line that hangs" exits 75 over "$work/hangs"
from_home takeover
check "a dead predecessor is no obstacle" exits 0 ours -s hub --wire-stats="$work/stats"
check "the mails are there" arrived "$hub" takeover
check "" arrived "$hub" stopped

# ---- Budgets ----------------------------------------------------------------------------------

large dear 200000
check "a call that may cost little" exits 75 ours -s hub --set="site hub.call-bytes=100000" --wire-stats="$work/stats"
check "says what is used up" said 'call-bytes is used up'
check "does not cost more" less up 100001
check "but brings what it can" test "$(number up)" -gt 50000
check "a message larger than a call moves" exits 0 ours -s hub --set="site hub.call-largest=100000"
check "waits" test "$(there "$home" dear)$(there "$hub" dear)" = 10
check "for one that may" exits 0 ours -s hub --wire-stats="$work/stats"
check "" arrived "$hub" dear
check "and goes on where it stopped" less data_out 160000
from_home urgent && large idle 1000
check "a call of the best grades only" exits 0 ours -s hub --grade=A
check "moves nothing else" test "$(there "$home" urgent)$(there "$home" idle)" = 11
check "and the next one all" exits 0 ours -s hub
check "" arrived "$hub" urgent

# ---- A far end that has forgotten how ---------------------------------------------------------

sed -i 's/^protocols = .*/protocols = i/' "$hub/mochila.conf"
from_home fallback && from_hub fallback-back
check "a hub that speaks m no more" exits 0 ours -s hub
check "is called again" said "event=calls-again"
check "and has the mail" arrived "$hub" fallback
check "and so has home" arrived "$home" fallback-back
sed -i 's/^protocols = .*/protocols = mi/' "$hub/mochila.conf"
from_home m-again
check "and when it does again" exits 0 ours -s hub --wire-stats="$work/stats"
check "" arrived "$hub" m-again
check "m is spoken" test "$(tail -n 1 "$work/stats" | grep -c protocol=m)" -eq 1
sed -i 's/^protocols = .*/protocols = i/' "$hub/mochila.conf"
check "who wants m only is not content with less" sh -c "! uucico-ssh --root='$home' -s hub --set='site hub.protocols=m' 2>/dev/null"
sed -i 's/^protocols = .*/protocols = mi/' "$hub/mochila.conf"

# ---- What does not come unasked -------------------------------------------------------------

printf 'hold-over = 100K\nwelcome = *@hub.example *@friends.example\nannounce = yes\n' >"$work/unasked"
sed -i "/^\[site hub\]/r $work/unasked" "$home/mochila.conf"
large_back() { { printf 'From: %s\nSubject: %s\nContent-Type: image/jpeg\n\n' "$2" "$1"; head -c 200000 /dev/urandom | base64; } |
    MOCHILA_ROOT=$hub sendmail -f "$2" ann@home.example; }
held() { find "$1/spool/hold" -type f ! -name '*.reason' | wc -l; }
hub_held=$(held "$hub")
large_back photos bob@hub.example && from_hub small-one
check "what is too large" exits 0 ours -s hub --wire-stats="$work/stats"
check "does not come" less data_in 2000
check "what is small does" arrived "$home" small-one
check "it is held there" test "$(held "$hub")" -eq $((hub_held + 1))
check "for home" sh -c "mochila --root='$hub' list | grep -q 'held back for home'"
check "and told of here" test "$(held "$home")" -eq 1
check "in words" sh -c "mochila --root='$home' list | grep -q '20[0-9] kB from bob@hub.example, 1 picture: photos'"
check "by mail, too" arrived "$home" "held back at hub"
check "another call" exits 0 ours -s hub
check "says nothing more of it" test "$(held "$home")$(there "$home" "held back at hub")" = 11
sid=$(find "$home/spool/hold" -type f -exec basename {} \;)
check "asked for" mochila --root="$home" release "$sid"
check "in the next call" exits 0 ours -s hub
came_too() { arrived "$home" photos || { ours -s hub >/dev/null 2>&1; arrived "$home" photos; }; }
check "it comes" came_too
check "and is held no more" test "$(held "$hub")$(held "$home")" = "${hub_held}0"
large_back unwanted bob@hub.example
check "another one" exits 0 ours -s hub
sid=$(find "$home/spool/hold" -type f -exec basename {} \;)
check "is not wanted" mochila --root="$home" remove "$sid"
check "the hub is told" exits 0 ours -s hub
check "and removes it" wait_for 10 test "$(held "$hub")$(held "$home")" = "${hub_held}0"
check "nothing of it is here" test "$(there "$home" unwanted)" -eq 0
printf 'Subject: from-a-stranger\n\nbuy\n' | MOCHILA_ROOT=$hub sendmail -f spam@x.example ann@home.example
printf 'Subject: from-a-friend\n\nhello\n' | MOCHILA_ROOT=$hub sendmail -f eve@friends.example ann@home.example
check "strangers and friends" exits 0 ours -s hub
check "a friend is welcome" arrived "$home" from-a-friend
check "a stranger is held back" test "$(there "$home" from-a-stranger)$(held "$home")" = 01
sid=$(find "$home/spool/hold" -type f -exec basename {} \;)
mochila --root="$home" release "$sid" && ours -s hub >/dev/null 2>&1 && ours -s hub >/dev/null 2>&1
check "until asked for" arrived "$home" from-a-stranger

# ---- Jobs of uux, and a sink ----------------------------------------------------------------

printf 'From ann@home.example Sat Nov 28 11:00:00 2026\nSubject: by-uux\n\nhello\n' | MOCHILA_ROOT=$home uux - -r -a ann@home.example 'hub!rmail' '(bob@hub.example)' || fail "uux"
check "a job of uux" exits 0 ours -s hub --wire-stats="$work/stats"
check "goes by m" grep -q 'protocol=m' "$work/stats"
check "and is run" arrived "$hub" by-uux
printf 'unpack = maildir:%s\n' "$work/sunk" >"$work/unpack"
sed -i "/^\[site home\]/r $work/unpack" "$hub/mochila.conf"
from_home into-the-sink
check "mail for a sink" exits 0 ours -s hub
sunk() { grep -rqs 'Subject: into-the-sink' "$work/sunk"; }
check "is given to it" wait_for 10 sunk
finish
