#!/bin/sh
# Every message through every format and codec that can carry it, byte for byte; what a
# format cannot carry is answered for: its sender gets a report, and the log says why.
# shellcheck disable=SC2317	# called by check
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
stage
mails=$top/tests/fixtures
cd "$work" || exit 99

# ---- byte for byte ----

# In new/ as mail comes: LF ends, one at the end, a sender on top.  Others' torture set too,
# where it lies beside the tree.
mkdir -p sent/cur sent/new
for file in "$mails"/*.eml "$top"/../shared/corpus/torture/*; do
	test -f "$file" || continue
	{
		printf 'Return-Path: <ann@example.org>\nX-First: yes\n'	# what begins with a fold folds this
		tr -d '\r' <"$file"
	} >"sent/new/${file##*/}"
	test -z "$(tail -c 1 "sent/new/${file##*/}")" || echo >>"sent/new/${file##*/}"
done
total=$(messages sent/new)
say "$total messages"
# few FOLDER: our own of them, and each twentieth of the others: for what is run once a file.
few() {
	for few_file in "$1"/*; do
		few_at=$((${few_at:-0} + 1))
		if test -f "$mails/${few_file##*/}" || test $((few_at % 20)) -eq 0; then say "$few_file"; fi
	done
}

# As the files are, with whatever line ends: each of the three ends a line, and one is at the end
# (lib/mail/crlf.h); every other byte comes back.
canonical() { # FILE
	{ sed 's/\r$//' "$1" | tr '\r' '\n'; test -z "$(tail -c 1 "$1")" || echo; } | sed 's/$/\r/'
}
wrong=''
for file in "$mails"/*.eml "$top"/../shared/corpus/torture/*; do
	test -f "$file" || continue
	canonical "$file" >want
	bsmtp pack --files "$file" --from=ann@example.org --to=user@home.example --codec=zstd -o one &&
	    bsmtp cat 1 one | cmp -s - want || wrong="$wrong ${file##*/}"
done
check "zstd: every file as it is, every byte of it:$wrong" test -z "$wrong"

# And as a batch may bring them, by BDAT, where nothing is a line end that is not one: packed
# against the dictionary, and read again.
make_site raw raw
cat >>raw/mochila.conf <<-END
	[routes]
	home.example = site:x
	[site x]
	codec = zstd
	batch-count = 10000
	batch-size = 64M
END
set --
for file in "$mails"/*.eml "$top"/../shared/corpus/torture/synth__*; do
	test ! -s "$file" || set -- "$@" "$file"
done
for file; do
	printf 'MAIL FROM:<ann@example.org> BODY=8BITMIME\nRCPT TO:<user@home.example>\nBDAT %s LAST\n' "$(wc -c <"$file")"
	cat "$file"
done >raw.batch
check "a batch of bare bytes" exits 0 at raw bsmtp unpack --peer=x raw.batch
check "goes on" exits 0 at raw bsmtp pack x
packed=$(find raw/spool/sent/x -maxdepth 1 -type f)
wrong='' n=0
for file; do
	n=$((n + 1))
	size=$(wc -c <"$file")
	bsmtp cat $n "$packed" | tail -c "$size" | cmp -s - "$file" || wrong="$wrong ${file##*/}"
done
check "with each as it was, every byte of it:$wrong" test -z "$wrong"

