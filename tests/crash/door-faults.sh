#!/bin/sh
# mochila(1) killed, failing or out of room at every call that changes a file, once each:
# the message is there once and whole, a configuration is the old or the new one, and the
# same command given again does the rest.
# shellcheck disable=SC2317	# called by name
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/entry-lib.sh
. "$top/tests/e2e/entry-lib.sh"
# shellcheck source=tests/crash/fault-lib.sh
. "$top/tests/crash/fault-lib.sh"

root=$work/root
spool=$root/spool
id=$(id 1)
key='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl'
m() { mochila --root="$root" --log=none "$@" 2>>"$work/said"; }

# Where the message lies before a step, and the step in mochila's words.
at_first() {
	case $1 in
	hold | bounce) say out/home/N-bucket ;;
	retry) say failed ;;
	*) say hold ;;
	esac
}
words() {
	case $1 in
	pair) say "pair ship --accept '$key' --authorized-keys '$root/authorized_keys'" ;;
	bounce*) say "bounce $id no such person" ;;
	*) say "$1 $id" ;;
	esac
}

mkdir -p "$work/base"
make_site "$work/base" hub
printf '[routes]\nhome.example = site:home\nexample.org = site:away\n' >>"$work/base/mochila.conf"
for folder in tmp in out sent xqt hold failed seen drop log; do mkdir -p "$work/base/spool/$folder"; done
entry "$id" ann@example.org bob@home.example >"$work/entry"

fresh() {	# fresh STEP
	rm -rf "$root"
	cp -a "$work/base" "$root"
	mkdir -p "$spool/$(at_first "$1")"
	cp "$work/entry" "$spool/$(at_first "$1")/$id"
}

whole_once() {
	test "$(find "$spool" -name "$id" | wc -l)" -eq 1 && m show --body "$id" | cmp -s - "$work/body"
}
told_once() {
	test "$(grep -rl '^RCPT TO:<ann@' "$spool/out/away" 2>/dev/null | wc -l)" -eq 1 &&
	    grep -rq 'returned by the operator: no such person' "$spool/out/away"
}
here_or_told() {
	if test -n "$(find "$spool" -name "$id")"; then whole_once && ! told_once; else told_once; fi
}
old_or_new() {
	cmp -s "$root/mochila.conf" "$work/base/mochila.conf" ||
	    cmp -s "$root/mochila.conf" "$work/conf" || return 1
	test ! -e "$root/authorized_keys" || cmp -s "$root/authorized_keys" "$work/keys"
}
holds() {	# holds STEP: what must be so at any moment, once what was let in is sorted
	m retry || return 1
	case $1 in
	remove) test "$(find "$spool" -name "$id" | wc -l)" -le 1 ;;
	pair) old_or_new && whole_once ;;
	bounce*) here_or_told ;;
	*) whole_once ;;
	esac
}
# 69: it is where it was to go; 66: it is gone.
again() {
	eval "m $(words "$1")"
	case "$1 $?" in
	*" 0" | *" 69" | "remove 66") ;;
	bounce*" 66") told_once ;;
	*) return 1 ;;
	esac
	case $1 in bounce*) told_once || return 1 ;; esac
	test "$1" != pair || { cmp -s "$root/mochila.conf" "$work/conf" && cmp -s "$root/authorized_keys" "$work/keys"; }
}

fresh pair
eval "m $(words pair)" >/dev/null || fail "pair does not work at all"
cp "$root/mochila.conf" "$work/conf"
cp "$root/authorized_keys" "$work/keys"

cases=0
for step in ${STEPS:-hold release retry remove bounce bounce-held pair}; do
	for what in kill EIO full; do
		at=0
		while :; do
			at=$((at + 1))
			cases=$((cases + 1))
			fresh "$step"
			rm -f "$work/count"
			: >"$work/said"
			(
				FAULT=$what FAULT_AT=$at FAULT_COUNT=$work/count LD_PRELOAD=$fault
				export FAULT FAULT_AT FAULT_COUNT LD_PRELOAD
				eval "m $(words "$step")" >/dev/null
			) 2>/dev/null
			count=$(cat "$work/count" 2>/dev/null || echo 999999)
			holds "$step" || fail "$step, $what at $at: $(find "$spool" -name "*$id*") $(cat "$work/said")"
			again "$step" >/dev/null || fail "$step, $what at $at: not a second time: $(cat "$work/said")"
			holds "$step" || fail "$step, $what at $at, again: $(find "$spool" -name "*$id*")"
			test "$count" -ge $at || break
		done
	done
done
say "$cases cases"
finish
