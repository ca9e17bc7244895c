#!/bin/sh
# uucico-ssh and Taylor UUCP: each calls the other over a pipe, with every protocol, and
# mail goes both ways in every call; lines that drop, and calls that go on.
# shellcheck disable=SC2317	# called by check
. "${srcdir:-.}/tests/e2e/lib.sh"
stage
# shellcheck source=tests/e2e/taylor-lib.sh
. "$top/tests/e2e/taylor-lib.sh"

# from_home WORDS: a mail that leaves home; from_hub WORDS: one that Taylor's uux queues.
from_home() {
	printf 'Subject: %s\n\nfrom home: %s\n' "$1" "$1" |
	    MOCHILA_ROOT=$home sendmail -f ann@home.example bob@hub.example
}
from_hub() {
	printf 'From bob Sat Nov 21 19:00:00 2026 remote from hub\nSubject: %s\n\nfrom hub: %s\n' "$1" "$1" |
	    taylor "$tuux" -r -I "$hub/config" - home!rmail ann@home.example
}
at_hub() {	# what came to the hub, unpacked, as text
	taylor "$tuuxqt" -I "$hub/config"
	for file in "$hub"/got/rgsmtp.*; do
		test -f "$file" && gzip -dc "$file"
	done
}
at_home() { find "$home/spool/out" "$home/mail" -type f -exec cat {} + 2>/dev/null; }
count_of() { grep -c "$1"; }

# ---- Each calls the other, with each protocol ---------------------------------------

# speak LETTER: both ends, from now on.  Ours offers its own m too, which Taylor is to pass over.
speak() {
	sed -i "s/^protocol .*/protocol $1/" "$hub/sys"
	sed -i "s/^protocols = .*/protocols = m$1/" "$home/mochila.conf"
	: >"$hub/Log"
}
came_home() { test "$(at_home | count_of "from hub: $1")" -eq 1; }
in_order() { grep -q "Call complete" "$hub/Log" && ! grep -E 'ERROR|WARN' "$hub/Log"; }
nothing_in_flight() { test "$(messages "$home/spool/sent")" -eq 0; }

for letter in i e t y g G v; do
	speak "$letter"
	check "$letter: mail waits here" from_home "$letter-one"
	check "$letter: and there" from_hub "$letter-two"
	check "$letter: two" from_hub "$letter-three"
	check "$letter: ours calls Taylor" exits 0 ours -s hub --wire-stats="$work/stats"
	check "$letter: it was that protocol" sh -c "tail -n 1 '$work/stats' | grep -q ' protocol=$letter '"
	check "$letter: its mail is at the hub" test "$(at_hub | count_of "from home: $letter-one")" -eq 1
	check "$letter: theirs are at home" came_home "$letter-two"
	check "$letter: both of them" came_home "$letter-three"
	check "$letter: nothing is left in flight" nothing_in_flight
	check "$letter: Taylor saw a call in good order" in_order
	: >"$hub/Log"
	check "$letter: mail waits here" from_home "$letter-four"
	check "$letter: and there" from_hub "$letter-five"
	check "$letter: Taylor calls ours" taylor "$tuucico" -I "$hub/config" -S home -f
	# The answering end runs its jobs when the call is over already.
	check "$letter: its mail is at home" wait_for 10 came_home "$letter-five"
	check "$letter: ours is at the hub" test "$(at_hub | count_of "from home: $letter-four")" -eq 1
	check "$letter: nothing is left in flight" nothing_in_flight
	check "$letter: Taylor saw a call in good order" in_order
done
speak i

# ---- Our uux --------------------------------------------------------------------------

