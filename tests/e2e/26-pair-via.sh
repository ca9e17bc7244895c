#!/bin/sh
# mochila pair --via: both sides paired by one's own ssh login, and a first call; and nothing
# is done where the host is not the one it seems.
# shellcheck disable=SC2317	# called by check
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
# With --enable-sanitizers: what libssh2 leaks must be known as such (lib/base/sandbox.c).
export ASAN_OPTIONS=fast_unwind_on_malloc=0
stage
need ssh ssh-keygen
me=$(id -un)
free_port
home=$work/home hub=$work/hub
make_site "$home" home
make_site "$hub" hub
printf '[routes]\nhub.example = site:hub\n' >>"$home/mochila.conf"
printf '[routes]\nhub.example = maildir:%s\n' "$work/mail" >>"$hub/mochila.conf"
ssh-keygen -q -t ed25519 -N '' -C me -f "$work/me"
authorized=$work/authorized_keys
cp "$work/me.pub" "$authorized"
# The host keys "in /etc/ssh" are the test's; cat is told so.
mkdir -p "$work/there" "$work/etc-ssh"
cat >"$work/there/cat" <<-END
	#!/bin/sh
	case \$1 in /etc/ssh/*) exec /bin/cat "$work"/etc-ssh/ssh_host_*_key.pub ;; esac
	exec /bin/cat "\$@"
END
chmod 755 "$work/there/cat"
sshd_more="PermitRootLogin prohibit-password
SetEnv MOCHILA_LIBEXEC=$MOCHILA_LIBEXEC MOCHILA_ROOT=$hub PATH=$work/there:$PATH"
start_sshd "$work/sshd" "$port" "$authorized" || skip "$why"
cp "$work"/sshd/ssh_host_*_key.pub "$work/etc-ssh/"
# The user's own ssh, which knows his key and not yet the host.
mkdir -p "$work/bin"
cat >"$work/bin/ssh" <<-END
	#!/bin/sh
	exec $(command -v ssh) -F none -i "$work/me" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "\$@"
END
chmod 755 "$work/bin/ssh"
PATH=$work/bin:$PATH
pair() { mochila --root="$home" pair "$@"; }
via=$me@127.0.0.1:$port
unchanged() { ! grep -q 'site hub' "$home/mochila.conf"; }

for wrong in '-oProxyCommand=x' 'nobody' "$me@127.0.0.1/x" 'a b@h' "@h"; do
	check "no login: $wrong" exits 64 pair hub --via "$wrong"
done
check "nor both sides and one" exits 64 pair hub --via "$via" --accept 'ssh-ed25519 AAAA'
check "nor a path with a quote" exits 64 pair hub --via "$via" --authorized-keys "a'b"
ssh-keygen -q -t ed25519 -N '' -C other -f "$work/other"
cp "$work/other.pub" "$work/etc-ssh/ssh_host_ed25519_key.pub"
check "a port that shows another key than the host has" exits 76 pair hub --via "$via" --authorized-keys "$authorized"
check "is told" said 'somebody is in between'
check "and changes nothing here" unchanged
cp "$work"/sshd/ssh_host_*_key.pub "$work/etc-ssh/"
check "no mochila there" sh -c "mv '$MOCHILA_LIBEXEC/mochila' '$MOCHILA_LIBEXEC/mochila-away'"
pair() { mochila-away --root="$home" pair "$@"; }
check "is told" exits 69 pair hub --via "$via" --authorized-keys "$authorized"
check "with what to look at" said 'on the PATH'
mv "$MOCHILA_LIBEXEC/mochila-away" "$MOCHILA_LIBEXEC/mochila"
pair() { mochila --root="$home" pair "$@"; }
check "paired" exits 0 pair hub --via "$via" --authorized-keys "$authorized"
check "it says that it has called" said 'and called it: all is well'
check "and shows the host key" said "$(ssh-keygen -lf "$work/sshd/ssh_host_ed25519_key.pub" | cut -d' ' -f2)"
check "and ours" said "$(ssh-keygen -lf "$home/keys/id_ed25519.pub" | cut -d' ' -f2)"
check "the key is let in for calls only" grep -q "^restrict,command=\".*--peer=home\" ssh-ed25519 " "$authorized"
check "the link is written" grep -q "^link = ssh://$via" "$home/mochila.conf"
check "and the site there" grep -q '^\[site home\]' "$hub/mochila.conf"
check "again, nothing is changed" exits 0 pair hub --via "$via" --authorized-keys "$authorized"
check "and the key is there once" test "$(grep -c 'peer=home' "$authorized")" -eq 1
from_home mail
check "mail goes" exits 0 ours -s hub
check "and is there" arrived "$hub" mail
finish
