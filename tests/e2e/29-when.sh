#!/bin/sh
# When a site is called, and how: windows, alternates, an estimate first, a caller that stays, and
# the dispatcher for cron.
# shellcheck disable=SC2317	# called by check
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
stage
answer="uucico-ssh -r0 --peer=home --root=$work/hub"
two_sites "$work" "exec:$answer"
history="$home/spool/log/mochila.log"
hour() { date -u -d "$1 hours" +%H:00; }
shut="$(hour +2)-$(hour +3)"
within() { ours -s hub --set="site hub.time-zone=UTC" --set="site hub.call-window=$1"; }

# ---- Windows -----------------------------------------------------------------------------

from_home one
check "outside its window" exits 75 within "$shut"
check "is told, with the next opening" said "outside its call-window, which opens next $(date -u -d '+2 hours' +%FT%H):00:00Z"
check "and nothing rests for it" test ! -e "$home/spool/out/hub/.retry"
check "a person may call all the same" exits 0 ours -s hub --now --set="site hub.time-zone=UTC" --set="site hub.call-window=$shut"
check "and the mail is there" arrived "$hub" one
from_home two
check "inside it" exits 0 within "$shut, $(hour +0)-$(hour +1)"
check "the mail goes" arrived "$hub" two
from_home three
check "a window for better grades" exits 0 within "grade<=A"
check "leaves batches of mail, which have C" test "$(there "$hub" three)" -eq 0
check "one for theirs" exits 0 within "grade<=C"
check "takes them" arrived "$hub" three
check "a window that is none" exits 78 within "at night"
check "a zone that is none" exits 78 ours -s hub --set="site hub.time-zone=Nowhere/Land"

# ---- Alternates --------------------------------------------------------------------------------

# shellcheck disable=SC2120
by() {	# by LINK [OPTION...]: with a satellite beside
	by_link=$1
	shift
	ours -s hub --set="site hub.link=$by_link" --set="site hub.alternates=phone sat" --set="way phone.link=exec:false" \
	    --set="way sat.link=exec:$answer" --set="way sat.money-per-megabyte=7.5" "$@"
}
last_call() { grep 'event=call ' "$history" | tail -n 1 | grep -q "$1"; }
from_home four
check "the cheap link is down, and the next one too" exits 0 by exec:false
check "so the satellite brings it" arrived "$hub" four
check "the history says so, and what it cost" last_call ' cost=[0-9.]* way=sat$'
check "nothing rests: it was reached" test ! -e "$home/spool/out/hub/.retry"
check "the link is up again" exits 0 by "exec:$answer"
check "and is taken" last_call ' secs=[0-9.]*$'
check "all are down" exits 75 by exec:false --set="way sat.link=exec:false"
check "the site rests, once" grep -q 'failures=1 ' "$home/spool/out/hub/.retry"
check "a far end that turns us away is one that was reached" exits 78 by "exec:$answer --set=spool.site=other"
check "and no other is tried" last_call ' secs=[0-9.]*$'
rm -f "$home/spool/out/hub/.retry"
check "the satellite is not for the day" exits 75 by exec:false --set="site hub.time-zone=UTC" --set="way sat.call-window=$shut"
check "and only what is small goes that way" sh -c "{ printf 'Subject: large\n\n'; head -c 90000 /dev/urandom | base64; } |
    MOCHILA_ROOT=$home sendmail -f ann@home.example bob@hub.example"
from_home five
check "(a call)" exits 0 by exec:false --set="way sat.call-largest=20K"
check "the small one did" arrived "$hub" five
check "the large one waits" test "$(there "$hub" large)" -eq 0
check "for the other" exits 0 by "exec:$answer"
check "with which it goes" arrived "$hub" large
check "an alternate that is not there" exits 78 ours -s hub --set="site hub.alternates=none"

# ---- A caller that stays ---------------------------------------------------------------------------

start stays uucico-ssh --root="$home" -s hub --stay
called() { grep -c 'event=call ' "$history"; }
before=$(called)
from_home six
check "mail that comes is sent" arrived "$hub" six
from_home seven
check "and what comes later" arrived "$hub" seven
sleep 3
check "and no call was made for nothing" test "$(called)" -le $((before + 4))
kill -TERM "$pid"
wait "$pid"
check "told to stop, it ends in good order" test $? -eq 0
check "it is for calls only" exits 64 uucico-ssh --root="$hub" -r0 --peer=home --stay
printf '#!/bin/sh\ntest -e "%s/up" && exec %s\n' "$work" "$answer" >"$work/up-and-down"
chmod 755 "$work/up-and-down"
start stays2 uucico-ssh --root="$home" -s hub --stay --set="site hub.link=exec:$work/up-and-down" --set='site hub.retry-after=2'
from_home eight
rests() { test -e "$home/spool/out/hub/.retry"; }
check "the line is down: the site rests" wait_for 20 rests
touch "$work/up"
check "and is called again behind its rest" wait_for 30 is_there "$hub" eight
stop "$pid"
finish