# asked WORDS...: our uux, with a mail on standard input.
asked() {
	printf 'From ann Sat Nov 21 19:00:00 2026 remote from home\nSubject: %s\n\nx\n' "$1" >"$work/mail"
	shift
	uux --root="$home" "$@" <"$work/mail"
}
waiting() { find "$home/spool/uux/hub" -type f | wc -l; }
check "uux as Postfix runs it" asked uux-one -r -n -z -aann@home.example - 'hub!rmail' '(bob@hub.example)'
check "of a grade" asked uux-two -r -gx -p 'hub!rmail' '(bob!sue)'
check "a call for better grades" exits 0 ours -s hub --grade=N
check "leaves the other" test "$(waiting)" -eq 1
check "which status knows" sh -c "mochila --root='$home' status | grep -q ', 1 commands of uux for other sites'"
check "for programs, too" sh -c "mochila --root='$home' status --json | grep -q '\"site\":\"hub\".*\"commands\":1,'"
check "a call for all" exits 0 ours -s hub
check "leaves nothing" test "$(waiting)" -eq 0
check "Taylor runs them" at_hub
check "with their input" test "$(cat "$hub"/got/rmail.* | count_of '^Subject: uux-')" -eq 2
check "and their words" grep -q 'rmail bob!sue' "$hub/Log"
for words in 'hub!/bin/sh' 'rmail x' 'hub!rmail;id x' 'hub!'; do
	# shellcheck disable=SC2086	# words
	check "no command: $words" exits 64 asked x -r $words
done
for word in 'a b' 'hub!far!x' '|sh' '' '*'; do
	check "no word of one: \"$word\"" exits 64 asked x -r 'hub!rmail' "$word"
done
check "no such site" exits 68 asked x -r 'nowhere!rmail' x

# ---- Jobs that must not run -----------------------------------------------------------

sneak() { echo x | taylor "$tuux" -r -I "$hub/config" - "$@"; }
check "a command that is not permitted is queued" sneak 'home!sh -c id'
check "and an address that is an option" sneak 'home!rmail -oQ/x'
# Taylor mails the refusal with /usr/sbin/sendmail, and where that is none it may die of it.
ours -s hub >"$work/refused" 2>&1
check "the call goes on, or another one does" exits 0 ours -s hub
check "the first was refused when it was offered" grep -q 'event=refused' "$work/refused"
check "the second is held" sh -c "grep -h 'would be an option' '$home'/spool/hold/*.job.reason"
check "Taylor was told" grep -qiE 'denied|not permitted|permission' "$hub/Log"

# ---- The line drops in the middle ------------------------------------------------------

# A large mail that does not shrink; the line drops after 100 kB, then it is called again.
{ printf 'From bob Sat Nov 21 19:00:00 2026 remote from hub\nSubject: large\n\n'
	head -c 200000 /dev/urandom | base64; } >"$work/large"
cat >"$work/cut-there" <<-END
	#!/bin/sh
	dd bs=1 count=100000 2>/dev/null | "$work/taylor-answers"
END
cat >"$work/cut-back" <<-END
	#!/bin/sh
	exec 3<&0
	"$work/taylor-answers" <&3 | dd bs=1 count=100000 2>/dev/null &
	trap 'exit 0' TERM	# at once; Taylor sees the end of file
	exec >&-		# and we see it when dd has ended
	wait
END
# The same where we answer.
sed "s|taylor-answers|ours-answers|g" "$work/cut-there" >"$work/ours-cut-there"
sed "s|taylor-answers|ours-answers|g" "$work/cut-back" >"$work/ours-cut-back"
sed -i "s|-r0 |&--wire-stats=\"$work/stats\" |" "$work/ours-answers"
chmod 755 "$work"/*cut-there "$work"/*cut-back
# moved WORD LEAST MOST: what the last call's data_in or data_out was.
moved() {
	moved_bytes=$(tail -n 1 "$work/stats" | sed "s/.* $1=\([0-9]*\) .*/\1/")
	test "$moved_bytes" -ge "$2" && test "$moved_bytes" -le "$3"
}
# The way back with all of them, and more ssh: TAYLOR=long (make soak).
long() { test "${TAYLOR:-}" = long; }
# we_call STATUS ANSWERS, and so on: the one who calls, how, and what is at the end that answers.
we_call() { exits "$1" ours -s hub --set="site hub.link=exec:$work/$2" --wire-stats="$work/stats"; }
he_calls() {	# STATUS ANSWERS: his port leads there
	sed -i "s|^command .*|command $work/$2|" "$hub/port"
	if taylor "$tuucico" -I "$hub/config" -S home -f; then test "$1" -eq 0; else test "$1" -ne 0; fi
}
by_ssh() { echo "restrict,command=\"$work/$1\" $(cat "$home/keys/id_ed25519.pub")" >"$work/authorized_keys"; }
we_call_by_ssh() {
	by_ssh "$2"
	exits "$1" ours -s hub --set="site hub.link=ssh://$(id -un)@127.0.0.1:$port" --wire-stats="$work/stats"
}
he_calls_by_ssh() {
	by_ssh "$2"
	if taylor "$tuucico" -I "$hub/config" -S home -f; then test "$1" -eq 0; else test "$1" -ne 0; fi
}

