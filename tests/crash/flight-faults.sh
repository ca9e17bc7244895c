#!/bin/sh
# mochila-relay while several messages are under way over one connection, by BDAT and by DATA: killed at
# calls that change a file of its root (some of them here, each with FAULT_STEP=1), or such a call fails.
# All arrive; what was handed over and not noted any more comes twice (RFC 1047), which is no more
# than a flight of each kind, and nothing comes three times.
# shellcheck disable=SC2317	# called by name
# shellcheck source=tests/crash/relay-fault-lib.sh
. "${srcdir:-.}/tests/crash/relay-fault-lib.sh"
need python3
many=9

next() {	# NAME OPTION...
	next_name=$1
	shift
	start "$next_name" python3 "$top/tests/e2e/flights.py" "$work/$next_name.port" "$work/$next_name.said" "$@"
	wait_for 20 test -s "$work/$next_name.port" || skip "no next hop: $(tail -n 1 "$work/$next_name.log")"
}
next chunks chunks=yes
next dots
make_base <<-END
	[relay main]
	listen = 127.0.0.1:0
	[hop *]
	connections = 1
	keep = 0
	[routes]
	chunks.example = smtp:127.0.0.1:$(cat "$work/chunks.port")
	dots.example = smtp:127.0.0.1:$(cat "$work/dots.port")
END
for n in $(seq $many); do
	for kind in chunks dots; do
		printf 'From: ann@x.example\nSubject: %s\n\nHello.\n' "$n" |
		    MOCHILA_ROOT="$work/base" sendmail -f "ann$n@x.example" "bob$n@$kind.example" || fail "a mail for $kind"
	done
done

# said KIND: how many are there as they were given, how many of them twice, and what is otherwise.
said() {
	awk '/^took/ { if ($3 " " $5 " " $7 != $3 " ann" $3 " bob" $3) bad++; n[$3]++ }
		END { for (i in n) { there++; twice += n[i] == 2; bad += n[i] > 2 } print there + 0, twice + 0, bad + 0 }' \
	    "$work/$1.said" 2>/dev/null || echo 0 0 0
}
all_there() {
	for kind in chunks dots; do
		case $(said "$kind") in "$many "*) ;; *) return 1 ;; esac
	done
	empty "$root/spool/out" && empty "$root/spool/in" && empty "$root/spool/drop"
}
there_or_dead() { all_there || dead; }

# one WHAT AT: true when all is well.
doubled=0 accepted=yes
one() {
	rm -f "$work/chunks.said" "$work/dots.said"
	faulted "$1" "$2"
	patient 500 there_or_dead
	stop "$relay" 2>/dev/null
	relay_up "$root" || return 1
	wait_for 30 all_there || { counted="not all is there"; return 1; }
	stop "$relay"
	for kind in chunks dots; do
		# shellcheck disable=SC2046	# words
		set -- "$1" $(said "$kind")
		counted="$counted $kind: $2, $3 twice, $4 wrong;"
		test "$3" -le 4 && test "$4" -eq 0 || return 1
		doubled=$((doubled + $3))
	done
	test "$1" = EIO || empty "$root/spool/hold"
}
untouched() { ended; }
sweep kill 17 5
sweep EIO 31 9
say "$doubled came twice"
finish
