#!/bin/sh
# reference/open-relay-vectors: every row of open-relay.tsv at every door (open-relay.py): port 25,
# submission, LMTP, a socket of this host, and what a peer brings by BSMTP and rmail; and settings
# that would make an open relay, which do not start, or relay nothing.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage

root=$work/home
make_site "$root" mx.home
free_port
cat >>"$root/mochila.conf" <<-END
	[addresses]
	extension = +
	aliases = file:aliases
	[relay world]
	listen = 127.0.0.1:0
	proxy-from = 127.0.0.0/8
	relay-from = 192.0.2.0/24
	pop-before-smtp = 3h
	login-in-clear = yes
	login-sender = yes
	report-rate = 20
	verify-recipients = maildir:mail/%u
	max-client-connections = 100
	[relay lmtp]
	listen = lmtp:127.0.0.1:0
	proxy-from = 127.0.0.0/8
	relay-from = 192.0.2.0/24
	[relay here]
	listen = unix:run/smtp.sock
	relay-from =
	[relay submit]
	listen = 127.0.0.1:0
	proxy-from = 127.0.0.0/8
	relay-from = 192.0.2.0/24
	pop-before-smtp = 3h
	login-required = yes
	[site peer]
	[routes]
	home.example = maildir:mail/%u
	postmaster@mx.home.example = maildir:mail/%u
	* = smtp:127.0.0.1:$port
END
# OS-17: what the people of this host say of their own mail
printf '%s\n' 'away@home.example far@elsewhere.example' 'round@home.example about@home.example' \
    'about@home.example round@home.example' >"$root/aliases"
mkdir -p "$root/run" "$root/mail/u/new" "$root/mail/postmaster/new" "$root/pop-before-smtp"
echo pencil | mochila --root "$root" user add u || fail "user add"
echo u >"$root/pop-before-smtp/198.51.100.61"
echo u >"$root/pop-before-smtp/198.51.100.60"
touch -d '181 minutes ago' "$root/pop-before-smtp/198.51.100.60"
part() {
	python3 "$top/tests/hostile/open-relay.py" "$top/tests/hostile/open-relay.tsv" "$root" "$MOCHILA_LIBEXEC/bsmtp" \
	    "$MOCHILA_LIBEXEC/rmail" "$1" >"$work/$1.said" 2>&1 && return 0
	head -n 20 "$work/$1.said"
	return 1
}
# OS-14, OS-16: programs of this host and fields of a header make no recipients
sendmail() { MOCHILA_ROOT=$root "$MOCHILA_LIBEXEC/sendmail" "$@"; }
local_mail() {
	printf 'To: u@home.example\nBcc: hidden@elsewhere.example\nSubject: OS-14 t\nX-Original-To: t@victim.example\n\nx\n' | sendmail -t &&
	    printf 'Subject: OS-14 f\nTo: t@victim.example\nBcc: t@victim.example\n\nx\n' | sendmail -f forged@victim.example u@home.example &&
	    ! printf 'x\n' | sendmail -f 'a b@victim.example' u@home.example 2>/dev/null &&
	    ! printf 'x\n' | sendmail '|/bin/sh' 2>/dev/null && ! printf 'x\n' | sendmail /tmp/file 2>/dev/null &&
	    ! printf 'To: u@home.example\n\nx\n' | sendmail -t -- -oQ/tmp 2>/dev/null
}
settled() { test "$(spooled "$root/spool/in")" -eq 0; }

relay_up "$root" || { fail "the relay"; finish; }
check "every row, at every door" part doors
check "nor by a program of this host" local_mail
check "nor does what a peer brings become something else" part batches
check "all of it finds its way" wait_for 20 settled
check "and nothing waits for others but what may" part result
check "what had a right to go waits to go" sh -c "grep -rlq 'Subject: OR-66 ' '$root/spool/out'"
stop "$relay"

say "# <postmaster>, whatever the routes are"
small=$work/small
make_site "$small" small
free_port
for all in "" "* = smtp:127.0.0.1:$port"; do
	printf '%s\n' "[relay main]" "listen = 127.0.0.1:0" "relay-from =" "[routes]" "home.example = maildir:mail/%u" "$all" \
	    >"$small/mochila.conf"
	relay_up "$small" || fail "a small one"
	check "is taken where ${all:-nothing} is the last route" call "$(at "$small")" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<s@victim.example>" "< 250" \
	    "> RCPT TO:<postmaster@victim.example>" "< 550" "> RCPT TO:<t>" "< 5" "> RCPT TO:<PostMaster>" "< 250" \
	    "> DATA" "< 354" "> Subject: help" "> " "> x" "> ." "< 250 2.0.0"
	stop "$relay"
done
check "and a person finds him" test "$(spooled "$small/spool/hold")" -eq 1
check "or he goes where all goes" sh -c "grep -rhas '^RCPT TO:<PostMaster>' '$small/spool/out' | grep -q ."

say "# settings that would make an open relay"
while read -r want set; do
	case $want in
	no) check "$set does not start" exits 78 mochila-relay --root "$root" --set "$set" ;;
	*)
		relay_up "$root" --set "$set" || fail "$set: does not start"
		check "$set relays nothing" part refused
		stop "$relay"
		;;
	esac
done <<-'END'
	no relay world.relay-from=0.0.0.0/0
	no relay world.relay-from=192.0.2.0/24 ::/0
	no relay world.relay-from=0.0.0.0/1 128.0.0.0/1
	no relay world.relay-from=::ffff:0:0/96
	no relay world.relay-from=2000::/3
	no relay world.relay-from=any
	no relay world.relay-from=198.51.100.0/8
	no relay world.relay-from=*
	no relay submit.relay-from=0.0.0.0/0
	no relay world.relay-from=localhost
	no relay world.relay-from=home.example
	no routes./@/=smtp:127.0.0.1:1
	no routes.*.=smtp
	yes relay world.relay-from=
	yes relay world.relay-from=198.51.100.8/32
	yes relay world.welcome-from=198.51.100.0/24
	yes relay world.verify-recipients=local:
	yes relay world.login-in-clear=no
	yes routes.*.home.example=smtp:127.0.0.1:1
END
finish
