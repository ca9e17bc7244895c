#!/bin/sh
# Programs of tables, while others are served: one that is slow, one that is dead, how many of them
# there are, what is remembered; and names in a header that only a program knows.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage

root=$work/hub
make_site "$root" hub
# It says who asks for what; of who is slow it says nothing until it is told to.
cat >"$work/program" <<END
#!/bin/sh
while read -r get key; do
	echo "\$key" >>"$work/asked"
	case \$get,\$key in
	get,slow@home.example) while ! test -f "$work/go"; do sleep 0.1; done; echo "200 bob@home.example" ;;
	get,dead*@home.example) exec sleep 100 ;;
	*) echo "500 none" ;;
	esac
done
END
cat >"$work/names" <<END
#!/bin/sh
while read -r get key; do
	case \$key in
	bob@home.lan) echo "200 robert@public.example" ;;
	bob@home.example) echo "200 bob@public.example" ;;
	*) echo "500 none" ;;
	esac
done
END
chmod 755 "$work/program" "$work/names"
echo 'info@home.example	bob@home.example' >"$root/aliases"
cat >>"$root/mochila.conf" <<-END
	retry-after = 1s
	[addresses]
	aliases = file:aliases, |$work/program
	masquerade = |$work/names
	[relay main]
	listen = 127.0.0.1:0
	max-client-connections = 50
	[routes]
	home.example = maildir:mail/%u
	away.example = smtp:127.0.0.1:1
END
relay_up "$root" || fail "the relay does not start"
main=$(at "$root")
asked() { grep -cx "$1" "$work/asked" 2>/dev/null; }
was_asked() { test "$(asked "$1")" -ge "${2:-1}"; }

# open NAME FD: a client that has said whom it is from and now does as it is told.
client() {
	mkfifo "$work/$1.talk"
	"$wire" call "$main" <"$work/$1.talk" >"$work/$1.log" 2>&1 &
	eval "$1=\$!"
	eval "exec $2>\"\$work/$1.talk\""
	eval "printf '< 220\n> EHLO x\n< 250\n> MAIL FROM:<ann@home.example>\n< 250\nsay ready\n' >&$2"
	wait_for 20 grep -qx ready "$work/$1.log"
}

say "# one that is slow"
client waits 4
client other 5
printf '> RCPT TO:<slow@home.example>\n< 250\nsay taken\n> QUIT\n< 221\n' >&4
check "is asked" wait_for 10 was_asked slow@home.example
printf '> RCPT TO:<info@home.example>\n< 250\nsay taken\n> QUIT\n< 221\n' >&5
check "another client is served" wait_for 10 grep -qx taken "$work/other.log"
check "while the first one waits" sh -c "! grep -qx taken '$work/waits.log'"
touch "$work/go"
check "who has his answer when there is one" wait_for 10 grep -qx taken "$work/waits.log"
exec 4>&- 5>&-
# shellcheck disable=SC2154	# client sets them
wait "$waits" "$other"

say "# what is remembered"
rcpt() { # ADDRESS REPLY
	call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<ann@home.example>" "< 250" "> RCPT TO:<$1>" "< $2" \
	    "> QUIT" "< 221" >"$work/rcpt" 2>&1
}
check "an address that it knows" rcpt slow@home.example 250
check "is not asked for again" test "$(asked slow@home.example)" -eq 1
check "and one that it does not know" rcpt nobody@home.example 250
check "is asked for" test "$(asked nobody@home.example)" -eq 1
check "once" rcpt nobody@home.example 250
check "only" test "$(asked nobody@home.example)" -eq 1
kill -HUP "$relay"
wait_for 10 grep -q event=reloaded "$work/hub.log"
check "until the settings are read again" rcpt nobody@home.example 250
check "then it is asked" test "$(asked nobody@home.example)" -eq 2

say "# one that is dead"
for i in 1 2 3 4 5 6 7 8; do
	rcpt "dead$i@home.example" 451 &
	eval "pid$i=\$!"
done
wait_for 10 was_asked dead.@home.example
programs() { grep -lsa "^/bin/sh.$work/program\|^sleep.100" /proc/[0-9]*/cmdline | wc -l; }
check "is started a few times, whoever asks" test "$(programs)" -le 5
check "others are served meanwhile" rcpt info@home.example 250
for i in 1 2 3 4 5 6 7 8; do
	eval "wait \$pid$i" || fail "dead$i was not told to come back"
done
n=$(wc -l <"$work/asked")
check "and while it rests" rcpt dead1@home.example 451
check "nobody asks it" test "$(wc -l <"$work/asked")" -eq "$n"

say "# a header"
check "when it answers again" wait_for 60 rcpt carl@away.example 250
check "ours that leaves" call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<bob@home.example>" "< 250" \
    "> RCPT TO:<carl@away.example>" "< 250" "> DATA" "< 354" "> From: Bob <bob@home.lan>" "> Cc: eve@away.example" \
    "> Subject: names" "> " "> the text" "> ." "< 250" "> QUIT" "< 221"
