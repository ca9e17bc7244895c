#!/bin/sh
# Who may log in is known by others: PAM, a checkpassword program, E-MailRelay's file of secrets
# as it is, Dovecot's own socket; APOP, where the password is kept in clear; and fail2ban
# reads who failed.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
# shellcheck source=tests/e2e/mta-lib.sh
. "$top/tests/e2e/mta-lib.sh"
need python3
stage

# says SOURCE USER PASSWORD [KIND]: what mochila-login answers.
says() {
	python3 -c 'import sys; q = "\0".join(sys.argv[1:]); sys.stdout.write("1 %d\n%s" % (len(q), q))' \
	    "$2" "$3" pop3 192.0.2.1 "${4:-password}" | MOCHILA_LIBEXEC=$MOCHILA_LIBEXEC mochila-login "$1" | cut -d ' ' -f 2
}
check_login() {	# SENTENCE SOURCE USER PASSWORD ANSWER
	check "$1" test "$(says "$2" "$3" "$4")" = "$5"
}

say "# checkpassword"
cat >"$work/checkpassword" <<-'END'
	#!/usr/bin/python3
	import os, sys
	user, word, third = os.read(3, 512).split(b"\0")[:3]
	if user == b"broken": sys.exit(111)
	if (user, word) != (b"bob", b"right  word "): sys.exit(1)
	os.execv(sys.argv[2], sys.argv[2:])
END
chmod +x "$work/checkpassword"
check_login "knows its users" "checkpassword:$work/checkpassword x" bob 'right  word ' yes
check_login "and no other word" "checkpassword:$work/checkpassword x" bob 'right word' no
check_login "its trouble is no wrong word" "checkpassword:$work/checkpassword x" broken x later
check_login "nor is a program that is not there" "checkpassword:$work/none" bob x later
check "a token is no password" test "$(says "checkpassword:$work/checkpassword x" bob 'right  word ' token)" = no

say "# PAM"
if test "$(says pam:/none/none bob x)" = later && ls /usr/lib/*/security/pam_exec.so /lib/*/security/pam_exec.so >/dev/null 2>&1; then
	mkdir -p "$work/pam.d"
	cat >"$work/pam.sh" <<-'END'
		#!/bin/sh
		test "$PAM_USER" = bob && test "$(tr -d '\0')" = pencil
	END
	chmod +x "$work/pam.sh"
	cat >"$work/pam.d/mail" <<-END
		auth [success=1 default=ignore] pam_exec.so expose_authtok quiet $work/pam.sh
		auth requisite pam_deny.so
		auth required pam_permit.so
		account required pam_permit.so
	END
	check_login "knows its users" "pam:$work/pam.d/mail" bob pencil yes
	check_login "and no other word" "pam:$work/pam.d/mail" bob pencils no
	check_login "nor anybody else" "pam:$work/pam.d/mail" eve pencil no
	sed -i 's/^account.*/account required pam_deny.so/' "$work/pam.d/mail"
	check_login "whose account is closed stays out" "pam:$work/pam.d/mail" bob pencil no
else
	say "not tried: PAM was not built in"
fi

say "# Dovecot"
if inside_peer dovecot-pop3d "$work/dovecot" dovecot dovenull; then
	mkdir -p "$work/dovecot/run"
	chmod 755 "$work/dovecot" "$work/dovecot/run"
	cat >"$work/dovecot/conf" <<-END
		base_dir = $work/dovecot/run
		state_dir = $work/dovecot/run
		log_path = $work/dovecot/log
		protocols =
		ssl = no
		default_login_user = dovenull
		default_internal_user = dovecot
		auth_failure_delay = 0
		passdb {
		  driver = passwd-file
		  args = $work/dovecot/users
		}
		service auth {
		  unix_listener auth-client {
		    mode = 0666
		  }
		}
		service anvil {
		  chroot =
		}
	END
	printf '%s\n' 'bob:{PLAIN}pen cil' 'eve:{SHA256-CRYPT}x' >"$work/dovecot/users"
	chmod 644 "$work/dovecot/conf" "$work/dovecot/users"
	# shellcheck disable=SC2086	# words
	start dovecot $inside dovecot -F -c "$work/dovecot/conf"
	if wait_for 20 test -S "$work/dovecot/run/auth-client"; then
		check_login "knows its users" "dovecot:$work/dovecot/run/auth-client" bob 'pen cil' yes
		check_login "and no other word" "dovecot:$work/dovecot/run/auth-client" bob pencil no
		check_login "nor anybody else" "dovecot:$work/dovecot/run/auth-client" nobody x no
		stop "$pid"
	else
		say "not tried: Dovecot does not start: $(tail -n 1 "$work/dovecot/log" "$work/dovecot.log")"
	fi
else
	say "not tried: Dovecot ($why)"
