#compdef mochila mochila-relay -P 'uucico*'
# zsh completion: asks the programs themselves what they take, so it cannot disagree with them.

_mochila_options() {
	"$@" --help=all 2>/dev/null | sed -n 's/^ *\(-[^ ,]*\)\(, *\)\{0,1\}\(--[^ =[]*\)\{0,1\}.*/\1\n\3/p' |
	    sed 's/[=,[].*//' | grep -E '^--?[A-Za-z0-9]'
}
_mochila_commands() { mochila --help=all 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' }
_mochila_sites() { mochila --show-config 2>/dev/null | sed -n 's/^\[site \([^]]*\)\].*/\1/p' | sort -u }

_mochila() {
	local program=${words[1]:t} command=
	local word
	local -a found
	if [[ $program = mochila ]]; then
		for word in ${words[2,CURRENT-1]}; do
			[[ $word = -* ]] || { command=$word; break }
		done
	fi
	if [[ $PREFIX = -* ]]; then
		found=(${(f)"$(_mochila_options $program $command)"})
	elif [[ $program = mochila && -z $command ]]; then
		found=(${(f)"$(_mochila_commands)"})
	else
		found=(${(f)"$(_mochila_sites)"})
	fi
	compadd -a found
	[[ $PREFIX = -* ]] || _files
}

_mochila "$@"
