#!/bin/sh
# Every #include "folder/x.h" is allowed by layers.txt, every include is written
# from the top, and every folder with C in it has its row.  Nothing stands at the top of
# the tree that does not belong there, and no file of C is left out of the tarball.
cd "${srcdir:-.}" || exit 1
export LC_ALL=C

lint_folder() {	# FOLDER ALLOWED...
	folder=$1
	shift
	grep -Hn '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$folder"/*.[ch] 2>/dev/null |
	    while IFS=: read -r file line text; do
		header=${text#*\"}
		header=${header%%\"*}
		case " $folder $* " in
		*" ${header%/*} "*) ;;
		*) say "$file:$line: $folder may not use $header" ;;
		esac
	done
}
say() { printf '%s\n' "$*"; }

# The top is fixed.  What git does not follow is a person's own, but for what a download leaves.
top='.ci .gitignore LICENSE Makefile.am README autogen.sh bsmtp configure.ac lib man relay rmail scripts spool tests uucico-ssh'
lint_top() {
	{
		# A tarball's tree may stand in somebody's repository: that is not ours.
		test ! -e .git || git -c safe.directory='*' ls-files 2>/dev/null | sed 's|/.*||' | sort -u
		find . -maxdepth 1 \( -name '*.deb' -o -name '*.dsc' -o -name '*.tar.xz' -o -name 'core*' \) | sed 's|^\./||'
	} | while read -r name; do
		case " $top " in
		*" $name "*) ;;
		*) say "$name: does not belong at the top of the tree" ;;
		esac
	done
}

# A header that only #include names builds here, and nowhere else.
lint_listed() {
	for list in ./*/*.mk ./lib/*/*.mk; do
		sed "s|%D%|${list%/*}|g" "$list"
	done | tr -s '[:space:]' '\n' | sed -n 's|^\./||; /\.[ch]$/p' | sort -u >"$listed"
	find lib spool bsmtp rmail uucico-ssh relay tests -name '*.[ch]' ! -path 'tests/out/*' | sort | comm -23 - "$listed" |
	    sed 's/$/: no local.mk names it, so no tarball has it/'
}

listed=$(mktemp) || exit 1
trap 'rm -f "$listed"' EXIT
bad=$(
	lint_top
	lint_listed
	sed 's/#.*//' tests/layers.txt | while read -r folder allowed; do
		# shellcheck disable=SC2086	# words
		test -z "$folder" || lint_folder "$folder" $allowed
	done
	find . -path ./tests -prune -o -name '*.c' -print | sed 's|^\./||; s|/[^/]*$||' | sort -u |
	    while read -r folder; do
		case $folder in
		.* | build* | demo.out* | mochila-*) continue ;;
		esac
		grep -q "^$folder\([[:space:]]\|$\)" tests/layers.txt || say "$folder: has no row in tests/layers.txt"
	done
)
test -z "$bad" || { say "$bad"; exit 1; }
