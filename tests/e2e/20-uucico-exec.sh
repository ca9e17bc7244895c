#!/bin/sh
# Two sites of ours over an exec link: mail both ways, lines that drop, far ends that
# are none, and calls that meet.
# shellcheck disable=SC2317	# called by check
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
stage
over() {	# over COMMAND: calls the hub over this command
	ours -s hub --set="site hub.link=exec:$1"
}
answer="uucico-ssh -r0 --peer=home --root=$work/hub"

two_sites "$work" "exec:$answer"
large() {	# large WORD: does not shrink
	{ printf 'Subject: %s\n\n' "$1"; head -c 400000 /dev/urandom | base64; } |
	    MOCHILA_ROOT=$home sendmail -f ann@home.example bob@hub.example
}
both_arrived() { arrived "$hub" one && arrived "$hub" two; }
nothing_in_flight() { test "$(messages "$home/spool/sent")$(messages "$hub/spool/sent")" = 00; }
command_file() {	# command_file NAME: from stdin, a program of that name in $work
	{ echo '#!/bin/sh'; cat; } >"$work/$1"
	chmod 755 "$work/$1"
}

# ---- A call ---------------------------------------------------------------------------

check "mails wait at home" from_home one
check "" from_home two
check "and at the hub" from_hub three
check "a call" exits 0 ours -s hub --wire-stats="$work/stats"
check "brought one batch with both to the hub" both_arrived
check "and one home" arrived "$home" three
check "nothing is in flight" nothing_in_flight
no_jobs() { test "$(messages "$home/spool/xqt")$(messages "$hub/spool/xqt")" = 00; }
check "no jobs wait" wait_for 10 no_jobs
check "the numbers are there" grep -qE 'jobs_out=1 jobs_in=1 .* wire_up=[0-9]+ wire_down=[0-9]+' "$work/stats"
check "the caller's log has the call" said "event=call"
check "the hub's log is in its spool, not on the wire" grep -q event=call "$hub/spool/log/uucico-ssh.log"
check "a call with nothing to say" exits 0 ours -s hub
check "doubles nothing" test "$(there "$hub" one)$(there "$home" three)" = 11
check "packing and running can be left out" exits 0 ours -s hub --no-pack --no-jobs
# A person sees how far it is: on a terminal, and there only.
if command -v script >/dev/null; then
	from_home shown
	on_terminal() { script -qec "uucico-ssh --root='$home' -s hub ${1:-}" "$work/terminal" >/dev/null; }
	check "a call on a terminal" on_terminal
	check "shows how far it is" grep -qE 'hub: sent [0-9]+ of [0-9]+ bytes \(100 %\), received 0, [0-9.]+ kB/s' "$work/terminal"
	check "the next, if it is to be quiet," on_terminal -q
	check "does not" sh -c "! grep -q 'hub: sent' '$work/terminal'"
fi

# ---- What failed before ------------------------------------------------------------------

rests() { grep -q "failures=$2 " "$1/.retry" 2>/dev/null; }
check "a call that fails" exits 75 over false
check "makes the site rest" rests "$home/spool/out/hub" 1
mkdir -p "$hub/spool/out/home"
echo 'next=2099-01-01T00:00:00Z failures=3 why=no carrier' >"$hub/spool/out/home/.retry"
check "one that works" exits 0 ours -s hub
check "makes all for it due" test ! -e "$home/spool/out/hub/.retry"
check "on both ends" wait_for 10 test ! -e "$hub/spool/out/home/.retry"

# ---- Lines that drop --------------------------------------------------------------------

command_file cut-there <<-END
	dd bs=1 count=200000 2>/dev/null | $answer
END
command_file cut-back <<-END
	$answer | dd bs=1 count=28 2>/dev/null
END
large first-large
check "the line drops on the way there" exits 75 over "$work/cut-there"
check "the mail is still ours" test "$(messages "$home/spool/sent")" -ge 1
part_kept() { test -n "$(find "$hub/spool/xqt/home" -name '*.part' -size +100k)"; }
check "the part is kept" wait_for 10 part_kept
check "the next call" exits 0 ours -s hub --wire-stats="$work/stats"
check "goes on where it stopped" sh -c "tail -n 1 '$work/stats' | grep -qE ' data_out=2[0-9]{5} '"
check "and the mail is there once" arrived "$hub" first-large
from_home lost-word
check "the line drops on the way back" exits 75 over "$work/cut-back"
check "called again" exits 0 ours -s hub
check "the mail is there once" arrived "$hub" lost-word
check "nothing is in flight" nothing_in_flight

