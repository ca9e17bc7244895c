# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154	# $why, $postfix are for callers; $peer, $pid are lib.sh's
# postfix.sh - a real Postfix beside us, after lib.sh: unpacked and not installed, in a mount
# namespace of its own, everything that it writes in one folder.  Needs root, as its master
# does; it listens on the loopback only and knows no other host.

# start_postfix DIR PORT [LINE...]: Postfix takes mail for anybody from this machine and
# throws it away; LINEs of main.cf ("default_transport = lmtp:...") say otherwise, and what
# DIR/master.more holds goes to master.cf.  DIR is an absolute path, its log DIR/log, its queue
# DIR/queue; $postfix_env ("NAME=value, ...") goes into the environment of its programs.  The
# pid of its master is in $postfix, for stop().  1 and $why when it cannot run here.
start_postfix() {
	postfix_dir=$1 postfix_port=$2
	shift 2
	test "$(id -u)" -eq 0 || { why="Postfix runs as root only"; return 1; }
	peer postfix || return 1
	postfix_libs=$peer/usr/lib/postfix${peer_libs:+:$peer_libs}
	mkdir -p "$postfix_dir/etc" || return 1
	why="root may not make a mount namespace here, which Postfix needs for its user"
	mounts_of_own "$postfix_dir" || return 1
	why="the user postfix cannot be given its folders in $postfix_dir"
	postfix_folders && postfix_reaches "$postfix_dir" && postfix_reaches "$peer" || return 1
	postfix_main "$@" >"$postfix_dir/etc/main.cf"
	postfix_master >"$postfix_dir/etc/master.cf"
	chmod 644 "$postfix_dir/passwd" "$postfix_dir/group" "$postfix_dir/etc"/*.cf
	start_work=$work work=$postfix_dir
	# shellcheck disable=SC2086	# $mounts_in is words
	start master env LD_LIBRARY_PATH="$postfix_libs" $mounts_in sh "$postfix_dir/in-namespace" \
	    "$peer/usr/lib/postfix/sbin/master" -c "$postfix_dir/etc"
	work=$start_work
	postfix=$pid
	wait_for 10 postfix_settled && listening "$postfix_port" && return 0
	why="Postfix did not start: $(cat "$postfix_dir/master.log" "$postfix_dir/log" 2>/dev/null | tail -n 1)"
	return 1
}
postfix_settled() { listening "$postfix_port" || ! kill -0 "$postfix" 2>/dev/null; }

# Its user, its group, and its folders as it wants to find them.
postfix_folders() {
	cp /etc/passwd "$postfix_dir/passwd" && cp /etc/group "$postfix_dir/group" || return 1
	grep -q ^postfix: "$postfix_dir/passwd" ||
	    say "postfix:x:64998:64998:Postfix:/:/usr/sbin/nologin" >>"$postfix_dir/passwd"
	grep -q ^postfix: "$postfix_dir/group" || say "postfix:x:64998:" >>"$postfix_dir/group"
	grep -q ^postdrop: "$postfix_dir/group" || say "postdrop:x:64997:" >>"$postfix_dir/group"
	for postfix_each in ${postfix_accounts:-}; do	# more of them, as passwd(5) has them
		say "$postfix_each" >>"$postfix_dir/passwd"
	done
	cat >"$postfix_dir/in-namespace" <<-END
		mount --bind "$postfix_dir/passwd" /etc/passwd && mount --bind "$postfix_dir/group" /etc/group &&
		exec "\$@"
	END
	postfix_user=$(sed -n 's/^postfix:[^:]*:\([0-9]*\):.*/\1/p' "$postfix_dir/passwd")
	postfix_drop=$(sed -n 's/^postdrop:[^:]*:\([0-9]*\):.*/\1/p' "$postfix_dir/group")
	mkdir -p "$postfix_dir/queue/pid"
	chmod 755 "$postfix_dir" "$postfix_dir/etc" "$postfix_dir/queue" "$postfix_dir/queue/pid"
	for postfix_each in active bounce corrupt defer deferred flush hold incoming private saved trace; do
		postfix_folder "queue/$postfix_each" 700 "$postfix_user" || return 1
	done
	postfix_folder data 700 "$postfix_user" &&
	    postfix_folder queue/public 710 "$postfix_user:$postfix_drop" &&
	    postfix_folder queue/maildrop 1730 "$postfix_user:$postfix_drop"
}
postfix_folder() {	# NAME MODE OWNER
	mkdir -p "$postfix_dir/$1" && chown "$3" "$postfix_dir/$1" && chmod "$2" "$postfix_dir/$1"
}

# Its programs run as a user who may not enter another's home.
postfix_reaches() {
	setpriv --reuid "$postfix_user" --regid "$postfix_drop" --clear-groups test -x "$1" && return 0
	why="$1 cannot be reached by other users, as Postfix has them"
	return 1
}

# The last line of a name counts, so that callers may contradict.
postfix_main() {
	cat <<-END
		compatibility_level = 3.6
		queue_directory = $postfix_dir/queue
		data_directory = $postfix_dir/data
		command_directory = $peer/usr/sbin
		daemon_directory = $peer/usr/lib/postfix/sbin
		shlib_directory = $peer/usr/lib/postfix
		meta_directory = $postfix_dir/etc
		mail_owner = postfix
		setgid_group = postdrop
		import_environment = LD_LIBRARY_PATH=$postfix_libs, MAIL_CONFIG=$postfix_dir/etc${postfix_env:+, $postfix_env}
		maillog_file = $postfix_dir/log
		maillog_file_prefixes = $postfix_dir
		myhostname = postfix.example
		mydestination =
		mynetworks = 127.0.0.0/8
		inet_interfaces = 127.0.0.1
		inet_protocols = ipv4
		disable_dns_lookups = yes
		smtpd_peername_lookup = no
		alias_maps =
		local_recipient_maps =
		smtpd_relay_restrictions = permit_mynetworks, reject
		default_transport = discard
		in_flow_delay = 0
	END
	for postfix_each; do say "$postfix_each"; done
}

postfix_master() {
	cat <<-END
		127.0.0.1:$postfix_port inet n - n - - smtpd
		cleanup  unix n - n - 0 cleanup
		qmgr     unix n - n 300 1 qmgr
		rewrite  unix - - n - - trivial-rewrite
		proxymap unix - - n - - proxymap
		anvil    unix - - n - 1 anvil
		bounce   unix - - n - 0 bounce
		defer    unix - - n - 0 bounce
		trace    unix - - n - 0 bounce
		error    unix - - n - - error
		retry    unix - - n - - error
		discard  unix - - n - - discard
		smtp     unix - - n - - smtp
		lmtp     unix - - n - - lmtp
		scache   unix - - n - 1 scache
		postlog  unix-dgram n - n - 1 postlogd
	END
	cat "$postfix_dir/master.more" 2>/dev/null
	true
}

# start_sink PORT: a host that takes all mail and keeps none, Postfix's.  1 and $why without it.
start_sink() {
	peer postfix || return 1
	start sink env LD_LIBRARY_PATH="$peer/usr/lib/postfix${peer_libs:+:$peer_libs}" "$peer/usr/sbin/smtp-sink" \
	    -u root "127.0.0.1:$1" 100
	wait_for 10 listening "$1" && return 0
	why="smtp-sink does not start: $(tail -n 1 "$work/sink.log")"
	return 1
}

# smtp_source ARG...: Postfix's load, from the package that start_postfix has unpacked.
smtp_source() {
	LD_LIBRARY_PATH=$postfix_libs "$peer/usr/sbin/smtp-source" "$@"
}
