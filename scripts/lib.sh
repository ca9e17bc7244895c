# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154	# $why, $sshd are for callers; $top, $build are theirs
# lib.sh - what scripts/demo, scripts/check and the end-to-end tests share: run
# programs in the background and end them, find a free port, run a real sshd.
# Sourced, with $top (the source tree) and $build (where it was built) set.

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# ---- What is needed, and building it ------------------------------------------------

# Debian's names.  Building and the demo need the first; the tests use the second where
# they are there, and say so where they are not.
build_packages='build-essential autoconf automake pkg-config libssh2-1-dev zlib1g-dev libbz2-dev libzstd-dev libssl-dev
	libevent-dev libc-ares-dev libjansson-dev libgsasl-dev libspf2-dev libpam0g-dev check openssh-client procps'
# What scripts/package needs beyond them, and scripts/try-packages beyond these.
package_packages='debhelper dh-apparmor po-debconf fakeroot lintian'
root_packages='debootstrap'
# What scripts/musl needs.
musl_packages='musl-tools libtool'
musl_cross_packages='gcc-arm-linux-gnueabihf libc6-dev-armhf-cross linux-libc-dev-armhf-cross'
test_packages='strace shellcheck mandoc groff-base valgrind python3 zstd'

# missing PACKAGE...: those that are not installed.
missing() {
	command -v dpkg-query >/dev/null || return 0	# another system: configure will say
	for package; do
		case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
		ii*) ;;
		*) printf ' %s' "$package" ;;
		esac
	done
}

# as_root COMMAND...: by sudo when we are not root; 1 when there is neither.
as_root() {
	if test "$(id -u)" -eq 0; then
		"$@"
	elif command -v sudo >/dev/null && { test -t 0 || sudo -n true 2>/dev/null; }; then
		sudo "$@"
	else
		return 1
	fi
}

# bring PACKAGE...: installs what is missing.  This is the only step that needs root.
bring() {
	bring_wanted=$(missing "$@")
	test -n "$bring_wanted" || return 0
	say "Installing what is missing:$bring_wanted"
	# shellcheck disable=SC2086	# one word a package
	as_root sh -c 'export DEBIAN_FRONTEND=noninteractive
		install() { apt-get -q -q -y --no-install-recommends install "$@" >/dev/null; }
		install "$@" 2>/dev/null || { apt-get -q -q update && install "$@"; }' sh $bring_wanted
}

# bring_to_build: what the build needs, or the one line that brings it.
bring_to_build() {
	# shellcheck disable=SC2086	# one word a package
	bring $build_packages && return 0
	# shellcheck disable=SC2046,SC2086
	set -- $(missing $build_packages)
	test $# -eq 0 || die "these packages are missing, and there is no root or sudo to bring them:
    apt-get install $*"
}

# From here on nothing needs root, and a tree that belongs to somebody is built as its
# owner, so that "sudo scripts/check" leaves no file there that they cannot remove.
as_owner() {
	owner=$(stat -c %U "$top")
	test "$(id -u)" -eq 0 && test "$owner" != root || return 0
	case $(getent passwd "$owner") in
	'' | */nologin | */false) return 0 ;;
	esac
	exec setpriv --reuid "$owner" --regid "$(id -g "$owner")" --init-groups \
	    env HOME="$(getent passwd "$owner" | cut -d: -f6)" USER="$owner" "$0" "$@"
}

# build TARGET...: configures when needed, in $build, and makes; quiet while all is well.
build() {
	mkdir -p "$build" || return 1
	if ! test -x "$top/configure" || test -n "$(find "$top" -path "$build" -prune -o \( \
	    -name configure.ac -o -name Makefile.am -o -name '*.mk' \) -newer "$top/configure" -print)"; then
		(cd "$top" && ./autogen.sh) >"$build/autogen.log" 2>&1 ||
		    { tail -n 20 "$build/autogen.log" >&2; return 1; }
	fi
	test -f "$build/Makefile" || (cd "$build" && "$top/configure" -q ${configure_with:+"$configure_with"}) || return 1
	make -C "$build" -s -j"$(nproc)" "$@" >"$build/build.log" 2>&1 ||
	    { tail -n 30 "$build/build.log" >&2; return 1; }
}

