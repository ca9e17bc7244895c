#!/bin/sh
# Ten thousand clients that are connected and say nothing: mail is taken and delivered as ever, and
# each of them is answered when it speaks again.  Where a process may have fewer descriptors, there is
# room for fewer, and for their mail.
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
mkfifo "$work/go"

# crowd_comes MANY: that many, until crowd_goes.
crowd_comes() {
	timeout 600 "$crowd" "${main##*:}" "$1" plain <"$work/go" >"$work/crowd.out" 2>"$work/crowd.err" &
	crowd_pid=$! crowd_many=$1
	exec 6>"$work/go"
	wait_for 300 there
}
there() { grep -q "^there $crowd_many" "$work/crowd.out" || ! kill -0 "$crowd_pid" 2>/dev/null; }
crowd_goes() {
	echo >&6
	exec 6>&-
	wait "$crowd_pid" && grep -qx "served $crowd_many" "$work/crowd.out"
}

prlimit --pid $$ --nofile=1024:	# as most shells have it
relay_up "$root" || fail "the relay does not start"
main=$(at "$root")
check "ten thousand come" crowd_comes 10000
check "and stay" kill -0 "$crowd_pid"
check "a mail is taken" mail "$main" ann@away.example bob@home.example crowd
check "and delivered" wait_for 60 has_mail "$root" bob 1
check "each of them is answered" crowd_goes
check "the relay ends as it should" stop "$relay"

prlimit --pid $$ --nofile=400:400
relay_up "$root" || fail "the relay does not start with few descriptors"
main=$(at "$root")
check "few descriptors are said" grep -q 'event=few-descriptors max-connections=10100 room=200 ' "$work/home.log"
check "as many come as there is room for" crowd_comes 199
check "a mail is taken" mail "$main" ann@away.example bob@home.example few
check "and delivered" wait_for 60 has_mail "$root" bob 2
"$wire" call "$main" >"$work/last" 2>/dev/null <<-END &
	< 220
	> NOOP
	< 250
	say here
	< 221
END
is_last() { grep -q here "$work/last"; }
check "one more" wait_for 20 is_last
check "and who comes then is told so" call "$main" "< 421"
check "each of them is answered" crowd_goes
check "and so it ends" stop "$relay"
finish
