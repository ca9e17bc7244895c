#!/bin/sh
# bsmtp packs and unpacks: every byte comes back, a cut batch leaves nothing, and a batch
# that comes twice changes nothing.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
stage
mails=$top/tests/fixtures
cd "$work" || exit 99

make_site hub hub
cat >>hub/mochila.conf <<-END
	[site home]
	batch-count = 5
	[routes]
	home.example = site:home
END
make_site home home
cat >>home/mochila.conf <<-END
	[site hub]
	unpack = maildir:mail/%u
END

# The originals with LF ends, and with one at the end: as mail is in a Maildir.
mkdir originals
for file in "$mails"/*.eml; do
	sed 's/\r$//' "$file" >"originals/${file##*/}"
	test -z "$(tail -c 1 "originals/${file##*/}")" || echo >>"originals/${file##*/}"
done
total=$(messages originals)

# ---- files -> batch -> spool -> batches -> Maildir ----

at hub bsmtp pack --files "$mails"/*.eml --to=user@home.example -o in.gz
check "files become a batch" test -s in.gz
check "nothing is left beside it" test ! -e in.gz.new
check "it is gzip and nothing else" gzip -t in.gz
check "it is whole" exits 0 bsmtp check in.gz
check "and says so" grep -qx "whole: $total messages" said
check "the table has a line for each" test "$(bsmtp list in.gz | grep -c '<ann@example.org>  <user@home.example>')" -eq "$total"
check "JSON too" test "$(bsmtp list --json in.gz | grep -c '"sender": "ann@example.org"')" -eq "$total"
check "one of them can be shown" test "$(bsmtp cat 1 in.gz | grep -c 'Subject: blank-lines')" -eq 1
check "there is none behind the last" exits 65 bsmtp cat 99 in.gz

check "it enters the spool" exits 0 at hub bsmtp unpack in.gz
check "all wait for home" test "$(messages hub/spool/out/home)" -eq "$total"
check "they are packed" exits 0 at hub bsmtp pack home
batches=$(find hub/spool/sent/home -maxdepth 1 -type f | wc -l)
check "five to a batch" test "$batches" -eq $(((total + 4) / 5))
check "none waits any more" test "$(messages hub/spool/out/home)" -eq 0
check "packing nothing is no error" exits 0 at hub bsmtp pack home
check "and makes nothing" test "$(find hub/spool/sent/home -maxdepth 1 -type f | wc -l)" -eq "$batches"
first=$(find hub/spool/sent/home -maxdepth 1 -type f | sort | head -n 1)
check "a batch in the spool is found by its name" exits 0 at hub bsmtp list "home/${first##*/}"

n=0
receive() { # BATCH: as uuxqt runs it
	n=$((n + 1))
	UU_MACHINE=hub MOCHILA_JOB="job$n" MOCHILA_ROOT=$work/home rgsmtp <"$1"
}
find hub/spool/sent/home -maxdepth 1 -type f | sort >list
while read -r batch; do receive "$batch" || fail "rgsmtp $batch"; done <list 2>log
compare originals home/mail/user/new
check "every mail came, every byte of it" test $same,$different = "$total,0"
while read -r batch; do receive "$batch" || fail "rgsmtp $batch again"; done <list 2>log
check "the same batches again bring nothing new" test "$(messages home/mail/user/new)" -eq "$total"

# ---- what is not whole is refused, and leaves nothing ----

at hub bsmtp pack --files "$mails/plain.eml" --to=user@home.example -o small.gz
size=$(stat -c %s small.gz)
make_site cut cut
refused=0
at_byte=0
while test $at_byte -lt "$size"; do
	head -c $at_byte small.gz | at cut bsmtp unpack 2>/dev/null
	test $? -eq 65 && refused=$((refused + 1))
	at_byte=$((at_byte + 1))
