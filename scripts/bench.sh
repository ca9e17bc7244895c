# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154	# $missed, $verdict and $why are for callers; $json, $dir are theirs
# bench.sh - what the benches share, after lib.sh: where they may measure, rows, and verdicts.
#
#	bench_place		$dir, absolute, if it is on a disk
#	bench_on_ext4 ARG...	the bench begun anew with ARGs on a journalled ext4 in a file below $dir
#	bench_begin NAME TITLE	$work below $dir, gone at the end; the line that says where and what
#	row, at_most		a line of the table, and of $json

missed=0

bench_kind() { df --output=fstype "$1" | tail -n 1; }
bench_device() { df --output=source "$1" | tail -n 1; }

bench_place() {
	dir=$(cd "$dir" && pwd) || exit 1
	case $(bench_kind "$dir") in
	tmpfs|ramfs) die "$dir is on $(bench_kind "$dir"): nothing is on disk there, and no figure means anything" ;;
	esac
}

# Begun anew, in a mount namespace of our own, whose end unmounts it.
bench_on_ext4() {
	test "$(id -u)" -eq 0 || die "--ext4 mounts a file system: it needs root"
	image=$dir/bench.$$.img mounted=$dir/bench.$$
	mkdir "$mounted" || exit 1
	trap 'rm -rf "$image" "$mounted"' EXIT
	trap 'exit 130' INT TERM
	truncate -s 16G "$image" && mkfs.ext4 -q -N 2200000 -E lazy_itable_init=0,lazy_journal_init=0 "$image" || exit 1
	BENCH_DISK="an ext4 with a journal, in a file on $(bench_device "$dir")"
	export BENCH_DISK
	# shellcheck disable=SC2016	# the inner shell expands it
	unshare -m --propagation private sh -c '
		image=$1 mounted=$2
		shift 2
		mount -o loop "$image" "$mounted" || exit 1
		losetup --direct-io=on "$(df --output=source "$mounted" | tail -n 1)" ||
		    BENCH_DISK="$BENCH_DISK, through the page cache"
		exec "$@" "$mounted"' sh "$image" "$mounted" "$0" "$@"
	exit
}

bench_begin() {
	bench_name=$1
	work=$dir/bench-$1.$$
	mkdir "$work" || exit 1
	trap 'stop_all; rm -rf "$work"' EXIT
	trap 'exit 130' INT TERM
	: >"$json" || exit 1
	say "$2 on ${BENCH_DISK:-$(bench_kind "$work"), $(bench_device "$work")}, $(nproc) processors, commit \
$(git -C "$top" rev-parse --short HEAD 2>/dev/null || echo unknown), $(date -u +%Y-%m-%dT%H:%M:%SZ)"
	printf '%-46s %10s %10s  %6s %13s %5s\n' case ours peer ratio quartiles bar
}

verdict() {	# VALUE BAR OP: does VALUE hold against BAR?
	if awk "BEGIN { exit !($1 $3 $2) }"; then verdict=ok; else verdict=MISSED; missed=$((missed + 1)); fi
}

row() {	# CASE UNIT OURS PEER PEER_NAME RATIO BAR [LOW HIGH]
	verdict "$6" "$7" '>='
	printf '%-46s %10s %10s  %6s %13s %5s  %s\n' "$1" "$3" "$4" "$6" "${8:+$8-$9}" "$7" "$verdict"
	printf '{"bench":"%s","case":"%s","unit":"%s","ours":%s,"peer":%s,"peer_name":"%s","ratio":%s,"bar":%s%s}\n' \
	    "$bench_name" "$1" "$2" "$3" "$4" "$5" "$6" "$7" "${8:+,\"low\":$8,\"high\":$9}" >>"$json"
}

# spread COLUMN: median, lower and upper quartile of a column of $work/said, or of OURS / PEER.
spread() {
	awk -v column="$1" '{ print column == "ratio" ? $1 / $2 : $column }' "$work/said" | sort -g |
	    awk '{ a[NR] = $1 } END { printf "%.4g %.4g %.4g\n", a[int((NR + 1) / 2)], a[int((NR + 3) / 4)],
		a[int((3 * NR + 3) / 4)] }'
}

# at_most NAME UNIT OURS BAR: the ratio is the bar by the value.
at_most() {
	row "$1" "$2" "$3" "$4" bar "$(awk "BEGIN { printf \"%.3g\", ($3 > 0 ? $4 / $3 : 999) }")" 1
}

# Our relay and Postfix beside each other.  $relay is ours, $preload and $slow go to both.

smtp_rate() {	# PORT SESSIONS MANY SIZE
	begun=$(date +%s%N)
	smtp_source -d -s "$2" -m "$3" -l "$4" -f ann@x.example -t bob@home.example "127.0.0.1:$1" >&2 ||
	    die "smtp-source, to port $1"
	until_gone || die "what port $1 took is not handed on"
	awk "BEGIN { printf \"%.1f\", $3 / ($(date +%s%N) - $begun) * 1e9 }"
}

start_relay() {	# ROOT PORT DESTINATION [LINE...]
	mkdir -p "$1"
	start_root=$1 start_port=$2
	cat >"$1/mochila.conf" <<-END
		[spool]
		site = here
		host = here.example
		min-free = 0
		[relay main]
		listen = 127.0.0.1:$2
		max-connections = 20000
		max-client-connections = 20000
		[routes]
		home.example = $3
	END
	shift 3
	for start_line; do say "$start_line"; done >>"$start_root/mochila.conf"
	test -z "$preload" || stage_with relay/mochila-settle "LD_PRELOAD=$preload" "FLUSH_SLOW=$slow"
	start relay env LD_PRELOAD="$preload" FLUSH_SLOW="$slow" "$relay" --root "$start_root" --log none
	wait_for 10 listening "$start_port" || die "the relay does not start: $(tail -n 1 "$work/relay.log")"
}

# side_by_side DESTINATION LINE: both, listening; ours routes to it, and Postfix has that line in
# its main.cf.  1 and $why without Postfix.
side_by_side() {
	sides=$((${sides:-0} + 1))
	free_port
	theirs=$port
	postfix_env=${preload:+"LD_PRELOAD=$preload, FLUSH_SLOW=$slow"}
	start_postfix "$work/postfix.$sides" "$theirs" "$2" "message_size_limit = 0" || return 1
	free_port
	ours=$port
	start_relay "$work/relay.$sides" "$ours" "$1"
}
held() { side_by_side site:home "smtpd_client_restrictions = static:HOLD"; }

# Both hand on what they take to the same next host, and the time is that until all has gone.
handed_on() {
	free_port
	next=$port
	start_sink "$next" || return 1
	side_by_side "smtp:127.0.0.1:$next" "default_transport = smtp:[127.0.0.1]:$next"
	queues="$work/relay.$sides/spool/in $work/relay.$sides/spool/out $work/postfix.$sides/queue/incoming"
	queues="$queues $work/postfix.$sides/queue/active $work/postfix.$sides/queue/deferred"
}
# wait_for looks ten times a second, which is much of what is measured; a look more often would take
# much of a processor from those who are.
until_gone() {
	until_left=15000
	until all_gone; do
		test $until_left -gt 0 || return 1
		until_left=$((until_left - 1))
		sleep 0.02
	done
}
all_gone() {
	# shellcheck disable=SC2086	# words
	test -z "${queues:-}" || test -z "$(find $queues -type f ! -name '.*' ! -size 0 -print -quit 2>/dev/null)"
}
