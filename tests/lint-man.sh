#!/bin/sh
# mandoc has nothing to say about our pages, and what they refer to of ours is there.
cd "${srcdir:-.}" || exit 1
command -v mandoc >/dev/null || { echo "SKIP: mandoc is not installed"; exit 77; }

# Pages of other packages need not be installed here.
complaints=$(for page in man/*.[1-9]; do
	test -f "$page" || continue
	mandoc -T lint "$page" 2>&1 | grep -v -e 'referenced manual not found' -e 'outdated mandoc.db lacks'
	sed -n 's/^\.Xr \([^ ]*\) \([1-9]\).*/\1.\2/p' "$page" | sort -u | while read -r other; do
		case $other in
		mochila* | bsmtp* | rmail* | uucico-ssh* | uux* | spool* | batch*)
			test -f "man/$other" || echo "$page: refers to $other, which is not there" ;;
		esac
	done
done)
test -z "$complaints" || { printf '%s\n' "$complaints"; exit 1; }
