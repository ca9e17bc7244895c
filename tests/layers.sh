#!/bin/sh
# Every #include "folder/x.h" is allowed by layers.txt, every include is written
# from the top, and every folder with C in it has its row.  Nothing stands at the top of
# the tree that does not belong there.
cd "${srcdir:-.}" || exit 1

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

bad=$(
	lint_top
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
