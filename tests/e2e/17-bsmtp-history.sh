#!/bin/sh
# Batches against history: the second costs a part of the first, and whatever becomes of
# either end's ring, each mail arrives once.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
need zstd
stage
steps=$build/tests/crash/ring-steps
cd "$work" || exit 99

for pair in hub:home home:hub; do
	make_site "${pair%:*}" "${pair%:*}"
	cat >>"${pair%:*}/mochila.conf" <<-END
		[site ${pair#*:}]
		codec = zstd
		[routes]
		${pair%:*}.example = maildir:mail/%u
		${pair#*:}.example = site:${pair#*:}
		[classes]
		codes@bank.example = none
		*.office.example = office
	END
done

# The same 40 KB of noise in each, and a number of its own.
head -c 30000 /dev/urandom | base64 >noise
sent=0
post() { # FROM TO [SENDER]: one mail waits
	sent=$((sent + 1))
	printf 'N: %s-%s\nSubject: number %s\n\n' "$1" $sent $sent | cat - noise >mail
	at "$1" bsmtp pack --files mail --from="${3:-ann@$1.example}" --to="bob@$2.example" -o in.gz &&
	    at "$1" bsmtp unpack in.gz 2>>log
}
in_flight() { # FROM TO
	find "$1/spool/sent/$2" -maxdepth 1 -type f ! -name '*.taken' 2>/dev/null | sort
}
kept() { find hub/spool/sent/home -path '*.d/*' ! -name '.*' | wc -l; }	# messages of batches
jobs=0
run_job() { # FROM TO FILE
	jobs=$((jobs + 1))
	UU_MACHINE=$1 MOCHILA_JOB=job$jobs MOCHILA_ROOT=$work/$2 rzsmtp <"$3" 2>>log
}
carry() { # FROM TO: what is packed, as a call and uuxqt would; the last one is kept in ./wire
	for carry_batch in $(in_flight "$1" "$2"); do
		cp "$carry_batch" wire
		"$steps" "$work/$1" acked "$2" "${carry_batch##*/}" && run_job "$1" "$2" wire || return
	done
}
go() { # FROM TO
	at "$1" bsmtp pack "$2" 2>>log && carry "$1" "$2"
}
there() { # SITE: the numbers that arrived, each as often as it did
	find "$1/spool/out/maildir:mail%2F%25u" "$1/spool/in" -type f ! -name '.*' -exec grep -ah '^N: ' {} + 2>/dev/null | tr -d '\r' | sort
}
all_once() { # SITE FROM
	there "$1" | cut -d ' ' -f 2 | grep "^$2-" | sort >got
	sort -u got | cmp -s - got && test "$(wc -l <got)" -eq "$(grep -c "^$2$" posted)"
}
posted() { post "$@" && echo "$1" >>posted; }

# ---- the first, the word, the second ----

posted hub home
check "the first goes by itself" go hub home
size=$(wc -c <wire)
check "it refers to nothing" sh -c '! bsmtp cat --label wire | grep -aq "ref="'
check "it is done when it is acknowledged" test "$(messages hub/spool/sent/home)" -eq 0
check "its word goes back without mail" go home hub
check "in few bytes" test "$(wc -c <wire)" -lt 100
check "and is said once" go home hub
check "not twice" test "$(messages home/spool/sent/hub)" -eq 0
posted hub home
check "the second goes" go hub home
check "it refers to the first" sh -c 'bsmtp cat --label wire | grep -q "^mb4 zstd 1 [0-9]* [^ ]* ref=1:"'
check "and costs a quarter at most" test "$(wc -c <wire)" -lt $((size / 4))
check "it waits for the word" test "$(find hub/spool/sent/home -name '*.taken' | wc -l)" -eq 1
check "with its message" test "$(kept)" -eq 1
check "and is not offered again" test -z "$(in_flight hub home)"
check "it is no damage" exits 0 at hub mochila doctor
at home bsmtp cat --reference --peer=hub wire >reference 2>>log
check "the stock tool reads it" sh -c 'bsmtp cat --frame wire | zstd -q -d --patch-from=reference | grep -aq "^N: hub-2"'
check "in either way" sh -c 'bsmtp cat --frame wire | zstd -q -d -D reference | grep -aq "^N: hub-2"'
check "and so do we" sh -c 'MOCHILA_ROOT=home bsmtp cat --peer=hub wire | grep -aq "^N: hub-2"'
posted home hub
check "the word comes with a mail" go home hub
check "in its label" sh -c 'bsmtp cat --label wire | grep -q "^mb4 zstd 1 .* have=2:"'
check "now the second is done" test "$(messages hub/spool/sent/home)" -eq 0
check "all is there" all_once home hub
check "and here" all_once hub home

# ---- a ring is lost at either end ----

check "the receiver forgets" exits 0 at home mochila history --erase hub
check "all of the mail" sh -c '! grep -aq "Subject" home/spool/ring/hub/*'
posted hub home
check "a batch that refers to what is gone" go hub home
check "is answered, not delivered" test "$(there home | grep -c hub-)" -eq 2
check "and not lost" test "$(kept)" -eq 1
check "the answer" go home hub
check "brings it back" test "$(spooled hub/spool/out/home)" -eq 1
check "it goes by itself now" go hub home
check "against nothing" sh -c '! bsmtp cat --label wire | grep -aq "ref="'
check "and is there, once" all_once home hub
posted hub home
go home hub
check "history is there again" go hub home
check "at once" sh -c 'bsmtp cat --label wire | grep -aq "ref="'
check "the sender forgets" exits 0 at hub mochila history --erase
posted hub home
check "and sends by itself" go hub home
check "what was taken is done by its word all the same" go home hub
check "both" test "$(messages hub/spool/sent/home)" -eq 0
check "all is there after that" all_once home hub

# ---- a batch is altered on its way ----

posted hub home
go hub home && go home hub
posted hub home
at hub bsmtp pack home 2>>log
batch=$(in_flight hub home)
"$steps" "$work/hub" acked home "${batch##*/}"
bsmtp cat --label "$batch.taken" >label
check "this one refers to something" grep -q 'ref=' label
ninth=$(tail -c 9 "$batch.taken" | head -c 1 | tr -d 'X')	# another byte than it was
printf '%.1s' "${ninth:+X}Y" | dd of="$batch.taken" bs=1 seek=$(($(wc -c <"$batch.taken") - 9)) conv=notrunc 2>>log
before=$(there home | wc -l)
commits=$(grep -ac '^NOOP commit' home/spool/ring/hub/from-main)
check "altered it is refused" exits 65 run_job hub home "$batch.taken"
check "and nothing of it is there" test "$(there home | wc -l)" -eq "$before"
check "nor in the ring" test "$(grep -ac '^NOOP commit' home/spool/ring/hub/from-main)" -lt "$commits"
check "the answer goes" go home hub
check "and it comes whole" go hub home
check "as all" all_once home hub

# ---- the receiver's ring is gone, and with it a word that was never said ----

go home hub
posted hub home
go hub home && go home hub
posted hub home
check "one goes, and is not told of" go hub home
check "the ring is removed by hand" rm home/spool/ring/hub/from-main
posted hub home
check "the next finds nothing to stand on" go hub home
check "that is said" go home hub
check "and brings both back" test "$(messages hub/spool/sent/home)" -eq 0
check "at once" test "$(spooled hub/spool/out/home)" -eq 2
check "they go again" go hub home
check "and each is there once" all_once home hub
go home hub

# ---- no word for too long ----

go home hub
posted hub home
go hub home
find hub/spool/sent/home -name '*.taken' -exec touch -d '20 days ago' {} +
check "it is packed again" go hub home
check "and taken twice, delivered once" all_once home hub
go home hub
check "and done" test "$(messages hub/spool/sent/home)" -eq 0

# ---- classes ----

posted hub home codes@bank.example
posted hub home eve@a.office.example
posted hub home
check "one class a batch" at hub bsmtp pack home
check "three of them" test "$(in_flight hub home | wc -l)" -eq 3
check "they go" carry hub home
check "all of them" all_once home hub
check "one class a ring" test "$(find home/spool/ring/hub -name 'from-*' | wc -l)" -eq 2
check "and what is for nobody is in none" sh -c '! grep -aqr codes@bank home/spool/ring hub/spool/ring'
check "the operator sees them" sh -c 'MOCHILA_ROOT=home mochila history | grep -q "^hub .*from-office"'
check "as JSON too" sh -c 'MOCHILA_ROOT=home mochila history --json hub | grep -q "\"history\":\"from-office\""'
check "modes are private" test -z "$(find home/spool/ring hub/spool/ring -type f ! -name '.*' ! -perm 600)"

# ---- where bytes are dear ----

posted hub home
check "at the metered level" at hub bsmtp pack --level=metered home
check "it goes" carry hub home
tail -c 9000 "$top/man/spool.5" >noise
posted hub home
check "new text" at hub bsmtp pack --level=metered home
check "goes" carry hub home
check "as another codec" sh -c 'bsmtp cat --label wire | grep -q "^mb5 mix 1 "'
check "and is read" all_once home hub

# ---- a site that keeps nothing ----

sed 's/^codec = zstd/codec = zstd\nhistory = 0/' home/mochila.conf >conf && mv conf home/mochila.conf
go home hub
posted hub home
go hub home
check "it says so" go home hub
check "and gets batches that refer to nothing" go hub home
go hub home
posted hub home
check "from then on" go hub home
check "these" sh -c '! bsmtp cat --label wire | grep -aq "ref="'
check "with all the mail" all_once home hub

finish
