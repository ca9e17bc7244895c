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
small=$work/small
mkdir "$small"
cp "$separate"/*.dict "$small"
for name in bsmtp rsmtp rgsmtp rzsmtp rmail sendmail rrecipients uucico-ssh uucp uux uuxqt; do
	ln -s "$build/spool/mochila-small" "$small/$name"
done
core=$(grep -c '^#define MOCHILA_SMALL_CORE 1' "$build/config.h")
if test "$core" -eq 1; then ln -s "$build/spool/mochila" "$small/mochila"; else ln -s "$build/spool/mochila-small" "$small/mochila"; fi

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

export MOCHILA_LIBEXEC="$small"
check "its first word may say which it is" exits 0 "$build/spool/mochila-small" bsmtp --version
check "and it is that" said 'bsmtp (mochila)'
check "with none it says which there are" exits 64 "$build/spool/mochila-small"
check "all of them" said 'uucico-ssh'
check "nor is it anything else" exits 64 "$build/spool/mochila-small" cat /etc/passwd
printf 'Subject: batch\n\n3\n' >"$work/mail"
check "a batch" exits 0 "$small/bsmtp" pack --files "$work/mail" --from=ann@home.example --to=bob@hub.example -o "$work/batch"
check "is unpacked into a Maildir" exits 0 "$small/bsmtp" unpack --root "$home" --to="maildir:$work/box" "$work/batch"
check "where it is" test "$(grep -l '^Subject: batch' "$work"/box/new/* | wc -l)" -eq 1
if test "$core" -eq 0; then
	check "the operator's door" exits 0 "$small/mochila" --root "$home" status
	check "is there, too" said hub
fi
finish
