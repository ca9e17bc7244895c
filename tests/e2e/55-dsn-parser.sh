#!/bin/sh
# The whole matrix of RFC 3461 once more: hops with and without DSN that take, refuse or put
# off; NOTIFY in all its forms; mail that came by SMTP, and through a batch.  What ann is told is
# read by Python's parser of messages, which is not ours, and held against RFC 3464.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage
cd "$work" || exit 99

# row | RCPT parameters | MAIL parameters | when taken without DSN | when refused | when put off
cat >table <<'END'
1||||failed|delayed
2|NOTIFY=NEVER|RET=FULL|||
3|NOTIFY=SUCCESS|RET=HDRS ENVID=QQ+2B314|relayed||
4|NOTIFY=FAILURE|RET=FULL ENVID=x||failed|
5|NOTIFY=DELAY|ENVID=0|||delayed
6|NOTIFY=SUCCESS,FAILURE|RET=FULL|relayed|failed|
7|NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2B@Orig.Example||relayed||delayed
8|NOTIFY=FAILURE,DELAY ORCPT=rfc822;b@o.example|RET=HDRS||failed|delayed
9|ORCPT=x400;/C+3Dat/ NOTIFY=success,Failure,DELAY|ENVID=a RET=Full|relayed|failed|delayed
END

make_site "$work/first" first
cat >>first/mochila.conf <<-END
	[routes]
	* = site:hub
	[site hub]
	codec = gz
END
make_site "$work/hub" hub
cat >>hub/mochila.conf <<-END
	delay-after = 15s
	retry-after = 1s
	retry-max = 2s
	[site first]
	[relay main]
	listen = 127.0.0.1:0
	[routes]
	ann.example = maildir:mail/ann
	box.example = maildir:mail/box
END
hops=
for way in live batch; do
	for kind in dsn plain; do
		for outcome in taken rcpt end later; do
			name=$way-$kind-$outcome
			start "$name" python3 "$top/tests/e2e/hop.py" "$name.port" "$name.said" $kind $outcome
			wait_for 20 test -s "$name.port" || fail "$name does not start"
			echo "$name.example = smtp:127.0.0.1:$(cat "$name.port")" >>hub/mochila.conf
			hops="$hops $name"
		done
	done
done

mails() { # NAME...: as a client sends them
	for name; do
		while IFS='|' read -r row rcpt mail _; do
			printf 'MAIL FROM:<ann@ann.example>%s\nRCPT TO:<Row%s@%s.example>%s\nDATA\nSubject: row %s\n\nTHE BODY\n.\n' \
			    "${mail:+ $mail}" "$row" "$name" "${rcpt:+ $rcpt}" "$row"
		done <table
	done
}
# shellcheck disable=SC2046	# names are words
mails $(say "$hops" | tr ' ' '\n' | grep batch) batch.box | sed 's/batch.box.example/box.example/; s/$/\r/' >batch.mails
{ printf 'EHLO x\r\n'; cat batch.mails; printf 'QUIT\r\n'; } >batch.bsmtp
check "a batch of them is taken" env MOCHILA_ROOT="$work/first" bsmtp unpack --peer=hub batch.bsmtp
check "packed" env MOCHILA_ROOT="$work/first" bsmtp pack hub
batch=$(find first/spool/sent/hub -type f ! -path '*.d/*' | head -n 1)
check "and unpacked at the next site" env MOCHILA_ROOT="$work/hub" bsmtp unpack --peer=first "$batch"
relay_up "$work/hub" || fail "the relay did not start"
# shellcheck disable=SC2046
check "others come by SMTP" sh -c "{ printf '< 220\n> EHLO x\n< 250\n'; sed 's/^/> /; s/^> MAIL.*/&\n< 250/; s/^> RCPT.*/&\n< 250/; s/^> DATA/&\n< 354/; s/^> \\.\$/&\n< 250/'; \
    printf '> QUIT\n< 221\n'; } | '$wire' call '$(at "$work/hub")'" <<END
$(mails $(say "$hops" | tr ' ' '\n' | grep live))
END

# What ann ought to hear: "live-dsn-rcpt 1 failed"
for name in $hops box; do
	while IFS='|' read -r row _ _ taken refused put_off; do
		case $name in
		*-dsn-taken) told='' ;;
		*-plain-taken) told=$taken ;;
		*-later) told=$put_off ;;
		box) told=${taken:+delivered} ;;
		*) told=$refused ;;
		esac
		test -z "$told" || echo "$name $row $told"
	done <table
done | sort >expected