# dropped_there CALL ANSWERS CUT: from home to hub; the first call breaks, the second goes on.
dropped_there() {
	case $3 in ours-*) line=back ;; *) line=there ;; esac
	rm -f "$hub"/got/*
	sed "s/^Subject: .*/Subject: $letter-$1/; 1d" "$work/large" |
	    MOCHILA_ROOT=$home sendmail -f ann@home.example bob@hub.example
	check "$letter, $1: the line drops on the way there" "$1" 75 "$3$line"
	check "$letter, $1: Taylor keeps a part" test -n "$(find "$hub/spool/.Temp" -type f -size +50k)"
	check "$letter, $1: the next call" wait_for 10 "$1" 0 "$2"
	check "$letter, $1: goes on where it stopped" wait_for 10 moved data_out 50000 170000
	check "$letter, $1: and the mail is whole" test "$(at_hub | count_of "^Subject: $letter-$1")" -eq 1
}
# dropped_back: from hub to home.
dropped_back() {
	case $3 in ours-*) line=there ;; *) line=back ;; esac
	sed "s/^Subject: .*/Subject: $letter-$1-back/" "$work/large" |
	    taylor "$tuux" -r -I "$hub/config" - home!rmail ann@home.example
	check "$letter, $1: the line drops on the way back" "$1" 75 "$3$line"
	check "$letter, $1: we keep a part" wait_for 10 part_kept
	check "$letter, $1: the next call" wait_for 10 "$1" 0 "$2"
	check "$letter, $1: goes on where it stopped" wait_for 10 moved data_in 100000 230000
	check "$letter, $1: the mail is whole, once" wait_for 10 once_at_home "$letter-$1-back"
}
part_kept() { test -n "$(find "$home/spool/xqt/hub" -name '*.part' -size +50k)"; }
once_at_home() { test "$(at_home | count_of "^Subject: $1")" -eq 1; }
for letter in i e t y g; do
	speak "$letter"
	dropped_there we_call taylor-answers cut-
	! { long || test "$letter" = i || test "$letter" = y; } || dropped_back we_call taylor-answers cut-
	! { long || test "$letter" = i; } || dropped_there he_calls ours-answers ours-cut-
	! { long || test "$letter" = t; } || dropped_back he_calls ours-answers ours-cut-
done

# ---- The same through a real sshd -------------------------------------------------------

free_port
ours --new-key >/dev/null
by_ssh taylor-answers
start_sshd "$work/sshd" "$port" "$work/authorized_keys" || skip "$why"
ours --host-key "ssh://127.0.0.1:$port" >"$home/keys/known_hosts"
for letter in i e t y g; do
	speak "$letter"
	check "$letter: a mail waits here" from_home "$letter-ssh"
	check "$letter: and there" from_hub "$letter-ssh-back"
	check "$letter: ours calls Taylor by ssh" we_call_by_ssh 0 taylor-answers
	check "$letter: its mail is at the hub" test "$(at_hub | count_of "from home: $letter-ssh")" -eq 1
	check "$letter: theirs is at home" came_home "$letter-ssh-back"
	check "$letter: Taylor saw a call in good order" in_order
	! long || dropped_there we_call_by_ssh taylor-answers cut-
	! long || dropped_back we_call_by_ssh taylor-answers cut-
