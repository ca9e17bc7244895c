# shellcheck shell=sh
# shellcheck disable=SC2086,SC2154,SC2034,SC2317	# $inside, $ours are words; $work and others are lib.sh's
# matrix-lib.sh - two sites, each behind a mail system that is not ours, configured as
# mochila-mta(7) says: what stands there is copied from the page, with other ports and paths.
# After lib.sh.
#
#	matrix HUB HOME		postfix, exim, sendmail or opensmtpd; home also dovecot
#
# ann is at hub.example, bob at home.example and, by the pipe, at pipe.example.

# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
# shellcheck source=tests/e2e/mta-lib.sh
. "$top/tests/e2e/mta-lib.sh"
# shellcheck source=tests/e2e/guide-lib.sh
. "$top/tests/e2e/guide-lib.sh"

# page NAME: that example of mochila-mta(7), with the ports and paths of $side (hub or home).
page() {
	# Theirs at last: it may begin with 2525, too.
	example mochila-mta.7 "$1" | sed -e "s/127\.0\.0\.1:2525/127.0.0.1:$listens/" \
	    -e "s/\]:2525/]:$listens/" -e "s/port = 2525/port = $listens/" -e "s/\$h 2525/\$h $listens/" \
	    -e "s/:25\$/:$theirs/" -e "s|/usr/libexec/mochila/|$dir/bin/|" -e "s|/run/dovecot/|$dir/base/|"
}
pipe_page() { page "$1" | sed 's/home\.example/pipe.example/g'; }

# ---- The accounts ------------------------------------------------------------------------

# Each mail system finds its accounts in a namespace of its own, beside ours.
accounts='mochila vmail'	# 64900 and 64901; those of the mail system follow
ours='setpriv --reuid=64900 --regid=64900 --clear-groups'
inside() { inside_peer "$1" "$dir" $accounts $2; }

# What a pipe runs: our program, at our root.  sendmail gives it an effective user only (-p), and such a
# process lets nobody look at it, which is how --enable-sanitizers would look for leaks at its end: built so,
# it becomes that user altogether.
pipe_programs() {
	mkdir -p "$dir/bin"
	pipe_as=''
	! grep -q '^SAN = .*sanitize' "$build/Makefile" || pipe_as='setpriv --reuid=64900 --regid=64900 --keep-groups'
	for pipe_each in rmail bsmtp sendmail; do
		cat >"$dir/bin/$pipe_each" <<-END
			#!/bin/sh -p
			unset LD_LIBRARY_PATH MAIL_CONFIG
			export MOCHILA_ROOT=$work/$side MOCHILA_LIBEXEC=$MOCHILA_LIBEXEC
			exec $pipe_as $MOCHILA_LIBEXEC/$pipe_each "\$@"
		END
	done
	chmod -R 755 "$dir/bin"
}

# ---- Mail systems: NAME_up, with $side, $dir, $theirs (its port), $listens (ours) -----------

local_domains() { if test $side = hub; then say hub.example; else say home.example pipe.example; fi; }
local_user() { if test $side = hub; then say ann; else say bob; fi; }

postfix_up() {
	# shellcheck source=scripts/postfix.sh
	. "$top/scripts/postfix.sh"
	mkdir -p "$dir"
	if test $side = hub; then
		pipe_page "postfix pipe master.cf" >"$dir/master.more"
		set -- "$(page "postfix hub main.cf")" "$(pipe_page "postfix pipe main.cf")" \
		    "relay_domains = home.example pipe.example" \
		    "transport_maps = $(page "postfix hub main.cf" | sed -n 's/^transport_maps = //p'), $(pipe_page "postfix pipe main.cf" | sed -n 's/^transport_maps = //p')"
	else
		set -- "$(page "postfix home main.cf")"
	fi
	say 'virtual unix - n n - - virtual' >>"$dir/master.more"
	mkdir -p "$dir/box"
	chown 64901:64901 "$dir/box"
	postfix_accounts="mochila:x:64900:64900::/:/bin/false vmail:x:64901:64901::/:/bin/false"
	start_postfix "$dir" "$theirs" "$@" "default_transport = smtp" "disable_dns_lookups = yes" \
	    "virtual_mailbox_domains = $(local_domains)" "virtual_mailbox_base = $dir" "virtual_minimum_uid = 1" \
	    "virtual_uid_maps = static:64901" "virtual_gid_maps = static:64901" \
	    "virtual_mailbox_maps = inline:{$(for d in $(local_domains); do printf ' %s@%s=box/' "$(local_user)" "$d"; done) }"
}

