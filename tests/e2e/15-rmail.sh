#!/bin/sh
# rmail takes mail from UUCP, sendmail takes it from programs; both refuse what is no mail.
# shellcheck source=tests/e2e/lib.sh
# shellcheck disable=SC2317,SC2002	# functions that check calls; a pipe that is the point
. "${srcdir:-.}/tests/e2e/lib.sh"
stage
mails=$top/tests/fixtures
cd "$work" || exit 99
make_site hub hub
cat >>hub/mochila.conf <<-END
	[routes]
	home.example = site:home
	far = site:far
	[site home]
	[site far]
END
export MOCHILA_ROOT="$work/hub"
waiting() { spooled hub/spool/out; }
nothing_taken() { test "$(spooled hub/spool)" -eq "${taken:-0}"; }

# from_hub WORD...: as uuxqt runs it, for a peer it has made sure of
from_hub() { UU_MACHINE=peer MOCHILA_JOB=job$((jobs = ${jobs:-0} + 1)) rmail "$@"; }
# the only message that holds TEXT
holding() { grep -arl "$1" hub/spool/out hub/spool/hold 2>/dev/null; }

# ---- rmail ----

{ echo 'From ann Sat Nov 21 18:45:02 2026 remote from hub'; cat "$mails/dots.eml"; } >letter
from_hub user@home.example far\!far2\!bob <letter 2>said || fail "rmail: $(cat said)"
check "a letter is in the spool, once for each place" test "$(waiting)" -eq 2
check "its sender is the path of the From_ lines" grep -aq '^MAIL FROM:<hub!ann>$' "$(holding 'RCPT TO:<user@home.example>')"
check "a bang path is for the next host" test -n "$(holding 'RCPT TO:<far2!bob@far>')"
bsmtp pack --config=hub/mochila.conf home 2>/dev/null
batch=$(find hub/spool/sent/home -maxdepth 1 -type f)
bsmtp cat 1 "$batch" | sed 's/\r$//' >came
sed 1d letter >letter.plain
check "a dot is only a dot, and every byte is there" came_whole letter.plain came
check "its trace names the peer" grep -q '^Received: from peer' came

# ARG-01, ARG-02, ARG-05: words from the wire are addresses, whatever they look like
taken=$(spooled hub/spool)
for word in -oQ/x -C/x/y -- -bs -X/x/log --help --sendmail=/bin/sh --root=/nowhere '|sh' '/etc/passwd' \
    ':include:/etc/shadow' "$(printf 'a\nb@home.example')" "$(printf 'a\033b@home.example')"; do
	check "not an address: $word" exits 64 from_hub "$word" <letter
done
for word in 'a b@home.example' 'a,b@home.example' '@' 'a@' "$(printf '%300s@home.example' x)"; do
	check "no address: $word" exits 65 from_hub "$word" <letter
done
check "one bad word refuses the letter" exits 64 from_hub user@home.example -x <letter
check "no word at all" exits 64 from_hub <letter
check "no From_ line" exits 65 from_hub user@home.example <"$mails/plain.eml"
check "an empty input" exits 65 from_hub user@home.example </dev/null
printf 'From \n\nx\n' >bad
check "a From_ line with nobody in it" exits 65 from_hub user@home.example <bad
printf 'From a\001b x\n\nx\n' >bad
check "one with control characters" exits 65 from_hub user@home.example <bad
{ printf 'From '; head -c 65536 /dev/zero | tr '\0' a; printf ' x\n\nx\n'; } >bad
check "one of 64 KiB" exits 65 from_hub user@home.example <bad
yes 'From u Sat Nov 21 18:45:02 2026 remote from h' | head -n 101 >bad
check "a hundred and one hosts" exits 65 from_hub user@home.example <bad
check "a folder for a letter" exits 66 from_hub user@home.example <"$work"
MOCHILA_SET='spool.max-size=1000' exits 65 from_hub user@home.example <<-END || fail "more than max-size"
	From ann x

	$(head -c 2000 /dev/zero | tr '\0' a)
END
MOCHILA_SET='spool.min-free=9999G' exits 75 from_hub user@home.example <letter || fail "no room is 75"
check "of all these nothing was taken" nothing_taken