fi
check_login "whose server is away is asked again later" "dovecot:$work/dovecot/none" bob x later

say "# who is not there goes the same way"
cat >"$work/trail" <<-'END'
	#!/bin/sh
	# Notes each call, and all that is said in it; knows nobody.
	{ echo "called $# $PAM_TYPE"; tr '\0' '\n'; test -e /dev/fd/3 && tr '\0' '\n' <&3; } >>"$TRAIL" 2>/dev/null
	exit 1
END
sed "s|\$TRAIL|$work/trail.log|" "$work/trail" >"$work/trail.sh"
chmod +x "$work/trail.sh"
mkdir -p "$work/pam.trail"
echo "auth required pam_exec.so expose_authtok quiet $work/trail.sh" >"$work/pam.trail/mail"
echo "account required pam_permit.so" >>"$work/pam.trail/mail"
# Dovecot's end of the socket, as far as a wrong password hears it.
cat >"$work/dovecot.py" <<-'END'
	import base64, os, re, socket, sys
	path, log = sys.argv[1:]
	s = socket.socket(socket.AF_UNIX); s.bind(path + ".new"); s.listen(5); os.rename(path + ".new", path)
	while True:
	    c, _ = s.accept()
	    f = c.makefile("rwb", buffering=0)
	    with open(log, "ab", buffering=0) as out:
	        out.write(b"called\n")
	        for line in f:
	            said = re.sub(rb"resp=(.*)", lambda m: b"resp=" + base64.b64decode(m[1]).replace(b"\0", b"|"), line)
	            out.write(re.sub(rb"CPID.*", b"CPID", said))
	            if line.startswith(b"CPID"): f.write(b"VERSION\t1\t1\nMECH\tPLAIN\nDONE\n")
	            if line.startswith(b"AUTH"): f.write(b"FAIL\t1\tuser=x\n")
END
start dovecot python3 "$work/dovecot.py" "$work/dovecot.sock" "$work/trail.log"
dovecot=$pid
wait_for 10 test -S "$work/dovecot.sock"
# trail USER PASSWORD SOURCE...: what was asked, with any name for his.
trail() {
	: >"$work/trail.log"
	trail_user=$1
	python3 -c 'import sys; q = "\0".join(sys.argv[1:]); sys.stdout.write("1 %d\n%s" % (len(q), q))' \
	    "$1" "$2" pop3 192.0.2.1 password | (shift 2; MOCHILA_LIBEXEC=$MOCHILA_LIBEXEC mochila-login "$@") >"$work/trail.said"
	sed "s/$trail_user/USER/g" "$work/trail.log"
	cat "$work/trail.said"
}
same_way() {	# CALLS SOURCE...: somebody with a wrong word, and nobody
	calls=$1
	shift
	trail bob-there wrong "$@" >"$work/known"
	trail ann-nowhere wrong "$@" >"$work/unknown"
	test "$(grep -c '^called' "$work/known")" -eq "$calls" && cmp "$work/known" "$work/unknown"
}
echo 'bob-there:{PLAIN}right' >"$work/users"
check "through a program" same_way 1 "command:$work/trail.sh"
check "through checkpassword" same_way 1 "checkpassword:$work/trail.sh"
check "through Dovecot" same_way 1 "dovecot:$work/dovecot.sock"
check "through a file and the one behind it" same_way 1 "file:$work/users" "dovecot:$work/dovecot.sock"
if test -f "$work/pam.d/mail"; then
	check "through PAM" same_way 1 "pam:$work/pam.trail/mail"
fi
stop "$dovecot"

