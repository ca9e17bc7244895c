#!/bin/sh
# mochila-relay serves Maildirs by POP3: to people's programs (Python's poplib, fetchmail), two
# at once, cut off in the middle; mochila user says who may; wrong passwords cost time.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage

root=$work/home
make_site "$root" home
cat >"$work/yes" <<-'END'
	#!/bin/sh
	read -r user && read -r pass || exit 75
	test "$user" = broken && exit 75
	test "$user" = dora -a "$pass" = "open sesame" -a "$MOCHILA_SERVICE" = pop3 || exit 1
	echo elsewhere/dora
END
chmod +x "$work/yes"
cat >>"$root/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0
	pop3-listen = 127.0.0.1:0
	login = file:users command:$work/yes
	[relay secure]
	listen =
	pop3-listen = 127.0.0.1:0 tls:127.0.0.1:0
	tls-cert = $work/pki/pop.pem
	tls-key = $work/pki/pop.key
	[routes]
	home.example = maildir:mail/%u
END
at_pop() { sed -n "s/^main pop3 //p" "$root/ready"; }
user() { mochila --root "$root" user "$@"; }

mkdir "$work/pki"
(cd "$work/pki" && "$build/tests/e2e/cert" ca Test-CA 30 && "$build/tests/e2e/cert" pop pop.example 30 ca) >"$work/said" ||
    fail "a certificate"

say "# mochila user"
check "a user is added" sh -c "echo 'first word' | mochila --root '$root' user add bob"
check "not twice" exits 65 sh -c "echo x | mochila --root '$root' user add Bob"
check "another, with a Maildir of his own" sh -c "echo pw | mochila --root '$root' user add eve@home.example --mailbox mail/evelyn"
check "a name that would be another line is none" exits 65 sh -c "echo pw | mochila --root '$root' user add 'a:b'"
check "both are listed" sh -c "test \"\$(mochila --root '$root' user list)\" = 'bob
eve@home.example  mail/evelyn'"
check "for programs, too" sh -c "mochila --root '$root' user list --json | python3 -c 'import json,sys; assert len(json.load(sys.stdin)) == 2'"
check "the word itself is nowhere" sh -c "! grep -rq 'right  word' '$root'"
check "only we may read them" test "$(stat -c %a "$root/users")" = 600
check "he gets another" sh -c "echo 'right  word ' | mochila --root '$root' user passwd bob"
kept_of() { sed -n 's/^dora:[^ ]*//p' "$root/users" | tr -d '\n' | sed 's/}[^ ]*/}/g'; }
check "who logs in by SCRAM" sh -c "echo one | mochila --root '$root' user add dora --scram --clear"
check "does so with another one, too" sh -c "echo two | mochila --root '$root' user passwd dora"
check "as it was kept" test "$(kept_of)" = " {SCRAM-SHA-256} {SCRAM-SHA-1} {PLAIN}"
check "and is gone when he goes" user remove dora
check "by whose name there is nobody" sh -c "! grep -q dora '$root/users'"
check "where SCRAM is offered it needs no word" sh -c "echo x | mochila --root '$root' --set 'relay main.login-mechanisms=SCRAM-SHA-256 PLAIN' user add fay &&
    grep -q '^fay:.* {SCRAM-SHA-256}' '$root/users' && mochila --root '$root' user remove fay"
check "a command that there is not is a slip" exits 64 user rename bob

say "# reading"
relay_up "$root" || { fail "the relay"; finish; }
for n in 1 2 3; do
	mail "$(at "$root")" ann@x.example bob@home.example "$n" >/dev/null || fail "mail $n"
done
mail "$(at "$root")" ann@x.example evelyn@home.example e >/dev/null
wait_for 10 has_mail "$root" bob 3
wait_for 10 has_mail "$root" evelyn 1
junk() { # TIMES LINE...
	junk_times=$1
	shift
	{ echo "< +OK" && yes "> UTF8" | head -n "$junk_times" && yes "< +OK" | head -n 50 && printf '%s\n' "$@"; } |
	    "$wire" call "$(at_pop)" >"$work/junk" 2>&1
}
check "who says much before he logs in" junk 50 "> PASS x" "< -ERR say USER first"
check "and too much, is sent away" junk 51 "< -ERR too many commands" "<!"
cat >"$work/pop.py" <<-'END'
	import poplib, sys
	host, port = sys.argv[1].rsplit(':', 1)
	def box(user, word):
	    p = poplib.POP3(host, int(port), timeout=60)
	    p.user(user); p.pass_(word)
	    return p
	def no(call, *words):
	    try: call(*words)
	    except poplib.error_proto as e: return str(e)
	    raise SystemExit('not refused: %r' % (words,))
	p = box('bob', 'right  word ')
	count, octets = p.stat()
	assert count == 3, count
	sizes = [int(l.split()[1]) for l in p.list()[1]]
	assert sum(sizes) == octets
	uids = [l.split()[1] for l in p.uidl()[1]]
	assert len(set(uids)) == 3
	for n in 1, 2, 3:
	    lines = p.retr(n)[1]
	    assert sum(len(l) + 2 for l in lines) == sizes[n - 1], n
	    assert b'Hello, %d.' % n in lines, lines
	    top = p.top(n, 0)[1]
	    assert b'' in top and b'Hello, %d.' % n not in top
	caps = p.capa()
	for word in 'TOP', 'UIDL', 'PIPELINING', 'RESP-CODES', 'USER': assert word in caps, caps
	other = poplib.POP3(host, int(port), timeout=60)
	other.user('bob')
	assert '[IN-USE]' in no(other.pass_, 'right  word ')
	p.dele(2)
	p.close()                       # cut: nothing was committed
	import time
	for _ in range(100):            # until the relay has seen it
	    try: p = box('BOB', 'right  word '); break
	    except poplib.error_proto as e: assert 'IN-USE' in str(e); time.sleep(0.1)
	assert p.stat()[0] == 3
	assert [l.split()[1] for l in p.uidl()[1]] == uids
	p.dele(2)
	p.quit()
	p = box('bob', 'right  word ')
	assert [l.split()[1] for l in p.uidl()[1]] == [uids[0], uids[2]]
	p.quit()
	p = box('eve@home.example', 'pw'); assert p.stat()[0] == 1; p.quit()
	p = box('dora', 'open sesame'); assert p.stat()[0] == 0; p.quit()
	for user, word in ('bob', 'right word'), ('nobody', 'x'), ('dora', 'x'):
	    w = poplib.POP3(host, int(port), timeout=60)
	    w.user(user)
	    began = time.time()
	    assert '[AUTH]' in no(w.pass_, word), user
	    assert time.time() - began > 0.9
	    w.close()
	w = poplib.POP3(host, int(port), timeout=60)
	w.user('broken'); assert '[SYS/TEMP]' in no(w.pass_, 'x'); w.close()
