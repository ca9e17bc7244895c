#!/bin/sh
# Who is told what (RFC 3461), the whole way: a BSMTP file, a spool, a batch, another spool,
# the relay, and hops that know DSN or do not, take or refuse.  What came with a message
# arrives there to the letter; what its sender hears stands in the table.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage
cd "$work" || exit 99

# row | RCPT parameters | MAIL parameters | told when taken by a hop without DSN | when refused
# (By a hop that knows DSN, nothing is told of what is taken: it does that itself.)
cat >table <<'END'
1||| |failed
2|NOTIFY=NEVER|RET=FULL| |
3|NOTIFY=SUCCESS|RET=HDRS ENVID=QQ+2B314|relayed|
4|NOTIFY=FAILURE|RET=FULL ENVID=x| |failed-whole
5|NOTIFY=DELAY|ENVID=0| |
6|NOTIFY=SUCCESS,FAILURE|RET=FULL|relayed|failed-whole
7|NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2B@Orig.Example||relayed|
8|NOTIFY=FAILURE,DELAY ORCPT=rfc822;b@o.example|RET=HDRS| |failed
9|ORCPT=x400;/C+3Dat/ NOTIFY=success,Failure,DELAY|ENVID=a RET=Full|relayed|failed-whole
END

# hop NAME DSN|PLAIN taken|rcpt|end: a script for nine messages, in order
hop() {
	{
		echo '> 220 x'
		echo '< EHLO'
		case $2 in DSN) echo '> 250-x'; echo '> 250 DSN' ;; *) echo '> 250 x' ;; esac
		while IFS='|' read -r row rcpt mail _; do
			test "$2" = DSN || rcpt='' mail=''
			test "$3" != rcpt || test "$row" -eq 1 || { echo '< RSET'; echo '> 250 ok'; }
			echo "<= MAIL FROM:<ann@ann.example>${mail:+ $mail}"
			echo '> 250 ok'
			echo "<= RCPT TO:<Row$row@$1.example>${rcpt:+ $rcpt}"
			case $3 in
			rcpt) echo '> 550 5.1.1 no such user'; continue ;;
			esac
			echo '> 250 ok'
			echo '< DATA'
			echo '> 354 go'
			echo '<.'
			case $3 in
			end) echo '> 554 5.6.0 not that' ;;
			*) echo '> 250 2.0.0 taken' ;;
			esac
		done <table
		echo 'say all'
		echo '< QUIT'
		echo '> 221 bye'
	} >"$1.script"
	serve "$1" "$1.script"
	echo "$1.example = smtp:127.0.0.1:$port" >>routes
}
hops='dsn-taken dsn-rcpt dsn-end plain-taken plain-rcpt plain-end'
: >routes
for name in $hops; do
	case $name in dsn-*) kind=DSN ;; *) kind=PLAIN ;; esac
	hop "$name" $kind "${name#*-}"
done

# What ann ought to hear: "dsn-rcpt 1 failed"
for name in $hops box; do
	while IFS='|' read -r row _ _ taken refused; do
		case $name in
		dsn-taken) told='' ;;
		plain-taken) told=${taken% } ;;
		box) told=${taken% }; told=${told:+delivered} ;;
		*) told=$refused ;;
		esac
		test -z "$told" || echo "$name $row $told"
	done <table
done | sort >expected

make_site "$work/first" first
cat >>first/mochila.conf <<-END
	[routes]
	* = site:hub
	[site hub]
	codec = gz
END
make_site "$work/hub" hub
{
	cat <<-END
		[site first]
		[relay main]
		listen = 127.0.0.1:0
		[hop *]
		connections = 1
		keep = 0
		[routes]
		ann.example = maildir:mail/ann
		box.example = maildir:mail/box
	END
	cat routes
} >>hub/mochila.conf

# The mails, as some other program would write them.
{
	printf 'EHLO other.example\r\n'
	for name in $hops box; do
		while IFS='|' read -r row rcpt mail _; do
			printf 'MAIL FROM:<ann@ann.example>%s\r\nRCPT TO:<Row%s@%s.example>%s\r\nDATA\r\n' \
			    "${mail:+ $mail}" "$row" "$name" "${rcpt:+ $rcpt}"
			printf 'Subject: row %s\r\n\r\nTHE BODY\r\n.\r\n' "$row"
		done <table
	done
	printf 'QUIT\r\n'
} >mails
check "a BSMTP file with all of it is taken" env MOCHILA_ROOT="$work/first" bsmtp unpack --peer=hub mails
check "packed" env MOCHILA_ROOT="$work/first" bsmtp pack hub
batch=$(find first/spool/sent/hub -type f ! -path '*.d/*' | head -n 1)
check "and unpacked at the next site" env MOCHILA_ROOT="$work/hub" bsmtp unpack --peer=first "$batch"
test "$failures" -eq 0 || finish
relay_up "$work/hub" || fail "the relay did not start"
for name in $hops; do
	check "each came to $name with just what was asked for" wait_for 20 grep -qx all "$name.log"
done

reports() {
	for file in hub/mail/ann/new/*; do
		action=$(sed -n 's/^Action: \([a-z]*\).*/\1/p' "$file" | tr -d '\r')
		! grep -q 'THE BODY' "$file" || action=$action-whole
		sed -n 's/^Final-Recipient: rfc822; Row\([0-9]*\)@\(.*\)\.example.*/\2 \1/p' "$file" | tr -d '\r' |
		    sed "s/\$/ $action/"
	done | sort >got
}
all_told() { reports && cmp -s expected got; }
check "ann hears of each what the table says" wait_for 20 all_told
diff expected got
check "nothing is left" wait_for 10 empty hub/spool/out
check "and nothing else came of it" all_told
check "and nothing is held" empty hub/spool/hold
file=$(grep -l 'Row3@plain-taken' hub/mail/ann/new/*)
check "the envelope's id is told as it was meant" grep -q '^Original-Envelope-Id: QQ+314' "$file"
file=$(grep -l 'Row9@plain-end' hub/mail/ann/new/*)
check "and whom it was for" grep -q '^Original-Recipient: x400; /C=at/' "$file"
finish
