#!/bin/sh
# Batches made to hurt: bombs of every codec, windows too large, labels that lie.  Each is
# refused in bounded memory, nothing of it is queued, and what is there stays.
# shellcheck disable=SC2317	# called by name
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
stage
mails=$top/tests/fixtures
cd "$work" || exit 99
make_site home home
cat >>home/mochila.conf <<-END
	max-batch-unpacked = 40M
	[routes]
	home.example = site:inner
	[site inner]
	[site hub]
END

# Address space, in KiB: libraries and all.  Sanitizers want terabytes.
space=150000
# shellcheck disable=SC3045	# dash has it
within() { (ulimit -v $space && exec "$@"); }
within bsmtp --version >/dev/null 2>&1 || {
	say "not tried: address space cannot be limited here"
	within() { "$@"; }
}
lies_in_spool() { find home/spool/in home/spool/out home/spool/tmp -type f ! -name '.*' | sort; }

bsmtp pack --mbox="$mails/demo.mbox" --to=user@home.example -o good
check "a good batch is taken within $space KiB" exits 0 within bsmtp unpack --root=home good
lies_in_spool >before
check "its mails are there" test "$(grep -c . before)" -eq 12

# refused WHY STATUS WORDS FILE
refused() {
	check "$1 is refused" exits "$2" within bsmtp unpack --root=home "$4"
	check "and why is said" grep -q "$3" said
	lies_in_spool >after
	check "and nothing of it is there" cmp before after
	check "bsmtp check finds it too" exits "$2" within bsmtp check "$4"
}

{
	printf 'MAIL FROM:<a@x>\nRCPT TO:<b@y>\nDATA\n'
	yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa | head -c 50000000
} >zeros
gzip -9 <zeros >bomb
refused "a bomb of gzip" 65 "max-batch-unpacked" bomb
gzip -9 <bomb >twice
refused "gzip in gzip" 65 "line 1: " twice
bzip2 -9 <zeros >bomb
if built BZ2; then
	refused "a bomb of bzip2" 65 "max-batch-unpacked" bomb
else
	refused "bzip2 that is not spoken" 78 "without-bz2" bomb
fi
gzip -9 <good >in-gzip
refused "a good batch packed once more" 65 "line 1: " in-gzip
if command -v zstd >/dev/null; then
	zstd -q <zeros >bomb
	refused "a bomb of zstd" 65 "max-batch-unpacked" bomb
	zstd -q --ultra --long=31 <zeros >wide
	refused "a window of 2^31" 65 "a window of more than the 8 MiB" wide
	{ printf 'mb1 zstd 1 30000000 AAAAAAAAAAAAAAAA\n'; cat bomb; } >labelled
	refused "a bomb whose label owns up to it" 65 "bytes its label says" labelled
	{ printf 'mb1 zstd 1 1000 AAAAAAAAAAAAAAAA\n'; cat bomb; } >labelled
	refused "one whose label denies it" 65 "unpacks to more than" labelled
	{ printf 'mb1 zstd 1 9000000000000 AAAAAAAAAAAAAAAA\n'; cat bomb; } >labelled
	refused "one whose label boasts" 65 "max-batch-unpacked" labelled
	{ printf 'mb1 zstd 1 1000 AAAAAAAAAAAAAAAA\n'; cat wide; } >labelled
	refused "a window of 2^31 behind a label" 65 "a window of more than the 8 MiB" labelled
	{ head -c 20000 "$MOCHILA_LIBEXEC/mail-1.dict"; head -c 20000 /dev/urandom; } >other.dict
	bsmtp cat good >text
	zstd -q -D other.dict <text >frame
	{ printf 'mb1 zstd 12 %s AAAAAAAAAAAAAAAA dict=1\n' "$(stat -c %s text)"; cat frame; } >labelled
	refused "a dictionary that is not what the label says" 65 . labelled
	{ printf 'mb1 zstd 12 %s AAAAAAAAAAAAAAAA dict=2\n' "$(stat -c %s text)"; cat frame; } >labelled
	refused "a dictionary that was never shipped" 75 "dictionary 2 is not here" labelled
	{ printf 'mb1 zstd 12 1000 AAAAAAAAAAAAAAAA'; head -c 100000 /dev/zero | tr '\0' ' '; } >labelled
	refused "a label without an end" 65 "label" labelled
	printf 'mb7 and what may come\n' >labelled
	refused "a label of a newer mochila" 78 "newer" labelled
else
	say "not tried: the zstd tool is not there"
fi

# ---- much mail, and much alike, is no bomb, and takes no more memory ----

head -c 300000 /dev/urandom | od -An -v -tx1 >noise
n=0
while test $n -lt 100; do
	n=$((n + 1))
	test $n -eq 1 || echo
	printf 'From ann@example.org Sat Nov 21 18:45:02 2026\nSubject: number %s\n\n' $n
	cat noise
done >large.mbox
for codec in gz zstd zstd-plain; do	# zstd makes a five-hundredth of it
	rm -rf large
	check "100 mails of 900 KB are packed by $codec" exits 0 within bsmtp pack --mbox=large.mbox \
	    --to=user@home.example --codec=$codec --level=fast -o large
	check "and read" exits 0 within bsmtp check large
done

# An attachment of nothing but zeros: a thousand times as long as what travels.
{
	printf 'From ann@example.org Sat Nov 21 18:45:02 2026\nSubject: zeros\n\n'
	yes AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA | head -c 30000000
} >zeros.mbox
packings="gz $(! built BZ2 || echo bz2) zstd-plain"
for codec in $packings; do
	rm -rf zeros
	bsmtp pack --mbox=zeros.mbox --to=user@home.example --codec="$codec" -o zeros
	check "a mail of zeros by $codec is more than 200 times its batch" test "$(wc -c <zeros)" -lt 150000
	check "and is taken" exits 0 within bsmtp unpack --root=home zeros
done
check "all of them" test "$(lies_in_spool | wc -l)" -eq $((12 + $(say "$packings" | wc -w)))

# Where the disk would not bear it, the batch waits.
rm -rf full
mkdir full && cp home/mochila.conf full/ && sed -i 's|min-free = .*|min-free = 1000000G|' full/mochila.conf
check "no room for it is for later" exits 75 within bsmtp unpack --root=full zeros
finish
