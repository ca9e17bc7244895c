#!/bin/sh
# Who logs in at mochila-relay may send anywhere: by every mechanism, with Python's smtplib and
# swaks; who does not may not; passwords are said with TLS only, and guessing is slow.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage
built_with GSASL

root=$work/home
make_site "$root" home
mkdir "$work/pki"
(cd "$work/pki" && "$build/tests/e2e/cert" ca Test-CA 30 && "$build/tests/e2e/cert" mx mx.example 30 ca &&
    "$build/tests/e2e/cert" friend friend.example 30 ca) >"$work/said" || fail "a certificate"
cat >"$work/token" <<-'END'
	#!/bin/sh
	read -r user && read -r secret || exit 75
	test "$MOCHILA_SECRET $user $secret" = "token bob@home.example abc"
END
chmod +x "$work/token"
cat >>"$root/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0 tls:127.0.0.1:0
	relay-from = 192.0.2.0/24
	tls-cert = $work/pki/mx.pem
	tls-key = $work/pki/mx.key
	tls-client-ca = $work/pki/ca.pem
	login = file:users command:$work/token
	login-mechanisms = SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN EXTERNAL XOAUTH2
	login-sender = yes
	[relay mine]
	listen = 127.0.0.1:0
	relay-from = 127.0.0.0/8
	login-required = yes
	login-mechanisms = PLAIN
	remove-bcc = yes
	trace-user = yes
	user-rate = 6
	user-max-size = 3000
	[routes]
	home.example = maildir:mail/%u
	* = maildir:mail/world
END
echo pencil | mochila --root "$root" user add bob --scram --clear || fail "user add"
check "what is kept of a password says which ways there are" \
    grep -q '^bob:\$.* {SCRAM-SHA-256}4096,.* {SCRAM-SHA-1}4096,.* {PLAIN}pencil$' "$root/users"
relay_up "$root" --log-level trace || { fail "the relay"; finish; }
main=$(sed -n 's/^main smtp //p' "$root/ready") mains=$(sed -n 's/^main smtps //p' "$root/ready")
mine=$(at "$root" mine)

cat >"$work/login.py" <<-'END'
	import smtplib, ssl, sys, time
	main, mains, mine, friend = sys.argv[1:]
	def dial(where): return smtplib.SMTP(*where.rsplit(':', 1), timeout=60)
	def tls(s, cert=None):
	    c = ssl._create_unverified_context()
	    if cert: c.load_cert_chain(cert + '.pem', cert + '.key')
	    s.starttls(context=c); s.ehlo(); return s
	def send(s, sender='bob@home.example', to='x@far.example'):
	    return s.mail(sender)[0], s.rcpt(to)[0], s.rset()[0]
	s = dial(main); s.ehlo()
	assert send(s)[1] == 550                                  # nobody yet
	words = s.esmtp_features['auth'].split()
	assert 'PLAIN' in words and 'SCRAM-SHA-256-PLUS' not in words and 'EXTERNAL' not in words, words
	tls(s)
	words = s.esmtp_features['auth'].split()
	assert 'SCRAM-SHA-256-PLUS' in words and 'EXTERNAL' not in words, words
	s.user, s.password = 'bob', 'pencil'
	for how in 'PLAIN', 'LOGIN', 'CRAM-MD5':
	    s = tls(dial(main)); s.user, s.password = 'bob', 'pencil'
	    code = s.auth(how, getattr(s, 'auth_' + how.lower().replace('-', '_')))[0]
	    assert code == 235, (how, code)
	    assert send(s) == (250, 250, 250), how
	    assert send(s, sender='eve@home.example')[0] == 553
	    assert send(s, sender='')[0] == 250
	    s.quit()
	# somebody else's word, and nobody's
	for user, word in ('bob', 'wrong'), ('nobody', 'pencil'):
	    for how in 'PLAIN', 'CRAM-MD5':
	        s = tls(dial(main)); s.user, s.password = user, word
	        began = time.time()
	        try: s.auth(how, getattr(s, 'auth_' + how.lower().replace('-', '_'))); raise SystemExit('let in')
	        except smtplib.SMTPAuthenticationError as e: assert e.smtp_code == 535, e
	        assert time.time() - began > 0.9
	        assert send(s)[1] == 550
	        s.close()
	s = tls(dial(main), friend)
	assert 'EXTERNAL' in s.esmtp_features['auth']
	assert s.docmd('AUTH', 'EXTERNAL =')[0] == 235
	assert send(s, sender='friend.example@home.example')[1] == 250
	s.quit()
	import base64
	s = tls(dial(main))
	b = lambda t: base64.b64encode(t.encode()).decode()
	assert s.docmd('AUTH', 'XOAUTH2 ' + b('user=bob@home.example\1auth=Bearer abc\1\1'))[0] == 235
	assert send(s)[1] == 250
	s.quit()
	# where a login is required, being near is not enough
	s = dial(mine); s.ehlo()
	assert s.mail('bob@home.example')[0] == 530
	s.login('bob', 'pencil')
	assert send(s) == (250, 250, 250)
	s.sendmail('bob@home.example', ['x@far.example'], 'Subject: sent\r\nBcc: secret@far.example\r\n'
	    'Authentication-Results: home.example; auth=pass\r\n\r\nby bob\r\n')
	# a user has limits of his own
	s.ehlo(); assert s.esmtp_features['size'] == '3000'
	assert s.docmd('MAIL', 'FROM:<bob@home.example> SIZE=3001')[0] == 552
	codes = [s.mail('bob@home.example')[0]] + [s.rcpt('x%d@far.example' % n)[0] for n in range(6)]
	assert codes == [250] * 5 + [450] * 2, codes
	s.quit()
	# and whoever did not log in is passed on as he came
	s = dial(main); s.ehlo()
	s.sendmail('x@far.example', ['plain@home.example'], 'Bcc: keep@far.example\r\n\r\nplain\r\n')
	s.quit()