# What a batch is packed by says the batch, and so which command unpacks it.
for codec in none gz $(! built BZ2 || echo bz2) zstd mix; do
	from_home "codec-$codec"
	check "a call with a batch packed by $codec" exits 0 ours -s hub --set="site hub.codec=$codec"
	check "and the mail is there" arrived "$hub" "codec-$codec"
done

# A far end that is killed, and we ourselves.
command_file killed <<-END
	dd bs=1 count=300000 2>/dev/null | $answer &
	sleep 1
	kill -9 \$!
END
large killed-there
check "the far end is killed" exits 75 over "$work/killed"
command_file slow <<-END
	dd bs=1 count=300000 2>/dev/null | (dd bs=1 count=200000 2>/dev/null; sleep 30) | $answer
END
start slow uucico-ssh --root="$home" -s hub --set="site hub.link=exec:$work/slow"
sleep 2
kill -TERM "$pid"
wait "$pid"
check "told to stop, it stops at once, with status 75" test $? -eq 75
check "and the next call brings the mail" exits 0 ours -s hub
check "once" arrived "$hub" killed-there

# ---- Far ends that are none ----------------------------------------------------------------

command_file noise <<-'END'
	echo "bash: line 1: uucico-ssh: command not found"
END
command_file complains <<-'END'
	echo "bash: line 1: uucico-ssh: command not found" >&2
	exit 127
END
command_file endless <<-'END'
	yes "no UUCP here"
END
check "a shell's noise" exits 76 over "$work/noise"
check "is quoted" said 'it says "bash: line 1: uucico-ssh: command not found"'
check "the same on its standard error" exits 76 over "$work/complains"
check "is quoted too" said 'command not found'
check "with what to do" said 'see whether the command'
check "endless noise ends" exits 76 over "$work/endless"
check "a far end that closes at once" exits 75 over /bin/true
check "is told" said 'before a word of UUCP'
check "a program that is not there" exits 78 over no-such-program
check "is told" said 'no program no-such-program'
check "a quote that is not closed" exits 78 over "sh -c 'x"
check "a link that is none" exits 78 ours -s hub --set="site hub.link=carrier-pigeon:x"
check "a site that is none" exits 78 ours -s nowhere
check "a site without a link" exits 78 uucico-ssh --root="$hub" -s home
check "nobody said who calls" exits 64 uucico-ssh --root="$hub" -r0
check "with the line that is missing" said 'restrict,command='
check "another name than the key's" exits 77 over "uucico-ssh -r0 --peer=else --root=$hub --set=site\ else.codec=gz"
check "the other side's own name is wrong" exits 78 over "$answer --set=spool.site=other"
check "is told" said 'is called "other"'
check "silence ends the call" exits 75 ours -s hub --set="site hub.link=exec:sleep 20" --set="site hub.timeout=1s"
check "is told" said 'silent for 1 s'

# ---- Calls that meet --------------------------------------------------------------------------

# holding LOCK COMMAND...: starts it, and waits until it has written itself into the lock,
# where the last call's words may still stand.
holding() {
	holding_lock=$1
	shift
	: >"$holding_lock"
	start holding "$@"
	check "" wait_for 10 test -s "$holding_lock"
}

# A call of ours that hangs: a second one leaves at once.
holding "$home/run/call.hub" uucico-ssh --root="$home" -s hub --set="site hub.link=exec:sleep 15"
check "one call with a site at a time" exits 75 ours -s hub
check "is told" said 'running already'
stop "$pid"
# The hub is calling home, and has heard nothing yet: the call of the lesser name lives.
holding "$hub/run/call.home" uucico-ssh --root="$hub" -s home --set="site home.link=exec:sleep 15"
check "crossing calls: that of home goes on" exits 0 ours -s hub
check "that of the hub has ended" wait_for 2 gone "$pid"
# Home is calling the hub, in vain: it gives way too, a moment later.
holding "$home/run/call.hub" uucico-ssh --root="$home" -s hub --set="site hub.link=exec:sleep 15"
back="exec:uucico-ssh -r0 --peer=hub --root=$home"
check "a call in vain does not keep the hub out" exits 0 uucico-ssh --root="$hub" -s home --set="site home.link=$back"
check "and has ended" wait_for 2 gone "$pid"
# But one that has met the hub does.
command_file talks <<-END
	{ sleep 2; } | cat - | (printf '\\020Shere=hub\\000'; sleep 1; printf '\\020ROKN047\\000\\020Pi\\000'; sleep 15)
