#!/bin/sh
# verify.sh STEPS ROOT PROMISED SENT - the outside ledger: what was promised must be
# delivered, waiting or held, for each recipient once; nothing may be damaged.
# PROMISED: lines "250 KEY"; SENT: lines "sent KEY SITE".  Prints what is wrong.
steps=$1 root=$2 promised=$3 sent=$4
"$steps" "$root" ledger >"$root.ledger" || { echo "the ledger cannot be read"; exit 1; }
awk -v sent="$sent" '
	FILENAME == ARGV[1] && $1 == "damaged" { print; bad = 1; next }
	FILENAME == ARGV[1] { where[$2 " " $3] = where[$2 " " $3] " " $1; n[$2 " " $3]++; next }
	FILENAME == ARGV[2] && $1 == "sent" { done[$2 " " $3]++; next }
	FILENAME == ARGV[3] && $1 == "250" {
		split($2, part, "-")
		check($2 " bob@home.example", "home")
		if (part[3] % 2 == 1) check($2 " eve@ship.example", "ship")
	}
	function check(key, site,    word, have) {
		split(key, word, " ")
		have = n[key] + (done[word[1] " " site] > 0)
		if (have == 0) { print "LOST " key; bad = 1 }
		if (n[key] > 1) { print "DOUBLED " key ":" where[key]; bad = 1 }
	}
	END { exit bad }
' "$root.ledger" "$sent" "$promised"