printf 'From MAILER-DAEMON Sat Nov 21 18:45:02 2026 remote from hub\nSubject: daemon\n\nx\n' >good
from_hub user@home.example <good 2>said || fail "$(cat said)"
check "MAILER-DAEMON is the null sender" grep -aq '^MAIL FROM:<>$' "$(holding 'Subject: daemon')"
printf 'From <> Sat Nov 21 18:45:02 2026 remote from hub\n>From <> Sat Nov 21 18:44:02 2026 remote from far\nSubject: nobody\n\nx\n' >good
from_hub user@home.example <good 2>said || fail "$(cat said)"
check "so is <>, however many hosts it passed" grep -aq '^MAIL FROM:<>$' "$(holding 'Subject: nobody')"
{
	echo 'From ann Sat Nov 21 18:45:02 2026 remote from three'
	echo '>From ann Sat Nov 21 18:44:02 2026 remote from two'
	printf '>From ann Sat Nov 21 18:43:02 2026 remote from one\nSubject: chain\n\n>From is text here\n'
} >good
from_hub user@home.example <good 2>said || fail "$(cat said)"
check "a chain of >From lines is a path" grep -aq '^MAIL FROM:<three!two!one!ann>$' "$(holding 'Subject: chain')"
check "and behind the header they are text" test -n "$(holding '^>From is text here')"
printf 'From j\303\266rg@example.org Sat Nov 21 18:45:02 2026\nSubject: beyond\n\nx\n' >good
from_hub "$(printf 'b\303\274b@home.example')" <good 2>said || fail "$(cat said)"
check "addresses beyond ASCII are said to be" \
    grep -aq "^MAIL FROM:<$(printf 'j\303\266rg')@example.org> SMTPUTF8\$" "$(holding 'Subject: beyond')"
printf 'From ann@example.org Sat Nov 21 18:45:02 2026 remote from hub\nSubject: gr\303\274n\n\nx\n' >good
from_hub user@home.example <good 2>said || fail "$(cat said)"
check "an @ makes the hosts just the way; 8 bits are said" \
    grep -aq '^MAIL FROM:<ann@example.org> BODY=8BITMIME$' "$(holding 'Subject: gr')"

# ---- into another's sendmail: its arguments, its status, also behind a pipe ----

cat >other <<-END
	#!/bin/sh
	printf '[%s]' "\$@" >"$work/other.args"
	cat >"$work/other.mail"
	exit \$(cat "$work/other.status")
END
chmod 755 other
echo 0 >other.status
rmail --sendmail="$work/other" user@home.example "o'neil@home.example" <letter 2>said
check "another's sendmail takes it" test $? -eq 0
check "by an argument list" test "$(cat other.args)" = "[-i][-f][hub!ann][--][user@home.example][o'neil@home.example]"
check "and every byte" cmp letter.plain other.mail
for status in 75 67 1 78; do
	echo $status >other.status
	rmail --sendmail="$work/other" user@home.example <letter 2>said
	got=$?
	check "its status $status is ours" test $got -eq $status
done
echo 0 >other.status
rm -f other.args
UU_MACHINE=peer MOCHILA_SET="spool.rmail=sendmail:$work/other" rmail user@home.example <letter 2>said
check "the settings can say so for UUCP" test -s other.args
printf '#!/bin/sh\nhead -n 1\n' >first
chmod 755 first
check "one that says 0 and has not read it all is asked again" exits 75 rmail --sendmail="$work/first" user@home.example <letter
slow=$build/tests/e2e/slow-clock.so
if test -f "$slow"; then
	{ cat letter; yes 'a line of many' | head -n 20000; } >large
	printf '#!/bin/sh\nexec sleep 300\n' >sleeper
	chmod 755 sleeper
	check "one that reads nothing is not waited for without end" exits 75 timeout 120 env LD_PRELOAD="$slow" SLOW_CLOCK=1 \
	    rmail --sendmail="$work/sleeper" user@home.example <large
	check "and it is said" grep -q 'sleeper: no end after 1800 s' said
fi
check "a program that is not there is for a person" exits 78 rmail --sendmail=/nowhere/sendmail user@home.example <letter

# ---- sendmail ----

cat >mail <<-END
	From root Sat Nov 21 18:45:02 2026
	To: "Bob, the first" <bob@home.example>, cyd@home.example (Cyd (home)),
	 list: dora@home.example;
	Bcc: eve@home.example
	Subject: submitted

	Hello.
	.
	not part of it
