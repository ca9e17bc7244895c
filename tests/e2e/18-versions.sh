#!/bin/sh
# What versions 1 to 5 of a batch and version 1 of a spool entry looked like is read for ever; what is newer is
# refused with 78, and not touched.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
stage
old=$top/tests/fixtures/v1 later=$top/tests/fixtures/v2 before=$top/tests/fixtures/v3 last=$top/tests/fixtures/v4
mixed=$top/tests/fixtures/v5
cd "$work" || exit 99
make_site home home

mkdir originals
for name in plain dots eight-bit; do
	tr -d '\r' <"$top/tests/fixtures/$name.eml" >"originals/$name"
done
for batch in "$old/full.none" "$old/full.gz" "$old/full.zstd" "$old/full.zstd-plain" "$old/reduced.none" \
    "$later/full.zstd" "$later/full.zstd-plain" "$later/full.mix" \
    "$before/full.zstd" "$before/full.zstd-plain" \
    "$last/full.zstd" "$last/full.zstd-plain" "$last/full.mix" "$mixed/full.mix"; do
	rm -rf home
	make_site home home
	check "${batch#"$top"/tests/fixtures/} is read" exits 0 at home bsmtp unpack --peer=hub --to=maildir:box "$batch"
	check "every byte of it" compare originals home/box/new
done

# One that refers to a history, and that history as its reader had it then.
rm -rf home
make_site home home
printf '[site hub]\nhistory = 64K\n' >>home/mochila.conf
mkdir -p home/spool/ring/hub
cp "$before/ring" home/spool/ring/hub/from-main
chmod 600 home/spool/ring/hub/from-main
bsmtp cat --label "$before/full.zstd-ref" >label
check "v3/full.zstd-ref refers to a history" grep -q '^mb3 .* ref=1:.* dict=1$' label
check "and is read with that of then" exits 0 at home bsmtp unpack --peer=hub --to=maildir:box "$before/full.zstd-ref"
check "every byte of it" compare originals home/box/new

# More text for both models of mix.
rm -rf home
make_site home home
bsmtp pack --mbox="$top/tests/fixtures/demo.mbox" --to=user@home.example --codec=none -o demo
for batch in demo "$last/demo.mix" "$mixed/demo.mix"; do
	rm -rf home/box
	check "${batch#"$top"/tests/fixtures/} of mails" exits 0 at home bsmtp unpack --peer=hub --to=maildir:box "$batch"
	cat home/box/new/* | grep -av "^	" | sort >"got.${batch##*/}"	# without our Received
	check "the same in all of them" cmp got.demo "got.${batch##*/}"
done
rm -rf home
make_site home home
check "a letter of then is taken" exits 0 env UU_MACHINE=hub MOCHILA_JOB=1 'MOCHILA_SET=routes.*=site:x' \
    MOCHILA_ROOT="$work/home" rmail user@home.example <"$old/rmail"
check "from whom it says" grep -qar '^MAIL FROM:<ann@example.org>' home/spool

# An entry with a line of its history.
rm -rf home
make_site home home
mkdir -p home/spool/in
cp "$old/entry" home/spool/in/entry
at home bsmtp deliver --to=smtp:127.0.0.1:1 --set 'routes.*=smtp:127.0.0.1:1' 2>/dev/null
mochila list --root=home >/dev/null 2>&1
at home bsmtp pack --all --set 'routes.*=smtp:127.0.0.1:1' 2>said
entry=$(grep -arl 'mochila=1' home/spool/out)
check "an entry of version 1 is settled" test -n "$entry"
check "with its history" grep -aq 'deferred .*reply="451 4.4.2' "$entry"

# Newer ones.
sed 's/^NOOP mochila=1 /NOOP mochila=2 /' "$old/full.none" >newer.none
sed 's/^mb1 /mb2 /' "$old/full.zstd" >newer.line
printf '\226and whatever there may be' >newer.label
for batch in newer.none newer.line newer.label; do
	cp $batch kept
	check "$batch is refused" exits 78 at home bsmtp unpack --peer=hub "$batch"
	check "by its age" grep -q newer said
	check "and not touched" cmp $batch kept
done
sed 's/^NOOP mochila=1 /NOOP mochila=2 /' "$old/entry" >home/spool/in/later
cp home/spool/in/later kept
at home bsmtp pack --all 2>said
check "a newer entry waits in in/ for a newer mochila" cmp home/spool/in/later kept
check "and it is said" grep -q 'newer than this mochila knows' said
check "nothing of these is anywhere else" test "$(messages home/spool/hold)" -eq 0
finish