END
holding "$home/run/call.hub" uucico-ssh --root="$home" -s hub --set="site hub.link=exec:$work/talks"
check "it has heard the hub" wait_for 5 grep -q caller "$home/run/call.hub"
check "a call that runs keeps the hub out" exits 75 uucico-ssh --root="$hub" -s home --set="site home.link=$back"
check "in words" said 'busy'
stop "$pid"
# The hub still answers a call that is dead: the new one takes its place.
holding "$hub/run/call.home" sh -c "sleep 15 | $answer"
from_home takeover
check "a dead predecessor is no obstacle" exits 0 ours -s hub
check "the mail is there" arrived "$hub" takeover

# ---- Jobs ------------------------------------------------------------------------------------------

flock "$hub/run/xqt.home" true	# the jobs of the last call are through
# Laid there by hand, as a call would.
job() {	# job KEY COMMAND
	mkdir -p "$hub/spool/xqt/home"
	printf 'job=1 peer=home user=uucp temp=D.x size=4\ncommand %s\n\nabc\n' "$2" >"$hub/spool/xqt/home/$1"
}
job 1111111111111111 'sh -c id'
job 2222222222222222 'rmail -oQ/x'
job 3333333333333333 'rmail;id x'
job 4444444444444444 '/bin/rmail x'
check "jobs that may not run" exits 0 uuxqt --root="$hub"
check "are held, each with its reason" test "$(find "$hub/spool/hold" -name '*.job.reason' | wc -l)" -eq 4
job 5555555555555555 'rmail x'
mv "$work/libexec/rmail" "$work/rmail-away"
check "a program that is missing" exits 78 uuxqt --root="$hub"
check "leaves the job" test -f "$hub/spool/xqt/home/5555555555555555"
printf '#!/bin/sh\nexit 75\n' >"$work/libexec/rmail"
chmod 755 "$work/libexec/rmail"
check "a temporary failure" exits 75 uuxqt --root="$hub" -s home
check "leaves it too" test -f "$hub/spool/xqt/home/5555555555555555"
# shellcheck disable=SC2016	# for the script
printf '#!/bin/sh\nenv >"%s/job-env"\nexit 0\n' "$work" >"$work/libexec/rmail"
check "a success" exits 0 uuxqt --root="$hub"
check "removes it" test ! -e "$hub/spool/xqt/home/5555555555555555"
check "it knew who asked" grep -qx UU_MACHINE=home "$work/job-env"
# One comes when the last look is over, and the lock not given back yet: the uuxqt that is started for it finds
# the lock held, and goes.
if command -v strace >/dev/null && strace -o "$work/calls" true 2>/dev/null; then
	job 7777777777777777 'rmail x'
	start late env ASAN_OPTIONS=detect_leaks=0 strace -qq -o "$work/calls" -P "$hub/run/xqt.home" -e trace=close -e inject=close:delay_enter=5000000 \
	    uuxqt --root="$hub"
	late=$pid
	check "a job is run" wait_for 60 test ! -e "$hub/spool/xqt/home/7777777777777777"
	sleep 1
	job 8888888888888888 'rmail x'
	exits 0 uuxqt --root="$hub"
	check "one that comes behind it finds the lock held" test -e "$hub/spool/xqt/home/8888888888888888"
	check "and is not left" wait_for 60 test ! -e "$hub/spool/xqt/home/8888888888888888"
	stop "$late"
fi
check "a job that is damaged" sh -c "echo junk >'$hub/spool/xqt/home/6666666666666666'"
exits 0 uuxqt --root="$hub"
check "is held" test -f "$hub/spool/hold/home-6666666666666666.job"
finish
