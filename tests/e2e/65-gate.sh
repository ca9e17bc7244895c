#!/bin/sh
# What is found out before a recipient is taken: lists in the DNS, networks, SPF, verifiers of
# recipients and senders, the greylist, POP before SMTP; and that whoever logged in, or is near or
# welcome, is not looked up.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage
built_with CARES

root=$work/home
make_site "$root" home
start dns python3 "$top/tests/e2e/dns.py" "$work/dns.port" "$work/zone"
wait_for 10 test -s "$work/dns.port" || skip "no name server: $(tail -n 1 "$work/dns.log")"
free_port && hop=$port
free_port && down=$port
cat >"$work/zone" <<'END'
1.100.51.198.bl.example		A	127.0.0.2
2.100.51.198.bl.example		A	127.0.0.2
2.100.51.198.good.example	A	127.0.0.9
3.100.51.198.mixed.example	A	127.0.0.7
4.100.51.198.mixed.example	A	127.0.0.7
4.100.51.198.mixed.example	A	127.0.0.3
5.100.51.198.bl.example		A	127.255.255.254
5.100.51.198.mixed.example	A	203.0.113.1
6.100.51.198.bl.example		SILENT
6.100.51.198.mixed.example	FAIL
7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example	A	127.0.0.2
pass.example	TXT	v=spf1 ip4:198.51.|100.0/24 -all
fail.example	TXT	v=spf1 a:pass.example -all
soft.example	TXT	v=spf1 include:fail.example ~all
late.example	FAIL
END
cat >"$work/verifier" <<-END
	#!/bin/sh
	echo "\$1|\$2|\$3|\$4|\$5|\$6" >>"$work/verifier.args"
	case \$1 in
	yes@*) echo Full Name; echo mailbox; exit 0 ;;
	remote@*) echo; echo elsewhere@x.example; exit 1 ;;
	no@*) echo "never heard of him"; echo "for the log"; exit 2 ;;
	late@*) echo "ask later"; exit 3 ;;
	other@*) echo "4 of them"; exit 4 ;;
	abort@*) exit 100 ;;
	esac
	exit 2
END
chmod +x "$work/verifier"
cat >"$work/net.py" <<-'END'
	import socket, sys
	s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(8)
	said = {"yes": "0|mailbox|Name", "no": "2|not in the net|secret", "late": "3|net is busy", "abort": "100"}
	while True:
	    line = s.accept()[0]
	    c = line.makefile("rw", newline="\n")
	    for n, question in enumerate(c):
	        print(question, end="", flush=True)
	        c.write(said.get(question.split("@")[0], "2|") + "\n"); c.flush()
	        if n == 1: break            # and hangs up now and then
	    c.close(); line.close()
END
start net python3 "$work/net.py" "$work/net.socket"
cat >"$work/hop.py" <<-'END'
	import socketserver, sys
	class Hop(socketserver.StreamRequestHandler):
	    def handle(self):
	        say = lambda text: self.wfile.write(text.encode() + b"\r\n")
	        say("220-hop\r\n220 ready")
	        for line in self.rfile:
	            word = line.decode().strip()
	            if word.startswith("RCPT"):
	                print(word, file=open(sys.argv[2], "a"), flush=True)
	            say("550-5.1.1 no\r\n550 5.1.1 no eve here" if "eve" in word else "250 ok")
	            if word == "QUIT": return
	socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Hop).serve_forever()
