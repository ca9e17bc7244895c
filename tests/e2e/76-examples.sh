#!/bin/sh
# The manual's other examples: each block of a page stands behind its name and is run by a test, or says
# why not; here those of bsmtp(1), mochila(1), uucico-ssh(8), mochila-relay(8), mochila-filter(8),
# mochila-users(5), mochila.conf(5) and, of mochila-mta(7), a site without a daemon.
# shellcheck disable=SC2317	# called by check
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/guide-lib.sh
. "$top/tests/e2e/guide-lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
stage

# ---- None is forgotten -------------------------------------------------------------------

# nameless PAGE: where blocks begin, and lines by themselves stand, that no comment is before.
nameless() {
	awk '/^\.\\" (no )?example: ./ { named = 1; next } /^\.(Bd|Dl|D1)/ && !named { print FILENAME ":" FNR } { named = 0 }' "$1"
}
for page in "$top"/man/*.[1-8]; do
	check "${page##*/}: each block and line has a name, or says why it is not run" test -z "$(nameless "$page")"
	# Each name is taken by a test: by this one, or one that names the page.
	for file in $(examples "${page##*/}" | tr ' ' '~'); do
		name=$(say "$file" | tr '~' ' ')
		case ${page##*/} in
		spool.5 | mochila-mta.7 | mochila-guide.7) continue ;;	# 44-hands, 70 to 74 and 75 take all of theirs
		esac
		check "${page##*/}: \"$name\" is run" grep -q "${page##*/} \"\{0,1\}$name\"\{0,1\}" "$top/tests/e2e/76-examples.sh"
	done
done
check "mochila-mta(7): \"batches mochila.conf\" is run" grep -q 'mochila-mta.7 "batches mochila.conf"' "$top/tests/e2e/76-examples.sh"

# ---- What is typed -----------------------------------------------------------------------

two_sites "$work" none
cp "$top/tests/fixtures/demo.mbox" "$work/old.mbox"
# types PAGE NAME [SED]: its commands, in a shell at home that stops at the first that fails.
types() {
	typed "$1" "$2" | sed -e ':more' -e '/\\$/{N;s/\\\n *//;bmore' -e '}' -e "${3:-}" >"$work/typed"
	test -s "$work/typed" || return 1
	(cd "$work" && MOCHILA_ROOT=$home exits 0 sh -e "$work/typed")
}
from_home waits
batch() { find "$home/spool/sent/hub" -type f ! -name '.*' ! -path '*.d/*' -exec basename {} \; | head -n 1; }
check "a site's batch is packed" exits 0 mochila --root "$home" bsmtp pack hub
check "and looked at" types bsmtp.1 ready "s/pack home/pack hub/; s|list home/2026.*|list hub/$(batch)|"
check "which tells of its mail" said bob@hub.example
check "a mailbox by hand" types bsmtp.1 "by hand" "s|/home/ann/Maildir|$work/maildir|"
check "is there" test "$(messages "$work/maildir/new")" -eq 12
check "as many as the page says" grep -qxF "$(example bsmtp.1 "by hand" | grep '^whole')" "$work/said"
mkdir -p "$work/backlog/cur" "$work/backlog/new" "$work/backlog/tmp"
printf 'Return-Path: <ann@example.org>\nDelivered-To: carol@home.example\nSubject: backlog\n\nx\n' >"$work/backlog/new/1.x.y"
check "a backlog" types bsmtp.1 backlog "s|/var/mail/backlog|$work/backlog|"
check "is for whom it was" grep -rq 'RCPT TO:<carol@home.example>' "$home/spool"
check "a stick for Exim" types bsmtp.1 "exim stick"
check "is SMTP as it is" grep -q '^MAIL FROM:' "$work/stick"
printf 'HELO x\nMAIL FROM:<ann@example.org>\nRCPT TO:<bob@home.example>\nDATA\nSubject: exim\n\nx\n.\nQUIT\n' >"$work/batch.bsmtp"
make_site "$work/mta" mta
printf '%s\n' '[relay main]' 'listen = 127.0.0.1:0' '[routes]' 'home.example = maildir:mail/%u' 'hub.example = maildir:mail/%u' \
    >>"$work/mta/mochila.conf"
line=$(example mochila-relay.8 script | tr -d '\\\n' | sed 's/&$//')
start mta env dir="$work/mta" sh -c "exec $line"
wait_for 20 test -s "$work/mta/ready" || fail "the relay"
mta=$(sed -n 's/^main smtp //p' "$work/mta/ready")
check "a batch of Exim's" types bsmtp.1 "exim batch" "s/127.0.0.1:2525/$mta/"
check "is delivered" wait_for 20 has_mail "$work/mta" bob 1
from_home kept
check "a burglar's mail is kept" types mochila.1 hold 's/ann@example.org/ann@home.example/'
check "and shown" said ann@home.example
printf 'To: bob@hub.example\nSubject: letter\n\nx\n' >"$work/letter"
check "a letter of a program's" types mochila-sendmail.8 letter
check "waits" there "$home" letter
check "a user" sh -c "echo word | mochila --root '$home' $(example mochila-users.5 add | sed 's/^mochila //')"
check "is one" grep -q '^bob:' "$home/users"
if command -v jq >/dev/null; then
	MOCHILA_ROOT=$home mochila release --where held >/dev/null 2>&1
	from_home sorted
	check "what waits, by jq" types mochila.1 "oldest first" 's/json home/json hub/'
	check "is a line each" grep -Eq '^"?20[0-9-]*T' "$work/said"
