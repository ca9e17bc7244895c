#!/bin/sh
# mochila(1): what a person does with a spool, from init to the last message removed.
# The messages are laid into out/ by hand, as anyone may.
# shellcheck disable=SC2317	# called by check
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/entry-lib.sh
. "$top/tests/e2e/entry-lib.sh"
stage

root=$work/hub
spool=$root/spool
unset NO_COLOR
m() { mochila --root="$root" "$@"; }
# said TEXT: the last exits() printed it.
said() { grep -qF -e "$1" "$work/said"; }
# has FILE TEXT, lacks FILE TEXT
has() { grep -qF -e "$2" "$1"; }
lacks() { ! has "$@"; }
# gives TEXT COMMAND...: what it prints has the text.
gives() {
	gives_text=$1
	shift
	"$@" >"$work/given" 2>&1
	grep -qF -e "$gives_text" "$work/given" || { cat "$work/given"; return 1; }
}

# ---- Entries by hand ---------------------------------------------------------------

# lay N FROM TO...: into out/home
lay() {
	lay_id=$(id "$1")
	shift
	mkdir -p "$spool/out/home/N-20261121T184502-hub"
	entry "$lay_id" "$@" >"$spool/out/home/N-20261121T184502-hub/$lay_id"
}
count() { find "$spool/$1" -type f -name '2026*' | wc -l; }

# ---- init --------------------------------------------------------------------------

if uucico-ssh --help 2>/dev/null | grep -q new-key; then
	check "init makes a root" exits 0 m init --site hub --host hub.example
	check "with a key of its own" test -s "$root/keys/id_ed25519" -a -s "$root/keys/id_ed25519.pub"
	check "which nobody else reads" test "$(stat -c %a "$root/keys" "$root/keys/id_ed25519" | tr '\n' ' ')" = "700 600 "
	check "once: it never overwrites" exits 73 m init --site other
	check "and says so" said "is there already"
else
	say "uucico-ssh makes no keys yet: no init"
	make_site "$root" hub
	mkdir -p "$spool"
	for folder in tmp in out sent xqt hold failed seen drop log; do mkdir "$spool/$folder"; done
fi
check "the configuration is readable" exits 0 m --show-config
check "and says who we are" said "site = hub"
check "and which file it is" said "# file: $root/mochila.conf"
check "an empty spool has nothing to list" gives "nothing waits" m list
check "nor in JSON" gives "[]" m list --json
check "a root needs the folder above it" exits 78 mochila --root="$work/no/such" init
check "no spool is said plainly, with what to do" exits 78 mochila --root="$work/none" list
check "in words" said "mochila init"

# ---- slips -------------------------------------------------------------------------

check "an unknown key is refused" exits 78 m --set spool.max-siez=3 list
check "with the nearest name" said "unknown key max-siez; did you mean max-size?"
check "an unknown command too" exits 64 m relase
check "with the nearest name" said "did you mean release?"
check "a destination must be one" exits 78 m --set routes.home.example=home list
check "and is shown" said "want site:NAME"
check "a route can be said here" exits 0 m --set routes.home.example=site:home list
check "no command is a matter of usage" exits 64 m
check "an operand too many also" exits 64 m list a b
check "every command has its help" exits 0 m pair --help
check "with its options" said "--fingerprint=SHA256:..."

# ---- looking -----------------------------------------------------------------------

cat >>"$root/mochila.conf" <<-'END'
	[site home]
	link = ssh://mochila@home.example
END
lay 1 ann@example.org bob@home.example carl@home.example
lay 2 "esc$(printf '\033')[2J@example.org" bob@home.example
lay 3 ann@example.org dora@home.example
one=$(id 1) two=$(id 2) three=$(id 3)
bucket=$spool/out/home/N-20261121T184502-hub

check "a waiting message is listed" gives "20261121T184502.000001" m list
check "with its sender" has "$work/given" "<ann@example.org>"
check "and its recipients" has "$work/given" "bob@home.example +1"
check "and its site" has "$work/given" "home"
check "hostile bytes are escaped" has "$work/given" 'esc\x1B[2J@example.org'
m list --json >"$work/json"
if command -v python3 >/dev/null; then
	check "JSON is JSON" sh -c "python3 -m json.tool <'$work/json' >'$work/given'"
