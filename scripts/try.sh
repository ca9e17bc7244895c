# shellcheck shell=sh
# shellcheck disable=SC2016,SC2034,SC2154	# shells within expand; $work, $root are theirs, $why for them
# try.sh - what scripts/try-packages and scripts/try-systemd share.  Sourced behind scripts/lib.sh, by root,
# with $work set, a folder of their own, and $root, the Debian below it.

failures=0

# check WHAT COMMAND...: says whether it is so, and what was said where it is not.
check() {
	check_what=$1
	shift
	if "$@" >"$work/said" 2>&1; then
		say "ok: $check_what"
	else
		say "FAIL: $check_what ($*)"
		tail -n 12 "$work/said" | sed 's/^/	/'
		failures=$((failures + 1))
	fi
}

# ---- A root that systemd runs --------------------------------------------------------

# first: what becomes the first process of ROOT, on a host called NAME.  Of this machine it sees no device and
# changes no setting.
make_first() {
	cat >"$work/first" <<'END'
#!/bin/sh
# first ROOT NAME
cd "$1" && mount --bind . . && cd "$1" && mount -t proc proc proc && mount --bind proc/sys proc/sys &&
    mount -o remount,bind,ro proc/sys && mount -t sysfs -o ro sys sys && mount -t cgroup2 cgroup sys/fs/cgroup &&
    mount -t tmpfs -o mode=755 dev dev && mount -t tmpfs -o mode=755 run run || exit 1
for device in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "dev/${device%:*}" c 1 "${device#*:}" || exit 1; done
mknod -m 666 dev/tty c 5 0
mkdir dev/pts dev/shm run/old
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts && mount -t tmpfs -o mode=1777 shm dev/shm || exit 1
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for number in 0:stdin 1:stdout 2:stderr; do ln -s "fd/${number%:*}" "dev/${number#*:}"; done
echo "$2" >etc/hostname && hostname "$2" && pivot_root . run/old || exit 1
exec chroot . /bin/sh -c 'umount -l /run/old && rmdir /run/old &&
    exec env -i container=mochila PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=multi-user.target' </dev/null
END
}

# boot NAME: systemd as the first process of $root, in namespaces and a cgroup of its own, on a host called
# NAME; the first process as it is seen from here in $init.  1, and why in $why.
boot() {
	boot_group=mochila-try-$$
	mkdir -p "$work/cgroup"
	make_first
	start boot unshare --mount --propagation private sh -c '
		mount -t cgroup2 none "$1" && mkdir "$1/$2" && echo $$ >"$1/$2/cgroup.procs" &&
		exec unshare --cgroup --mount --pid --net --uts --ipc --fork --kill-child --propagation private sh "$3" "$4" "$5"' \
	    sh "$work/cgroup" "$boot_group" "$work/first" "$root" "$1"
	boot_pid=$pid init=
	wait_for 60 first_is_there
	test -n "$init" || { why="no systemd: $(tail -n 1 "$work/boot.log")"; return 1; }
	wait_for 60 in_booted systemctl is-system-running --wait >/dev/null 2>&1 ||
	    { why="systemd is $(in_booted systemctl is-system-running): $(in_booted systemctl --failed --plain --no-legend)"; return 1; }
}
first_is_there() {	# or will not be
	for init in $(descendants "$boot_pid"); do
		test "$(cat "/proc/$init/comm" 2>/dev/null)" != systemd || return 0
	done
	init=
	! kill -0 "$boot_pid" 2>/dev/null
}

# in_booted COMMAND...: there, as root.
in_booted() {
	nsenter --target "$init" --mount --pid --net --uts --ipc --cgroup --root --wd env -i \
	    PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# shut_down: as when somebody presses the button; 1 when it had to be killed.
shut_down() {
	kill -s RTMIN+4 "$init"
	wait_for 60 gone "$init"
}

# end_boot: all of it, and its cgroup; by force, as the first process is deaf to SIGTERM.
end_boot() {
	test -n "${boot_pid:-}" || return 0
	test -z "$init" || kill -KILL "$init" 2>/dev/null
	stop "$boot_pid"
	unshare --mount --propagation private sh -c 'mount -t cgroup2 none "$1" && find "$1/$2" -depth -type d -exec rmdir {} +' \
	    sh "$work/cgroup" "$boot_group" 2>/dev/null
}
