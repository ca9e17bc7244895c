#!/bin/sh
# mochila-relay while it delivers to a mailbox file, a program, by LMTP and to a host that MX records
# name: killed at calls that change a file of its root (some of them here, each with FAULT_STEP=1),
# or such a call fails.  What was accepted is delivered whole; what was handed over and not noted
# any more comes twice (RFC 1047), and nothing else does.
# shellcheck disable=SC2317	# called by name
# shellcheck source=tests/crash/relay-fault-lib.sh
. "${srcdir:-.}/tests/crash/relay-fault-lib.sh"
need python3

far=$work/far
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
make_base <<-END
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
if ! built CARES; then
	say "not tried: a host by its MX (built without c-ares)"
	sed -i "/^resolver/d; s/mx::.*/smtp:$(sed -n 's/^main smtp //p' "$far/ready")/" "$work/base/mochila.conf"
fi

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
there_or_dead() { all_there || dead; }
client() { # WHERE
	call "$1" '< 220' '> EHLO x' '< 250' '> MAIL FROM:<ann@x.example>' '< 250' '> RCPT TO:<a@mbox.example>' '< 250' \
	    '> RCPT TO:<a@run.example>' '< 250' '> RCPT TO:<a@lmtp.example>' '< 250' '> RCPT TO:<a@mx.example>' '< 250' \
	    '> DATA' '< 354' "> Subject: $case" '> ' '> Hello.' '> .' '< 250 2.0.0' >/dev/null 2>&1
}

# one WHAT AT: true when all is well.
doubled=0
one() {
	rm -rf "$work"/run/*
	case=$1-$2 accepted=no
	faulted "$1" "$2"
	if test -n "$where" && client "$where"; then
		accepted=yes
		patient 150 there_or_dead
	fi
	stop "$relay" 2>/dev/null
	relay_up "$root" || return 1
	test $accepted = yes || client "$(at "$root")" || { counted="not taken a second time"; return 1; }
	wait_for 20 all_there
	stop "$relay"
	for kind in mbox run lmtp mx; do
		n=$(copies "$kind")
		counted="$counted $kind $n"
		test "$n" -ge 1 && test "$n" -le 2 || return 1
		test "$n" -eq 1 || doubled=$((doubled + 1))
	done
	empty "$root/spool/in" && empty "$root/spool/out" && empty "$root/spool/tmp" && empty "$root/spool/failed" &&
	    { test "$1" = EIO || empty "$root/spool/hold"; }
}
untouched() { ended && test "$accepted" = yes; }
sweep kill 29 5
sweep EIO 53 7
say "$doubled came twice"
finish
