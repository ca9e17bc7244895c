#!/bin/sh
# A real Postfix beside mochila-relay: each takes what the other sends, once and whole.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
# shellcheck source=scripts/postfix.sh
. "$top/scripts/postfix.sh"
stage

root=$work/hub
free_port && ours=$port
free_port && theirs=$port
make_site "$root" hub
cat >>"$root/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:$ours
	max-client-connections = 40
	[routes]
	home.example = maildir:mail/%u
	away.example = smtp:127.0.0.1:$theirs
END
start_postfix "$work/postfix" "$theirs" "default_transport = smtp:[127.0.0.1]:$ours" \
    "transport_maps = inline:{away.example=discard:}" || skip "$why"
relay_up "$root" || fail "the relay does not start"

check "Postfix is loaded with forty mails by four sessions" smtp_source -d -s 4 -m 40 -l 2000 \
    -f ann@x.example -t bob@home.example "127.0.0.1:$theirs"
check "and hands them all to the relay" wait_for 30 has_mail "$root" bob 40
went() { test "$(grep -c 'to=<bob@home.example>.*status=sent (250 2.0.0' "$work/postfix/log")" -eq 40; }
check "which has said so forty times" wait_for 10 went

check "the relay is loaded with forty for Postfix" smtp_source -d -s 4 -m 40 -l 2000 \
    -f ann@x.example -t eve@away.example "127.0.0.1:$ours"
came() { test "$(grep -c 'to=<eve@away.example>.*status=sent' "$work/postfix/log")" -eq "$1"; }
check "and Postfix gets them all" wait_for 30 came 40
check "nothing of them waits any more" wait_for 10 sh -c "! find '$root/spool/out' '$root/spool/in' -type f ! -name '.*' | grep -q ."
check "none went twice" came 40
stop "$relay"
left() { grep -lsa "MAIL_CONFIG=$work/postfix/etc" /proc/[0-9]*/environ; }
check "Postfix's programs are there" test -n "$(left)"
stop "$postfix"
none_left() { test -z "$(left)"; }
check "and gone with their master" wait_for 10 none_left
finish
