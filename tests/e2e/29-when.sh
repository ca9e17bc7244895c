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

# With protocol m the call itself stays, and both ends send as mail arrives.
printf '#!/bin/sh\necho $$ >"%s/far-end"\nexec %s --set="site home.protocols=m"\n' "$work" "$answer" >"$work/stands"
chmod 755 "$work/stands"
calls=$(called)
start stands uucico-ssh --root="$home" -s hub --stay --set="site hub.protocols=m" --set="site hub.link=exec:$work/stands" --set='site hub.retry-after=1m'
stands=$pid
from_home there-one
check "a call that stands" arrived "$hub" there-one
sleep 2
from_home there-two
check "takes what comes later" arrived "$hub" there-two
from_hub back-one
check "and brings what comes there" arrived "$home" back-one
check "in one call" test "$(called)" -eq "$calls"
pack_now() { bsmtp --root="$home" pack hub >/dev/null 2>&1; }
check "and lets others at the queue, when all is still" wait_for 10 pack_now
kill -KILL "$(cat "$work/far-end")"
from_home there-three
check "the far end dies: it is called again at once" arrived "$hub" there-three
check "after one call that failed" test "$(called)" -eq $((calls + 1))
kill -TERM "$stands"
wait "$stands"
check "told to stop, it says goodbye" test $? -eq 0
# The one before was killed, and wrote nothing; behind it may stand what came of the mail.
goodbye() { grep -q 'event=call result=.* role=called protocol=m' "$hub/spool/log/mochila.log"; }
check "which the far end hears" wait_for 10 goodbye

# ---- An estimate ---------------------------------------------------------------------------------

estimate() { mochila --root="$home" --set="site hub.alternates=sat" --set="way sat.link=exec:false" --set="way sat.money-per-megabyte=7.5" \
	--set="way sat.call-largest=50K" --set="way sat.call-window=$shut" --set="site hub.time-zone=UTC" call --estimate "$@" hub; }
value() { estimate --json | python3 -c "import json, sys; way = json.load(sys.stdin)[$1]; print(way['$2'])"; }
check "an estimate of nothing" exits 0 estimate
check "has a line for each way" test "$(wc -l <"$work/said")" -eq 3
from_home nine
{ printf 'Subject: large\n\n'; head -c 90000 /dev/urandom | base64; } | MOCHILA_ROOT=$home sendmail -f ann@home.example bob@hub.example
mochila --root="$home" call --estimate hub >/dev/null
bsmtp --root="$home" --set='site hub.batch-age=9d' pack --due hub >/dev/null 2>&1	# settles
if command -v python3 >/dev/null; then
	check "two messages over the link" test "$(value 0 messages)" = 2
	check "of about their size" test "$(value 0 go)" -gt 50000 -a "$(value 0 go)" -lt 130000
	check "as fast as the last calls" sh -c "echo '$(value 0 seconds)' | grep -qE '^[0-9.e-]+$'"
	check "for nothing" test "$(value 0 cost)" = None
	check "one by satellite" test "$(value 1 messages)" = 1
	check "for some money" sh -c "echo '$(value 1 cost)' | grep -qE '^0\.0[0-9]+$'"
	check "but not now" test "$(value 1 open)" = False
fi
check "nothing was called" test "$(there "$hub" nine)" -eq 0
check "an estimate for a site that calls us" exits 78 mochila --root="$hub" call --estimate home
check "not of all" exits 64 mochila --root="$home" call --all --estimate

# ---- By cron -----------------------------------------------------------------------------------------