fi
check "JSON has whole ids" has "$work/json" "\"id\":\"$one\""
check "and all recipients" has "$work/json" '"to":["bob@home.example","carl@home.example"]'
check "and says where" has "$work/json" '"where":"waiting"'
check "a site can be asked for" gives "20261121T184502.000003" m list home
check "another has nothing" gives "nothing waits" m list away
check "and perhaps is none" has "$work/given" "; there is no site away"
check "status counts" gives "home " m status
check "in one line a site" sh -c "grep -q '^home  *3 ' '$work/given'"
mkdir -p "$spool/log"
{
	echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) home: event=call result=ok role=caller wire_up=458000 wire_down=45 secs=1"
	echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $(id 1): event=accepted from=<ann@example.org> rcpts=1 size=300000 client=x"
} >>"$spool/log/mochila.log"
check "and tells how much went over the line this month" gives "447K/45" m status
check "and when it was" has "$work/given" " ago: ok, 447K out, 45 in"
check "and who sent how much" has "$work/given" "sent this month: <ann@example.org> 293K (1)"
check "for programs, too" gives '"month_out":458000,"month_in":45' m status --json
rm "$spool/log/mochila.log"
check "also in JSON" gives '"waiting":3' m status --json
check "a message is shown" gives "id:       $one" m show "$one"
check "with its envelope" has "$work/given" "<ann@example.org> BODY=8BITMIME"
check "the state of each recipient" has "$work/given" "<carl@home.example>  waiting"
check "its header" has "$work/given" "Subject: number $one"
check "and its file" has "$work/given" "file:     $bucket/$one"
check "but not its body" lacks "$work/given" "Hello."
check "an unambiguous beginning is enough" gives "id:       $two" m show 20261121T184502.000002
check "an ambiguous one is not" exits 64 m show 2026
check "and says so" said "is the beginning of several"
check "an unknown one exits 66" exits 66 m show 1999
m show --body "$one" >"$work/given"
entry "$one" ann@example.org >/dev/null	# leaves its body
check "its body comes byte for byte" cmp "$work/given" "$work/body"
check "JSON shows it too" gives '"state":"waiting"' m show --json "$one"

# ---- damage ------------------------------------------------------------------------

head -c 100 "$bucket/$three" >"$bucket/$(id 4)"
: >"$bucket/$(id 5)"
ln -s /etc/passwd "$bucket/$(id 6)"
mkfifo "$bucket/$(id 7)"
printf 'MAIL FROM:<x@y>\n' >"$spool/out/home/notes"
check "damaged files are listed as such" exits 0 m list
check "one cut short" sh -c "grep -q '000004 .*damaged: cut off' '$work/said'"
check "an empty one" sh -c "grep -q '000005 .*damaged: an empty file' '$work/said'"
check "a link that was planted" sh -c "grep -q '000006 .*damaged: ' '$work/said'"
check "a FIFO" sh -c "grep -q '000007 .*damaged: .*not a regular file' '$work/said'"
check "a stranger's file" sh -c "grep -q '^notes .*damaged: ' '$work/said'"
check "and do not hide the others" said "20261121T184502.000003"
check "JSON says damaged" gives '"damaged":true' m list --json
check "one can be shown" gives "damaged: cut off" m show "$(id 4)"
check "its body cannot" exits 65 m show --body "$(id 4)"
for n in 4 5 6 7; do check "damaged file $n can be removed" exits 0 m remove "$(id $n)"; done
rm "$spool/out/home/notes"
mkdir "$bucket/$(id 8)" && rmdir "$bucket/$(id 8)"

# ---- moving ------------------------------------------------------------------------