done
check "a batch cut at any of its $size bytes is refused with 65" test $refused -eq "$size"
check "and nothing of it is in the spool" test "$(messages cut/spool/in)$(messages cut/spool/tmp)" = 00
kept=0
for reason in cut/spool/hold/*.reason; do
	grep -q 'nothing of it was taken' "$reason" || fail "$reason gives no reason"
	here=$(stat -c %s "${reason%.reason}")
	head -c "$here" small.gz | cmp -s - "${reason%.reason}" && kept=$((kept + 1))
done
check "each is kept in hold/ as it came, with the reason" test $kept,"$(messages cut/spool/hold)" = "$size,$((2 * size))"
{
	printf 'MAIL FROM:<a@x>\nRCPT TO:<b@y>\nDATA\n'
	yes 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' | head -c 100000000
} | gzip -9 >bomb.gz
check "a bomb is refused" exits 65 at cut bsmtp --set=spool.max-batch-unpacked=10M unpack bomb.gz
check "with the reason" grep -q "max-batch-unpacked" said
check "and leaves nothing" test "$(messages cut/spool/tmp)" -eq 0
check "so is a batch larger than allowed" exits 65 at cut bsmtp unpack --set spool.max-batch-unpacked=100 small.gz
cat small.gz small.gz >twice.gz
check "and one with another behind it" exits 65 at cut bsmtp unpack twice.gz
echo hello >text
check "and what is no batch" exits 65 at cut bsmtp unpack text
check "with line and reply" grep -q 'line 1: 500' said

# ---- statuses that UUCP understands ----

check "no room is 75" exits 75 at cut bsmtp unpack --set spool.min-free=9999G small.gz
check "in one sentence that says what to do" grep -q "lower min-free" said
check "an unknown site is 78" exits 78 at hub bsmtp pack nosuch
check "a codec that is none is 78, and named" exits 78 at hub bsmtp pack home --codec=gzz
check "with the nearest" grep -q "did you mean gz" said
check "a missing file is 66" exits 66 bsmtp list nosuch.gz
check "no sub-command is 64" exits 64 bsmtp
check "rgsmtp takes no words from the wire" exits 64 env UU_MACHINE=hub rgsmtp --root=/nowhere
check "not even --help" exits 64 env UU_MACHINE=hub rgsmtp --help
check "nor a peer's name that is none" exits 78 env UU_MACHINE=../hub MOCHILA_ROOT="$work/home" rgsmtp
check "rsmtp reads what is not packed" exits 65 env MOCHILA_ROOT="$work/home" UU_MACHINE=hub sh -c 'rsmtp <small.gz'
check "rbsmtp sees for itself" exits 0 env MOCHILA_ROOT="$work/home" UU_MACHINE=hub sh -c 'rbsmtp <small.gz'

# ---- a mailbox ----

mkdir box
split_mbox "$mails/demo.mbox" box
bsmtp pack --mbox="$mails/demo.mbox" --to=user@home.example --codec=none >demo.bsmtp
check "a mailbox becomes a batch" exits 0 bsmtp check demo.bsmtp
check "its From_ lines are the senders" test "$(bsmtp list demo.bsmtp | grep -c '<bernd@weather.example>')" -eq 1
check "a daemon's is the null sender" test "$(bsmtp list demo.bsmtp | grep -c '  <>  ')" -eq 1
check "it comes into a Maildir" exits 0 at home bsmtp unpack --to=maildir:box demo.bsmtp
compare box home/box/new
check "all its mails are as they were" test $same,$different = "$(messages box),0"

# ---- killed at any moment, a pack loses nothing ----

at hub bsmtp unpack in.gz 2>/dev/null
before=$(spooled hub/spool/out/home)
tries=0
while test $tries -lt 12; do
	at hub bsmtp pack home 2>/dev/null &
	victim=$!
	sleep "0.0$((tries % 10))"
	kill -9 $victim 2>/dev/null
	wait $victim 2>/dev/null
	tries=$((tries + 1))
done
at hub bsmtp pack home 2>/dev/null
: >ids
find hub/spool/sent/home -maxdepth 1 -type f | sort | grep -vxFf list >after
while read -r batch; do bsmtp list "$batch" | sed 1d | awk '{ print $NF }' >>ids; done <after
check "after twelve kills each mail is in one batch" test "$(sort -u ids | wc -l),$(wc -l <ids)" = "$before,$before"

# ---- the same by hand twice ----

make_site hand hand
sed -i '$a[routes]\n* = site:x\n[site x]' hand/mochila.conf
bsmtp pack --mbox="$top/tests/fixtures/demo.mbox" --to=user@home.example -o twice.gz
check "a batch by hand" exits 0 bsmtp unpack --root=hand twice.gz
before=$(spooled hand/spool/out)
check "its mails are there" test "$before" -gt 0
check "once more by hand" exits 0 bsmtp unpack --root=hand twice.gz
check "is no mail" test "$(spooled hand/spool/out)" -eq "$before"
check "and that is said" grep -q "repeats=$before" said
check "--again means it" exits 0 bsmtp unpack --root=hand --again twice.gz
check "then all of it" test "$(spooled hand/spool/out)" -eq $((2 * before))
finish