END
start hop python3 "$work/hop.py" "$hop" "$work/hop.rcpts"
wait_for 10 listening "$hop" || fail "the next hop"
wait_for 10 test -S "$work/net.socket" || fail "the verifier's server"
echo friend@home.example yes >"$work/friends"
echo @all.home.example yes >>"$work/friends"
printf '%s\n' "good@x.example ok" "a@none.example ok" >"$work/senders"
mkdir -p "$root/mail/there/new"
cat >>"$root/mochila.conf" <<-END
	resolver = 127.0.0.1:$(cat "$work/dns.port")
	[addresses]
	extension = +
	[relay lists]
	relay-from = 192.0.2.64/26
	deny-from = 203.0.113.128/25 192.0.2.66/32
	welcome-from = 203.0.113.9/32 203.0.113.140/32
	lists = bl.example:2 good.example:-2 mixed.example/127.0.0.3,127.0.0.4:2
	lists-refuse = 2
	lists-wait = 1
	[relay spf]
	relay-from =
	spf = refuse
	[relay verify]
	relay-from =
	verify-recipients = maildir:mail/%u, file:$work/friends, |$work/verifier
	[relay net]
	relay-from =
	login-mechanisms = PLAIN
	verify-recipients = net:$work/net.socket
	[relay call]
	relay-from =
	verify-recipients = call:
	verify-senders = file:$work/senders
	[relay local]
	relay-from =
	verify-recipients = local:
	[relay local0]
	relay-from =
	verify-recipients = local:0-0
	[relay grey]
	relay-from =
	welcome-from = 203.0.113.9/32
	lists = good.example:-1
	greylist = 1
	[relay window]
	relay-from =
	pop3-listen = 127.0.0.1:0
	pop-before-smtp = 5m
	login-sender = yes
	[relay submit]
	relay-from =
	login-required = yes
	pop-before-smtp = 1h
	[routes]
	home.example = maildir:mail/%u
	all.home.example = maildir:mail/%u
	hop.example = smtp:127.0.0.1:$hop
	down.example = smtp:127.0.0.1:$down
	* = maildir:mail/world
END
# Each of them has a proxy in front, so that the test can be any client.
sed -i 's|^relay-from = *|listen = 127.0.0.1:0\nproxy-from = 127.0.0.0/8\nlogin-in-clear = yes\n&|' "$root/mochila.conf"
echo pencil | mochila --root "$root" user add bob || fail "user add"
relay_up "$root" || { fail "the relay"; finish; }
part() {
	python3 "$top/tests/e2e/65-gate.py" "$work" "$root" "$1" >"$work/$1.said" 2>&1 && return 0
	tail -n 5 "$work/$1.said"
	return 1
}

check "lists in the DNS: weights, meanings, deadline, memory, and who is not looked up" part lists
check "one line says why" \
    grep -q 'event=listed relay=lists client=198.51.100.1 score=2 lists="bl.example"' "$work/home.log"
check "networks: the smallest that says something counts" part networks
check "SPF is noted, and what fails is refused" part spf
wait_for 10 has_mail "$root" spf 4
results() { grep -h '^Authentication-Results: home.example' -A 1 "$root"/mail/spf/new/* | tr -d '\r\n\t-'; }
for want in 'spf=passsmtp.mailfrom=a@pass.example' 'spf=softfailsmtp.mailfrom=a@soft.example' \
    'spf=nonesmtp.mailfrom=a@none.example' 'spf=passsmtp.mailfrom=?x?y?@pass.example'; do
	results | grep -qF "$want" || fail "no $want among $(results)"
done
if grep -rq forged "$root/mail/spf"; then fail "what somebody said in our name is still there"; fi
check "what others said of it stays" \
    test "$(grep -rl '^Authentication-Results: elsewhere.example' "$root/mail/spf" | wc -l)" -eq 4
check "verifiers: Maildir, file, |program, net:, call:, local:" part verifiers
check "what a verifier says to us is in the log" \
    grep -q 'event=verifier relay=verify address=<no@home.example> result=no why="for the log"' "$work/home.log"
check "the greylist asks strangers to come back" part grey
check "who has read his mail may send, for a while" part window

say "# after a restart"
stop "$relay"
touch -d '2 hours ago' "$root/pop-before-smtp/192.0.2.9" && touch "$root/pop-before-smtp/192.0.2.10"
relay_up "$root" || { fail "the relay, again"; finish; }
check "whoever was known still is" part grey-again
check "what is over was swept away, the rest was not" test "$(cd "$root/pop-before-smtp" && echo *)" = 192.0.2.10

say "# settings that cannot be"
for wrong in 'lists=a/b' 'lists=bl.example:x' 'verify-recipients=ldap:x' 'verify-senders=maildir:' 'spf=maybe' \
    'deny-from=all' 'welcome-from=10.0.0.1/8'; do
	check "$wrong" exits 78 mochila-relay --root "$root" --set "relay lists.$wrong"
done
finish