# What no text can carry: a NUL.
mkdir -p text/cur text/new nul
for file in sent/new/*; do
	if test "$(tr -dc '\0' <"$file" | wc -c)" -eq 0; then ln "$file" text/new; else ln "$file" nul; fi
done
make_site home home
came() { # FORMAT CODEC FROM
	at home bsmtp pack --maildir="$3" --to=user@home.example --format="$1" --codec="$2" -o "$1.$2" &&
	    rm -rf home/box && exits 0 bsmtp check "$1.$2" &&
	    at home bsmtp unpack --peer="x$1-$2" --to=maildir:box "$1.$2" 2>unpack.log || return 1
	compare "$3/new" home/box/new
}
check "full: every message came, every byte of it" came full none sent
check "reduced: those that are text" came reduced none text
# But for ids and trailer, a batch has one text, whatever the codec.
text_of() { bsmtp cat "$1" | grep -av -e '^NOOP mochila' -e '^QUIT'; }
for format in full reduced; do
	folder=sent
	test $format = full || folder=text
	text_of $format.none >$format.text
	for codec in gz $(! built BZ2 || echo bz2) zstd zstd-plain; do
		at home bsmtp pack --maildir=$folder --to=user@home.example --format=$format --codec="$codec" -o packed
		text_of packed >packed.text
		check "$format, $codec: the same text" cmp $format.text packed.text
	done
done
# The model of mix thinks for microseconds about each byte: all of them in one format, which what is
# smaller than zstd's has been through, and ours in the other.
at home bsmtp pack --maildir=sent --to=user@home.example --codec=zstd -o packed.zstd
at home bsmtp pack --maildir=sent --to=user@home.example --codec=mix -o packed
check "mix makes less of it than zstd" test "$(wc -c <packed)" -lt "$(wc -c <packed.zstd)"
text_of packed >packed.text
check "full, mix: the same text" cmp full.text packed.text
mkdir -p ours/cur ours/new
for file in "$mails"/*.eml; do
	test ! -e "text/new/${file##*/}" || ln "text/new/${file##*/}" ours/new
done
check "reduced, mix: every message of ours came, every byte of it" came reduced mix ours
for file in nul/*; do
	check "reduced cannot carry ${file##*/}, and says so" exits 65 bsmtp pack --files "$file" \
	    --to=user@home.example --format=reduced -o no
	check "with the reason" grep -q 'bytes that are no text' said
