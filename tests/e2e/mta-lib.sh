# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154	# $why, $inside are for callers; $peer, $work are lib.sh's
# mta-lib.sh - other people's mail systems, after lib.sh: unpacked by scripts/peers, not
# installed, and run in a mount namespace where they and their accounts are where they were
# built to be.  The machine outside sees nothing of it.

# inside_peer PACKAGE DIR ACCOUNT...: $inside, the words in front of a command.  1 and $why when
# it cannot be had here.  DIR/usr, where it exists, lies on top.
inside_peer() {
	inside_dir=$2
	test "$(id -u)" -eq 0 || { why="only root has a mount namespace with accounts of its own"; return 1; }
	peer "$1" || return 1
	mkdir -p "$inside_dir"
	cp /etc/passwd /etc/group "$inside_dir"
	shift 2
	inside_id=64900
	for inside_account; do
		sed -i "/^$inside_account:/d" "$inside_dir/passwd" "$inside_dir/group"	# this host may have it, too
		say "$inside_account:x:$inside_id:$inside_id::/:/bin/false" >>"$inside_dir/passwd"
		say "$inside_account:x:$inside_id:" >>"$inside_dir/group"
		inside_id=$((inside_id + 1))
	done
	chmod 644 "$inside_dir/passwd" "$inside_dir/group"
	inside_usr=$peer/usr
	test ! -d "$inside_dir/usr" || inside_usr=$inside_dir/usr:$inside_usr
	cat >"$inside_dir/inside" <<-END
		#!/bin/sh
		mount --bind "$inside_dir/passwd" /etc/passwd &&
		mount --bind "$inside_dir/group" /etc/group &&
		mount -t overlay peer -o "lowerdir=$inside_usr:/usr" /usr || exit 99
		test ! -d "$peer/lib" || test -L "$peer/lib" ||
		    mount -t overlay peer -o "lowerdir=$peer/lib:/usr/lib" /usr/lib || exit 99
		exec "\$@"
	END
	chmod 755 "$inside_dir/inside"
	inside="unshare -m --propagation private $inside_dir/inside"
	$inside true 2>"$inside_dir/why" && return 0
	why="no mount namespace with an overlay: $(tail -n 1 "$inside_dir/why")"
	return 1
}

# opensmtpd_folders: a script that runs its arguments where OpenSMTPD's folders are as it was built
# to have them, inside its namespace only.
opensmtpd_folders() {
	cat <<-'END'
		#!/bin/sh
		mkdir -p /var/spool /var/lib /run
		mount -t tmpfs -o mode=755 spool /var/spool && mount -t tmpfs -o mode=755 lib /var/lib &&
		mount -t tmpfs -o mode=755 run /run || exit 99
		mkdir -p -m 711 /var/spool/smtpd /var/lib/opensmtpd/empty /run/opensmtpd
		mkdir -m 700 /var/spool/smtpd/queue /var/spool/smtpd/corrupt /var/spool/smtpd/purge /var/spool/smtpd/temporary \
		    /var/spool/smtpd/incoming
		mkdir -m 770 /var/spool/smtpd/offline
		chown 64901:0 /var/spool/smtpd/queue /var/spool/smtpd/corrupt /var/spool/smtpd/purge /var/spool/smtpd/temporary \
		    /var/spool/smtpd/incoming
		chown 0:64901 /var/spool/smtpd/offline
		exec "$@"
	END
}
