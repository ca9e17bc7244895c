#!/bin/sh
# What both ends of a call have given away while it stands, and what the called one starts: uuxqt,
# rmail, the packer; and that all works the same, files that are fetched and brought included.
# shellcheck disable=SC2317	# called by check
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
stage

# given PID: as far as seccomp goes, which a build with sanitizers does without.
given() { sed -n 's/^\(Seccomp\|NoNewPrivs\):[[:space:]]*/\1=/p' "/proc/$1/status" | sort | tr '\n' ' '; }
open='NoNewPrivs=0 Seccomp=0 ' sealed='NoNewPrivs=1 Seccomp=2 '
test "$(given self)" = "$open" || skip "we are enclosed ourselves"
bsmtp pack --root "$work/none" --log-level debug home 2>&1 | grep -q seccomp=yes || sealed='NoNewPrivs=1 Seccomp=0 '

# The far end of the link, and a command of a job: what whoever waits for them has given away.
# shellcheck disable=SC2016	# the scripts expand it
for name in far job; do
	{
		printf '#!/bin/sh\nsed -n "s/^\\(Seccomp\\|NoNewPrivs\\):[[:space:]]*/\\1=/p" "/proc/$PPID/status" | sort | tr "\\n" " " >"%s"\n' "$work/$name.given"
		test $name = job && echo 'cat >/dev/null' || echo 'exec "$@"'
	} >"$work/$name"
	chmod 755 "$work/$name"
done
mkdir -p "$work/public" "$work/inbox"
echo "a file" >"$work/public/report"
protocols=m
two_sites "$work" "exec:$work/far uucico-ssh -r0 --peer=home --root=$work/hub"
sed -i "s|^\[site home\]|&\ncommands = rmail rgsmtp rsmtp probe=$work/job\nrequests = $work/public|" "$hub/mochila.conf"
sed -i "s|^\[site hub\]|&\nreceive = $work/inbox|" "$home/mochila.conf"

say "# a call that stands"
from_home one
from_hub two
MOCHILA_ROOT=$home uux -r "hub!probe" </dev/null || fail "no job"
MOCHILA_ROOT=$home uucp -r "hub!$work/public/report" "$work/inbox/report" || fail "no request"
start stay uucico-ssh --root="$home" -s hub --stay
caller=$pid
in_call() { grep -q called "$hub/run/call.home" 2>/dev/null; }
check "is on the line" wait_for 10 in_call
check "brings mail" arrived "$hub" one
check "both ways" arrived "$home" two
check "runs jobs" wait_for 20 test -s "$work/job.given"
check "and fetches files" wait_for 20 cmp -s "$work/public/report" "$work/inbox/report"
called=$(awk '{ print $1; exit }' "$hub/run/call.home")
check "the caller has given its rights away" test "$(given "$caller")" = "$sealed"
check "before it called" test "$(cat "$work/far.given")" = "$sealed"
check "the called end, too" test "$(given "$called")" = "$sealed"
check "and who runs its jobs" test "$(cat "$work/job.given")" = "$sealed"
helper=$(pgrep -o -P "$called")	# numbers of processes begin anew
check "a helper of the called end may more" test "$(given "$helper")" = "$open"
check "and holds no end of the line" sh -c "! find /proc/$helper/fd -maxdepth 1 \( -name 0 -o -name 1 \) -lname 'pipe:*' | grep -q ."
kill -TERM "$caller"
wait "$caller"
check "told to stop it stops" test $? -eq 0
gone() { ! kill -0 "$called" 2>/dev/null && ! kill -0 "$helper" 2>/dev/null; }
check "with the other end and its helper" wait_for 20 gone

say "# a site that calls again"
mkfifo "$work/line"
start dead sh -c "exec uucico-ssh -r0 --peer=home --root='$hub' <'$work/line' >/dev/null"
dead=$pid
exec 9>"$work/line"
holds() { grep -q "^$dead called" "$hub/run/call.home" 2>/dev/null; }
check "while its last call hangs" wait_for 10 holds
from_home three
check "takes its place" uucico-ssh --root="$home" -s hub
dead_is() { ! kill -0 "$dead" 2>/dev/null; }
check "by ending it" wait_for 10 dead_is
exec 9>&-
check "the mail is there" arrived "$hub" three
free() { test ! -s "$hub/run/call.home"; }
check "nobody holds the call any more" wait_for 10 free

say "# rmail"
mkfifo "$work/pipe"
start rmail sh -c "exec rmail --root '$hub' bob@hub.example <'$work/pipe'"
rmail=$pid
exec 9>"$work/pipe"
sealed_now() { test "$(given "$rmail")" = "$sealed"; }
check "has given them away before it reads" wait_for 10 sealed_now
printf 'From ann@x.example Sat Nov 21 12:00:00 2026\nSubject: four\n\nfour\n' >&9
exec 9>&-
wait "$rmail"
check "and takes its mail" test $? -eq 0
{
	echo '#!/bin/sh'
	echo "cat >/dev/null; sed -n 's/^NoNewPrivs:[[:space:]]*//p' /proc/self/status >'$work/taken'"
} >"$work/mailer"
chmod 755 "$work/mailer"
printf 'From ann@x.example Sat Nov 21 12:00:00 2026\nSubject: five\n\nfive\n' >"$work/five"
check "to another's sendmail" sh -c "rmail --root '$hub' --sendmail '$work/mailer' bob@hub.example <'$work/five'"
check "which has all rights, as it may need them" test "$(cat "$work/taken")" = 0

say "# the others"
told() { "$@" --log-level debug 2>&1 | grep -q 'event=sandbox .*landlock'; }
check "the packer" told bsmtp pack --root "$hub" home
check "what delivers behind a call" told bsmtp deliver --root "$hub" --to "maildir:$work/box"
finish