done
if command -v ssh >/dev/null; then
	by_ssh ours-answers
	# Taylor drops what it may not read: its own copy of the key.
	$plain_user install -m 600 "$home/keys/id_ed25519" "$hub/id"
	cat >"$hub/port" <<-END
		port PIPE
		type pipe
		command $(command -v ssh) -F none -p $port -i $hub/id -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR $(id -un)@127.0.0.1 uucico
	END
	for letter in i e t y g; do
		long || test "$letter" = i || test "$letter" = t || continue
		speak "$letter"
		check "$letter: a mail waits there" from_hub "$letter-by-ssh"
		check "$letter: Taylor calls ours by ssh" taylor "$tuucico" -I "$hub/config" -S home -f
		check "$letter: it is here" wait_for 10 came_home "$letter-by-ssh"
		check "$letter: Taylor saw a call in good order" in_order
		! long || dropped_there he_calls_by_ssh ours-answers ours-cut-
		! long || dropped_back he_calls_by_ssh ours-answers ours-cut-
		by_ssh ours-answers
	done
fi
stop "$sshd"

# ---- A plain connection, with a login ---------------------------------------------------

speak i
echo "uhome secret" >"$hub/passwd"
echo "passwdfile $hub/passwd" >>"$hub/config"
cat >"$work/taylor-login" <<-END
	#!/bin/sh
	exec $plain_user env LD_LIBRARY_PATH="$peer_libs" "$tuucico" -I "$hub/config" -l
END
chmod 755 "$work/taylor-login"
start inetd "$build/tests/e2e/inetd" "$work/port" "$work/taylor-login"
check "a port behind which Taylor asks for a login" wait_for 10 test -s "$work/port"
by_tcp() { ours -s hub --set="site hub.link=tcp:127.0.0.1:$(cat "$work/port")" "$@"; }
logged_in() { by_tcp --set="site hub.login=$work/login" "$@"; }
check "a mail waits here" from_home tcp-one
check "and there" from_hub tcp-two
check "a login file that is not there" exits 78 logged_in
echo "uhome secret" >"$work/login"
chmod 644 "$work/login"
check "one that others can read" exits 78 logged_in
check "is told" grep -q 'chmod 600' "$work/said"
chmod 600 "$work/login"
check "a call" exits 0 logged_in
check "brought ours" test "$(at_hub | count_of 'from home: tcp-one')" -eq 1
check "and theirs" came_home tcp-two
printf 'uhome\nwrong\n' >"$work/login"
check "a wrong password" exits 75 logged_in
check "is no call" grep -q 'ogin' "$work/said"
check "nor is silence without a login" exits 75 by_tcp --set="site hub.timeout=1s"
echo "uhome" >"$work/login"
check "half a login" exits 78 logged_in
stop "$pid"
check "nobody listens there" exits 75 by_tcp
check "is told" grep -q 'is a uucpd running there' "$work/said"

# Our own end behind a port: inetd's way.
rm -f "$work/port"
start inetd "$build/tests/e2e/inetd" "$work/port" "$work/ours-answers"
check "a port behind which we answer" wait_for 10 test -s "$work/port"
cat >"$hub/port" <<-END
	port PIPE
	type tcp
	service $(cat "$work/port")
END
sed -i 's/^port PIPE/port PIPE\naddress 127.0.0.1/' "$hub/sys"
check "a mail waits there" from_hub tcp-three
check "Taylor calls us by TCP" taylor "$tuucico" -I "$hub/config" -S home -f
check "and it is here" wait_for 10 came_home tcp-three
stop "$pid"

# ---- Refusals --------------------------------------------------------------------------

sed -i 's/^system home/system other/' "$hub/sys"
check "an unknown name is told" exits 77 ours -s hub
check "in one sentence" grep -q 'does not know us' "$work/said"
sed -i 's/^system other/system home/; s/^protocol .*/protocol f/' "$hub/sys"
check "no common protocol is told" exits 78 ours -s hub
check "with what to do" grep -q 'protocol i' "$work/said"
finish
