#!/bin/sh
# Plain files between Taylor UUCP and us, with his uucp: what he may fetch here and where he
# may put something, with every protocol; and calls that are numbered.
# shellcheck disable=SC2088,SC2317	# ~ is for the far end; called by check
. "${srcdir:-.}/tests/e2e/lib.sh"
stage
# shellcheck source=tests/e2e/taylor-lib.sh
. "$top/tests/e2e/taylor-lib.sh"
cat >>"$hub/sys" <<-END
	local-send $hub
	local-receive $hub
	remote-send $hub
	remote-receive $hub
END
speak() {
	sed -i "s/^protocol .*/protocol $1/" "$hub/sys"
	sed -i "s/^protocols = .*/protocols = $1/" "$home/mochila.conf"
	: >"$hub/Log"
}
# What he is told to do, then one call of ours.
theirs() { taylor "$tuucp" -r -I "$hub/config" "$@"; }
call() { exits 0 ours -s hub "$@"; }
# A call with something to refuse: he mails that, and may die of it where there is no sendmail.
try() { ours -s hub "$@" >"$work/said" 2>&1 || true; }
give="--set=site hub.requests=give $work/more"
take="--set=site hub.receive=take"
mkdir -p "$home/give/deep" "$home/take" "$work/more" "$hub/pub/in"
head -c 300000 /dev/urandom >"$home/give/large"
echo small >"$home/give/deep/small"
: >"$home/give/empty"
echo other >"$work/more/other"
echo secret >"$home/give/.hidden"
echo secret >"$work/outside"
ln -s "$work/outside" "$home/give/link"
ln -s "$work" "$home/give/folder"
mkfifo "$home/give/fifo"
chmod 777 "$hub/pub/in"
head -c 200000 /dev/urandom >"$hub/pub/sent"
chmod 644 "$hub/pub/sent"
chmod 755 "$work" "$hub" "$hub/pub"	# his uucp asks whether any user may read it
taylor test -r "$hub/pub/sent" || skip "the clone lies where the account of Taylor UUCP may not enter"
got() { cmp "$1" "$hub/pub/in/$2"; }

# ---- Files that he asks for --------------------------------------------------------------

