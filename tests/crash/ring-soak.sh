#!/bin/sh
# Two sites send each other batches against history while everything goes wrong that may:
# words and acknowledgements are lost, batches come late, twice, out of order or altered, programs
# are killed, rings are erased or restored from backups, a sender whole.  Each mail must arrive once,
# and nothing be left over.  ROUNDS (or make soak) for longer, SEED for the same again.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
stage
steps=$build/tests/crash/ring-steps
fault=$build/tests/crash/fault.so
test -f "$fault" || fault=
seed=${SEED:-789193}
say "seed $seed"
cd "$work" || exit 99

for pair in hub:home home:hub; do
	make_site "${pair%:*}" "${pair%:*}"
	cat >>"${pair%:*}/mochila.conf" <<-END
		[site ${pair#*:}]
		codec = zstd
		level = fast
		history = 1M
		batch-count = 3
		[routes]
		${pair%:*}.example = smtp:${pair%:*}.example:25
		${pair#*:}.example = site:${pair#*:}
	END
	mkdir "wire.${pair%:*}"		# what it has sent and the other has not run yet
done

other() { case $1 in hub) echo home ;; *) echo hub ;; esac; }
broken() { # COMMAND...: killed at a call that changes a file, now and then
	if test -n "$kill" && test -n "$fault"; then
		FAULT=kill FAULT_AT=$kill LD_PRELOAD=$fault "$@"
	else
		"$@"
	fi
}
pack() { # SITE
	to=$(other "$1")
	MOCHILA_ROOT=$work/$1 broken bsmtp pack "$to" --set="site $to.confirm-after=$confirm" 2>>log
}
# Offers all that is in flight; with "lost" the acknowledgement is.
offer() { # SITE [lost]
	pack "$1"
	to=$(other "$1")
	for file in "$1/spool/sent/$to"/*; do
		case $file in *.taken) continue ;; esac
		test -f "$file" || continue
		cp "$file" "wire.$1/${file##*/}" || return
		test "${2:-}" = lost || "$steps" "$work/$1" acked "$to" "${file##*/}"
	done
}
run() { # SITE FILE: one of its batches, at the other
	UU_MACHINE=$1 MOCHILA_JOB=${2##*/} MOCHILA_ROOT=$work/$(other "$1") broken rzsmtp <"$2" >>log 2>&1
}
pick() { # SITE N: the n-th file on its wire
	set -- "$1" "$2" wire."$1"/*
	test -f "$3" || return
	shift 1
	shift $(($1 % ($# - 1) + 1))
	picked=$1
}
deliver() { # SITE N
	pick "$1" "$2" && run "$1" "$picked" && rm -f "$picked"
}
alter() { # SITE N: a copy of it is damaged, and comes first; what is damaged before it is read is held
	pick "$1" "$2" || return
	cp "$picked" altered
	printf X | dd of=altered bs=1 seek=$(($(wc -c <altered) * 3 / 4)) conv=notrunc 2>>log
	cmp -s altered "$picked" || run "$1" altered
}
restore() { # SITE: its rings; of a sender that posts nothing meanwhile, all
	test -d "$1.ring" && rm -rf "$1/spool/ring" && cp -a "$1.ring" "$1/spool/ring"
}
restore_sender() { # SITE
	cp -a "$1" "$1.whole"
	deliver "$1" 0
	offer "$1"
	deliver "$1" 1
	rm -rf "$1"
	mv "$1.whole" "$1"
}

confirm=14d

# What happens, a line each: ACTION SITE NUMBER KILL
awk -v seed="$seed" -v rounds="${ROUNDS:-300}" 'BEGIN {
	srand(seed)
	n = split("post 24 offer 32 lost 4 deliver 36 again 3 alter 2 erase 1 backup 2 restore 2 restore_sender 2", word, " ")
	for (i = 1; i < n; i += 2)
		for (j = 0; j < word[i + 1]; j++)
			action[all++] = word[i]
	for (i = 1; i <= rounds; i++)
		print action[int(rand() * all)], rand() < 0.65 ? "hub" : "home", int(rand() * 100), \
		    rand() < 0.2 ? int(rand() * 40) + 1 : ""
}' >script

posted=0
while read -r action site number kill; do
	case $action in
	post)
		posted=$((posted + 1))
		count=$((number % 3 + 1))
		"$steps" "$work/$site" post "$(other "$site")" "$site-$posted" $count || fail "not posted"
		i=0
		while test $((i = i + 1)) -le $count; do echo "$site-$posted-$i"; done >>"posted.$site"
		;;
	lost) offer "$site" lost ;;
	offer) offer "$site" ;;
	again) pick "$site" "$number" && run "$site" "$picked" ;;
	erase) at "$site" mochila history --erase ;;
	backup) rm -rf "$site.ring"; test ! -d "$site/spool/ring" || cp -a "$site/spool/ring" "$site.ring" ;;
	*) $action "$site" "$number" ;;
	esac
done <script

# Nothing goes wrong any more: all comes through.  Of what a ring knew that has been erased or
# replaced by an older one no word comes; then the sender's patience has an end.
kill=
round=0
left() { find wire.* hub/spool/sent home/spool/sent hub/spool/out/home home/spool/out/hub -type f ! -name '.*' | wc -l; }
while test $((round = round + 1)) -le 12; do
	for site in hub home; do
		offer $site
		for file in "wire.$site"/*; do
			test -f "$file" || continue
			run $site "$file" && rm -f "$file"
		done
	done
	test "$(left)" -gt 0 || break
	test $round -ne 5 || { sleep 1; confirm=1s; }
done
check "nothing is left on the way" test "$(left)" -eq 0
for site in hub home; do
	touch posted.$site
	there=$(other $site)
	find "$there/spool/out" "$there/spool/in" -type f ! -name '.*' -exec grep -ah "^N: $site-" {} + |
	    tr -d '\r' | cut -d ' ' -f 2 | sort >arrived
	sort posted.$site >want
	check "each mail of $site is there once" cmp want arrived
done
check "batches referred to history" grep -aq 'event=known' log
say "$(cat posted.* | wc -l) mails in $(grep -c 'event=batch ' log) batches, $(grep -c 'event=known' log) of them" \
    "against history, $(grep -c 'no-reference commit\|event=no-reference peer=.* commit' log) asked for again"
finish
