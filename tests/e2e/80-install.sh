#!/bin/sh
# make install puts everything in its place, what is found by name is there, the examples
# are configurations that hold, and make uninstall takes all of it away again.
. "${srcdir:-.}/tests/e2e/lib.sh"
need make

install_here() { MAKEFLAGS='' make -s -C "$build" "$1" DESTDIR="$work/root" >"$work/$1.log" 2>&1; }
where() { say "$work/root$(of_make "$1")"; }

check "make install" install_here install
bin=$(where bindir) sbin=$(where sbindir) libexec=$(where pkglibexecdir) man=$(where mandir)
examples=$(where examplesdir)
for program in "$bin/mochila" "$bin/uucico-ssh" "$sbin/mochila-relay" "$libexec/bsmtp" \
    "$libexec/rmail" "$libexec/sendmail" "$libexec/uuxqt"; do
	check "${program#"$work/root"} is a program" test -f "$program" -a -x "$program"
done
for alias in rsmtp rgsmtp; do
	check "$alias is bsmtp" test "$(readlink "$libexec/$alias")" = bsmtp
done
check "uucico-ssh is found from libexec too" \
    test "$work/root$(readlink "$libexec/uucico-ssh")" = "$bin/uucico-ssh"
for page in man1/mochila.1 man5/mochila.conf.5 man5/spool.5; do
	check "$page" test -f "$man/$page"
done
for example in hub home; do
	check "$example.conf is a configuration that holds" \
	    exits 0 "$bin/mochila" --root "$work/none" --config "$examples/$example.conf" --show-config
done
check "make uninstall" install_here uninstall
check "leaves nothing" test -z "$(find "$work/root" ! -type d)"
finish