END
check "every mechanism, and what each gives and does not" \
    python3 "$work/login.py" "$main" "$mains" "$mine" "$work/pki/friend"
wait_for 10 has_mail "$root" world 1
sent() { grep -q "$1" "$root"/mail/world/new/*; }
for field in Date From Message-ID; do
	check "the $field it lacked was added" test "$(grep -c "^$field: ." "$root"/mail/world/new/*)" -eq 1
done
check "as who sent it" sent '^From: bob@home.example'
check "the trace names the user" sent '(Authenticated sender: bob)'
for field in Bcc Authentication-Results; do
	if sent "^$field:"; then fail "$field is still there"; fi
done
wait_for 10 has_mail "$root" plain 1
check "mail of others is passed on as it is" sh -c "grep -q '^Bcc: keep' '$root'/mail/plain/new/* &&
    ! grep -q '^Date:\|^Message-ID:' '$root'/mail/plain/new/*"
check "the mail says how it came" grep -q 'with ESMTPA' "$root"/mail/world/new/*
check "and the history who sent it" logged "$root" 'event=accepted from=<bob@home.example>.* user=bob$'
check "failures are a line each" test "$(grep -c 'event=login-failed service=smtp relay=main client=127.0.0.1 user=bob' "$work/home.log")" -eq 2

if peer swaks; then
	for how in PLAIN LOGIN CRAM-MD5; do
		check "swaks logs in by $how" perl "$peer/usr/bin/swaks" --server "${main%:*}" --port "${main##*:}" \
		    --auth $how --auth-user bob --auth-password pencil --from bob@home.example --to swaks@home.example \
		    --silent 2 --suppress-data
	done
	wait_for 10 has_mail "$root" swaks 3
else
	say "not tried: swaks ($why)"
fi

if peer gsasl; then
	by_gsasl() {
		LD_LIBRARY_PATH=$peer_libs "$peer/usr/bin/gsasl" --smtp --connect "$main" --no-starttls -m "$1" -a bob \
		    -p "$2" -z '' </dev/null >"$work/gsasl" 2>&1 && grep -q '^235 ' "$work/gsasl"
	}
	check "gsasl proves it by SCRAM-SHA-256" by_gsasl SCRAM-SHA-256 pencil
	check "and by SCRAM-SHA-1" by_gsasl SCRAM-SHA-1 pencil
	by_gsasl SCRAM-SHA-256 pencils && fail "another word does as well"
else
	say "not tried: gsasl ($why)"
fi

check "of all that the log shows no secret" python3 "$top/tests/e2e/secrets.py" "$work/home.log" 25 pencil

say "# settings"
check "a mechanism that there is not is named" exits 78 \
    mochila-relay --root "$root" --set "relay main.login-mechanisms=KERBEROS_V4"
finish
