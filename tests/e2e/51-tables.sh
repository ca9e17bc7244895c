#!/bin/sh
# Aliases and routes out of tables: a text, a compiled map, a program; changed while the relay runs.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage

root=$work/hub
make_site "$root" hub
cat >"$work/program" <<END
#!/bin/sh
while read -r get key; do
	test -f $work/broken && exit 1
	case \$get,\$key in
	get,sql@home.example) echo "200 bob@home.example" ;;
	get,slow@home.example) echo "400 the database is away" ;;
	*) echo "500 none" ;;
	esac
done
END
chmod 755 "$work/program"
cat >"$root/aliases" <<-END
	info@home.example	bob@home.example, carl@box.example
	sales@home.example	info@home.example
END
cat >"$root/routes" <<-END
	box.example	maildir:mail/%u
	.box.example	maildir:mail/%u
END
cat >>"$root/mochila.conf" <<-END
	retry-after = 1s
	[addresses]
	extension = +
	forward = mail/%u/forward
	aliases = file:aliases, cdb:aliases.cdb, |$work/program
	routes = file:routes
	[relay main]
	listen = 127.0.0.1:0
	relay-from = 192.0.2.1/32
	[routes]
	home.example = maildir:mail/%u
	sender.example = maildir:mail/%u
	* = smtp:127.0.0.1:1
END
peer tinycdb || skip "$why"
make_cdb() { # LINE...
	printf '%s\n' "$@" | env LD_LIBRARY_PATH="$peer_libs" "$peer/usr/bin/cdb" -c -m "$root/aliases.new" &&
	    mv "$root/aliases.new" "$root/aliases.cdb"
}
make_cdb 'map@home.example bob@home.example' '@caught.example bob@home.example' 'x@odd.example |/bin/sh' ||
    fail "no cdb could be made"
relay_up "$root" || fail "the relay does not start"
main=$(at "$root")
rcpt() { # ADDRESS REPLY
	call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<ann@sender.example>" "< 250" "> RCPT TO:<$1>" "< $2" \
	    "> QUIT" "< 221" >"$work/rcpt" 2>&1
}

say "# a stranger may write to what is known, and to nothing else"
check "an address with a line of its own" rcpt info@home.example 250
check "with a remark" rcpt info+news@home.example 250
check "a domain that a table routes" rcpt carl@box.example 250
check "one below it" rcpt carl@deep.box.example 250
check "a domain that a table catches" rcpt anybody@caught.example 250
check "but no address that names another hop" rcpt anybody%other.example@caught.example 550
check "and no other domain" rcpt anybody@else.example 550
check "what a program does not know yet" rcpt slow@home.example 451

say "# where it goes"
mail "$main" ann@sender.example sales+x@home.example sales
check "by two lines, to one" wait_for 10 has_mail "$root" bob 1
check "and the other" wait_for 10 has_mail "$root" carl 1
check "who is told for whom it was" grep -qx 'Delivered-To: bob@home.example' "$root"/mail/bob/new/*
mail "$main" ann@sender.example map@home.example map
check "by the compiled map" wait_for 10 has_mail "$root" bob 2
mail "$main" ann@sender.example sql@home.example sql
check "by the program" wait_for 10 has_mail "$root" bob 3
mail "$main" ann@sender.example any@caught.example any
check "by the domain" wait_for 10 has_mail "$root" bob 4
check "SUCCESS of an alias for several" call "$main" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<ann@sender.example>" "< 250" \
    "> RCPT TO:<info@home.example> NOTIFY=SUCCESS" "< 250" "> DATA" "< 354" "> S: y" "> " "> ." "< 250"
check "is answered for here" wait_for 10 has_mail "$root" ann 1
python3 - "$root"/mail/ann/new/* <<'END' 2>"$work/py" || fail "the report is not RFC 3464's: $(tail -n 1 "$work/py")"
import email, sys
m = email.message_from_file(open(sys.argv[1]))
assert m.get_content_type() == "multipart/report", m.get_content_type()
status = m.get_payload(1).get_payload()
assert status[1]["Action"] == "expanded", status[1].items()
assert status[1]["Status"].startswith("2."), status[1].items()
assert status[1]["Final-Recipient"] == "rfc822; info@home.example", status[1].items()
END
check "and by nobody else" sh -c "sleep 1; test \$(ls '$root/mail/ann/new' | wc -l) -eq 1"

say "# a user's own word"
mkdir -p "$root/mail/dave"
printf '%s\n' '# where I am' '' 'erna@box.example,' 'dave@home.example' >"$root/mail/dave/forward"
mail "$main" ann@sender.example dave+list@home.example forward
check "his mail goes where he says" wait_for 10 has_mail "$root" erna 1
check "and he keeps a copy" wait_for 10 has_mail "$root" dave 1
: >"$root/mail/dave/forward"
mail "$main" ann@sender.example dave+list@home.example kept
check "until he says nothing more; a remark is no other mailbox" wait_for 10 has_mail "$root" dave 2

say "# a line that is wrong"
check "is no reason to refuse" rcpt x@odd.example 250
mail "$main" ann@sender.example x@odd.example odd
held() { test "$(messages "$root/spool/hold")" -eq 1; }
check "but a person must see to it" wait_for 10 held
check "with the reason" grep -q 'no address' "$root"/spool/hold/*

say "# what changes"
echo 'late@box.example bob@home.example' >>"$root/aliases"
make_cdb '@caught.example carl@box.example'
took() { rcpt late@box.example 250 && mail "$main" ann@sender.example late@box.example late; }
sleep 2.5
check "a new line" took
check "counts, without a word to the relay" wait_for 10 has_mail "$root" bob 6
mail "$main" ann@sender.example any@caught.example again
check "and so does a new map" wait_for 10 has_mail "$root" carl 3
mkfifo "$work/talk"
"$wire" call "$main" <"$work/talk" >"$work/open.log" 2>&1 &
talking=$!
exec 4>"$work/talk"
printf '< 220\n> EHLO x\n< 250\nsay hello\n' >&4
wait_for 5 grep -qx hello "$work/open.log"
kill -HUP "$relay"
wait_for 5 grep -q event=reloaded "$work/hub.log"
printf '> MAIL FROM:<ann@sender.example>\n< 250\n> RCPT TO:<info@home.example>\n< 250\n> QUIT\n< 221\n' >&4
exec 4>&-
check "SIGHUP reads all anew and drops no connection" wait "$talking"
touch "$work/broken"
kill -HUP "$relay"
sleep 0.5
check "while a table cannot be asked" rcpt unknown@home.example 451
check "what another one knows is taken all the same" rcpt info@home.example 250
rm "$work/broken"
check "and then the rest" wait_for 30 rcpt unknown@home.example 250
stop "$relay"
left() { grep -lsa "^/bin/sh.$work/program" /proc/[0-9]*/cmdline; }
none_left() { test -z "$(left)"; }
check "no program is left behind" wait_for 5 none_left
finish
