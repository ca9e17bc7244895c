#!/bin/sh
# mochila-relay carries mail to the next hop by SMTP: in part, later, again, and never twice.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage

hub=$work/hub home=$work/home
free_port && home_port=$port
make_site "$home" home
cat >>"$home/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:$home_port
	[routes]
	home.example = maildir:mail/%u
	gone.example = reject:they moved away
END

# The hops that a script plays (tests/e2e/wire.c).
greeting='> 220 fake\n< EHLO\n> 250-fake\n> 250-DSN\n> 250-PIPELINING\n> 250 SIZE\n'
script() { # NAME LINES
	# shellcheck disable=SC2059	# the format is the script
	printf "$greeting$2" >"$work/$1"
}
taken='< MAIL\n> 250 ok\n< RCPT\n> 250 ok\n< DATA\n> 354 go\n<.\n> 250 2.0.0 taken\n'
script one "$taken"'say one\n< MAIL\n> 421 4.3.2 enough for one connection\nclose\n'
script all "$taken"'say all\n< QUIT\n> 221 bye\n'
script dsn '< MAIL FROM:<a@b.example> SIZE=\n> 250 ok\n< RCPT TO:<x@dsn.example> NOTIFY=FAILURE ORCPT=rfc822;y@z.example\n> 250 ok\n< DATA\n> 354 go\n<.\n> 250 ok\nsay dsn\n< QUIT\n> 221 bye\n'
script some '< MAIL\n> 250 ok\n< RCPT TO:<good@\n> 250 ok\n< RCPT TO:<later@\n> 451 4.2.1 try later\n< DATA\n> 354 go\n<.\n> 250 2.0.0 taken\nsay some\n< QUIT\n> 221 bye\n'
script asked '< MAIL\n> 250 ok\n< RCPT TO:<a@\n> 451 4.2.1 not now\n< DATA\n> 503 no\nsay no\n< QUIT\n> 221 bye\n'
script granted "$taken"'say yes\n< QUIT\n> 221 bye\n'
script rest '< MAIL\n> 250 ok\n< RCPT TO:<later@\n> 250 ok\n< DATA\n> 354 go\n<.\n> 250 2.0.0 taken\nsay rest\n< QUIT\n> 221 bye\n'
script slow '< MAIL\n> 250 ok\n< RCPT\n> 250 ok\n< DATA\nsay slow\nwait 1500\n> 354 go\n< Received\nsay more\n'
printf 'say deaf\nwait 30000\n' >"$work/deaf"
said() { grep -qx "$2" "$work/$1.log" 2>/dev/null; }
cd "$work" || exit 99
serve parts some rest && parts=$port
sed -i '1i wait 1000' one
serve twice one all && twice=$port
serve asked asked granted && asked=$port
serve dsns dsn && dsns=$port
serve deafs deaf && deafs=$port
serve slows slow && slows=$port

make_site "$hub" hub
cat >>"$hub/mochila.conf" <<-END
	retry-after = 1s
	retry-max = 2s
	[relay main]
	listen = 127.0.0.1:0
	timeout = 20s
	[hop *]
	connections = 1
	keep = 0
	[routes]
	home.example = smtp:127.0.0.1:$home_port
	gone.example = smtp:127.0.0.1:$home_port
	parts.example = smtp:127.0.0.1:$parts
	twice.example = smtp:127.0.0.1:$twice
	asked.example = smtp:127.0.0.1:$asked
	dsn.example = smtp:127.0.0.1:$dsns
	deaf.example = smtp:127.0.0.1:$deafs
	slow.example = smtp:127.0.0.1:$slows
	dead.example = smtp:127.0.0.1:1
	lost.example = smtp:no-such-host.invalid:25
END
relay_up "$hub" || fail "the hub did not start"
hub_relay=$relay main=$(at "$hub")
waiting() { test "$(messages "$hub/spool/out/$1")" -eq "$2"; }
to_home=smtp:127.0.0.1:$home_port

say "# a next hop that is away, and comes back"
for i in 1 2 3 4 5 6 7 8; do
	mail "$main" ann@hub.example bob@home.example "mail $i" || fail "mail $i"
