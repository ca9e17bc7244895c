# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154	# $ready, $relay are for the tests; the rest is lib.sh's
# relay-lib.sh - what the tests of mochila-relay share, after lib.sh.

wire=$build/tests/e2e/wire

# relay_up ROOT [OPTION...]: a relay in the foreground; its pid in $relay.
relay_up() {
	up_root=$1
	shift
	rm -f "$up_root/ready"
	start "${up_root##*/}" mochila-relay --root "$up_root" --ready-fd 3 "$@" 3>"$up_root/ready"
	relay=$pid
	wait_for 20 relay_says "$up_root" || { tail -n 3 "$work/${up_root##*/}.log"; return 1; }
}
relay_says() { test -s "$1/ready" || ! kill -0 "$relay" 2>/dev/null; }

# at ROOT [INSTANCE]: where it listens.
at() { sed -n "s/^${2:-main} smtp //p" "$1/ready"; }

# killed PID: without a word, as a power cut would; and waited for.
killed() {
	kill -9 "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	true
}

# call WHERE LINE...: a dialogue (tests/e2e/wire.c), a line an argument.
call() {
	call_where=$1
	shift
	printf '%s\n' "$@" | "$wire" call "$call_where"
}

# mail WHERE FROM TO SUBJECT: one small mail; fails unless it is accepted.
mail() {
	call "$1" "< 220" "> EHLO test.example" "< 250" "> MAIL FROM:<$2>" "< 250" "> RCPT TO:<$3>" "< 250" \
	    "> DATA" "< 354" "> Subject: $4" "> " "> Hello, $4." "> ." "< 250 2.0.0" "> QUIT" "< 221"
}

# boxed ROOT USER: how many mails are in his Maildir.
boxed() { messages "$1/mail/$2/new"; }
has_mail() { test "$(boxed "$1" "$2")" -eq "$3"; }

# empty FOLDER...: no file below them but hidden ones.
empty() { test "$(messages "$1")" -eq 0; }

# logged ROOT... WORDS: the history has such a line.
logged() { grep -q -- "$2" "$1/spool/log/mochila.log"; }