END
check "sendmail -t takes recipients from the header" exits 0 sendmail -t -F 'Ann B' -f ann@hub.example <mail
got=$(holding 'Subject: submitted')
for who in bob cyd dora eve; do
	check "$who gets it" grep -aq "^RCPT TO:<$who@home.example>" "$got"
done
check "Bcc is off" test "$(grep -aci '^Bcc' "$got")" -eq 0
check "the From_ line too" test "$(grep -ac '^From root' "$got")" -eq 0
check "From, Date and Message-ID are there" test "$(grep -acE '^(From: "Ann B" <ann@hub.example>|Date: |Message-ID: <)' "$got")" -eq 3
check "a dot ended it" test "$(grep -ac 'not part of it' "$got")" -eq 0
check "sendmail -i does not end there" exits 0 sendmail -i -f ann@hub.example user@home.example <mail
check "nor -oi, and -O IgnoreDots" exits 0 sendmail -oi -OIgnoreDots=true -f ann@hub.example user@home.example <mail
check "both are whole" test "$(grep -arl 'not part of it' hub/spool/out | wc -l)" -eq 2
check "DSN is carried" exits 0 sendmail -N failure,delay -R hdrs -V 'QQ=1' user@home.example <"$mails/plain.eml"
check "as RFC 3461 says it" test -n "$(holding '^MAIL FROM:<.*> RET=HDRS ENVID=QQ+3D1')"
check "for each recipient" test -n "$(holding '^RCPT TO:<user@home.example> NOTIFY=FAILURE,DELAY')"
echo hello | sendmail bare@home.example 2>said
check "text without a header gets one" test "$(tr -d '\r' <"$(holding 'RCPT TO:<bare@')" | grep -A1 '^Message-ID' | tail -n 1)" = ""
check "options that mean nothing here are taken" exits 0 sendmail -v -odq -oem -om -B8BITMIME -h 3 -q \
    -f '<>' user@home.example <"$mails/plain.eml"
printf 'EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<-oQ/x>\r\nRCPT TO:<user@home.example>\r\nDATA\r\nSubject: spoken\r\n\r\n..\r\n.\r\nQUIT\r\n' |
    sendmail -bs >spoken
check "sendmail -bs speaks SMTP" test "$(grep -c '^250 2.0.0' spoken),$(grep -c '^221' spoken)" = 1,1
check "and takes no option for an address" test "$(grep -c '^5[0-9]' spoken)" -eq 1
check "what it took is there" test -n "$(holding 'Subject: spoken')"
check "and it got what it lacked" test "$(grep -acE '^(From|Date|Message-ID): ' "$(holding 'Subject: spoken')")" -eq 3
check "sendmail -bp shows what waits" exits 0 sendmail -bp
check "so does mailq" exits 0 mailq
check "with its table" grep -q 'home' said

# STATUS | WORDS | what it says, or what is in the spool then
while IFS='|' read -r status words says; do
	printf 'To: user@home.example\nBcc: eve@home.example\nSubject: row\n\nx\n' >row
	# shellcheck disable=SC2086	# words
	check "sendmail $words" exits "$status" sendmail $words <row
	test -z "$says" || check "	says $says" grep -q -e "$says" said
done <<-'END'
	0|-bv user@home.example|user@home.example... deliverable: site:home
	68|-bv user@nowhere.example|no route
	68|-bv user@home.example user@nowhere.example|nowhere.example... no route
	65|-bv a,b@home.example|no address
	64|-bv|which addresses
	0|-bi|
	0|-I|
	0|-bh|
	0|-bH|
	0|-q|
	0|-q30m -f a@hub.example user@home.example|
	0|-qRhome|
	64|-qI|which
	64|-bd|mochila-relay
	64|-bl -q1h|mochila-relay
	64|-bD|mochila-relay
	64|-bz|not done here
	64|-Z user@home.example|unknown option
	64|-f|value is missing
	64|-N perhaps user@home.example|not never
	64|-N never,success user@home.example|not never
	64|-R some user@home.example|not full or hdrs
	64|-B9BIT user@home.example|not 7BIT
	0|-B8BITMIME -oi -oem -om -odb -o7 -f a@hub.example user@home.example|
	0|-Am -Ac -G -n -U -m -s -v -h 9 -L tag -X /nowhere/log -C /nowhere/sendmail.cf -f a@hub.example -- user@home.example|
	0|-O DeliveryMode=queue -O IgnoreDots=false -OTimeout=1d -r a@hub.example user@home.example|
	0|-bm -f a@hub.example user@home.example|
	0|-Rfull -Nsuccess,delay,failure -VQQ -tif a@hub.example|
	0|-t -oi -f <> |
	64|-- -f user@home.example|