exim_up() {
	inside exim4-daemon-light Debian-exim || return 1
	mkdir -p "$dir/spool" "$dir/log" "$dir/box"
	chmod 755 "$dir"
	chown -R 64902:64902 "$dir/spool" "$dir/log"
	chown 64901:64901 "$dir/box"
	{
		cat <<-END
			primary_hostname = exim-$side.example
			daemon_smtp_ports = $theirs
			local_interfaces = 127.0.0.1
			spool_directory = $dir/spool
			log_file_path = $dir/log/%slog
			pid_file_path = $dir/log/pid
			check_spool_space = 0
			keep_environment =
			never_users =
			queue_run_in_order
			remote_max_parallel = 1
			dsn_advertise_hosts = *
			domainlist local_domains = $(local_domains | tr ' ' ':')
			acl_smtp_rcpt = rcpt
			begin acl
			rcpt:
			  accept domains = +local_domains
			         verify = recipient
			  deny domains = +local_domains
			  accept
			begin routers
		END
		if test $side = hub; then page "exim hub router"; pipe_page "exim pipe router"; fi
		cat <<-END
			local:
			  driver = accept
			  domains = +local_domains
			  local_parts = $(local_user)
			  transport = box
		END
		if test $side = home; then page "exim home router"; fi
		cat <<-END
			begin transports
			box:
			  driver = appendfile
			  directory = $dir/box
			  maildir_format
			  user = vmail
		END
		page "exim hub transport"
		if test $side = hub; then pipe_page "exim pipe transport"; fi
	} >"$dir/conf"
	chmod 644 "$dir/conf"
	# It keeps its rights only with the configuration that it was built to read.
	cat >"$dir/run" <<-END
		#!/bin/sh
		mkdir -p /var/lib && mount -t tmpfs -o mode=755 lib /var/lib && mkdir /var/lib/exim4 &&
		cp "$dir/conf" /var/lib/exim4/config.autogenerated || exit 99
		exec "\$@"
	END
	chmod 755 "$dir/run"
	start "$side-exim" $inside "$dir/run" exim4 -bdf
}

