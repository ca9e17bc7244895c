#!/bin/sh
# Next hops that want TLS, or a password, or have none: each is spoken with as [hop] says,
# and no mail goes otherwise.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
# shellcheck source=scripts/postfix.sh
. "$top/scripts/postfix.sh"
need python3
stage

cert=$build/tests/e2e/cert
good='' good_tls='' other='' other_tls=''
(cd "$work" && "$cert" ca ca 30 && "$cert" good "localhost 127.0.0.1" 30 ca && "$cert" other other.example 30 ca &&
    "$cert" old localhost -1 ca) || fail "no certificates"
pin=$(cd "$work" && "$cert" good)

# far NAME CERT: a relay that takes mail with that certificate, and who says so.
far() {
	far_root=$work/$1
	make_site "$far_root" "$1"
	free_port && far_port=$port
	free_port && far_tls=$port
	cat >>"$far_root/mochila.conf" <<-END
		[relay main]
		listen = 127.0.0.1:$far_port tls:127.0.0.1:$far_tls
		$2
		[routes]
		* = maildir:mail/%u
	END
	relay_up "$far_root" || fail "$1 does not start"
	eval "$1=$far_port $1_tls=$far_tls"
}
far good "tls-cert = $work/good.pem
tls-key = $work/good.key"
far other "tls-cert = $work/other.pem
tls-key = $work/other.key"
make_site "$work/bare" bare
free_port && bare=$port
cat >>"$work/bare/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:$bare
	[routes]
	* = maildir:mail/%u
END
relay_up "$work/bare" || fail "bare does not start"
# One that offers what it cannot do.
printf '> 220 x\n< EHLO\n> 250-x\n> 250 STARTTLS\n< STARTTLS\n> 220 go\nwait 300\nclose\n' >"$work/broken1"
printf '> 220 x\n< EHLO\n> 250-x\n> 250 STARTTLS\n< MAIL\n> 250 ok\n< RCPT\n> 250 ok\n< DATA\n> 354 go\n<.\n> 250 2.0.0 taken\nsay all\n' >"$work/broken2"
serve broken "$work/broken1" "$work/broken2" && broken=$port

root=$work/hub
make_site "$root" hub
cat >>"$root/mochila.conf" <<-END
	retry-after = 1h
	[relay main]
	listen = 127.0.0.1:0
	timeout = 20s
	[routes]
	hub.example = maildir:mail/%u
	opportunistic.example = smtp:localhost:$good
	strange.example = smtp:localhost:$other
	bare.example = smtp:localhost:$bare
	broken.example = smtp:127.0.0.1:$broken
	required.example = smtp:127.0.0.1:$bare
	verified.example = smtp:127.0.0.1:$good
	unverified.example = smtp:127.0.0.1:$other
	pinned.example = smtps:127.0.0.1:$good_tls
	unpinned.example = smtps:127.0.0.1:$other_tls
	implicit.example = smtps:localhost:$other_tls
	off.example = smtp:127.1:$good
	[hop smtp:127.0.0.1:$bare]
	tls = required
	[hop smtp:127.0.0.1:$good]
	tls = verified
	tls-ca = $work/ca.pem
	[hop smtp:127.0.0.1:$other]
	tls = verified
	tls-ca = $work/ca.pem
	[hop smtps:127.0.0.1:*]
	tls = pinned
	tls-pins = $pin
	[hop smtp:127.1:*]
	tls = off