END
check "mail with -G goes on as it came" test "$(holding 'Bcc: eve@home.example' | wc -l)" -eq 1
check "a Bcc of any submission is off" test "$(grep -arl 'Subject: row' hub/spool/out | wc -l)" -gt 4
printf '0 user@home.example\n3,0 bob@nowhere.example\n' >rules
check "sendmail -bt tests addresses" sh -c 'sendmail -bt <rules >tested 2>/dev/null; test $? -eq 68'
check "a line each" test "$(grep -c -e '^user@home.example... deliverable: site:home$' -e '^bob@nowhere.example... no route$' tested)" -eq 2
check "newaliases has nothing to do" exits 0 newaliases
taken=$(spooled hub/spool)
check "sendmail: no recipient" exits 64 sendmail <mail
check "sendmail -t: none in the header" exits 64 sendmail -t </dev/null
check "an unknown letter" exits 64 sendmail -Z user@home.example <mail
check "an unknown mode" exits 64 sendmail -bz user@home.example <mail
check "-f with a line end (ARG-04)" exits 64 sendmail -f "$(printf 'a\nb')" user@home.example <mail
check "-F with a header in it" exits 64 sendmail -F "$(printf 'a\nBcc: x')" user@home.example <mail
check "-V with a line end" exits 64 sendmail -V "$(printf 'a\nb')" user@home.example <mail
printf 'To: |sh, x@home.example\n\nx\n' >bad
check "a program in To (ARG-02)" exits 64 sendmail -t <bad
printf 'To: :include:/etc/shadow\n\nx\n' >bad
check "a list file in To" exits 64 sendmail -t <bad
check "sendmail: none of these was taken" nothing_taken

# ---- an ordinary user: mochila-drop ----

test "$(id -u)" -eq 0 || { say "not root: mochila-drop as another user is not tried"; finish; }
need setpriv
cp "$build/rmail/mochila-drop" drop && rm -f libexec/mochila-drop && mv drop libexec/mochila-drop
chmod a+rx .. . hub libexec libexec/mochila-drop
chmod a+r hub/mochila.conf
chgrp 65533 hub/spool/drop hub/spool
chmod 750 hub/spool
chmod 1730 hub/spool/drop
as_user() { setpriv --reuid=65534 --regid=65533 --clear-groups "$@"; }
as_user test -x "$MOCHILA_LIBEXEC/sendmail" -a -r "$work/hub/mochila.conf" ||
    { say "another user may not reach $work: mochila-drop is not tried"; finish; }
check "an ordinary user submits" exits 0 as_user "$MOCHILA_LIBEXEC/sendmail" -f nobody@hub.example user@home.example <"$mails/eight-bit.eml"
dropped=$(find hub/spool/drop -type f)
check "through drop/" test -s "$dropped"
check "readable by the spool's account, and nobody else" test "$(stat -c %a "$dropped")" = 640
bsmtp pack home 2>/dev/null
check "it is taken from there" test ! -e "$dropped"
at_last=$(find hub/spool/sent/home -maxdepth 1 -type f | sort | tail -n 1)
number=$(bsmtp list "$at_last" | awk '/<nobody@hub.example>/ { print $1 }')
bsmtp cat "$number" "$at_last" | sed 's/\r$//' | tail -c "$(stat -c %s "$mails/eight-bit.eml")" >last
check "every byte of it" cmp "$mails/eight-bit.eml" last
check "mochila-drop takes no arguments" exits 64 mochila-drop --help
check "no entry, no file" exits 65 as_user mochila-drop --root "$work/hub" <"$mails/plain.eml"
check "closed descriptors are no harm (ARG-03)" exits 65 as_user sh -c "exec mochila-drop --root '$work/hub' <&- >&- 2>&-"
check "no spool, 78" exits 78 as_user mochila-drop --root /nowhere
check "nothing half is left" test "$(find hub/spool/drop | wc -l)" -eq 1
finish
