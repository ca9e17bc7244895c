#!/bin/sh
# The second opinion, where ../shared/crashtest is: crash-sweep (kill, errors, disk full,
# and as root with power cuts of a real ext4) and powercut over accept, receive and settle.
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
steps=$(pwd)/tests/crash/spool-steps
work=$(pwd)/tests/out/powercut.$$
rm -rf "$work"; mkdir -p "$work/fix"
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

"$steps" "$work/fix/root" ledger || exit 1
cp -a "$work/fix" "$work/fix-settle"
"$steps" "$work/fix-settle/root" receive 6 0 >"$work/fix-settle/promised" || exit 1
"$steps" "$work/fix-settle/root" accept 2 >>"$work/fix-settle/promised" || exit 1

cat >"$work/verify" <<END
: >"\$W/none"
cat "\$W/promised" "\$CRASH_STDOUT" 2>/dev/null | grep '^250 ' >"\$W/all"
sh "$here/verify.sh" "$steps" "\$W/root" "\$W/all" "\$W/none"
END
recover="$steps \$W/root settle"
verify="sh $work/verify"
bad=0

sweep() {	# with the variables of try
	# shellcheck disable=SC2086
	"$tools"/$tool --fixture "$fixture" --stdin /dev/null --cmd "$steps \$W/root $*" \
		--recover "$recover" --verify "$verify" --ack "$ack" >"$work/out" 2>&1
	status=$?
}
try() {	# try FIXTURE ACK STEP...
	fixture=$1 ack=$2; shift 2
	for tool in "crash-sweep -j 2 --max-cases 150" "crash-sweep -j 2 --max-cases 60 --ext4" "powercut --max-states 250 --ignore *mochila.log"; do
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
		echo "$* under ${tool%% *}: exit $status: $(tail -n 1 "$work/out")"
		test $status -eq 0 || { tail -n 40 "$work/out"; bad=1; }
	done
}
set -f
try "$work/fix" "^250" accept 2
try "$work/fix" "^250" journal 6
try "$work/fix" "^250" receive 3 0
try "$work/fix-settle" "^settled" settle
exit $bad