check "a message can be held" exits 0 m hold "$one" because Bob "is $(printf '\001')away"
check "it has left the queue" test ! -e "$bucket/$one" -a -e "$spool/hold/$one"
check "with the reason" gives 'because Bob is \x01away' m list
check "which show tells too" gives 'why:      because Bob' m show "$one"
check "not twice" exits 69 m hold "$one"
cp "$spool/hold/$one" "$work/kept"
printf 'NOOP at=2026-11-21T19:00:00Z rel' >>"$spool/hold/$one"
check "a torn last line does not count" gives 'why:      because Bob' m show "$one"

cat >>"$root/mochila.conf" <<-'END'
	[routes]
	home.example = site:home
END
if grep -q '^\[routes\]' "$root/mochila.conf" && test "$(grep -c '^\[routes\]' "$root/mochila.conf")" -gt 1; then
	check "a section may be said in two parts" exits 0 m --show-config
fi
check "it is released" exits 0 m release "$one"
check "and waits again" gives '"where":"waiting"' m list --json home
check "under its id" has "$work/given" "$one"
check "held no more" test "$(count hold)" -eq 0
check "nothing remains in in/" test "$(count in)" -eq 0
check "all three are there" test "$(count out)" -eq 3
check "what waits cannot be released" exits 69 m release "$one"

printf 'next=2099-01-01T00:00:00Z failures=3 why=451 try later\n' >"$spool/out/home/.retry"
check "status tells the next try" gives "3 failed: 451 try later" m status
check "show too" gives "after 3 failed: 451 try later" m show "$two"
check "a site can be made due" exits 0 m retry home
check "and is" test ! -e "$spool/out/home/.retry"

mv "$(find "$spool/out" -name "$one")" "$spool/failed/"
check "what failed is listed" gives "failed home" m list
check "and can be tried again" exits 0 m retry "$one"
check "it waits" test "$(find "$spool/out" -name "$one" | wc -l)" -eq 1

mv "$(find "$spool/out" -name "$three")" "$spool/in/"
check "what has just arrived is listed" gives "arrived home" m list
check "but is left to settle" exits 69 m remove "$three"
check "which retry of all does" exits 0 m retry
check "it waits again" test "$(find "$spool/out" -name "$three" | wc -l)" -eq 1

{ entry "$(id 21)" ann@example.org bob@home.example; entry "$(id 22)" ann@example.org bob@home.example; } >"$work/two"
{ cat "$work/two"; printf 'NOOP mochila=1 id=to'; } >"$spool/in/$(id 20).open"
check "a journal's whole messages are listed" gives "20261121T184502.000022" m list
check "each" has "$work/given" "20261121T184502.000021"
check "but not its torn end" lacks "$work/given" damaged
check "and counted" gives ", 2 arrived" m status
check "and shown" gives "id:       $(id 22)" m show "$(id 22)"
check "with their body" gives "Hello." m show --body "$(id 22)"
rm "$spool/in/$(id 20).open"

mkdir -p "$spool/sent/home/$(id 90).d"
mv "$(find "$spool/out" -name "$three")" "$spool/sent/home/$(id 90).d/"
: >"$spool/sent/home/$(id 90)"
check "in flight is listed" gives "in flight home" m list
check "and counted" sh -c "mochila --root='$root' status | grep -q '^home  *2  *[^ ]*  *1 '"
check "and cannot be held" exits 69 m hold "$three"
check "with its batch named" said "in batch $(id 90)"
check "nor removed" exits 69 m remove "$three"

mkdir -p "$spool/out/home/N-copy-hub"
cp "$(find "$spool/out" -name "$two")" "$spool/out/home/N-copy-hub/"
cp "$spool/out/home/N-copy-hub/$two" "$spool/hold/"
check "a copy in hold/ is never written over" exits 65 m hold "$two"
check "and says why" said "is there already"
check "nothing was lost" test "$(find "$spool" -name "$two" | wc -l)" -eq 3
check "all copies go at once" exits 0 m remove "$two"
check "for good" test "$(find "$spool" -name "$two" | wc -l)" -eq 0
check "the history remembers" gives "event=removed" m log "$two"
check "for programs, too" gives '"event":"removed","fields":{"by":"hand","from":"' m log --json "$two"
check "an unknown id has none" exits 66 m log 1999

# ---- selections -----------------------------------------------------------------------

