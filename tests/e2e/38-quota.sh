#!/bin/sh
# More waits than the quota allows: every door puts mail off with a temporary failure, no
# mail is lost by it, and as soon as there is room all of it is taken, without a hand.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage
two_sites "$work" "exec:uucico-ssh -r0 --peer=home --root=$work/hub"
cat >>"$hub/mochila.conf" <<-END
	far.example = site:far
	ship.example = site:ship
	slow.example = site:slow
	[spool]
	quota = 64K
	[site far]
	[site ship]
	quota = 8K
	[site slow]
	quota = 8K
	filters = never
	[filter never]
	run = exit:100
	[relay main]
	listen = 127.0.0.1:0
END
send() { { printf 'Subject: %s\n\n' "$1"; head -c "$2" /dev/zero | tr '\0' x | fold -w 70; echo; } >"$work/mail.$1"; }
send large 70000
send ship 9000
send small 10
submit() { MOCHILA_ROOT=$hub sendmail -f a@b.example "$2" <"$work/mail.$1"; }
letter() { # RCPT
	{ echo 'From ann Sat Nov 21 18:45:02 2026 remote from home'; cat "$work/mail.small"; } |
	    MOCHILA_ROOT=$hub UU_MACHINE=home MOCHILA_JOB=job1 rmail "$1"
}
talk() { # REPLY-TO-MAIL RCPT REPLY-TO-RCPT
	call "$main" '< 220' '> EHLO x' '< 250' '> MAIL FROM:<a@b.example>' "< $1" "> RCPT TO:<$2>" "< $3"
}

# ---- A site's quota ------------------------------------------------------------------

relay_up "$hub" || fail "the relay did not start"
main=$(at "$hub")
check "mail for a site is taken" exits 0 submit ship x@ship.example
rm -f "$hub/spool/tmp/.quota"	# counted once a minute
check "until more waits than its quota: sendmail" exits 75 submit small x@ship.example
check "says why" said 'ship: '
check "rmail" exits 75 letter x@ship.example
check "SMTP" talk 250 x@ship.example '452 4.3.1 ship'
check "others are not concerned" exits 0 submit small x@far.example
check "by SMTP too" talk 250 x@far.example 250
mochila --root "$hub" remove --site ship >/dev/null
check "when it has gone, mail is taken again by itself" wait_for 20 submit small x@ship.example

check "mail for a site behind filters" exits 0 submit ship x@slow.example
check "waits for them" wait_for 20 test -d "$hub/spool/out/filter:slow"
rm -f "$hub/spool/tmp/.quota"
check "and counts as well" exits 75 submit small x@slow.example
mochila --root "$hub" remove --site filter:slow >/dev/null
check "which is not for ever" wait_for 20 submit small x@slow.example

# ---- A site's, and what a call brings ------------------------------------------------

submit ship x@ship.example
rm -f "$hub/spool/tmp/.quota"
to_ship() { printf 'Subject: %s\n\n%s\n' "$1" "$1" | MOCHILA_ROOT=$home sendmail -f ann@home.example "$2"; }
printf '\tship.example = site:hub\n' >"$work/route"	# below [routes], which is the last section
cat "$work/route" >>"$home/mochila.conf"
jobs_of() { find "$hub/spool/xqt/$1" -type f ! -name '.*' 2>/dev/null | wc -l; }
waits_for_ship() { find "$hub/spool/out/ship" "$hub/spool/in" -type f -exec grep -al "^Subject: $1" {} + | wc -l; }
boxed_once() { test "$(grep -al "^Subject: $1" -r "$work/mail" | wc -l)" -eq 1; }
to_ship slow x@ship.example
from_home quick
check "a call brings mail for that site and for another" exits 0 ours -s hub
check "the other's is delivered" wait_for 20 boxed_once quick
check "that for the full site waits in its job" test "$(waits_for_ship slow),$(jobs_of home)" = 0,1
check "and the caller is done with it" test "$(messages "$home/spool/out")" -eq 0
check "uuxqt says why" exits 75 mochila --root "$hub" uuxqt
check "in words" said 'ship: '
printf '%s\n' 'MAIL FROM:<a@b.example>' 'RCPT TO:<x@ship.example>' DATA 'Subject: hand' '' . >"$work/hand"
check "a batch by hand, too" exits 75 bsmtp unpack --root "$hub" "$work/hand"
check "which was not kept" test "$(spooled "$hub/spool/hold"),$(waits_for_ship hand)" = 0,0
printf '[site home]\n\tquota = 100\n' >>"$hub/mochila.conf"
rm -f "$hub/spool/tmp/.quota"
from_home third
check "a call of a site whose jobs are more than its quota" exits 0 ours -s hub
check "brings no more of them" test "$(jobs_of home),$(messages "$home/spool/sent")" = 1,2
mochila --root "$hub" remove --site ship >/dev/null
# The call's own uuxqt may be at it still, by what was counted before: then it is left once more.
took() { rm -f "$hub/spool/tmp/.quota"; mochila --root "$hub" uuxqt && test "$(jobs_of home)" -eq 0; }
check "with room again the job is run to its end, and gone" wait_for 20 took
check "what it brought for the site waits there, once" test "$(waits_for_ship slow)" -eq 1
check "what was taken before was not taken again" boxed_once quick
brings() { ours -s hub && boxed_once "$1"; }
check "and the site's next call brings what it kept" wait_for 20 brings third
mochila --root "$hub" remove --site ship >/dev/null

# ---- The spool's ---------------------------------------------------------------------

submit large x@far.example
rm -f "$hub/spool/tmp/.quota"
check "with more in the spool than its quota nothing is taken: sendmail" exits 75 submit small x@far.example
check "says why" said 'the spool: '
check "rmail" exits 75 letter x@far.example
check "SMTP" call "$main" '< 220' '> EHLO x' '< 250' '> MAIL FROM:<a@b.example>' '< 452 4.3.1 the spool'
waiting=$(spooled "$hub/spool/out")
from_home one
from_home two
batch() { find "$home/spool/sent/hub" -type f ! -path '*.d/*' ! -name '.*' -exec cat {} + | sha256sum; }
check "a call goes well" exits 0 ours -s hub
before=$(batch)
check "but its batch is put off, and the caller keeps its mail" test "$(messages "$home/spool/sent")" -ge 2
check "the called has nothing of it" test "$(spooled "$hub/spool/out")$(messages "$hub/spool/xqt")" = "${waiting}0"
check "it calls again" exits 0 ours -s hub
check "with the same batch" test "$before" = "$(batch)"
mochila --root "$hub" remove --larger 64K >/dev/null
taken() { ours -s hub && test "$(messages "$home/spool/sent")" -eq 0; }
check "when there is room, the next call brings it" wait_for 20 taken
check "all of it" wait_for 20 boxed_once one
check "once" wait_for 20 boxed_once two
check "SMTP is open again" talk 250 x@far.example 250
check "and rmail" exits 0 letter x@far.example
finish
