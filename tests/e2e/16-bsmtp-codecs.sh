#!/bin/sh
# Every codec against the tool it is named after: what ours write theirs read, and what
# theirs write ours read.
# shellcheck disable=SC2317	# called by name
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
stage
mails=$top/tests/fixtures
cd "$work" || exit 99

make_site hub hub
make_site home home
printf '[site hub]\nunpack = maildir:mail\n' >>home/mochila.conf

# 400 times the same mails, and letters that no codec can shorten.
bsmtp pack --mbox="$mails/demo.mbox" --to=user@home.example --codec=none -o small
{
	n=0
	while test $n -lt 400; do
		cat "$mails/demo.mbox"
		n=$((n + 1))
	done
	printf '\nFrom ann@example.org Sat Nov 21 18:45:02 2026\nSubject: noise\n\n'
	head -c 2000000 /dev/urandom | od -An -v -tx1
} >large.mbox
bsmtp pack --mbox=large.mbox --to=user@home.example --codec=none -o large
check "there is something to do" test "$(stat -c %s large)" -gt 8000000

theirs() { # TOOL...: what it makes of both batches is read by our CODEC's command
	for batch in small large; do
		"$@" <$batch >packed || fail "$*"
		check "what $* made of the $batch batch is whole" exits 0 bsmtp check packed
		bsmtp cat packed >text
		check "and the same" cmp text $batch
	done
}
ours() { # CODEC TOOL...: what we make of mails with nothing encoded in them is read by the tool
	codec=$1
	shift
	for level in fast default metered; do
		bsmtp pack --files "$mails/plain.eml" "$mails/dots.eml" "$mails/long-lines.eml" --to=user@home.example \
		    --codec="$codec" --level=$level -o packed
		check "$codec, $level: whole" exits 0 bsmtp check packed
		bsmtp cat packed >want
		bsmtp cat --frame packed | "$@" >text
		check "$codec, $level: $* reads it" same_mails
	done
}
same_mails() { # a labelled batch has neither trailer nor CR LF
	sed 's/\r$//; /^NOOP mochila-batch/,$d' want >want.plain
	sed 's/\r$//; /^NOOP mochila-batch/,$d' text | tr -d '\020' >text.plain
	cmp want.plain text.plain
}

theirs gzip -9
if built BZ2; then
	theirs bzip2
	ours bz2 bzip2 -dc
else
	say "not tried: bz2 (built without BZ2)"
fi
ours gz gzip -dc
ours none cat
if command -v zstd >/dev/null; then
	theirs zstd -q -3
	ours zstd-plain zstd -q -dc
	ours zstd zstd -q -dc -D "$MOCHILA_LIBEXEC/mail-1.dict"
else
	say "not tried: the zstd tool is not there"
fi
if peer ncompress; then
	for bits in 10 12 14 16; do
		theirs "$peer/usr/bin/compress" -f -b $bits -c
	done
else
	say "not tried: $why"
fi

# ---- what codecs would make of it ----

for batch in small packed; do	# packed: what compress or bzip2 made of the large one
	check "diff looks into the $batch batch" exits 0 bsmtp diff none gz zstd:fast zstd-plain:metered $batch
done
bsmtp diff none gz zstd:metered small >table
check "a line for each" test "$(grep -cE '^(none|gz|zstd) +(default|metered) +[0-9]+ +[0-9.]+ +[0-9.]+$' table)" -eq 3
bsmtp pack --mbox="$mails/demo.mbox" --to=user@home.example --codec=gz -o packed
made() { bsmtp diff --json "$1" packed | sed -n 's/.*"bytes": \([0-9]*\).*/\1/p'; }
check "gz made what it says" test "$(made gz)" -eq "$(stat -c %s packed)"
check "none what stands there" test "$(made none)" -eq "$(bsmtp cat packed | wc -c)"
check "zstd is smaller" test "$(made zstd)" -lt "$(made gz)"
check "no codec is no comparison" exits 64 bsmtp diff packed
check "nor is one that is none" exits 78 bsmtp diff gzz zstd packed

# ---- under the names that UUCP runs ----

for pair in rsmtp:none rgsmtp:gz $(! built BZ2 || echo rbsmtp:bz2) rzsmtp:zstd rzsmtp:zstd-plain rbsmtp:zstd rbsmtp:gz; do
	rm -rf home/mail home/spool/seen
	bsmtp pack --mbox="$mails/demo.mbox" --to=user@home.example --codec="${pair#*:}" -o packed
	check "${pair%:*} takes ${pair#*:}" exits 0 env UU_MACHINE=hub MOCHILA_ROOT="$work/home" \
	    sh -c "${pair%:*} <packed"
	check "all of it" test "$(find home/mail/new -type f | wc -l)" -eq 12
done
gzip -9 <small >packed
check "rcsmtp takes nothing else than compress" exits 65 env UU_MACHINE=hub MOCHILA_ROOT="$work/home" sh -c 'rcsmtp <packed'
check "Z is not written" exits 78 bsmtp pack --mbox="$mails/demo.mbox" --to=user@home.example --codec=Z -o none.Z
check "nor is there a file" test ! -e none.Z
check "no level but the three" exits 78 bsmtp pack --mbox="$mails/demo.mbox" --to=user@home.example --level=best -o none.gz

# ---- a site that lacks the dictionary asks for what it can read ----

bsmtp pack --mbox="$mails/demo.mbox" --to=user@home.example --codec=zstd -o packed
rm -f "$MOCHILA_LIBEXEC/mail-1.dict"
make_site fresh fresh
check "without the dictionary: later" exits 75 bsmtp unpack --root=fresh packed
check "and why" grep -q "its sender must pack it again with codec zstd-plain: dictionary 1 is not here" said
check "nothing of it is there" test "$(find fresh/spool/in fresh/spool/tmp fresh/spool/hold -type f | wc -l)" -eq 0
bsmtp pack --mbox="$mails/demo.mbox" --to=user@home.example --codec=zstd-plain -o packed
check "packed against nothing it comes" exits 0 bsmtp unpack --root=fresh packed
finish
