#!/bin/sh
# Ways to an ssh server that are not straight: through a proxy, a jump host, by IPv6, to a
# dropbear, past a banner and a motd, over keys that change in the middle of a large mail.
# shellcheck disable=SC2317	# called by check
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
# With --enable-sanitizers: what libssh2 leaks must be known as such (lib/base/sandbox.c).
export ASAN_OPTIONS=fast_unwind_on_malloc=0
stage
need ssh-keygen ssh
me=$(id -un)
free_port
two_sites "$work" "ssh://$me@127.0.0.1:$port"
keys=$home/keys
authorized=$work/authorized_keys
ours --new-key >/dev/null
forced() { echo "restrict,command=\"$MOCHILA_LIBEXEC/uucico-ssh -r0 --root=$hub --peer=home\" $(cat "$keys/id_ed25519.pub")"; }
forced >"$authorized"
printf 'Welcome to hub.\nAll is watched.\n' >"$work/banner"
sshd_more="LogLevel DEBUG1
ListenAddress ::1
RekeyLimit 256K
Banner $work/banner"
start_sshd "$work/sshd" "$port" "$authorized" || skip "$why"
sshd_more=
ours --host-key "ssh://127.0.0.1:$port" >"$keys/known_hosts"
by() { exits 0 ours -s hub "$@"; }

# ---- The far end itself ------------------------------------------------------------------

large() { { printf 'Subject: %s\n\n' "$1"; head -c 1500000 /dev/urandom | base64; } | MOCHILA_ROOT=$2 sendmail -f "$3" "$4"; }
check "a large mail waits here" large large "$home" ann@home.example bob@hub.example
check "and there" large large-back "$hub" bob@hub.example ann@home.example
check "a call past a banner, in which the keys change" by -v
check "its login was one flight" said login=quick
check "brought ours" arrived "$hub" large
check "and theirs" arrived "$home" large-back
changes() { grep -c 'rekeying' "$work/sshd/sshd.log"; }
changed=$(changes)
check "they did change" test "$changed" -gt 4
check "more waits here" large large-again "$home" ann@home.example bob@hub.example
check "a call by libssh2" by --set="site hub.quick-login=no"
check "brought it" arrived "$hub" large-again
check "keys changed" test "$(changes)" -gt "$changed"
forced | sed 's|command="|command="echo Last login: never; echo; echo Be good.; exec |' >"$authorized"
from_home motd
check "a motd before the first word" by
check "is passed over" arrived "$hub" motd
forced >"$authorized"
if ssh-keyscan -T 5 -p "$port" ::1 2>/dev/null | grep -q ssh-; then
	ours --host-key "ssh://[::1]:$port" >>"$keys/known_hosts"
	from_home six
	check "a call by IPv6" by "--set=site hub.link=ssh://$me@[::1]:$port"
	check "brings the mail" arrived "$hub" six
fi
cp "$keys/known_hosts" "$work/plain"
ssh-keygen -q -H -f "$keys/known_hosts" >/dev/null 2>&1
check "names in known_hosts that are hashed, with a port" sh -c "grep -q '^|1|' '$keys/known_hosts' && ! grep -q '^[[]127.0.0.1' '$keys/known_hosts'"
from_home hashed
check "are found" by
check "and the mail is there" arrived "$hub" hashed
rm -f "$keys/known_hosts.old"
cp "$keys/known_hosts" "$work/hashed"
awk '{ print "@revoked somewhere.example", $2, $3 }' "$work/plain" >>"$keys/known_hosts"
for way in yes no; do
	check "a key that is revoked there is nobody's any more (quick-login = $way)" exits 76 ours -s hub "--set=site hub.quick-login=$way"
	check "which is said" said "is revoked by"
done
cp "$work/hashed" "$keys/known_hosts"

# ---- What an empty call costs -------------------------------------------------------------

# A line on which a byte takes a while; stock sshd but for its banner.  The first call by m is one
# of strangers, the second is what they say ever after.
start meter "$build/tests/e2e/meter" "$work/meter.port" "$port" 200 "$work/metered"
check "a long line" wait_for 60 test -s "$work/meter.port"
ours --host-key "ssh://127.0.0.1:$(cat "$work/meter.port")" >>"$keys/known_hosts"
check "(metered)" wait_for 60 test -s "$work/metered"
sed -i 's/^protocols = .*/protocols = m/' "$hub/mochila.conf"
metered() {
	rm -f "$work/metered"
	by --set="site hub.protocols=m" "--set=site hub.link=ssh://$me@127.0.0.1:$(cat "$work/meter.port")" &&
	    wait_for 60 test -s "$work/metered"
}
check "an empty call over it" metered
check "and the next one" metered
# Goodbye takes a turn of the line, in which what came is settled.
from_hub settled-early
check "a call with a mail" metered
check "which is there once" arrived "$home" settled-early
check "is where it belongs before the call is over" settled_in_call "$home" hub settled-early
check "an empty call again" metered
sed -i 's/^protocols = .*/protocols = ietygGv/' "$hub/mochila.conf"
say "an empty call: $(cat "$work/metered")"
# What comes down is sshd's own, and as long as the path of its authorized_keys is.  Turns: banner,
# ours and keys, login, signature and channel, command, what is said, goodbye.
bytes=$(sed -n '1s/up=\([0-9]*\) .*/\1/p' "$work/metered")
turns=$(sed -n '1s/.* turns=\([0-9]*\).*/\1/p' "$work/metered")
check "costs no more bytes up than it did" test "$bytes" -le 1250
check "and no more turns of the line" test "$turns" -le 10
stop "$pid"
# A server that was set up unlike others.
sshd_more="Ciphers aes256-ctr
MACs hmac-sha2-512
KexAlgorithms ecdh-sha2-nistp384"
far_port=$port
free_port
start_sshd "$work/sshd-strict" "$port" "$authorized" || skip "$why"
sshd_more=
ours --host-key "ssh://127.0.0.1:$port" >>"$keys/known_hosts"
check "a server that takes other algorithms" by "--set=site hub.link=ssh://$me@127.0.0.1:$port"
stop "$sshd"
port=$far_port

