# shellcheck shell=sh
# batch-lib.sh - how crash tests of bsmtp begin: a site "base" that knows of hub and home, and
# faulted, which runs something with a fault at its n-th call that changes a file.
# shellcheck disable=SC2034	# used by those who read this
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/crash/fault-lib.sh
. "$top/tests/crash/fault-lib.sh"
mails=$top/tests/fixtures
root=$work/root
export MOCHILA_ROOT="$root" MOCHILA_LIBEXEC
cd "$work" || exit 99

make_base() { # ADDRESS...: and three.gz, a batch of three messages to them
	for make_base_to in "$@"; do
		set -- "$@" "--to=$make_base_to"
		shift
	done
	bsmtp pack --files "$mails/plain.eml" "$mails/dots.eml" "$mails/commands.eml" "$@" -o three.gz
	make_site base hub
	cat >>base/mochila.conf <<-END
		[site home]
		[site hub]
		[routes]
		home.example = site:home
	END
	MOCHILA_ROOT=$work/base bsmtp pack home 2>/dev/null || MOCHILA_ROOT=$work/base mochila status >/dev/null
}

faulted() { # WHAT AT COMMAND...: sets status, and count, the calls there were; its words are added to ./said
	faulted_what=$1 faulted_at=$2
	shift 2
	: >count
	(
		FAULT=$faulted_what FAULT_AT=$faulted_at FAULT_COUNT=$work/count LD_PRELOAD=$fault
		export FAULT FAULT_AT FAULT_COUNT LD_PRELOAD
		"$@"
	) >/dev/null 2>>said
	status=$?
	# shellcheck disable=SC2094	# a variable of that name, too
	read -r count <count || count=999999
	test $status -eq 0 || test $status -eq 75 || test $status -eq 78 || test $status -ge 128 ||
	    fail "$*, $faulted_what at $faulted_at: exit $status: $(cat said)"
}
