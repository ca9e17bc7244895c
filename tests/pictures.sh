#!/bin/sh
# The guide's pictures are made of their sources, each is SVG that an XML parser reads, and no word of
# a source is lost; what the drawing needs as lines is no text in it.
top=$(cd "${srcdir:-.}" && pwd) || exit 1
work=tests/out/pictures
rm -rf "$work"
mkdir -p "$work" || exit 1
bad=0
wrong() {
	echo "$*"
	bad=1
}

well_formed() {
	if command -v xmllint >/dev/null; then xmllint --noout "$1"; else
		python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$1"; fi
}
for source in "$top"/man/pictures/*.txt; do
	name=$(basename "$source" .txt)
	made=man/pictures/$name.svg
	sh "$top/scripts/picture" "$source" >"$work/$name.svg" || wrong "$source: no picture is made of it"
	cmp -s "$made" "$work/$name.svg" || wrong "$made is not made of $source"
	well_formed "$made" || wrong "$made: no XML"
	grep -q "^<title>$(head -n 1 "$source")</title>$" "$made" || wrong "$made: no title"
	sed -n '/^<text/{s/<[^>]*>//g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g; p;}' "$made" | tr -s ' ' '\n' | sort -u >"$work/there"
	# Words: what has a letter or digit.
	sed 1d "$source" | tr -s '|' ' ' | tr -s ' ' '\n' | grep '[A-Za-z0-9]' | sed 's/^v$//' | sort -u >"$work/words"
	while read -r word; do
		test -z "$word" || grep -qxF -e "$word" "$work/there" || wrong "$made: \"$word\" is lost"
	done <"$work/words"
	! grep -qE -- '>[-=|+ ]*</text>' "$made" || wrong "$made: a line of the drawing became text"
done
printf 'Title\n\n  +--+   a <b> & c-d\n  |  |-->v\n  +--+\n' >"$work/odd.txt"
sh "$top/scripts/picture" "$work/odd.txt" >"$work/odd.svg"
well_formed "$work/odd.svg" || wrong "odd characters are not escaped"
grep -q '>a &lt;b&gt; &amp; c-d<' "$work/odd.svg" || wrong "odd characters are lost"
exit $bad
