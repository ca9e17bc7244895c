#!/bin/sh
# Words that do not occur in our C, and why.
cd "${srcdir:-.}" || exit 1

sources=$(find lib spool bsmtp rmail uucico-ssh relay -name '*.[ch]')
found=0

# forbid WHY PATTERN: an extended regular expression, looked for outside comment lines.
forbid() {
	# shellcheck disable=SC2086	# one word a file
	if grep -nE "$2" $sources | grep -vE '^[^:]*:[0-9]*:[[:space:]]*(/?\*|//)'; then
		echo "	^ $1"
		found=1
	fi
}

# call NAMES...: as functions, at the beginning of a word.
call() {
	printf '(^|[^A-Za-z0-9_])(%s)[[:space:]]*\(' "$(echo "$*" | tr ' ' '|')"
}

forbid "no shell: lib/base/child.h runs programs" "$(call system popen wordexp execlp execvp)"
forbid "no bounds: str_printf, snprintf" "$(call sprintf vsprintf strcpy strcat stpcpy gets)"
forbid "races: fs_* make temporary files in their folder" "$(call mktemp tmpnam tempnam tmpfile)"
forbid "hides its state: span_cut" "$(call strtok)"
forbid "says nothing of errors: conf and str have checked ones" "$(call atoi atol atoll atof)"
forbid "guessable: digest.h has random bytes" "$(call rand srand random srandom drand48)"
forbid "lets the format come from outside" '(log_(error|warn|info|debug)|err_set|printf)\([A-Za-z_>.-]*\)'
forbid "asks who may, then does: only F_OK may be asked" '(^|[^a-z_])access\([^)]*[RWX]_OK'
forbid "the stack has no end to it" "$(call alloca)"
forbid "unfinished" '(^|[^A-Za-z])(TODO|FIXME|XXX)([^A-Za-z]|$)'
forbid "blanks at the end of a line" '[[:blank:]]+$'

# shellcheck disable=SC2086
if grep -nE 'signal\(' $sources | grep -E '[^a-z_]signal\(SIG[A-Z0-9]+, [^S]'; then
	echo "	^ sigaction says what it does"
	found=1
fi
exit $found
