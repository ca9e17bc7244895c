#!/bin/sh
# A next hop that takes no 8 bits (RFC 6152 3): what can be said in 7 is, byte for byte the same to who
# decodes it; what cannot comes back to its sender; all else goes as it is.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage

root=$work/hub
make_site "$root" hub
cat >>"$root/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0
	[routes]
	hub.example = maildir:mail/%u
END
for name in plain eight; do
	mkdir "$work/$name"
	play $name hop.py $name taken "$work/$name"
	say "$name.example = smtp:127.0.0.1:$port" >>"$root/mochila.conf"
done
# mail NAME: what is to be sent as it; "word" has a byte above 127.
word=$(printf 'gr\303\274n')
cat >"$work/mime" <<END
From: ann@hub.example
Subject: mime
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

all is $word here, and = stays
--b
Content-Type: application/x-some; name=x
Content-Transfer-Encoding: 8bit

$word
--b
Content-Type: text/plain

not here
--b--
END
printf 'From: ann@hub.example\nSubject: none\n\n%s without MIME\n' "$word" >"$work/none"
printf 'From: ann@hub.example\nSubject: ascii\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\ngreen\n' >"$work/ascii"
for mail in mime none ascii; do
	for name in plain eight; do
		MOCHILA_ROOT="$root" sendmail -f "$mail@hub.example" "$mail@$name.example" <"$work/$mail" || fail "sendmail"
	done
done
relay_up "$root" || fail "the relay does not start"
none_wait() { empty "$root/spool/in" && empty "$root/spool/out"; }
check "all is sent or returned" wait_for 30 none_wait
cat >"$work/read.py" <<'END'
import email, sys
same, said, kept = sys.argv[1:]
said, kept = open(said, "rb").read(), open(kept, "rb").read().replace(b"\r\n", b"\n")
if same == "same":
    sys.exit(not kept.endswith(said))
assert max(kept) < 128, "8 bits"
said, kept = email.message_from_bytes(said), email.message_from_bytes(kept)
parts = [list(one.walk()) for one in (said, kept)]
assert len(parts[0]) == len(parts[1]) == 4
for a, b in list(zip(*parts))[1:]:
    assert a.get_payload(decode=True) == b.get_payload(decode=True), b
    assert a.get_content_type() == b.get_content_type()
assert [p["Content-Transfer-Encoding"] for p in parts[1]][1:] == ["quoted-printable", "base64", None]
END
read_by() { python3 "$work/read.py" "$@"; }
check "who takes no 8 bits gets 7, and they mean the same" read_by means "$work/mime" "$work/plain/mime"
check "what has none goes as it is" read_by same "$work/ascii" "$work/plain/ascii"
check "what cannot be said in 7 does not go" test ! -e "$work/plain/none"
told() { grep -qrs "$2" "$root/mail/$1/new"; }
check "its sender is told" wait_for 20 told none '^Status: 5\.6\.3'
check "nobody else is" test "$(boxed "$root" mime),$(boxed "$root" ascii)" = 0,0
for mail in mime none ascii; do
	check "who takes 8 bits gets $mail as it is" read_by same "$work/$mail" "$work/eight/$mail"
done
finish
