#!/bin/sh
# Every setting stands in mochila.conf(5) with its preset, and every one of the page is a setting.
top=$(cd "${srcdir:-.}" && pwd) || exit 1
work=tests/out/man-settings
rm -rf "$work"
mkdir -p "$work" || exit 1
unset MOCHILA_ROOT MOCHILA_CONFIG MOCHILA_SET

# "[spool] max-size = 35M", one a line.  What is taken from the host has no preset to compare.
./spool/mochila --root="$work/none" --set 'site x.link=' --set 'link x.call=no' --set 'hop x.tls=opportunistic' --set 'way x.link=' --set 'filter x.timeout=1m' --show-config >"$work/config" || exit 1
awk '/^\[/ { section = $1; sub(/]$/, "", section); next }
	/^# .*\(preset: / { bare = 1; next }
	/^#/ { next }
	section == "[routes" || section == "[classes" { next }
	{ if (bare) sub(/=.*/, "="); bare = 0; sub(/ *$/, ""); print section "] " $0 }' \
    "$work/config" | sort >"$work/settings"
awk '/^\.S[sh] / { section = /\[/ ? $3 : ""; sub(/].*/, "", section) }
	section != "" && /^\.It Ic / { sub(/^\.It Ic /, ""); sub(/\\&$/, ""); print section "] " $0 }' \
    "$top/man/mochila.conf.5" | sort >"$work/page"
test -s "$work/settings" || { echo "no settings were shown"; exit 1; }
if ! diff "$work/settings" "$work/page" >"$work/diff"; then
	echo "--show-config (<) and man/mochila.conf.5 (>) differ:"
	cat "$work/diff"
	exit 1
fi

# The commands of mochila(1) and their options, likewise.
page=$top/man/mochila.1
bad=0
for command in $(./spool/mochila --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p'); do
	grep -qE "^\.It Ic (.* )?$command( |\$)" "$page" ||
		{ echo "mochila.1 does not know $command"; bad=1; }
	case $command in bsmtp | rmail | sendmail | uuxqt) continue ;; esac
	for option in $(./spool/mochila "$command" --help |
	    sed -n 's/^ *\(-.\)\{0,1\}\(, \)\{0,1\}--\([-a-z]*\).*/\3/p'); do
		test "$option" = help || grep -q -e "Fl -$option" "$page" ||
			{ echo "mochila.1 does not know --$option of $command"; bad=1; }
	done
done
exit $bad