say "# E-MailRelay, APOP, fail2ban"
root=$work/home
make_site "$root" home
states=$(python3 - <<-'END'
	import base64, struct
	# MD5 of one block (RFC 1321), from which an HMAC goes on: what emailrelay-passwd prints
	import math
	S = [7, 12, 17, 22] * 4 + [5, 9, 14, 20] * 4 + [4, 11, 16, 23] * 4 + [6, 10, 15, 21] * 4
	K = [int(abs(math.sin(i + 1)) * 2**32) & 0xffffffff for i in range(64)]
	def state(block):
	    a, b, c, d = start = (0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476)
	    m = struct.unpack("<16I", block)
	    for i in range(64):
	        f, g = [((b & c) | (~b & d), i), ((d & b) | (~d & c), 5 * i + 1), (b ^ c ^ d, 3 * i + 5), (c ^ (b | ~d & 0xffffffff), 7 * i)][i // 16]
	        f = (f + a + K[i] + m[g % 16]) & 0xffffffff
	        a, d, c, b = d, c, b, (b + (f << S[i] | f >> (32 - S[i]))) & 0xffffffff
	    return struct.pack("<4I", *((x + y) & 0xffffffff for x, y in zip(start, (a, b, c, d))))
	key = b"pencil".ljust(64, b"\0")
	print(base64.b64encode(b"".join(state(bytes(k ^ pad for k in key)) for pad in (0x36, 0x5c))).decode())
END
)
cat >"$root/emailrelay.auth" <<-END
	# as it is
	server plain bob e+3Dmc2+20+2b
	server plain:b Y2Fyb2w= cGFzcyB3b3Jk
	server md5 eve $states
	client plain bob other
	server none 127.0.0.* near
END
sed -i 's/+2b$/+2B/' "$root/emailrelay.auth"
cat >>"$root/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0
	pop3-listen = 127.0.0.1:0
	relay-from =
	login = emailrelay:emailrelay.auth file:users
	login-mechanisms = CRAM-MD5 APOP PLAIN LOGIN
	[routes]
	home.example = maildir:mail/%u
	* = maildir:mail/world
END
echo pencil | mochila --root "$root" user add dora || fail "user add"
echo pencil | mochila --root "$root" user add clear --clear || fail "user add"
relay_up "$root" --log-level trace || { fail "the relay"; finish; }
cat >"$work/log-in.py" <<-'END'
	import poplib, smtplib, sys, re
	smtp, pop = sys.argv[1:]
	def by(how, user, word):
	    s = smtplib.SMTP(*smtp.rsplit(":", 1), timeout=60); s.ehlo(); s.user, s.password = user, word
	    try: code = s.auth(how, getattr(s, "auth_" + how.lower().replace("-", "_")))[0]
	    except smtplib.SMTPAuthenticationError as e: code = e.smtp_code
	    if code == 235: assert s.mail("x@x.example")[0] == 250 and s.rcpt("y@far.example")[0] == 250
	    s.close(); return code
	def apop(user, word):
	    p = poplib.POP3(*pop.rsplit(":", 1), timeout=60)
	    assert re.search(rb"<[!-;?-~]+@home.example>$", p.welcome), p.welcome
	    try: said = p.apop(user, word)
	    except poplib.error_proto as e: said = e.args[0]
	    p.quit(); return said[:3]
	for how in "CRAM-MD5", "PLAIN", "LOGIN":
	    assert by(how, "bob", "e=mc2 +") == 235, how
	    assert by(how, "carol", "pass word") == 235, how
	    assert by(how, "eve", "pencil") == 235, how
	assert by("PLAIN", "dora", "pencil") == 235           # of the next source
	assert by("CRAM-MD5", "eve", "pencils") == 535
	assert by("CRAM-MD5", "dora", "pencil") == 535        # kept as a hash only
	assert apop("bob", "e=mc2 +") == b"+OK"
	assert apop("clear", "pencil") == b"+OK"
	assert apop("bob", "other") == b"-ER"                 # that is a client's
END
check "its secrets in every form, by every mechanism; APOP" \
    python3 "$work/log-in.py" "$(at "$root")" "$(sed -n 's/^main pop3 //p' "$root/ready")"
check "and a network that it trusts" mail "$(at "$root")" x@x.example near@far.example near
echo 'server none *.*.*.* all' >>"$root/emailrelay.auth"
check "which everybody is not" exits 78 mochila-relay --root "$root" --set 'routes.*=smtp:127.0.0.1:1'
check "and it says so" grep -q 'open relay' "$work/said"
sed -i '$d' "$root/emailrelay.auth"
chmod 644 "$root/emailrelay.auth"
check "what everybody may read is no secret" test "$(says "emailrelay:$root/emailrelay.auth" bob 'e=mc2 +')" = later
cat >"$work/not-now.py" <<-'END'
	import smtplib, sys
	s = smtplib.SMTP(*sys.argv[1].rsplit(":", 1), timeout=60)
	try: s.login("bob", "e=mc2 +")
	except smtplib.SMTPAuthenticationError as e: sys.exit(0 if e.smtp_code // 100 == 4 else 1)
END
check "nor is it a wrong word then" python3 "$work/not-now.py" "$(at "$root")"
check "by which somebody could be shut out" test "$(grep -c event=login-failed "$work/home.log")" -eq 3
stop "$relay"
check "of all that the log shows no secret" python3 "$top/tests/e2e/secrets.py" "$work/home.log" 20 'e=mc2 +' 'pass word' pencil
if peer fail2ban; then
	PYTHONPATH=$peer/usr/lib/python3/dist-packages python3 "$peer/usr/bin/fail2ban-regex" -o ip "$work/home.log" \
	    "$top/scripts/examples/fail2ban-filter.conf" 2>"$work/fail2ban.err" >"$work/banned"
	check "fail2ban counts each that failed" test "$(grep -cx 127.0.0.1 "$work/banned")" -eq 3
else
	say "not tried: fail2ban ($why)"
fi
finish