# sendmail delivers by a program of its own, which knows one user.
sendmail_up() {
	command -v m4 >/dev/null || { why="m4 is not installed"; return 1; }
	peer sendmail-cf || return 1
	cf=$peer/usr/share/sendmail/cf
	inside sendmail-bin "smmta smmsp ann bob" || return 1
	mkdir -p "$dir/box/new" "$dir/queue"
	chown -R 64901:64901 "$dir/box"
	cat >"$dir/bin/deliver" <<-END
		#!/bin/sh
		cat >"$dir/box/new/.\$\$" && mv "$dir/box/new/.\$\$" "$dir/box/new/$side.\$\$"
	END
	chmod 755 "$dir/bin/deliver"
	for domain in $(local_domains); do say "$domain"; done >"$dir/local-names"
	{
		cat <<-END
			include(\`m4/cf.m4')dnl
			OSTYPE(\`linux')dnl
			define(\`confDOMAIN_NAME', \`sendmail-$side.example')dnl
			define(\`confCW_FILE', \`$dir/local-names')dnl
			define(\`QUEUE_DIR', \`$dir/queue')dnl
			define(\`confPID_FILE', \`$dir/pid')dnl
			undefine(\`ALIAS_FILE')dnl
			define(\`STATUS_FILE', \`')dnl
			define(\`HELP_FILE', \`')dnl
			define(\`confDEF_USER_ID', \`64901:64901')dnl
			define(\`confSERVICE_SWITCH_FILE', \`$dir/switch')dnl
			define(\`confDONT_BLAME_SENDMAIL', \`GroupReadableKeyFile,TrustStickyBit,GroupWritableDirPathSafe')dnl
			define(\`LOCAL_MAILER_PATH', \`$dir/bin/deliver')dnl
			define(\`LOCAL_MAILER_ARGS', \`deliver \$u')dnl
			define(\`LOCAL_MAILER_FLAGS', \`lsDFMw5:/|@qSn')dnl
			define(\`confREFUSE_LA', \`100000')dnl
			define(\`confQUEUE_LA', \`100000')dnl
			define(\`confCONNECTION_RATE_THROTTLE', \`0')dnl
			FEATURE(\`use_cw_file')dnl
			FEATURE(\`nocanonify')dnl
			FEATURE(\`accept_unresolvable_domains')dnl
			FEATURE(\`promiscuous_relay')dnl
			FEATURE(\`no_default_msa')dnl
			DAEMON_OPTIONS(\`Name=MTA, Addr=127.0.0.1, Port=$theirs')dnl
		END
		if test $side = home; then page "sendmail home sendmail.mc"; fi
		cat <<-END
			MAILER(\`local')dnl
			MAILER(\`smtp')dnl
		END
		if test $side = hub; then
			page "sendmail hub sendmail.mc"
			pipe_page "sendmail pipe sendmail.mc"
		else
			page "sendmail hub sendmail.mc" | sed '/^LOCAL_RULE/,$d'
		fi
	} >"$dir/sendmail.mc"
	printf 'hosts files\naliases files\npasswd files\n' >"$dir/switch"
	(cd "$cf" && m4 -D_CF_DIR_="$cf/" "$dir/sendmail.mc") >"$dir/sendmail.cf" 2>"$dir/m4.log" || return 1
	chmod -R a+rX "$dir"
	# It wants to know its name, and asks the DNS for everything else.
	say "127.0.0.1 sendmail-$side.example $(uname -n) localhost" >"$dir/hosts"
	cat >"$dir/run" <<-END
		#!/bin/sh
		mount --bind "$dir/hosts" /etc/hosts && mount --bind /dev/null /etc/resolv.conf || exit 99
		exec "\$@"
	END
	chmod 755 "$dir/run"
	start "$side-sendmail" $inside "$dir/run" /usr/libexec/sendmail/sendmail -bD -q1h -C "$dir/sendmail.cf"
}

opensmtpd_up() {
	inside opensmtpd "opensmtpd opensmtpq" || return 1
	mkdir -p "$dir/box"
	chown 64901:64901 "$dir/box"
	chmod 755 "$dir"
	{
		say "smtp max-message-size 10M"
		say "listen on 127.0.0.1 port $theirs hostname opensmtpd-$side.example"
		say "table people { $(for d in $(local_domains); do printf '"%s@%s" = "vmail", ' "$(local_user)" "$d"; done | sed 's/, $//') }"
		say "action \"box\" maildir \"$dir/box\" virtual <people>"
		for domain in $(local_domains); do say "match from any for domain \"$domain\" action \"box\""; done
		if test $side = hub; then
			page "opensmtpd hub smtpd.conf"
			pipe_page "opensmtpd pipe smtpd.conf"
		else
			page "opensmtpd home smtpd.conf"
		fi
	} >"$dir/conf"
	chmod 644 "$dir/conf"
	# Its folders are where it was built to have them: in the namespace only.
	cat >"$dir/run" <<-'END'
		#!/bin/sh
		mkdir -p /var/spool /var/lib /run
		mount -t tmpfs -o mode=755 spool /var/spool && mount -t tmpfs -o mode=755 lib /var/lib &&
		mount -t tmpfs -o mode=755 run /run || exit 99
		mkdir -p -m 711 /var/spool/smtpd /var/lib/opensmtpd/empty /run/opensmtpd
		cd /var/spool/smtpd || exit 99
		mkdir -m 700 queue corrupt purge temporary incoming
		mkdir -m 770 offline
		chown 64903:0 queue corrupt purge temporary incoming
		chown 0:64903 offline
		exec "$@"
	END
	chmod 755 "$dir/run"
	start "$side-opensmtpd" $inside "$dir/run" smtpd -d -f "$dir/conf"
}

# Delivers only; there is no mail system at home but ours.
dovecot_up() {
	inside dovecot-lmtpd "dovecot dovenull" || return 1
	mkdir -p "$dir/base" "$dir/box"
	chown 64901:64901 "$dir/box"
	chmod 755 "$dir" "$dir/base"
	{
		page "dovecot home dovecot.conf" | sed 's/imap lmtp/lmtp/'	# Debian has imapd in another package
		cat <<-END
			base_dir = $dir/base
			state_dir = $dir/base
			log_path = $dir/log
			ssl = no
			mail_location = maildir:$dir/box
			auth_username_format = %Lu
			lmtp_save_to_detail_mailbox = no
			first_valid_uid = 1
			default_internal_user = dovecot
			default_login_user = dovenull
			passdb {
			  driver = static
			  args = nopassword=y
			}
			userdb {
			  driver = passwd-file
			  args = $dir/people
			}
		END
	} >"$dir/conf"
	for domain in $(local_domains); do say "$(local_user)@$domain::64901:64901::$dir::"; done >"$dir/people"
	chmod 644 "$dir/conf" "$dir/people"
	start "$side-dovecot" $inside dovecot -F -c "$dir/conf"
	wait_for 20 test -S "$dir/base/lmtp" && return 0
	why="Dovecot does not start: $(tail -n 1 "$dir/log" "$work/$side-dovecot.log")"
	return 1
}

# ---- Both sites ------------------------------------------------------------------------------

# site SIDE MTA
site() {
	side=$1 mta=$2 dir=$work/$1-$2
	mkdir -p "$dir"
	chmod 755 "$dir"
	free_port && theirs=$port
	free_port && listens=$port
	pipe_programs
	make_site "$work/$side" $side
	chmod 755 "$work/$side"
	{
		if test "$mta" = dovecot; then page "dovecot home mochila.conf"; else page "$side mochila.conf"; fi
		if test $side = hub; then
			printf 'pipe.example = site:home\n[site home]\n'
		else
			test "$mta" = dovecot || say "pipe.example = smtp:127.0.0.1:$theirs"
			test "$mta" != dovecot || say "pipe.example = lmtp:$dir/base/lmtp"
			printf '[site hub]\nlink = exec:%s\n' "$work/hub-answers"
		fi
	} >>"$work/$side/mochila.conf"
	chown -R 64900:64900 "$work/$side"
	eval "${side}_box=$dir/box ${side}_mta=$theirs ${side}_ours=$listens"
	"${mta}_up" || skip "$mta: $why"
	test "$mta" = dovecot || wait_for 20 listening "$theirs" ||
	    skip "$mta does not start: $(tail -n 1 "$work/$side-$mta.log" "$dir/master.log" 2>/dev/null)"
	start "$side" $ours mochila-relay --root "$work/$side"
	wait_for 20 listening "$listens" || fail "the relay of $side does not start"
}

# send PORT FROM TO SUBJECT [RCPT-PARAMETERS]
send() {
	call "127.0.0.1:$1" "< 220" "> EHLO test.example" "< 250" "> MAIL FROM:<$2>${5:+ ENVID=$4}" "< 250" "> RCPT TO:<$3>${5:+ $5}" "< 250" \
	    "> DATA" "< 354" "> From: <$2>" "> To: <$3>" "> Subject: $4" "> Message-ID: <$4@test.example>" \
	    "> Date: Sat, 28 Nov 2026 12:00:00 +0000" "> " "> Hello, $4." "> ." "< 250" "> QUIT" "< 221"
}

# has BOX TIMES PATTERN...: so many mails there have all of these lines.
has() {
	has_box=$1 has_times=$2
	shift 2
	has_files=$(find "$has_box" -path '*/new/*' -type f ! -name '.*')
	for has_each; do
		test -z "$has_files" || has_files=$(grep -liE -e "$has_each" $has_files)
	done
	test "$(printf '%s\n' $has_files | grep -c .)" -eq "$has_times"
}

# Home calls until the mail is there.
calls_until() { $ours mochila --root "$work/home" call hub >>"$work/calls.log" 2>&1; has "$@"; }
comes_patience=60
comes() {	# SENTENCE BOX PATTERN...
	comes_what=$1 comes_box=$2
	shift 2
	test $failures -eq 0 || comes_patience=1	# it will hardly mend itself
	check "$comes_what" wait_for "$comes_patience" calls_until "$comes_box" 1 "$@"
}

matrix() {
	test "$(id -u)" -eq 0 || skip "only root has mounts and accounts of its own"
	stage
	chmod 755 "$work"
	$ours test -x "$build/bsmtp/bsmtp" || skip "other accounts cannot enter $build"
	cat >"$work/hub-answers" <<-END
		#!/bin/sh
		MOCHILA_LIBEXEC="$MOCHILA_LIBEXEC" exec "$MOCHILA_LIBEXEC/uucico-ssh" -r0 --peer=home --root="$work/hub"
	END
	chmod 755 "$work/hub-answers" "$work/libexec"
	site hub "$1"
	site home "$2"
	from_home=$home_mta
	test "$2" != dovecot || from_home=$home_ours

	check "ann's mail goes to $1 at the hub" send "$hub_mta" ann@hub.example bob@home.example there NOTIFY=SUCCESS,FAILURE
	check "bob's at home to $2" send "$from_home" bob@home.example ann@hub.example back NOTIFY=SUCCESS,FAILURE
	check "one for nobody" send "$hub_mta" ann@hub.example noone@home.example nobody NOTIFY=FAILURE
	check "one by the pipe" send "$hub_mta" ann@hub.example bob@pipe.example piped
	check "and another for nobody" send "$hub_mta" ann@hub.example noone@pipe.example piped-nobody
	comes "ann's arrives" "$home_box" '^Subject: there$' 'Hello, there'
	comes "bob's arrives" "$hub_box" '^Subject: back$' 'Hello, back'
	comes "the one by the pipe arrives" "$home_box" '^Subject: piped$' 'Hello, piped'
	comes "ann is told that hers was delivered" "$hub_box" '^Action: (delivered|relayed)' '^Final-Recipient: *rfc822; *bob@home.example' \
	    '^(Original-Envelope-ID: *|Subject: )there'
	comes "bob is told that his was" "$home_box" '^Action: (delivered|relayed)' '^Final-Recipient: *rfc822; *ann@hub.example'
	comes "the one for nobody comes back" "$hub_box" '^Action: failed' '^Final-Recipient: *rfc822; *noone@home.example'
	comes "by the pipe too" "$hub_box" '^Action: failed' '^Final-Recipient: *rfc822; *noone@pipe.example'
	check "each of them once" has "$home_box" 1 '^Subject: there$' 'Hello, there'
	check "and nothing is left" wait_for 20 nothing_left
}
nothing_left() { test "$(messages "$work/hub/spool/out")" -eq 0 && test "$(messages "$work/home/spool/out")" -eq 0; }
