#!/bin/sh
# A call by protocol m, and the settling behind it, broken at every step that changes the
# disk: each end is killed there, or the step fails, or the disk is full from there on.  Then
# there is another call, and each mail is where it belongs, once.  The same over a line that takes
# a while, where the last words are under way so long that whoever waits for them settles meanwhile
# what came.  Each step only with EACH=1, as make soak has it; else one in so many.
# shellcheck disable=SC2317	# called by name
. "${srcdir:-.}/tests/e2e/lib.sh"
protocols=mi
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
# shellcheck source=tests/crash/fault-lib.sh
. "$top/tests/crash/fault-lib.sh"
base=$work/base case=$work/case each=${EACH:-7} far_each=${EACH:-17}
answer="uucico-ssh -r0 --peer=home --root=$case/hub --no-jobs"

two_sites "$base" "exec:$answer"
large() { { printf 'Subject: %s\n\n' "$1"; head -c 60000 /dev/urandom | base64; } |
    MOCHILA_ROOT=$home sendmail -f ann@home.example bob@hub.example; }
call() { uucico-ssh --root="$case/home" -s hub --no-jobs "$@"; }

# They have met: nothing is packed any more.
from_home zero && from_hub zero || exit 99
cp -a "$base" "$case"
call >/dev/null 2>&1 && uuxqt --root="$case/hub" && uuxqt --root="$case/home" || exit 99
rm -rf "$base"
mv "$case" "$base"
from_home one && large two && from_hub three && from_hub four || exit 99
rm -rf "$base"/*/spool/out/*/.new*

# END FAULT AT: a call in which that end has that fault; how many steps it had is in $work/count.
at_caller() {
	caller_what=$1 caller_at=$2
	shift 2
	env LD_PRELOAD="$fault" FAULT="$caller_what" FAULT_AT="$caller_at" FAULT_COUNT="$work/count" \
	    uucico-ssh --root="$case/home" -s hub --no-jobs "$@"
}
broken="env LD_PRELOAD=$fault FAULT_COUNT=$work/count"
at_called() { call --set="site hub.link=exec:$broken FAULT=$1 FAULT_AT=$2 $answer"; }
far="env CUTTER_DELAY=40 $build/tests/crash/cutter $work/line pipe up -1 none"
far_caller() { at_caller "$1" "$2" --set="site hub.link=exec:$far $answer"; }
far_called() { call --set="site hub.link=exec:$far $broken FAULT=$1 FAULT_AT=$2 $answer"; }

# In how many files below the root's spool a mail of that subject is, settled or not.
copies() { find "$case/$1/spool/out" "$case/$1/spool/in" "$case/$1/spool/hold" -type f -exec grep -alx "Subject: $2.*" {} + | wc -l; }
left() { find "$case"/*/spool/sent "$case"/*/spool/xqt "$case"/*/spool/part "$case/home/spool/out/hub" "$case/hub/spool/out/home" \
    -type f ! -name '.*'; }

# What is not as it must be.
misplaced() {
	for where in 'hub one' "hub $second" 'home three' 'home four'; do
		# shellcheck disable=SC2086	# two words
		set -- $where "$(copies $where)"
		test "$3" -eq 1 || echo "$2 is at $1 $3 times"
	done
	test -z "$(left)" || { echo "left behind:"; left; }
}

# wrong: the same, after another call.  The called end settles when the caller has gone.
wrong() {
	call || echo "does not work again"
	for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		is=$(misplaced)
		test -n "$is" || return
		sleep 0.2
	done
	echo "$is ($try looks)"
}

begin_anew() {
	until rm -rf "$case" "$work/count" 2>/dev/null; do sleep 0.1; done	# somebody ends in it
	cp -a "$base" "$case"
}

# try FAULT AT: makes $count, the steps that there are.
try() {
	begin_anew
	$step "$1" "$2" >"$work/said" 2>&1
	cases=$((cases + 1))
	is=$(wrong 2>"$work/again")
	# The called end has ended by now; who was killed has not counted.
	count=$(cat "$work/count" 2>/dev/null)
	count=${count:-999999}
	test -z "$is" || { fail "$step, $1 at $2: $is"; cat "$work/said" "$work/again"; }
}

# sweep STEP EACH
sweep() {
	step=$1
	for what in kill EIO full; do
		at=1
		while :; do
			try "$what" "$at"
			test "$at" -lt "$count" || break
			test $failures -lt 10 || finish
			at=$((at + $2))
		done
	done
	say "ok: $step, broken at every ${2}th step ($cases so far)"
}

cases=0 second=two
sweep at_caller "$each"
sweep at_called "$each"

# settles WHO SITE SUBJECT: in a call over a line that takes a while.
settles() {
	begin_anew
	call --set="site hub.link=exec:$far $answer" >"$work/said" 2>&1
	settled_in_call "$case/$1" "$2" "$3"
}
check "who is called settles while it waits for the last word" wait_for 1 settles hub home one
sweep far_called "$far_each"

# It has no more to say than hub has: so it is who waits.
find "$base/home/spool/out/hub" -type f -exec grep -q '^Subject: two' {} \; -delete
from_home second && rm -rf "$base"/*/spool/out/*/.new* || exit 99
second=second
check "and so does who calls" wait_for 1 settles home hub three
sweep far_caller "$far_each"
finish