for letter in i e t y g G v; do
	speak "$letter"
	rm -f "$hub"/pub/in/*
	check "$letter: he wants a file" theirs 'home!~/large' "$hub/pub/in/large"
	check "$letter: and an empty one" theirs 'home!~/empty' "$hub/pub/in/empty"
	check "$letter: and one below, by its whole path" theirs "home!$home/give/deep/small" "$hub/pub/in/small"
	check "$letter: our call" call "$give"
	check "$letter: the file is there" got "$home/give/large" large
	check "$letter: and the empty one" got "$home/give/empty" empty
	check "$letter: and the other" got "$home/give/deep/small" small
	check "$letter: he saw a call in good order" sh -c "grep -q 'Call complete' '$hub/Log' && ! grep ERROR '$hub/Log'"
	rm -f "$hub"/pub/in/*
	check "$letter: he wants one, and gives one" theirs 'home!~/large' "$hub/pub/in/large"
	check "$letter: (gives)" theirs "$hub/pub/sent" 'home!~/'
	check "$letter: mail goes too" sh -c "printf 'Subject: x\n\nx\n' | MOCHILA_ROOT='$home' sendmail -f a@home.example b@hub.example"
	cp "$home/mochila.conf" "$work/conf"
	sed -i "s|^\[site hub\]|&\nrequests = give\nreceive = take|" "$home/mochila.conf"
	check "$letter: his call" taylor "$tuucico" -I "$hub/config" -S home -f
	mv "$work/conf" "$home/mochila.conf"
	check "$letter: the file is there" wait_for 10 got "$home/give/large" large
	check "$letter: and his is here" wait_for 10 cmp "$hub/pub/sent" "$home/take/sent"
	check "$letter: and the mail went" test "$(messages "$home/spool/sent")" -eq 0
	rm -f "$home/take/sent"
done
speak i
for path in '~/.hidden' '~/link' '~/folder/outside' '~/fifo' '~/none' '~/../mochila.conf' '~/deep/../../mochila.conf' '~' '~/' \
	'~/deep' '~mochila/x' /etc/passwd "$home/mochila.conf" "$home/give/../mochila.conf" "${home}/giver" ; do
	rm -f "$hub/pub/in/x"
	check "he wants $path" theirs "home!$path" "$hub/pub/in/x"
	try "$give"
	check "gave him nothing" test ! -e "$hub/pub/in/x"
	check "and said so" grep -q 'event=refused request=' "$work/said"
done
check "a folder that is named second" theirs "home!$work/more/other" "$hub/pub/in/other"
check "our call" call "$give"
check "is as good" got "$work/more/other" other
check "without the setting" theirs 'home!~/large' "$hub/pub/in/x"
try
check "gives nothing" test ! -e "$hub/pub/in/x"
rm -f "$hub"/pub/in/*
check "a pattern" theirs 'home!~/*' "$hub/pub/in/"
try "$give"
check "is refused" test ! -e "$hub/pub/in/large"
check "a request to be passed on" theirs "home!far!~/x" "$hub/pub/in/"
try "$give" "$take"
check "is refused likewise" grep -q 'event=refused' "$work/said"
check "what he may fetch at most" theirs 'home!~/large' "$hub/pub/in/x"

# ---- Files that he sends -------------------------------------------------------------------

here() { cmp "$hub/pub/sent" "$home/take/$1"; }
check "(the last call)" call "$give"
check "a file under another name" theirs "$hub/pub/sent" 'home!~/named'
check "one into a folder that is to be made" theirs -d "$hub/pub/sent" 'home!~/a/b/deep'
check "and one by its whole path" theirs "$hub/pub/sent" "home!$home/take/whole"
check "our call" call "$take"
check "brought the first" here named
check "and the second" here a/b/deep
check "and the third" here whole
check "and nothing else" test "$(find "$home/take" -type f | wc -l)" -eq 3
check "none of it is a job" test "$(find "$home/spool/xqt" -type f ! -name '.*' | wc -l)" -eq 0
mkdir "$home/take/there"
ln -s "$work/outside" "$home/take/link"
ln -s "$work" "$home/take/folder"
echo before >"$home/take/again"
check "into a folder" theirs "$hub/pub/sent" 'home!~/there'
check "over another" theirs "$hub/pub/sent" 'home!~/again'
check "our call" call "$take"
check "the first has its own name" here there/sent
check "the second is the new one" here again
check "over a link" theirs "$hub/pub/sent" 'home!~/link'
try "$take"
check "is refused" test -L "$home/take/link"
check "and the link not followed" grep -q secret "$work/outside"
for path in '~/../x' '~/.ssh' '~/.ssh/x' '~/folder/x' '~/a/../../x' /tmp/x "$home/x" "$home/take/../x" 'C.x' '~root/x'; do
	check "he sends to $path" theirs "$hub/pub/sent" "home!$path"
	try "$take"
	check "which is refused" grep -q 'event=refused temp=' "$work/said"
done
check "nothing is outside" test ! -e "$home/x" -a ! -e "$work/x"
check "without the setting" theirs "$hub/pub/sent" 'home!~/never'
try
check "takes none" test ! -e "$home/take/never"

# ---- Files that we ask for, and give -------------------------------------------------------

ask() { uucp --root="$home" -r "$take" "$@"; }
waiting() { messages "$home/spool/uux/hub"; }
head -c 70000 /dev/urandom >"$hub/pub/wanted"
: >"$hub/pub/nothing"
chmod 644 "$hub/pub/wanted" "$hub/pub/nothing"
came() { cmp "$hub/pub/$1" "$home/take/$2"; }
# Mail to the user that we are, wherever it has got to.
told() { grep -rlasE "^RCPT TO:<$(id -un)(@home.example)?>" "$home/spool/in" "$home/spool/out" | xargs -r grep -las "^Subject: $1" | grep -q .; }
forget_told() { grep -rlas "^Subject: refused at" "$home/spool/in" "$home/spool/out" | xargs -r rm -f; }
for letter in i e t y g G v; do
	speak "$letter"
	rm -rf "$home/take" "$hub/pub/in"/*
	mkdir "$home/take"
	check "$letter: we want two files of his" ask "hub!$hub/pub/wanted" "hub!$hub/pub/nothing" '~/'
	check "$letter: and one under another name" ask "hub!~/wanted" "$home/take/new/name"
	check "$letter: and one that is not there" ask 'hub!~/none' '~/none'
	check "$letter: and give him one" ask "$home/give/large" "hub!$hub/pub/in/"
	from_us() { printf 'Subject: x\n\nx\n' | MOCHILA_ROOT="$home" sendmail -f a@home.example b@hub.example; }
	check "$letter: and a mail" from_us
	check "$letter: our call" call "$take"
	check "$letter: the first is here" came wanted wanted
	check "$letter: and the empty one" came nothing nothing
	check "$letter: and the one with a name" came wanted new/name
	check "$letter: the one that is not is held" test "$(find "$home/spool/hold" -name '*.job' | wc -l)" -eq 1
	check "$letter: and who asked is told" wait_for 10 told "refused at hub: @fetch ~/none ~/none"
	forget_told
	check "$letter: ours is there" got "$home/give/large" large
	check "$letter: nothing waits" test "$(waiting)" -eq 0 -a "$(messages "$home/spool/sent")" -eq 0
	rm -f "$home/spool/hold"/*
	rm -rf "$home/take"
	mkdir "$home/take"
	check "$letter: when he calls" ask "hub!~/wanted" '~/'
	cp "$home/mochila.conf" "$work/conf"
	sed -i "s|^\[site hub\]|&\nreceive = take|" "$home/mochila.conf"
	check "$letter: (his call)" taylor "$tuucico" -I "$hub/config" -S home -f
	mv "$work/conf" "$home/mochila.conf"
	check "$letter: it comes as well" wait_for 60 came wanted wanted
done
speak i
for path in /etc/passwd '~/../x' "$home/take/../x" '~/.x'; do
	check "a place that is not one to put it: $path" exits 77 ask 'hub!~/wanted' "$path"
done
check "a file that is not there" exits 66 ask "$home/give/none" 'hub!~/x'
check "a site that is not known" exits 68 ask "$home/give/large" 'far!~/x'
check "no site" exits 64 ask "$home/give/large" '~/x'
check "a site behind a site" exits 64 ask 'hub!far!x' '~/x'
check "nothing of these waits" test "$(waiting)" -eq 0
check "a request whose place is closed meanwhile" ask 'hub!~/wanted' '~/late'
try
check "is not put there" test ! -e "$home/take/late"
check "but held" test "$(find "$home/spool/hold" -name '*.job' | wc -l)" -eq 1

# Between two of ours a request is a job, and so is its answer.
far=$work/far
make_site "$far" hub
printf '[site home]\nrequests = %s/give\nreceive = %s/in\n' "$far" "$far" >>"$far/mochila.conf"
mkdir "$far/give" "$far/in"
cp "$home/give/large" "$far/give/report"
meet() { call "$take" --set="site hub.protocols=$1" --set="site hub.link=exec:$MOCHILA_LIBEXEC/uucico-ssh -r0 --peer=home --root=$far"; }
here() { cmp "$far/give/report" "$home/take/$1"; }
answered() { test "$(find "$far/spool/uux/home" -type f 2>/dev/null | wc -l)" -eq 2; }
for letter in m i; do
	check "$letter: a file of one of ours, and one for it" sh -c "uucp --root='$home' -r '$take' 'hub!~/report' '~/$letter' &&
	    uucp --root='$home' -r '$home/give/large' 'hub!~/$letter'"
	check "$letter: a file that it does not give" ask 'hub!~/.hidden' '~/hidden'
	ours -s hub "$take" --set="site hub.protocols=$letter" --set="site hub.link=exec:$MOCHILA_LIBEXEC/uucico-ssh -r0 --peer=home --root=$far" >"$work/said" 2>&1
	test $letter = i || { wait_for 60 answered; meet m; }
	check "$letter: the first is here" wait_for 60 here "$letter"
	check "$letter: the other there" wait_for 60 cmp "$home/give/large" "$far/in/$letter"
	check "$letter: the third nowhere" test ! -e "$home/take/hidden"
	check "$letter: who asked for it is told" wait_for 60 told "refused at hub: @fetch ~/.hidden ~/hidden"
	forget_told
done

mkdir -p "$far/spool/uux/home"
for i in $(seq 64); do : >"$far/spool/uux/home/N-$i"; done
check "another request" ask 'hub!~/report' '~/more'
ours -s hub "$take" --set="site hub.protocols=m" --set="site hub.link=exec:$MOCHILA_LIBEXEC/uucico-ssh -r0 --peer=home --root=$far" >"$work/said" 2>&1
kept() { find "$far/spool/xqt/home" -type f -exec grep -al '@fetch ~/report ~/more' {} + | grep -q .; }
check "waits where 64 answers wait" wait_for 60 kept

# ---- Numbered calls ---------------------------------------------------------------------------

sed -i 's/^system home/system home\nsequence true/' "$hub/sys"
: >"$hub/Log"
check "a call without a number" exits 78 ours -s hub
check "is refused by him" grep -q 'expects another number' "$work/said"
rm -rf "$hub/spool/.Sequence"
numbered="--set=site hub.sequence=yes"
check "a numbered one" call "$numbered"
check "and the next" call "$numbered"
check "is counted" grep -qx 2 "$home/spool/sequence/hub"
sed -i "s/^\[site hub\]/&\nsequence = yes/" "$home/mochila.conf"
check "he calls, with the next number" taylor "$tuucico" -I "$hub/config" -S home -f
check "which is noted" grep -qx 3 "$home/spool/sequence/hub"
echo 9 >"$home/spool/sequence/hub"
taylor "$tuucico" -I "$hub/config" -S home -f >/dev/null 2>&1
check "a number that was there already is turned away" grep -qi 'sequence' "$hub/Log"
check "and changes nothing" grep -qx 9 "$home/spool/sequence/hub"
finish
