#!/bin/sh
# mochila-relay gives mail to other people's programs: Exim, OpenSMTPD, aiosmtpd and Dovecot's
# LMTP, in plain text, by STARTTLS that it verifies and with TLS at once, with CHUNKING, SMTPUTF8
# and DSN where they have them.
# shellcheck disable=SC2086,SC2154	# $inside is words
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
# shellcheck source=tests/e2e/mta-lib.sh
. "$top/tests/e2e/mta-lib.sh"
need python3
stage
chmod 755 "$work"

pki=$work/pki
mkdir -p "$pki"
chmod 755 "$pki"
cert() { (cd "$pki" && "$build/tests/e2e/cert" "$@"); }
cert ca "Test-CA" 30
cert mx "localhost 127.0.0.1" 30 ca
chmod 644 "$pki"/*

# Where those that only hand on hand it to.
end=$work/end
make_site "$end" end
cat >>"$end/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0
	max-client-connections = 40
	[routes]
	* = maildir:mail/%u
END
relay_up "$end" || fail "the far end did not start"
last=$(at "$end")

# Ours: what each test adds to the routes and hops.
root=$work/hub
make_site "$root" hub
cat >>"$root/mochila.conf" <<-END
	retry-after = 1h
	[relay main]
	listen = 127.0.0.1:0
	[routes]
	hub.example = maildir:mail/%u
	[hop smtp:none.example]
	tls-ca = $pki/ca.pem
END
relay_up "$root" --log-level debug || fail "the relay did not start"
hub=$relay main=$(at "$root")
route() {	# DOMAIN DESTINATION [LINE OF ITS HOP...]
	sed -i "s|^\\[routes\\]|&\\n$1 = $2|" "$root/mochila.conf"
	route_to=$2
	shift 2
	{
		test $# -eq 0 || say "[hop $route_to]"
		for route_line; do say "$route_line"; done
	} >>"$root/mochila.conf"
}
read_again() {
	read_before=$(grep -c event=reloaded "$work/hub.log")
	kill -HUP "$hub"
	wait_for 10 reloaded
}
reloaded() { test "$(grep -c event=reloaded "$work/hub.log")" -gt "$read_before"; }
send() { check "a mail for $1" mail "$main" ann@hub.example "$1" "${1%%@*}"; }
# fleet ADDRESS...: seven mails each, which wait until the next hop is there: link_up.
fleet() {
	for fleet_to; do
		for fleet_n in 1 2 3 4 5 6 7; do
			mail "$main" ann@hub.example "$fleet_to" "fleet $fleet_n" || fail "a mail for $fleet_to"
		done
	done
}
link_up() { mochila --root "$root" link-up >/dev/null || fail "link-up"; }
came() { wait_for 30 has_mail "$end" "$1" 1; }
came_with() { came "$1" && grep -q "$2" "$end/mail/$1"/new/*; }
tried=0

# ---- Exim ----

if inside_peer exim4-daemon-light "$work/exim" Debian-exim; then
	tried=$((tried + 1))
	mkdir -p "$work/exim/spool" "$work/exim/log"
	chmod 755 "$work/exim"
	free_port && plain=$port
	free_port && tls=$port
	cat >"$work/exim/conf" <<-END
		primary_hostname = exim.example
		spool_directory = $work/exim/spool
		log_file_path = $work/exim/log/%slog
		pid_file_path = $work/exim/pid
		check_spool_space = 0
		keep_environment =
		never_users =
		local_interfaces = <; 127.0.0.1.$plain ; 127.0.0.1.$tls
		tls_on_connect_ports = $tls
		tls_certificate = $pki/mx.pem
		tls_privatekey = $pki/mx.key
		tls_advertise_hosts = *
		dsn_advertise_hosts = *
		acl_smtp_rcpt = take
		begin acl
		take:
		  deny message = never heard of them
		       local_parts = nobody
		  accept
		begin routers
		all:
		  driver = manualroute
		  transport = out
		  route_list = * 127.0.0.1
		  self = send
		begin transports
		out:
		  driver = smtp
		  port = ${last##*:}
		  allow_localhost
		  hosts_try_dane =
	END
	chmod 644 "$work/exim/conf"
	chown -R 64900:64900 "$work/exim/spool" "$work/exim/log"
	route plain.exim "smtp:127.0.0.1:$plain" "tls = off" "connections = 1"
	route starttls.exim "smtp:localhost:$plain" "tls = verified" "tls-ca = $pki/ca.pem" "connections = 1"
	route smtps.exim "smtps:localhost:$tls" "tls = verified" "tls-ca = $pki/ca.pem"
	read_again
	fleet exim5@plain.exim exim6@starttls.exim
	start exim $inside exim4 -C "$work/exim/conf" -bdf -q1s
	exim=$pid
	wait_for 20 listening "$plain" || fail "Exim does not start: $(tail -n 1 "$work/exim.log")"
	link_up
	send exim1@plain.exim
	send exim2@starttls.exim
	send exim3@smtps.exim
	check "Exim took it in plain text" came_with exim1 "by exim.example with esmtp (Exim"
	check "by STARTTLS" came_with exim2 "by exim.example with esmtps "
	check "and with TLS at once" came_with exim3 "by exim.example with esmtps "
	check "it took several under way" wait_for 30 has_mail "$end" exim5 7
	check "by STARTTLS, too" wait_for 30 has_mail "$end" exim6 7
	check "by CHUNKING" grep -q "<= ann@hub.example .* K " "$work/exim/log/mainlog"
	send nobody@plain.exim
	check "whom it does not take is told to the sender" wait_for 30 has_mail "$root" ann 1
	check "in its words" grep -q "never heard of them" "$root"/mail/ann/new/*
	check "a mail with a wish for a report" call "$main" "< 220" "> EHLO x.example" "< 250" \
	    "> MAIL FROM:<bob@hub.example> RET=HDRS ENVID=e1" "< 250" "> RCPT TO:<exim4@starttls.exim> NOTIFY=SUCCESS" "< 250" \
	    "> DATA" "< 354" "> Subject: wish" "> " "> Hello." "> ." "< 250" "> QUIT" "< 221"
	check "arrives" came exim4
	check "and the far end behind Exim answers it" wait_for 30 has_mail "$end" bob 1
	check "so we do not report" test "$(boxed "$root" bob)" -eq 0
	stop "$exim"
else
	say "not tried: Exim ($why)"
fi

# ---- OpenSMTPD ----

if inside_peer opensmtpd "$work/opensmtpd" opensmtpd opensmtpq; then
	tried=$((tried + 1))
	free_port && plain=$port
	# In plain text only: that of Debian 12 finishes no handshake with anybody ("EVP lib").
	cat >"$work/opensmtpd/conf" <<-END
		listen on 127.0.0.1 port $plain hostname opensmtpd.example
		action "on" relay host "smtp+notls://127.0.0.1:${last##*:}"
		match from any for any action "on"
	END
	opensmtpd_folders >"$work/opensmtpd/run"
	chmod 755 "$work/opensmtpd/run"
	route plain.open "smtp:127.0.0.1:$plain" "connections = 1"
	read_again
	fleet open2@plain.open
	start opensmtpd $inside "$work/opensmtpd/run" smtpd -d -f "$work/opensmtpd/conf"
	opensmtpd=$pid
	smtpd_up() { listening "$plain" || ! kill -0 "$opensmtpd" 2>/dev/null; }
	wait_for 20 smtpd_up
	if listening "$plain"; then
		link_up
		send open1@plain.open
		check "and several under way" wait_for 30 has_mail "$end" open2 7
		check "OpenSMTPD took it" came_with open1 "by opensmtpd.example (OpenSMTPD) with ESMTP "
	else
		tried=$((tried - 1))
		say "not tried: OpenSMTPD ($(tail -n 1 "$work/opensmtpd.log"))"
	fi
	stop "$opensmtpd"
else
	say "not tried: OpenSMTPD ($why)"
fi

# ---- aiosmtpd ----

if peer python3-aiosmtpd; then
	tried=$((tried + 1))
	free_port && plain=$port
	free_port && starttls=$port
	cat >"$work/aio.py" <<-'END'
		import ssl, sys, time
		from aiosmtpd.controller import Controller
		from aiosmtpd.smtp import SMTP
		class Handler:
		    async def handle_DATA(self, server, session, envelope):
		        print("took", envelope.rcpt_tos[0], envelope.mail_options, bool(session.ssl),
		            "Grüße".encode() in envelope.content, flush=True)
		        return "250 2.0.0 taken"
		context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
		context.load_cert_chain(sys.argv[3], sys.argv[4])
		class Plain(Controller):
		    def factory(self):
		        return SMTP(self.handler, hostname="aio", enable_SMTPUTF8=True, decode_data=False)
		class Secure(Controller):
		    def factory(self):
		        return SMTP(self.handler, hostname="aio", tls_context=context, require_starttls=True)
		Plain(Handler(), hostname="127.0.0.1", port=int(sys.argv[1])).start()
		Secure(Handler(), hostname="127.0.0.1", port=int(sys.argv[2])).start()
		time.sleep(600)
	END
	route plain.aio "smtp:127.0.0.1:$plain"
	route starttls.aio "smtp:localhost:$starttls" "tls = verified" "tls-ca = $pki/ca.pem"
	read_again
	start aio env PYTHONPATH="$peer/usr/lib/python3/dist-packages" python3 "$work/aio.py" "$plain" "$starttls" "$pki/mx.pem" "$pki/mx.key"
	aio=$pid
	wait_for 20 listening "$starttls" || fail "aiosmtpd does not start: $(tail -n 1 "$work/aio.log")"
	send aio1@plain.aio
	send aio2@starttls.aio
	check "a mail in UTF-8" call "$main" "< 220" "> EHLO x.example" "< 250" "> MAIL FROM:<ann@hub.example> SMTPUTF8 BODY=8BITMIME" \
	    "< 250" "> RCPT TO:<grüße@plain.aio>" "< 250" "> DATA" "< 354" "> Subject: Grüße" "> " "> Grüße." "> ." "< 250" "> QUIT" "< 221"
	check "aiosmtpd took it in plain text" wait_for 30 grep -q "^took aio1@plain.aio .* False False" "$work/aio.log"
	check "by STARTTLS" wait_for 30 grep -q "^took aio2@starttls.aio .* True False" "$work/aio.log"
	check "and the one in UTF-8 as such" wait_for 30 grep -q "^took grüße@plain.aio .*SMTPUTF8.* True$" "$work/aio.log"
	stop "$aio"
else
	say "not tried: aiosmtpd ($why)"
fi

# ---- Dovecot's LMTP ----

if inside_peer dovecot-lmtpd "$work/dovecot" dovecot dovenull vmail; then
	tried=$((tried + 1))
	free_port && lmtp=$port
	mkdir -p "$work/dovecot/run" "$work/dovecot/mail"
	chmod 755 "$work/dovecot"
	chown 64902:64902 "$work/dovecot/mail"
	cat >"$work/dovecot/conf" <<-END
		base_dir = $work/dovecot/run
		log_path = $work/dovecot/log
		protocols = lmtp
		listen = 127.0.0.1
		ssl = no
		default_login_user = dovenull
		default_internal_user = dovecot
		mail_location = maildir:~/Maildir
		mail_uid = vmail
		mail_gid = vmail
		first_valid_uid = 1
		recipient_delimiter =
		hostname = dovecot.example
		lmtp_rcpt_check_quota = no
		passdb {
		  driver = passwd-file
		  args = username_format=%u $work/dovecot/users
		}
		userdb {
		  driver = passwd-file
		  args = username_format=%u $work/dovecot/users
		}
		service lmtp {
		  inet_listener lmtp {
		    address = 127.0.0.1
		    port = $lmtp
		  }
		}
		service anvil {
		  chroot =
		}
	END
	for user in dora dirk dave; do say "$user@home.dovecot:{PLAIN}x:64902:64902::$work/dovecot/mail/$user::"; done >"$work/dovecot/users"
	chmod 644 "$work/dovecot/conf" "$work/dovecot/users"
	for user in dave ghost dave ghost dave dave; do say "$user"; done >"$work/fleet"
	route home.dovecot "lmtp:127.0.0.1:$lmtp" "connections = 1"
	read_again
	while read -r user; do
		mail "$main" hal@hub.example "$user@home.dovecot" fleet </dev/null || fail "a mail for $user"
	done <"$work/fleet"
	start dovecot $inside dovecot -F -c "$work/dovecot/conf"
	dovecot=$pid
	fleet_there() { test "$(messages "$work/dovecot/mail/dave/Maildir/new")" -eq 4; }
	dovecot_up() { listening "$lmtp" || ! kill -0 "$dovecot" 2>/dev/null; }
	wait_for 20 dovecot_up
	if listening "$lmtp"; then
		link_up
		check "Dovecot takes several under way" wait_for 30 fleet_there
		check "and refuses two of them" wait_for 30 has_mail "$root" hal 2
		check "one mail for two and one who is not there" call "$main" "< 220" "> EHLO x.example" "< 250" "> MAIL FROM:<eve@hub.example>" \
		    "< 250" "> RCPT TO:<dora@home.dovecot>" "< 250" "> RCPT TO:<ghost@home.dovecot>" "< 250" "> RCPT TO:<dirk@home.dovecot>" \
		    "< 250" "> DATA" "< 354" "> Subject: lmtp" "> " "> .Hello." "> ." "< 250" "> QUIT" "< 221"
		in_box() { test "$(messages "$work/dovecot/mail/$1/Maildir/new")" -eq 1; }
		check "Dovecot has it for one" wait_for 30 in_box dora
		check "and for the other" wait_for 30 in_box dirk
		check "with what the dots hid" grep -q '^Hello' "$work/dovecot/mail/dora/Maildir/new"/*
		check "the third is told of, once" wait_for 30 has_mail "$root" eve 1
		check "as Dovecot says it" grep -qi "ghost@home.dovecot" "$root"/mail/eve/new/*
		check "and as nobody else" sh -c "! grep -qi '^Final-Recipient:.*d[oi]r' '$root/mail/eve/new/'*"
	else
		tried=$((tried - 1))
		say "not tried: Dovecot ($(tail -n 1 "$work/dovecot/log" 2>/dev/null) $(tail -n 1 "$work/dovecot.log"))"
	fi
	stop "$dovecot"
else
	say "not tried: Dovecot ($why)"
fi
test $tried -gt 0 || skip "none of them can be had here: $why"
check "nothing waits any more" test "$(messages "$root/spool/out")" -eq 0
check "the relay lives" kill -0 "$hub"
stop "$hub"
finish
