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
	[spool]
	quota = 64K
	[site far]
	[site ship]
	quota = 8K
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
boxed_once() { test "$(grep -al "^Subject: $1" -r "$work/mail" | wc -l)" -eq 1; }
check "all of it" wait_for 20 boxed_once one
check "once" boxed_once two
check "SMTP is open again" talk 250 x@far.example 250
check "and rmail" exits 0 letter x@far.example
finish
