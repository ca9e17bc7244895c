#!/bin/sh
# What calls may move, last and cost: in one call and in a month, on both ends; nothing is lost
# when a budget ends a call, and what is too large waits.
# shellcheck disable=SC2317	# called by check
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/pair-lib.sh
. "$top/tests/e2e/pair-lib.sh"
stage
answer="uucico-ssh -r0 --peer=home --root=$work/hub"
two_sites "$work" "exec:$answer"
large() { { printf 'Subject: large\n\n'; head -c 300000 /dev/urandom | base64; } |
	MOCHILA_ROOT=$home sendmail -f ann@home.example bob@hub.example; }
within() { ours -s hub --set="site hub.$1" --wire-stats="$work/stats"; }
both_large() { test "$(there "$hub" large)" -eq 2; }
moved() { tail -n 1 "$work/stats" | tr ' ' '\n' | sed -n "s/^$1=//p"; }

# ---- One call ----------------------------------------------------------------------------

large
check "a call of 100 KB at most" exits 75 within call-bytes=100K
check "is told" said 'call-bytes is used up'
check "moved about so much" test "$(moved data_out)" -gt 30000 -a "$(moved data_out)" -lt 240000
check "and the site does not rest" test ! -e "$home/spool/out/hub/.retry"
check "the next one goes on there" exits 0 ours -s hub --wire-stats="$work/stats"
check "with what is left" test "$(moved data_out)" -lt 250000
check "the mail is there, once" arrived "$hub" large
check "a silent far end and a call of a second" exits 75 ours -s hub --set="site hub.link=exec:sleep 20" --set="site hub.call-time=1s"
check "is told too" said 'call-time is used up'

from_home small
large
check "messages of 10 KB at most" exits 0 within call-largest=10K
check "the small one went" arrived "$hub" small
check "the large one waits" test "$(there "$home" large)" -eq 1

# ---- A month ------------------------------------------------------------------------------

check "more than a month's bytes" exits 75 within month-bytes=50K
check "are refused" said 'month-bytes is used up until the month ends'
check "and what to do is told" said "--set 'site hub.month-bytes=0'"
check "before anything is moved" test "$(there "$home" large)" -eq 1
check "nor does the site rest" test ! -e "$home/spool/out/hub/.retry"
check "there is time left of a day" exits 0 within month-time=1d
check "and the second large one is there" wait_for 10 both_large
check "a tariff" exits 0 ours -s hub --set="site hub.money-per-megabyte=1000" --set="site hub.money-per-minute=0.6"
check "is in the history" sh -c "grep -qE 'event=call .* cost=[0-9.]+$' '$home/spool/log/mochila.log'"
check "money of a month that is used up" exits 75 ours -s hub --set="site hub.month-money=0.01"
check "is told" said 'month-money is used up'

# ---- A user ---------------------------------------------------------------------------------

# What was sent until now was one user's, and more than 500 KB.
for protocol in i m; do
	sed -i "s/^protocols = .*/protocols = $protocol/" "$home/mochila.conf" "$hub/mochila.conf"
	from_home "user-$protocol"
	check "a user's month, by $protocol" exits 0 within user-month-bytes=500K
	check "is used up" grep -q 'event=waits site=hub user=".*" why=user-month-bytes' "$work/said"
	check "and their mail waits" test "$(there "$home" "user-$protocol")" -eq 1
	check "as when it costs too much" exits 0 ours -s hub --set="site hub.user-month-money=0.001" --set="site hub.money-per-megabyte=1"
	check "or is too large" exits 0 within user-largest=5
	check "it is still here" test "$(there "$home" "user-$protocol")" -eq 1
	check "until it may" exits 0 within user-month-bytes=1G
	check "then it is there" arrived "$hub" "user-$protocol"
done
sed -i "s/^protocols = .*/protocols = ietygGv/" "$home/mochila.conf" "$hub/mochila.conf"

# The answering end has a budget of its own.
from_home late
check "a peer whose month is used up" exits 75 ours -s hub --set="site hub.link=exec:$answer --set='site home.month-bytes=1K'"
check "is told to come later" said 'busy'
check "and its mail stays" test "$(messages "$home/spool/sent")" -ge 1
check "until the month ends" exits 0 ours -s hub
check "then it is there" arrived "$hub" late
finish
