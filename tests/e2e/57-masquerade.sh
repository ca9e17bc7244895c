#!/bin/sh
# A home host without a public name: mail that leaves bears the names its provider gave, mail
# among its people their own, and what comes for the public names finds them.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage

away=$work/away root=$work/home
make_site "$away" away
cat >>"$away/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0
	[routes]
	* = maildir:mail/%u
END
relay_up "$away" || fail "the far relay does not start"
make_site "$root" home
cat >"$root/out" <<-END
	ann@home.lan     ann.smith@isp.example
	root@home.lan    root@home.lan
	@home.lan        family@isp.example
	@.home.lan       @isp.example
END
printf 'ann.smith@isp.example ann@home.lan\nlost@isp.example nobody@nowhere.example\n' >"$root/in"
cat >>"$root/mochila.conf" <<-END
	[addresses]
	masquerade = file:out
	unmask = file:in
	[relay main]
	listen = 127.0.0.1:0
	[relay public]
	listen = 127.0.0.1:0
	relay-from =
	[routes]
	home.lan = maildir:mail/%u
	* = smtp:$(at "$away")
END
relay_up "$root" || fail "the relay does not start"
main=$(at "$root") public=$(at "$root" public)

# send WHERE FROM TO FILE [OPTION...]
send() {
	python3 - "$@" <<-'END'
		import smtplib, sys
		where, sender, to, name = sys.argv[1:5]
		host, port = where.rsplit(":", 1)
		with smtplib.SMTP(host, int(port), local_hostname="test.example") as smtp:
		    smtp.sendmail(sender, to.split(","), open(name, "rb").read(), rcpt_options=sys.argv[5:])
	END
}
# stripped ROOT USER: his only mail, without the fields that the way put on top.
stripped() { sed -e '1,/^X-Mark:/{/^X-Mark:/!d}' "$1/mail/$2/new/"*; }
envelope_of() { sed -n 's/^Return-Path: <\(.*\)>\r*$/\1/p' "$1/mail/$2/new/"*; }

cat >"$work/mail" <<-'END'
	X-Mark: ann@home.lan
	From: "Smith, Ann" (ann@home.lan) <ann@home.lan>
	Sender: =?utf-8?q?ann=40home=2Elan?= <host@attic.home.lan>
	Reply-To: root@home.lan
	To: friends: bob@home.lan, "ann@home.lan" <x@far.example>;,
	 Ann <Ann@Home.Lan>
	Cc: carl@far.example
	Subject: ann@home.lan
	Message-ID: <1@home.lan>
	Date: Sat, 21 Nov 2026 12:00:00 +0000

	From: ann@home.lan
END
sed -e 's/$/\r/' "$work/mail" >"$work/sent"
cat >"$work/mail" <<-'END'
	X-Mark: ann@home.lan
	From: "Smith, Ann" (ann@home.lan) <ann.smith@isp.example>
	Sender: =?utf-8?q?ann=40home=2Elan?= <host@isp.example>
	Reply-To: root@home.lan
	To: friends: family@isp.example, "ann@home.lan" <x@far.example>;,
	 Ann <ann.smith@isp.example>
	Cc: carl@far.example
	Subject: ann@home.lan
	Message-ID: <1@home.lan>
	Date: Sat, 21 Nov 2026 12:00:00 +0000

	From: ann@home.lan
END
cp "$work/mail" "$work/masked"

say "# out"
check "mail that leaves" send "$main" ann@home.lan x@far.example "$work/sent"
check "arrives" wait_for 20 has_mail "$away" x 1
stripped "$away" x >"$work/came"
check "with other names, and nothing else changed" cmp "$work/masked" "$work/came"
check "the envelope's sender too" test "$(envelope_of "$away" x)" = ann.smith@isp.example
check "mail among us" send "$main" ann@home.lan bob@home.lan "$work/sent"
check "arrives" wait_for 20 has_mail "$root" bob 1
stripped "$root" bob >"$work/came"
tr -d '\r' <"$work/sent" >"$work/plain"
check "as it was" cmp "$work/plain" "$work/came"
check "the envelope's sender too" test "$(envelope_of "$root" bob)" = ann@home.lan
check "by sendmail" sh -c "MOCHILA_ROOT='$root' sendmail -f ann@home.lan y@far.example <'$work/plain'"
check "it is the same" wait_for 20 has_mail "$away" y 1
stripped "$away" y >"$work/came"
check "with all names" cmp "$work/masked" "$work/came"
check "somebody exempt" send "$main" root@home.lan z@far.example "$work/sent"
check "sends" wait_for 20 has_mail "$away" z 1
check "under his own name" test "$(envelope_of "$away" z)" = root@home.lan

