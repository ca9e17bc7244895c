#!/bin/sh
# Delivery reports end to end: refused, relayed, delivered, delayed and given up, each
# judged by a parser that is not ours (Python's email package), and none where RFC 3461
# wants none.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage
hub=$work/hub
free_port && dead=$port
away=$work/away
make_site "$away" away
cat >>"$away/mochila.conf" <<END
[relay main]
listen = 127.0.0.1:0
[routes]
gone.example = reject:they moved away
END
relay_up "$away" || fail "the next hop did not start"
make_site "$hub" hub
cat >>"$hub/mochila.conf" <<END
[relay main]
listen = 127.0.0.1:0
[routes]
home.example = maildir:mail/%u
gone.example = smtp:$(at "$away")
dead.example = smtp:127.0.0.1:$dead
END

cat >"$work/judge.py" <<'END'
# judge.py FILE ACTION STATUS: is it a delivery report with these, by the book?
import email, email.policy, sys
path, action, status = sys.argv[1:4]
with open(path, "rb") as f:
    m = email.message_from_binary_file(f, policy=email.policy.default)
def must(what, ok):
    if not ok:
        sys.exit(f"{path}: {what}")
must("no defects", not m.defects)
must("multipart/report", m.get_content_type() == "multipart/report")
must("report-type", m.get_param("report-type") == "delivery-status")
must("Return-Path is empty", m["Return-Path"] == "<>")
must("auto-submitted", m["Auto-Submitted"].startswith("auto-"))
must("Date and Message-ID", m["Date"] and m["Message-ID"])
parts = list(m.iter_parts())
must("three parts", len(parts) == 3)
must("text first", parts[0].get_content_type() == "text/plain")
must("status second", parts[1].get_content_type() == "message/delivery-status")
groups = parts[1].get_payload()
must("a group for the message and one for the recipient", len(groups) == 2)
must("Reporting-MTA", groups[0]["Reporting-MTA"].startswith("dns;"))
must("Original-Envelope-Id", groups[0]["Original-Envelope-Id"] == "QQ 314")
rcpt = groups[1]
must("Original-Recipient", rcpt["Original-Recipient"] == "rfc822; Bob@Orig.example")
must("Final-Recipient", rcpt["Final-Recipient"].startswith("rfc822; bob@"))
must(f"Action is {rcpt['Action']}", rcpt["Action"] == action)
must(f"Status is {rcpt['Status']}", rcpt["Status"] == status)
must("who was asked, when somebody answered", (rcpt["Remote-MTA"] is None) == (status in ("4.0.0", "4.4.7", "2.0.0")))
must("the original's subject", "Subject: probe" in parts[2].as_string())
END

# probe DOMAIN NOTIFY [FROM]: a mail whose report, if any, comes to ann's Maildir
probe() {
	call "$main" "< 220" "> EHLO test.example" "< 250" \
	    "> MAIL FROM:<${3-ann@home.example}> RET=HDRS ENVID=QQ+20314" "< 250" \
	    "> RCPT TO:<bob@$1> ORCPT=rfc822;Bob@Orig.example$2" "< 250" \
	    "> DATA" "< 354" "> Subject: probe" "> Message-ID: <probe@test.example>" "> " "> body" "> ." "< 250"
}
reports() { boxed "$hub" ann; }
told() { test "$(reports)" -gt "$before"; }
last() { find "$hub/mail/ann/new" -type f | LC_ALL=C sort | tail -n 1; }
expect() {	# expect ACTION STATUS: a new report comes, and is such a one
	wait_for 15 told || { say "no report came"; return 1; }
	python3 "$work/judge.py" "$(last)" "$1" "$2"
}
quiet() { sleep 2; test "$(reports)" -eq "$before"; }

relay_up "$hub" || fail "the relay did not start"
main=$(at "$hub")

say "# a failure"
before=$(reports)
probe gone.example "" || fail "the mail was not taken"
check "is told" expect failed 5.7.1
before=$(reports)
probe gone.example " NOTIFY=FAILURE"
check "to who asks for it" expect failed 5.7.1
before=$(reports)
probe gone.example " NOTIFY=NEVER"
probe gone.example " NOTIFY=SUCCESS,DELAY"
probe gone.example "" ""
check "to nobody who does not, and never for the null sender" quiet
check "whose mail waits for a person" test "$(messages "$hub/spool/failed")" -eq 1

say "# success"
before=$(reports)
probe home.example " NOTIFY=SUCCESS"
check "is told to who asks: delivered" expect delivered 2.0.0
before=$(reports)
probe home.example ""
probe home.example " NOTIFY=FAILURE,DELAY"
check "and to nobody else" quiet

say "# waiting"
stop "$relay"
relay_up "$hub" --set spool.retry-after=1s --set spool.retry-max=1s --set spool.delay-after=2s \
    --set spool.expire-after=8s || fail "the relay did not start"
main=$(at "$hub")
before=$(reports)
probe dead.example "" || fail "the mail was not taken"
check "a delay is told" expect delayed 4.0.0
before=$((before + 1))	# the next one may be there by now
check "once, and then that it was given up" expect failed 4.4.7
before=$(reports)
check "and no more" quiet
check "nothing waits any longer" empty "$hub/spool/out"
stop "$relay"
finish
