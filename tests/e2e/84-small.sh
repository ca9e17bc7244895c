#!/bin/sh
# mochila-small: one file under the names of all that carries mail by calls.  A mail goes from its
# sendmail into a batch, by a call to another of its kind and to the programs that are each
# their own, and back.
# shellcheck disable=SC2317	# called by check
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
stage
separate=$MOCHILA_LIBEXEC
# In a build with --enable-small=core mochila-small is the core, and there are no other programs.
core=$build/spool/mochila-core whole=$build/spool/mochila-small
test -x "$core" || { core=$whole whole=$build/spool/mochila-whole; }
# names_of DIR PROGRAM NAME...: a folder of links.
names_of() {
	names_of_dir=$1 names_of=$2
	shift 2
	mkdir "$names_of_dir"
	cp "$separate"/*.dict "$names_of_dir"
	for name; do ln -s "$names_of" "$names_of_dir/$name"; done
}
mail_names='bsmtp rsmtp rgsmtp rzsmtp rmail sendmail uucico-ssh uuxqt'
# shellcheck disable=SC2086	# words
names_of "$work/core" "$core" $mail_names
ln -s "$build/spool/mochila" "$work/core/mochila"
small=$work/small
# shellcheck disable=SC2086
names_of "$small" "$whole" $mail_names mochila rrecipients uucp uux
test "$whole" = "$build/spool/mochila-small" || separate=$small

# carry NAME LIBEXEC-HOME LIBEXEC-HUB PROTOCOLS: mail each way in one call.
carry() {
	carry_dir=$work/$1
	mkdir "$carry_dir"
	printf '#!/bin/sh\nMOCHILA_LIBEXEC=%s exec %s/uucico-ssh -r0 --peer=home --root=%s/hub\n' "$3" "$3" "$carry_dir" >"$carry_dir/answers"
	chmod 755 "$carry_dir/answers"
	protocols=$4
	two_sites "$carry_dir" "exec:$carry_dir/answers"
	printf 'Subject: there\n\n1\n' | MOCHILA_LIBEXEC=$2 MOCHILA_ROOT=$home "$2/sendmail" -f ann@home.example bob@hub.example &&
	printf 'Subject: back\n\n2\n' | MOCHILA_LIBEXEC=$3 MOCHILA_ROOT=$hub "$3/sendmail" -f bob@hub.example ann@home.example &&
	MOCHILA_LIBEXEC=$2 exits 0 "$2/uucico-ssh" -s hub --root="$home" &&
	arrived "$hub" there && arrived "$home" back
}
check "a small box calls a small box, in m" carry m "$small" "$small" mi
check "in i, by batches" carry i "$small" "$small" i
check "it calls one that is not small" carry out "$small" "$separate" mi
check "and is called by it" carry in "$separate" "$small" i
check "the core calls one that is whole, in m" carry core-out "$work/core" "$separate" mi
check "and is called, in i" carry core-in "$separate" "$work/core" i

# More batches wait than files may be open.
many_home=$work/core-in/hub
i=0
while test $((i += 1)) -le 40; do
	printf 'Subject: many %s\n\n4\n' "$i" | MOCHILA_LIBEXEC=$work/core MOCHILA_ROOT=$many_home "$work/core/sendmail" -f bob@hub.example ann@home.example
done
check "the core packs one a batch" exits 0 "$work/core/bsmtp" --root "$many_home" --set='site home.batch-count=1' pack home
sed -i '2i ulimit -n 32' "$work/core-in/answers"
check "and sends them all" env MOCHILA_LIBEXEC="$separate" "$separate/uucico-ssh" -s hub --root="$work/core-in/home"
many_there() { test "$(there "$work/core-in/home" many)" -eq 40; }
check "that are there" wait_for 60 many_there

export MOCHILA_LIBEXEC="$small"
check "its first word may say which it is" exits 0 "$whole" bsmtp --version
check "and it is that" said 'bsmtp (mochila)'
check "with none it says which there are" exits 64 "$whole"
check "all of them" said 'uucico-ssh'
check "so does its help" exits 0 "$whole" --help
check "the same" said 'uucico-ssh'
check "and it has a version" exits 0 "$whole" --version
check "of its own" said 'mochila-small (mochila)'
check "nor is it anything else" exits 64 "$whole" cat /etc/passwd
printf 'Subject: batch\n\n3\n' >"$work/mail"
"$separate/bsmtp" pack --files "$work/mail" --from=ann@home.example --to=bob@hub.example -o "$work/batch"
check "a batch is unpacked into a Maildir" exits 0 "$small/bsmtp" unpack --root "$home" --to="maildir:$work/box" "$work/batch"
check "where it is" test "$(grep -l '^Subject: batch' "$work"/box/new/* | wc -l)" -eq 1
check "one makes it, too" exits 0 "$small/bsmtp" pack --files "$work/mail" --from=a@home.example --to=b@hub.example -o "$work/another"
check "the operator's door" exits 0 "$small/mochila" --root "$home" status
check "is there, too" said hub
check "and uux" exits 0 "$small/uux" --version

# What the core goes without is said, and nothing is done by halves.
left_out() { said 'not in this build for small boxes, see mochila-small(8)'; }
# asks COMMAND...
asks() { exits 69 "$@" && left_out; }
core_bsmtp() { "$work/core/bsmtp" --root "$home" "$@"; }
for word in list check cat diff; do check "core: bsmtp $word" asks core_bsmtp $word "$work/batch"; done
check "core: its help" exits 0 core_bsmtp --help
check "core: names none of them" sh -c "! grep -q 'list .FILE' '$work/said'"
check "core: a file is not packed" asks core_bsmtp pack --files "$work/mail" -o "$work/none"
check "core: none is made" test ! -e "$work/none"
for set in addresses.aliases=file:a addresses.routes=file:a 'filter a.run=exec:/bin/true' 'site hub.filters=a' \
    'site hub.requests=/tmp' 'site hub.receive=/tmp' 'site hub.proxy=socks5://127.0.0.1:1' 'site hub.recipients=file:/tmp/r' \
    spool.shared=yes spool.quota=1M 'site hub.quota=1M' 'site hub.hold-over=1M' 'site hub.welcome=*@x.example' \
    'site hub.robot=release@hub.example' 'site hub.month-bytes=1M' 'site hub.month-money=5' 'site hub.money-per-minute=1' \
    'way w.money-per-minute=1' 'site hub.user-month-time=1h' 'site hub.user-largest=1M'; do
	check "core: $set" asks "$work/core/rmail" --root "$home" --set="$set" bob@hub.example
done
check "core: what is the relay's is left to it" exits 0 core_bsmtp --set='relay main.timeout=1m' --set='hop *.keep=1s' pack hub
# What the other end would hold until it is asked for goes back to who wrote it: it is in no mailbox, and reported.
head -c 20000 /dev/zero | tr '\0' x | fold -w 70 >"$work/large"
large_home=$work/core-out/home
{ printf 'Subject: large\n\n'; cat "$work/large"; } | MOCHILA_LIBEXEC=$work/core MOCHILA_ROOT=$large_home "$work/core/sendmail" \
    -f ann@home.example bob@hub.example
cat >"$work/asks" <<END
#!/bin/sh
MOCHILA_LIBEXEC=$separate exec $separate/uucico-ssh -r0 --peer=home --root=$work/core-out/hub --set="site home.hold-over=1K"
END
chmod 755 "$work/asks"
MOCHILA_LIBEXEC=$work/core exits 0 "$work/core/uucico-ssh" -s hub --root="$large_home" --set="site hub.link=exec:$work/asks" \
    --set='site hub.protocols=m'
check "core: what is not wanted unasked is told to who wrote it" sh -c \
    "grep -rls 'wants to be asked first' '$large_home/spool/in' '$large_home/spool/out' '$large_home/mail' | grep -q ."
check "and waits no more" sh -c "! grep -rls '^Subject: large' '$large_home/spool/out/hub' | grep -q ."
for word in uux uucp rrecipients mochila; do check "core: no $word" exits 64 "$core" $word; done
MOCHILA_LIBEXEC=$separate "$separate/bsmtp" --codec=mix pack --files "$work/mail" --from=a@home.example --to=b@hub.example -o "$work/mix"
check "core: a batch in mix" asks core_bsmtp unpack "$work/mix"
MOCHILA_ROOT=$home "$work/core/sendmail" -f ann@home.example bob@hub.example <"$work/mail"
check "core: packs zstd instead" exits 0 core_bsmtp --codec=mix pack hub
check "and the other end reads it" exits 0 "$separate/bsmtp" --root "$home" check \
    "$(find "$home/spool/sent/hub" -maxdepth 1 -type f ! -name '.*' | tail -n 1)"
printf '\037\235\220' >"$work/Z"
check "core: compress" asks core_bsmtp unpack "$work/Z"
finish