# ---- Programs in the background --------------------------------------------------

started=		# pids, newest first

# start NAME COMMAND...: in the background, its words in $work/NAME.log; the pid in $pid.
start() {
	start_name=$1
	shift
	"$@" >>"$work/$start_name.log" 2>&1 </dev/null &
	pid=$!
	started="$pid $started"
}

# descendants PID: it and all below it, as /proc knows them, parents first.
descendants() {
	printf '%s ' "$1"
	# shellcheck disable=SC2013	# words, one a child
	for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		descendants "$child"
	done
}

# stop PID: ends what start() began, and its children, and waits for them: SIGTERM, and
# SIGKILL for what is still there after 10 seconds.
stop() {
	stop_family=$(descendants "$1")
	# shellcheck disable=SC2086	# one word a pid
	kill $stop_family 2>/dev/null
	wait "$1" 2>/dev/null
	wait_for 10 gone "$stop_family" ||
	    for stop_pid in $stop_family; do kill -KILL "$stop_pid" 2>/dev/null; done
	stop_rest=
	for stop_pid in $started; do
		test "$stop_pid" = "$1" || stop_rest="$stop_rest $stop_pid"
	done
	started=$stop_rest
}
gone() {
	for gone_pid in $1; do
		! kill -0 "$gone_pid" 2>/dev/null || return 1
	done
}

stop_all() {
	for stop_each in $started; do
		stop "$stop_each"
	done
}

# Ends what was started, however the script ends.
trap_cleanup() {
	trap 'stop_all' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# wait_for SECONDS COMMAND...: until it succeeds; 1 when the time is over.
wait_for() {
	wait_left=$(($1 * 10))
	shift
	until "$@"; do
		test $wait_left -gt 0 || return 1
		wait_left=$((wait_left - 1))
		sleep 0.1
	done
}

# ---- Ports -----------------------------------------------------------------------

# True when something listens on 127.0.0.1:PORT (or on every address).
listening() {
	grep -q "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$1") [0-9A-F:]* 0A " \
	    /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# free_port: one below the range from which the kernel hands out ports of itself,
# reserved against others of this build by a folder; into $port.
free_port() {
	mkdir -p "$build/tests/out/ports"
	while :; do
		port=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
		grep -q "^ *[0-9]*: [0-9A-F]*:$(printf %04X $port) " /proc/net/tcp /proc/net/tcp6 \
		    2>/dev/null && continue
		find "$build/tests/out/ports" -name $port -mmin +60 -exec rmdir {} + 2>/dev/null
		mkdir "$build/tests/out/ports/$port" 2>/dev/null && return 0
	done
}

# ---- The programs just built ---------------------------------------------------------

# of_make VARIABLE...: what the build's Makefile says of each, a line each.
of_make() {
	{
		say 'include Makefile'
		for of_make_name; do say "of-make:: ; @echo of-make: '\$($of_make_name)'"; done
	} | MAKEFLAGS='' make -s -C "$build" -f - of-make | sed -n 's/^of-make: *//p'
}

# stage_programs DIR: DIR becomes what make install would make libexec/mochila: links to the
# programs in the build, under every name they go by.
stage_programs() {
	mkdir -p "$1"
	for stage_at in $(of_make bin_PROGRAMS sbin_PROGRAMS pkglibexec_PROGRAMS ALIASES); do
		case $stage_at in
		*:*) ln -sf "${stage_at%:*}" "$1/${stage_at#*:}" ;;
		*) ln -sf "$build/$stage_at" "$1/${stage_at##*/}" ;;
		esac
	done
	cp -f "$top"/bsmtp/dictionary/*.dict "$1"
	MOCHILA_LIBEXEC=$1 PATH=$1:$PATH
	export MOCHILA_LIBEXEC PATH
}

# stage_with PROGRAM NAME=VALUE...: staged, PROGRAM ("relay/mochila-settle") finds that in its
# environment, which who starts it cleans.
stage_with() {
	stage_program=$build/$1 stage_as=$MOCHILA_LIBEXEC/${1##*/}
	shift
	rm -f "$stage_as"
	{
		say '#!/bin/sh'
		for stage_word; do say "export '$stage_word'"; done
		say "exec '$stage_program' \"\$@\""
	} >"$stage_as"
	chmod 755 "$stage_as"
}

