# shellcheck shell=sh
# relay-fault-lib.sh - how crash tests of mochila-relay begin and go: a site "base", of which each
# case gets a copy; a relay with a fault at its n-th call that changes a file below its root; and the
# walk from the first call to the last.
#
#	make_base <<-END ... END	its settings, behind those of the site
#	one() { faulted "$1" "$2"; ...; }	true when all is well in the end; $counted says what is there
#	sweep kill 13 1			one kill 1, one kill 14 ... or each, with FAULT_STEP=1
# shellcheck disable=SC2034,SC2154	# used by those who read this, or theirs
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
# shellcheck source=tests/crash/fault-lib.sh
. "$top/tests/crash/fault-lib.sh"
root=$work/home

make_base() {
	make_site "$work/base" home
	{ printf 'retry-after = 1s\nretry-max = 1s\n'; cat; } >>"$work/base/mochila.conf"
	for make_base_folder in tmp in out sent xqt hold failed seen drop log; do
		mkdir -p "$work/base/spool/$make_base_folder"
	done
}

patient() { # TRIES COMMAND...: as wait_for, in steps of 20 ms
	patient_left=$1
	shift
	until "$@"; do
		test "$patient_left" -gt 0 || return 1
		patient_left=$((patient_left - 1))
		sleep 0.02
	done
}
dead() { ! kill -0 "$relay" 2>/dev/null; }
said_or_dead() { test -s "$work/ready" || dead; }

# faulted WHAT AT: a relay at a copy of base, with that fault and others of the environment; sets
# relay, its process, and where, its address, which is empty when it did not come so far.
faulted() {
	rm -rf "$root"
	cp -a "$work/base" "$root"
	rm -f "$work/count" "$work/ready"
	: >"$work/home.log"
	(
		FAULT=$1 FAULT_AT=$2 FAULT_COUNT=$work/count FAULT_BELOW=${below:-$root} LD_PRELOAD=$fault
		export FAULT FAULT_AT FAULT_COUNT FAULT_BELOW LD_PRELOAD
		exec mochila-relay --root "$root" --ready-fd 3 3>"$work/ready" 2>>"$work/home.log"
	) &
	relay=$!
	started="$relay $started"
	patient 500 said_or_dead
	where=$(sed -n 's/^main smtp //p' "$work/ready")
}

# sweep WHAT STEP FIRST: until it ended before the fault came; then all must be as without one, as
# untouched says.
sweep() {
	cases=0 at=$3 count=999999
	while test "$at" -lt 1000; do
		cases=$((cases + 1)) counted=
		one "$1" "$at" || {
			fail "$1 at $at: accepted $accepted; $counted"
			rm -rf "$work/failed.$1.$at"
			cp -a "$root" "$work/failed.$1.$at"
			cp "$work/home.log" "$work/failed.$1.$at/"
		}
		count=$(cat "$work/count" 2>/dev/null || echo 999999)
		test "$count" -ge "$at" || break
		at=$((at + ${FAULT_STEP:-$2}))
	done
	check "$1: $cases cases, up to call $at, behind the last" untouched
}
ended() { test "$count" -lt "$at"; }