# ---- A jump host ---------------------------------------------------------------------------

free_port
jump_port=$port
echo "restrict,port-forwarding,permitopen=\"127.0.0.1:$(sed -n 's/^.*Port //p' "$work/sshd/sshd_config")\",command=\"/bin/false\" $(cat "$keys/id_ed25519.pub")" >"$work/jump_keys"
sshd_more="LogLevel DEBUG1"
start_sshd "$work/jump" "$jump_port" "$work/jump_keys" || skip "$why"
sshd_more=
from_home jump-one
jump="--set=site hub.jump=$me@127.0.0.1:$jump_port"
check "a jump host that is not pinned" exits 76 ours -s hub "$jump"
check "is told as such" said "jump = $me@127.0.0.1:$jump_port"
ours --host-key "ssh://127.0.0.1:$jump_port" >>"$keys/known_hosts"
check "a call through it" by "$jump"
check "brought the mail" arrived "$hub" jump-one
check "and went through" grep -q 'direct-tcpip' "$work/jump/sshd.log"
check "a large mail waits here" large jump-large "$home" ann@home.example bob@hub.example
check "and there" large jump-back "$hub" bob@hub.example ann@home.example
check "a call through it" by "$jump"
check "brought ours" arrived "$hub" jump-large
check "and theirs" arrived "$home" jump-back
from_home jump-agent
eval "$(ssh-agent -s)" >/dev/null
trap 'stop_all; kill "$SSH_AGENT_PID"' EXIT
ssh-add -q "$keys/id_ed25519" 2>/dev/null
mv "$keys/id_ed25519" "$work/id"
check "with an agent's key for both" by "$jump"
mv "$work/id" "$keys/id_ed25519"
kill "$SSH_AGENT_PID"
trap stop_all EXIT
unset SSH_AUTH_SOCK
check "brought the mail" arrived "$hub" jump-agent
check "where the way is not permitted" exits 75 ours -s hub "$jump" "--set=site hub.link=ssh://$me@127.0.0.1:1"
check "it says what is needed" said 'permitopen="127.0.0.1:1"'
ours --new-key "$keys/other" >/dev/null
check "a key that the jump host does not know" exits 77 ours -s hub "$jump" "--set=site hub.jump-key=keys/other"
ours --host-key "ssh://127.0.0.1:$jump_port" >"$keys/known_hosts"
check "an unknown far end behind it" exits 76 ours -s hub "$jump"
check "its key can be had" exits 0 ours --host-key "ssh://127.0.0.1:$(sed -n 's/^.*Port //p' "$work/sshd/sshd_config")" -s hub "$jump"
check "and is the far end's" said "$(cut -d' ' -f2 "$work/sshd/ssh_host_ed25519_key.pub")"
cat "$work/plain" >>"$keys/known_hosts"

# ---- Proxies ----------------------------------------------------------------------------------

free_port
start socks ssh -F none -N -D "127.0.0.1:$port" -p "$jump_port" -i "$keys/id_ed25519" -o StrictHostKeyChecking=no \
    -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ExitOnForwardFailure=yes "$me@127.0.0.1"
check "OpenSSH as a proxy" wait_for 60 listening "$port"
for kind in socks4a socks5; do
	from_home "by-$kind"
	check "a call by $kind" by "--set=site hub.proxy=$kind://127.0.0.1:$port"
	check "brought the mail" arrived "$hub" "by-$kind"
	check "by it, which may go nowhere else" exits 75 ours -s hub "--set=site hub.proxy=$kind://127.0.0.1:$port" \
	    "--set=site hub.link=ssh://$me@127.0.0.1:1"
