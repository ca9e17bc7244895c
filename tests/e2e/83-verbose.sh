#!/bin/sh
# -v shows what is said on the wire, both ways, and no password, key or proof of one, nor mail:
# uucico-ssh over ssh, over tcp with a login and key-auth; bsmtp unpack; the relay on both sides.
# What each mechanism of a login shows is in 53-hops, 62-submission and 68-logins.
# shellcheck disable=SC2317	# called by check
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
need python3 ssh-keygen
stage
keeps_secrets() { python3 "$top/tests/e2e/secrets.py" "$@"; }
shows() { grep -q -e "$2" "$1"; }

# ---- Calls -------------------------------------------------------------------------------

# A getty and uucico behind a port.
cat >"$work/answers" <<-END
	#!/bin/sh
	printf 'hub.example\nlogin: '; read -r name; printf 'Password: '; read -r word
	test "\$name \$word" = "Uhome open+sesame" || exit 1
	MOCHILA_LIBEXEC="$MOCHILA_LIBEXEC" exec "$MOCHILA_LIBEXEC/uucico-ssh" -v -r0 --peer=home --root="$work/hub"
END
chmod 755 "$work/answers"
start inetd "$build/tests/e2e/inetd" "$work/port" "$work/answers"
wait_for 10 test -s "$work/port"
protocols=mie
two_sites "$work" "tcp:127.0.0.1:$(cat "$work/port")"
secret=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
echo "$secret" >"$home/secret"
echo "$secret" >"$hub/secret"
echo "Uhome open+sesame" >"$home/login"
sed -i 's/^\[site .*/&\nkey-auth = secret\nsequence = yes/' "$home/mochila.conf" "$hub/mochila.conf"
sed -i 's/^key-auth.*/&\nlogin = login/' "$home/mochila.conf"
from_home hushed
check "a call with -v" exits 0 ours -v -s hub
cp "$work/said" "$work/tcp"
check "shows the login" shows "$work/tcp" 'event=line peer=hub said="Uhome"'
check "without its password" shows "$work/tcp" 'event=line peer=hub said="\*\*\*\*"'
check "the handshake, both ways" shows "$work/tcp" 'heard="Shere=hub"'
check "without the number of the call" shows "$work/tcp" 'said="Shome -Q\*\*\*\* -R '
check "and what is said in m" shows "$work/tcp" 'said="OPEN ([0-9]* bytes)"'
check "no secret" keeps_secrets "$work/tcp" 2 open+sesame "$secret" hushed
check "nor at the called end, whose words go to its log" \
    keeps_secrets "$hub/spool/log/uucico-ssh.log" 1 open+sesame "$secret" hushed
from_home hushed-too
check "the same by mochila, in i" exits 0 mochila --root "$home" -v --set "site hub.protocols=i" call hub
check "shows the commands" shows "$work/said" 'said="E D\..* rsmtp\|said="E D\..* rgsmtp'
check "and the answers" shows "$work/said" 'heard="EY'
check "no secret either" keeps_secrets "$work/said" 2 open+sesame "$secret" hushed
stop "$pid"

free_port
sed -i '/^key-auth/d; /^sequence/d; /^login/d' "$home/mochila.conf" "$hub/mochila.conf"
caller_may home hub || skip "$why"
ssh-keygen -q -p -P '' -N 'pass phrase' -f "$home/keys/id_ed25519" >/dev/null
echo 'pass phrase' >"$home/phrase"
from_home by-ssh
check "a call by ssh" exits 0 ours -v -s hub --set="site hub.link=ssh://$(id -un)@127.0.0.1:$port" \
    --set="site hub.passphrase=phrase"
check "shows the server" shows "$work/said" 'event=ssh host=.* banner="SSH-2.0-.* host-key=ssh-ed25519 '
check "and the login" shows "$work/said" 'event=ssh-login .* by=".*/keys/id_ed25519" result=yes'
check "not the passphrase, nor the key" keeps_secrets "$work/said" 0 'pass phrase' "$(sed -n 2p "$home/keys/id_ed25519")"

# ---- SMTP and POP3 --------------------------------------------------------------------------

# A next hop that says what it was told, as it came and in plain.
cat >"$work/parrot.py" <<-'END'
	import base64, socket, sys
	s = socket.create_server(("127.0.0.1", 0))
	open(sys.argv[1], "w").write("%d\n" % s.getsockname()[1])
	while True:
	    c, _ = s.accept(); f = c.makefile("rwb")
	    def say(t): f.write(t + b"\r\n"); f.flush()
	    say(b"220 parrot"); f.readline(); say(b"250-parrot"); say(b"250 AUTH PLAIN")
	    line = f.readline().strip()
	    told = base64.b64decode(line.split()[-1]).split(b"\0")[-1]
	    say(b"535 5.7.8 not " + line + b" nor " + told); c.close()