done
check "mail for a dead hop waits" wait_for 5 waiting "$to_home" 8
check "and the log says why" wait_for 5 grep -q "event=unreachable by=$to_home .*refused" "$work/hub.log"
mail "$main" ann@hub.example x@deaf.example deaf
mail "$main" ann@hub.example x@dead.example dead
mail "$main" ann@hub.example x@lost.example lost
wait_for 10 said deafs deaf
relay_up "$home" || fail "home did not start"
home_relay=$relay
check "all is delivered when the hop is back, whoever else is dead" wait_for 20 has_mail "$home" bob 8
check "over one connection" test "$(grep -c event=connect "$work/home.log")" -eq 1
check "it carries both traces" test "$(cat "$home"/mail/bob/new/* | grep -c '^Received: ')" -eq 16
check "nothing waits for it" wait_for 5 waiting "$to_home" 0
check "what waits for the dead ones is kept" test "$(spooled "$hub/spool/out")" -eq 3

say "# each recipient has his own fate"
check "a mail to one who is there and one who is not" call "$main" "< 220" "> EHLO x" "< 250" \
    "> MAIL FROM:<ann@hub.example>" "< 250" "> RCPT TO:<carol@home.example>" "< 250" \
    "> RCPT TO:<carol@gone.example>" "< 250" "> DATA" "< 354" "> Subject: two" "> " "> text" "> ." "< 250"
check "comes to the one" wait_for 10 has_mail "$home" carol 1
failed() { test "$(messages "$hub/spool/hold")" -eq "$1"; }
check "and of the other its sender is told, who has no route here" wait_for 10 failed 1
check "with the words of the refusal" grep -q '550 5.7.1 they moved away' "$hub"/spool/hold/*
mail2() { # two recipients
	call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<a@b.example>" "< 250" "> RCPT TO:<$1>" "< 250" \
	    "> RCPT TO:<$2>" "< 250" "> DATA" "< 354" "> Subject: two" "> " "> text" "> ." "< 250"
}
check "a mail of which one recipient is deferred" mail2 good@parts.example later@parts.example
check "goes to the other at once" wait_for 10 said parts some
check "and to him alone later" wait_for 10 said parts rest
check "then nothing is left" wait_for 5 waiting "smtp:127.0.0.1:$parts" 0

say "# connections"
mail "$main" a@b.example x@twice.example first
mail "$main" a@b.example x@twice.example second
check "a first mail" wait_for 10 said twice one
check "a hop that has had enough of a connection is called again" wait_for 15 said twice all
check "what was asked for with the mail is handed on" call "$main" "< 220" "> EHLO x" "< 250" \
    "> MAIL FROM:<a@b.example>" "< 250" \
    "> RCPT TO:<x@dsn.example> NOTIFY=FAILURE ORCPT=rfc822;y@z.example" "< 250" \
    "> DATA" "< 354" "> Subject: dsn" "> " "> text" "> ." "< 250"
check "word for word" wait_for 10 said dsns dsn

say "# a person's hands, and ends"
mail "$main" a@b.example x@slow.example slow
wait_for 10 said slows slow
mv "$hub/spool/out/smtp:127.0.0.1:$slows"/*/*-* "$hub/spool/hold/"
check "a mail moved away while it is sent" wait_for 10 grep -q "event=moved-away" "$work/hub.log"
check "is not sent" grep -q '^RCPT TO:<x@slow.example>' "$hub"/spool/hold/*

relay=$hub_relay
kill "$relay"
wait "$relay"
relay_up "$hub" --set spool.retry-after=1h || fail "the hub did not come back"
hub_relay=$relay main=$(at "$hub")
mail "$main" a@b.example a@asked.example asked
check "a mail that is deferred for an hour" wait_for 10 said asked no
wait_for 10 grep -q 'event=deferred to=<a@asked' "$work/hub.log"
check "is tried when somebody asks" mochila --root "$hub" retry "smtp:127.0.0.1:$asked"
check "at once" wait_for 5 said asked yes
check "and is gone" wait_for 5 waiting "smtp:127.0.0.1:$asked" 0

killed "$home_relay"
i=0
while [ $i -lt 20 ]; do mail "$main" a@b.example dave@home.example "mail $i" || fail "mail $i"; i=$((i + 1)); done
killed "$hub_relay"
relay_up "$home" || fail "home did not start"
relay_up "$hub" || fail "the hub did not come back"
check "what waited is delivered after a kill" wait_for 30 has_mail "$home" dave 20
kill "$relay"
wait "$relay"
check "the hub ends in good order with mail under way to a deaf hop" test $? -eq 0
check "which is kept" test "$(messages "$hub/spool/out/smtp:127.0.0.1:$deafs")" -eq 1
finish
