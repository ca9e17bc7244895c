#!/bin/sh
# A person's mv, cp and rm while the daemon runs: each example of spool(5) is taken from the
# page and typed, and does what the page says; and what was moved or removed by hand does
# not come back when its peer sends it again.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage
hub=$work/hub
spool=$hub/spool
make_site "$hub" hub
cat >>"$hub/mochila.conf" <<-END
	retry-after = 1h
	[site home]
	[site ship]
	[site first]
	[relay main]
	listen = 127.0.0.1:0
	[routes]
	home.example = site:home
	box.example = maildir:mail/%u
	mx.example = smtp:mx.example:25
	ann.example = reject:no reports here
END
relay_up "$hub" || fail "the relay did not start"
main=$(at "$hub")
cd "$spool" || exit 99

# ---- The examples ----------------------------------------------------------------------

# In the page each is marked: .\" example: FROM -> TO[, prints TEXT]
awk -v to="$work/example" '
	/^\.\\" example: / { sub(/^[^:]*: /, ""); n++; print > (to "." n ".what") ; wanted = 1; next }
	/^\.Sh EXAMPLES/ { inside = 1 }
	/^\.Sh SEE/ { inside = 0 }
	/^\.Bd/ && inside { block = 1; if (!wanted) print "unmarked" > (to ".unmarked"); wanted = 0; next }
	/^\.Ed/ { block = 0 }
	block && sub(/^\$ /, "") { gsub(/\\e/, "\\"); print > (to "." n ".sh") }
' "$top/man/spool.5"
check "all examples are marked" test ! -e "$work/example.unmarked"

find_id() { find "$spool/$1" -name "$id" -type f; }
newest() { find "$spool/out/$1" -type f -name '2*-*' | sed 's|.*/||' | sort | tail -n 1; }
state_is() {	# STATE: where the message is now
	case $1 in
	waiting) test -n "$(find_id out/home)" ;;
	ship) test -n "$(find_id out/ship)" ;;
	held) test -n "$(find_id hold)" ;;
	failed) test -n "$(find_id failed)" ;;
	gone) test -z "$(find "$spool" -name "$id")" ;;
	resting) grep -q 'failures=1 ' "out/smtp:mx.example:25/.retry" ;;
	tried) grep -q "failures=1 " "out/smtp:mx.example:25/.retry" && test "$(cat "out/smtp:mx.example:25/.retry")" != "$hint" ;;
	*) fail "no such state: $1" ;;
	esac
}
waits_for() { test -n "$(newest "$1")"; }
# begin STATE: a message is there; its id in $id
begin() {
	domain=home
	test "$1" != resting || domain=mx
	mail "$main" ann@ann.example "bob@$domain.example" example >/dev/null || fail "no mail"
	case $1 in
	resting)
		wait_for 10 test -e "out/smtp:mx.example:25/.retry"
		hint=$(cat "out/smtp:mx.example:25/.retry")
		id=$(newest smtp:mx.example:25)
		return ;;
	esac
	wait_for 10 waits_for home
	id=$(newest home)
	case $1 in
	held) mochila --root "$hub" hold "$id" ;;
	failed)
		{
			cat "$(find_id out/home)"
			line="NOOP at=2026-11-21T18:50:11Z rcpt=1 failed reply=\"550 5.1.1 no such user\""
			echo "$line sum=$(printf '%s' "$line" | sha256sum | cut -c1-16)"
		} >"failed/$id"
		rm "$(find_id out/home)" ;;
	gone) mochila --root "$hub" remove "$id" ;;
	esac
}

n=0
while n=$((n + 1)) && test -e "$work/example.$n.what"; do
	what=$(cat "$work/example.$n.what")
	from=${what%% -> *} to=${what#* -> }
	prints=${to#*, prints } to=${to%%, *}
	test "$prints" != "$to" || prints=
	begin "$from"
	check "example $n: a message is $from" state_is "$from"
	sed "s/ID/$id/g" "$work/example.$n.sh" >"$work/typed"
	check "$(tr '\n' ';' <"$work/typed")" exits 0 sh -e "$work/typed"
	check "then it is $to" wait_for 10 state_is "$to"
	test -z "$prints" || check "and prints $prints" grep -qF -e "$prints" "$work/said"
	rm -rf out/home/* out/ship/* hold/* failed/* out/smtp*
done
check "there were examples" test "$n" -gt 10
check "and nothing of them stays under way" wait_for 10 empty "$spool/in"

# ---- The same batch again --------------------------------------------------------------

for word in one two three four; do printf 'Subject: %s\n\n%s\n' "$word" "$word" >"$work/$word"; done
first() { env MOCHILA_ROOT="$work/first" "$@"; }
make_site "$work/first" first
printf '[site hub]\n[routes]\n* = site:hub\n' >>"$work/first/mochila.conf"
for word in one two three; do
	first sendmail -f ann@first.example bob@home.example <"$work/$word" || fail "no mail $word"
done
first sendmail -f ann@first.example bob@box.example <"$work/four" || fail "no mail four"
first bsmtp pack hub 2>"$work/packed"
batch=$(find "$work/first/spool/sent/hub" -type f ! -path '*.d/*' ! -name '.*')
again() { env MOCHILA_ROOT="$hub" bsmtp unpack --peer=first "$batch" 2>"$work/unpacked"; }
having() { grep -alr "^Subject: $1" "$spool/out" "$spool/in" "$spool/hold" "$spool/failed" "$hub/mail" 2>/dev/null; }
count() { having "$1" | wc -l; }
check "a batch comes" again
check "one of it is delivered" wait_for 10 has_mail "$hub" bob 1
rm "$(having one)"
mv "$(having two)" hold/
mkdir -p out/ship/N-by-hand && mv "$(having three)" out/ship/N-by-hand/
check "the same batch again" again
check "and at the same time" sh -c "
	for i in 1 2 3 4; do MOCHILA_ROOT='$hub' bsmtp unpack --peer=first '$batch' 2>/dev/null & done; wait"
echo >../run/bell
check "is settled" wait_for 10 empty "$spool/in"
check "what was removed stays so" test "$(count one)" -eq 0
check "what was held is there once" test "$(having two | sed 's|/[^/]*$||')" = "$spool/hold"
check "what was sent another way, once" test "$(count three)" -eq 1
check "what was delivered, too" test "$(count four)" -eq 1
mv hold/2* in/
echo >../run/bell
check "what is released afterwards comes" wait_for 10 waits_for home
check "once" test "$(count two)" -eq 1
check "and no more does" again
check "still once" test "$(count two),$(count one)" = 1,0
finish