# ---- Comparing what arrived with what was sent ---------------------------------------

# split_mbox MBOX DIR: its messages as DIR/000001 ..., by the rules of mbox(5): a From_ line
# begins a message at the start or behind an empty line, which is not the message's; ">From"
# loses its ">".  Line ends become LF, as everywhere outside SMTP.
split_mbox() {
	mkdir -p "$2"
	LC_ALL=C awk -v dir="$2" '
		{ sub(/\r$/, "") }
		/^From / && (NR == 1 || blank) {
			if (file != "") close(file)
			file = sprintf("%s/%06d", dir, ++n)
			printf "" >file
			blank = 0
			next
		}
		file == "" { exit 1 }
		blank { print "" >file }
		{ blank = $0 == "" }
		blank { next }
		/^>+From / { $0 = substr($0, 2) }
		{ print >file }' "$1"
}

# body FILE: what stands behind the first empty line.
body() { sed '0,/^\r\{0,1\}$/d' "$1"; }

# body_sums DIR OUT: "SHA-256 NAME" of the body of each file below.
body_sums() {
	(cd "$1" && find . -type f ! -name '.*' | sort | while read -r sums_file; do
		say "$(body "$sums_file" | sha256sum | cut -d' ' -f1) ${sums_file#./}"
	done) >"$2"
}

# came_whole ORIGINAL DELIVERED: the same bytes, but for trace fields on top; their number
# of lines in $added.
came_whole() {
	whole_size=$(stat -c %s "$1")
	whole_more=$(($(stat -c %s "$2") - whole_size))
	test "$whole_more" -ge 0 && tail -c "$whole_size" "$2" | cmp -s - "$1" || return 1
	added=$(head -c "$whole_more" "$2" | grep -c '')
	! head -c "$whole_more" "$2" | grep -qvE '^(Return-Path|Delivered-To|Received):|^[[:blank:]]'
}

# compare ORIGINALS DELIVERED: each original is there once and whole, and nothing else.  Says
# what is not so; the number of those that are in $same, of the others in $different.
compare() {
	same=0 different=0
	body_sums "$1" "$work/.sums-sent"
	body_sums "$2" "$work/.sums-got"
	cp "$work/.sums-got" "$work/.sums-left"
	while read -r sum original; do
		found=
		# shellcheck disable=SC2013	# names have no blanks
		for got in $(sed -n "s/^$sum //p" "$work/.sums-left"); do
			came_whole "$1/$original" "$2/$got" && found=$got && break
		done
		if test -n "$found"; then
			same=$((same + 1))
			grep -vF "$sum $found" "$work/.sums-left" >"$work/.sums-next"
			mv "$work/.sums-next" "$work/.sums-left"
		else
			different=$((different + 1))
			say "not found unchanged: $1/$original"
		fi
	done <"$work/.sums-sent"
	while read -r sum got; do
		different=$((different + 1))
		say "nobody sent this: $2/$got"
	done <"$work/.sums-left"
	test $different -eq 0
}

# ---- Peers: Debian packages, unpacked and not installed ----------------------------

# peers_folder: where they are; a build below another (distcheck) uses the cache above.
peers_folder() {
	if test -z "${MOCHILA_PEERS:-}"; then
		for peers_at in "$top" "$build" "$build/.." "$build/../.." "$build/../../.."; do
			test -d "$peers_at/.cache/peers" && break
			peers_at=
		done
		if test -n "$peers_at"; then
			MOCHILA_PEERS=$(cd "$peers_at" && pwd)/.cache/peers
		elif test -w "$top"; then
			MOCHILA_PEERS=$top/.cache/peers
		else
			MOCHILA_PEERS=$build/tests/out/peers
		fi
		export MOCHILA_PEERS
	fi
}

