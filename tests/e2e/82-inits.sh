#!/bin/sh
# What starts the programs on other systems is run as those run it: OpenRC itself runs its script; procd's script and
# OpenWrt's hotplug run with their functions played; units read by systemd-analyze, logrotate's lines by
# logrotate, the profile by apparmor_parser, where they can be had.
# shellcheck disable=SC2317,SC2031,SC2013	# functions are called by what is sourced, in subshells; words are words
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/mta-lib.sh
. "$top/tests/e2e/mta-lib.sh"
stage
packages=$top/scripts/packages examples=$top/scripts/examples
cd "$work" || exit 99
said() { grep -qxF -e "$1" told || { sed 's/^/	/' told; false; }; }

# ---- OpenRC ----

# The real one, in a mount namespace: its own supervisor starts the relay as the account, starts it anew,
# tells it to read its settings, and ends it.
openrc_folders() {
	mkdir -p "$1/usr/sbin" "$1/usr/bin" "$1/etc/init.d" "$1/etc/conf.d"
	chmod 755 "$1/usr" "$1/usr/sbin" "$1/usr/bin" "$1/etc"
	cp -a "$peer/sbin/." "$1/usr/sbin/" && cp -a "$peer/bin/." "$1/usr/bin/" && cp -a "$peer/etc/." "$1/etc/" &&
	    cp "$build/relay/mochila-relay" "$1/usr/sbin/" && cp "$packages/openrc/mochila-relay" "$1/etc/init.d/"
	printf '#!/sbin/openrc-run\nstart() { :; }\n' >"$1/etc/init.d/localmount"
	chmod 755 "$1"/etc/init.d/* "$1/usr/sbin/mochila-relay"
	echo 'mochila:*:20000::::::' >"$1/etc/shadow"	# PAM asks whether the account has expired
	echo 'command_args="--root /run/mochila --log-level=info"' >"$1/etc/conf.d/mochila-relay"
}
if inside_peer openrc "$work/openrc" mochila && openrc_folders "$work/openrc" && inside_peer openrc "$work/openrc" mochila; then
	cp openrc/passwd openrc/group openrc/etc/
	cat >openrc/play <<-END
		mount -t tmpfs -o mode=755 run /run && mount -t tmpfs -o mode=755 log /var/log &&
		    mount -t overlay etc -o "lowerdir=$work/openrc/etc:/etc" /etc || exit 99
	END
	cat >>openrc/play <<-'END'
		for state in daemons exclusive failed hotplugged inactive init.d options scheduled started starting stopping tmp wasinactive; do
			mkdir -p /run/openrc/$state
		done
		echo default >/run/openrc/softlevel
		mkdir -m 750 /run/mochila
		printf '[relay main]\nlisten = 127.0.0.1:0\n' >/run/mochila/mochila.conf
		chown -R mochila:mochila /run/mochila
		service() { rc-service mochila-relay "$@" >>"/run/said" 2>&1; echo "$*: $?"; }
		is_up() { grep -qs "event=ready\|listen" /var/log/mochila-relay.log && pgrep -o -u mochila mochila-relay >/dev/null; }
		ended() { ! pgrep -u mochila mochila-relay >/dev/null; }
		another() { is_up && test "$(pgrep -o -u mochila mochila-relay)" != "$first"; }
		read_again() { test "$(grep -c . /var/log/mochila-relay.log)" -gt "$lines"; }
		soon() { n=0; until "$@"; do test $((n += 1)) -lt 600 || { echo "$*: not"; return; }; sleep 0.1; done; echo "$*"; }
		service start
		soon is_up
		service status
		lines=$(grep -c . /var/log/mochila-relay.log)
		service reload
		soon read_again
		first=$(pgrep -o -u mochila mochila-relay)
		kill -9 $first
		soon another
		service stop
		soon ended
		service status
		cat /run/said /var/log/mochila-relay.log
	END
	$inside sh "$work/openrc/play" >told 2>&1
	for line in 'start: 0' is_up 'status: 0' 'reload: 0' read_again another 'stop: 0' ended 'status: 3'; do
		check "OpenRC: $line" said "$line"
	done
else
	say "not tried: OpenRC ($why)"
fi

# ---- OpenWrt ----

check "procd: its script is one" sh -n "$packages/openwrt/files/mochila-relay.init"
(
	procd_open_instance() { echo open; }
	procd_set_param() { echo "$*"; }
	procd_close_instance() { echo close; }
	# shellcheck source=scripts/packages/openwrt/files/mochila-relay.init
	. "$packages/openwrt/files/mochila-relay.init"
	start_service
	# shellcheck disable=SC2153
	echo "$START $USE_PROCD"
) >told
check "procd: it is supervised" said "90 1"
check "procd: as the account" said "user mochila"
check "procd: started anew when it ends" grep -q '^respawn ' told
check "procd: reload is SIGHUP" said "reload_signal HUP"
printf '#!/bin/sh\necho "$*" >>"%s/called"\n' "$work" >mochila
chmod +x mochila
up() { env PATH="$work:$PATH" MOCHILA_ACCOUNT= ACTION="$1" INTERFACE="$2" sh "$packages/openwrt/files/link-up"; }
up ifdown wwan
up ifup loopback
check "hotplug: of what goes down nothing is said" test ! -e called
up ifup wwan
check "hotplug: what comes up is told" wait_for 10 grep -qxF "link-up wwan" called

# Its Makefile names only options that configure has, and programs that are installed.
"$top/configure" --help >configure.help
for option in $(sed -n 's/^CONFIGURE_ARGS+= //p' "$packages/openwrt/Makefile"); do
	option=${option%%=*}
	check "OpenWrt: configure knows $option" grep -q -e "$option" configure.help
done
for program in $(grep -o 'usr/[a-z/]*/\(mochila[a-z-]*\|uucico-ssh\)' "$packages/openwrt/Makefile" | sed 's|.*/||' | sort -u); do
	case $program in
	mochila) continue ;;	# also a folder
	esac
	check "OpenWrt: $program is built" test -e "$MOCHILA_LIBEXEC/$program"
