#!/bin/sh
# mandoc has nothing to say about our pages, nor groff, which is what man(1) of Debian shows them with, on a
# screen of 80 columns; and what they refer to of ours is there.
cd "${srcdir:-.}" || exit 1
for tool in mandoc groff; do
	command -v $tool >/dev/null || { echo "SKIP: $tool is not installed"; exit 77; }
done

# Pages of other packages need not be installed here.
complaints=$(for page in man/*.[1-9]; do
	test -f "$page" || continue
	mandoc -T lint "$page" 2>&1 | grep -v -e 'referenced manual not found' -e 'outdated mandoc.db lacks'
	groff -T utf8 -mandoc -rLL=78n -ww "$page" 2>&1 >/dev/null
	sed -n 's/^\.Xr \([^ ]*\) \([1-9]\).*/\1.\2/p' "$page" | sort -u | while read -r other; do
		case $other in
		mochila* | bsmtp* | rmail* | uucico-ssh* | uux* | spool* | batch*)
			test -f "man/$other" || echo "$page: refers to $other, which is not there" ;;
		esac
	done
done)
test -z "$complaints" || { printf '%s\n' "$complaints"; exit 1; }