# peer NAME: fetched when it is not there; its root in $peer, its libraries in
# $peer_libs (for LD_LIBRARY_PATH).  1, with the reason in $why, when it cannot be had.
peer() {
	peers_folder
	why=$("$top/scripts/peers" "$1" 2>&1) || return 1
	peer=$MOCHILA_PEERS/$1
	peer_libs=
	for peer_lib in "$peer"/lib/*-linux-* "$peer"/usr/lib/*-linux-* "$peer"/usr/lib/*-linux-*/*/; do
		test -d "$peer_lib" && peer_libs=$peer_libs${peer_libs:+:}$peer_lib
	done
	return 0
}

# ---- A real sshd --------------------------------------------------------------------

# start_sshd DIR PORT AUTHORIZED_KEYS [HOST-KEY-TYPE]: OpenSSH's own, from the unpacked
# package: keys only, forced commands, loopback, as the calling user, all its files in
# DIR (sshd_config, ssh_host_TYPE_key, sshd.log).  Its pid is in $sshd.  1 and $why when it
# cannot run here.  What MOCHILA_LIBEXEC says is handed to the commands it runs; $sshd_more is
# more of its configuration, and counts first.
start_sshd() {
	sshd_dir=$1 sshd_port=$2 sshd_type=${4:-ed25519}
	sshd_shell=$(getent passwd "$(id -u)" | cut -d: -f7)
	case $sshd_shell in
	*/nologin | */false) why="user $(id -un) has no login shell, so sshd turns them away"; return 1 ;;
	esac
	peer openssh-server || return 1
	mkdir -p "$sshd_dir" && chmod 700 "$sshd_dir"
	test -f "$sshd_dir/ssh_host_${sshd_type}_key" ||
	    ssh-keygen -q -t "$sshd_type" -N '' -C "mochila" -f "$sshd_dir/ssh_host_${sshd_type}_key"
	cat >"$sshd_dir/sshd_config" <<-END
		${sshd_more:-}
		Port $sshd_port
		ListenAddress 127.0.0.1
		HostKey $sshd_dir/ssh_host_${sshd_type}_key
		PidFile $sshd_dir/sshd.pid
		AuthorizedKeysFile $3
		AuthenticationMethods publickey
		PermitRootLogin forced-commands-only
		StrictModes no
		UsePAM no
		PrintMotd no
		LogLevel VERBOSE
		${MOCHILA_LIBEXEC:+SetEnv MOCHILA_LIBEXEC=$MOCHILA_LIBEXEC}
	END
	sshd_how || return 1
	start_work=$work work=$sshd_dir
	# shellcheck disable=SC2086	# $sshd_in is words
	start sshd $sshd_in env ${peer_libs:+LD_LIBRARY_PATH="$peer_libs"} \
	    "$peer/usr/sbin/sshd" -D -e -f "$sshd_dir/sshd_config"
	work=$start_work
	sshd=$pid
	wait_for 10 sshd_settled && listening "$sshd_port" && return 0
	why="sshd did not start: $(tail -n 1 "$sshd_dir/sshd.log")"
	return 1
}
sshd_settled() { listening "$sshd_port" || ! kill -0 "$sshd" 2>/dev/null; }

# For root, sshd wants a user "sshd" and a folder /run/sshd (both compiled in).  It gets them
# in a mount namespace of its own, so that the machine keeps its /etc and /run.  There root has an empty
# home and a plain shell: what his own shell does at each login (bash reads .bashrc) is no part of a test.
# Sets $sshd_in, the words in front of the command.
sshd_how() {
	sshd_in=
	test "$(id -u)" -eq 0 || return 0
	mkdir -p "$sshd_dir/login"
	awk -F : -v OFS=: -v login="$sshd_dir/login" '$3 == 0 { $6 = login; $7 = "/bin/sh" } { print }' /etc/passwd >"$sshd_dir/passwd"
	grep -q ^sshd: "$sshd_dir/passwd" ||
	    say "sshd:x:64999:65534:sshd:/run/sshd:/usr/sbin/nologin" >>"$sshd_dir/passwd"
	# A locked root ("!") may not come in by key either; a "*" may.
	(umask 077 && sed 's/^root:[^:]*:/root:*:/' /etc/shadow >"$sshd_dir/shadow")
	cat >"$sshd_dir/in-namespace" <<-END
		#!/bin/sh
		mount --bind "$sshd_dir/passwd" /etc/passwd && mount --bind "$sshd_dir/shadow" /etc/shadow &&
		mount -t tmpfs -o mode=755 sshd /run && mkdir -m 755 /run/sshd && exec "\$@"
	END
	chmod 755 "$sshd_dir/in-namespace"
	mounts_of_own "$sshd_dir" ||
	    { why="root may not make a mount namespace here, which sshd needs for its user and /run/sshd"; return 1; }
	sshd_in="$mounts_in $sshd_dir/in-namespace"
}

