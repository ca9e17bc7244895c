#!/bin/sh
# A person's mv, cp and rm between any two steps of every writer: each is stopped before a
# call that changes a file, a person does something to a message that waits, and it goes on.
# Against the outside ledger: nothing lost, nothing doubled, and what was moved or removed does
# not come back.  Some of the calls; HANDS=1: each.
set -u
steps=$(pwd)/tests/crash/spool-steps
fault=$(pwd)/tests/crash/fault.so
test -f "$fault" || { echo "skipped: no $fault (built with sanitizers: they own LD_PRELOAD)"; exit 77; }
work=$(pwd)/tests/out/spool-hands.$$
rm -rf "$work"; mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# state PID: T it is stopped, - gone
state() { sed 's/.*) \(.\).*/\1/' "/proc/$1/stat" 2>/dev/null || echo -; }
key_in() { sed -n 's/^X-Key: \([a-z0-9-]*\).*/\1/p' "$1" | head -n 1; }

# hand WHAT: the first message for home that waits, if there is one; its key in $key
hand() {
	key='' file=$(find "$root/spool/out/home" -type f ! -name '.*' 2>/dev/null | sort | sed -n "$((at % 3 + 1))p")
	test -n "$file" || return 0
	taken=$(key_in "$file")
	case $1 in
	hold) mv "$file" "$root/spool/hold/" ;;
	in) mv "$file" "$root/spool/in/" ;;
	bucket) mkdir -p "$root/spool/out/home/A-mine" && mv "$file" "$root/spool/out/home/A-mine/" ;;
	away) mv "$file" "$work/away" ;;
	copy) cp "$file" "$work/away" ;;
	rm) rm "$file" ;;
	esac 2>/dev/null && key=$taken
}

# With the step stopped before call AT the person does WHAT.  1: it ended before.
stopped() {
	FAULT=stop FAULT_AT=$at LD_PRELOAD="$fault" "$steps" "$root" "$@" >"$work/said" 2>"$work/why" &
	pid=$!
	while :; do
		case $(state $pid) in T) break ;; Z|-|X) wait $pid; ended=$?; return 1 ;; esac
		sleep 0.005
	done
	hand "$what"
	kill -CONT $pid
	wait $pid
	ended=$?
	return 0
}

# What is where of a key, for bob: waiting or held; and whether it was sent.
there() { awk -v key="$1" '$2 == key && $3 == "bob@home.example"' "$work/ledger" | wc -l; }
sent() { grep -qx "sent $1" "$work/said" && echo 1 || echo 0; }

# Each message once: sent or there.  What a person put aside is not there, sent or not; but
# when it was reported first: then that is there.
judge() {
	"$steps" "$root" ledger >"$work/ledger"
	grep '^damaged' "$work/ledger" && return 1
	for each in $keys; do
		n=$(($(there "$each") + $(sent "$each")))
		case $what,$each in
		away,"$key"|rm,"$key") test $n -le 1 && test "$(awk -v key="$each" '$1 != "report" && $2 == key && $3 == "bob@home.example"' "$work/ledger" | wc -l)" -eq 0 ;;
		*) test $n -eq 1 ;;
		esac && continue
		echo "$each is there $(there "$each") times, sent $(sent "$each"): $(grep " $each " "$work/ledger" | tr '\n' ';')"
		return 1
	done
}

cases=0 bad=0 stride=${HANDS:-6} first=0
"$steps" "$work/base" accept 4 >/dev/null && "$steps" "$work/base" settle >/dev/null || exit 1
for step in 'finish home' 'fail home' 'expire home' 'hold home' 'pack home' settle; do
	keys='key-a-0 key-a-1 key-a-2 key-a-3'
	test "$step" != settle || keys="$keys key-r-0 key-r-1 key-r-2"
	for what in hold in bucket away copy rm; do
		first=$((first % stride + 1)) at=$first
		while :; do
			root=$work/case key=''
			rm -rf "$root" "$work/away"
			cp -a "$work/base" "$root"
			test "$step" != settle || "$steps" "$root" receive 3 0 >/dev/null
			# shellcheck disable=SC2086
			stopped $step || break
			cases=$((cases + 1))
			test "$ended" -lt 128 || { echo "$step, $what at $at: exit $ended"; bad=1; }
			"$steps" "$root" settle >/dev/null 2>"$work/why" || { echo "$step, $what at $at: $(cat "$work/why")"; bad=1; }
			judge >"$work/out" || { echo "$step, $what ($key) at $at: $(cat "$work/out")"; bad=1; }
			at=$((at + stride))
		done
	done
done
echo "$cases cases"
exit $bad
