#!/bin/sh
# bsmtp unpack --to=smtp: and lmtp:, killed or failing at every call that changes a file, once
# each, against a server that notes what it took before it says so.  Each recipient gets each
# mail; twice only the one whose answer could not be noted any more (RFC 1047).
# shellcheck disable=SC2317	# called by name
# shellcheck source=tests/crash/batch-lib.sh
. "${srcdir:-.}/tests/crash/batch-lib.sh"

# One line at a time, and no extension: what was taken is noted as "SUBJECT RECIPIENT".
cat >server <<-'END'
	#!/bin/sh
	answer() { printf '%s\r\n' "$1"; }
	answer '220 fake'
	while IFS= read -r line; do
		line=${line%?}
		case $line in
		EHLO* | LHLO*) answer '250 fake' ;;
		MAIL*) rcpts='' && answer '250 ok' ;;
		RCPT*) rcpts="$rcpts ${line#RCPT TO:}" && answer '250 ok' ;;
		DATA)
			answer '354 go'
			subject=''
			while IFS= read -r line; do
				line=${line%?}
				case $line in
				.) break ;;
				'Subject: '*) subject=${subject:-Subject:${line##* }} ;;
				esac
			done
			test "$line" = . || exit
			for rcpt in $rcpts; do
				echo "$subject $rcpt" >>taken
			done
			for rcpt in $rcpts; do
				answer '250 taken'
				test "$1" = lmtp || break
			done ;;
		QUIT) answer '221 bye' && exit ;;
		*) answer '250 ok' ;;
		esac
	done
END
chmod 755 server
for kind in smtp lmtp; do
	start $kind "$build/tests/e2e/inetd" "$work/$kind.port" "$work/server" $kind
	wait_for 10 test -s $kind.port
done

make_base user@home.example other@home.example

# checked: all of it is in "taken", and what is there twice is what was taken last in the first run.
checked() {
	awk 'FILENAME == "first" { last = $1; next }
	    ++times[$0] == 1 { all++ }
	    times[$0] == 2 { twice++; if ($1 != last) wrong = 1 }
	    times[$0] > 2 { wrong = 1 }
	    END { print twice + 0; exit all != 6 || wrong }' first taken >twice
}

# In a check all of smtp: killed, and of the rest each fourth call; STRIDE=1 tries all, and
# STRIDE=n each n-th from the FIRST on.
cases=0 doubled=0
for kind in smtp lmtp; do
	to=$kind:127.0.0.1:$(cat $kind.port)
	for what in kill EIO full; do
		stride=${STRIDE:-4} first=${FIRST:-${STRIDE:-4}}
		test -n "${STRIDE:-}" || test $kind,$what != smtp,kill || stride=1 first=1
		at=$((first - stride))
		while :; do
			at=$((at + stride))
			cases=$((cases + 1))
			rm -rf root
			cp -a base root
			: >taken
			: >said
			faulted $what $at bsmtp unpack --peer=hub --to="$to" three.gz
			cp taken first
			test $status -eq 0 || bsmtp unpack --peer=hub --to="$to" three.gz 2>>said ||
			    fail "$kind, $what at $at: not a second time: $(cat said)"
			bsmtp deliver --to="$to" 2>>said || fail "$kind, $what at $at: what waits does not go: $(cat said)"
			checked || fail "$kind, $what at $at (exit $status): taken: $(cat taken) $(cat said)"
			read -r times <twice
			test "$times" -eq 0 || doubled=$((doubled + 1))
			test -z "$(find root/spool/out root/spool/in root/spool/hold -type f ! -name '.*' 2>/dev/null)" ||
			    fail "$kind, $what at $at: something is left: $(find root/spool -type f ! -name '.*')"
			test "$count" -ge $at || break
			test $at -lt 500 || { fail "$kind: there is no end to it"; break; }
		done
	done
done
say "$cases cases, $doubled within the gap"
finish