# mounts_of_own DIR: the words in front of a command that is to have a mount namespace of its
# own, in $mounts_in; 1 when that cannot be had.  DIR is for a trial.
mounts_of_own() {
	for mounts_way in private unchanged; do
		mounts_in="unshare -m --propagation $mounts_way"
		! namespace_is_ours "$mounts_way" "$1" || return 0
	done
	return 1
}

# A chroot cannot ask for private mounts ("/" is no mount point there), but mostly has
# them: so a mount is tried, and must not be seen by us outside.
namespace_is_ours() {
	mkdir -p "$2/probe"
	# shellcheck disable=SC2016	# the inner shell expands it
	unshare -m --propagation "$1" sh -c '
		mount -t tmpfs probe "$1" && touch "$1/inside" || exit 1
		test ! -e "/proc/$2/root$1/inside"
		seen=$?
		umount "$1"
		exit $seen' sh "$2/probe" $$ 2>/dev/null
}

# ---- A root of its own ---------------------------------------------------------------

# fresh_root DIR: a minimal Debian 12 there, which knows this machine's mirror and starts no service.
# What was fetched is kept beside the peers for the next time.  Root only; 1 and $why.
fresh_root() {
	test "$(id -u)" -eq 0 || { why="only root can make a root"; return 1; }
	# shellcheck disable=SC2086	# one word a package
	bring $root_packages || { why="debootstrap is missing"; return 1; }
	peers_folder
	fresh_kept=$MOCHILA_PEERS/../bookworm.tar
	mkdir -p "$1" "$MOCHILA_PEERS" || return 1
	if ! test -f "$fresh_kept"; then
		debootstrap --variant=minbase --include=ca-certificates bookworm "$1" >"$1.log" 2>&1 ||
		    { why="debootstrap failed: $(tail -n 1 "$1.log")"; return 1; }
		tar -C "$1" -cf "$fresh_kept.$$" . && mv "$fresh_kept.$$" "$fresh_kept" || return 1
	else
		tar -C "$1" -xf "$fresh_kept" || return 1
	fi
	rm -f "$1/etc/apt/sources.list"
	cp /etc/apt/sources.list "$1/etc/apt/sources.list" 2>/dev/null
	cp /etc/apt/sources.list.d/* "$1/etc/apt/sources.list.d/" 2>/dev/null
	cp /etc/apt/apt.conf.d/*proxy* "$1/etc/apt/apt.conf.d/" 2>/dev/null
	cp /etc/resolv.conf "$1/etc/resolv.conf"
	printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
	chmod 755 "$1/usr/sbin/policy-rc.d"
}

# in_root DIR COMMAND...: there, with /proc, /dev and processes of its own, all ended with it; and with us, behind
# trap_cleanup: a shell that waits for a background process hears a signal, in front of another it does not.
in_root() {
	in_root=$1
	shift
	exec 3<&0	# a background process has no other standard input than one that is named so
	# shellcheck disable=SC2016	# the inner shell expands it
	unshare --mount --pid --fork --kill-child --propagation private sh -c '
		mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" || exit 99
		chroot "$0" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		    ${http_proxy:+http_proxy="$http_proxy"} "$@"
		exit $?' "$in_root" "$@" <&3 3<&- &	# it stays, as the first process: whose parents die is its child
	in_root_pid=$!
	exec 3<&-
	started="$in_root_pid $started"
	wait $in_root_pid
	in_root_status=$?
	started=${started#"$in_root_pid "}
	return $in_root_status
}
