#!/bin/sh
# --help of every program and sub-command fits a screen of 24 lines and 80 columns, --help=all is the
# whole of it; completion of bash and zsh offers what the programs take; NO_COLOR, log levels; and what is
# wrong is named with its file, its line and a remedy.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
stage
cd "$work" || exit 99
make_site home home

fits() { test "$(wc -l <"$1")" -lt 24 && test "$(wc -L <"$1")" -lt 80; }
options() { sed -n 's/^ *\(-[^ ,]*\)\(, *\)\{0,1\}\(--[^ =[]*\)\{0,1\}.*/\1\n\3/p' "$1" | sed 's/[=,[].*//' | grep -E '^--?[A-Za-z0-9]' | sort -u; }
helps() {	# WORDS...: both helps of it
	exits 0 "$@" --help && cp said short && fits short && exits 0 "$@" --help=all && cp said whole || return 1
	test "$(wc -l <whole)" -lt 24 || grep -q -e '--help=all' short || test "$(options short)" = "$(options whole)"
}

for program in mochila mochila-relay uucico-ssh bsmtp rmail uux uucp uuxqt rrecipients mochila-check mochila-filter \
    mochila-settle; do
	check "$program --help fits a screen" helps "$program"
	check "$program: an option that it has not" exits 64 "$program" --nonsense
	check "names it, and where the others are" grep -q "^$program: error: .*--nonsense (--help" said
	check "$program: a value that is not there" exits 64 "$program" --log-level
	check "is asked for" grep -q -e "^$program: error: .*--log-level needs a value" said
	check "$program: a configuration that is not there" exits 78 "$program" --config "$work/none.conf"
	check "is named" grep -q "^$program: error: $work/none.conf: No such file" said
done
# Only the relay runs these two: they say who they are, and what they want.
check "mochila-login without a source that it knows" exits 64 mochila-login --help
check "says so" grep -q '^mochila-login: error: usage: mochila-login SOURCE' said
check "mochila-drop with a word too many" exits 64 mochila-drop --help
check "says so" grep -q '^mochila-drop: takes no arguments' said
exits 0 mochila --help=all
sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' said >commands
check "mochila has commands" test "$(wc -l <commands)" -gt 20
while read -r command; do
	case $command in
	bsmtp | rmail | sendmail | uuxqt) continue ;;	# those programs speak for themselves
	esac
	check "mochila $command --help fits a screen" helps mochila "$command"
done <commands
exits 0 mochila --help
while read -r command; do
	grep -q "  $command " said || echo "$command"
done <commands >hidden
check "all commands stand on the one screen, too" test ! -s hidden
check "no other word for it" exits 64 mochila --help=more

# ---- Completion ----

complete_bash() {	# WORD...: what is offered for the last
	bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mochila; printf "%s\n" "${COMPREPLY[@]}"' \
	    bash "$top/scripts/completion.bash" "$@" | sort -u
}
if command -v bash >/dev/null; then
	printf '[site hub]\n[site haven]\n' >>home/mochila.conf
	complete_bash mochila '' >offered
	sort -u commands >wanted
	check "bash offers every command" cmp -s offered wanted
	for command in list retry doctor import; do
		complete_bash mochila "$command" - >offered
		exits 0 mochila "$command" --help=all
		cp said whole
		options whole >wanted
		check "and every option of $command" cmp offered wanted
	done
	complete_bash uucico-ssh - >offered
	exits 0 uucico-ssh --help=all
	cp said whole
	options whole >wanted
	check "and of uucico-ssh" cmp offered wanted
	MOCHILA_ROOT=$work/home complete_bash mochila call h >offered
	check "and sites" test "$(tr '\n' ' ' <offered)" = "haven hub "
fi
if command -v zsh >/dev/null; then
	zsh -f -c 'compadd() { shift; print -rl -- ${(P)1} }; _files() { }; words=(mochila ""); CURRENT=2; PREFIX=""; . "$1"' \
	    zsh "$top/scripts/completion.zsh" | sort -u >offered
	sort -u commands >wanted
	check "zsh offers every command" cmp offered wanted
else
	say "not tried: zsh is not installed"
fi

# ---- Colours and levels ----

exits 0 mochila --root level init --site level --host level.example
say 'no mail' | at level sendmail -f ann@level.example bob@nowhere.example || fail "no mail"
exits 0 mochila --root level status
check "no colours where it is no terminal" test "$(tr -dc '\033' <said | wc -c)" -eq 0
if command -v script >/dev/null; then
	NO_COLOR=1 script -qec "mochila --root level list" /dev/null </dev/null >said 2>&1
	check "nor on one, with NO_COLOR" test "$(tr -dc '\033' <said | wc -c)" -eq 0
	script -qec "mochila --root level list" /dev/null </dev/null >said 2>&1
	check "but without" test "$(tr -dc '\033' <said | wc -c)" -gt 0
fi
for level in error warn info debug trace; do
	check "log level $level" exits 0 mochila --root level --log-level="$level" status
done
check "no other" exits 78 mochila --root level --set spool.log-level=loud status

sendmail_nowhere() { MOCHILA_ROOT=$work/no/where sendmail a@b.example </dev/null; }

# ---- Errors name the file, the line and the remedy ----

check "a site that is not known" exits 78 uucico-ssh --root level -s nowhere
check "names the file and what makes it" grep -q 'no \[site nowhere\] in .*level/mochila.conf; "mochila pair nowhere' said
check "by bsmtp, too" exits 78 bsmtp --root level pack nowhere
check "in the same words" grep -q 'level/mochila.conf; "mochila pair nowhere' said
check "no place for a root" exits 75 sendmail_nowhere
check "says what says another" grep -q -e '--root or MOCHILA_ROOT' said
if test "$(id -u)" -eq 0; then
	check "nor for one of the relay" exits 75 mochila-relay --root "$work/no/where"
	check "which says it, too" grep -q -e '--root or MOCHILA_ROOT' said
fi
printf '[site hub]\n' >>level/mochila.conf
check "a dash is standard input behind a word that is an option's value, too" \
    exits 0 uux --root "$work/level" - -r --grade N 'hub!rmail' '(bob@hub.example)'

while IFS='|' read -r text line remedy; do
	mkdir -p bad
	printf '[spool]\nsite = bad\n%b\n' "$text" >bad/mochila.conf
	for program in mochila mochila-relay uucico-ssh bsmtp; do
		case $program in
		mochila) set -- status ;;
		uucico-ssh) set -- -s x ;;
		bsmtp) set -- pack x ;;
		*) set -- ;;
		esac
		check "$program: $text" exits 78 "$program" --root bad "$@"
		check "names file and line" grep -q "bad/mochila.conf:$line" said
		check "and what to do" grep -q -e "$remedy" said
	done
done <<'END'
retry-afer = 5m|3|retry-after
max-size = large|3|35M
[sit hub]|3|site
[site hub]\nlnk = x|4|link
[site hub]\ncall-window = some day|4|Mon-Fri
site = again|3|
END
finish
