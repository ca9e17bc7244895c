#!/bin/sh
# mochila status when much waits: SITES (1,000) sites of 100 messages each are counted by
# their names, in little memory; of a next hop the oldest is asked why.  The time is printed.
# SITES=10000 is the million that the figures are of.
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/entry-lib.sh
. "$top/tests/e2e/entry-lib.sh"
stage

sites=${SITES:-1000}
root=$work/root
spool=$root/spool
make_site "$root" hub
for folder in tmp in out sent xqt hold failed seen drop log; do mkdir -p "$spool/$folder"; done
m() { mochila --root="$root" --log=none "$@"; }

# One bucket of a hundred, then links to it: only names count.
mkdir -p "$work/site/N-bucket"
entry "$(id 1)" ann@example.org bob@home.example >"$work/site/N-bucket/$(id 1)"
echo "NOOP at=2026-11-21T18:50:11Z rcpt=1 deferred reply=\"451 come back later\"" >"$work/line"
sum=$(head -c -1 "$work/line" | sha | cut -c1-16)
sed "s/\$/ sum=$sum/" "$work/line" >>"$work/site/N-bucket/$(id 1)"
for n in $(seq 2 100); do cp "$work/site/N-bucket/$(id 1)" "$work/site/N-bucket/$(id "$n")"; done
for n in $(seq "$sites"); do cp -al "$work/site" "$spool/out/site$n"; done
cp -al "$work/site" "$spool/out/smtp:slow.example:25"

begun=$(date +%s%N)
m status >"$work/table"
took=$((($(date +%s%N) - begun) / 1000000))
say "$((sites * 100)) messages for $sites sites: $took ms"
check "every site has its line" test "$(grep -c '^site[0-9]*  *100 ' "$work/table")" -eq "$sites"
check "a next hop's with what its oldest message was told" sh -c "grep '^smtp:slow.example:25 ' '$work/table' | grep -q '451 come back later'"
m status --json >"$work/json"
check "also in JSON" test "$(grep -o '"waiting":100' "$work/json" | wc -l)" -eq $((sites + 1))
check "with the time of the oldest" sh -c "grep -q '\"oldest\":\"2026-11-21T18:45:02' '$work/json'"
check "and why" sh -c "grep -q '\"why\":\"451 come back later\"' '$work/json'"
# A sanitizer's own memory says nothing of ours.
if test -x /usr/bin/time && ! grep -q '^SAN = .*sanitize' "$build/Makefile"; then
	for words in status 'status --json'; do
		# shellcheck disable=SC2086	# words
		/usr/bin/time -f %M -o "$work/memory" spool/mochila --root="$root" $words >/dev/null
		kib=$(tail -1 "$work/memory")
		say "$words: $kib KiB"
		check "$words needs no 32 MiB" test "$kib" -le 32768
	done
fi

# ---- What is remembered --------------------------------------------------------------

waits() { m status --json | grep -o "\"site\":\"$1\",\"waiting\":[0-9]*" | sed 's/.*://'; }
sleep 3		# what has just changed is not remembered
sites_of() { grep -e '^site[0-9]' -e ^smtp: "$1"; }
m status >"$work/table"
sites_of "$work/table" >"$work/table.2"
check "what was counted is remembered" test -s "$spool/tmp/.waiting"
if command -v strace >/dev/null && strace -o "$work/calls" true 2>/dev/null; then
	strace -f -e trace=getdents64 -o "$work/calls" spool/mochila --root="$root" status >"$work/table.3"
	# of all a sixteenth may be: that is not worth to be written
	check "and not read again" test "$(grep -c 'getdents64(' "$work/calls")" -lt $((sites / 2))
fi
m status >"$work/table"
sites_of "$work/table" >"$work/table.3"
check "it is the same" cmp "$work/table.2" "$work/table.3"
mv "$spool/out/site1/N-bucket/$(id 7)" "$spool/hold/"
check "a message that a person moved away is not counted" test "$(waits site1)" -eq 99
mv "$spool/hold/$(id 7)" "$spool/out/site1/N-bucket/"
check "put back, it is" test "$(waits site1)" -eq 100
cp -a "$spool/out/site2/N-bucket" "$spool/out/site2/A-bucket"
check "a bucket that a person made counts" test "$(waits site2)" -eq 200
mv "$spool/out/site3" "$spool/out/site0"
check "so do those of a site that was renamed" test "$(waits site0),$(waits site3)" = 100,
rm -r "$spool/out/site4/N-bucket"
check "and not one that was removed" test "$(waits site4)" -eq 0
head -c 5000 "$spool/tmp/.waiting" >"$work/half"
for damage in "$work/half" /dev/null "$top/tests/fixtures/demo.mbox"; do
	cat "$damage" >"$spool/tmp/.waiting"
	check "whatever has become of the file" test "$(waits site2),$(waits site4),$(waits site5)" = 200,0,100
done
rm "$spool/tmp/.waiting"
check "or whether there is one" test "$(waits site2),$(waits site4),$(waits site5)" = 200,0,100
rm -rf "$spool/out"
finish