DISPATCH_LOCK=$work/dispatch DISPATCH_NET=$work/net
export DISPATCH_LOCK DISPATCH_NET
dispatch() { MOCHILA_ROOT=$home "$top/scripts/dispatch" "$@"; }
not_there() { test "$(there "$hub" nine)" -eq 0; }
mkdir -p "$work/net/ppp0" "$work/net/eth0"
echo down >"$work/net/ppp0/operstate"
echo down >"$work/net/eth0/operstate"
check "the link is down" exits 0 dispatch -l ppp0 -l eth0 hub
check "so nothing is called" not_there
check "outside its hours" exits 0 dispatch -w "$(date -d '+2 hours' +%H:00)-$(date -d '+3 hours' +%H:00)" hub
check "neither" not_there
echo next=2099-01-01T00:00:00Z failures=3 why=x >"$home/spool/out/hub/.retry"
check "a site that rests" exits 0 dispatch hub
check "is left alone" not_there
rm "$home/spool/out/hub/.retry"
check "in a window of mochila.conf that is shut" exits 0 env MOCHILA_SET="site hub.time-zone=UTC
site hub.call-window=$shut" MOCHILA_ROOT="$home" "$top/scripts/dispatch" hub
check "likewise" not_there
mkdir "$work/dispatch"
echo $$ >"$work/dispatch/pid"
check "while another dispatcher runs" exits 0 dispatch hub
check "nothing happens" not_there
echo 999999999 >"$work/dispatch/pid"
echo unknown >"$work/net/ppp0/operstate"
check "a dead one is no obstacle" exits 0 dispatch -j 1 -m -l ppp0 -w 00:00-24:00 hub
check "the call was made" arrived "$hub" nine
check "in silence" test ! -s "$work/said"
check "and the lock is gone" test ! -e "$work/dispatch"
before=$(called)
check "only if mail waits" exits 0 dispatch -m hub
check "and none does" test "$(called)" -eq "$before"
check "a call that fails" exits 75 env MOCHILA_SET="site hub.link=exec:false" MOCHILA_ROOT="$home" "$top/scripts/dispatch" hub
check "is told" said 'before a word of UUCP'
check "and backs off" grep -q 'failures=1 ' "$home/spool/out/hub/.retry"
check "no such option" exits 64 dispatch -x hub
check "no such time" exits 64 dispatch -w 25:00-26:00 hub
check "no site" exits 64 dispatch

# ---- When the link is up: as ifupdown, NetworkManager, pppd and networkd say it ----------------------------

# What each puts into the environment, and its arguments.
as_ifupdown() { env -i PATH="$PATH" MOCHILA_LIBEXEC="$MOCHILA_LIBEXEC" MOCHILA_ROOT="$home" MOCHILA_ACCOUNT='' IFACE=wwan0 LOGICAL=wwan0 ADDRFAM=inet METHOD=ppp MODE=start PHASE=post-up "$top/scripts/examples/link-up"; }
as_networkmanager() { env -i PATH="$PATH" MOCHILA_LIBEXEC="$MOCHILA_LIBEXEC" MOCHILA_ROOT="$home" MOCHILA_ACCOUNT='' NM_DISPATCHER_ACTION=up CONNECTION_ID=mobile DEVICE_IFACE=cdc0 DEVICE_IP_IFACE=wwan0 "$top/scripts/examples/link-up" wwan0 up; }
as_pppd() { env -i PATH="$PATH" MOCHILA_LIBEXEC="$MOCHILA_LIBEXEC" MOCHILA_ROOT="$home" MOCHILA_ACCOUNT='' PPP_IFACE=wwan0 PPP_TTY=/dev/ttyUSB0 PPP_LOCAL=10.0.0.2 PPP_REMOTE=10.0.0.1 "$top/scripts/examples/link-up" wwan0 /dev/ttyUSB0 115200 10.0.0.2 10.0.0.1 ''; }
as_networkd() { env -i PATH="$PATH" MOCHILA_LIBEXEC="$MOCHILA_LIBEXEC" MOCHILA_ROOT="$home" MOCHILA_ACCOUNT='' IFACE=wwan0 AdministrativeState=configured OperationalState=routable "$top/scripts/examples/link-up"; }
cat >>"$home/mochila.conf" <<-END
	[link wwan0]
	destinations = hub
	call = yes
	[link eth0]
	destinations = nowhere
END
for system in ifupdown networkmanager pppd networkd; do
	echo next=2099-01-01T00:00:00Z failures=3 why=x >"$home/spool/out/hub/.retry"
	from_home "by-$system"
	check "$system says that the link is up" "as_$system"
	check "and the site is called" arrived "$hub" "by-$system"
	called_now() { test ! -e "$home/spool/out/hub/.retry"; }
	check "and rests no more" wait_for 10 called_now
done
finish
