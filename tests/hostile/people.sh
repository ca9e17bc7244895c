#!/bin/sh
# The AUTH rows of hostile inputs, and POP3's beside them (people.py), against the built relay.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage

root=$work/home
make_site "$root" home
mkdir "$work/pki"
(cd "$work/pki" && "$build/tests/e2e/cert" ca Test-CA 30 && "$build/tests/e2e/cert" mx mx.example 30 ca) >"$work/said" ||
    fail "a certificate"
cat >>"$root/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0
	pop3-listen = 127.0.0.1:0
	max-client-connections = 200
	max-connections = 400
	proxy-from = 127.0.0.0/8
	login-mechanisms = CRAM-MD5 PLAIN LOGIN APOP
	login-in-clear = yes
	[relay tls]
	listen = 127.0.0.1:0
	tls = require
	proxy-from = 127.0.0.0/8
	tls-cert = $work/pki/mx.pem
	tls-key = $work/pki/mx.key
	[routes]
	home.example = maildir:mail/%u
END
echo pencil | mochila --root "$root" user add bob || fail "user add"
echo secret | mochila --root "$root" user add clear --clear || fail "user add"
mkdir -p "$root/mail"
relay_up "$root" || { fail "the relay"; finish; }
check "every row is answered as it must be" python3 "$top/tests/hostile/people.py" "$(at "$root")" \
    "$(sed -n 's/^main pop3 //p' "$root/ready")" "$(at "$root" tls)" "$root"
check "the relay lives" kill -0 "$relay"
check "no line of its log holds another's bytes, or a password" \
    sh -c "! LC_ALL=C grep -q '[^ -~]' '$work/home.log' && ! grep -q 'pencil\|wrong' '$work/home.log'"
check "no mailbox was made" empty "$root/mail"
finish