done
check "and leaves nothing" test ! -e no -a ! -e no.new
made_by_rmail() { # FILE: as a job brings it
	bsmtp pack --files "$1" --to=user@home.example --format=rmail -o letter &&
	    UU_MACHINE=peer MOCHILA_JOB=${1##*/} MOCHILA_ROOT=$work/home MOCHILA_SET='routes.*=maildir:rbox' \
		rmail user@home.example <letter 2>rmail.log
}
make_site rhome rhome
made=0
mkdir -p letters/new
few text/new >list
while read -r file; do
	ln "$file" letters/new
	made_by_rmail "$file" && made=$((made + 1))
done <list
check "rmail takes each that is text" test $made -eq "$(messages letters/new)"
MOCHILA_SET='routes.*=maildir:rbox' at home bsmtp deliver --to=maildir:rbox 2>rmail.log
check "every one came, every byte of it" compare letters/new home/rbox/new
check "rmail carries one message at a time" exits 65 bsmtp pack --maildir=text --to=a@b.example --format=rmail -o no
check "and no recipient that a shell could misread" exits 65 bsmtp pack --files "$mails/plain.eml" \
    --to='a;b@home.example' --format=rmail -o no
check "a format that is none is told with the nearest" exits 78 bsmtp pack --maildir=text --to=a@b.example --format=reducd -o no
check "so" grep -q 'did you mean reduced' said

# ---- a Maildir of another MTA ----

mkdir -p other/cur other/new other/tmp
printf 'Return-Path: <>\nDelivered-To: one@home.example\nSubject: a\n\na\n' >other/cur/1:2,S
printf 'Return-path: <ann@example.org>\nEnvelope-to: two@home.example\nSubject: b\n\nb\n' >other/new/2
echo 'half written' >other/tmp/3
check "a Maildir names senders and recipients itself" exits 0 bsmtp pack --maildir=other -o other.gz
check "both, and no more" test "$(bsmtp list other.gz | awk 'NR > 1 { print $3, $4 }' | tr '\n' ' ')" = \
    '<> <one@home.example> <ann@example.org> <two@home.example> '
printf 'Return-Path: <a@b.example>\nSubject: nobody\n\nx\n' >other/new/4
check "a message for nobody is told" exits 64 bsmtp pack --maildir=other -o no

# ---- two sites, an old one among them ----

hub=$work/hub old=$work/old
for format in reduced rmail; do
	rm -rf hub old
	make_site hub hub
	cat >>hub/mochila.conf <<-END
		[site old]
		link = exec:uucico-ssh -r0 --peer=hub --root=$old
		format = $format
		max-size = 50000
		line-length = 998
		timeout = 20s
		[routes]
		old.example = site:old
		hub.example = site:back
		[site back]
	END
	make_site old old
	cat >>old/mochila.conf <<-END
		[site hub]
		timeout = 20s
		[routes]
		old.example = maildir:box
	END
	send() { # SUBJECT SMTP-LINE...: its parameters, and whom it is for
		subject=$1
		shift
		printf '%s\r\n' "EHLO x" "$@" DATA "Subject: $subject" '' "$subject" . QUIT |
		    at hub sendmail -bs >smtp.out || fail "$subject: $(cat smtp.out)"
		grep -q '^250 2.0.0' smtp.out || fail "$subject: $(cat smtp.out)"
	}
	send plain 'MAIL FROM:<ann@hub.example>' 'RCPT TO:<a@old.example>' 'RCPT TO:<b@old.example>'
	send asked 'MAIL FROM:<ann@hub.example> RET=HDRS ENVID=Q1' 'RCPT TO:<a@old.example> NOTIFY=SUCCESS,FAILURE' \
	    'RCPT TO:<b@old.example> NOTIFY=NEVER'
	send beyond "MAIL FROM:<j$(printf '\303\266')rg@hub.example> SMTPUTF8" 'RCPT TO:<a@old.example>'
	send nobody 'MAIL FROM:<>' 'RCPT TO:<a@old.example>'
	{ printf 'Subject: large\n\n'; head -c 60000 /dev/zero | tr '\0' '\n'; } |
	    at hub sendmail -f ann@hub.example a@old.example
	at hub sendmail -f ann@hub.example a@old.example <"$mails/long-lines.eml"
	at hub sendmail -f ann@hub.example a@old.example <"$mails/tabs-and-nul.eml"
	at hub sendmail -f ann@hub.example "o'neil@old.example" c@old.example <"$mails/eight-bit.eml"
	check "$format: packed" exits 0 at hub bsmtp pack old
	cp said packed
	check "what is lost is in the log" grep -q "event=packed .* format=$format .* without=\"RET=HDRS ENVID=Q1 NOTIFY=SUCCESS,FAILURE NOTIFY=NEVER\"" packed
	for why in '553 5.6.7' '552 5.3.4' '554 5.6.3'; do
		check "and what cannot be carried: $why" grep -q "event=not-carried .* reply=\"$why" packed
	done
	first=$(find hub/spool/sent/old -maxdepth 1 -type f | sort | head -n 1)
	case $format in
	reduced)
		check "one batch, for whoever has zcat" gzip -t "$first"
		zcat "$first" >text.bsmtp
		check "no parameter is in it" test "$(grep -cE '^(MAIL|RCPT) .*> *[^[:space:]]|^BDAT' text.bsmtp)" -eq 0
		check "one body for two recipients" test "$(grep -ac '^Subject: plain' text.bsmtp)" -eq 1
		check "its trailer proves it" sh -c 'bsmtp check text.bsmtp && ! head -c -1 text.bsmtp | bsmtp check 2>/dev/null'
		sed 's/^plain/plane/' text.bsmtp >changed.bsmtp
		check "one that was changed is told" exits 65 bsmtp check changed.bsmtp
		reports=4
		;;
	rmail)
		check "a job each" test "$(find hub/spool/sent/old -maxdepth 1 -type f | wc -l)" -ge 4
		check "with a From_ line" grep -qE '^From (ann@hub.example|<>) [A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} 20[0-9]{2}$' "$first"
		check "an address that is not safe is told" grep -q "not-carried to=<o'neil@old.example> reply=\"553 5.1.3" packed
		reports=5
		;;
	esac
	reported() { grep -lar '^Content-Type: multipart/report' "$@" 2>/dev/null | wc -l; }
	check "reports of what cannot be carried wait for the senders" test "$(reported hub/spool/out/back)" -eq "$reports"
	check "nothing is said yet of success" test "$(grep -lar 'Action: relayed' hub/spool | wc -l)" -eq 0
	check "a call" exits 0 uucico-ssh --root="$hub" -s old
	got() { test "$(at old bsmtp deliver --to=maildir:box >/dev/null 2>&1; messages old/box/new)" -eq "$1"; }
	check "brought the four that can be carried" wait_for 15 got 4
	check "the null sender is null there" grep -qlr '^Return-Path: <>' old/box/new
	check "nothing is in flight" test "$(messages hub/spool/sent)" -eq 0
	at hub mochila status >/dev/null 2>&1
	at hub bsmtp pack old 2>/dev/null
	check "who asked is told that it was passed on" test "$(grep -lar 'Action: relayed' hub/spool/out/back | wc -l)" -eq 1
	check "and of whom" grep -qar '^Final-Recipient:.*a@old.example' "$(grep -lar 'Action: relayed' hub/spool/out/back)"
	check "with his name for it" grep -qar '^Original-Envelope-Id: Q1' "$(grep -lar 'Action: relayed' hub/spool/out/back)"
