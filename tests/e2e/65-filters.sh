#!/bin/sh
# Filters before the 250: programs by E-MailRelay's contract, its documented examples among
# them, and the small ones that are built in.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage

root=$work/hub
make_site "$root" hub
bin=$work/bin
mkdir "$bin"

# program NAME: a filter, its text from standard input.
program() {
	{ echo '#!/bin/sh'; sed "s|@WORK@|$work|g"; } >"$bin/$1"
	chmod 755 "$bin/$1"
}

# What it finds, as it finds it.
program look <<-'END'
	{ echo "args=$#"; echo "content=${1##*/}"; echo "envelope=${2##*/}"; env | cut -d= -f1 | sort | tr '\n' ' '; echo
	  ls -l /proc/self/fd/0 | sed 's/.*-> //'; } >@WORK@/looked
	ls /proc/$$/fd >@WORK@/open
	cp "$1" @WORK@/looked.content; cp "$2" @WORK@/looked.envelope
	test "$1" = "$(echo "$2" | sed 's/envelope.new/content/')" || exit 9
	case $1 in */content*/*) exit 9 ;; esac
	exit 0
END
# By the local part of the first recipient: "x17-..." ends with status 17.
program status <<-'END'
	to=$(sed -n 's/^X-MailRelay-To-[A-Z][a-z]*: //p' "$2" | tr -d '\r' | head -n 1)
	case $to in
	text@*) echo "chatter"; echo "<<no mail like this>>"; echo "<<the log learns more>>"; exit 1 ;;
	square@*) echo "[[550 5.7.9 not that]]"; exit 3 ;;
	later@*) echo "<<450 4.7.5 come back>>"; exit 3 ;;
	inject@*) printf '<<one\rtwo>>\n'; exit 1 ;;
	loud@*) head -c 3000000 /dev/zero; exit 0 ;;
	busy@*) while :; do :; done ;;
	flood@*) exec head -c 3000000 /dev/zero >"$1" ;;
	room@*) test "$(ulimit -v) $(ulimit -n)" = "409600 1024" || exit 9 ;;
	killed@*) kill -9 $$ ;;
	gone@*) rm -f "$1" "$2"; exit 100 ;;
	lost@*) rm -f "$1" "$2"; exit 0 ;;
	slow@*) sleep 300 & echo $! >@WORK@/slow.pid; wait ;;
	fled@*) setsid sh -c 'echo $$ >@WORK@/fled.pid; exec sleep 300' & while test ! -s @WORK@/fled.pid; do sleep 0.1; done; exit 0 ;;
	parent@*) kill -9 $PPID; exit 0 ;;
	x*@*) s=${to%%-*}; exit "${s#x}" ;;
	esac
	exit 0
END
# E-MailRelay's manual: the client's address decides, and what it takes is its own.
program by-address <<-'END'
	content="$1"
	envelope="$(echo "$content" | sed 's/content/envelope.new/')"
	ip="$(awk '/MailRelay-Client:/ {print $2;exit}' "$envelope" | tr -d '\r')"
	if test "$ip" = "127.0.0.1" && grep -q '^Subject: take it' "$content"; then
		cat <"$content" >@WORK@/taken
		rm -f "$envelope" "$content"
		exit 100
	fi
	exit 0
END
# As its set-from, rot13 and bcc examples: the sender, the text, the recipients.
program set-from <<-'END'
	sed 's/^X-MailRelay-From: .*/X-MailRelay-From: noreply@hub.example\r/' "$2" >"$2.tmp" && mv "$2.tmp" "$2"
END
program rot13 <<-'END'
	{ sed '/^\r*$/q' "$1"; sed '1,/^\r*$/d' "$1" | tr 'A-Za-z' 'N-ZA-Mn-za-m'; } >"$1.tmp" && mv "$1.tmp" "$1"
END
program bcc <<-'END'
	n=$(sed -n 's/^X-MailRelay-ToCount: \([0-9]*\).*/\1/p' "$2")
	awk -v n="$n" '/^X-MailRelay-ToCount:/ {print "X-MailRelay-ToCount: " n + 1 "\r"; next}
	    /^X-MailRelay-Authentication:/ {print "X-MailRelay-To-Remote: archive@home.example\r"} {print}' "$2" >"$2.tmp" &&
	    mv "$2.tmp" "$2"
END
program lf <<-'END'
	{ printf 'X-Filtered: yes\n'; tr -d '\r' <"$1"; } >"$1.tmp" && mv "$1.tmp" "$1"
END
program elsewhere <<-'END'
	sed 's/^X-MailRelay-ForwardToAddress:.*/X-MailRelay-ForwardToAddress: 127.0.0.1:1\r/' "$2" >"$2.tmp" && mv "$2.tmp" "$2"
END