say "# in"
printf 'X-Mark: x\r\nFrom: x@far.example\r\nTo: Ann <ann.smith@isp.example>, ann.smith@isp.example\r\n\r\nann.smith@isp.example\r\n' >"$work/in1"
printf 'X-Mark: x\nFrom: x@far.example\nTo: Ann <ann@home.lan>, ann@home.lan\n\nann.smith@isp.example\n' >"$work/want"
check "mail for a public name" send "$public" x@far.example ann.smith@isp.example "$work/in1"
check "finds who it is" wait_for 20 has_mail "$root" ann 1
stripped "$root" ann >"$work/came"
check "with our names" cmp "$work/want" "$work/came"
check "a public name of somebody elsewhere is no way out" call "$public" "< 220" "> EHLO test.example" "< 250" \
    "> MAIL FROM:<x@far.example>" "< 250" "> RCPT TO:<lost@isp.example>" "< 550 5.7.1" "> QUIT" "< 221"

say "# in, whatever brings it"
# Each is to come like the one by SMTP: to the same person, with the same names.
hub=$work/hub
make_site "$hub" hub
cat >>"$hub/mochila.conf" <<-END
	[site home]
	link = exec:uucico-ssh -r0 --peer=hub --root=$root
	[routes]
	isp.example = site:home
END
printf '[site hub]\n' >>"$root/mochila.conf"
tr -d '\r' <"$work/in1" >"$work/in2"
by_hub() { # PROTOCOL OPTION
	MOCHILA_ROOT=$hub sendmail -f x@far.example ann.smith@isp.example <"$work/in2" &&
	    uucico-ssh --root="$hub" -s home --set="site home.protocols=$1" ${2:+"$2"}
}
by_batch() { bsmtp pack --files "$work/in1" --from x@far.example --to ann.smith@isp.example -o - | bsmtp unpack --root "$root"; }
by_rmail() { { echo "From x@far.example Sat Nov 21 12:00:00 2026"; cat "$work/in2"; } | UU_MACHINE=hub MOCHILA_ROOT=$root rmail ann.smith@isp.example; }
came_by() { # WHAT COMMAND...
	rm -f "$root"/mail/ann/new/*
	check "$1" "$@"
	check "finds who it is" wait_for 20 has_mail "$root" ann 1
	sed -n 's/^Delivered-To: //p' "$root"/mail/ann/new/* | grep -qx ann@home.lan || fail "it is not his"
	stripped "$root" ann >"$work/came"
	check "with our names" cmp "$work/want" "$work/came"
}
protocol_m() { by_hub m --no-pack; }
uucp() { by_hub i; }
batch() { by_batch; }
site() { by_rmail; }
for way in batch uucp protocol_m site; do came_by $way; done

say "# a header that is nearly too long"
python3 - "$work/long" <<-'END'
	import sys
	with open(sys.argv[1], "wb") as out:
	    out.write(b"X-Mark: x\r\nFrom: ann@home.lan\r\n")
	    size = 31
	    while size < 261000:
	        line = b"X-Long: " + b"x" * 900 + b"\r\n"
	        out.write(line)
	        size += len(line)
	    out.write(b"\r\n" + b"".join(b"%060d\r\n" % n for n in range(5000)))
END
check "a mail with one" send "$main" ann@home.lan long@far.example "$work/long"
check "arrives" wait_for 20 has_mail "$away" long 1
stripped "$away" long >"$work/came"
tr -d '\r' <"$work/long" | sed -e 's/^From: ann@home.lan/From: ann.smith@isp.example/' >"$work/want"
check "whole" cmp "$work/want" "$work/came"
finish