END
relay_up "$root" --log-level trace || fail "the relay does not start"
main=$(at "$root")
send() { mail "$main" ann@hub.example "$1@$1.example" "$1" || fail "mail for $1"; }
for name in opportunistic strange bare broken required verified unverified pinned unpinned implicit off; do send $name; done
came() { has_mail "$work/$1" "$2" 1; }
secure() { grep -qs "with ESMTPS " "$work/$1/mail/$2"/new/*; }
why() { grep -q "event=unreachable by=$1.*$2" "$work/hub.log"; }

check "TLS is used where it is offered" wait_for 20 came good opportunistic
check "as the far end sees" secure good opportunistic
check "whatever its certificate says" wait_for 20 came other strange
check "that too" secure other strange
check "and is not where there is none" wait_for 20 came bare bare
check "nor where it does not work" wait_for 20 grep -qx all "$work/broken.log"
check "which the log says" grep -q 'event=tls-failed by=smtp:127.0.0.1' "$work/hub.log"
check "off is off" wait_for 20 came good off
check "as asked" sh -c "! grep -q 'with ESMTPS ' '$work/good/mail/off/new/'*"
check "where TLS is required and not offered" wait_for 20 why "smtp:127.0.0.1:$bare" TLS
check "no mail goes" test "$(boxed "$work/bare" required)" -eq 0
check "a certificate for the right name is believed" wait_for 20 came good verified
check "one for another is not" wait_for 20 why "smtp:127.0.0.1:$other" ''
check "and no mail goes there" test "$(boxed "$work/other" unverified)" -eq 0
check "the one that is pinned is known, from the first byte" wait_for 20 came good pinned
check "another is not" wait_for 20 why "smtps:127.0.0.1:$other_tls" ''
check "and gets no mail" test "$(boxed "$work/other" unpinned)" -eq 0
check "implicit TLS" wait_for 20 came other implicit
check "is TLS" secure other implicit

say "# a password"
if peer python3-aiosmtpd; then
	cat >"$work/asker.py" <<-'END'
		import sys, ssl
		from aiosmtpd.controller import Controller
		from aiosmtpd.smtp import SMTP, AuthResult
		class Handler:
		    async def handle_DATA(self, server, session, envelope):
		        print("took", envelope.rcpt_tos[0], session.auth_data, bool(session.ssl), flush=True)
		        return "250 2.0.0 taken"
		def known(server, session, envelope, mechanism, data):
		    ok = (data.login, data.password) == (b"ann", b"s3cret")
		    return AuthResult(success=ok, handled=ok, auth_data=mechanism)
		context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
		context.load_cert_chain(sys.argv[2], sys.argv[3])
		class Asking(Controller):
		    def factory(self):
		        return SMTP(self.handler, hostname="asker", tls_context=context if sys.argv[4] == "tls" else None,
		            auth_required=True, auth_require_tls=sys.argv[4] == "tls", authenticator=known,
		            auth_exclude_mechanism=sys.argv[5:])
		Asking(Handler(), hostname="127.0.0.1", port=int(sys.argv[1])).start()
		import time
		time.sleep(600)
	END
	asker() { # NAME tls|plain MECHANISMS THAT IT DOES NOT TAKE
		free_port
		asker_name=$1
		shift
		start "$asker_name" env PYTHONPATH="$peer/usr/lib/python3/dist-packages" python3 "$work/asker.py" "$port" \
		    "$work/good.pem" "$work/good.key" "$@"
		wait_for 10 listening "$port" || return 1
	}
	umask 077
	echo "ann s3cret" >"$work/login"
	echo "ann wrong" >"$work/wrong"
	asker plainly tls && p1=$port
	asker login tls PLAIN && p2=$port
	asker clear plain && p3=$port
	cat >>"$root/mochila.conf" <<-END
		[hop smtp:127.0.0.1:$p1]
		login = $work/login
		[hop smtp:127.0.0.1:$p2]
		login = $work/login
		[hop smtp:localhost:$p1]
		login = $work/wrong
		[hop smtp:127.0.0.1:$p3]
		login = $work/login
		[hop smtp:localhost:$p3]
		login = $work/login
		login-in-clear = yes
	END
	for line in "plain.example=smtp:127.0.0.1:$p1" "login.example=smtp:127.0.0.1:$p2" "wrong.example=smtp:localhost:$p1" \
	    "clear.example=smtp:127.0.0.1:$p3" "told.example=smtp:localhost:$p3"; do
		sed -i "s/^\[routes\]/&\n${line%%=*} = ${line#*=}/" "$root/mochila.conf"
	done
	kill -HUP "$relay"
	wait_for 5 grep -q event=reloaded "$work/hub.log"
	for name in plain login wrong clear told; do send $name; done
	check "is told by PLAIN" wait_for 20 grep -q 'took plain@plain.example .*PLAIN.* True' "$work/plainly.log"
	check "or by LOGIN" wait_for 20 grep -q 'took login@login.example .*LOGIN.* True' "$work/login.log"
	check "a wrong one" wait_for 20 why "smtp:localhost:$p1" "the login is refused"
	check "keeps the mail" test "$(messages "$root/spool/out/smtp:localhost:$p1")" -eq 1
	check "without TLS it is not told" wait_for 20 why "smtp:127.0.0.1:$p3" "not told without TLS"
	check "unless somebody says so" wait_for 20 grep -q 'took told@told.example .* False' "$work/clear.log"
	check "it is in no log" sh -c "! grep -rq s3cret '$work/hub.log' '$root/spool/log'"
	check "nor in another form" python3 "$top/tests/e2e/secrets.py" "$work/hub.log" 4 s3cret
	chmod 644 "$work/login"
	kill -HUP "$relay"
	sleep 0.5
	send plain
	check "and not told out of a file that others can read" wait_for 20 why "smtp:127.0.0.1:$p1" "others may read"
else
	say "nobody asked for a password: $why"
fi

say "# Postfix"
free_port && theirs=$port
mkdir -p "$work/postfix"
echo "tlsmgr unix - - n 1000? 1 tlsmgr" >"$work/postfix/master.more"
if start_postfix "$work/postfix" "$theirs" "smtpd_tls_cert_file = $work/good.pem" "smtpd_tls_key_file = $work/good.key" \
    "smtpd_tls_security_level = encrypt" "smtpd_tls_loglevel = 1"; then
	sed -i "s/^\[routes\]/&\npostfix.example = smtp:127.0.0.1:$theirs/" "$root/mochila.conf"
	printf '[hop smtp:127.0.0.1:%s]\ntls = verified\ntls-ca = %s\n' "$theirs" "$work/ca.pem" >>"$root/mochila.conf"
	kill -HUP "$relay"
	sleep 0.5
	for name in 1 2 3; do mail "$main" ann@hub.example "x@postfix.example" "$name"; done
	went() { test "$(grep -c 'to=<x@postfix.example>.*status=sent' "$work/postfix/log")" -eq 3; }
	check "takes mail over TLS that it insists on" wait_for 30 went
	check "one version of it" grep -q 'TLS connection established.*TLSv1.3' "$work/postfix/log"
	stop "$postfix"
else
	say "Postfix was not asked: $why"
fi
finish
