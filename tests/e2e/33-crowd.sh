#!/bin/sh
# Ten thousand clients that are connected and say nothing: mail is taken and delivered as ever, and
# each of them is answered when it speaks again.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage
crowd=$build/tests/bench/crowd
test -x "$crowd" || skip "there is no $crowd"
most=$(awk '/^Max open files/ { print $5 }' /proc/self/limits)
test "$most" = unlimited || test "$most" -ge 11000 || skip "a process may have $most descriptors"

root=$work/home
make_site "$root" home
cat >>"$root/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0
	max-connections = 10100
	max-client-connections = 10100
	[routes]
	home.example = maildir:mail/%u
END
relay_up "$root" || fail "the relay does not start"
main=$(at "$root")
mkfifo "$work/go"
"$crowd" "${main##*:}" 10000 plain <"$work/go" >"$work/crowd.out" 2>"$work/crowd.err" &
crowd_pid=$!
exec 6>"$work/go"
there() { grep -q '^there 10000' "$work/crowd.out" || ! kill -0 "$crowd_pid" 2>/dev/null; }
check "ten thousand come" wait_for 300 there
check "and stay" kill -0 $crowd_pid
check "a mail is taken" mail "$main" ann@away.example bob@home.example crowd
check "and delivered" wait_for 60 has_mail "$root" bob 1
echo >&6
exec 6>&-
check "each of them is answered" wait $crowd_pid
check "all of them" grep -qx 'served 10000' "$work/crowd.out"
check "the relay ends as it should" stop "$relay"
finish
