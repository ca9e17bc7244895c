#!/bin/sh
# Every state-changing call of every writer of the spool is killed, fails or finds the
# disk full, and every read fails, once each; then the spool is repaired as at a start,
# and the outside ledger must agree: what was promised is there, once.
set -u
here=$(cd "$(dirname "$0")" && pwd)
steps=$(pwd)/tests/crash/spool-steps
fault=$(pwd)/tests/crash/fault.so
test -f "$fault" || { echo "skipped: no $fault (built with sanitizers: they own LD_PRELOAD)"; exit 77; }
work=$(pwd)/tests/out/spool-faults.$$
rm -rf "$work"; mkdir -p "$work"
trap 'rm -rf "$work"' EXIT

run() {	# run FAULT AT ROOT STEP...: the step with that fault; its promises are appended
	fault_is=$1 fault_at=$2 root=$3; shift 3
	case $1 in
	ack|finish) tag=" $2" ;;
	*) tag= ;;
	esac
	FAULT=$fault_is FAULT_AT=$fault_at FAULT_COUNT="$work/count" LD_PRELOAD="$fault" \
		"$steps" "$root" "$@" >"$work/said" 2>"$work/why"
	ended=$?
	sed -n "s/^sent .*/&$tag/p" "$work/said" >>"$root.sent"
	grep '^250 ' "$work/said" >>"$root.promised"
	return $ended
}

fixture() {	# fixture STEP: a spool on which STEP has something to do
	rm -rf "$work/base"*; : >"$work/base.sent"; : >"$work/base.promised"
	case $* in
	accept*|journal*|receive*) "$steps" "$work/base" ledger ;;
	'settle many') run none 0 "$work/base" receive 36 0 ;;	# a bucket of its own for four of them
	settle) run none 0 "$work/base" accept 2; run none 0 "$work/base" receive 6 0 ;;
	*) run none 0 "$work/base" accept 4; "$steps" "$work/base" settle >/dev/null ;;
	esac
	test "$1" != ack || "$steps" "$work/base" pack home
}

# A message blocks only itself: one call that fails leaves one of four behind, and not those
# after it; or the whole site could not be worked, and all four wait.
blocks_only_itself() {
	test "$1 $2" = "expire home EIO" || return 0
	left=$("$steps" "$3" ledger | grep -c '^out .*@home')
	test "$left" -le 1 || test "$left" -eq 4
}

cases=0 bad=0 first=0
for step in 'accept 2' 'journal 6' 'receive 4 0' settle 'settle many' 'finish home' 'fail home' 'expire home' 'hold home' 'pack home' 'ack home'; do
	for what in kill EIO full read; do
		# shellcheck disable=SC2086
		fixture $step
		stride=1 at=0
		test "$step" != 'settle many' || { stride=3 at=$((first - 3)) first=$((first % 3 + 1)); }
		while :; do
			at=$((at + stride))
			test $at -gt 0 || continue
			rm -rf "$work/case"*
			cp -a "$work/base" "$work/case"
			cp "$work/base.sent" "$work/case.sent"; cp "$work/base.promised" "$work/case.promised"
			rm -f "$work/count"
			# shellcheck disable=SC2086
			run "$what" "$at" "$work/case" $step
			status=$?
			count=$(cat "$work/count" 2>/dev/null || echo 999999)
			cases=$((cases + 1))
			blocks_only_itself "$step" "$what" "$work/case" ||
				{ echo "$step, $what at $at: $left of 4 wait"; bad=1; }
			"$steps" "$work/case" settle >"$work/out" 2>&1 ||
				{ echo "$step, $what at $at: no repair: $(cat "$work/out")"; bad=1; }
			# the same once more must find its way
			# shellcheck disable=SC2086
			case $step in receive*|settle*) run none 0 "$work/case" $step || {
				echo "$step, $what at $at: does not work again"; bad=1; } ;; esac
			"$steps" "$work/case" settle >"$work/out" 2>&1
			if ! sh "$here/verify.sh" "$steps" "$work/case" "$work/case.promised" "$work/case.sent" >"$work/out" ||
			    { test "$what" != kill && test $status -ge 128; }; then
				echo "$step, $what at $at (exit $status): $(cat "$work/out" "$work/why")"; bad=1
			fi
			# done when the program ended before the fault came
			test "$count" -ge "$at" || break
		done
	done
done
echo "$cases cases"
exit $bad