rm -rf "$spool/out/home" "$spool/sent/home"
for n in 31 32 33 34 35 36; do
	case $n in
	31 | 32) lay $n ann@example.org bob@home.example ;;
	33) lay $n Ann@Example.ORG carl@home.example dora@home.example ;;
	34) lay $n '' bob@home.example ;;
	*) lay $n eve@example.com bob@home.example ;;
	esac
done
mv "$bucket/$(id 35)" "$bucket/$(id 36)" "$spool/failed/"
# selects "N ..." OPTIONS...: list names just these
selects() {
	selects_want=$1
	shift
	m list --json "$@" >"$work/listed" || return 1
	sed -n 's/.*"id":"[^"]*\.0*\([0-9]*\)-.*/\1/p' "$work/listed" | sort | tr '\n' ' ' >"$work/given"
	test "$(cat "$work/given")" = "$selects_want" || { cat "$work/given"; return 1; }
}
check "all are listed" selects "31 32 33 34 35 36 "
check "by sender" selects "31 32 33 " --from ann@example.org
check "by pattern" selects "35 36 " --from '*.com'
check "the empty sender" selects "34 " --from ''
check "by any recipient" selects "33 " --to 'd?ra@*'
check "by place" selects "35 36 " --where failed
check "by site" selects "31 32 33 34 35 36 " --site home
check "by another" selects "" --site away
check "by age" selects "" --younger 1
check "on the other side" selects "31 32 33 34 35 36 " --younger 36500d
check "by size" selects "" --larger 1K
check "on the other side" selects "31 32 33 34 35 36 " --smaller 1K
check "all must be right" selects "31 32 " --from 'ann@*' --to 'bob@*' --where waiting
check "none may be" gives "nothing waits that is like that" m list --from nobody
check "a place must be one" exits 64 m list --where nowhere
check "an age too" exits 64 m list --older soon
check "a size too" exits 64 m list --larger lots
check "to act needs ids or a selection" exits 64 m hold
check "not both" exits 64 m remove --from 'ann@*' "$(id 31)"
check "a dry run shows" gives "2 messages would be held" m hold --dry-run --to bob@home.example --from ann@example.org
check "what it would do" has "$work/given" "20261121T184502.000032"
check "and does nothing" test "$(count hold)" -eq 0
check "in JSON too" sh -c "mochila --root='$root' hold -n --json --from 'ann@*' | grep -c '\"id\"' | grep -qx 3"
check "a selection is held" gives "3 messages held" m hold --from 'ann@*' broken into
check "with the reason" selects "31 32 33 " --reason 'broken into'
check "those that are held already are passed over" gives "0 messages held" m hold --from 'ann@*'
check "by JSON" gives '{"messages":3}' m release --json --reason 'broken into'
check "and they wait again" selects "31 32 33 34 " --where waiting
check "what failed is tried again" gives "2 messages due now" m retry --where failed
check "and waits" selects "31 32 33 34 35 36 " --where waiting
check "a selection is removed" gives "1 message removed" m remove --from ''
check "which leaves the rest" selects "31 32 33 35 36 "
check "one that cannot be moved" cp "$(find "$spool/out" -name "$(id 31)")" "$spool/hold/"
check "fails at the end" exits 65 m hold --from 'ann@*'
check "and keeps nobody else" said "2 messages held"
check "all go" gives "6 messages removed" m remove --site home

# ---- returned ------------------------------------------------------------------------

