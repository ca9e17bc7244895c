#!/bin/sh
# Filters before mail goes out, to a host, a mailbox or a site: what they decide is done, what
# they change is written anew under its id, and their own trouble keeps the mail.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage

root=$work/hub
make_site "$root" hub
# By the local part: x17- ends with status 17, down@ fails while $work/down is there.
cat >"$work/filter" <<END
#!/bin/sh
echo "\$2" >>$work/calls
to=\$(sed -n 's/^X-MailRelay-To-[A-Z][a-z]*: //p' "\$2" | tr -d '\r' | head -n 1)
case \$2 in *.envelope.busy) ;; *) exit 9 ;; esac
case \$to in
x*) s=\${to%%-*}; exit "\${s#x}" ;;
down*) test ! -f $work/down || kill -9 \$\$ ;;
text*) echo '<<552 5.2.9 not for you>>'; exit 1 ;;
later*) test ! -f $work/down || { echo '<<450 4.2.9 in a while>>'; exit 1; } ;;
to*) sed 's/^X-MailRelay-To-\([A-Za-z]*\): to/X-MailRelay-To-\1: new/' "\$2" >"\$2.x" && mv "\$2.x" "\$2" ;;
other*) sed 's/^X-MailRelay-ForwardToAddress:.*/X-MailRelay-ForwardToAddress: 127.0.0.1:1/' "\$2" >"\$2.x" && mv "\$2.x" "\$2" ;;
same*) exit 0 ;;
esac
{ printf 'X-Filtered: yes\r\n'; cat "\$1"; } >"\$1.x" && mv "\$1.x" "\$1"
exit 0
END
chmod 755 "$work/filter"
cat >>"$root/mochila.conf" <<-END
	retry-after = 1s
	retry-max = 1s
	[relay main]
	listen = 127.0.0.1:0
	[relay back]
	listen = 127.0.0.1:0
	from-filter = yes
	[filter script]
	run = exec:$work/filter
	[site home]
	filters = script
	[hop maildir:filtered/%u]
	filters = script
	[routes]
	home.example = site:home
	box.example = maildir:filtered/%u
	hub.example = maildir:mail/%u
END
relay_up "$root" || fail "the relay does not start"
main=$(at "$root")
send() { mail "$main" ann@hub.example "$1@${2-box.example}" "$1" || fail "mail for $1"; }
waits() { test "$(messages "$root/spool/out/$1")" -eq "$2"; }
boxes() { cat "$root/$1"/new/* 2>/dev/null | grep -q -- "$2"; }
calls() { wc -l <"$work/calls"; }
id_of() { sed -n "s/.* \([^ ]*\): event=accepted .*rcpts.*/\1/p" "$root/spool/log/mochila.log" | tail -n 1; }

say "# to a mailbox"
send one
check "changed" wait_for 20 boxes filtered/one '^X-Filtered: yes'
check "under the same id" test -f "$root/filtered/one/new/$(id_of)"
check "by the filter once" test "$(calls)" -eq 1
check "of which the history tells" logged "$root" "$(id_of): event=filtered site=maildir:filtered"
send same
check "not changed" wait_for 20 boxes filtered/same 'Subject: same'
send to
check "for another" wait_for 20 boxes filtered/new 'Subject: to'
send other
check "elsewhere" wait_for 20 waits smtp:127.0.0.1:1 1

say "# to a site"
send away home.example
check "filtered before it waits for the call" wait_for 20 waits home 1
check "changed" grep -qrs '^X-Filtered: yes' "$root/spool/out/home"
check "and sound" mochila --root "$root" doctor
mkdir -p "$work/out"
check "it is packed as it is" mochila --root "$root" bsmtp pack home
check "changed" sh -c "for b in '$root'/spool/sent/home/*; do test -d \"\$b\" || mochila --root '$root' bsmtp cat \"\$b\"; done | grep -q '^X-Filtered: yes'"

say "# what a filter may decide"
send text
returned() { cat "$root"/mail/ann/new/* 2>/dev/null | grep -q "$1"; }
check "refused is returned" wait_for 20 returned '^ *552 5.2.9 not for you'
send x103-
check "103 goes on" wait_for 20 boxes filtered/x103- 'Subject'
send x42-
check "42 is returned" wait_for 20 returned '^Final-Recipient: rfc822; *x42-@box.example'
send x100-
check "100 is not now" wait_for 20 logged "$root" 'event=deferred to=<x100-@box.example>.*450 4.7.1 a filter says not now'
check "it waits" waits 'filter:maildir:filtered%2F%25u' 1
check "and is said to" sh -c "mochila --root '$root' show \$(ls '$root'/spool/out/filter:*/*/ | tail -n 1) | grep -q 'says not now'"
mochila --root "$root" remove "$(find "$root"/spool/out/filter:* -type f ! -name '.*' -printf '%f\n')" >/dev/null
send x105-
check "105 is returned" wait_for 20 returned '^Final-Recipient: rfc822; *x105-@box.example'

say "# its own trouble"
touch "$work/down"
send down
check "keeps the mail" wait_for 20 logged "$root" 'event=deferred to=<down@box.example>'
send later
check "as does its word" wait_for 20 logged "$root" 'event=deferred to=<later@box.example>.*450 4.2.9 in a while'
rm "$work/down"
check "until it is well" wait_for 20 boxes filtered/down '^X-Filtered: yes'
check "or says yes" wait_for 20 boxes filtered/later '^X-Filtered: yes'

say "# what comes back from a filter"
before=$(calls)
check "by a door of its own" mail "$(at "$root" back)" ann@hub.example back@box.example back
check "is not filtered again" wait_for 20 boxes filtered/back 'Subject: back'
check "at all" test "$(calls)" -eq "$before"
sends() { mochila --root "$root" list 2>/dev/null | grep -q .; }
check "nothing waits for filters any more" wait_for 20 sh -c "test \"\$(find '$root'/spool/out/filter:* -type f ! -name '.*' | wc -l)\" -eq 0"

say "# without filters what waits for them goes on"
cp "$root/mochila.conf" "$work/conf"
touch "$work/down"
send down home.example
check "it waits" wait_for 20 logged "$root" 'event=deferred to=<down@home.example>'
stop "$relay"
sed -i '/^filters/d' "$root/mochila.conf"
relay_up "$root" || fail "the relay does not start"
check "it goes on" wait_for 20 waits home 1
stop "$relay"
printf '%s\n' '[filter split]' 'run = split:' '[site other]' 'filters = split' >>"$root/mochila.conf"
check "one that is only for arrivals" exits 78 mochila-relay --root "$root"
finish