END
start parrot python3 "$work/parrot.py" "$work/parrot.port"
wait_for 20 test -s "$work/parrot.port"
root=$work/inn
make_site "$root" inn
cat >>"$root/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0
	pop3-listen = 127.0.0.1:0
	login = file:users
	login-in-clear = yes
	login-mechanisms = PLAIN LOGIN
	[hop smtp:127.0.0.1:*]
	login = login
	login-in-clear = yes
	[routes]
	inn.example = maildir:mail/%u
	parrot.example = smtp:127.0.0.1:$(cat "$work/parrot.port")
END
echo open+sesame | mochila --root "$root" user add bob || fail "user add"
echo "bob open+sesame" >"$root/login"
relay_up "$root" -v || { fail "the relay"; finish; }
main=$(at "$root") pop3=$(sed -n 's/^main pop3 //p' "$root/ready")
log=$work/inn.log

printf 'From: ann@home.example\nSubject: x\n\nhushed\n' >"$work/mail"
MOCHILA_ROOT=$home bsmtp pack --files "$work/mail" --from=ann@home.example --to=bob@inn.example -o "$work/batch" || fail "a batch"
check "a batch to an SMTP server, with -v" exits 0 bsmtp -v --root "$home" unpack --to="smtp:$main" "$work/batch"
check "shows the dialogue" shows "$work/said" "event=line to=smtp:$main said=\"RCPT TO:<bob@inn.example>"
check "both ways" shows "$work/said" 'heard="250-SIZE'
check "and not the mail" keeps_secrets "$work/said" 0 hushed
check "the relay shows the same" shows "$log" 'service=smtp .*heard="RCPT TO:<bob@inn.example>'
wait_for 20 has_mail "$root" bob 1 || fail "the mail"

cat >"$work/talk.py" <<-'END'
	import base64, smtplib, poplib, socket, sys
	smtp, pop3 = (w.rsplit(":", 1) for w in sys.argv[1:])
	word = "open+sesame"
	hidden = base64.b64encode(word.encode()).decode()
	s = smtplib.SMTP(*smtp, timeout=60); s.login("bob", word); s.quit()
	# In the wrong place: a client that goes on after a no, and one that takes us for another.
	s = smtplib.SMTP(*smtp, timeout=60); s.ehlo()
	for line in ("AUTH NONESUCH " + word, hidden, "PASS " + word, " AUTH  PLAIN  " + word, "auth plain " + word,
	             "\tAUTH\tPLAIN\t" + word, "AUTHPLAIN " + word):
	    s.putcmd(line); s.getreply()
	s.close()
	p = poplib.POP3(*pop3, timeout=60); p.user("bob"); p.pass_(word); p.retr(1); p.quit()
	c = socket.create_connection(pop3); f = c.makefile("rwb"); f.readline()
	for line in ("pass " + word, "PASS  " + word, "USER bob", "apop bob " + "0" * 32, "AUTH NONESUCH " + word, word,
	             " PASS " + word, "PASS\t" + word, "AUTH LOGIN", base64.b64encode(b"bob").decode(), hidden):
	    f.write(line.encode() + b"\r\n"); f.flush(); f.readline()
END
check "logins, and words in the wrong place" python3 "$work/talk.py" "$main" "$pop3"
check "of SMTP the command is shown" shows "$log" 'service=smtp .*heard="AUTH PLAIN \*\*\*\*"'
check "of POP3, too" shows "$log" 'service=pop3 .*heard="PASS \*\*\*\*"'
check "and that there was a message" shows "$log" 'service=pop3 .*said="(the message)"'
printf 'Subject: x\n\nx\n' | MOCHILA_ROOT=$root sendmail -f bob@inn.example x@parrot.example
check "a next hop that repeats the password" wait_for 20 shows "$log" 'by=smtp:.*said="AUTH PLAIN \*\*\*\*"'
check "is not quoted" wait_for 20 shows "$log" 'the server says 535, and our password again'
check "no secret is told" keeps_secrets "$log" 15 open+sesame hushed
stop "$relay"
find "$root/spool/out" "$root/spool/log" -type f -exec cat {} + >"$work/kept"
check "nor kept" keeps_secrets "$work/kept" 0 open+sesame

# ---- Levels ------------------------------------------------------------------------------------

for level in debug trace; do
	: >"$log"
	relay_up "$root" --log-level $level || fail "the relay"
	call "$(at "$root")" "< 220" "> QUIT" "< 221" >/dev/null
	stop "$relay"
	cp "$log" "$work/$level.log"
done
check "debug shows no dialogue" sh -c "! grep -q event=line '$work/debug.log'"
check "trace does" shows "$work/trace.log" event=line
finish