doors='look status by-address set-from rot13 bcc lf elsewhere'
others='pass-on none chain plain split exit1 exit100 sleep hops copy deliver keep broken'
{
	! built CARES || echo 'resolver = 127.0.0.1:1'
	printf '%s\n' 'max-filters = 3' '[routes]' 'home.example = maildir:mail/%u' 'other.example = maildir:other/%u' \
	    'far.example = smtp:127.0.0.1:1' 'hub.example = maildir:mail/%u'
	for door in $doors; do
		printf '%s\n' "[filter $door]" "run = exec:$bin/$door" "[relay $door]" 'listen = 127.0.0.1:0' "filters = $door"
	done
	for door in $others; do printf '%s\n' "[relay $door]" 'listen = 127.0.0.1:0'; done
	cat <<-END
		[relay pass-on]
		filters = broken-but
		[filter broken-but]
		run = exec:/no/such/program
		on-trouble = pass
		[relay broken]
		filters = broken
		[filter broken]
		run = exec:/no/such/program
		[filter slow]
		run = exec:$bin/status
		timeout = 1s
		[filter status]
		max-cpu = 1
		max-written = 200K
		max-memory = 400M
		[relay chain]
		filters = lf set-from msgid slow
		[filter msgid]
		run = msgid:
		[relay plain]
		filters = msgid exit0
		[filter exit0]
		run = exit:0
		[relay exit1]
		filters = exit1
		[filter exit1]
		run = exit:1
		[relay exit100]
		filters = exit100 exit1
		[filter exit100]
		run = exit:100
		[relay sleep]
		filters = sleep
		[filter sleep]
		run = sleep:300
		timeout = 1s
		[relay split]
		filters = split
		[filter split]
		run = split:
		[relay hops]
		filters = split mx
		[filter mx]
		run = mx:
		[relay copy]
		filters = copy
		[filter copy]
		run = copy:copies
		[relay deliver]
		filters = deliver
		[filter deliver]
		run = deliver:delivered/%u
		[relay keep]
		filters = keep small
		[filter keep]
		run = deliver:kept/%u;nodelete
		[filter small]
		run = exit:1
		max-size = 100
	END
} >"$work/more"
# A section said twice is one.
awk '/^\[/ {at = $0} {text[at] = text[at] (text[at] == "" || $0 ~ /^\[/ ? "" : "") $0 "\n"; if (!(at in n)) {n[at] = 1; order[++c] = at}}
    END {for (i = 1; i <= c; i++) {k = split(text[order[i]], l, "\n"); seen = 0
	for (j = 1; j <= k; j++) {if (l[j] == order[i] && seen++) continue; if (l[j] != "") print l[j]}}}' "$work/more" >>"$root/mochila.conf"
relay_up "$root" || fail "the relay does not start"

