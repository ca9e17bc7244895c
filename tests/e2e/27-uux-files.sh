#!/bin/sh
# Commands with files, by uux: ours run at a Taylor UUCP, his run here, with every way to
# carry them; and what must not be run or read.
# shellcheck disable=SC2088,SC2317	# ~ is for the far end; called by check
. "${srcdir:-.}/tests/e2e/lib.sh"
stage
# shellcheck source=tests/e2e/taylor-lib.sh
. "$top/tests/e2e/taylor-lib.sh"
chmod 755 "$work" "$hub" "$hub/pub"
taylor test -x "$hub/pub" || skip "the clone lies where the account of Taylor UUCP may not enter"
# At both ends "join" puts its input and its files one behind the other.
sed -i 's/^commands .*/commands rmail rgsmtp join/' "$hub/sys"
cat >"$hub/bin/join" <<-END
	#!/bin/sh
	{ /bin/cat; /bin/cat "\$@"; } >"$hub/got/join.\$\$"
END
mkdir -p "$home/got"
cat >"$work/join" <<-END
	#!/bin/sh
	{ cat; cat "\$@"; pwd; ls; } >"$home/got/join.\$\$" 2>"$work/join.errors"
END
chmod 755 "$hub/bin/join" "$work/join"
sed -i "s|^commands = .*|commands = rmail rgsmtp rsmtp join=$work/join|" "$home/mochila.conf"
mkdir "$work/files"
head -c 100000 /dev/urandom >"$work/files/one"
echo two >"$work/files/two.txt"
: >"$work/files/empty"
echo input >"$work/files/input"
chmod -R a+rX "$work/files"
cat "$work/files/input" "$work/files/one" "$work/files/two.txt" "$work/files/empty" >"$work/whole"
asked() { uux --root="$home" -r "$@"; }
theirs() { taylor "$tuux" -r -I "$hub/config" "$@"; }
call() { exits 0 ours -s hub "$@"; }
speak() {
	sed -i "s/^protocol .*/protocol $1/" "$hub/sys"
	sed -i "s/^protocols = .*/protocols = $1/" "$home/mochila.conf"
}

# ---- Ours, run there -----------------------------------------------------------------------