printf 'example.org = site:away\n' >>"$root/mochila.conf"
lay 41 ann@example.org bob@home.example carl@home.example
lay 42 ann@example.org dora@home.example
lay 43 '' dora@home.example
mv "$bucket/$(id 42)" "$spool/hold/"
report() { find "$spool/out/away" -type f -exec cat {} + 2>/dev/null; }
check "a waiting message is returned" exits 0 m bounce "$(id 41)" it is "too late; \"really\""
check "and is gone" test -z "$(find "$spool" -name "$(id 41)")"
report >"$work/given"
check "its sender is told" has "$work/given" "RCPT TO:<ann@example.org>"
check "of every recipient" sh -c "test \$(grep -c '^Final-Recipient' '$work/given') -eq 2"
check "by whom and why" has "$work/given" "returned by the operator: it is too late"
check "in a program's words, too" has "$work/given" "Status: 5.0.0"
check "the history remembers" gives "event=bounced by=hand" m log "$(id 41)"
check "a held one as well" gives "1 message returned" m bounce --where held
check "and is gone" test -z "$(find "$spool" -name "$(id 42)")"
check "its sender is told" sh -c "grep -l '^RCPT TO:<ann@' -r '$spool/out/away' | wc -l | grep -qx 2"
check "of nobody's message nobody is told" exits 0 m bounce "$(id 43)"
check "it waits for a person" test -e "$spool/failed/$(id 43)"
head -c 100 "$spool/failed/$(id 43)" >"$spool/hold/$(id 44)"
check "what is damaged has no sender" exits 65 m bounce "$(id 44)"
check "and stays" test -e "$spool/hold/$(id 44)"
if command -v flock >/dev/null; then
	lay 46 ann@example.org bob@home.example
	works() { flock "$spool/out/home/.lock" sleep 1; }
	start works works
	sleep 0.3
	check "one whose queue is worked is returned after that" exits 0 m bounce "$(id 46)"
	check "with word of the wait" said "the queue for home is being worked by another process; waiting for it"
fi
check "what is gone cannot be returned" exits 66 m bounce "$(id 41)"
rm -rf "$spool/out/away" "$spool/failed/$(id 43)" "$spool/hold/$(id 44)"

# ---- a long history --------------------------------------------------------------------

mv "$spool/log/mochila.log" "$spool/log/mochila.log.2"
check "the history of old files is read" gives "event=bounced by=hand" m log "$(id 41)"
lay 45 ann@example.org bob@home.example
check "a file that is large enough is the last of its kind" exits 0 m --set spool.log-size=1 hold "$(id 45)"
check "it is turned" test -s "$spool/log/mochila.log.1" -a ! -e "$spool/log/mochila.log"
check "the one before keeps its place" test -s "$spool/log/mochila.log.2"
check "and read" gives "event=held by=hand" m log "$(id 45)"
check "in order" sh -c "mochila --root='$root' log | cut -c1-20 | sort -c"
check "by programs" gives "{\"time\":\"20" m log --json "$(id 45)"
check "of nothing nothing" exits 66 m log --json 1999
check "status finds the last call in it" sh -c "
    echo '2026-11-21T19:00:00Z home: event=call result=ok' >>'$spool/log/mochila.log.1'
    mochila --root='$root' status | grep -q 'ago: ok'"
rm "$spool/hold/$(id 45)"

printf 'job=1 peer=home user=uucp temp=D.1 size=3\ncommand sh\n\nabc' >"$spool/hold/home-0123456789abcdef.job"
echo "sh is not among the commands it may run" >"$spool/hold/home-0123456789abcdef.job.reason"
check "a job that is held is listed with its reason" gives "a job of another site: sh is not among" m list
check "and goes back to be run" exits 0 m release home-0123456789abcdef.job
check "under its key" test -f "$spool/xqt/home/0123456789abcdef"
check "which status counts" gives "1 jobs of other sites" m status
check "and its reason is gone" test ! -e "$spool/hold/home-0123456789abcdef.job.reason"
rm "$spool/xqt/home/0123456789abcdef"

# ---- top ------------------------------------------------------------------------------

check "top is status where there is no terminal" gives "site hub, $root: " m top
if command -v script >/dev/null; then
	lay 51 ann@example.org bob@home.example
	# on_terminal COMMAND: with a terminal, on which q is typed after a while
	on_terminal() { (sleep 1; printf q) | timeout 20 script -qec "$1" /dev/null >"$work/given" 2>&1; }
	check "on one it is drawn until q" on_terminal "mochila --root='$root' top"
	check "with the sites" has "$work/given" "SITE"
	check "and what goes on" has "$work/given" "a second: in 0.0, out 0.0"
	check "and the end of the history" has "$work/given" "event=released by=hand"
	check "the screen is given back" has "$work/given" "$(printf '\033[?1049l')"
	m remove "$(id 51)"
