#!/bin/sh
# bsmtp unpack to an SMTP server: each message has its own outcome, the batch is done once.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
stage
mails=$top/tests/fixtures
wire=$build/tests/e2e/wire
cd "$work" || exit 99

greeting='> 220 fake\n< EHLO\n> 250-fake\n> 250-PIPELINING\n> 250 SIZE\n'
script() { # NAME LINES
	# shellcheck disable=SC2059	# the format is the script
	printf "$greeting$2" >"$1"
}
serve() { # SCRIPT: $port
	start "$1" "$wire" serve "$work/$1.port" "$1"
	wait_for 10 test -s "$work/$1.port"
	port=$(cat "$work/$1.port")
}
taken='< MAIL FROM:<ann@example.org>\n> 250 ok\n< RCPT\n> 250 ok\n< DATA\n> 354 go\n<.\n> 250 2.0.0 taken\n'
later='< MAIL\n> 451 4.3.0 not now\n< RCPT\n> 503 5.5.1 no\n< DATA\n> 503 5.5.1 no\n< RSET\n> 250 ok\n'
never='< MAIL\n> 250 ok\n< RCPT\n> 550 5.1.1 no such mailbox\n< DATA\n> 503 5.5.1 no\n< RSET\n> 250 ok\n'
script all "$taken$taken$taken"'< QUIT\n> 221 bye\n'
script mixed "$taken$later$never"'< QUIT\n> 221 bye\n'
script vanish "$taken"'< MAIL\n> 250 ok\n< RCPT\n> 250 ok\n< DATA\n> 354 go\n<.\nreset\n'

site() { # NAME
	make_site "$1" "$1"
	cat >>"$1/mochila.conf" <<-END
		[site hub]
		[routes]
		home.example = site:inner
		[site inner]
		link =
	END
}
bsmtp pack --files "$mails/plain.eml" "$mails/dots.eml" "$mails/eight-bit.eml" --to=user@home.example -o three.gz
count() { # SITE FOLDER
	spooled "$1/spool/$2"
}

site all.site
serve all
check "a server takes them all" exits 0 at all.site bsmtp unpack --to=smtp:127.0.0.1:"$port" --peer=hub three.gz
check "nothing is left here" test "$(count all.site out),$(count all.site hold),$(count all.site in)" = 0,0,0
check "the same batch again is not sent again, though nobody listens as before" \
    exits 75 at all.site bsmtp unpack --to=smtp:127.0.0.1:1 --peer=hub three.gz

site mixed.site
serve mixed
check "one taken, one later, one never: the batch is done" exits 0 \
    at mixed.site bsmtp unpack --to=smtp:127.0.0.1:"$port" --peer=hub three.gz
check "the one for later waits in our spool" test "$(count mixed.site out/inner)" -eq 1
check "it is the second" grep -qr 'Subject: dots' mixed.site/spool/out/inner
check "the one for never is in hold/" test "$(count mixed.site hold)" -eq 1
check "it is the third" grep -qar 'Subject: eight-bit' mixed.site/spool/hold
check "with the server's words" grep -qar 'held reason="550 5.1.1 no such mailbox"' mixed.site/spool/hold
serve all
check "the batch again finds nothing to do" exits 0 \
    at mixed.site bsmtp unpack --to=smtp:127.0.0.1:"$port" --peer=hub three.gz
check "and says so" grep -q 'repeats=3' said
check "nothing came twice" test "$(count mixed.site out),$(count mixed.site hold)" = 1,1

site vanish.site
serve vanish
check "a server that vanishes leaves the rest in our spool" exits 0 \
    at vanish.site bsmtp unpack --to=smtp:127.0.0.1:"$port" --peer=hub three.gz
check "the one that was under way too" test "$(count vanish.site out/inner)" -eq 2

site dead.site
free_port
check "no server: the batch waits, 75" exits 75 at dead.site bsmtp unpack --to=smtp:127.0.0.1:"$port" three.gz
check "and nothing was put anywhere" test "$(count dead.site out),$(count dead.site hold),$(count dead.site in)" = 0,0,0
check "a sink that is none is 64 and answered" exits 64 at dead.site bsmtp unpack --to=smpt:127.0.0.1:25 three.gz
check "with the nearest" grep -q 'did you mean smtp' said
check "an address without a port too" exits 78 at dead.site bsmtp unpack --to=smtp:127.0.0.1 three.gz
head -c 100 three.gz >cut.gz
serve all
check "a cut batch: nothing is sent" exits 65 at dead.site bsmtp unpack --to=smtp:127.0.0.1:"$port" cut.gz
finish
