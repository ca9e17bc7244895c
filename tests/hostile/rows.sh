#!/bin/sh
# The table of hostile inputs and their tests (rows): no row without a test that names it.
top=${srcdir:-.}
missing=0
while read -r row tests; do
	case $row in \#* | '') continue ;; esac
	test -n "$tests" || { echo "$row: no test"; missing=1; }
	for file in $tests; do
		grep -q -- "$row" "$top/$file" || { echo "$row: $file does not name it"; missing=1; }
	done
done <"$top/tests/hostile/rows"
for kind in AUTH:8 SMTP:16 DATA:7 TLS:5; do
	n=1
	while test $n -le "${kind#*:}"; do
		row=$(printf '%s-%02d' "${kind%:*}" $n)
		test "$(grep -c "^$row " "$top/tests/hostile/rows")" -eq 1 || { echo "$row is not in the table, once"; missing=1; }
		n=$((n + 1))
	done
done
exit $missing
