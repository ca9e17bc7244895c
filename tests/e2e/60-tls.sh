#!/bin/sh
# mochila-relay with TLS: STARTTLS and TLS at once, certificates by name, new ones without a
# connection lost, clients known by theirs, and what is refused.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage

root=$work/home
pki=$work/pki
mkdir -p "$pki"
cert() { (cd "$pki" && "$build/tests/e2e/cert" "$@"); }
cert ca "Test-CA" 30
cert mx "mx.example" 30 ca
cert two "mail.example" 30 ca
cert friend "friend.example" 30 ca
cert stranger "stranger.example" 30 ca
cert own "friend.example" 30
make_site "$root" home
cat >>"$root/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0 tls:127.0.0.1:0
	relay-from =
	timeout = 20s
	tls-cert = $pki/mx.pem $pki/two.pem
	tls-key = $pki/mx.key $pki/two.key
	tls-client-ca = $pki/ca.pem
	relay-from-certificates = friend.example $(cert own)
	[routes]
	home.example = maildir:mail/%u
	* = site:hub
END
python() {	# python CASE DOOR [WORD...]
	python_case=$1
	python_at=$(sed -n "s/^main $2 //p" "$root/ready")
	shift 2
	python3 "$top/tests/e2e/60-tls.py" "$python_case" "$python_at" "$pki/ca.pem" "$@"
}
is_in() { has_mail "$root" "$1" 1; }

relay_up "$root" || fail "the relay did not start"
check "a mail behind STARTTLS" python starttls smtp ann@home.example
check "is delivered" wait_for 10 is_in ann
check "and says how it came" grep -q "with ESMTPS id" "$root"/mail/ann/new/*
check "a mail with TLS at once" python at-once smtps bob@home.example
check "is delivered too" wait_for 10 is_in bob
check "the certificate is that of the name asked for" python names smtp mx.example mail.example
check "TLS is 1.2 or 1.3, with forward secrecy" python versions smtp
check "words slipped in behind STARTTLS are not answered (TLS-01)" python injected smtp
check "plain text goes on where TLS is only offered" mail "$(at "$root")" a@b.example plain@home.example plain

say "# who may send anywhere"
check "a client with a certificate of our CA and a name of ours" python cert smtp "$pki/friend" x@far.example 250
check "one with another name" python cert smtp "$pki/stranger" x@far.example 550
check "one whose fingerprint we know, whoever signed it" python cert smtp "$pki/own" x@far.example 250
check "one without" python cert smtp none x@far.example 550

say "# new certificates"
cert later "mx.example" 30 ca
check "no connection is lost, and bad files change nothing" python reload smtp \
    "mv '$pki/later.pem' '$pki/mx.pem'; mv '$pki/later.key' '$pki/mx.key'; kill -HUP $relay" \
    "echo broken >'$pki/mx.pem'; kill -HUP $relay; sleep 1"
check "which the log says" grep -q "event=reload-refused why=.*mx.pem" "$work/home.log"
stop "$relay"

say "# what it does not start with"
check "a broken certificate" exits 78 timeout 10 mochila-relay --root "$root"
cert mx "mx.example" 30 ca
chmod 644 "$pki/mx.key"
check "a key open to all (CFG-01)" exits 78 timeout 10 mochila-relay --root "$root"
check "named, and not shown" grep -q "mx.key: holds a private key and is open to everybody" "$work/said"
chmod 600 "$pki/mx.key"
check "a key of another certificate" exits 78 timeout 10 mochila-relay --root "$root" \
    --set "relay main.tls-key=$pki/two.key $pki/mx.key"
check "fewer keys than certificates" exits 78 timeout 10 mochila-relay --root "$root" --set "relay main.tls-key=$pki/mx.key"
check "a name that nobody vouches for" exits 78 timeout 10 mochila-relay --root "$root" --set "relay main.tls-client-ca="
check "require without a certificate" exits 78 timeout 10 mochila-relay --root "$root" --set "relay main.tls-cert=" \
    --set "relay main.tls=require"
check "a door with TLS without one" exits 78 timeout 10 mochila-relay --root "$root" --set "relay main.tls-cert="

say "# required"
relay_up "$root" --set "relay main.tls=require" --set "relay main.timeout=2s" || fail "the relay did not start"
check "before STARTTLS no mail is taken" call "$(at "$root")" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<a@b.example>" "< 530 5.7.0"
check "behind it, it is" python starttls smtp eve@home.example
check "a handshake has the time of a command (TLS-04)" python silent smtp "$(at "$root" | sed 's/.*://')" \
    "$(sed -n 's/^main smtps .*://p' "$root/ready")"
stop "$relay"

say "# off"
relay_up "$root" --set "relay main.tls=off" --set "relay main.listen=127.0.0.1:0" || fail "the relay did not start"
check "STARTTLS is not known" call "$(at "$root")" "< 220" "> EHLO x" "< 250" "> STARTTLS" "< 502"
stop "$relay"

say "# mochila doctor"
doctor() { mochila --root "$root" doctor >"$work/said" 2>&1; grep -q "$1" "$work/said"; }
check "a certificate that goes on is no trouble" eval '! doctor "^certificate:"'
cert mx "mx.example" 3 ca
check "one that ends soon is named" doctor "certificate: .relay main. .*mx.pem expires on .*: put a new one"
cert mx "mx.example" -1 ca
check "one that has ended too" doctor "certificate: .relay main. .*mx.pem expired on "
rm "$pki/mx.pem"
check "and one that is not there" doctor "certificate: .relay main. .*mx.pem: open: No such file"
finish
