# shellcheck shell=sh
# shellcheck disable=SC2154	# $work is of lib.sh
# entry-lib.sh - whole entries of spool(5), written with nothing but printf and sha256sum.

# Reads hex, writes the bytes.
unhex() {
	# shellcheck disable=SC2059	# octal escapes are the format
	printf "$(tr -d '\n' | awk '{
		for (i = 1; i < length($0); i += 2)
			printf "\\%03o", 16 * (index("0123456789abcdef", substr($0, i, 1)) - 1) + \
			    index("0123456789abcdef", substr($0, i + 1, 1)) - 1
	}')"
}
sha() { sha256sum | cut -d' ' -f1; }

# entry ID FROM TO...: a whole entry on stdout.
entry() {
	entry_id=$1 entry_from=$2
	shift 2
	printf 'From: %s\r\nSubject: number %s\r\n\r\nHello.\r\n' "$entry_from" "$entry_id" >"$work/body"
	{
		echo "NOOP mochila=1 id=$entry_id time=2026-11-21T18:45:02Z from=smtp client=192.0.2.7"
		echo "MAIL FROM:<$entry_from> BODY=8BITMIME"
		for entry_to; do echo "RCPT TO:<$entry_to>"; done
		printf 'BDAT %010d LAST\n' "$(wc -c <"$work/body")"
	} >"$work/head"
	cat "$work/head" "$work/body"
	echo "NOOP end sum=$({ sha <"$work/body" | unhex; cat "$work/head"; } | sha | cut -c1-16)"
}
id() { printf '20261121T184502.%06d-7f3a9c02d41be066-1' "$1"; }
