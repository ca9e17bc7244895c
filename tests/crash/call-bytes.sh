#!/bin/sh
# A live call of three mails each way, cut behind byte 1, 2, ... of what goes up and of what comes
# down: by real processes, a real line between them, and a ledger that is read from the disk.  The
# next calls are whole, and then each mail is there once.
#
#	PROTOCOLS="m i"	those to be tried
#	EACH=1		at every byte; else at one in so many, which is fast
#	JOBS=4		so many pairs of sites at once, each at places of its own
#	FROM=3000	the first place
#	ROOTS=FOLDER	where the two sites live (/dev/shm, say)
. "${srcdir:-.}/tests/e2e/lib.sh"
protocols=mietgy
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
stage
cutter=$build/tests/crash/cutter
outside=$work jobs=${JOBS:-1}

# All begins with the same two sites, which have met, and with the mails that wait there.
begin() {	# PROTOCOL
	rm -rf "${roots:?}/home" "$roots/hub" "$roots/begun"
	protocols=$1
	two_sites "$roots" "exec:$answer"
	ours -s hub --no-jobs >"$work/said" 2>&1 || return 1
	for mail in a b c; do from_home "$mail-there." && from_hub "$mail-back." || return 1; done
	mkdir "$roots/begun" && mv "$home" "$hub" "$roots/begun"
}

# Whole calls until one ends well, and the jobs that it left.
settle() {
	tries=0
	until ours -s hub --no-jobs >"$work/again" 2>&1; do
		tries=$((tries + 1))
		test $tries -lt 20 || return 1
		sleep 0.3
	done
	for root in "$home hub" "$hub home"; do
		uuxqt --root="${root% *}" && bsmtp pack --root="${root% *}" --older=9d "${root#* }" || return 1
	done >>"$work/again" 2>&1
}

# The ledger: a line for each mail, wherever it is.
ledger() {
	for site in home hub; do
		find "$roots/$site/spool/out" "$roots/$site/spool/in" "$roots/$site/spool/hold" "$roots/$site/spool/xqt" "$roots/$site/spool/sent" \
		    -type f ! -name '*.reason' -exec grep -ah '^Subject: ' {} + 2>/dev/null | tr -d '\r' | sed "s/^/$site /"
	done | sort
}
cut_once() {	# WAY AT
	rm -rf "${roots:?}/home" "$roots/hub"
	cp -R "$roots/begun/." "$roots"
	: >"$work/report"
	ours -s hub --no-jobs --set="site hub.link=exec:$cutter $work/report pipe $1 $2 cut $answer" >"$work/said" 2>&1
	settle || { fail "$protocol, cut $1 at $2: no call ends well any more"; cat "$work/said" "$work/again"; return; }
	ledger >"$work/is"
	cmp -s "$work/wanted" "$work/is" && return
	fail "$protocol, cut $1 at $2: what is there is not what should be"
	diff "$work/wanted" "$work/is"
	cat "$work/said" "$work/again"
}

# tries NUMBER: each JOBS-th of the places, in folders of its own; how many in cuts.
tries() {
	work=$outside/$1 roots=${ROOTS:-$outside}/$1 cuts=0
	mkdir -p "$work" "$roots"
	answer="uucico-ssh -r0 --peer=home --root=$roots/hub --no-jobs"
	printf '%s Subject: %s\n' home a-back. home b-back. home c-back. hub a-there. hub b-there. hub c-there. >"$work/wanted"
	begin "$protocol" || { fail "$protocol: no first call"; cat "$work/said"; return; }
	for way in up down; do
		at=$((${FROM:-1} + ($1 - 1) * ${EACH:-149}))
		while test $failures -lt 10; do
			cut_once "$way" $at
			cuts=$((cuts + 1))
			grep -q did=none "$work/report" && break
			at=$((at + jobs * ${EACH:-149}))
		done
	done
	rm -rf "${roots:?}"
}

for protocol in ${PROTOCOLS:-m i}; do
	workers='' all=0
	for n in $(seq "$jobs"); do
		{ tries "$n" >"$outside/$n.out" 2>&1; say $cuts >"$outside/$n.cuts"; exit $failures; } &
		workers="$workers $!"
	done
	n=0
	for worker in $workers; do
		n=$((n + 1))
		wait "$worker" || fail "$protocol: $(cat "$outside/$n.out")"
		all=$((all + $(cat "$outside/$n.cuts")))
	done
	test $failures -gt 0 || say "ok: $protocol, cut at $all places: nothing is lost, and nothing comes twice"
done
finish
