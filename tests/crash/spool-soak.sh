#!/bin/sh
# The soak in its small form, with a fixed seed.  The long one is "make soak SPOOL=MESSAGES".
set -u
build=${top_builddir:-.}
fault=$build/tests/crash/fault.so
test -f "$fault" || { echo "skipped: no $fault (built with sanitizers: they own LD_PRELOAD)"; exit 77; }
messages=${SPOOL:-600}
work=$build/tests/out/spool-soak.$$
rm -rf "$work"; mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
"$build/tests/crash/spool-soak" "$work/root" "$fault" "$messages" $((messages / 10)) $((messages / 200 + 1)) \
	$((messages / 200 + 1)) "${SEED:-20261121}"
status=$?
test $status -eq 0 || { trap - EXIT; echo "what is left of it: $work"; }
exit $status