done
stop "$pid"
check "a proxy that is not there" exits 75 ours -s hub "--set=site hub.proxy=socks5://127.0.0.1:$port"
check "is told" said "the proxy 127.0.0.1:$port refuses the connection"
if peer microsocks; then
	free_port
	start micro env LD_LIBRARY_PATH="$peer_libs" "$peer/usr/bin/microsocks" -i 127.0.0.1 -p "$port" -u me -P secret
	check "microsocks, with a login" wait_for 60 listening "$port"
	echo "me secret" >"$home/proxy-login"
	chmod 600 "$home/proxy-login"
	from_home by-login
	proxy="--set=site hub.proxy=socks5://127.0.0.1:$port"
	check "without one" exits 78 ours -s hub "$proxy"
	check "is told" said 'wants a name and a password'
	check "with it" by "$proxy" "--set=site hub.proxy-login=proxy-login"
	check "the mail is there" arrived "$hub" by-login
	from_home by-both
	check "and to the jump host, and through that" by "$proxy" "--set=site hub.proxy-login=proxy-login" "$jump"
	check "the mail is there" arrived "$hub" by-both
	echo "me wrong" >"$home/proxy-login"
	check "a wrong one" exits 78 ours -s hub "$proxy" "--set=site hub.proxy-login=proxy-login"
	stop "$pid"
else
	say "microsocks cannot be had: $why"
fi

# ---- dropbear ---------------------------------------------------------------------------------------

# It wants its keys in the account's home, which only a mount of our own can make ours.
if test "$(id -u)" -eq 0 && peer dropbear-bin && mounts_of_own "$work"; then
	mkdir -p "$work/drop/.ssh"
	chmod 700 "$work" "$work/drop" "$work/drop/.ssh"
	forced | sed "s|command=\"|&env MOCHILA_LIBEXEC=$MOCHILA_LIBEXEC |" >"$work/drop/.ssh/authorized_keys"
	sed "s|^root:[^:]*:0:0:[^:]*:[^:]*:|root:*:0:0:root:$work/drop:|" /etc/passwd >"$work/drop/passwd"
	LD_LIBRARY_PATH="$peer_libs" "$peer/usr/bin/dropbearkey" -t ed25519 -f "$work/drop/key" >/dev/null 2>&1
	cat >"$work/drop/run" <<-END
		#!/bin/sh
		mount --bind "$work/drop/passwd" /etc/passwd && exec env LD_LIBRARY_PATH="$peer_libs" "\$@"
	END
	chmod 755 "$work/drop/run"
	free_port
	# shellcheck disable=SC2086	# words
	start dropbear $mounts_in "$work/drop/run" "$peer/usr/sbin/dropbear" -F -E -s -r "$work/drop/key" \
	    -P "$work/drop/pid" -p "127.0.0.1:$port"
	check "dropbear as the far end" wait_for 60 listening "$port"
	ours --host-key "ssh://127.0.0.1:$port" >>"$keys/known_hosts"
	check "a large mail waits here" large drop "$home" ann@home.example bob@hub.example
	check "and there" large drop-back "$hub" bob@hub.example ann@home.example
	check "a call to it" by -v "--set=site hub.link=ssh://root@127.0.0.1:$port"
	check "brought ours" arrived "$hub" drop
	check "and theirs" arrived "$home" drop-back
	check "its login was one flight" said login=quick
	from_home drop-slowly
	check "a call to it by libssh2" by --set="site hub.quick-login=no" "--set=site hub.link=ssh://root@127.0.0.1:$port"
	check "brings the mail" arrived "$hub" drop-slowly
	stop "$pid"
fi

# ---- The answering side -----------------------------------------------------------------------------

check "what the caller asked sshd for means nothing" sh -c "printf '' | SSH_ORIGINAL_COMMAND='uucico-ssh --help' '$MOCHILA_LIBEXEC/uucico-ssh' -r0 --peer=home --root='$hub' 2>/dev/null | tr -d '\\000\\020' | grep -qx 'Shere=hub'"
no_jobs() { ! pgrep -f -- "--root=($hub|$home)( |\$)" >/dev/null; }
check "what calls left to be done is done" wait_for 60 no_jobs
before=$(find "$hub/spool" -type f ! -path '*/log/*' | wc -l)
mkfifo "$work/in" "$work/out"
"$MOCHILA_LIBEXEC/uucico-ssh" -r0 --peer=home --root="$hub" <"$work/in" >"$work/out" 2>/dev/null &
answering=$!
exec 7>"$work/in" 8<"$work/out"
printf '\020Shome -R -N047\000' >&7
head -c 11 <&8 >/dev/null
exec 7>&- 8<&-		# both pipes die
answered() { ! kill -0 "$answering" 2>/dev/null; }
check "when the pipe dies it ends" wait_for 60 answered
wait "$answering"
check "with try again later" test $? -eq 75
check "and leaves nothing behind" test "$(find "$hub/spool" -type f ! -path '*/log/*' | wc -l)" -eq "$before"
check "nor a lock" exits 0 ours -s hub
"$MOCHILA_LIBEXEC/uucico-ssh" -r0 --peer=home --root="$hub" <"$work/in" >"$work/out" 2>"$work/errors" &
answering=$!
exec 7>"$work/in" 8<"$work/out"
head -c 5 <&8 >/dev/null
exec 8<&-
(printf '\020Shome -R -N047\000\020Ui\000' >&7) 2>/dev/null
check "when only the way back dies it ends, too" wait_for 60 answered
wait "$answering"
check "with the same" test $? -eq 75
exec 7>&-
finish
