#!/bin/sh
# mochila-relay with filters that change mail while it arrives and before it goes out, and keep the
# whole of what is made thin: killed at calls that change a file, or such a call fails; some of
# them here, each with FAULT_STEP=1.  What
# was answered with 250 comes once, changed by both; what was refused is not there, and is taken
# when it comes again.
# shellcheck disable=SC2317	# called by name
# shellcheck source=tests/crash/relay-fault-lib.sh
. "${srcdir:-.}/tests/crash/relay-fault-lib.sh"

for way in in out; do
	# shellcheck disable=SC2016	# the script expands it
	printf '#!/bin/sh\n{ printf "X-Way: %s\\r\\n"; cat "$1"; } >"$1.x" && mv "$1.x" "$1"\n' $way >"$work/way-$way"
	chmod 755 "$work/way-$way"
done
make_base <<-END
	max-filters = 1
	[relay main]
	listen = 127.0.0.1:0
	filters = in
	[filter in]
	run = exec:$work/way-in
	[filter out]
	run = exec:$work/way-out
	[hop maildir:mail/*]
	filters = out
	[site far]
	filters = out thin
	[filter thin]
	run = thin:
	[routes]
	home.example = maildir:mail/%u
	far.example = site:far
END
# client WHERE: for a mailbox and a site; accepted 1, or refused 1.
client() {
	said=$(printf '%s\n' '< 220' '> EHLO x' '< 250' '> MAIL FROM:<ann@home.example>' '< 250' '> RCPT TO:<bob@home.example>' '< 250' \
	    '> RCPT TO:<eve@far.example>' '< 250' '> DATA' '< 354' '> Subject: one' '> Content-Type: text/html' '> ' '> <p>Hello.</p>' '> .' '< 250 2.0.0' 'say accepted' |
	    "$wire" call "$1" 2>&1)
	accepted=$(printf '%s\n' "$said" | grep -c '^accepted')
	refused=$(printf '%s\n' "$said" | grep -c ': 4[0-9][0-9] ')
}
boxed_all() { find "$root/mail/bob/new" -type f 2>/dev/null | wc -l; }
at_far() { messages "$root/spool/out/far"; }
on_its_way() { find "$root"/spool/out/filter:* "$root/spool/in" -type f ! -name '.*' 2>/dev/null | wc -l; }
came() { test "$(boxed_all),$(at_far),$(on_its_way)" = "1,1,0"; }
came_or_dead() { came || dead; }
# In hold/: the whole of what is thin for far, and what could not be noted.
wholes() { find "$root/spool/hold" -type f -exec grep -la 'from=whole' {} + 2>/dev/null | wc -l; }
helds() { find "$root/spool/hold" -maxdepth 1 -type f ! -name '.*' -exec grep -La 'from=whole' {} + 2>/dev/null | wc -l; }
came_or_held() { came || test "$(helds)" -gt 0; }

# Changed once by each, whatever was tried again.
changed_once() {
	for file in "$root"/mail/bob/new/* "$root"/spool/out/far/*/*; do
		test "$(grep -ac '^X-Way: in' "$file"),$(grep -ac '^X-Way: out' "$file"),$(grep -ac 'Hello\.' "$file")" = 1,1,1 || return 1
	done
}

# one WHAT AT
one() {
	accepted=0 refused=0
	faulted "$1" "$2"
	if test -n "$where"; then
		client "$where"
		test "$accepted" -eq 0 || patient 30 came_or_dead
	fi
	stop "$relay" 2>/dev/null
	relay_up "$root" || return 1
	if test "$refused" -gt 0; then
		client "$(at "$root")"
		test "$accepted" -eq 1 || { counted="not taken when it came again"; return 1; }
		refused=1
	fi
	if test "$accepted" -eq 0; then
		# Nothing was promised; what was durable all the same comes once.
		patient 50 test "$(on_its_way)" -eq 0
	else
		patient 500 came_or_held
	fi
	stop "$relay"
	boxed=$(boxed_all) far=$(at_far) held=$(helds) wholes=$(wholes)
	counted="delivered $boxed, for far $far, held $held, on the way $(on_its_way)"
	test "$boxed" -le 1 && test "$far" -le 1 && test "$wholes" -le 1 || return 1
	test "$accepted" -eq 0 || test "$held" -gt 0 || test "$wholes" -eq 1 || { counted="$counted; $wholes wholes"; return 1; }
	test "$accepted" -eq 0 || test "$held" -gt 0 || test "$boxed,$far" = 1,1 || return 1
	test "$accepted" -eq 0 || test "$held" -gt 0 || changed_once || { counted="$counted; not changed once"; return 1; }
	empty "$root/spool/tmp" && empty "$root/spool/failed" && { test "$1" = EIO || test "$held" -eq 0; }
}

untouched() { ended && test "$accepted" -eq 1; }
sweep kill 13 1
sweep EIO 19 2

# Dead right behind the change, before the whole of it was seen in hold/: a person has not seen it, and
# whoever comes next shows it; dead right behind a change that is held, it goes there and nowhere else.
rm -rf "$root"
cp -a "$work/base" "$root"
relay_up "$root" || fail "the relay does not start"
client "$(at "$root")"
check "a mail that is thin for far" patient 500 came
stop "$relay"
thin=$(find "$root"/spool/out/far -type f ! -name '.*') whole=$(find "$root/spool/hold" -type f -exec grep -la 'from=whole' {} +)
id=$(basename "$thin") name=$(basename "$whole")
put_back() {	# as it stood when it died
	mkdir -p "$root/spool/out/filter:far/$(basename "$(dirname "$thin")")"
	mv "$1" "$root/spool/out/filter:far/$(basename "$(dirname "$thin")")/$id"
}
put_back "$thin"
hide() { mkdir "$root/spool/hold/.of-$id" && mv "$whole" "$root/spool/hold/.of-$id/$name"; }
hide
check "cannot be released yet" sh -c "! mochila --root '$root' release '$name' 2>/dev/null"
relay_up "$root" || fail "the relay does not start"
goes_on() { test -f "$whole" && test -f "$thin" && test "$(on_its_way)" -eq 0; }
check "goes on, and its whole is shown" patient 500 goes_on
check "once" test "$(wholes),$(at_far)" = 1,1
stop "$relay"
put_back "$thin"
mochila --root "$root" hold "$id" >/dev/null
put_back "$root/spool/hold/$id"
relay_up "$root" || fail "the relay does not start"
is_held() { test -f "$root/spool/hold/$id"; }
check "one that says it is held is" patient 500 is_held
check "and nowhere else" test "$(at_far),$(on_its_way)" = 0,0
stop "$relay"
hide
relay_up "$root" || fail "the relay does not start"
check "what is held beside it stays hidden while it is there" test ! -e "$whole"
stop "$relay"
rm "$root/spool/hold/$id"
relay_up "$root" || fail "the relay does not start"
check "and is seen when a person has removed it" test -f "$whole"
check "nothing is hidden any more" test ! -e "$root/spool/hold/.of-$id"
stop "$relay"
finish
