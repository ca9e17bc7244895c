# shellcheck shell=bash
# bash completion for mochila, mochila-relay and uucico-ssh: asks the programs themselves what they
# take, so it cannot disagree with them.

# The options in a --help, one a line.
_mochila_options() {
	"$@" --help=all 2>/dev/null | sed -n 's/^ *\(-[^ ,]*\)\(, *\)\{0,1\}\(--[^ =[]*\)\{0,1\}.*/\1\n\3/p' |
	    sed 's/[=,[].*//' | grep -E '^--?[A-Za-z0-9]'
}
_mochila_commands() { mochila --help=all 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p'; }
_mochila_sites() { mochila --show-config 2>/dev/null | sed -n 's/^\[site \([^]]*\)\].*/\1/p' | sort -u; }

_mochila() {
	local current=${COMP_WORDS[COMP_CWORD]} program=${COMP_WORDS[0]##*/} command='' word
	COMPREPLY=()
	if test "$program" = mochila; then
		for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
			case $word in
			-*) ;;
			*) command=$word && break ;;
			esac
		done
	fi
	case $current in
	-*) mapfile -t COMPREPLY < <(compgen -W "$(_mochila_options "$program" ${command:+"$command"})" -- "$current") ;;
	*)
		if test "$program" = mochila && test -z "$command"; then
			mapfile -t COMPREPLY < <(compgen -W "$(_mochila_commands)" -- "$current")
		else
			mapfile -t COMPREPLY < <(compgen -W "$(_mochila_sites)" -- "$current")
		fi ;;
	esac
}
complete -o default -F _mochila mochila mochila-relay uucico-ssh
