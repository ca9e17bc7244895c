#!/bin/sh
# The operator's verbs over a socket: as at the terminal, for nobody but who runs the relay.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage

root=$work/hub
make_site "$root" hub
cat >>"$root/mochila.conf" <<-END
	retry-after = 1h
	[relay main]
	listen = 127.0.0.1:0
	admin-listen = unix:run/admin
	[site home]
	[routes]
	home.example = site:home
	hub.example = maildir:mail/%u
	dead.example = smtp:127.0.0.1:1
END
mkdir -p "$root/run"
relay_up "$root" || fail "the relay does not start"
main=$(at "$root")

# ask LINE...: what is answered, in $work/said; the last line of it on standard output.
ask() {
	printf '%s\n' "$@" >"$work/asked"
	timeout 60 python3 - "$root/run/admin" "$work/asked" ${ask_as:+"$ask_as"} <<-'END' >"$work/said"
		import os, socket, sys
		lines = open(sys.argv[2], "rb").read()
		if len(sys.argv) > 3:
		    os.setgid(int(sys.argv[3]))
		    os.setuid(int(sys.argv[3]))
		with socket.socket(socket.AF_UNIX) as s:
		    s.connect(sys.argv[1])
		    s.sendall(lines)
		    s.shutdown(socket.SHUT_WR)
		    while data := s.recv(65536):
		        sys.stdout.buffer.write(data)
	END
	tail -n 1 "$work/said"
}
says() { grep -q -- "$1" "$work/said"; }
text() { sed -n 's/^ //p' "$work/said"; }
# same ARGS...: the socket says what mochila says.  Ages change between the two: wait for a moment
# in which they do not.
same() {
	test "$(ask "$*")" = ok && text >"$work/by-socket" && mochila --root "$root" "$@" >"$work/by-hand" 2>&1 &&
	    cmp "$work/by-socket" "$work/by-hand"
}
waits() { test "$(messages "$root/spool/out/home")" -eq "$1"; }

check "its socket is its owner's" test "$(stat -c %a "$root/run/admin")" = 600
mail "$main" ann@hub.example bob@home.example "ok" || fail "mail"
mail "$main" ann@hub.example eve@home.example "error 0" || fail "mail"
check "two mails wait" wait_for 20 waits 2
check "status" test "$(ask status)" = ok
check "tells what waits" sh -c "sed -n 's/^ //p' '$work/said' | grep -q '^home'"
check "list" wait_for 20 same list
check "list, with words" wait_for 20 same list --json home
id=$(basename "$(find "$root/spool/out/home" -name '*-*-*' -type f | head -n 1)")
check "show" wait_for 20 same show "$id"
check "what a message holds is no end" sh -c "test \$(grep -c '^[^ ]' '$work/said') -eq 1"
check "hold" test "$(ask "hold $id")" = ok
check "is done" waits 1
check "release" test "$(ask "release $id")" = ok
check "is done, too" wait_for 20 waits 2
check "several lines are answered in turn" test "$(ask "hold $id" "release $id" "retry home" "log $id" "doctor --json" |
    tail -n 1)" = ok -o "$(grep -c '^ok$' "$work/said")" -ge 4
check "remove" test "$(ask "remove $id")" = ok
check "is gone" wait_for 20 waits 1
mail "$main" ann@hub.example x@dead.example probe || fail "mail"
check "a dead hop" wait_for 20 grep -q event=unreachable "$work/hub.log"
tries=$(grep -c event=unreachable "$work/hub.log")
tried() { test "$(grep -c event=unreachable "$work/hub.log")" -gt "$tries"; }
check "retry" test "$(ask "retry smtp:127.0.0.1:1")" = ok
check "is heard by the relay at once" wait_for 20 tried

say "# the history, which is written behind the replies of a turn"
# told ADDRESS: what was answered with 250 is in what the socket is asked for next.
told() {
	mail "$main" ann@hub.example "$1" told && test "$(ask log)" = ok && test "$(grep -c event=accepted "$work/said")" -eq "$accepted"
}
accepted=$(grep -c event=accepted "$root/spool/log/mochila.log")
for i in 1 2 3 4 5; do
	accepted=$((accepted + 1))
	told "told$i@hub.example" || fail "told$i is not known"
done
mail "$main" ann@hub.example hup@hub.example hup
kill -HUP "$relay"
check "SIGHUP" wait_for 10 grep -q event=reloaded "$work/hub.log"
check "loses none" test "$(grep -c event=accepted "$root/spool/log/mochila.log")" -eq $((accepted + 1))
mv "$root/spool/log/mochila.log" "$work/before" && mkdir "$root/spool/log/mochila.log"
for i in 1 2 3; do mail "$main" ann@hub.example "lost$i@hub.example" "lost$i" || fail "mail"; done
arrived() { has_mail "$root" lost1 1 && has_mail "$root" lost2 1 && has_mail "$root" lost3 1; }
check "while it cannot be written mail goes on" wait_for 20 arrived
check "and it is said" grep -q 'event=history-failed why="mochila.log: Is a directory"' "$work/hub.log"
check "once" test "$(grep -c event=history-failed "$work/hub.log")" -eq 1
rmdir "$root/spool/log/mochila.log"
mail "$main" ann@hub.example last@hub.example last
kill "$relay"
wait "$relay"
check "what was answered before the stop is there" test "$(grep -c event=accepted "$root/spool/log/mochila.log")" -eq 1
relay_up "$root" || fail "the relay does not start"
main=$(at "$root")

say "# what it does not do"
check "no such message" test "$(ask "show 20261121T184502.123456-7f3a9c02d41be066-1")" = "error $(
    mochila --root "$root" show 20261121T184502.123456-7f3a9c02d41be066-1 >/dev/null 2>&1; echo $?)"
check "why is told" says '^ mochila: error: '
check "what is for a person" sh -c "test -z '$(ask 'init' | grep -v '^error 64 there are: ')'"
check "what starts others" sh -c "test -z '$(ask 'bsmtp cat' | grep -v '^error 64 there are: ')'"
check "another root" test "$(ask "status --root /")" != ok
check "nothing" sh -c "test -z '$(ask '' | grep -v '^error 64 ')'"
check "a shell" test "$(ask "list; touch $work/was-here")" != ok
check "is not there" test ! -e "$work/was-here"
check "a long line" test "$(ask "$(printf '%05000d' 0)")" = "error 64 that is a long line" -o "$(tail -n 1 "$work/said" | cut -c1-8)" = "error 64"
if test "$(id -u)" -eq 0; then
	chmod 666 "$root/run/admin"
	chmod 755 "$root" "$root/run" "$work"
	check "anybody else" test "$(ask_as=65534 ask status)" = "error 77 you are neither root nor who runs mochila-relay"
	check "is told nothing" test "$(wc -l <"$work/said")" -eq 1
fi
check "a door to the network is refused" exits 78 timeout 20 mochila-relay --root "$root" --set "relay main.admin-listen=127.0.0.1:0" \
    --set "relay main.listen=127.0.0.1:0"
check "with the reason" grep -q "no door but for sockets of this host" "$work/said"
finish
