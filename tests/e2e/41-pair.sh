#!/bin/sh
# mochila pair, on both sides, against a real sshd: what is shown, pinned, refused, and
# that the two sites can call one another afterwards.
# shellcheck disable=SC2317	# called by check
. "${srcdir:-.}/tests/e2e/lib.sh"
stage
need ssh-keygen
uucico-ssh --help 2>/dev/null | grep -q new-key || skip "uucico-ssh makes no keys yet"

hub() { mochila --root="$work/hub" "$@"; }
home() { mochila --root="$work/home" "$@"; }
said() { grep -qF -e "$1" "$work/said"; }
has() { grep -qF -e "$2" "$1"; }
lines() { test "$(grep -c . "$2")" -eq "$1"; }
run_sshd() { start_sshd "$work/sshd" "$port" "$work/authorized_keys" || skip "$why"; }
fingerprint() { ssh-keygen -lf "$1" | cut -d' ' -f2; }

: >"$work/authorized_keys"
free_port
run_sshd
link=ssh://$(id -un)@127.0.0.1:$port
host=$(fingerprint "$work/sshd/ssh_host_ed25519_key.pub")

check "the hub is made" exits 0 hub init --site hub --host hub.example
check "the home is made" exits 0 home init --site home --host home.example
cp "$work/home/mochila.conf" "$work/conf"
unpaired() { cmp "$work/home/mochila.conf" "$work/conf" && test ! -s "$work/home/keys/known_hosts"; }

# ---- the calling side ---------------------------------------------------------------

nobody() { home pair hub "$link" </dev/null; }
check "without a person nothing is taken" exits 64 nobody
check "the fingerprint is told" said "--fingerprint $host"
check "and ours" said "$(fingerprint "$work/home/keys/id_ed25519.pub")"
check "nothing has changed" unpaired
check "another fingerprint is refused" \
    exits 77 home pair hub "$link" --fingerprint SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU
check "nothing has changed" unpaired
check "nobody there is to be tried again" exits 75 home pair hub "ssh://x@127.0.0.1:1" --yes
check "nothing has changed" unpaired
check "the right fingerprint is taken" exits 0 home pair hub "$link" --fingerprint "$host"
own=$(cut -d' ' -f1,2 "$work/home/keys/id_ed25519.pub")
check "what the far end needs is told" said "mochila pair home --accept '$own'"
check "as a line too" said "-r0 --root=$work/home --peer=home\" $own mochila-home"
check "the host key is pinned" lines 1 "$work/home/keys/known_hosts"
check "as ssh-keygen finds it" \
    sh -c "ssh-keygen -F '[127.0.0.1]:$port' -f '$work/home/keys/known_hosts' >'$work/given'"
check "the link is written" has "$work/home/mochila.conf" "link = $link"
check "all else in the file stays" has "$work/home/mochila.conf" "# Who gets what:"
cp "$work/home/mochila.conf" "$work/conf"
check "again: no question" exits 0 nobody
check "no change" cmp "$work/home/mochila.conf" "$work/conf"
check "no second pin" lines 1 "$work/home/keys/known_hosts"

if command -v script >/dev/null; then
	asked() { script -qec "mochila --root='$work/home' pair other '$link'" /dev/null <"$work/answer"; }
	mv "$work/home/keys/known_hosts" "$work/pins"
	echo no >"$work/answer"
	check "a person can say no" exits 77 asked
	check "which pins nothing" test ! -e "$work/home/keys/known_hosts"
	echo yes >"$work/answer"
	check "and yes" exits 0 asked
	check "which pins" cmp "$work/home/keys/known_hosts" "$work/pins"
	cp "$work/home/mochila.conf" "$work/conf"
fi

# ---- the answering side, and a call -----------------------------------------------------

check "a call is refused before" exits 77 home call hub
check "the hub takes the key" \
    exits 0 hub pair home --accept "$own" --authorized-keys "$work/authorized_keys"
check "in one line" lines 1 "$work/authorized_keys"
check "the call succeeds" exits 0 home call hub
check "which status tells" exits 0 home status
check "in the site's line" sh -c "grep -q '^hub .*ago: ok' '$work/said'"
check "on the hub as well" exits 0 hub status
check "for home" sh -c "grep -q '^home .*ago: ok' '$work/said'"
if grep -q '^\[site other\]' "$work/home/mochila.conf"; then
	check "one site in vain does not keep us from the others" exits 78 home call --all
else
	check "all sites can be called" exits 0 home call --all
fi
check "which were called" said "hub: event=call result=ok"

# ---- another host key --------------------------------------------------------------------

stop "$sshd"
rm "$work/sshd/ssh_host_ed25519_key" "$work/sshd/ssh_host_ed25519_key.pub"
run_sshd
check "a changed host key is not paired with" exits 76 home pair hub "$link" --yes
check "and why" said "now shows another host key"
check "nothing has changed" cmp "$work/home/mochila.conf" "$work/conf"
check "nor is it called" exits 76 home call hub
check "it stays pinned as it was" lines 1 "$work/home/keys/known_hosts"

# ---- a libssh2 that knows no ed25519 ----------------------------------------------------------

host=$(fingerprint "$work/sshd/ssh_host_ed25519_key.pub")
without=$build/tests/e2e/no-ed25519.so
if test -f "$without"; then
	mkdir "$work/alas"
	ln -s "$MOCHILA_LIBEXEC"/* "$work/alas/"
	rm "$work/alas/uucico-ssh"
	printf '#!/bin/sh\nLD_PRELOAD=%s exec %s/uucico-ssh "$@"\n' "$without" "$MOCHILA_LIBEXEC" >"$work/alas/uucico-ssh"
	chmod +x "$work/alas/uucico-ssh"
	alas() { MOCHILA_LIBEXEC=$work/alas mochila --root="$work/box" "$@"; }
	check "a box of that kind is made" exits 0 alas init --site box --host box.example
	check "with a key of ecdsa" has "$work/box/keys/id_ecdsa.pub" "ecdsa-sha2-nistp256 "
	check "and no other" test ! -e "$work/box/keys/id_ed25519"
	own=$(cut -d' ' -f1,2 "$work/box/keys/id_ecdsa.pub")
	check "OpenSSH reads it" test "$(ssh-keygen -y -f "$work/box/keys/id_ecdsa" | cut -d' ' -f1,2)" = "$own"
	check "closed to others" test "$(stat -c %a "$work/box/keys/id_ecdsa")" = 600
	check "it is paired by it" exits 0 alas pair hub "$link" --fingerprint "$host"
	check "which is told" said "mochila pair box --accept '$own'"
	check "and taken there" exits 0 hub pair box --accept "$own" --authorized-keys "$work/authorized_keys"
	check "it logs in with it" exits 0 uucico-ssh --root="$work/box" -s hub
	check "doctor finds it" sh -c "! mochila --root='$work/box' doctor | grep -q 'private key'"
else
	say "not tried: a libssh2 without ed25519 (built with sanitizers: they own LD_PRELOAD)"
fi
check "either may be asked for" exits 0 uucico-ssh --root="$work/home" --key-type ecdsa --new-key "$work/asked"
check "and is made" said "ecdsa-sha2-nistp256 "
check "no third" exits 64 uucico-ssh --root="$work/home" --key-type rsa --new-key "$work/rsa"
finish