fi

# ---- the other programs, under the door's name --------------------------------------------

if test -x "$MOCHILA_LIBEXEC/rmail"; then
	mail() {
		printf 'From ann Sat Nov 21 18:45:02 2026 remote from hub\nSubject: through the door\n\nHi.\n' |
		    m --set routes.door.example=site:door "$@"
	}
	check "rmail takes a message" exits 0 mail rmail bob@door.example
	check "sendmail too" exits 0 mail sendmail -f ann@hub.example bob@door.example
	check "with what was said to mochila" gives "bob@door.example" m list door
	check "both" sh -c "test \$(grep -c 'bob@door' '$work/given') -eq 2"
fi
if test -x "$MOCHILA_LIBEXEC/bsmtp"; then
	check "settings are passed on" gives "host = door.example" m --set spool.host=door.example bsmtp --show-config
	check "options of others are theirs" exits 0 m bsmtp --help
fi
check "a program that is not there is said to be" exits 69 env MOCHILA_LIBEXEC="$work/none" mochila uuxqt

# ---- a spool that changes while it is read --------------------------------------------

churn() {
	while :; do
		lay 11 ann@example.org bob@home.example
		rm -f "$bucket/$(id 11)"
		rmdir "$bucket" 2>/dev/null
	done
}
start churn churn
for turn in 1 2 3 4 5 6 7 8 9 10; do
	for words in list status 'list --json'; do
		# shellcheck disable=SC2086	# words
		exits 0 m $words || fail "turn $turn"
	done
done
stop "$pid"
check "names that vanish disturb nothing" test "$turn" -eq 10

# ---- the answering side of pair ------------------------------------------------------

key='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl'
check "a site's key is taken" exits 0 m pair ship --accept "$key ann@laptop"
check "its fingerprint is shown" said "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
check "and the line for authorized_keys" \
    said "restrict,command=\"exec $MOCHILA_LIBEXEC/uucico-ssh -r0 --root=$root --peer=ship\" $key mochila-ship"
check "the site is known" gives "[site ship]" m --show-config
cp "$root/mochila.conf" "$work/conf"
check "twice changes nothing" exits 0 m pair ship --accept "$key" --authorized-keys "$work/.ssh/authorized_keys"
check "in the configuration" cmp "$root/mochila.conf" "$work/conf"
check "its folder is nobody else's" test "$(stat -c %a "$work/.ssh")" = 700
check "the line is appended" test "$(wc -l <"$work/.ssh/authorized_keys")" -eq 1
check "and again" exits 0 m pair ship --accept "$key" --authorized-keys "$work/.ssh/authorized_keys"
check "once" test "$(wc -l <"$work/.ssh/authorized_keys")" -eq 1
sed -i 's/"exec /"/' "$work/.ssh/authorized_keys"
check "as is the line of an earlier mochila" exits 0 m pair ship --accept "$key" --authorized-keys "$work/.ssh/authorized_keys"
check "that has no exec" test "$(grep -vc 'exec ' "$work/.ssh/authorized_keys")" -eq 1
check "the same key under another name is refused" \
    exits 78 m pair boat --accept "$key" --authorized-keys "$work/.ssh/authorized_keys"
check "a site with a link keeps it" exits 0 m pair home --accept "$key"
check "as it was" has "$root/mochila.conf" "link = ssh://mochila@home.example"
check "no key is no key" exits 65 m pair ship --accept 'ssh-ed25519 AAAA"; sh'
check "a site's name is no path" exits 64 m pair ../x --accept "$key"
check "nor an option" exits 64 m pair -- -oProxyCommand=x --accept "$key"
check "our own name is not another site" exits 64 m pair hub --accept "$key"
for link in 'ssh://-oProxyCommand=x' 'ssh://u@-oX' 'http://u@h' "$(printf 'ssh://u@h\nx')" 'ssh://h'; do
	check "no link: $(printf %s "$link" | tr '\n' ' ')" exits 64 m pair ship "$link"
done
finish
