#!/bin/sh
# Three hosts on one spool, against an outside ledger (soak.h): one stands still before each of
# its calls in turn, for longer than its lease, and goes on.  0 lost, 0 doubled, and nobody sends
# what others have.  The long form, "make soak", also kills and stops them at random.
set -u
build=${top_builddir:-.}
fault=$build/tests/crash/fault.so
soak=$build/tests/crash/spool-soak
test -f "$fault" || { echo "skipped: no $fault (built with sanitizers: they own LD_PRELOAD)"; exit 77; }
work=$build/tests/out/spool-hosts.$$
rm -rf "$work"; mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
seed=${SEED:-20261122}
long=${HOSTS:-}

# NAME ARGUMENTS...: one soak in a spool of its own, beside the others
pids=
begin() {
	name=$1 kind=$2; shift 2
	mkdir "$work/$name"
	FAULT_NOSYNC=1 "$soak" "$kind" "$work/$name/root" "$fault" "$@" >"$work/$name/said" 2>&1 &
	pids="$pids $!:$name"
}
if test -n "$long"; then
	begin one hosts "$long" $((long / 20)) $((long / 15)) "$seed"
	begin two hosts "$long" $((long / 20)) $((long / 15)) $((seed + 1))
	begin each sweep 1 1 6 "$seed"
else
	begin odd sweep 1 14 2 "$seed"
	begin even sweep 8 14 2 "$seed"
fi
bad=0
for pid in $pids; do
	wait "${pid%%:*}" || bad=1
	cat "$work/${pid#*:}/said"
	# whoever is dead has left nothing behind
	root=$work/${pid#*:}/root/spool
	left=$(find "$root/tmp" "$root/in" "$root"/out/*/=* -mindepth 1 2>/dev/null)
	test -z "$left" || { echo "left behind: $left"; bad=1; }
done

# A shared spool asks for no lock of open files.
if command -v strace >/dev/null && strace -o "$work/calls" true 2>/dev/null; then
	strace -f -o "$work/calls" -e trace=flock,fcntl \
		"$soak" sweep "$work/traced" "$fault" 1000 1 1 "$seed" >"$work/said" 2>&1 || { cat "$work/said"; bad=1; }
	grep -q . "$work/calls" || { echo "strace saw nothing"; bad=1; }
	! grep -E 'flock\(|F_(OFD_)?SETLK' "$work/calls" || { echo "a lock of open files was asked for"; bad=1; }
else
	echo "no strace: not looked for flock"
fi
# Each is called as its host is, unless it is told otherwise: two host names, as root.
if unshare -u true 2>/dev/null && command -v hostname >/dev/null; then
	steps=$(cd "$build" && pwd)/tests/crash/spool-steps
	for node in hub-a hub.b; do
		# shellcheck disable=SC2016	# for the inner shell
		MOCHILA_SET=spool.shared=yes unshare -u sh -c \
			'hostname "$1" && "$2" "$3" accept 2 && "$2" "$3" settle' sh "$node" "$steps" "$work/names" \
			>/dev/null || bad=1
	done
	for node in hub-a hub_b; do
		set -- "$work"/names/spool/out/home/N-*-"$node"
		test -d "$1" || { echo "no bucket of $node"; bad=1; }
		test -f "$work/names/spool/hosts/$node" || { echo "$node is not in hosts/"; bad=1; }
	done
	# One history for who asks, whichever host wrote what.
	MOCHILA_SET=spool.shared=yes "$build/spool/mochila" --root "$work/names" log >"$work/history"
	cat "$work"/names/spool/log/mochila-*.log | sort >"$work/each"
	sort "$work/history" >"$work/sorted"
	test -s "$work/each" || { echo "no history"; bad=1; }
	cmp "$work/sorted" "$work/each" || { echo "mochila log does not show what both did"; bad=1; }
	cut -c1-20 "$work/history" | sort -c || { echo "mochila log is not in order"; bad=1; }
else
	echo "not root, or no unshare: not looked for two host names"
fi
test $bad -eq 0 || { trap - EXIT; echo "what is left of it: $work"; }
exit $bad
