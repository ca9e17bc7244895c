#!/bin/sh
# The second opinion, where ../shared/crashtest is, over every writer of the spool: crash-sweep
# (kill, errors, disk full, and as root with power cuts of a real ext4) and powercut.  Some
# cases of each; SWEEP=all: every one.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tools=
for up in ../shared ../../shared; do
	test -x "$here/../../$up/crashtest/powercut" && tools=$(cd "$here/../../$up/crashtest" && pwd)
done
test -n "$tools" || { echo "skipped: no ../shared/crashtest beside the source"; exit 77; }
command -v strace >/dev/null || { echo "skipped: strace is not installed"; exit 77; }
command -v python3 >/dev/null || { echo "skipped: python3 is not installed"; exit 77; }
strace -qq -o /dev/null true 2>/dev/null || { echo "skipped: strace may not trace here"; exit 77; }
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0	# nobody can look for leaks who is traced
export ASAN_OPTIONS
steps=$(pwd)/tests/crash/spool-steps
fault=$(pwd)/tests/crash/fault.so
work=$(pwd)/tests/out/powercut.$$
rm -rf "$work"; mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work" || exit 1

# Fixtures: a spool, and what was promised of it.
fixture() { # NAME STEP...: that of another, or an empty one, and what this step does to it
	new=$1 from=$2; shift 2
	mkdir "$new"
	test "$from" = - || cp -a "$from/." "$new/"
	"$steps" "$new/root" "$@" >"$new/said" || exit 1
	grep '^250 ' "$new/said" >>"$new/promised"
	rm "$new/said"
}
fixture empty - ledger
fixture arrived empty receive 6 0
fixture both arrived accept 2
fixture four empty accept 4
fixture waits four settle
fixture flying waits pack home

# What dead processes leave, of whatever they were at: for the repair at a start.
dies() { # AT STEP...
	dies_at=$1; shift
	(FAULT=kill FAULT_AT=$dies_at LD_PRELOAD=$fault "$steps" "$work/broken/root" "$@") 2>/dev/null |
	    grep '^250 ' >>"$work/broken/promised"
}
if test -f "$fault"; then
	cp -a waits broken
	dies 9 pack home
	dies 6 receive 2 10
	dies 7 journal 3
	dies 5 receive 3 0
	dies 12 settle
	dies 5 hold home
fi

cat >"$work/verify" <<END
touch "\$W/promised"
cat "\$W/promised" "\$CRASH_STDOUT" 2>/dev/null | grep '^250 ' >"\$W/all"
sed -n 's/^sent .*/& home/p' "\$CRASH_STDOUT" 2>/dev/null >"\$W/sent"
sh "$here/verify.sh" "$steps" "\$W/root" "\$W/all" "\$W/sent"
END
recover="$steps \$W/root settle"
verify="sh $work/verify"
bad=0

sweep() {	# with the variables of try
	# shellcheck disable=SC2086
	"$tools"/$tool --fixture "$work/$fixture" --stdin /dev/null --cmd "$steps \$W/root $*" \
		--recover "$recover" --verify "$verify" >"$work/out" 2>&1
	status=$?
}
# try FIXTURE ACK STEP...: ACK is what the step says when something is promised.  That it is done is
# no promise of ours: a name that was removed may come back when it could not be synced.
try() {
	fixture=$1 ack=$2; shift 2
	promise="--ack $ack"
	test "$ack" != "$done" || promise=
	test -d "$work/$fixture" || return
	for tool in "crash-sweep -j 2 $promise $cases" "crash-sweep -j 2 $promise $cuts --ext4" \
	    "powercut --ack $ack $states --ignore *mochila.log --ignore *.lock"; do
		case $tool in *ext4*) test "$(id -u)" = 0 || { echo "no root: no --ext4"; continue; } ;; esac
		sweep "$@"
		# A loop device that could not be read is the machine's trouble, once.
		if test $status -eq 1 && grep -q 'Input/output error' "$work/out"; then
			echo "$*: the disk image could not be read; once more"
			sweep "$@"
		fi
		case "$status $tool" in
		"2 crash-sweep"*--ext4*) echo "$*: no loop mounts here: $(tail -n 1 "$work/out")"; continue ;;
		esac
		echo "$* of $fixture under $tool: exit $status: $(tail -n 1 "$work/out")"
		test $status -eq 0 || { tail -n 40 "$work/out"; bad=1; }
	done
}
set -f
if test "${SWEEP:-}" = all; then
	cases='' cuts='' states=''
else
	cases='--max-cases 50' cuts='--max-cases 16' states='--max-states 80'
fi
done='^(sent|done)'
try empty "^250" accept 2
try empty "^250" journal 6
try empty "^250" receive 3 0
try both "^settled" settle
try waits "$done" finish home
try waits "$done" fail home
try waits "$done" expire home
try waits "$done" hold home
try waits "$done" pack home
try flying "$done" ack home
try broken "^settled" settle
exit $bad
