#!/bin/sh
# Every option of `PROGRAM --help` stands in its man page, and every option of the page
# in --help.  What all programs take (spool/settings.h) may stand in mochila.conf(5).
top=$(cd "${srcdir:-.}" && pwd) || exit 1
command -v mandoc >/dev/null || { echo "SKIP: mandoc is not installed"; exit 77; }
common='--root --config --set --log --log-level -v --verbose --show-config --help --version'

# "  -f, --from=ADDRESS  text" becomes -f and --from, one a line.
of_lines() {
	sed -n 's/^ *\(-[^ ,]*\)\(, *\)\{0,1\}\(--[^ =[]*\)\{0,1\}.*/\1\n\3/p' |
	    sed 's/[=,[].*//' | grep -E '^--?[A-Za-z0-9]' | sort -u
}
of_help() { "$1" --help=all 2>/dev/null | of_lines; }

# What the sub-commands of a program with a table of them take.
of_commands() {
	"$1" --help=all 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p' | while read -r command; do
		"$1" "$command" --help=all 2>/dev/null | of_lines
	done
}

# The same of a page: tags of its lists begin with a dash and stand before the text.
of_page() {
	mandoc -T ascii -O width=200 "$1" | sed 's/.\x08//g' |
	    sed -n 's/^ \{1,12\}\(-[-A-Za-z0-9].*\)/\1/p' | sed 's/   .*//' |
	    tr -s ' ,|' '\n' | sed 's/[][]//g; s/=.*//' | grep -E '^(-[A-Za-z0-9]|--[A-Za-z0-9][-A-Za-z0-9]*)$' | sort -u
}

bad=0
for program in ${PROGRAMS:-}; do
	page=$(ls "$top/man/${program##*/}".[18] 2>/dev/null)
	if test -z "$page"; then
		echo "${program##*/}: has no man page"
		bad=1
		continue
	fi
	help=$(of_help "./$program")
	shown=$(of_page "$page")
	for option in $help; do
		echo "$shown" | grep -qxe "$option" && continue
		case " $common " in
		*" $option "*) of_page "$top/man/mochila.conf.5" | grep -qxe "$option" && continue ;;
		esac
		echo "$page: does not name $option, which ${program##*/} --help lists"
		bad=1
	done
	for option in $shown; do
		echo "$help" | grep -qxe "$option" && continue
		of_commands "./$program" | grep -qxe "$option" && continue
		echo "$page: names $option, which ${program##*/} --help does not list"
		bad=1
	done
done
exit $bad
