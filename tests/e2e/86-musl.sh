#!/bin/sh
# mochila-small of musl, static, with libssh2 on mbedTLS, which knows no ed25519 (scripts/musl builds it,
# which takes minutes): mail goes from its sendmail into its batches, by its calls through an
# exec: link and through a real sshd, to the programs of this host, and back.
# shellcheck disable=SC2317	# called by check
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
musl=$top/build/musl/stripped
test -x "$musl" || skip "scripts/musl was not run here"
need ssh-keygen
stage
host=$MOCHILA_LIBEXEC box=$work/box
mkdir "$box"
cp "$host"/*.dict "$box"
for name in bsmtp rsmtp rgsmtp rzsmtp rmail sendmail uucico-ssh uuxqt; do ln -s "$musl" "$box/$name"; done
# small COMMAND...: with the programs of the box.
small() { env MOCHILA_LIBEXEC="$box" "$@"; }

check "it needs nobody's libraries" sh -c "! readelf -l '$musl' | grep -q INTERP"
check "it says what it is" exits 0 "$musl" bsmtp --version
check "in our words" said 'bsmtp (mochila)'

# ---- Calls ---------------------------------------------------------------------------------

free_port
protocols=mi
two_sites "$work" "ssh://$(id -un)@127.0.0.1:$port"
cat >"$work/answers" <<END
#!/bin/sh
MOCHILA_LIBEXEC=$host exec $host/uucico-ssh -r0 --peer=home --root=$hub
END
chmod 755 "$work/answers"
mail() { printf 'Subject: %s\n\n%s\n' "$1" "$1"; }
box_sends() { mail "$1" | small env MOCHILA_ROOT="$home" "$box/sendmail" -f ann@home.example bob@hub.example; }
call() { exits 0 small "$box/uucico-ssh" --root="$home" -s hub "$@"; }

check "its sendmail takes mail" box_sends exec
from_hub exec-back
check "a call through exec:" call --set="site hub.link=exec:$work/answers"
check "brought our mail" arrived "$hub" exec
check "and theirs" arrived "$home" exec-back

check "a key is made" exits 0 small "$box/uucico-ssh" --root="$home" --new-key
check "of ecdsa, as its libssh2 knows no other" grep -q '^ecdsa-sha2-nistp256 ' "$home/keys/id_ecdsa.pub"
check "which OpenSSH reads" test "$(ssh-keygen -y -f "$home/keys/id_ecdsa" | cut -d' ' -f1,2)" = \
    "$(cut -d' ' -f1,2 "$home/keys/id_ecdsa.pub")"
echo "restrict,command=\"$host/uucico-ssh -r0 --root=$hub --peer=home\" $(cat "$home/keys/id_ecdsa.pub")" >"$work/authorized_keys"
start_sshd "$work/sshd" "$port" "$work/authorized_keys" ecdsa || skip "$why"
small "$box/uucico-ssh" --host-key "ssh://127.0.0.1:$port" >"$home/keys/known_hosts"
check "the host's key is pinned" grep -q "^\[127.0.0.1\]:$port ecdsa-sha2-nistp256 " "$home/keys/known_hosts"
box_sends ssh
from_hub ssh-back
check "a call through sshd" call
check "brought our mail, too" arrived "$hub" ssh
check "and theirs, too" arrived "$home" ssh-back
box_sends batches
check "and one of batches, in i" call --set='site hub.protocols=i' --set='site hub.codec=zstd'
check "came" arrived "$hub" batches

# ---- Batches -------------------------------------------------------------------------------

mail there >"$work/mail"
check "a batch of this host" exits 0 "$host/bsmtp" pack --files "$work/mail" --codec=zstd --from=a@hub.example \
    --to=b@home.example -o "$work/batch"
check "is unpacked by the box" exits 0 small "$box/bsmtp" unpack --root "$home" --to="maildir:$work/mailbox" "$work/batch"
check "into its Maildir" test "$(grep -l '^Subject: there' "$work"/mailbox/new/* | wc -l)" -eq 1
box_sends packed
check "the box packs what waits" exits 0 small "$box/bsmtp" --root "$home" --codec=zstd pack hub
batch=$(find "$home/spool/sent/hub" -maxdepth 1 -type f ! -name '.*')
check "and this host reads it" exits 0 "$host/bsmtp" cat 1 "$batch"
check "to the letter" said 'Subject: packed'
finish
