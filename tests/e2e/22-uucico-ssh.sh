#!/bin/sh
# A call through a real sshd: key only, forced command, pinned host key; and each thing
# that can be wrong with it, told in one sentence, with the mail still in the spool.
# shellcheck disable=SC2317	# called by check
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
# With --enable-sanitizers: what libssh2 leaks must be known as such (lib/base/sandbox.c).
export ASAN_OPTIONS=fast_unwind_on_malloc=0
stage
need ssh-keygen
authorized=$work/authorized_keys
free_port
two_sites "$work" "ssh://$(id -un)@127.0.0.1:$port"
keys=$home/keys
kept() { test "$(messages "$home/spool/sent")" -ge 1; }
# refused STATUS TEXT: a call fails so, says so, and the mail stays.
refused() { exits "$1" ours -s hub && said "$2" && kept; }

# ---- Keys ----------------------------------------------------------------------------

check "a key is made" exits 0 ours --new-key
check "for nobody else to read" test "$(stat -c %a "$keys/id_ed25519")" = 600
check "ssh-keygen reads it" sh -c "ssh-keygen -yf '$keys/id_ed25519' | cmp - '$keys/id_ed25519.pub'"
check "and sees our fingerprint" test "$(ssh-keygen -lf "$keys/id_ed25519.pub" | cut -d' ' -f2)" = "$(ours --fingerprint "$keys/id_ed25519.pub")"
check "it is never written over" exits 73 ours --new-key
check "one can be made elsewhere" exits 0 ours --new-key "$work/elsewhere"
check "with its public half" test -s "$work/elsewhere" -a -s "$work/elsewhere.pub"
ssh-keygen -q -t ecdsa -N '' -C ecdsa -f "$keys/ecdsa"
ssh-keygen -q -t rsa -b 2048 -N '' -C rsa -f "$keys/rsa"
ssh-keygen -q -t ed25519 -N secret -C locked -f "$keys/locked"
line() { echo "restrict,command=\"$MOCHILA_LIBEXEC/uucico-ssh -r0 --root=$hub --peer=home\" $(cat "$1")"; }
line "$keys/id_ed25519.pub" >"$authorized"
line "$keys/ecdsa.pub" >>"$authorized"
line "$keys/locked.pub" >>"$authorized"
cp "$authorized" "$work/good"

# ---- Is it the host we mean? ------------------------------------------------------------

from_home first
check "nobody listens there" refused 75 'refuses the connection'
start_sshd "$work/sshd" "$port" "$authorized" || skip "$why"
check "an unknown host key" refused 76 'is not known here: SHA256:'
check "names the fingerprint that sshd's key has" said "$(ssh-keygen -lf "$work/sshd/ssh_host_ed25519_key.pub" | cut -d' ' -f2)"
check "and the command that pins it" said 'uucico-ssh --host-key'
ssh-keygen -q -t ed25519 -N '' -C other -f "$work/other"
echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$work/other.pub")" >"$keys/known_hosts"
check "a changed host key" refused 76 'HAS CHANGED'
uucico-ssh --host-key "ssh://127.0.0.1:$port" >"$keys/known_hosts"
check "the host key can be pinned" grep -q "^\[127.0.0.1\]:$port ssh-ed25519 " "$keys/known_hosts"

# ---- Calls -----------------------------------------------------------------------------------

from_hub second
check "a call" exits 0 ours -s hub -v --wire-stats="$work/stats"
check "brought our mail" arrived "$hub" first
check "and theirs" arrived "$home" second
check "its login was one flight" said login=quick
from_home step-by-step && from_hub step-back
check "a call whose login goes step by step" exits 0 ours -s hub -v --set="site hub.quick-login=no"
check "is by libssh2" sh -c "grep -q event=ssh-login '$work/said' && ! grep -q login=quick '$work/said'"
check "and brings both, too" arrived "$hub" step-by-step
check "" arrived "$home" step-back
# shellcheck disable=SC2016	# awk expands it
check "bytes of TCP are counted" awk '{ for (i = 1; i <= NF; i++) { split($i, v, "="); n[v[1]] = v[2] } }
	END { exit !(n["wire_up"] > n["up"] + 500 && n["wire_down"] > n["down"] + 500) }' "$work/stats"
