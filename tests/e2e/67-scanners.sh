#!/bin/sh
# Filters that are services: OpenDKIM by the milter protocol, ClamAV's clamd, SpamAssassin's spamd
# and rspamd, the real ones; and stand-ins for answers that rspamd seldom gives, a filter by LMTP, one
# of E-MailRelay's kind, and milters that do all that OpenDKIM does not, or what no milter may.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3 openssl
stage

root=$work/hub
make_site "$root" hub
chmod 755 "$work"

opendkim='' clamd='' spamd='' rspamd=''
free_port && verify_at=$port
free_port && spamd_at=$port
free_port && rspamd_at=$port

if peer opendkim; then
	openssl genrsa -out "$work/key.pem" 2048 2>/dev/null
	say "sel._domainkey.hub.example v=DKIM1; k=rsa; p=$(openssl rsa -in "$work/key.pem" -pubout 2>/dev/null |
	    grep -v '^-' | tr -d '\n')" >"$work/pubkeys"
	say 192.0.2.99 >"$work/nobody"
	printf '%s\n' "Socket local:$work/sign.sock" 'Mode s' 'Domain hub.example' 'Selector sel' "KeyFile $work/key.pem" \
	    'RequireSafeKeys no' 'Syslog no' 'Background no' >"$work/sign.conf"
	printf '%s\n' "Socket inet:$verify_at@127.0.0.1" 'Mode v' 'AuthservID hub.example' "TestPublicKeys $work/pubkeys" \
	    "InternalHosts $work/nobody" 'AlwaysAddARHeader yes' 'Syslog no' 'Background no' >"$work/verify.conf"
	start sign env LD_LIBRARY_PATH="$peer_libs:$peer/usr/lib" "$peer/usr/sbin/opendkim" -f -x "$work/sign.conf"
	start verify env LD_LIBRARY_PATH="$peer_libs:$peer/usr/lib" "$peer/usr/sbin/opendkim" -f -x "$work/verify.conf"
	opendkim=yes
else
	say "# no OpenDKIM: $why"
fi
if peer clamav-daemon; then
	mkdir "$work/db"
	# "Mochila-Test-Virus", in hexadecimal
	say 'Mochila.Test:0:*:4d6f6368696c612d546573742d5669727573' >"$work/db/test.ndb"
	printf '%s\n' "LocalSocket $work/clamd.sock" "DatabaseDirectory $work/db" 'Foreground yes' "TemporaryDirectory $work" >"$work/clamd.conf"
	start clamd env LD_LIBRARY_PATH="$peer_libs:$peer/usr/lib" "$peer/usr/sbin/clamd" -c "$work/clamd.conf"
	clamd=yes
else
	say "# no clamd: $why"
