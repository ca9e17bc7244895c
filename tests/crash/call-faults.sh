#!/bin/sh
# A call, and the jobs behind it, broken at every step that changes the disk: each end is
# killed there, or the step fails, or the disk is full from there on.  Then everything
# runs once more, and each mail is where it belongs, once.
# shellcheck disable=SC2317	# called by name
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
# shellcheck source=tests/crash/fault-lib.sh
. "$top/tests/crash/fault-lib.sh"
base=$work/base case=$work/case

two_sites "$base" "exec:uucico-ssh -r0 --peer=home --root=$case/hub --no-pack --no-jobs"
from_home one && from_home two && from_hub three || exit 99
bsmtp --root="$base/home" pack hub >/dev/null 2>&1 && bsmtp --root="$base/hub" pack home >/dev/null 2>&1 || exit 99
rm -rf "$base"/*/spool/seen/*

# with FAULT AT COMMAND...: the command with that fault; how many steps it had is in $work/count.
with() {
	with_what=$1 with_at=$2
	shift 2
	env LD_PRELOAD="$fault" FAULT="$with_what" FAULT_AT="$with_at" FAULT_COUNT="$work/count" "$@"
}
call() { uucico-ssh --root="$case/home" -s hub --no-pack --no-jobs "$@"; }

# The steps under test.
caller() { with "$1" "$2" uucico-ssh --root="$case/home" -s hub --no-pack --no-jobs; }
called() {
	call --set="site hub.link=exec:env LD_PRELOAD=$fault FAULT=$1 FAULT_AT=$2 FAULT_COUNT=$work/count uucico-ssh -r0 --peer=home --root=$case/hub --no-pack --no-jobs"
}
jobs_there() { call && with "$1" "$2" uuxqt --root="$case/hub"; }

# In how many files below the root's spool a mail of that subject is, settled or not.
copies() { find "$case/$1/spool/out" "$case/$1/spool/in" "$case/$1/spool/hold" -type f -exec grep -alx "Subject: $2.*" {} + | wc -l; }
flight() { find "$case"/*/spool/sent "$case"/*/spool/xqt -type f | grep -cv '/\.lock$'; }

# wrong: what is not as it must be, after everything has run once more.
wrong() {
	# pack finishes what a dead process had acknowledged and not removed
	bsmtp --root="$case/home" pack hub && bsmtp --root="$case/hub" pack home || echo "does not pack"
	call && uuxqt --root="$case/hub" && uuxqt --root="$case/home" || echo "does not work again"
	for where in 'hub one' 'hub two' 'home three'; do
		# shellcheck disable=SC2086	# two words
		set -- $where "$(copies $where)"
		test "$3" -eq 1 || echo "$2 is at $1 $3 times"
	done
	test "$(flight)" -eq 0 || { echo "left behind:"; find "$case"/*/spool/sent "$case"/*/spool/xqt -type f; }
}

cases=0
for step in caller called jobs_there; do
	for what in kill EIO full; do
		at=1
		while :; do
			rm -rf "$case" "$work/count"
			cp -a "$base" "$case"
			$step "$what" "$at" >"$work/said" 2>&1
			status=$?
			cases=$((cases + 1))
			count=$(cat "$work/count" 2>/dev/null || echo 999999)
			test "$what" != kill || test $status -ne 0 || test "$at" -gt "$count" || test "$step" = called ||
			    fail "$step, $what at $at: it was not killed"
			is=$(wrong 2>"$work/again" | grep -v '^sent/')
			test -z "$is" || { fail "$step, $what at $at: $is"; cat "$work/said" "$work/again"; }
			test "$at" -lt "$count" || break
			test $failures -lt 10 || finish
			case $what in full) at=$((at + 5)) ;; *) at=$((at + 1)) ;; esac
		done
	done
	say "ok: $step, broken at every step ($cases so far)"
done
finish