END
check "poplib reads, marks, is cut off, and removes with QUIT only" python3 "$work/pop.py" "$(at_pop)"
check "wrong words stand in the log as fail2ban reads it" \
    test "$(grep -c 'event=login-failed service=pop3 relay=main client=127.0.0.1 user=bob' "$work/home.log")" -eq 1
check "no password does" sh -c "! grep -q 'right' '$work/home.log'"

say "# with TLS"
# shellcheck disable=SC2046	# two addresses
check "STLS, and TLS at once" python3 - $(sed -n 's/^secure pop3s* //p' "$root/ready") <<-'END'
	import poplib, ssl, sys
	context = ssl._create_unverified_context()
	(h1, p1), (h2, p2) = [a.rsplit(':', 1) for a in sys.argv[1:]]
	p = poplib.POP3(h1, int(p1), timeout=60)
	assert 'STLS' in p.capa()
	p.stls(context)
	assert 'STLS' not in p.capa() and 'USER' in p.capa()
	p.user('bob'); p.pass_('right  word ')
	assert p.stat()[0] == 2
	assert b'Hello, 1.' in p.retr(1)[1]
	p.quit()
	p = poplib.POP3_SSL(h2, int(p2), context=context, timeout=60)
	p.user('bob'); p.pass_('right  word ')
	assert p.stat()[0] == 2
	p.quit()
END

say "# after a restart"
kill "$relay"
wait "$relay" 2>/dev/null
relay_up "$root"
check "the uids are the same" python3 - "$(at_pop)" "$root/mail/bob/new" <<-'END'
	import os, poplib, sys
	host, port = sys.argv[1].rsplit(':', 1)
	p = poplib.POP3(host, int(port), timeout=60); p.user('bob'); p.pass_('right  word ')
	assert sorted(l.split()[1].decode() for l in p.uidl()[1]) == sorted(n for n in os.listdir(sys.argv[2]) if n[0] != '.')
	p.quit()
END

say "# many at once"
mkdir -p "$root/mail/many/new" "$root/mail/many/cur"
python3 - "$root/mail/many/new" <<-'END'
	import sys
	for n in range(10000):
	    with open('%s/%08d' % (sys.argv[1], n), 'w') as f: f.write('Subject: %d\n\n%s\n' % (n, 'x' * (n % 50)))
END
echo m | user add many
cat >"$work/many.py" <<-'END'
	import poplib, sys
	host, port = sys.argv[1].rsplit(':', 1)
	p = poplib.POP3(host, int(port), timeout=120)
	p.user('many'); p.pass_('m')
	assert p.stat()[0] == 10000
	# all of it in one flight, behind one another
	p.sock.sendall(b''.join(b'RETR %d\r\nDELE %d\r\n' % (n, n) for n in range(1, 501)))
	for n in range(1, 501):
	    assert p._getlongresp()[1][0] == b'Subject: %d' % (n - 1)
	    assert p._getresp()[:3] == b'+OK'
	p.quit()
END
check "10,000 messages open, and 500 go in one flight" python3 "$work/many.py" "$(at_pop)"
check "and those are gone" test "$(messages "$root/mail/many/new")" -eq 9500

if peer fetchmail; then
	mkdir -p "$work/fm"
	port=$(at_pop); port=${port##*:}
	cat >"$work/fm/rc" <<-END
		poll 127.0.0.1 protocol pop3 port $port uidl
		    user "bob" password "right  word " fetchall no keep sslproto ""
		    mda "/bin/sh -c 'cat >>$work/fm/got'"
	END
	chmod 600 "$work/fm/rc"
	check "fetchmail fetches all there is" env LD_LIBRARY_PATH="$peer_libs" HOME="$work/fm" \
	    "$peer/usr/bin/fetchmail" -f "$work/fm/rc" --pidfile "$work/fm/pid" --nosyslog >"$work/fm/said" 2>&1
	check "two mails" test "$(grep -c '^Hello' "$work/fm/got")" -eq 2
	check "and the box is empty" has_mail "$root" bob 0
else
	say "not tried: fetchmail ($why)"
fi

say "# what is refused"
check "an odd source of logins is named" exits 78 mochila-relay --root "$root" --set "relay main.login=shadow:x"
finish
