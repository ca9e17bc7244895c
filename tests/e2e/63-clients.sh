#!/bin/sh
# Other people's programs give mail to mochila-relay: swaks, msmtp, nodemailer, Postfix, Exim and
# OpenSMTPD, in plain text, by STARTTLS and with TLS at once, by LMTP, with CHUNKING and DSN
# where they have them.
# shellcheck disable=SC2086,SC2154	# $inside is words
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
# shellcheck source=tests/e2e/mta-lib.sh
. "$top/tests/e2e/mta-lib.sh"
# shellcheck source=scripts/postfix.sh
. "$top/scripts/postfix.sh"
stage
chmod 755 "$work"

root=$work/home
pki=$work/pki
mkdir -p "$pki" "$root/run"
chmod 755 "$pki"
cert() { (cd "$pki" && "$build/tests/e2e/cert" "$@"); }
cert ca "Test-CA" 30
cert mx "localhost mx.example 127.0.0.1" 30 ca
cert client "client.example" 30 ca
chmod 644 "$pki"/*.pem
make_site "$root" home
cat >>"$root/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0 tls:127.0.0.1:0 lmtp:127.0.0.1:0
	max-client-connections = 40
	tls-cert = $pki/mx.pem
	tls-key = $pki/mx.key
	[relay strict]
	listen = 127.0.0.1:0
	relay-from =
	tls = require
	tls-cert = $pki/mx.pem
	tls-key = $pki/mx.key
	tls-client-ca = $pki/ca.pem
	relay-from-certificates = client.example
	[routes]
	home.example = maildir:mail/%u
	* = maildir:mail/far
END
relay_up "$root" || fail "the relay did not start"
port_of() { sed -n "s/^$1 $2 .*://p" "$root/ready"; }
plain=$(port_of main smtp) tls=$(port_of main smtps) lmtp=$(port_of main lmtp) strict=$(port_of strict smtp)
# arrived USER WORDS: his mail is there, and says so of its way
arrived() { wait_for 20 has_mail "$root" "$1" 1 && grep -q "with $2 id" "$root/mail/$1"/new/*; }
tried=0

# ---- swaks ----

if peer swaks && swaks=$peer/usr/bin/swaks && peer libnet-ssleay-perl; then
	tried=$((tried + 1))
	perl5=$(find "$peer/usr/lib" -type d -path '*/perl5/*' -name Net | sed -n '1s,/Net$,,p')
	swaks() {
		PERL5LIB=$perl5 perl "$swaks" --server 127.0.0.1 --from a@b.example --header "Subject: swaks" --silent 2 "$@" \
		    >>"$work/swaks.log" 2>&1
	}
	check "swaks" swaks --port "$plain" --to swaks1@home.example --pipeline
	check "its mail is there" arrived swaks1 ESMTP
	check "swaks with STARTTLS" swaks --port "$plain" --to swaks2@home.example --tls
	check "its mail is there" arrived swaks2 ESMTPS
	check "swaks with TLS at once" swaks --port "$tls" --to swaks3@home.example --tls-on-connect
	check "its mail is there" arrived swaks3 ESMTPS
	check "swaks with HELO only" swaks --port "$plain" --to swaks4@home.example --protocol SMTP
	check "its mail is there" arrived swaks4 SMTP
	check "swaks by LMTP" swaks --port "$lmtp" --to swaks5@home.example,swaks6@home.example --protocol LMTP
	check "its mail is there" arrived swaks6 LMTP
	check "swaks with its certificate may send anywhere" swaks --port "$strict" --to swaks@far.example --tls \
	    --tls-cert "$pki/client.pem" --tls-key "$pki/client.key"
	check "and without it may not" exits 24 swaks --port "$strict" --to swaks@far.example --tls
	check "nor in plain text at all" exits 23 swaks --port "$strict" --to swaks7@home.example
else
	say "not tried: swaks ($why)"
fi

# ---- msmtp ----

if peer msmtp; then
	tried=$((tried + 1))
	msmtp() {
		printf 'Subject: msmtp\n\nHello.\n' | LD_LIBRARY_PATH=$peer_libs "$peer/usr/bin/msmtp" --host=127.0.0.1 --from=a@b.example \
		    --auth=off --timeout=20 "$@" >>"$work/msmtp.log" 2>&1
	}
	check "msmtp" msmtp --port="$plain" --tls=off msmtp1@home.example
	check "its mail is there" arrived msmtp1 ESMTP
	check "msmtp with STARTTLS, verified, and wishes for a report" msmtp --port="$plain" --tls=on --tls-starttls=on \
	    --tls-trust-file="$pki/ca.pem" --dsn-notify=success,failure --dsn-return=headers msmtp2@home.example
	check "its mail is there" arrived msmtp2 ESMTPS
	check "msmtp with TLS at once" msmtp --port="$tls" --tls=on --tls-starttls=off --tls-trust-file="$pki/ca.pem" msmtp3@home.example
	check "its mail is there" arrived msmtp3 ESMTPS
	check "whom it does not know it does not trust" exits 69 msmtp --port="$plain" --tls=on --tls-starttls=on \
	    --tls-trust-file="$pki/client.pem" msmtp4@home.example
else
	say "not tried: msmtp ($why)"
fi

# ---- nodemailer ----

# Debian's node runs from its place only.
if peer node-nodemailer && why="node is not installed" && node=$(command -v node); then
	tried=$((tried + 1))
	cat >"$work/nodemailer.js" <<-'END'
		const [port, secure, to, ca, options] = process.argv.slice(2);
		const mailer = require("nodemailer").createTransport({
		    host: "127.0.0.1", port: Number(port), secure: secure === "tls", requireTLS: secure === "starttls",
		    ignoreTLS: secure === "plain", tls: { ca: require("fs").readFileSync(ca) },
		    pool: secure === "pool", connectionTimeout: 20000, ...JSON.parse(options || "{}") });
		const dsn = { id: "node-1", return: "headers", notify: ["failure", "delay"], recipient: "a@b.example" };
		Promise.all([1, 2, 3].slice(0, secure === "pool" ? 3 : 1).map((n) => mailer.sendMail({
		    from: "Ann \u00c4 <a@b.example>", to, subject: "nodemailer \u2713 " + n, dsn,
		    text: ".\nA line that is only a dot, and \u00fcmlauts.\n" + "x".repeat(2000) + "\n.\n",
		    attachments: [{ filename: "bytes", content: Buffer.alloc(100000, n) }] })))
		    .then((all) => { console.log(all[0].response); mailer.close(); }, (error) => { console.error(error); process.exit(1); });
	END
	nodemailer() {
		NODE_PATH=$peer/usr/share/nodejs:/usr/share/nodejs LD_LIBRARY_PATH=$peer_libs timeout 60 "$node" "$work/nodemailer.js" \
		    "$1" "$2" "$3" "$pki/ca.pem" >>"$work/nodemailer.log" 2>&1
	}
	check "nodemailer" nodemailer "$plain" plain node1@home.example
	check "its mail is there" arrived node1 ESMTP
	check "nodemailer with STARTTLS" nodemailer "$plain" starttls node2@home.example
	check "its mail is there" arrived node2 ESMTPS
	check "nodemailer with TLS at once" nodemailer "$tls" tls node3@home.example
	check "its mail is there" arrived node3 ESMTPS
	check "three over a connection that is kept" nodemailer "$plain" pool node4@home.example
	check "are there" wait_for 20 has_mail "$root" node4 3
	check "a line that was only a dot is one still" sh -c "test \$(grep -cx '[.]' '$root'/mail/node1/new/*) -eq 2 ||
	    grep -q '^[.]=20\|^=2E' '$root'/mail/node1/new/*"
else
	say "not tried: nodemailer ($why)"
fi

# ---- Postfix ----

free_port && theirs=$port
mkdir -p "$work/postfix"
say "tlsmgr unix - - n 1000? 1 tlsmgr" >"$work/postfix/master.more"
if start_postfix "$work/postfix" "$theirs" "default_transport = smtp:[127.0.0.1]:$plain" "smtp_host_lookup = native" \
    "smtp_tls_CAfile = $pki/ca.pem" "smtp_tls_loglevel = 1" "smtp_tls_security_level = verify" \
    "smtp_tls_verify_cert_match = localhost" \
    "transport_maps = inline:{lmtp.example=lmtp:inet:127.0.0.1:$lmtp}" "lmtp_tls_security_level = none"; then
	tried=$((tried + 1))
	check "Postfix takes twenty for us, of 100 KB" smtp_source -s 2 -m 20 -l 100000 -f ann@x.example -t postfix@home.example "127.0.0.1:$theirs"
	check "and hands all of them on, by STARTTLS that it has verified" wait_for 60 has_mail "$root" postfix 20
	check "as its log says" grep -q "Verified TLS connection established to 127.0.0.1.*TLSv1.3" "$work/postfix/log"
	check "and ours" grep -q "with ESMTPS id" "$root"/mail/postfix/new/*
	check "Postfix takes five for our LMTP" smtp_source -s 1 -m 5 -l 1000 -f ann@x.example -t far@lmtp.example "127.0.0.1:$theirs"
	by_lmtp() { test "$(grep -l "with LMTP id" "$root"/mail/far/new/* | wc -l)" -eq 5; }
	check "and hands them on" wait_for 30 by_lmtp
	check "nothing is left with it" wait_for 20 sh -c "! find '$work/postfix/queue/active' '$work/postfix/queue/deferred' -type f | grep -q ."
	stop "$postfix"
else
	say "not tried: Postfix ($why)"
fi

# ---- Exim ----

if inside_peer exim4-daemon-light "$work/exim" Debian-exim; then
	tried=$((tried + 1))
	mkdir -p "$work/exim/spool" "$work/exim/log"
	chmod 755 "$work/exim"
	exim() {	# PORT LINES-OF-TRANSPORT TO
		cat >"$work/exim/conf" <<-END
			primary_hostname = exim.example
			spool_directory = $work/exim/spool
			log_file_path = $work/exim/log/%slog
			check_spool_space = 0
			keep_environment =
			trusted_users = root
			never_users =
			begin routers
			all:
			  driver = manualroute
			  transport = out
			  route_list = * 127.0.0.1
			  self = send
			begin transports
			out:
			  driver = smtp
			  port = $1
			  allow_localhost
			  hosts_try_dane =
			$2
		END
		chmod 644 "$work/exim/conf"
		chown -R 64900:64900 "$work/exim/spool" "$work/exim/log"
		printf 'Subject: exim\n\nHello.\n' | $inside exim4 -C "$work/exim/conf" -odf -i -f ann@exim.example "$3" >>"$work/exim.said" 2>&1
	}
	check "Exim in plain text" exim "$plain" "  hosts_avoid_tls = *" exim1@home.example
	check "its mail is there" arrived exim1 ESMTP
	check "Exim by STARTTLS, verified" exim "$plain" "  hosts_require_tls = *
  tls_verify_certificates = $pki/ca.pem
  tls_verify_hosts = *" exim2@home.example
	check "its mail is there" arrived exim2 ESMTPS
	check "by CHUNKING" grep -q "exim2@home.example.* K " "$work/exim/log/mainlog"
	check "Exim with TLS at once" exim "$tls" "  protocol = smtps" exim3@home.example
	check "its mail is there" arrived exim3 ESMTPS
	check "Exim by LMTP" exim "$lmtp" "  protocol = lmtp
  hosts_avoid_tls = *" exim4@home.example
	check "its mail is there" arrived exim4 LMTP
else
	say "not tried: Exim ($why)"
fi

# ---- OpenSMTPD ----

if inside_peer opensmtpd "$work/opensmtpd" opensmtpd opensmtpq; then
	tried=$((tried + 1))
	free_port && theirs=$port
	cat >"$work/opensmtpd/conf" <<-END
		ca "test" cert "$pki/ca.pem"
		listen on 127.0.0.1 port $theirs
		action "plain" relay host "smtp+notls://127.0.0.1:$plain"
		action "tls" relay host "smtp+tls://127.0.0.1:$plain" tls no-verify
		action "smtps" relay host "smtps://127.0.0.1:$tls" tls no-verify
		match from any for domain "plain.example" action "plain"
		match from any for domain "tls.example" action "tls"
		match from any for domain "smtps.example" action "smtps"
	END
	opensmtpd_folders >"$work/opensmtpd/run"
	chmod 755 "$work/opensmtpd/run"
	start opensmtpd $inside "$work/opensmtpd/run" smtpd -d -f "$work/opensmtpd/conf"
	opensmtpd=$pid
	smtpd_up() { listening "$theirs" || ! kill -0 "$opensmtpd" 2>/dev/null; }
	wait_for 20 smtpd_up
	if listening "$theirs"; then
		for way in plain tls smtps; do
			check "OpenSMTPD takes one for $way" mail "127.0.0.1:$theirs" ann@x.example "$way@$way.example" "$way"
		done
		from_it() { test "$(cat "$root"/mail/far/new/* | grep -c "^Subject: $1$")" -eq 1; }
		check "and hands on in plain text" wait_for 30 from_it plain
		check "by STARTTLS" wait_for 30 from_it tls
		check "and with TLS at once" wait_for 30 from_it smtps
	else
		tried=$((tried - 1))
		say "not tried: OpenSMTPD ($(tail -n 1 "$work/opensmtpd.log"))"
	fi
	stop "$opensmtpd"
else
	say "not tried: OpenSMTPD ($why)"
fi
test $tried -gt 0 || skip "none of them can be had here: $why"
check "the relay lives" kill -0 "$relay"
stop "$relay"
finish