from_home third
check "an ecdsa key" exits 0 ours -s hub --set="site hub.key=keys/ecdsa"
check "works too" arrived "$hub" third
echo secret >"$work/passphrase"
locked() { ours -s hub --set="site hub.key=keys/locked" --set="site hub.passphrase=$1"; }
from_home locked-one
check "a key with a passphrase, from a file" exits 0 locked "$work/passphrase"
check "works too" arrived "$hub" locked-one
check "or from a command" exits 0 locked "exec:/bin/cat $work/passphrase"
check "a wrong one" exits 78 locked "exec:/bin/echo wrong"
check "is told" said 'is the passphrase right?'
check "a command that fails" exits 1 locked "exec:/bin/false"
check "or that is not there" exits 78 locked "exec:/no/such/program"
check "or says nothing" exits 78 locked "exec:/bin/true"
chmod 644 "$work/passphrase"
check "and a file that others can read" exits 78 locked "$work/passphrase"
eval "$(ssh-agent -s)" >/dev/null
trap 'stop_all; kill "$SSH_AGENT_PID"' EXIT
mv "$keys/id_ed25519" "$work/id"
check "no key and an empty agent" exits 77 ours -s hub
ssh-add -q "$keys/rsa" "$work/id" 2>/dev/null
check "the agent's key, behind one that cannot be used" exits 0 ours -s hub
mv "$work/id" "$keys/id_ed25519"
unset SSH_AUTH_SOCK

# ---- Our key ------------------------------------------------------------------------------------

from_home fourth
check "(packed)" exits 75 ours -s hub --set="site hub.link=ssh://127.0.0.1:1"
: >"$authorized"
check "a key that the far end does not know" refused 77 'put our public key into authorized_keys'
cp "$work/good" "$authorized"
chmod 644 "$keys/id_ed25519"
check "a key that others can read" refused 78 'chmod 600'
chmod 600 "$keys/id_ed25519"
wrong() { exits 78 ours -s hub --set="site hub.key=$1" && said "$2" && kept; }
check "a key with a passphrase" wrong keys/locked 'has a passphrase'
check "an RSA key" wrong keys/rsa 'RSA would need SHA-1'
check "a public key" sh -c "cp '$keys/ecdsa.pub' '$keys/public'; chmod 600 '$keys/public'"
check "is no private one" wrong keys/public 'no private key'
ln -s id_ed25519 "$keys/link"
mkfifo -m 600 "$keys/fifo"
check "a symbolic link" wrong keys/link 'keys/link'
check "a FIFO" wrong keys/fifo 'not a regular file'
check "a key that is not there" wrong keys/none 'keys/none'

# ---- What runs there --------------------------------------------------------------------------------

force() { echo "restrict,command=\"$1\" $(cat "$keys/id_ed25519.pub")" >"$authorized"; }
force "echo bash: line 1: uucico-ssh: command not found"
check "a far end that is no UUCP" refused 76 'command not found'
check "with the line that it needs" said 'restrict,command='
force "echo bash: line 1: uucico-ssh: command not found >&2; exit 127"
check "the same on its standard error" refused 76 'command not found'
force /bin/true
check "a far end that closes at once" refused 75 'before a word of UUCP'
force "$MOCHILA_LIBEXEC/uucico-ssh -r0 --root=$hub"
check "a forced command that does not say who calls" refused 76 '--peer=SITE'
force "env SSH_ORIGINAL_COMMAND=--help $MOCHILA_LIBEXEC/uucico-ssh -r0 --root=$hub --peer=home"
check "what we ask for means nothing there" exits 0 ours -s hub --set="site hub.link=ssh://$(id -un)@127.0.0.1:$port/rm -rf /; \$(id)"
check "and the mail went" arrived "$hub" fourth
cp "$work/good" "$authorized"

# ---- A server with an RSA key only ----------------------------------------------------------------------

from_home fifth
check "(packed)" exits 75 ours -s hub --set="site hub.link=ssh://127.0.0.1:1"
stop "$sshd"
start_sshd "$work/sshd-rsa" "$port" "$authorized" rsa || skip "$why"
check "only an RSA host key" refused 76 'give it an ed25519 host key'
check "--host-key says so too" exits 76 uucico-ssh --host-key "ssh://127.0.0.1:$port"
stop "$sshd"
start_sshd "$work/sshd-ecdsa" "$port" "$authorized" ecdsa || skip "$why"
check "another kind of host key than the pinned one" refused 76 'no longer has the host key that is pinned'
uucico-ssh --host-key "ssh://127.0.0.1:$port" >>"$keys/known_hosts"
check "an ecdsa host key, pinned beside it" exits 0 ours -s hub
check "and the last mail went" arrived "$hub" fifth

# ---- Protocol m -------------------------------------------------------------------------------------------

sed -i 's/^protocols = .*/protocols = mi/' "$home/mochila.conf" "$hub/mochila.conf"
from_home by-m && from_hub back-by-m
check "two that speak m" exits 0 ours -s hub --wire-stats="$work/stats"
check "do so" sh -c "tail -n 1 '$work/stats' | grep -q protocol=m"
check "" arrived "$hub" by-m
check "" arrived "$home" back-by-m
from_home at-once && from_hub back-at-once
check "the next call waits for no banner" exits 0 ours -s hub
check "" arrived "$hub" at-once
check "" arrived "$home" back-at-once
{ printf 'Subject: %s\n\n' big-by-m; head -c 2000000 /dev/urandom | base64; } |
    MOCHILA_ROOT=$hub sendmail -f bob@hub.example ann@home.example
check "a large mail" exits 0 ours -s hub
check "" arrived "$home" big-by-m
finish