done

# Of the programs in libexec the relay's are in its package, whichever it has by now.
for program in $(of_make pkglibexec_PROGRAMS); do
	case $program in
	relay/*) check "OpenWrt: ${program#relay/} comes with the relay" grep -q "^RELAY_PROGRAMS:=.*${program#relay/}" "$packages/openwrt/Makefile" ;;
	esac
done

# Its recipes are run, with the macros of OpenWrt played: what make install puts below usr/ is in one of
# the two packages, but for what is read by people.
mkdir -p ow/include
cat >ow/rules.mk <<'END'
INCLUDE_DIR:=ow/include
INSTALL_DIR:=install -d -m0755
INSTALL_BIN:=install -m0755
CP:=cp -fpR
END
cat >ow/include/package.mk <<'END'
define BuildPackage
install-$(1): ; $(call Package/$(1)/install,$(OUT)/$(1))
endef
END
MAKEFLAGS='' make -s -C "$build" install DESTDIR="$work/ow/all" prefix=/usr libexecdir=/usr/libexec sysconfdir=/etc >ow.log 2>&1
for package in mochila-core mochila; do
	(cd "$packages/openwrt" && MAKEFLAGS='' make -s TOPDIR="$work/ow" INCLUDE_DIR="$work/ow/include" \
	    PKG_INSTALL_DIR="$work/ow/all" OUT="$work/ow/out" install-$package) >>ow.log 2>&1
	check "OpenWrt: $package is put together" test $? -eq 0
done
below() { (cd "$1" && find usr -type f ! -path 'usr/share/man/*' ! -path 'usr/share/doc/*' -o -type l | sort); }
below ow/all >ow.all
{ below ow/out/mochila-core; below ow/out/mochila; } | sort | uniq -c | awk '$1 == 1 { print $2 }' >ow.packed
check "OpenWrt: all of it, each once" cmp ow.all ow.packed
check "OpenWrt: it comes up with the line" test -x ow/out/mochila-core/etc/hotplug.d/iface/90-mochila
check "OpenWrt: the relay is started" test -x ow/out/mochila/etc/init.d/mochila-relay

# ---- systemd, logrotate, AppArmor ----

# What the relay shuts itself in with is none of systemd's @system-service.
for call in $(grep -o 'SYS_landlock_[a-z_]*' "$top/lib/base/sandbox.c" | sort -u); do
	check "systemd: ${call#SYS_} is allowed" grep -q "^SystemCallFilter=.*${call#SYS_}" "$examples/mochila-relay.service"
done

analyze() { systemd-analyze "$@"; }
if ! command -v systemd-analyze >/dev/null && peer systemd; then
	analyze() { LD_LIBRARY_PATH=$peer_libs "$peer/usr/bin/systemd-analyze" "$@"; }
fi
if analyze --version >/dev/null 2>&1; then
	mkdir units
	export SYSTEMD_UNIT_PATH="$work/units:"
	for unit in mochila-relay.service mochila-relay.socket 'mochila-call@.service' 'mochila-call@.timer'; do
		sed "s|/usr/s\{0,1\}bin/|$MOCHILA_LIBEXEC/|; /^User=/d; /^Group=/d; /^Documentation=/d" "$examples/$unit" >"units/$unit"
	done
	for unit in mochila-relay.service 'mochila-call@hub.timer' 'mochila-call@hub.service'; do
		analyze verify "$unit" >told 2>&1
		check "systemd: $unit" test -z "$(grep -i -e "$work" -e mochila told)"
	done
else
	say "not tried: systemd-analyze (${why:-it does not run})"
fi
if peer logrotate; then
	mkdir log
	echo line >log/relay.log
	sed "s|/var/log/mochila/|$work/log/|; /^	su /d; s|create 0640 .*|create|; s|pkill .*|echo told >'$work/rotated'|" "$examples/logrotate" >rotate
	chmod 644 rotate
	chmod 755 log
	check "logrotate turns the log" exits 0 env LD_LIBRARY_PATH="$peer_libs" "$peer/usr/sbin/logrotate" -f -s "$work/state" rotate
	check "once" test -f log/relay.log.1
	check "and the daemon is told" test -f rotated
else
	say "not tried: logrotate ($why)"
fi
if peer apparmor; then
	check "AppArmor reads the profile" exits 0 env LD_LIBRARY_PATH="$peer_libs" "$peer/sbin/apparmor_parser" --skip-kernel-load --skip-cache \
	    --config-file=/dev/null --base "$peer/etc/apparmor.d" "$packages/apparmor"
	test -d /sys/module/apparmor || say "not tried: what it forbids (this kernel has no AppArmor)"
else
	say "not tried: AppArmor ($why)"
fi
finish
