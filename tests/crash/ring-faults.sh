#!/bin/sh
# A ring, and batches against it, killed, failing or out of room at the calls that change a
# file: no ring ever holds other bytes than were committed, and each mail arrives once.
# STRIDE=1 tries every call of the programs; by itself every eleventh from the FIRST on.
# shellcheck disable=SC2317	# called by name
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/crash/fault-lib.sh
. "$top/tests/crash/fault-lib.sh"
steps=$build/tests/crash/ring-steps
cd "$work" || exit 99

with_fault() { # COMMAND...: counts in ./count
	: >count
	FAULT=$what FAULT_AT=$at FAULT_COUNT=$work/count LD_PRELOAD=$fault "$@"
}
calls() { read -r called <count || called=999999; }	# of the program with the fault
more() { test "$called" -ge "$at" && test "$at" -lt 500; }

# ---- the ring alone: three commits, one of which shortens it ----

make_site fresh home
"$steps" fresh commit 23 1 >/dev/null || fail "no ring to begin with"
cases=0
for what in kill EIO full; do
	at=0
	while at=$((at + 1)); do
		cases=$((cases + 1))
		rm -rf root
		cp -a fresh root
		with_fault "$steps" root commit 3 24 >told 2>>log
		calls
		"$steps" root commits >there 2>>log || fail "$what at $at: a commit has other bytes"
		sort -n there | cmp -s - there || fail "$what at $at: out of order"
		# What was told is there, unless the ring had to go.
		last=$(sed -n 's/committed //p' told | tail -n 1)
		test -z "$last" || grep -qx "$last" there || fail "$what at $at: $last was told, and is gone"
		"$steps" root commit 1 100 >/dev/null 2>>log || fail "$what at $at: nothing goes on it any more"
		"$steps" root commits 2>>log | tail -n 1 | grep -qx 100 || fail "$what at $at: it does not go on"
		more || break
	done
done
say "$cases cases of the ring"

# ---- two sites: each step between them ----

for pair in hub:home home:hub; do
	make_site "base/${pair%:*}" "${pair%:*}"
	cat >>"base/${pair%:*}/mochila.conf" <<-END
		[site ${pair#*:}]
		codec = zstd
		level = fast
		[routes]
		${pair%:*}.example = smtp:${pair%:*}.example:25
		${pair#*:}.example = site:${pair#*:}
	END
done
as() { # SITE COMMAND...
	as_site=$1
	shift
	MOCHILA_ROOT=$work/$state/$as_site "$@" 2>>log
}
# Thousands of rounds: what the shell can do by itself starts no process.
offer() { # FROM TO: to ./wire
	rm -rf wire
	mkdir wire
	for file in "$state/$1/spool/sent/$2"/*; do
		case $file in *.taken) continue ;; esac
		test -f "$file" || continue
		cp "$file" wire/
		"$steps" "$state/$1" acked "$2" "${file##*/}" 2>>log
	done
}
run() { # FROM TO
	for file in wire/*; do
		test -f "$file" || continue
		UU_MACHINE=$1 MOCHILA_JOB=${file##*/} MOCHILA_ROOT=$work/$state/$2 rzsmtp <"$file" 2>>log || return
	done
}
confirm=14d
go() { as "$1" bsmtp pack "$2" --set="site $2.confirm-after=$confirm" && offer "$1" "$2" && run "$1" "$2"; }
post() { "$steps" "$state/hub" post home "hub-$1" 2; }

# Where each step begins.
state=base
post 1
go hub home
go home hub		# hub knows of the first
post 2
cp -a base before-pack
as hub bsmtp pack home
offer hub home
cp -a wire wire-2
cp -a base before-unpack
run hub home
as home bsmtp pack hub
offer home hub
cp -a wire wire-word
cp -a base before-word
rm -rf base
cp -a before-unpack base
as home mochila history --erase
cp -a base before-lost
state=base
rm -rf wire
cp -a wire-2 wire
run hub home		# it refers to what is gone, and home says so
offer home hub
cp -a wire wire-lost
cp -a base before-lost-word

step() {
	case $1 in
	pack) as hub bsmtp pack home ;;
	unpack | lost) run hub home ;;
	word | lost-word) run home hub ;;
	esac
}
wire_of() {
	case $1 in
	unpack | lost) echo wire-2 ;;
	word) echo wire-word ;;
	lost-word) echo wire-lost ;;
	esac
}
settled() {
	test -z "$(find "$state"/*/spool/sent "$state/hub/spool/out/home" -type f ! -name '.*' 2>/dev/null)"
}

cases=0
stride=${STRIDE:-11} first=${FIRST:-4}
state=case
for step in pack unpack word lost lost-word; do
	for what in kill EIO full; do
		at=$((first - stride))
		while at=$((at + stride)); do
			cases=$((cases + 1))
			rm -rf case wire
			cp -a "before-$step" case
			test -z "$(wire_of $step)" || cp -a "$(wire_of $step)" wire
			(with_fault step $step) >/dev/null 2>>log
			calls
			step $step >/dev/null 2>>log || fail "$step, $what at $at: not a second time"
			round=0 confirm=14d
			until settled || test $((round = round + 1)) -gt 5; do
				# where the word got lost with the ring, patience has an end
				test $round -ne 4 || { sleep 1; confirm=1s; }
				go hub home || fail "$step, $what at $at: hub does not go on"
				go home hub || fail "$step, $what at $at: home does not go on"
			done
			settled || fail "$step, $what at $at: something is left"
			there=$(find case/home/spool/out -type f ! -name '.*' -exec grep -ah '^N: ' {} + | tr -d '\r' | sort | tr '\n' ' ')
			test "$there" = "N: hub-1-1 N: hub-1-2 N: hub-2-1 N: hub-2-2 " ||
			    fail "$step, $what at $at: there is $there"
			more || break
		done
	done
done
say "$cases cases of the programs"
finish
