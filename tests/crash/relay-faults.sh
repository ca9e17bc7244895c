#!/bin/sh
# mochila-relay killed at calls that change a file, from its start to the mail's file in the
# Maildir: each third of them, or each with FAULT_STEP=1.  What was answered with 250 is delivered once
# and whole by the next one, and waits once for the other recipient; what was not is not
# there in part.
# shellcheck disable=SC2317	# called by name
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
fault=$build/tests/crash/fault.so
test -f "$fault" || skip "no $fault (built with sanitizers: they own LD_PRELOAD)"
stage

root=$work/home
make_site "$work/base" home
cat >>"$work/base/mochila.conf" <<-END
	retry-after = 1s
	retry-max = 1s
	[relay main]
	listen = 127.0.0.1:0
	[routes]
	home.example = maildir:mail/%u
	dead.example = smtp:127.0.0.1:1
END
for folder in tmp in out sent xqt hold failed seen drop log; do mkdir -p "$work/base/spool/$folder"; done

two() {
	call "$1" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<a@b.example>" "< 250" "> RCPT TO:<bob@home.example>" \
	    "< 250" "> RCPT TO:<x@dead.example>" "< 250" "> DATA" "< 354" "> Subject: two" "> " "> Hello." "> ." \
	    "< 250 2.0.0" 2>/dev/null
}
came() { test "$(boxed "$root" bob)" -gt 0 && ! empty "$root/spool/out"; }
came_or_dead() { came || ! kill -0 "$relay" 2>/dev/null; }
patient() { # patient TRIES COMMAND...: as wait_for, in steps of 20 ms
	patient_left=$1
	shift
	until "$@"; do
		test "$patient_left" -gt 0 || return 1
		patient_left=$((patient_left - 1))
		sleep 0.02
	done
}

# one WHAT AT: the relay with that fault, one mail, then another relay; true when all is well.
one() {
	rm -rf "$root"
	cp -a "$work/base" "$root"
	rm -f "$work/count"
	: >"$work/home.log"
	accepted=0
	(
		FAULT=$1 FAULT_AT=$2 FAULT_COUNT=$work/count LD_PRELOAD=$fault
		export FAULT FAULT_AT FAULT_COUNT LD_PRELOAD
		exec mochila-relay --root "$root" --ready-fd 3 3>"$root/ready" 2>>"$work/home.log"
	) &
	relay=$!
	started="$relay $started"
	patient 200 relay_says "$root"
	if test -s "$root/ready" && two "$(at "$root")"; then
		accepted=1
		patient 15 came_or_dead
	fi
	stop "$relay" 2>/dev/null
	relay_up "$root" || return 1
	test $accepted -eq 0 || patient 250 came
	stop "$relay"
	boxed=$(boxed "$root" bob) waits=$(spooled "$root/spool/out")
	test "$boxed" -le 1 && test "$waits" -le 1 && test "$boxed" -ge $accepted && test "$waits" -ge $accepted &&
	    empty "$root/spool/in" && empty "$root/spool/tmp" && empty "$root/spool/hold" && empty "$root/spool/failed" &&
	    { test "$boxed" -eq 0 || test "$(tail -n 1 "$root"/mail/bob/new/*)" = Hello.; }
}

cases=0 at=1 count=999999
while test $at -le "$count" && test $at -lt 300; do
	cases=$((cases + 1))
	one kill $at || fail "killed at $at: accepted $accepted, delivered $boxed, waiting $waits"
	count=$(cat "$work/count" 2>/dev/null || echo 999999)
	at=$((at + ${FAULT_STEP:-3}))
done
say "$cases cases, up to call $at"
check "every step was reached" test $at -lt 300
finish
