#!/bin/sh
# The whole way, as a newcomer sees it: scripts/demo carries mail from hub to home through a
# real sshd, an answer back, and the same again with the hub calling; every body is the same
# byte for byte.  It leaves nothing running and writes only into its own folder.
. "${srcdir:-.}/tests/e2e/lib.sh"
need ssh-keygen
free_port
start_sshd "$work/trial" "$port" /dev/null || skip "$why"
stop "$sshd"

MOCHILA_DEMO=$work/demo.out MOCHILA_BUILD=$build "$top/scripts/demo" >"$work/demo.log" 2>&1
check "the demo succeeds" test $? -eq 0
check "it says that every body is the same, three times" \
    test "$(grep -c 'Compared byte for byte: each body ' "$work/demo.log")" -eq 3
check "its table has a row for each call" \
    test "$(grep -c ' calls, .* [0-9]*\.[0-9][0-9]$' "$work/demo.log")" -eq 3
check "nothing is left running" \
    test -z "$(grep -lzF "$work/demo.out" /proc/[0-9]*/environ 2>/dev/null)"
check "both sites' mail has ended where it belongs" test -z "$(find \
    "$work"/demo.out/*/spool/in "$work"/demo.out/*/spool/out "$work"/demo.out/*/spool/sent \
    "$work"/demo.out/*/spool/xqt "$work"/demo.out/*/spool/hold -type f ! -name '.*')"
test $failures -eq 0 || tail -n 40 "$work/demo.log"
finish
