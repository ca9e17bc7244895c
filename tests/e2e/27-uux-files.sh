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
for wrong in "!$work/files/a b" "!$work/files/.dot" '!' '<' '>' '<hub!x' 'far!near!/x' '>far!near!/x' '>hub!~/a b' '|x' 'x*'; do
	check "no word: $wrong" exits 64 asked 'hub!join' "$wrong"
done
for wrong in 'far!/x' '<far!x' '>far!x'; do
	check "a site that is not known: $wrong" exits 68 asked 'hub!join' "$wrong"
done
for wrong in '>out' '>!~/out' ">!$work/x" '>!~/../x' '>!/etc/x'; do
	check "no place for the output: $wrong" exits 77 asked 'hub!join' "$wrong"
done
check "nor two outputs" exits 64 asked 'hub!join' '>hub!~/a' '>hub!~/b'
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
check "output to a file that may not be here" theirs 'home!join' "!$work/files/two.txt" '>home!~/x'
ours -s hub >"$work/said" 2>&1
held_for() { grep -qs -- "$1" "$home"/spool/hold/*.job.reason; }
check "is held" wait_for 10 held_for 'the path is not one it may use here'
check "output to a site that it may not send to" theirs 'home!join' "!$work/files/two.txt" '>far!~/x'
ours -s hub >"$work/said" 2>&1
check "likewise" wait_for 10 held_for 'forward-to does not permit output to far'
check "and nothing of these ran" test "$(messages "$home/got")" -eq 0

# ---- Output ----------------------------------------------------------------------------------

# "show" prints its input and its files.
printf '#!/bin/sh\n/bin/cat - "$@"\n' >"$work/show"
cp "$work/show" "$hub/bin/show"
chmod 755 "$work/show" "$hub/bin/show"
sed -i 's/^commands .*/commands rmail rgsmtp join show/' "$hub/sys"
printf 'local-send %s\nlocal-receive %s\nremote-send %s\nremote-receive %s\n' "$work" "$hub" "$hub" "$hub" >>"$hub/sys"
sed -i "s|^commands = .*|commands = rmail show=$work/show\nreceive = take\nforward-to = far|" "$home/mochila.conf"
printf '[site far]\nreceive = take\nlink = exec:%s/uucico-ssh -r0 --peer=home --root=%s\n' "$MOCHILA_LIBEXEC" "$far" >>"$home/mochila.conf"
mkdir -p "$home/take" "$far/give" "$far/in" "$hub/pub/in"
chmod 777 "$hub/pub/in"
sed -i 's/^site = .*/site = far/' "$far/mochila.conf"
sed -i "s|^commands = .*|commands = rmail show=$work/show\nrequests = give\nreceive = in|" "$far/mochila.conf"
cat "$work/files/input" "$work/files/one" "$work/files/two.txt" >"$work/shown"
shown() { cmp "$work/shown" "$1"; }
for letter in i e g; do
	speak "$letter"
	rm -rf "$home/take" "$hub/pub/in"/*
	mkdir "$home/take"
	check "$letter: ours, run there, its output for us" asked 'hub!show' "<$work/files/input" "!$work/files/one" "!$work/files/two.txt" '>!~/printed'
	check "$letter: and for a path there" asked 'hub!show' "<$work/files/input" "!$work/files/one" "!$work/files/two.txt" ">hub!$hub/pub/in/printed"
	check "$letter: a call" call
	taylor "$tuuxqt" -I "$hub/config"
	check "$letter: the second is there" shown "$hub/pub/in/printed"
	check "$letter: another call" call
	check "$letter: the first is here" wait_for 10 shown "$home/take/printed"
	rm -rf "$home/take" "$hub/pub/in"/*
	mkdir "$home/take"
	check "$letter: his, run here, its output for him" theirs 'home!show' "<!$work/files/input" "!$work/files/one" "!$work/files/two.txt" ">!$hub/pub/in/back"
	check "$letter: and for a path here" theirs 'home!show' "<!$work/files/input" "!$work/files/one" "!$work/files/two.txt" '>home!~/deep/here'
	check "$letter: a call" call
	check "$letter: the second is here" wait_for 10 shown "$home/take/deep/here"
	sent_back() { exits 0 ours -s hub && shown "$hub/pub/in/back"; }
	check "$letter: the first is there" wait_for 20 sent_back
done
speak i
check "his, for a third site" theirs 'home!show' "<!$work/files/input" "!$work/files/one" "!$work/files/two.txt" '>far!~/third'
check "a call" call
passed_on() { exits 0 ours -s far && shown "$far/in/third"; }
check "is passed on" wait_for 20 passed_on
cat >"$work/endless" <<-END
	#!/bin/sh
	exec yes
END
chmod 755 "$work/endless"
sed -i "s|show=$work/show|show=$work/endless|" "$home/mochila.conf"
check "one that prints without end" theirs 'home!show' '>home!~/endless'
ours -s hub --set=spool.max-batch-unpacked=100K >"$work/said" 2>&1
check "is ended and held" wait_for 20 held_for 'it printed .* bytes, which is more than is taken'
check "and not put there" test ! -e "$home/take/endless"
sed -i "s|show=$work/endless|show=$work/show|" "$home/mochila.conf"

# ---- Files of third sites ----------------------------------------------------------------------

cp "$work/files/two.txt" "$far/give/two.txt"
cp "$work/files/input" "$far/give/input"
sed -i '/^\[site far\]/,$ s/^receive = .*/receive =/' "$home/mochila.conf"
gathering() { find "$home/spool/gather" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | wc -l; }
for letter in mi i; do
	rm -f "$hub/pub/in"/*
	check "$letter: a command with files of a third site" asked 'hub!show' '<far!~/input' "!$work/files/one" 'far!~/two.txt' ">hub!$hub/pub/in/printed"
	check "$letter: waits for these" test "$(gathering)$(find "$home/spool/uux/hub" -type f | wc -l)$(find "$home/spool/uux/far" -type f | wc -l)" = 102
	check "$letter: a call, to where it runs" call
	check "$letter: has nothing of it" test "$(gathering)" -eq 1
	gathered() { ours -s far --set="site far.protocols=$letter" >/dev/null 2>&1; test "$(gathering)" -eq 0; }
	check "$letter: the third site is called" wait_for 20 gathered
	check "$letter: and where it runs" call
	taylor "$tuuxqt" -I "$hub/config"
	check "$letter: it ran there" shown "$hub/pub/in/printed"
done
check "a file that he does not give" asked 'hub!show' 'far!~/none' ">hub!$hub/pub/in/none"
refused() { ours -s far --set="site far.protocols=i" >/dev/null 2>&1; held_for 'far: '; }
check "is refused, by name" wait_for 20 refused
check "the command waits" test "$(gathering)" -eq 1
name=$(basename "$(find "$home/spool/gather" -mindepth 1 -maxdepth 1 -type d)")
puts() { printf '%s' "$2" >"$work/put" && exits 0 uucp --root="$far" -r "$work/put" "home!$1" && ours -s far >"$work/said" 2>&1; }
for path in "~=$name/2" "~=$name/0" "~=$name/../1" "~=$name/1/x" "~=../$name/1" "~=N-x/1" "~=/1"; do
	puts "$path" wrong
	check "nothing else may be put there: $path" test "$(find "$home/spool/gather" -type f ! -name '.*' | wc -l)" -eq 1
done
from_hub() { taylor "$tuucp" -r -I "$hub/config" "$work/files/two.txt" "home!~=$name/1"; }
check "nor by another site" from_hub
ours -s hub >"$work/said" 2>&1
check "(nothing came)" test "$(find "$home/spool/gather" -type f ! -name '.*' | wc -l)" -eq 1
touch -d '29 days ago' "$home/spool/gather/$name"
check "after four weeks" exits 0 uuxqt --root="$home"
check "it is given up" test "$(gathering)" -eq 0
check "and who asked is told" sh -c "grep -rlas 'did not come in 28 days' '$home/spool/in' '$home/spool/out' | grep -q ."
finish
