#!/bin/sh
# Mail goes hub -> home and home -> hub while every program on the way is killed
# (SIGKILL) at random moments.  A ledger outside the programs holds what was promised:
# the SHA-256 of each body whose submission was acknowledged.  In the end each of these
# has arrived exactly once, and what was tried but not acknowledged at most once.
#
# KILLS=1000 tests/e2e/91-kill.sh goes on for longer.
. "${srcdir:-.}/tests/e2e/lib.sh"
need ssh-keygen python3 timeout
stage
kills=${KILLS:-100}

# ---- Two sites, a real sshd --------------------------------------------------------------

make_site "$work/hub" hub
make_site "$work/home" home
free_port
hub_port=$port
free_port
home_port=$port
free_port
cat >>"$work/hub/mochila.conf" <<END
log = $work/hub.log
retry-after = 1
retry-max = 1
[relay main]
listen = 127.0.0.1:$hub_port
[site home]
[routes]
home.example = site:home
hub.example = maildir:mail
END
cat >>"$work/home/mochila.conf" <<END
log = $work/home.log
retry-after = 1
retry-max = 1
[relay main]
listen = 127.0.0.1:$home_port
[site hub]
link = ssh://$(id -un)@127.0.0.1:$port
[routes]
home.example = maildir:mail
* = site:hub
END
caller_may home hub || skip "$why"

# ---- Promises ----------------------------------------------------------------------------

# letter DOMAIN NUMBER: a message whose body there is once; some are large.
letter() {
	printf 'From: ann@elsewhere.example\nTo: user@%s\nSubject: letter %s\n\nletter %s to %s\n' \
	    "$1" "$2" "$2" "$1"
	head -c $((1 + $(random 4) * 20000)) /dev/urandom | od -An -tx1
}

# One SMTP transaction and no second try: what a client does that dies when we do.
submit_at_hub() {
	python3 - "$hub_port" "$1" 2>>"$work/submit.log" <<-END
		import smtplib, sys
		with smtplib.SMTP("127.0.0.1", int(sys.argv[1]), timeout=20) as smtp:
		    smtp.sendmail("ann@elsewhere.example", ["user@home.example"], open(sys.argv[2]).read())
	END
}

submit_at_home() {	# from a pipe
	at home sendmail -f ann@elsewhere.example user@hub.example <"$1"
}

# submitter SITE DOMAIN: letters until told to stop, a line in SITE.tried before each and in
# SITE.promised after its acknowledgement.
submitter() {
	number=0
	while ! test -e "$work/stop"; do
		number=$((number + 1))
		letter "$2" "$number" >"$work/$1.letter"
		sum=$(body "$work/$1.letter" | sha256sum | cut -d' ' -f1)
		say "$sum" >>"$work/$1.tried"
		"submit_at_$1" "$work/$1.letter" && say "$sum" >>"$work/$1.promised"
		sleep 0.1
	done
}

# ---- The way, and what goes wrong on it ------------------------------------------------------

keep_up() {	# SITE: its relay, begun again whenever it died
	while ! test -e "$work/stop"; do
		at "$1" mochila-relay
		sleep 0.05
	done
}

exchange() {
	at hub bsmtp pack home
	at home bsmtp pack hub
	at home mochila call hub
}

exchanges() {
	while ! test -e "$work/stop"; do
		exchange
	done
}

# mortal NAME LIFE SHARE: in SHARE of 100 starts the program is killed before LIFE milliseconds
# are over; until there is $work/stop.  (bsmtp goes by other names, which uuxqt says in argv[0]: a
# script does not see it, and has the batch itself say how it is packed.)
mortal() {
	rm "$work/libexec/$1"
	cat >"$work/libexec/$1" <<-END
		#!/bin/sh
		name=$1
		test "\$name" != bsmtp || test -z "\${UU_MACHINE:-}" || set -- unpack --peer="\$UU_MACHINE"
		number=\$(od -An -N4 -tu4 /dev/urandom)
		test ! -e $work/stop && test \$((number % 100)) -lt $3 || exec $work/immortal/\$name "\$@"
		timeout -s KILL "\$(printf 0.%03d \$((1 + number / 100 % $2)))" \\
		    $work/immortal/\$name "\$@"
		status=\$?
		case \$status in
		124 | 137) echo \$name >>$work/killed; kill -KILL \$\$ ;;
		esac
		exit \$status
	END
	chmod +x "$work/libexec/$1"
}

# Where all is slow few live long enough to promise anything: then some more are killed.
killed() { test "$(wc -l <"$work/killed")" -ge "$kills" && test -s "$work/hub.promised" && test -s "$work/home.promised"; }

cp -a "$work/libexec" "$work/immortal"
: >"$work/killed"
: >"$work/hub.promised"
: >"$work/home.promised"
mortal bsmtp 40 30
mortal sendmail 20 50
mortal uuxqt 60 30
mortal uucico-ssh 300 50
mortal mochila-relay 999 100
start keep-hub keep_up hub
start keep-home keep_up home
wait_for 10 listening "$hub_port" || fail "the hub's relay does not listen"
start submit-hub submitter hub home.example
start submit-home submitter home hub.example
start exchanges exchanges
wait_for $((60 + kills)) killed || fail "$(wc -l <"$work/killed") were killed, and not both ends have promised anything"
touch "$work/stop"

# ---- Calm: everything may finish ---------------------------------------------------------------

stop_loops() {
	for loop in $started; do
		test "$loop" = "$sshd" || stop "$loop"
	done
}
stop_loops
start relay-hub at hub mochila-relay
start relay-home at home mochila-relay

on_the_way() {	# files that are not yet at their end, at either site
	find "$work"/hub/spool/in "$work"/hub/spool/out "$work"/hub/spool/sent "$work"/hub/spool/xqt \
	    "$work"/hub/spool/drop "$work"/home/spool/in "$work"/home/spool/out \
	    "$work"/home/spool/sent "$work"/home/spool/xqt "$work"/home/spool/drop \
	    -type f ! -name '.*' 2>/dev/null
}
arrived_all() {
	exchange >>"$work/calm.log" 2>&1
	test -z "$(on_the_way)"
}
if ! wait_for 60 arrived_all; then
	fail "these are still on the way:"
	on_the_way
fi

# ---- The ledger is right -------------------------------------------------------------------------

# judge FROM TO: what FROM promised against TO's Maildir.
judge() {
	mkdir -p "$work/$2/mail/new"
	body_sums "$work/$2/mail/new" "$work/$2.sums"
	cut -d' ' -f1 "$work/$2.sums" | sort >"$work/$2.got"
	sort "$work/$1.tried" >"$work/tried"
	sort "$work/$1.promised" >"$work/promised"
	say "$1 -> $2: $(wc -l <"$work/tried") tried, $(wc -l <"$work/promised") promised," \
	    "$(wc -l <"$work/$2.got") arrived"
	check "what $1 promised has arrived" test -z "$(comm -23 "$work/promised" "$work/$2.got")"
	check "nothing from $1 arrived twice" test -z "$(uniq -d "$work/$2.got")"
	check "nothing arrived at $2 that nobody sent" \
	    test -z "$(uniq "$work/$2.got" | comm -13 "$work/tried" -)"
}
judge hub home
judge home hub
check "some were promised at both ends" test -s "$work/hub.promised" -a -s "$work/home.promised"
check "nothing is held or failed" test -z \
    "$(find "$work"/*/spool/hold "$work"/*/spool/failed -type f 2>/dev/null)"
say "killed: $(sort "$work/killed" | uniq -c | tr -s ' \n' ' ')"
finish
