#!/bin/sh
# A call by protocol m, and the settling behind it, broken at every step that changes the
# disk: each end is killed there, or the step fails, or the disk is full from there on.  Then
# there is another call, and each mail is where it belongs, once.  Each step only with
# EACH=1, as make soak has it; else one in so many.
# shellcheck disable=SC2317	# called by name
. "${srcdir:-.}/tests/e2e/lib.sh"
protocols=mi
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
# shellcheck source=tests/crash/fault-lib.sh
. "$top/tests/crash/fault-lib.sh"
base=$work/base case=$work/case each=${EACH:-7}
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

# with FAULT AT COMMAND...: the command with that fault; how many steps it had is in $work/count.
caller() {
	env LD_PRELOAD="$fault" FAULT="$1" FAULT_AT="$2" FAULT_COUNT="$work/count" \
	    uucico-ssh --root="$case/home" -s hub --no-jobs
}
called() {
	call --set="site hub.link=exec:env LD_PRELOAD=$fault FAULT=$1 FAULT_AT=$2 FAULT_COUNT=$work/count $answer"
}

# In how many files below the root's spool a mail of that subject is, settled or not.
copies() { find "$case/$1/spool/out" "$case/$1/spool/in" "$case/$1/spool/hold" -type f -exec grep -alx "Subject: $2.*" {} + | wc -l; }
left() { find "$case"/*/spool/sent "$case"/*/spool/xqt "$case"/*/spool/part "$case/home/spool/out/hub" "$case/hub/spool/out/home" \
    -type f ! -name '.*'; }

# What is not as it must be.
misplaced() {
	for where in 'hub one' 'hub two' 'home three' 'home four'; do
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

cases=0
for step in caller called; do
	for what in kill EIO full; do
		at=1
		while :; do
			until rm -rf "$case" "$work/count" 2>/dev/null; do sleep 0.1; done	# somebody ends in it
			cp -a "$base" "$case"
			$step "$what" "$at" >"$work/said" 2>&1
			cases=$((cases + 1))
			is=$(wrong 2>"$work/again")
			# The called end has ended by now; who was killed has not counted.
			count=$(cat "$work/count" 2>/dev/null)
			count=${count:-999999}
			test -z "$is" || { fail "$step, $what at $at: $is"; cat "$work/said" "$work/again"; }
			test "$at" -lt "$count" || break
			test $failures -lt 10 || finish
			at=$((at + each))
		done
	done
	say "ok: $step, broken at every ${each}th step ($cases so far)"
done
finish