at_hub() {
	taylor "$tuuxqt" -I "$hub/config"
	cmp "$1" "$hub"/got/join.*
}
for letter in i e g; do
	speak "$letter"
	rm -f "$hub"/got/*
	check "$letter: a command with files" asked 'hub!join' "!$work/files/one" "!$work/files/two.txt" "!$work/files/empty" "<!$work/files/input"
	check "$letter: waits as one" test "$(find "$home/spool/uux/hub" -type f | wc -l)" -eq 1
	check "$letter: a call" call
	check "$letter: leaves nothing" test "$(find "$home/spool/uux/hub" -type f | wc -l)" -eq 0
	check "$letter: it ran there" at_hub "$work/whole"
done
speak i
rm -f "$hub"/got/*
check "files that are at the site" asked 'hub!join' "hub!$work/files/two.txt" '<' "$work/files/input"
check "a call" call
cat "$work/files/input" "$work/files/two.txt" >"$work/short"
check "are found there" at_hub "$work/short"
check "with the standard input, and one file" sh -c "uux --root='$home' -r - 'hub!join' '!$work/files/two.txt' <'$work/files/input'"
rm -f "$hub"/got/*
check "a call" call
check "it ran there" at_hub "$work/short"
# The line drops between the files.
cat >"$work/cut" <<-END
	#!/bin/sh
	dd bs=1 count=60000 2>/dev/null | "$work/taylor-answers"
END
chmod 755 "$work/cut"
rm -f "$hub"/got/*
check "a command with files" asked 'hub!join' "!$work/files/two.txt" "!$work/files/one" "<!$work/files/input"
check "over a line that drops" exits 75 ours -s hub --set="site hub.link=exec:$work/cut"
check "stays" test "$(find "$home/spool/uux/hub" -type f | wc -l)" -eq 1
check "the next call" call
cat "$work/files/input" "$work/files/two.txt" "$work/files/one" >"$work/third"
check "brings the rest" at_hub "$work/third"
ln -s "$work/files/one" "$work/files/link"
for wrong in "!$work/files" "!$work/files/none" "<$work/files/none" "!$work/files/link"; do
	check "no file: $wrong" exits 66 asked 'hub!join' "$wrong"
done
mkdir -p "$work/files/more"
cp "$work/files/one" "$work/files/more/one"
: >"$work/files/a b"
: >"$work/files/.dot"
for wrong in "!$work/files/a b" "!$work/files/.dot" 'far!/x' '>out' '!' '<' '<far!x'; do
	check "no word: $wrong" exits 64 asked 'hub!join' "$wrong"
done
check "nor two of one name" exits 64 asked 'hub!join' "!$work/files/one" "!$work/files/more/one"
check "nor two inputs" exits 64 asked - 'hub!join' "<$work/files/one"
check "nothing of these is queued" test "$(find "$home/spool/uux" -type f | wc -l)" -eq 0

# ---- Between two of ours: protocol m has it as one job --------------------------------------

far=$work/far
make_site "$far" hub
printf '[site home]\ncommands = rmail join=%s/join-there\n' "$work" >>"$far/mochila.conf"
mkdir "$far/got"
sed "s|$home/got|$far/got|" "$work/join" >"$work/join-there"
chmod 755 "$work/join-there"
there() { head -c "$(wc -c <"$work/whole")" "$far"/got/join.* | cmp - "$work/whole"; }
for letters in mi i; do
	rm -f "$far"/got/*
	check "$letters: a command with files" asked 'hub!join' "!$work/files/one" "!$work/files/two.txt" "!$work/files/empty" "<!$work/files/input"
	check "$letters: a call" call --set="site hub.protocols=$letters" --set="site hub.link=exec:$MOCHILA_LIBEXEC/uucico-ssh -r0 --peer=home --root=$far" \
	    --wire-stats="$work/stats"
	check "$letters: by it" grep -q "protocol=$(printf %.1s $letters) " "$work/stats"
	check "$letters: it ran there" wait_for 10 there
	rm -f "$work/stats"
done

# ---- His, run here ---------------------------------------------------------------------------

here() { cat "$home"/got/join.* >"$work/heard" 2>/dev/null && head -c "$(wc -c <"$work/third")" "$work/heard" | cmp - "$work/third"; }
for letter in i e g; do
	speak "$letter"
	rm -f "$home"/got/*
	check "$letter: he wants a command run, with files" theirs 'home!join' "!$work/files/two.txt" "!$work/files/one" "<!$work/files/input"
	check "$letter: a call" call
	check "$letter: it ran here" wait_for 10 here
	check "$letter: in a folder of its own" grep -q "run/xqt.hub.files" "$work/heard"
	check "$letter: with its files only" sh -c "tail -n 2 '$work/heard' | tr '\n' ' ' | grep -qx 'one two.txt '"
	check "$letter: which is gone" test ! -e "$home/run/xqt.hub.files"
	check "$letter: nothing is left" test "$(find "$home/spool/xqt" -type f ! -name '.*' | wc -l)" -eq 0
done
rm -f "$home"/got/*
check "a command that is not permitted" theirs 'home!sh' "!$work/files/one"
ours -s hub >"$work/said" 2>&1
check "is refused" grep -q 'event=refused' "$work/said"
check "an option" theirs 'home!join' -x "!$work/files/two.txt"
ours -s hub >"$work/said" 2>&1
check "is held" sh -c "grep -h 'would be an option' '$home'/spool/hold/*.job.reason"
check "output to a file" theirs 'home!join' "!$work/files/two.txt" '>home!~/x'
ours -s hub >"$work/said" 2>&1
check "is refused" grep -q 'output written somewhere' "$work/said"
check "and nothing of these ran" test "$(messages "$home/got")" -eq 0
finish
