#!/bin/sh
# What the relay has given away once it is at work, and that it works all the same; and its
# helper, which starts only what the settings name.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage

root=$work/hub
make_site "$root" hub
mkdir -p "$work/elsewhere" "$work/tables"
printf '#!/bin/sh\ncat >"%s/piped.$$"\n' "$work/tables" >"$work/deliver"
cat >"$work/ask" <<'END'
#!/bin/sh
while read -r word key; do case $key in alias@hub.example) echo "200 bob@hub.example" ;; *) echo "500 no" ;; esac; done
END
cp "$work/deliver" "$work/unnamed"
chmod +x "$work/deliver" "$work/ask" "$work/unnamed"
echo "table.example maildir:mail/table" >"$work/tables/routes"
cat >>"$root/mochila.conf" <<-END
	[addresses]
	routes = file:$work/tables/routes
	aliases = |$work/ask
	[relay main]
	listen = 127.0.0.1:0
	pop3-listen = 127.0.0.1:0
	[routes]
	hub.example = maildir:mail/%u
	away.example = maildir:$work/elsewhere/%u
	piped.example = command:$work/deliver %u
	dead.example = smtp:localhost:1
END
mkdir -p "$root/boxes/gus/new" "$root/boxes/gus/cur" "$root/boxes/gus/tmp"
printf 'Subject: gus\n\ntext\n' >"$root/boxes/gus/new/1.mail"
echo word | mochila --root "$root" user add gus --mailbox boxes/gus || fail "no user"
relay_up "$root" || fail "the relay does not start"
main=$(at "$root")
pop=$(sed -n 's/^main pop3 //p' "$root/ready")
status_of() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }
piped() { ls "$work/tables"/piped.* >/dev/null 2>&1; }
told() { grep "event=sandbox" "$work/hub.log" | sed 's/.*event=sandbox //' | tee "$work/told" | grep .; }

say "# what it has"
check "it says what it got" wait_for 10 told
if told | grep -q seccomp=yes; then
	check "calls are refused" test "$(status_of "$relay" Seccomp)" = 2
else
	say "no seccomp here: $(told)"
fi
check "no program gives it more" test "$(status_of "$relay" NoNewPrivs)" = 1
helper=$(pgrep -o -P "$relay")	# numbers of processes begin anew
check "a helper is there" test -n "$helper"
check "which may" test "$(status_of "$helper" NoNewPrivs)" = 0
check "and holds no socket of the relay's" sh -c "test \$(find /proc/$helper/fd -lname 'socket:*' | wc -l) -eq 1"

say "# it works"
mail "$main" ann@hub.example bob@hub.example one || fail "mail"
mail "$main" ann@hub.example bob@away.example two || fail "mail"
mail "$main" ann@hub.example bob@piped.example three || fail "mail"
mail "$main" ann@hub.example bob@table.example four || fail "mail"
mail "$main" ann@hub.example alias@hub.example five || fail "mail"
mail "$main" ann@hub.example bob@dead.example six || fail "mail"
check "a Maildir" wait_for 20 has_mail "$root" bob 2
check "one outside its root, that the settings name" wait_for 20 test -d "$work/elsewhere/bob/new"
check "a program" wait_for 20 piped
check "a table" wait_for 20 has_mail "$root" table 1
check "a mailbox that only a line of the users names" call "$pop" "< +OK" "> USER gus" "< +OK" "> PASS word" "< +OK 1" \
    "> DELE 1" "< +OK" "> QUIT" "< +OK"
check "is emptied" sh -c "test ! -e '$root/boxes/gus/new/1.mail'"
check "a name that is looked up, in a thread" wait_for 20 grep -q "event=unreachable by=smtp:localhost:1 .*refused" "$work/hub.log"

say "# what the settings say now"
sed -i "s|^\[routes\]|&\nnew.example = command:$work/unnamed %u|" "$root/mochila.conf"
rm -f "$work/tables"/piped.*
kill -HUP "$relay"
wait_for 10 grep -q event=reloaded "$work/hub.log"
mail "$main" ann@hub.example bob@new.example seven || fail "mail"
check "the helper has read, too" wait_for 20 piped
check "nothing needs a restart" sh -c "! grep -q event=restart-needed '$work/hub.log'"
if grep -q 'landlock=[1-9]' "$work/told"; then
	mkdir "$work/later"
	sed -i "s|^\[routes\]|&\nlater.example = maildir:$work/later/%u|" "$root/mochila.conf"
	kill -HUP "$relay"
	check "a folder that was not named before does, and the log says so" wait_for 10 grep -q \
	    "event=restart-needed path=\"$work/later/%u\"" "$work/hub.log"
fi
kill -9 "$relay"
wait "$relay" 2>/dev/null
check "and ends with the relay" wait_for 10 sh -c "! kill -0 $helper 2>/dev/null"

say "# the unbatcher"
printf 'MAIL FROM:<ann@x.example>\nRCPT TO:<bob@hub.example>\nDATA\nSubject: batch\n\n.\nQUIT\n' |
    bsmtp unpack --root "$root" --log-level debug 2>"$work/unpack.log" || fail "unpack"
check "gives away the same" sh -c "grep -o 'landlock=.*' '$work/unpack.log' | cmp -s - '$work/told'"

printf 'MAIL FROM:<ann@x.example>\nRCPT TO:<bob@hub.example>\nDATA\nSubject: batch\n\n.\nQUIT\n' >"$work/batch"
check "a root that is not there yet is made" bsmtp unpack --root "$work/fresh" --log none "$work/batch"
check "with what came" test "$(messages "$work/fresh/spool/hold")" -eq 1

say "# and without"
relay_up "$root" --set spool.sandbox=no || fail "the relay does not start"
check "nothing is given away" test "$(status_of "$relay" Seccomp)$(status_of "$relay" NoNewPrivs)" = 00
check "and there is no helper" sh -c "! pgrep -P $relay -x mochila-relay >/dev/null"
finish