kept() { grep -rlsa 'Subject: names' "$root/spool/out" >"$work/kept"; }
check "is kept" wait_for 20 kept
message=$(head -n 1 "$work/kept")
check "under the name that the program knows" grep -aq '^From: Bob <robert@public.example>' "$message"
check "and sent by it" grep -aq '^MAIL FROM:<bob@public.example>' "$message"
check "with its text" grep -aq '^the text' "$message"
check "in chunks that wait in its middle, too" call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<bob@home.example>" "< 250" \
    "> RCPT TO:<carl@away.example>" "< 250" "> BDAT 39" "> From: tim@home.lan" "> Subject: chunks" "> " "< 250" \
    "> BDAT 6 LAST" "> text" "< 250" "> QUIT" "< 221"

say "# settings read again, whose routes only a program knows"
cat >"$work/ways" <<END
#!/bin/sh
echo "\$\$" >>"$work/ways.began"
while read -r get key; do
	echo "\$key" >>"$work/ways.asked"
	while ! test -f "$work/said"; do sleep 0.1; done
	case \$key in
	anybody@*) cat "$work/said" ;;
	table.example) echo "200 maildir:mail/%u" ;;
	*) echo "500 none" ;;
	esac
done
END
chmod 755 "$work/ways"
cp "$root/mochila.conf" "$work/conf"
sed -i "s|^\[addresses\]|&\nroutes = \|$work/ways|" "$root/mochila.conf"
counted() { test "$(grep -c "event=$1" "$work/hub.log")" -eq "$2"; }
kill -HUP "$relay"
check "are asked of it" wait_for 20 test -s "$work/ways.began"
check "others are served meanwhile" rcpt info@home.example 250
check "by those of before" counted reloaded 1
echo "500 none" >"$work/said"
check "which are the new ones when it has answered" wait_for 20 counted reloaded 2
check "and go by it" rcpt bob@table.example 250
echo "200 smtp:127.0.0.1:1" >"$work/said"
kill -HUP "$relay"
check "not those by which it would be an open relay" wait_for 20 counted "reload-refused.*open relay" 1
check "and all is as before" rcpt bob@table.example 250
echo "400 down" >"$work/said"
kill -HUP "$relay"
check "nor those of which nobody knows" wait_for 20 counted "reload-refused.*cannot be said" 1
check "and all is as before that, too" rcpt bob@table.example 250
stop "$relay"
mochila-relay --root "$root" >"$work/start" 2>&1
check "with them it does not start" test $? -eq 75
line=$(grep -n "^routes = " "$root/mochila.conf")
check "and says where they are, which one it is, and what to do" grep -q "mochila.conf:${line%%:*}: \[addresses\] routes: \
whether .*table |$work/ways: it says \"400 down\"; see that it answers" "$work/start"
slow=$build/tests/e2e/slow-clock.so
if test -f "$slow"; then
	LD_PRELOAD=$slow SLOW_CLOCK=1 mochila-relay --root "$root" >"$work/start" 2>&1
	check "nor when all of them together take too long" test $? -eq 75
	check "as it says" grep -q "table |$work/ways: no answer in the 30 s that a start has" "$work/start"
fi
left() { test "$(grep -lsa "^/bin/sh.$work/" /proc/[0-9]*/cmdline | wc -l)" -eq 0; }
check "no program is left behind" wait_for 10 left
echo "500 none" >"$work/said"
rm -f "$work/ways.asked"
relay_up "$root" --set "relay second.listen=127.0.0.1:0" || fail "the relay does not start"
check "two [relay]s are no open relay by one answer" test "$(grep -cx anybody@anywhere.invalid "$work/ways.asked")" -eq 1
check "of a program that the log names before it is waited for" grep -q "event=asking table=\"|$work/ways\"" "$work/hub.log"
check "and that is not kept" wait_for 10 left
stop "$relay"

say "# a spool that others may share: nobody but us can settle there"
sed "s|^\[addresses\]|shared = yes\n&|" "$work/conf" >"$root/mochila.conf"
relay_up "$root" || fail "the relay does not start"
main=$(at "$root")
rm -f "$work/go"
printf 'From: ann@home.example\nSubject: slow\n\nhello\n' >"$work/slow"
before=$(asked slow@home.example)
check "a mail that hangs on it" env MOCHILA_ROOT="$root" sendmail -f ann@home.example slow@home.example <"$work/slow"
tried() { test "$(asked slow@home.example)" -ge "$1"; }
check "its program is asked by the relay, too" wait_for 60 tried $((before + 2))
check "a client is served meanwhile" rcpt info@home.example 250
touch "$work/go"
check "and all is settled when it has" wait_for 60 has_mail "$root" bob 1
stop "$relay"
check "no program is left behind" wait_for 10 left
finish
