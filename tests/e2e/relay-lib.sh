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

# serve NAME SCRIPT...: a server that is played (tests/e2e/wire.c), a script a connection; its port in
# $port, and in $work/NAME.port.
serve() {
	serve_name=$1
	shift
	start "$serve_name" "$wire" serve "$work/$serve_name.port" "$@"
	wait_for 10 test -s "$work/$serve_name.port" || fail "no $serve_name"
	port=$(cat "$work/$serve_name.port")
}

# play NAME PROGRAM OPTION...: a next hop that is a program of tests/e2e, and what it heard in
# $work/NAME.said; its port in $port, and in $work/NAME.port.
play() {
	play_name=$1 play_program=$2
	shift 2
	start "$play_name" python3 "$top/tests/e2e/$play_program" "$work/$play_name.port" "$work/$play_name.said" "$@"
	wait_for 20 test -s "$work/$play_name.port" || skip "no next hop: $(tail -n 1 "$work/$play_name.log")"
	port=$(cat "$work/$play_name.port")
}

# leads_to NAME SETTINGS: the mail for NAME.example goes from $root to what is played at $port; \n parts
# what is said in its [hop].
leads_to() {
	sed -i "s/^\[routes\]/&\n$1.example = smtp:127.0.0.1:$port/" "$root/mochila.conf"
	printf '[hop smtp:127.0.0.1:%s]\n%b\n' "$port" "$2" >>"$root/mochila.conf"
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