# through DOOR TO SUBJECT [ANSWER]: one mail; its answer is said.
through() {
	call "$(at "$root" "$1")" "< 220" "> EHLO test.example" "< 250" "> MAIL FROM:<ann@hub.example>" "< 250" "> RCPT TO:<$2>" "< 250" \
	    "> DATA" "< 354" "> Subject: $3" "> " "> Hello, $3." "> ." "< ${4-250 2.0.0}" "> QUIT" "< 221"
}
box() { cat "$root/${2:-mail}/$1"/new/* 2>/dev/null; }
boxes() { box "$1" "$2" | grep -q "$3"; }
filtering() { find "$root/run/filter" -type f 2>/dev/null | wc -l; }

say "# what a program finds"
check "a mail goes through a program" through look bob@home.example "one"
check "and on" wait_for 10 boxes bob mail '^Subject: one'
check "which has two arguments" grep -qx args=2 "$work/looked"
check "and no environment but PATH and IFS, and its shell's" sh -c "! sed -n 4p '$work/looked' | tr ' ' '\n' | grep -vxE 'PATH|IFS|PWD|OLDPWD|SHLVL|_|'"
check "and reads nothing" grep -qx /dev/null "$work/looked"
check "and has no file of ours" sh -c "! grep -vxE '0|1|2|10|11|255' '$work/open'"
check "the content has CRLF lines" grep -q "$(printf 'Hello, one\\.\r$')" "$work/looked.content"
check "and our trace field" grep -q '^Received: from test.example' "$work/looked.content"
check "the envelope is as E-MailRelay writes it" sh -c "tr -d '\r' <'$work/looked.envelope' | cut -d: -f1 | sed s/X-MailRelay-// | tr '\n' ' ' |
    grep -qx 'Format Content From ToCount To-Local Authentication Client ClientCertificate MailFromAuthIn MailFromAuthOut ForwardTo ForwardToAddress ClientAccountSelector Utf8MailboxNames End '"
check "with all it needs" sh -c "tr -d '\r' <'$work/looked.envelope' | grep -cxE 'X-MailRelay-(Format: #2821.8|From: ann@hub.example|ToCount: 1|To-Local: bob@home.example|Client: 127.0.0.1|End: 1)' | grep -qx 6"
check "nothing of it is left" test "$(filtering)" -eq 0

say "# exit codes"
for code in 0 101 103; do
	check "status $code: goes on" through status "x$code-@home.example" "$code"
	check "to its mailbox" wait_for 10 has_mail "$root" "x$code-" 1
done
for code in 1 42 75 99 104 105; do
	check "status $code: refused" through status "x$code-@home.example" "$code" "550 5.7.1 rejected by a filter"
done
for code in 100 102; do check "status $code: gone" through status "x$code-@home.example" "$code"; done
check "another status is the filter's own trouble" through status x126-@home.example x "451 4.3.0"
check "as is a signal" through status killed@home.example x "451 4.3.0"
check "the words of a program" through status text@home.example x "550 5.7.1 no mail like this"
check "the second ones are for the log" wait_for 5 grep -q 'filter-says text="the log learns more"' "$work/hub.log"
check "with their own code" through status square@home.example x "550 5.7.9 not that"
check "which may be for now" through status later@home.example x "450 4.7.5 come back"
check "no line end of it gets out" through status inject@home.example x "550 5.7.1 one two"
check "what it prints is bounded" through status loud@home.example loud
check "its processor time too" through status busy@home.example busy "451 4.3.0"
check "and what it writes" through status flood@home.example flood "451 4.3.0"
check "as the log says" sh -c "grep -q 'filter-trouble filter=status why=\"the program went beyond its max-cpu' '$work/hub.log' &&
    grep -q 'filter-trouble filter=status why=\"the program went beyond its max-written' '$work/hub.log'"
check "its memory and files are, for itself to see" through status room@home.example room
check "files taken with 100" through status gone@home.example gone
check "files lost without it" through status lost@home.example lost "451 4.3.0"
nobody() { for box in x1- x42- x75- x99- x104- x105- x100- x102- text gone lost killed; do test "$(boxed "$root" "$box")" -eq 0 || return 1; done; }
check "nobody has any of these" nobody
check "too long" through chain slow@home.example slow "451 4.3.0"
check "is the end of it and its children" wait_for 10 gone "$(cat "$work/slow.pid")"
check "one that leaves something behind" through status fled@home.example fled
check "leaves nothing" wait_for 10 gone "$(cat "$work/fled.pid")"
check "one that takes the process along" through status parent@home.example p "451 4.3.0"
check "is the end of that message only" through status after@home.example after
check "a program that is not there" through broken bob@home.example x "451 4.3.0"
check "which may be passed over" through pass-on passed@home.example x
check "and the mail goes on" wait_for 10 has_mail "$root" passed 1
check "nothing is left of all these" test "$(filtering)" -eq 0

say "# what a program may change"
check "E-MailRelay's example takes mail" through by-address bob@home.example "take it"
check "and has it" grep -q '^Subject: take it' "$work/taken"
check "nobody else" test "$(box bob | grep -c '^Subject: take it')" -eq 0
check "other mail goes on" through by-address addr@home.example "leave it"
check "to where it should" wait_for 10 has_mail "$root" addr 1
check "the sender" through set-from from@home.example f
check "is another" wait_for 10 boxes from mail '^Return-Path: <noreply@hub.example>'
check "the text" through rot13 rot@home.example r
check "is another" wait_for 10 boxes rot mail '^Uryyb, e\.'
check "the recipients" through bcc bcc@home.example b
check "are more" wait_for 10 boxes archive mail '^Subject: b'
check "the first among them" wait_for 10 boxes bcc mail '^Subject: b'
check "lines without CR" through lf lf@home.example lf
check "become mail" wait_for 10 boxes lf mail '^X-Filtered: yes'
check "whole and sound" sh -c "! cat '$root'/mail/lf/new/* | tr -d '\\n' | grep -q '$(printf '\r')'"
check "where it goes" through elsewhere else@home.example e
waits() { test "$(messages "$root/spool/out/$1")" -eq "$2"; }
check "is another host" wait_for 10 waits smtp:127.0.0.1:1 1
check "several behind one another" through chain chain@home.example c
check "see what those before did" wait_for 10 boxes chain mail '^Return-Path: <noreply@hub.example>'
check "and added" wait_for 10 boxes chain mail '^Message-ID: <.*@hub.example>'
check "a large one" sh -c "{ printf '%s\n' '< 220' '> EHLO x' '< 250' '> MAIL FROM:<ann@hub.example>' '< 250' '> RCPT TO:<large@home.example>' '< 250' '> DATA' '< 354' '> Subject: large' '> '
    awk 'BEGIN {for (i = 0; i < 4000; i++) print \"> line \" i \" is one of very many that make this mail large\"}'; printf '%s\n' '> .' '< 250 2.0.0'; } | '$wire' call '$(at "$root" rot13)'"
check "goes the same way" wait_for 10 boxes large mail '^yvar 3999 vf bar'
check "under the id of its 250" sh -c "grep -q 'event=accepted .*relay=rot13' '$root/spool/log/mochila.log'"

say "# built in"
check "a Message-ID" through plain plain@home.example p
check "is added" wait_for 10 boxes plain mail '^Message-ID: <.*@hub.example>'
check "exit:1 refuses" through exit1 bob@home.example x "550 5.7.1"
check "exit:100 takes, and nothing behind it is asked" through exit100 exited@home.example x
check "sleep: is bounded" through sleep bob@home.example x "451 4.3.0"
check "a mail for two domains" call "$(at "$root" split)" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<ann@hub.example>" "< 250" \
    "> RCPT TO:<s1@home.example>" "< 250" "> RCPT TO:<s2@other.example>" "< 250" "> RCPT TO:<s3@home.example>" "< 250" "> DATA" "< 354" "> Subject: split" "> " "> x" "> ." "< 250 2.0.0"
check "is two" wait_for 10 sh -c "grep -c 'event=settled messages=2' '$work/hub.log' | grep -q . ; test -f '$root'/mail/s1/new/*"
check "to all of them" wait_for 10 sh -c "ls '$root'/mail/s1/new/* '$root'/mail/s3/new/* '$root'/other/s2/new/* >/dev/null 2>&1"
check "split and sent to its exchangers" through hops mx@far.example m
check "whatever the routes say" wait_for 10 waits mx:far.example 1
mkdir -p "$root/copies/one" "$root/copies/two" "$root/copies/postmaster" "$root/copies/.hidden"
check "a copy" through copy bob@home.example copied
check "for each folder" sh -c "ls '$root'/copies/one/new/* '$root'/copies/two/new/* >/dev/null"
check "but two" sh -c "! ls -d '$root'/copies/postmaster/new '$root'/copies/.hidden/new 2>/dev/null"
check "and nobody else" test "$(box bob | grep -c '^Subject: copied')" -eq 0
check "mail of this host" call "$(at "$root" deliver)" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<ann@hub.example>" "< 250" \
    "> RCPT TO:<d1@home.example>" "< 250" "> RCPT TO:<d2@far.example>" "< 250" "> DATA" "< 354" "> Subject: delivered" "> " "> x" "> ." "< 250 2.0.0"
check "is delivered" boxes d1 delivered '^Delivered-To: d1@home.example'
check "the rest goes on" wait_for 10 waits smtp:127.0.0.1:1 2
check "and no more" test "$(boxed "$root" d1)" -eq 0
check "kept, and too large for the next filter" through keep keep@home.example k
check "both have it" wait_for 10 sh -c "ls '$root'/kept/keep/new/* '$root'/mail/keep/new/* >/dev/null 2>&1"

say "# who asks is gone; the relay is told to end"
check "several at once" sh -c "for i in 1 2 3 4 5 6 7 8; do printf '%s\n' '< 220' '> EHLO x' '< 250' '> MAIL FROM:<ann@hub.example>' '< 250' \"> RCPT TO:<many@home.example>\" '< 250' '> DATA' '< 354' \"> Subject: \$i\" '> ' '> x' '> .' '< 250 2.0.0' | '$wire' call '$(at "$root" rot13)' & p=\"\$p \$!\"; done; for q in \$p; do wait \$q || exit 1; done"
check "all come" wait_for 10 has_mail "$root" many 8
pids=$(descendants "$relay")
stop "$relay"
check "nothing runs on" gone "$pids"

say "# what cannot be"
conf() { cp "$root/mochila.conf" "$work/bad.conf"; printf '%s\n' "$@" >>"$work/bad.conf"; }
conf '[relay x]' 'filters = nosuch'
check "a filter that is not there" exits 78 mochila-relay --root "$root" --config "$work/bad.conf"
conf '[filter y]' 'run = frobnicate:1' '[relay x]' 'listen = 127.0.0.1:0' 'filters = y'
check "a kind that is not there" exits 78 mochila-relay --root "$root" --config "$work/bad.conf"
check "whose neighbours are told" grep -q 'exec:/PROGRAM' "$work/said"
conf '[filter y]' 'run = exec:program' '[relay x]' 'filters = y'
check "a program without its path" exits 78 mochila-relay --root "$root" --config "$work/bad.conf"
conf '[filter y]' 'run = msgid:' 'users = bob@*' '[relay x]' 'filters = y'
check "users of what arrives" exits 78 mochila-relay --root "$root" --config "$work/bad.conf"
check "which one says" grep -q 'users is for filters of' "$work/said"
finish
