#!/bin/sh
# What Exim, fetchmail and Taylor UUCP write is read, and Taylor's uuxqt runs our commands.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
stage
mails=$top/tests/fixtures
cd "$work" || exit 99
make_site home home
cat >>home/mochila.conf <<-END
	[routes]
	home.example = site:inner
	[site inner]
	batch-count = 100
END

mkdir originals
for name in plain dots eight-bit no-newline from-lines; do
	sed '0,/^$/d' "$mails/$name.eml" >"originals/$name"
	test -z "$(tail -c 1 "originals/$name")" || echo >>"originals/$name"
done

# bodies DIR: of the mails in a Maildir, each in a file called by its Subject.
bodies() {
	rm -rf bodies
	mkdir bodies
	for got in "$1"/new/*; do
		body "$got" >"bodies/$(sed -n 's/^Subject: //p;/^$/q' "$got")"
	done
}

# ---- recorded: tests/fixtures/RECORDED says how ----

for who in exim fetchmail; do
	check "$who's batch is read" exits 0 at home bsmtp unpack --to=maildir:"$who" "$mails/$who.bsmtp"
	bodies "home/$who"
	check "$who's mails are as they were" diff -r originals bodies
done
check "Exim's null sender is one" test "$(bsmtp list "$mails/exim.bsmtp" | grep -c '  <>  ')" -eq 1
check "and its two recipients are two" test "$(bsmtp list "$mails/exim.bsmtp" | grep -c '<user@home.example> <bob@home.example>')" -eq 5
size=$(stat -c %s "$mails/exim.bsmtp")
refused=0
for less in 1 2 3 4 100 500 1000; do
	head -c $((size - less)) "$mails/exim.bsmtp" | bsmtp check >/dev/null 2>&1
	test $? -eq 65 && refused=$((refused + 1))
done
check "cut anywhere but between two mails it is refused whole" test $refused -eq 7

# ---- live: Taylor's uux and uuxqt ----

"$top/scripts/peers" uucp >said 2>&1 || { cat said; test $failures -gt 0 || skip "no Taylor UUCP: $(cat said)"; finish; }
peers_folder
taylor=$MOCHILA_PEERS/uucp/usr
test "$(id -u)" -eq 0 || chmod u-s "$taylor/bin/uux" "$taylor/sbin/uuxqt" 2>/dev/null
mkdir -p taylor/spool taylor/pub taylor/bin
cat >taylor/config <<-END
	nodename hub
	spool $work/taylor/spool
	pubdir $work/taylor/pub
	lockdir $work/taylor
	logfile $work/taylor/Log
	statfile $work/taylor/Stats
	debugfile $work/taylor/Debug
	sysfile $work/taylor/sys
	portfile $work/taylor/port
	dialfile $work/taylor/dial
END
printf 'commands rgsmtp rsmtp rmail\ncommand-path %s\nsystem hub\n' "$work/taylor/bin" >taylor/sys
touch taylor/port taylor/dial taylor/call taylor/passwd
# Its uuxqt empties the environment, so the root is said in between.
for name in rsmtp rgsmtp rmail; do
	printf '#!/bin/sh\nMOCHILA_ROOT=%s exec %s "$@"\n' "$work/home" "$MOCHILA_LIBEXEC/$name" >"taylor/bin/$name"
	chmod 755 "taylor/bin/$name"
done
# Its programs are setuid to the account uucp where they were unpacked by root.
account=$(stat -c %u "$taylor/bin/uux")
if test "$(id -u)" -eq 0; then
	mkdir -p home/spool
	chown -R "$account" home taylor
	chmod a+rx .. . libexec home
	chmod -R a+rX taylor
	setpriv --reuid="$account" --clear-groups test -x "$work/taylor/bin" -a -x "$MOCHILA_LIBEXEC/rgsmtp" || {
		test $failures -gt 0 || skip "the account of Taylor UUCP may not reach $work"
		finish
	}
fi
uux() { "$taylor/bin/uux" -I "$work/taylor/config" -r "$@"; }
uuxqt() { "$taylor/sbin/uuxqt" -I "$work/taylor/config"; }
jobs() { find taylor/spool -name 'X*' -type f | wc -l; }

bsmtp pack --mbox="$mails/demo.mbox" --to=user@home.example -o demo.gz
check "Taylor's uux takes a batch" uux - '!rgsmtp' <demo.gz
{ echo 'From bob Sat Nov 21 18:45:02 2026 remote from far'; cat "$mails/plain.eml"; } >letter
check "and a letter" uux - '!rmail' '(user@home.example)' <letter
uuxqt
check "Taylor's uuxqt runs both" test "$(jobs)" -eq 0
check "and all is in the spool" test "$(spooled home/spool/out/inner)" -eq 13
check "from the site that UUCP says" test "$(grep -ac ' peer=hub' "$(grep -arl 'MAIL FROM:<far!bob>' home/spool/out)")" -eq 1

# Trouble of ours keeps the job there; a cut batch is not tried for ever.
echo 'min-free = 9999G' | sed -i '/^min-free/{
r /dev/stdin
d
}' home/mochila.conf
uux - '!rgsmtp' <demo.gz
uuxqt
check "no room: the job waits" test "$(jobs)" -eq 1
sed -i 's/^min-free.*/min-free = 1M/' home/mochila.conf
uuxqt
check "and runs when there is room" test "$(jobs)" -eq 0
check "its mails are there" test "$(spooled home/spool/out/inner)" -ge 13
head -c 500 demo.gz | uux - '!rgsmtp'
uuxqt
check "a cut batch goes to Taylor's .Failed" test "$(find taylor/spool/.Failed -type f | wc -l)" -gt 0
finish
