# shellcheck shell=sh
# shellcheck disable=SC2034	# variables for the tests
# lib.sh - what every end-to-end test begins with:
#
#	. "${srcdir:-.}/tests/e2e/lib.sh"	$top (sources), $build, $work (empty, the test's own)
#	stage				the programs just built, under all their names, on PATH
#	make_site "$work/home" home	a root with its mochila.conf
#	start_sshd "$work/sshd" "$port" "$work/authorized_keys" || skip "$why"
#	check "the mail came whole" cmp a b
#	finish				the exit status
#
# What a test starts with start() ends with it, however it ends.

top=$(cd "${srcdir:-.}" && pwd) || exit 99
build=$(cd "${top_builddir:-.}" && pwd) || exit 99
# shellcheck source=scripts/lib.sh
. "$top/scripts/lib.sh"

name=${0##*/}
name=${name%.sh}
work=$build/tests/out/$name
rm -rf "$work"
mkdir -p "$work" || exit 99
trap_cleanup
umask 077
unset MOCHILA_ROOT MOCHILA_CONFIG MOCHILA_SET MOCHILA_LIBEXEC SSH_AUTH_SOCK
failures=0

# skip REASON: this cannot be tried here; automake counts 77 as skipped.
skip() {
	say "SKIP: $*"
	exit 77
}

# built GSASL|LIBSPF2|CARES|BZ2; built_with NAME: else the test is skipped.
built() { grep -q "^#define HAVE_$1 1" "$build/config.h"; }
built_with() { built "$1" || skip "built without $1"; }

need() {
	for need_tool; do
		command -v "$need_tool" >/dev/null || skip "$need_tool is not installed"
	done
}

fail() {
	say "FAIL: $*"
	failures=$((failures + 1))
}

# check SENTENCE COMMAND...: one thing that must hold; goes on when it does not.
check() {
	check_what=$1
	shift
	if "$@"; then say "ok: $check_what"; else fail "$check_what ($*)"; fi
}

# exits STATUS COMMAND...: its words in $work/said.
exits() {
	exits_want=$1
	shift
	"$@" >"$work/said" 2>&1
	exits_got=$?
	test $exits_got -eq "$exits_want" && return 0
	say "exit $exits_got, not $exits_want: $*"
	sed 's/^/	/' "$work/said"
	return 1
}

finish() {
	test $failures -eq 0 || say "$failures failed; see $work"
	test $failures -eq 0
	exit
}

# stage: a folder of links to the programs just built, under every name they go by, as
# make install would make it; exported as MOCHILA_LIBEXEC, and first on PATH.
stage() {
	stage_programs "$work/libexec"
}

# make_site ROOT NAME: a root with a mochila.conf of a site that keeps 1 MB free.
make_site() {
	mkdir -p "$1"
	cat >"$1/mochila.conf" <<-END
		[spool]
		site = $2
		host = $2.example
		min-free = 1M
	END
}

# messages FOLDER: how many files it holds, folders below counted too.
messages() {
	find "$1" -type f ! -name '.*' 2>/dev/null | wc -l
}

# spooled FOLDER...: whole messages (entries) in the files below.
spooled() {
	find "$@" -type f ! -name '.*' -exec cat {} + 2>/dev/null | grep -ac '^NOOP mochila=1 '
}

# at SITE COMMAND...: as somebody at that site, whose root is $work/SITE.
at() {
	at_site=$1
	shift
	MOCHILA_ROOT=$work/$at_site "$@"
}

# random N: 0 to N-1.
random() { echo $(($(od -An -N4 -tu4 /dev/urandom) % $1)); }

# caller_may CALLER ANSWERER: CALLER (whose mochila.conf has the link) gets a key, ANSWERER's
# sshd on $port takes it for one forced command, and its host key is pinned: what
# mochila init and mochila pair do, by hand.
caller_may() {
	mkdir -p "$work/$1/keys"
	chmod 700 "$work/$1/keys"
	test -f "$work/$1/keys/id_ed25519" ||
	    ssh-keygen -q -t ed25519 -N '' -C "mochila-$1" -f "$work/$1/keys/id_ed25519"
	say "restrict,command=\"$MOCHILA_LIBEXEC/uucico-ssh -r0 --root=$work/$2 --peer=$1\"" \
	    "$(cat "$work/$1/keys/id_ed25519.pub")" >"$work/$2.authorized_keys"
	start_sshd "$work/$2.sshd" "$port" "$work/$2.authorized_keys" || return 1
	say "[127.0.0.1]:$port $(cat "$work/$2.sshd"/ssh_host_*_key.pub)" >"$work/$1/keys/known_hosts"
}
