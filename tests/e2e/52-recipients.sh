#!/bin/sh
# Home tells the hub which addresses there are, with a call; from then on the hub refuses
# others at the door: ours, and a real Postfix.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
# shellcheck source=tests/e2e/mta-lib.sh
. "$top/tests/e2e/mta-lib.sh"
# shellcheck source=scripts/postfix.sh
. "$top/scripts/postfix.sh"
stage

two_sites "$work" "exec:$MOCHILA_LIBEXEC/uucico-ssh -r0 --root=$work/hub --peer=home"
sed -i 's/^\[site hub\]/&\nrecipients = file:users, maildir:mail\nrecipients-domains = home.example/' "$home/mochila.conf"
sed -i 's/^\[site home\]/&\nspeaks-for = home.example/' "$hub/mochila.conf"
cat >>"$hub/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0
	[addresses]
	extension = +
END
echo ann >"$home/users"
mkdir -p "$home/mail/carl/new"
relay_up "$hub" || fail "the hub's relay does not start"
main=$(at "$hub")
rcpt() { # ADDRESS REPLY
	call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<x@far.example>" "< 250" "> RCPT TO:<$1>" "< $2" \
	    "> QUIT" "< 221" >"$work/rcpt" 2>&1
}
list=$hub/recipients/home
has() { grep -qsx "$1	OK" "$list"; }
waiting() { messages "$home/spool/uux"; }

say "# before anything was told"
check "everybody may be there" rcpt eve@home.example 250
check "the list can be looked at" sh -c "mochila --root '$home' recipients hub --print | grep -qx carl@home.example"
check "which sends nothing" test "$(waiting)" -eq 0

say "# it goes with a call"
check "home calls" mochila --root "$home" call hub
check "and the hub knows Ann" wait_for 10 has ann@home.example
check "and Carl, by his Maildir" has carl@home.example
check "Ann is taken" rcpt ann@home.example 250
check "with a remark, too" rcpt Ann+news@Home.Example 250
check "Eve is not there" rcpt eve@home.example "550 5.1.1"
check "of the hub's own nothing was said" rcpt bob@hub.example 250
check "a second call" mochila --root "$home" call hub
check "has nothing new to tell" test "$(grep -c event=recipients-taken "$hub"/spool/log/* "$work"/*.log 2>/dev/null |
    awk -F: '{ n += $NF } END { print n + 0 }')" -le 1
echo eve >>"$home/users"
check "when there is one more" mochila --root "$home" call hub
check "the hub hears of it" wait_for 10 has eve@home.example
check "and takes her mail, though the relay was not told" sh -c 'sleep 1.2'
check "at once" rcpt eve@home.example 250

say "# who may say what"
sed -i 's/^recipients-domains.*/recipients-domains = home.example hub.example/' "$home/mochila.conf"
mochila --root "$home" call hub
refused() { grep -qs 'rrecipients failed with exit status 65' "$hub"/spool/hold/*.reason; }
check "a list for the hub's own domain is held for a person" wait_for 10 refused
check "and the one before stays" has ann@home.example
: >"$work/none"
sed -i "s|^recipients = .*|recipients = file:$work/none|; s/^recipients-domains.*/recipients-domains = home.example/" \
    "$home/mochila.conf"
check "a source that has lost everybody is no reason not to call" mochila --root "$home" call hub
check "but nothing is told" has ann@home.example
check "nor is a list taken that no call has brought" exits 64 env MOCHILA_ROOT="$hub" rrecipients </dev/null

say "# Postfix"
free_port && theirs=$port
if start_postfix "$work/postfix" "$theirs" "relay_domains = home.example" "relay_recipient_maps = texthash:$list" \
    "smtpd_relay_restrictions = permit_auth_destination, reject"; then
	main=127.0.0.1:$theirs
	chmod 755 "$hub" "$work"
	check "takes mail for Ann by the same list" rcpt ann@home.example 250
	check "and refuses it for others" rcpt nobody@home.example 550
	check "and for the domain's own line" rcpt home.example@home.example 550
	stop "$postfix"
else
	say "Postfix was not asked: $why"
fi

say "# Exim"
if inside_peer exim4-daemon-light "$work/exim" Debian-exim; then
	# shellcheck disable=SC2086	# $inside is words
	lookup() { $inside env LD_LIBRARY_PATH="$peer_libs" exim4 -C /dev/null -be "\${lookup{$1}lsearch{$list}{\$value}{no}}"; }
	check "finds Ann there" test "$(lookup ann@home.example 2>&1 | tail -n 1)" = OK
	check "and nobody else" test "$(lookup nobody@home.example 2>&1 | tail -n 1)" = no
else
	say "Exim was not asked: $why"
fi
finish