fi
spamd_runs() {
	peer spamd || return 1
	spamd_lib=
	for spamd_at_lib in "$peer"/usr/share/perl5 "$peer"/usr/lib/*/perl5/* "$peer"/usr/share/perl/5* "$peer"/usr/lib/*/perl/5*; do
		test -d "$spamd_at_lib" && spamd_lib="$spamd_lib -I$spamd_at_lib"
	done
	mkdir -m 755 "$work/site"
	cp "$peer"/etc/spamassassin/*.pre "$work/site"
	say 'use_bayes 0' >"$work/site/local.cf"
	chmod 644 "$work"/site/*
	spamd_as=
	if test "$(id -u)" -eq 0; then
		# It gives root away to nobody, who must be able to read it.
		setpriv --reuid nobody --clear-groups test -r "$peer/usr/sbin/spamd" 2>/dev/null ||
		    { why="it runs as nobody, who cannot read $peer"; return 1; }
		spamd_as='-u nobody'
	fi
	# shellcheck disable=SC2086	# words
	start spamd env LD_LIBRARY_PATH="$peer_libs" HOME="$work" perl -T $spamd_lib "$peer/usr/sbin/spamd" -L -x -m 2 --min-children 1 \
	    -i 127.0.0.1 -p "$spamd_at" -C "$peer/usr/share/spamassassin" --siteconfigpath "$work/site" $spamd_as -s stderr
}
if spamd_runs; then spamd=yes; else say "# no spamd: $why"; fi

rspamd_runs() {
	peer rspamd || return 1
	mkdir "$work/rspamd" && say example >"$work/rspamd/tld"
	# It knows one kind of junk besides its own test letters, and asks nobody.
	say 'rspamd_config.FAVOURITE = { score = 6.0, callback = function(task)' \
	    ' return string.find(task:get_header("Subject") or "", "favourite") ~= nil end }' \
	    'rspamd_config.AS_SAID = { score = 1.0, callback = function(task) local f = task:get_from("smtp")' \
	    ' return f and f[1].addr == "ann@hub.example" and task:get_helo() == "test.example" and #task:get_recipients("smtp") == 1 end }' \
	    >"$work/rspamd/rules.lua"
	cat >"$work/rspamd/conf" <<-END
		options {
		  pidfile = "$work/rspamd/pid"; temp_dir = "$work/rspamd"; filters = []; url_tld = "$work/rspamd/tld";
		  enable_test_patterns = true; dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }
		}
		logging { type = "console"; level = "warning"; }
		worker "normal" { bind_socket = "127.0.0.1:$rspamd_at"; count = 1; task_timeout = 60s; }
		actions { reject = 15; add_header = 6; rewrite_subject = 8; subject = "[junk] %s"; }
		lua = "$work/rspamd/rules.lua";
	END
	start rspamd env LD_LIBRARY_PATH="$peer_libs:$peer/usr/lib/rspamd" "$peer/usr/bin/rspamd" -f -i -c "$work/rspamd/conf" \
	    --var=CONFDIR="$peer/etc/rspamd" --var=LOCAL_CONFDIR="$work/rspamd" --var=SHAREDIR="$peer/usr/share/rspamd" \
	    --var=LUALIBDIR="$peer/usr/share/rspamd/lualib" --var=RULESDIR="$peer/usr/share/rspamd/rules" \
	    --var=PLUGINSDIR="$peer/usr/share/rspamd/plugins" --var=DBDIR="$work/rspamd" --var=RUNDIR="$work/rspamd" \
	    --var=LOGDIR="$work/rspamd" --var=WWWDIR="$work/rspamd"
}
if rspamd_runs; then rspamd=yes; else say "# no rspamd: $why"; fi

# The stand-ins, one process; each writes where it listens to a file.
cat >"$work/services.py" <<'END'
import json, os, socket, socketserver, struct, sys, threading
work = sys.argv[1]

def serve(name, handler):
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            try:
                handler(self.rfile, self.wfile)
            except (OSError, ValueError, struct.error):
                pass
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 50
    server = Server(('127.0.0.1', 0), Handler)
    with open(f'{work}/{name}.at', 'w') as f:
        f.write('127.0.0.1:%d' % server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()

def rspamd(r, w):
    line, headers = r.readline(), []
    while True:
        h = r.readline()
        if h in (b'\r\n', b''):
            break
        headers.append(h.decode().strip())
    size = [int(h.split(':')[1]) for h in headers if h.lower().startswith('content-length')][0]
    body = r.read(size)
    with open(f'{work}/rspamd.heard', 'a') as f:
        f.write(line.decode() + '\n'.join(headers) + '\n')
    word = body.split(b'Subject: ')[1].split(b'\r\n')[0].decode()
    answer = {'action': {'mark': 'add header', 'subject': 'rewrite subject', 'none': 'no action', 'later': 'soft reject'}.get(word, word),
        'score': 7.5, 'required_score': 15, 'symbols': {'R_ONE': {}, 'R_TWO': {}}, 'subject': '[spam] ' + word,
        'messages': {'smtp_message': 'no ' + word},
        'milter': {'add_headers': {'X-Rspamd': {'value': 'seen\r\nEvil: yes', 'order': 0}}, 'remove_headers': {'X-Old': 0}}}
    text = json.dumps(answer).encode()
    w.write(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % len(text) + text)

def lmtp(r, w):
    w.write(b'220 filter\r\n')
    rcpts = []
    while True:
        line = r.readline().decode()
        word = line[:4].upper()
        if not line or word == 'QUIT':
            w.write(b'221 bye\r\n')
            return
        if word == 'LHLO':
            w.write(b'250-filter\r\n250 PIPELINING\r\n')
        elif word == 'RCPT':
            rcpts.append(line[9:].split('>')[0])
            w.write(b'250 ok\r\n')
        elif word == 'DATA':
            w.write(b'354 go\r\n')
            text = b''
            while True:
                line = r.readline()
                if line == b'.\r\n' or not line:
                    break
                text += line
            for to in rcpts:
                name = to.split('@')[0]
                w.write(b'550 5.7.1 not him\r\n' if name == 'no' else b'451 4.3.0 not now\r\n' if name == 'later' else b'250 ok\r\n')
            w.flush()
            back = [t for t in rcpts if t.split('@')[0] not in ('no', 'later')]
            host, port = open(f'{work}/back.at').read().split(':')
            import smtplib
            s = smtplib.SMTP(host, int(port))
            s.sendmail('ann@hub.example', back, b'X-Was-Filtered: yes\r\n' + text)
            s.quit()
            rcpts = []
        else:
            w.write(b'250 ok\r\n')

def net(r, w):
    path = r.readline().decode().strip()
    text = open(path, newline='').read()
    to = open(path.replace('content', 'envelope.new'), newline='').read()
    with open(f'{work}/net.heard', 'w') as f:
        f.write(path + '\n' + to)
    if 'refuse' in text:
        w.write(b'552 5.2.9 not that\twhat the log learns\n')
    elif 'take' in text:
        w.write(b'100\n')
    else:
        open(path, 'w', newline='').write('X-Net: yes\r\n' + text)
        w.write(b'ok\n')

# FLT-01: one says nothing, one a byte now and then, one never stops, one says what is no word of any.
def mute(r, w):
    while r.read(4096):
        pass

def drip(r, w):
    while True:
        w.write(b'S')
        w.flush()
        threading.Event().wait(0.1)

def flood(r, w):
    while True:
        w.write(b'SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1 / 5\r\n' + b'X' * 65536)

def noise(r, w):
    w.write(bytes(range(256)) * 64)

# A milter: steps it wants, and what it does at the end, by the subject.
def packet(c, b=b''):
    return struct.pack('>I', len(b) + 1) + c + b

def milter(steps):
    def handle(r, w):
        fields, heard, sub = [], [], b''
        while True:
            head = r.read(4)
            if len(head) < 4:
                return
            body = r.read(struct.unpack('>I', head)[0])
            c, body = body[:1], body[1:]
            if c == b'O':
                w.write(packet(b'O', struct.pack('>III', 6, 0x7f if steps != 'bad' else 0x17f, 0 if steps == 'bad' else steps)))
                continue
            heard.append(c.decode() if c != b'D' else '')
            if c == b'L':
                name, value = body.split(b'\0')[:2]
                fields.append(name.decode())
                if name.lower() == b'subject':
                    sub = value.strip()
            if c == b'Q':
                return
            if c == b'D' or (c == b'L' and steps & 0x80):
                continue
            if c == b'R' and b'nobody' in body:
                w.write(packet(b'y', b'550 5.1.1 who is that\0'))
                continue
            if c != b'E':
                w.write(packet(b'c'))
                continue
            with open(f'{work}/milter.heard', 'w') as f:
                f.write(''.join(heard) + '\n' + ' '.join(fields) + '\n')
            if sub == b'change':
                w.write(packet(b'h', b'X-Last\0one\n\ttwo\0') + packet(b'i', b'\0\0\0\0X-First\0first\0') +
                    packet(b'm', b'\0\0\0\1Subject\0changed\0') + packet(b'm', b'\0\0\0\2X-Gone\0\0') +
                    packet(b'b', b'new ') + packet(b'p') + packet(b'b', b'text\r\n') +
                    packet(b'+', b'<more@hub.example>\0') + packet(b'-', b'<less@hub.example>\0') + packet(b'e', b'<other@hub.example>\0'))
            if sub == b'hold':
                w.write(packet(b'q', b'smells\0'))
            w.write({b'reject': packet(b'r'), b'tempfail': packet(b't'), b'discard': packet(b'd'),
                b'reply': packet(b'y', b'554 5.7.9 in my words\0'), b'garbage': b'\xff\xff\xff\xff', b'die': b''}.get(sub, packet(b'c')))
            if sub == b'die':
                return
            w.flush()
    return handle

for name, handler in (('rspamd', rspamd), ('lmtp', lmtp), ('net', net), ('milter', milter(0)), ('quiet', milter(0x80)), ('greedy', milter('bad')),
    ('mute', mute), ('drip', drip), ('flood', flood), ('noise', noise)):
    serve(name, handler)
open(f'{work}/services.ready', 'w').close()
threading.Event().wait()
END
start services python3 "$work/services.py" "$work"
wait_for 20 test -f "$work/services.ready" || fail "no stand-ins"
where() { cat "$work/$1.at"; }

{
	printf '%s\n' 'max-filters = 20' 'retry-after = 1s' 'retry-max = 1s' '[routes]' 'hub.example = maildir:mail/%u' 'lm.example = maildir:lm/%u' 'out.example = maildir:out/%u'
	# filter NAME RUN [LINE...]: and a listener with it.
	filter() {
		printf '%s\n' "[relay $1]" 'listen = 127.0.0.1:0' "filters = $1" "[filter $1]" "run = $2"
		shift 2
		test $# -eq 0 || printf '%s\n' "$@"
	}
	filter sign "milter:$work/sign.sock"
	filter verify "milter:127.0.0.1:$verify_at"
	filter virus "clamd:$work/clamd.sock"
	filter virus-hold "clamd:$work/clamd.sock" 'found = hold'
	filter virus-mark "clamd:$work/clamd.sock" 'found = mark'
	filter virus-drop "clamd:$work/clamd.sock" 'found = drop'
	filter spam "spam:127.0.0.1:$spamd_at"
	filter spam-report "spam-report:127.0.0.1:$spamd_at"
	filter spam-edit "spam-edit:127.0.0.1:$spamd_at"
	filter rspamd "rspamd:$(where rspamd)"
	filter rspamd-real "rspamd:127.0.0.1:$rspamd_at"
	filter net "net:$(where net)"
	filter milter "milter:$(where milter)"
	filter quiet "milter:$(where quiet)"
	filter greedy "milter:$(where greedy)"
	filter down 'milter:127.0.0.1:1'
	for kind in milter spam clamd rspamd net; do
		for service in mute drip flood noise; do filter "$kind-$service" "$kind:$(where $service)" 'timeout = 1s'; done
	done
	printf '%s\n' '[relay main]' 'listen = 127.0.0.1:0' '[relay back]' 'listen = 127.0.0.1:0' 'from-filter = yes' \
	    '[filter lmtp]' "run = lmtp:$(where lmtp)" '[hop maildir:lm/%u]' 'filters = lmtp' \
	    '[hop maildir:out/%u]' 'filters = milter'
} >>"$root/mochila.conf"
relay_up "$root" || fail "the relay does not start"
at "$root" back >"$work/back.at"

# through DOOR TO SUBJECT [ANSWER [LINE...]]
through() {
	th_door=$1 th_to=$2 th_subject=$3 th_answer=${4:-250 2.0.0}
	shift 3
	test $# -eq 0 || shift
	call "$(at "$root" "$th_door")" "< 220" "> EHLO test.example" "< 250" "> MAIL FROM:<ann@hub.example>" "< 250" \
	    "> RCPT TO:<$th_to@hub.example>" "< 250" "> DATA" "< 354" "> From: ann@hub.example" "> To: bob@hub.example" \
	    "> Date: Sat, 28 Nov 2026 12:00:00 +0000" "> Message-ID: <$th_to.$$@hub.example>" "> Subject: $th_subject" "> X-Old: 1" \
	    "> X-Spam-Flag: NO" "> X-Spam-Status: No, forged" "> X-Virus: none, forged" \
	    "> X-Gone: 1" "> X-Gone: 2" "> " "> Hello." "$@" "> ." "< $th_answer" "> QUIT" "< 221"
}
box() { cat "$root/mail/$1"/new/* 2>/dev/null; }
boxes() { box "$1" | grep -q -- "$2"; }
held() { grep -rqs -- "$1" "$root/spool/hold"; }

say "# a milter"
check "changes" through milter ch change
check "a field at the end" wait_for 20 boxes ch '^X-Last: one$'
check "folded" boxes ch '^	two$'
check "one on top" sh -c "sed -n '/^Received/,\$d;p' '$root'/mail/ch/new/* | grep -q '^X-First: first'"
check "another subject" boxes ch '^Subject: changed'
check "a field less" sh -c "grep -c '^X-Gone' '$root'/mail/ch/new/* | grep -qx 1"
check "another text" sh -c "sed '1,/^\$/d' '$root'/mail/ch/new/* | grep -qx 'new text'"
check "another sender" boxes ch '^Return-Path: <other@hub.example>'
check "one more recipient" wait_for 20 boxes more '^Subject: changed'
check "has heard all steps" grep -qx 'CHMRTLLLLLLLLLLLNBE' "$work/milter.heard"
check "and all fields but ours" grep -qx 'From To Date Message-ID Subject X-Old X-Spam-Flag X-Spam-Status X-Virus X-Gone X-Gone' "$work/milter.heard"
check "none left" through milter less change
check "goes to the other" wait_for 20 sh -c "cat '$root'/mail/more/new/* | grep -c '^Subject: changed' | grep -qx 2"
check "with steps left out" through quiet qu change
check "the same" wait_for 20 boxes qu '^Subject: changed'
check "rejects" through milter no reject '550 5.7.1'
check "in its own words" through milter no reply '554 5.7.9 in my words'
check "a recipient, too" through milter nobody x '550 5.1.1 who is that'
check "for now" through milter no tempfail '451 4.7.1'
check "discards" through milter no discard
check "holds" through milter no hold
check "with its reason" held 'milter: smells'
check "on the way out, too" mail "$(at "$root" main)" ann@hub.example once@out.example hold
held_out() { find "$root/spool/hold" -type f -exec grep -la 'RCPT TO:<once@out.example>' {} + | sed 's|.*/||'; }
out_is_held() { test -n "$(held_out)"; }
check "where it waits for a person" wait_for 20 out_is_held
check "who lets it go" mochila --root "$root" release "$(held_out)"
check "and is not asked again" wait_for 20 sh -c "grep -qs '^Subject: hold' '$root'/out/once/new/*"
check "what is no answer is its trouble" through milter no garbage '451 4.3.0'
check "as is none" through milter no die '451 4.3.0'
check "one that wants more than there is" through greedy no x '451 4.3.0'
check "one that is not there" through down no x '451 4.3.0 the mail cannot be looked at now'
check "where that is, is for the log" grep -q 'event=filter-trouble filter=down why="127.0.0.1:1: cannot be reached' "$work/hub.log"
check "nobody has any of it" sh -c "! ls '$root/mail/no/new' 2>/dev/null | grep -q ."

if test -n "$opendkim"; then
	say "# OpenDKIM"
	wait_for 30 test -S "$work/sign.sock" || fail "no signer"
	wait_for 30 listening "$verify_at" || fail "no verifier"
	check "a mail is signed" through sign signed s
	check "by a field" wait_for 20 boxes signed '^DKIM-Signature: v=1.*d=hub.example'
	# What was signed, to the verifier; once whole, once changed on the way.
	again() {
		sed '1,/^\r*$/!d; s/\r$//; /^Return-Path/d; /^Delivered-To/d' "$root"/mail/signed/new/* | sed 's/^/> /' >"$work/signed.head"
		{ printf '%s\n' '< 220' '> EHLO x' '< 250' '> MAIL FROM:<ann@hub.example>' '< 250' "> RCPT TO:<$1@hub.example>" '< 250' '> DATA' '< 354'
		cat "$work/signed.head"; printf '%s\n' "> $2" '> .' '< 250 2.0.0'; } | "$wire" call "$(at "$root" verify)"
	}
	check "comes to another host" again verified Hello.
	check "and is found good" wait_for 20 boxes verified '^Authentication-Results: hub.example;'
	check "so it says" sh -c "tr -d '\n' <'$(find "$root/mail/verified/new" -type f)' | grep -q 'dkim=pass'"
	check "and changed on its way" again broken Hallo.
	check "is found bad" wait_for 20 sh -c "cat '$root'/mail/broken/new/* 2>/dev/null | tr -d '\n' | grep -q 'dkim=fail'"
fi

if test -n "$clamd"; then
	say "# clamd"
	wait_for 60 test -S "$work/clamd.sock" || fail "no clamd"
	check "a clean mail" through virus clean c
	check "comes" wait_for 20 boxes clean '^Subject: c'
	check "a virus" through virus no v '550 5.7.1 a virus was found: Mochila.Test' '> this is Mochila-Test-Virus indeed'
	check "is held where that is said" through virus-hold no v '250' '> this is Mochila-Test-Virus indeed'
	check "with its name" held 'virus-hold: a virus was found: Mochila.Test'
	check "or marked" through virus-mark marked v '250' '> this is Mochila-Test-Virus indeed'
	check "by a field" wait_for 20 boxes marked '^X-Virus: Mochila.Test'
	check "or dropped" through virus-drop no v '250' '> this is Mochila-Test-Virus indeed'
fi

if test -n "$spamd"; then
	say "# spamd"
	wait_for 60 listening "$spamd_at" || fail "no spamd: $(tail -n 2 "$work/spamd.log")"
	gtube='> XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X'
	check "a mail is no spam" through spam ham h
	check "and comes" wait_for 20 boxes ham '^Subject: h'
	check "spam is refused" through spam no s '550 5.7.1 this looks like spam' "$gtube"
	check "or reported" through spam-report report s '250' "$gtube"
	check "by fields" wait_for 20 boxes report '^X-Spam-Flag: YES'
	check "with the rules" boxes report '^X-Spam-Status: Yes, score=.* required=.* tests=.*GTUBE'
	check "and by ours alone" sh -c "! grep -q '^X-Spam-Status: No' '$root'/mail/report/new/*"
	check "as is what is none" through spam-report ham2 h
	check "by one" wait_for 20 boxes ham2 '^X-Spam-Status: No, score='
	check "or rewritten" through spam-edit edit s '250' "$gtube"
	check "by spamd itself" wait_for 20 boxes edit '^X-Spam-Checker-Version: SpamAssassin'
	check "whole" boxes edit 'GTUBE-STANDARD-ANTI-UBE'
fi
if test -n "$rspamd"; then
	say "# rspamd"
	gtube='JS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X'
	wait_for 60 listening "$rspamd_at" || fail "no rspamd: $(tail -n 2 "$work/rspamd.log")"
	check "a mail is no spam" through rspamd-real rham h
	check "and comes" wait_for 20 boxes rham '^Subject: h'
	check "spam is refused" through rspamd-real no s '550 5.7.1 Gtube pattern' "> X$gtube"
	check "or marked" through rspamd-real rmark s '250' "> Y$gtube"
	check "by a field" wait_for 20 boxes rmark '^X-Spam-Flag: YES'
	check "or has another subject" through rspamd-real rsub s '250' "> Z$gtube"
	check "which says so" wait_for 20 boxes rsub '^Subject: \[junk\] s'
	check "its rules see the envelope" through rspamd-real rfav favourite
	check "and are named" wait_for 20 boxes rfav '^X-Spam-Status: Yes, score=7.* tests=.*AS_SAID'
	check "all of them" boxes rfav 'FAVOURITE'
	check "and what the sender said of it is gone" sh -c "! grep -q '^X-Spam-.*[Nn][Oo]' '$root'/mail/rfav/new/*"
fi
nobody() { test "$(messages "$root/mail/no")" -eq 0; }
check "nobody has what was refused, held or dropped" nobody

say "# FLT-01: what no service should do is its trouble, within its time"
for kind in milter spam clamd rspamd net; do
	unheard=
	for service in mute drip flood noise; do
		# To net: a line is an answer, whatever it says.
		case $kind-$service in net-flood | net-noise) continue ;; esac
		through "$kind-$service" no x '4' >/dev/null 2>&1 &
		unheard="$unheard $kind-$service:$!"
	done
	for each in $unheard; do check "${each%:*}" wait "${each#*:}"; done
done
check "and nobody has it" nobody

say "# rspamd's answers"
check "mark" through rspamd r1 mark
check "a field" wait_for 20 boxes r1 '^X-Spam-Status: Yes, score=7.50 required=15.00 tests=R_ONE,R_TWO'
check "one of its own" boxes r1 '^X-Rspamd: seen$'
check "which begins no other" sh -c "! grep -q '^Evil' '$root'/mail/r1/new/*"
check "one less" sh -c "! grep -q '^X-Old' '$root'/mail/r1/new/*"
check "subject" through rspamd r2 subject
check "is another" wait_for 20 boxes r2 '^Subject: \[spam\] subject'
check "none" through rspamd r3 none
check "goes on" wait_for 20 boxes r3 '^Subject: none'
check "reject" through rspamd no reject '550 5.7.1 no reject'
check "later" through rspamd no later '451 4.7.1 no later'
check "it knows of the envelope" grep -q '^Rcpt: r1@hub.example' "$work/rspamd.heard"

say "# a filter that is told a path"
check "may change the file" through net net n
check "and does" wait_for 20 boxes net '^X-Net: yes'
check "finds the envelope" grep -q '^X-MailRelay-To-Local: net@hub.example' "$work/net.heard"
check "refuses in its words" through net no refuse '552 5.2.9 not that'
check "and tells the log more" wait_for 5 grep -q 'filter-says text="what the log learns"' "$work/hub.log"
check "takes" through net no take

say "# a filter by LMTP, behind the queue"
check "a mail for three" call "$(at "$root")" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<ann@hub.example>" "< 250" "> RCPT TO:<yes@lm.example>" "< 250" \
    "> RCPT TO:<no@lm.example>" "< 250" "> RCPT TO:<later@lm.example>" "< 250" "> DATA" "< 354" "> Subject: l" "> " "> x" "> ." "< 250"
check "comes back for one" wait_for 20 sh -c "grep -qs '^X-Was-Filtered: yes' '$root'/lm/yes/new/*"
check "is returned for another" wait_for 20 sh -c "cat '$root'/mail/ann/new/* 2>/dev/null | grep -q 'Final-Recipient: rfc822; *no@lm.example'"
check "and waits for the third" wait_for 20 logged "$root" 'event=deferred to=<later@lm.example>.*not now'
check "once each" test "$(messages "$root/lm")" -eq 1
finish
