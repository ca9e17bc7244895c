# shellcheck shell=sh
# fault-lib.sh - how crash tests begin that run programs under the fault injector (fault.c): $fault is
# what they preload, and the programs are staged.  After tests/e2e/lib.sh.
# shellcheck disable=SC2034,SC2154	# used by those who read this, or theirs
fault=$build/tests/crash/fault.so
test -f "$fault" || skip "there is no $fault (with sanitizers: they own LD_PRELOAD)"
stage
# The count of calls is written outside the root.
export MOCHILA_SET=spool.sandbox=no
