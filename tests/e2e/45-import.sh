#!/bin/sh
# mochila import: the files of Debian's Taylor UUCP, and more that can stand in them; E-MailRelay's
# options, secrets and spool, whose mail is taken over exactly once however often we are killed.
# shellcheck disable=SC2016	# awk and sh of others
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
stage
cd "$work" || exit 99
home=$work/home
mkdir "$home"
home() { mochila --root "$home" "$@"; }
fresh() {
	rm -rf "$home"
	mochila --root "$home" init --site home --host home.example >init.log 2>&1 || fail "mochila init: $(cat init.log)"
}
said() { grep -qF -e "$1" "$work/said" || { sed 's/^/	/' "$work/said"; false; }; }
shows() { home --show-config | grep -F -- "$1" | grep -qF -- "$2"; }	# SECTION.KEY VALUE
conf_says() { awk -v section="[$1]" '/^\[/ { inside = $0 == section } inside' "$home/mochila.conf" | grep -qxF -e "$2"; }

# ---- Taylor UUCP: as Debian installs it ----

if peer uucp; then
	fresh
	cp -r "$peer/etc/uucp" debian
	cp "$peer"/usr/share/doc/uucp/examples/taylor/sys* debian/
	gzip -d debian/*.gz 2>/dev/null
	mv debian/sys* debian/sys 2>/dev/null
	check "Debian's files, and the sys of its documentation" exits 0 home import taylor debian
	cp said said.debian
else
	say "not tried: the files of Debian's uucp ($why)"
fi

# ---- and with all that we know ----

mkdir uucp
cat >uucp/config <<'END'
nodename	ship
timetable	Watch Sa,Su0800-1200
spool	/var/spool/uucp	# not ours
END
cat >uucp/port <<'END'
port TCP
type tcp
port SSL
type pipe
command /usr/bin/socat - \
  OPENSSL:hub.example:4031
port ACU
type modem
device /dev/ttyS3
END
cat >uucp/call <<'END'
hub ship-login s3cret-word
END
cat >uucp/sys <<'END'
# before the first system: for all
protocol gi
commands rmail rsmtp
time any
system hub
port TCP
address hub.example
call-login *
call-password *
chat "" \r\c ogin:-BREAK-ogin: \L word: \P
time Wk2305-0855,Sa
timegrade C Evening
remote-receive /srv/in /srv/more
remote-send ~/pub
failure-wait 600
alternate
port SSL
time Watch
alternate
port ACU
phone 5551212
system leaf
port
time never
sequence true
system inline
time any
port type tcp
address ::1
alternate
port GONE
system ../etc
address x.example
port TCP
system nowhere
port GONE
END
fresh
cp "$home/mochila.conf" conf.before
check "Taylor's files are read" exits 0 home import taylor uucp -n
cp said said.dry
check "a dry run changes nothing" cmp conf.before "$home/mochila.conf"
check "nor leaves a file" test ! -e "$home/keys/hub.login"
check "then they are taken" exits 0 home import taylor uucp
sed 's/^nothing was changed; it would be: //' said.dry | cmp -s - said
check "and the dry run said the same" test $? -eq 0
check "a link" conf_says "site hub" "link = tcp:hub.example:540"
check "its name and password" test "$(tr '\n' ' ' <"$home/keys/hub.login")" = "ship-login s3cret-word "
check "for its owner only" test "$(stat -c %a "$home/keys/hub.login")" = 600
check "which the key names" conf_says "site hub" "login = keys/hub.login"
check "the password is shown nowhere" test "$(cat said said.dry | grep -c s3cret)" -eq 0
check "times that go past midnight, by weekday; and a grade's" conf_says "site hub" \
    "call-window = Mon-Fri 00:00-08:55, Mon-Fri 23:05-24:00, Sat, Mon-Fri 00:00-07:55 grade<=C, Mon-Fri 17:05-24:00 grade<=C, Sat grade<=C, Sun grade<=C"
check "an alternate by a pipe" conf_says "way hub-2" "link = exec:/usr/bin/socat -     OPENSSL:hub.example:4031"
check "in its own time, by a timetable" conf_says "way hub-2" "call-window = Sat, Sun 08:00-12:00"
check "of which the site knows" conf_says "site hub" "alternates = hub-2"
check "a modem is named, not taken" said "sys:20: port ACU"
check "protocols" conf_says "site hub" "protocols = mgi"
check "commands" conf_says "site leaf" "commands = rmail rsmtp"
check "folders by whole paths" conf_says "site hub" "receive = /srv/in /srv/more"
check "others are named" said "-- folders are named by their whole paths"
check "a pause" conf_says "site hub" "retry-after = 600"
check "who calls us has no link" conf_says "site leaf" "link ="
check "sequence" conf_says "site leaf" "sequence = yes"
check "a port that stands in sys itself" conf_says "site inline" "link = tcp:[::1]:540"
check "of which a name takes its alternate away" test "$(grep -c '^\[way inline' "$home/mochila.conf")" -eq 0
check "a name that is a path is none" said "a site's name is 1-40"
check "a port that is not there is named" said "there is no port of that name"
check "our own name is kept" said "already said, and kept: [spool] site = ship"
check "what has come out is read by all programs" exits 0 home status
check "and again changes nothing" exits 0 home import taylor uucp
cp "$home/mochila.conf" conf.after
check "as the file shows" cmp conf.after "$home/mochila.conf"
check "nothing of it is there twice" test "$(grep -c '^\[site hub\]' "$home/mochila.conf")" -eq 1

# ---- hostile ----

printf 'system x\ntime %s\nport TCP\naddress -oProxyCommand=x\nsystem y\naddress a\033[2J\nport type pipe\nport command a\\Lb\n' \
    "$(yes 'Wk,' | head -n 20000 | tr -d '\n')" >uucp/sys
printf 'timetable A B\ntimetable B A\n' >uucp/config
fresh
check "without a mochila.conf" exits 78 mochila --root "$work/nothing" import emailrelay -- --server-auth "$work/uucp/call"
check "nothing is written" test ! -e "$work/nothing/users"
check "what is hostile ends" exits 0 home import taylor uucp
check "with no escape of a terminal" test "$(tr -dc '\033' <said | wc -c)" -eq 0
check "and no link" test "$(grep -c '^link = .' "$home/mochila.conf")" -eq 0
head -c 3000000 /dev/zero >uucp/sys
check "a file that is too large" exits 65 home import taylor uucp
rm uucp/sys && mkfifo uucp/sys
check "a pipe is none" exits 78 home import taylor uucp
check "no folder" exits 66 home import taylor "$work/nowhere"

# ---- E-MailRelay ----

# mail N: a queued message as it leaves them
er=$work/er
mail_of_er() {
	printf 'Received: from x\r\nSubject: er %s\r\n\r\nBody %s.\r\n.\r\n' "$1" "$1" >"$er/emailrelay.77.1795873000.$1.content"
	printf '%s\r\n' "X-MailRelay-Format: #2821.8" "X-MailRelay-Content: ${2:-7bit}" "X-MailRelay-From: ann@example.org" \
	    "X-MailRelay-ToCount: 2" "X-MailRelay-To-Remote: bob@far.example" "X-MailRelay-To-Remote: eve@far.example" \
	    "X-MailRelay-Authentication: " "X-MailRelay-Client: 192.0.2.1:99" "X-MailRelay-End: 1" >"$er/emailrelay.77.1795873000.$1.envelope"
}
mails_of_er() {
	rm -rf "$er"
	mkdir "$er"
	for n in 1 2 3 4 5 6; do mail_of_er $n; done
	mail_of_er 7 8bit
	mail_of_er 8 binarymime
	mv "$er/emailrelay.77.1795873000.6.envelope" "$er/emailrelay.77.1795873000.6.envelope.bad"
	printf 'X-MailRelay-Format: #2821.8\r\nX-MailRelay-From: x@y\r\n' >"$er/emailrelay.77.1795873000.9.envelope"
	: >"$er/emailrelay.77.1795873000.9.content"
	ln -s /etc/passwd "$er/emailrelay.1.1.1.content"
	cp "$er/emailrelay.77.1795873000.1.envelope" "$er/emailrelay.1.1.1.envelope"
}
cat >secrets <<'END'
# who		type	name	secret
client		plain	us+40x	pass+2Bword
server		plain:b	YWxpY2U=	d29uZGVybGFuZA==
server		none	192.0.2.0/24	trusted
server		md5	old	AAAA
END
cat >emailrelay.conf <<END
# as Debian once had it
as-server
forward-to smart.example:587
client-tls-required
client-auth $work/secrets
server-auth $work/secrets
port 2599
interface 127.0.0.1,::1
spool-dir $er
domain relay.example
size 20000000
poll 60
filter /usr/libexec/f
syslog
in-port 26
END
mails_of_er
fresh
cp "$home/mochila.conf" conf.before
check "E-MailRelay's configuration is read" exits 0 home import emailrelay emailrelay.conf --dry-run
cp said said.dry
check "a dry run changes nothing" cmp conf.before "$home/mochila.conf"
check "no user" test ! -e "$home/users"
check "and no mail" test "$(find "$er" -name '*.envelope' | wc -l)" -eq 9
check "then it is taken" exits 0 home import emailrelay emailrelay.conf
cp said said.taken
sed 's/^nothing was changed; it would be: //' said.dry | cmp -s - said
check "and the dry run said the same" test $? -eq 0
check "a smart host" conf_says routes '* = smtp:smart.example:587'
check "with TLS" conf_says "hop smtp:smart.example:587" 'tls = required'
check "and a password" test "$(tr '\n' ' ' <"$home/keys/smarthost.login")" = "us@x pass+word "
check "a user" grep -q '^alice:\$' "$home/users"
check "who may log in" exits 0 home user list
cp said.taken said
check "what cannot be taken is named" said "-- only what the password can be got from"
check "and no password is shown" test "$(cat said said.dry | grep -c -e wonderland -e 'pass.word')" -eq 0
check "a listener is said already" said "already said, and kept: [relay main] listen = 127.0.0.1:2599 [::1]:2599"
check "a second instance is named" said "-- unknown; a second instance"
check "a filter too" said "filter /usr/libexec/f"
check "what is binary stays" said "-- it is binary"
check "what is cut, too" said "-- its envelope is not whole"
check "a link is nobody's mail" test -e "$er/emailrelay.1.1.1.envelope"
check "what had failed is named" said "6.envelope.bad -- it had failed"
check "six are taken" test "$(spooled "$home/spool/in")" -eq 6
check "and gone from there" test "$(find "$er" -name '*.envelope' | wc -l)" -eq 3
check "mail is routed by what was taken over" exits 0 home retry
check "to the smart host" test "$(messages "$home/spool/out/smtp:smart.example:587")" -eq 6
check "with every byte" grep -aq 'Body 5\.' -r "$home/spool/out"
check "the same from the command line" exits 0 home import emailrelay -n -- --as-proxy=far.example:25 -p 2600 -tx --size 1000
check "as it says" said "as-proxy far.example:25"

# Killed at each of its system calls that change something; then once more, to the end.
need strace
bad=0 at=0
calls='rename,renameat,renameat2,fsync,fdatasync,unlink,unlinkat,openat,write,pwrite64'
while at=$((at + 1)) && test $at -lt 400; do
	mails_of_er
	find "$er" ! -name 'emailrelay.77.1795873000.[12].*' -type f -delete
	find "$er" -type l -delete
	rm -rf "$home/spool/in" "$home/spool/out" "$home/spool/seen"
	mkdir -m 750 "$home/spool/in" "$home/spool/out" "$home/spool/seen"
	ASAN_OPTIONS=detect_leaks=0 strace -qq -o trace -e trace="$calls" -e inject="$calls":signal=KILL:when=$at+ \
	    "$build/spool/mochila" --root "$home" import emailrelay -- --spool-dir "$er" >/dev/null 2>&1
	status=$?
	home retry >/dev/null 2>&1	# what was taken is settled, before the second time
	home import emailrelay -- --spool-dir "$er" >/dev/null 2>&1
	home retry >/dev/null 2>&1
	test "$(messages "$home/spool/out")" -eq 2 || { bad=$((bad + 1)); say "killed at $at: $(messages "$home/spool/out") of 2"; }
	test -z "$(ls "$er")" || { bad=$((bad + 1)); say "killed at $at: left $(ls "$er")"; }
	test $status -ne 0 || break
done
check "killed anywhere ($at), each message comes once" test $bad -eq 0
check "and it came to its end" test "$status" -eq 0
finish