done

# ---- seven bits: encoded anew where MIME allows it, and only there ----

make_site bits bits
cat >>bits/mochila.conf <<-END
	[site old]
	format = reduced
	codec = none
	eight-bit = no
	line-length = 998
	batch-size = 1G
	batch-count = 100000
	[routes]
	old.example = site:old
END
mkdir -p seven
while read -r file; do
	at bits sendmail -G -i -f ann@bits.example u@old.example <"$file" 2>/dev/null
done <list
{
	printf 'From: ann@bits.example\nSubject: parts\nMessage-ID: <parts@x>\nMIME-Version: 1.0\n'
	printf 'Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n\n'
	printf -- '--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\ngr\303\274n = \n'
	printf -- '--b\nContent-Type: image/x\nContent-Transfer-Encoding: 8bit\n\n\377\330\377\n'
	printf -- '--b\nContent-Type: text/plain\n\n%2000s\n--b--\n' x
} >seven/parts
at bits sendmail -G -i -f ann@bits.example u@old.example <seven/parts
check "packed for seven bits" exits 0 at bits bsmtp pack old
cp said packed
batch=$(find bits/spool/sent/old -maxdepth 1 -type f)
check "the batch has seven" test "$(tr -d '\000-\177' <"$batch" | wc -c)" -eq 0
check "and no long lines" test "$(awk '{ if (length($0) > m) m = length($0) } END { print (m <= 999) }' "$batch")" -eq 1
check "some were encoded anew, and it is said" grep -q 'event=packed .* recoded=yes' packed
check "others could not be, and it is said why" grep -q 'event=not-carried .*"554 5.6.3 it holds 8-bit text, which old does not read' packed
at home bsmtp unpack --peer=bits --to=maildir:seven "$batch" 2>/dev/null
cat >decode.py <<-'END'
	import email, sys
	def parts(path):
	    with open(path, "rb") as f:
	        message = email.message_from_bytes(f.read())
	    return [(p.get_content_type(), p.get_payload(decode=True)) for p in message.walk() if not p.is_multipart()]
	sys.exit(parts(sys.argv[1]) != parts(sys.argv[2]))
END
if command -v python3 >/dev/null; then
	check "decoded, every part is what it was" python3 decode.py seven/parts "$(grep -l '^Subject: parts' home/seven/new/*)"
fi

# ---- by count, bytes, age, grade and domain ----

make_site sel sel
cat >>sel/mochila.conf <<-END
	[site old]
	batch-age = 1h
	batch-count = 3
	[site other]
	[routes]
	old.example = site:old
	deep.old.example = site:old
	other.example = site:other
END
for to in a@old.example b@deep.old.example c@other.example; do
	printf 'Subject: x\n\nx\n' | at sel sendmail -f ann@sel.example "$to"
done
flying() { find "sel/spool/sent/$1" -maxdepth 1 -type f 2>/dev/null | wc -l; }
check "less than a batch waits" exits 0 at sel bsmtp pack --due old
check "and it is said" grep -q 'event=waits site=old messages=2' said
check "in its queue" test "$(flying old),$(messages sel/spool/out/old)" = 0,2
check "by domain" exits 0 at sel bsmtp pack --domain='deep.*' old
check "one of them" test "$(flying old),$(messages sel/spool/out/old)" = 1,1
check "by age: none" exits 0 at sel bsmtp pack --older=1h old
check "is old enough" test "$(flying old)" -eq 1
check "by grade: none" exits 0 at sel bsmtp pack --grade=A old
check "is that urgent" test "$(flying old)" -eq 1
check "what all has an age is due when that is over" exits 0 at sel bsmtp pack --all --due --set 'site old.batch-age=0'
check "and every site has its batch" test "$(flying old),$(flying other)" = 2,1
for to in 1 2 3; do
	printf 'Subject: x\n\nx\n' | at sel sendmail -f ann@sel.example "$to@old.example"
done
check "a full batch need not wait" exits 0 at sel bsmtp pack --due old
check "so it does not" test "$(flying old),$(messages sel/spool/out/old)" = 3,0
check "a grade that is none is 64" exits 64 at sel bsmtp pack --grade=AA old
check "a time too" exits 64 at sel bsmtp pack --older=x old
finish
