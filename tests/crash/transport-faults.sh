#!/bin/sh
# mochila-relay while it delivers to a mailbox file, a program, by LMTP and to a host that MX records
# name: killed at calls that change a file of its root (some of them here, each with FAULT_STEP=1),
# or such a call fails.  What was accepted is delivered whole; what was handed over and not noted
# any more comes twice (RFC 1047), and nothing else does.
# shellcheck disable=SC2317	# called by name
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
fault=$build/tests/crash/fault.so
test -f "$fault" || skip "no $fault (built with sanitizers: they own LD_PRELOAD)"
need python3
stage
# The count of calls is written outside the root.
export MOCHILA_SET=spool.sandbox=no

far=$work/far root=$work/home
start dns python3 "$top/tests/e2e/dns.py" "$work/dns.port" "$work/zone"
wait_for 10 test -s "$work/dns.port" || skip "no name server: $(tail -n 1 "$work/dns.log")"
printf 'mx.example\tMX\t10 a.mx.example\na.mx.example\tA\t127.0.0.1\n' >"$work/zone"
make_site "$far" far
cat >>"$far/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0
	[relay local]
	listen = lmtp:127.0.0.1:0
	[routes]
	mx.example = maildir:mail/mx
	lmtp.example = maildir:mail/lmtp
END
relay_up "$far" || fail "no far relay"
printf '#!/bin/sh\ncat >"%s/run/$$.new" && mv "%s/run/$$.new" "%s/run/$$.eml"\n' "$work" "$work" "$work" >"$work/deliver"
chmod +x "$work/deliver"
mkdir -p "$work/run"
make_site "$work/base" home
cat >>"$work/base/mochila.conf" <<-END
	retry-after = 1s
	retry-max = 1s
	resolver = 127.0.0.1:$(cat "$work/dns.port")
	[relay main]
	listen = 127.0.0.1:0
	[hop *]
	keep = 0
	[routes]
	mbox.example = mbox:box
	run.example = command:$work/deliver
	lmtp.example = lmtp:$(sed -n 's/^local lmtp //p' "$far/ready")
	mx.example = mx::$(sed -n 's/^main smtp .*://p' "$far/ready")
END
for folder in tmp in out sent xqt hold failed seen drop log; do mkdir -p "$work/base/spool/$folder"; done

# copies KIND: how often the mail of this case is there, whole.
copies() {
	case $1 in
	mbox) cat "$root"/box* 2>/dev/null ;;
	run) cat "$work"/run/*.eml 2>/dev/null ;;
	*) find "$far/mail/$1/new" -type f -exec cat {} + 2>/dev/null ;;
	esac | tr -d '\r' | awk -v subject="Subject: $case" '$0 == subject { found = 1 } found && $0 == "Hello." { n++; found = 0 } END { print n + 0 }'
}
all_there() {
	for kind in mbox run lmtp mx; do test "$(copies "$kind")" -ge 1 || return 1; done
	empty "$root/spool/out" && empty "$root/spool/in"
}
there_or_dead() { all_there || ! kill -0 "$relay" 2>/dev/null; }
ready_or_dead() { test -s "$work/ready" || ! kill -0 "$relay" 2>/dev/null; }
client() { # WHERE
	call "$1" '< 220' '> EHLO x' '< 250' '> MAIL FROM:<ann@x.example>' '< 250' '> RCPT TO:<a@mbox.example>' '< 250' \
	    '> RCPT TO:<a@run.example>' '< 250' '> RCPT TO:<a@lmtp.example>' '< 250' '> RCPT TO:<a@mx.example>' '< 250' \
	    '> DATA' '< 354' "> Subject: $case" '> ' '> Hello.' '> .' '< 250 2.0.0' >/dev/null 2>&1
}

# one WHAT AT: true when all is well.
doubled=0
one() {
	rm -rf "$root" "$work"/run/*
	cp -a "$work/base" "$root"
	rm -f "$work/count" "$work/ready"
	case=$1-$2 told=''
	(
		FAULT=$1 FAULT_AT=$2 FAULT_COUNT=$work/count FAULT_BELOW=$root LD_PRELOAD=$fault
		export FAULT FAULT_AT FAULT_COUNT FAULT_BELOW LD_PRELOAD
		exec mochila-relay --root "$root" --ready-fd 3 3>"$work/ready" 2>>"$work/home.log"
	) &
	relay=$!
	started="$relay $started"
	wait_for 10 ready_or_dead
	accepted=no
	if test -s "$work/ready" && client "$(sed -n 's/^main smtp //p' "$work/ready")"; then
		accepted=yes
		wait_for 3 there_or_dead
	fi
	stop "$relay" 2>/dev/null
	rm -f "$root/box.lock"	# of somebody dead: else it is waited for
	relay_up "$root" || return 1
	test $accepted = yes || client "$(at "$root")" || { told="not taken a second time"; return 1; }
	wait_for 20 all_there
	stop "$relay"
	for kind in mbox run lmtp mx; do
		n=$(copies "$kind")
		told="$told $kind $n"
		test "$n" -ge 1 && test "$n" -le 2 || return 1
		test "$n" -eq 1 || doubled=$((doubled + 1))
	done
	empty "$root/spool/in" && empty "$root/spool/out" && empty "$root/spool/tmp" && empty "$root/spool/failed" &&
	    { test "$1" = EIO || empty "$root/spool/hold"; }
}
sweep() { # WHAT STEP FIRST
	cases=0 at=$3 count=999999
	while test "$at" -lt 1000; do
		cases=$((cases + 1))
		one "$1" "$at" || fail "$1 at $at: accepted $accepted;$told; $(find "$root/spool/hold" "$root/spool/out" -type f ! -name '.*' | wc -l) left"
		count=$(cat "$work/count" 2>/dev/null || echo 999999)
		test "$count" -ge "$at" || break
		at=$((at + $2))
	done
	check "$1: $cases cases, up to call $at; $doubled came twice" test "$at" -lt 1000
}
step=${FAULT_STEP:-}
sweep kill "${step:-29}" 5
sweep EIO "${step:-53}" 7
finish