else
	say "not tried: jq is not installed"
fi
check "a secret of two" sh -c "cd '$home' && mkdir -p keys && chmod 700 keys && $(example uucico-ssh.8 secret)"
check "is one" test "$(stat -c '%a %s' "$home/keys/hub.secret")" = "600 65"

# ---- What is written ------------------------------------------------------------------------

# holds PAGE NAME [OPTION...]: as a mochila.conf.
holds() {
	holds_page=$1 holds_name=$2
	shift 2
	mkdir -p "$work/written"
	example "$holds_page" "$holds_name" >"$work/written/mochila.conf" && exits 0 mochila --root "$work/written" --show-config "$@"
}
check "a hub" holds mochila.conf.5 hub
check "its routes" said 'home.example = site:home'
check "submission" holds mochila.conf.5 people
check "ways to a site" holds mochila.conf.5 way
check "classes" holds mochila.conf.5 classes
check "a window of calls" exits 0 mochila --root "$work/none" --show-config --set "site hub.$(example mochila.conf.5 window)"
check "lists of the DNS" exits 0 mochila --root "$work/none" --show-config --set "relay main.$(example mochila.conf.5 lists)"
check "a home" holds mochila-relay.8 home --set 'site hub.link='
check "filters: scripts" holds mochila-filter.8 script
check "filters: SpamAssassin and OpenDKIM" holds mochila-filter.8 "spam and sign"
check "filters: thin" holds mochila-filter.8 thin
hashed() {
	rm -f "$work/hashed/users"
	say "$1" | mochila --root "$work/hashed" user add x >/dev/null && sed 's/^x://' "$work/hashed/users"
}
make_site "$work/hashed" hashed
awk -v first="$(hashed a)" -v second="$(hashed b)" 'BEGIN { FS = OFS = ":" } /^bob/ { $2 = first } /^eve/ { $2 = second } 1' \
    <<-END >"$work/users"
	$(example mochila-users.5 users)
END
chmod 600 "$work/users"
logs_in() {
	printf '1 %d\n%s\000%s\000pop3\000192.0.2.1\000password' $((${#1} + ${#2} + 25)) "$1" "$2" |
	    mochila-login "file:$work/users" | cut -d ' ' -f 2
}
check "users are read" test "$(logs_in bob a) $(logs_in eve@home.example b) $(logs_in bob b)" = "yes yes no"

# ---- Without a daemon -------------------------------------------------------------------------

# The mail system is a relay of another site here, and a script; the call is of protocol i, as the page says.
printf '#!/bin/sh\nMOCHILA_LIBEXEC=%s exec %s/uucico-ssh -r0 --peer=hub --root=%s\n' "$MOCHILA_LIBEXEC" "$MOCHILA_LIBEXEC" "$home" >"$work/answers"
printf '#!/bin/sh\nexec >>%s/by-hand 2>&1; echo "called: $*"; cat\n' "$work" >"$work/sendmail"
chmod 755 "$work/answers" "$work/sendmail"
sed -i "s|^\[site home\]|&\nlink = exec:$work/answers|" "$hub/mochila.conf"
example mochila-mta.7 "batches mochila.conf" | sed "s/127.0.0.1:25\$/$mta/" >"$work/batches"
cp "$home/mochila.conf" "$work/before"
sed -i '/^protocols/d' "$home/mochila.conf"
sed -i "/^\[site hub\]/r $work/batches" "$home/mochila.conf"
at_hub() { MOCHILA_ROOT=$hub exits 0 uucico-ssh -s home; }
printf 'Subject: no daemon\n\nx\n' | MOCHILA_ROOT=$hub sendmail -f bob@hub.example ann@home.example
check "a call brings a batch" at_hub
check "which goes right into the mail system" wait_for 20 has_mail "$work/mta" ann 1
check "as it was" grep -q '^Subject: no daemon' "$work"/mta/mail/ann/new/*
sed -i "s|^unpack = .*|unpack = sendmail:$work/sendmail|" "$home/mochila.conf"
printf 'Subject: by its sendmail\n\nx\n' | MOCHILA_ROOT=$hub sendmail -f bob@hub.example ann@home.example
check "another call" at_hub
check "into its sendmail" wait_for 20 grep -qs '^Subject: by its sendmail' "$work/by-hand"
check "for whom it is" grep -q '^called: .*bob@hub.example.* ann@home.example' "$work/by-hand"
sed -i "s|^\[spool\]|&\nrmail = sendmail:$work/sendmail|" "$home/mochila.conf"
check "a single message, as by UUCP's rmail" sh -c \
    "printf 'From bob Sat Nov 21 18:45:02 2026 remote from hub\nSubject: by rmail\n\nx\n' | UU_MACHINE=hub MOCHILA_ROOT='$home' rmail ann@home.example"
check "goes there, too" wait_for 20 grep -q '^Subject: by rmail' "$work/by-hand"
finish
