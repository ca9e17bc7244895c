# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154	# for the tests, and of lib.sh
# taylor-lib.sh - a site of ours, $home, and one of Taylor UUCP, $hub, after lib.sh and stage:
# each calls the other over a pipe.  taylor PROGRAM ... runs one of his ($tuucico, $tuuxqt,
# $tuux, $tuucp), as a plain user.

peer uucp || skip "$why"
# Copies: those in the package are set-uid "uucp", and are to be nobody but us.
mkdir -p "$work/taylor"
for program in uucico uuxqt uux uucp; do
	for folder in usr/sbin usr/bin usr/lib/uucp; do
		test ! -f "$peer/$folder/$program" || cp "$peer/$folder/$program" "$work/taylor/"
	done
	chmod 755 "$work/taylor/$program" || skip "the uucp package has no $program"
done
tuucico=$work/taylor/uucico tuuxqt=$work/taylor/uuxqt tuux=$work/taylor/uux tuucp=$work/taylor/uucp
# From root they turn into the user "uucp" of their own accord; any other user they stay.
plain_user=
if test "$(id -u)" -eq 0; then
	caps=+dac_override,+fowner
	plain_user="setpriv --reuid 1 --regid 1 --clear-groups --inh-caps=$caps --ambient-caps=$caps"
	$plain_user true 2>/dev/null || skip "setpriv cannot make root a plain user here"
fi
# Taylor's programs only: ours find their own libraries.
taylor() { $plain_user env LD_LIBRARY_PATH="$peer_libs" "$@"; }
home=$work/home hub=$work/hub
ours() { uucico-ssh --root="$home" "$@"; }

# ---- The two sites -----------------------------------------------------------------

make_site "$home" home
cat >>"$home/mochila.conf" <<-END
	[site hub]
	link = exec:$work/taylor-answers
	timeout = 30s
	protocols = i
	commands = rmail rgsmtp rsmtp
	[routes]
	hub.example = site:hub
	home.example = maildir:$home/mail
END
mkdir -p "$hub/spool" "$hub/lock" "$hub/pub" "$hub/bin" "$hub/got"
cat >"$hub/config" <<-END
	nodename hub
	spool $hub/spool
	lockdir $hub/lock
	pubdir $hub/pub
	logfile $hub/Log
	statfile $hub/Stats
	debugfile $hub/Debug
	sysfile $hub/sys
	portfile $hub/port
	run-uuxqt never
END
cat >"$hub/sys" <<-END
	commands rmail rgsmtp
	command-path $hub/bin
	system home
	time any
	chat ""
	port PIPE
	protocol i
END
cat >"$hub/port" <<-END
	port PIPE
	type pipe
	command $work/ours-answers
END
# What Taylor's uuxqt runs: keeps its input.
for command in rgsmtp rmail; do
	cat >"$hub/bin/$command" <<-END
		#!/bin/sh
		exec /bin/cat >"$hub/got/$command.\$\$"
	END
	chmod 755 "$hub/bin/$command"
done
cat >"$work/taylor-answers" <<-END
	#!/bin/sh
	exec $plain_user env LD_LIBRARY_PATH="$peer_libs" "$tuucico" -I "$hub/config"
END
cat >"$work/ours-answers" <<-END
	#!/bin/sh
	unset LD_LIBRARY_PATH
	MOCHILA_LIBEXEC="$MOCHILA_LIBEXEC" exec "$MOCHILA_LIBEXEC/uucico-ssh" -r0 --peer=hub --root="$home"
END
chmod 755 "$work/taylor-answers" "$work/ours-answers"
