#!/bin/sh
# bsmtp, rmail and mochila-drop killed, failing or out of room at every call that changes
# a file, once each: what they promised by exit status 0 is there, and when what was not
# promised is done again, as UUCP does, each mail is there once.
# All of them, or with STRIDE=n each n-th from the FIRST on.
# shellcheck disable=SC2317	# called by name
# shellcheck source=tests/crash/batch-lib.sh
. "${srcdir:-.}/tests/crash/batch-lib.sh"

make_base user@home.example
{ echo 'From ann Sat Nov 21 18:45:02 2026 remote from hub'; cat "$mails/plain.eml"; } >letter
bsmtp unpack --root="$work/maker" --set 'routes.*=site:x' --set spool.min-free=1M "$mails/exim.bsmtp" 2>/dev/null
entry=$(find "$work/maker/spool/out" -type f ! -name '.*' | head -n 1)
MOCHILA_ROOT=$work/base bsmtp unpack --to=spool: "$mails/exim.bsmtp" 2>/dev/null && rm -rf base/spool/out/home base/spool/log/*

# The steps: how each is run, how many mails it brings, and where they are looked for.
step() {
	case $1 in
	unpack) UU_MACHINE=hub MOCHILA_JOB=job1 rgsmtp <three.gz ;;
	maildir) bsmtp unpack --peer=hub --to=maildir:mail three.gz ;;
	sendmail) bsmtp unpack --peer=hub --to=sendmail:"$work/taker" three.gz ;;
	rmail) UU_MACHINE=hub MOCHILA_JOB=job2 rmail user@home.example <letter ;;
	drop) mochila-drop --root "$root" <"$entry" ;;
	pack) bsmtp pack home ;;
	esac
}
brings() { # STEP: sets want
	case $1 in
	rmail | drop) want=1 ;;
	*) want=3 ;;
	esac
}
# Some thousand cases: what the shell can do by itself starts no process.
mails_there() { # STEP
	# What a sink did not get waits for it: whoever comes next goes on with that.
	case $1 in
	maildir) bsmtp deliver --to=maildir:mail 2>>said ;;
	sendmail) bsmtp deliver --to=sendmail:"$work/taker" 2>>said ;;
	esac
	for file in root/mail/new/*; do
		test ! -f "$file" || say "${file##*/}"
	done
	test ! -d root/taken || sed -n 's/^Subject: //p' root/taken/* 2>/dev/null
	bsmtp pack home 2>>said
	for file in root/spool/sent/home/* root/spool/sent/home/.[!.]*; do
		test ! -f "$file" || bsmtp list "$file" | awk 'NR > 1 { print $NF }'
	done
}

cat >taker <<-END
	#!/bin/sh
	mkdir -p "$root/taken"
	cat >"\$(mktemp "$root/taken/XXXXXX")"
END
chmod 755 taker

# more STEP WHAT: may a mail be there once more?  Nobody can tell a second submission from the
# first, nor what a program took whose answer was not noted (RFC 1047).
more() {
	case $1,$2 in
	drop,kill | sendmail,*) return 0 ;;
	*) return 1 ;;
	esac
}

cases=0 stride=${STRIDE:-1} first=${FIRST:-1}
for step in unpack maildir sendmail rmail drop pack; do
	rm -rf fresh
	cp -a base fresh
	test $step != pack || MOCHILA_ROOT=$work/fresh bsmtp unpack three.gz 2>/dev/null
	for what in kill EIO full; do
		test $step,$what != sendmail,full || continue	# as maildir
		at=$((first - stride))
		while :; do
			at=$((at + stride))
			cases=$((cases + 1))
			rm -rf root
			cp -a fresh root
			: >said
			faulted $what $at step $step
			test $status -eq 0 || step $step 2>>said || fail "$step, $what at $at: not a second time: $(cat said)"
			mails_there $step >there
			brings $step
			got=$(awk '!seen[$0]++ { different++ } END { print different + 0 "," NR }' there)
			test "$got" = "$want,$want" ||
			    { more $step $what && test "${got#*,}" -eq $((want + 1)); } ||
			    fail "$step, $what at $at (exit $status): $got mails, not $want: $(cat said)"
			test "$count" -ge $at || break
			test $at -lt 500 || { fail "$step: there is no end to it"; break; }
		done
	done
done
say "$cases cases"
finish
