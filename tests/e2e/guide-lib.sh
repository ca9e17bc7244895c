# shellcheck shell=sh
# shellcheck disable=SC2154	# $top is lib.sh's
# guide-lib.sh - what stands in the manual is what is run, after lib.sh.  In a page each block that a
# test takes is marked:	.\" example: NAME, and so is a line by itself (.Dl).

# example PAGE NAME: the lines of that block, as a reader would copy them; fails, and says so, when
# there is none.
example() {
	want=".\\\" example: $2" awk '
		$0 == ENVIRON["want"] { found = 1; next }
		found && !block && /^\.Dl / { sub(/^\.Dl /, ""); gsub(/\\&/, ""); print; lines++; exit }
		found && /^\.Bd/ { block = 1; next }
		block && /^\.Ed/ { exit }
		block { gsub(/\\&/, ""); gsub(/\\e/, "\\"); print; lines++ }
		END { exit !lines }' "$top/man/$1" || { fail "$1 has no example \"$2\"" >&2; return 1; }
}

# typed PAGE NAME: the commands of that block: what stands behind "$ ", "# ", "hub$ " or "home$ ", a
# line each; lines that end with a backslash go on.
typed() { example "$1" "$2" | sed -n 's/^[a-z]*[#$] *//p; t; /^ \{4,\}/p'; }

# examples PAGE: the names of all of them.
examples() { sed -n 's/^\.\\" example: //p' "$top/man/$1"; }