cat >read.py <<'END'
"""Each report of a folder, as RFC 3464 has it: one line NAME ROW ACTION; what is wrong to stderr."""
import email, email.policy, os, re, sys

ASKED = {row[0]: row for row in (line.rstrip("\n").split("|") for line in open("table"))}
bad = 0

def must(ok, what):
    global bad
    if not ok:
        bad += 1
        print(name, what, file=sys.stderr)

def xtext(text):
    return re.sub(r"\+([0-9A-F]{2})", lambda hit: chr(int(hit.group(1), 16)), text)

def arg(words, key):
    for word in words.split():
        if word.upper().startswith(key + "="):
            return word[len(key) + 1:]

for name in sorted(os.listdir(sys.argv[1])):
    report = email.message_from_binary_file(open(os.path.join(sys.argv[1], name), "rb"), policy=email.policy.SMTP)
    must(not report.defects, report.defects)
    must(report.get_content_type() == "multipart/report", report.get_content_type())
    must(report.get_param("report-type") == "delivery-status", "report-type")
    must(report["Return-Path"] == "<>", "its sender")
    must(report["To"].addresses[0].addr_spec == "ann@ann.example", "To")
    for field in ("From", "Date", "Message-ID", "MIME-Version", "Subject"):
        must(report[field], field)
    parts = list(report.iter_parts())
    must(len(parts) == 3, "three parts")
    must(parts[0].get_content_type() == "text/plain" and parts[0].get_content().strip(), "words for people")
    must(parts[1].get_content_type() == "message/delivery-status", "the status")
    message, *rcpts = parts[1].get_payload()
    must(message["Reporting-MTA"] == "dns; hub.example", message["Reporting-MTA"])
    must(message["Arrival-Date"], "Arrival-Date")
    for rcpt in rcpts:
        row, hop = re.fullmatch(r"rfc822; Row(\d)@(.*)\.example", rcpt["Final-Recipient"]).groups()
        asked, action, status = ASKED[row], rcpt["Action"], rcpt["Status"]
        must(re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", status), status)
        must(status[0] in {"failed": "5", "delayed": "4"}.get(action, "2"), (action, status))
        must(rcpt["Last-Attempt-Date"] or hop == "box", "Last-Attempt-Date")
        if hop != "box":
            must(rcpt["Remote-MTA"] == "dns; 127.0.0.1", rcpt["Remote-MTA"])
            must(re.match(r"smtp;\s*[245]\d\d", rcpt["Diagnostic-Code"] or ("" if action != "relayed" else "smtp; 250")),
                 rcpt["Diagnostic-Code"])
        must((rcpt["Will-Retry-Until"] is not None) == (action == "delayed"), "Will-Retry-Until")
        said = arg(asked[1], "ORCPT")
        told = rcpt["Original-Recipient"]
        must(said is None and told is None or said and told and
             told.replace("; ", ";", 1) == xtext(said), ("Original-Recipient", told, said))
        envid = arg(asked[2], "ENVID")
        must(message["Original-Envelope-Id"] == (envid and xtext(envid)), message["Original-Envelope-Id"])
        full = (arg(asked[2], "RET") or "").upper() == "FULL" and action == "failed"
        returned = parts[2]
        must(returned.get_content_type() == ("message/rfc822" if full else "text/rfc822-headers"), returned.get_content_type())
        must((b"THE BODY" in returned.as_bytes()) == full, "what is returned")
        must(b"Subject: row " + row.encode() in returned.as_bytes(), "whose it is")
        print(hop, row, action)
sys.exit(bad > 0)
END
all_told() { python3 read.py hub/mail/ann/new >told 2>wrong; sort -u told | cmp -s - expected; }
tries=0
until all_told || test $tries -eq 20; do
	tries=$((tries + 1))
	sleep 3
done
check "ann hears of each what the table says" all_told
sort -u told | diff expected -
read_all() { python3 read.py hub/mail/ann/new >/dev/null; }
check "in reports that another parser reads so" read_all
check "each once" test "$(sort told | uniq -d | wc -l)" -eq 0
for name in $hops; do
	case $name in *-taken) ;; *) continue ;; esac
	while IFS='|' read -r row rcpt mail _; do
		case $name in *-plain-*) rcpt='' mail='' ;; esac
		echo "MAIL FROM:<ann@ann.example>${mail:+ $mail}"
		echo "RCPT TO:<Row$row@$name.example>${rcpt:+ $rcpt}"
	done <table | sort >want
	sort "$name.said" >have
	check "$name heard just what was asked for" cmp want have
done
finish
