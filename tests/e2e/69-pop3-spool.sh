#!/bin/sh
# Mail is read by POP3 from where it waits, as E-MailRelay's --pop does, by name and without
# deleting; getmail and mpop read it; and a session that is cut at any byte removes nothing.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage

root=$work/home
make_site "$root" home
cat >>"$root/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0
	pop3-listen = 127.0.0.1:0
	max-client-connections = 100
	[relay named]
	listen =
	pop3-listen = 127.0.0.1:0
	pop3-mailbox = queue:%u
	[relay kept]
	listen =
	pop3-listen = 127.0.0.1:0
	pop3-mailbox = queue:office
	pop3-delete = no
	[relay all]
	listen =
	pop3-listen = 127.0.0.1:0
	pop3-mailbox = queue:office
	[site office]
	[site ann]
	[routes]
	office.example = site:office
	ann.example = site:ann
	home.example = maildir:mail/%u
END
for user in ann bob cut mpop getmail; do
	echo pencil | mochila --root "$root" user add $user || fail "user add $user"
done
relay_up "$root" || { fail "the relay"; finish; }
pop() { sed -n "s/^$1 pop3 //p" "$root/ready"; }
for n in 1 2 3; do
	mail "$(at "$root")" eve@x.example "u$n@office.example" "office $n" >/dev/null || fail "mail $n"
done
mail "$(at "$root")" eve@x.example someone@ann.example "for ann" >/dev/null
waits() { test "$(spooled "$root/spool/out/$1")" -eq "$2"; }
wait_for 20 waits office 3
wait_for 20 waits ann 1

cat >"$work/read.py" <<-'END'
	import poplib, sys
	def dial(where, user):
	    p = poplib.POP3(*where.rsplit(":", 1), timeout=60); p.user(user); p.pass_("pencil"); return p
	what, named, kept, whole = sys.argv[1:5]
	def uids(p): return [line.split()[1] for line in p.uidl()[1]]
	if what == "first":
	    p = dial(named, "ann")
	    assert p.stat()[0] == 1
	    text = b"\r\n".join(p.retr(1)[1])
	    assert b"Subject: for ann" in text and len(text) + 2 == p.stat()[1] == int(p.list(1).split()[2]), text
	    try: dial(named, "ann"); raise SystemExit("two at once")
	    except poplib.error_proto as e: assert b"[IN-USE]" in e.args[0]
	    p.dele(1); p.quit()
	    assert dial(named, "ann").stat() == (0, 0)
	    assert dial(named, "bob").stat() == (0, 0)      # for whom nothing ever waited
	    p = dial(kept, "bob")
	    for n in 1, 2, 3: p.dele(n)
	    assert p.stat()[0] == 0
	    p.quit()
	    p = dial(whole, "bob")
	    print(*[u.decode() for u in uids(p)], file=open(sys.argv[5], "w"))
	    assert p.stat()[0] == 3
	    p.dele(2); p.rset(); p.dele(1); p.quit()
	else:
	    before = open(sys.argv[5]).read().split()
	    p = dial(whole, "bob")
	    assert [u.decode() for u in uids(p)] == before[1:], (before, uids(p))
END
readers() { python3 "$work/read.py" "$1" "$(pop named)" "$(pop kept)" "$(pop all)" "$work/uids"; }
check "by name, without deleting, and all of it" readers first
check "what was read is gone, and told" logged "$root" 'event=fetched site=office rcpts=1'
check "and nothing else is" waits office 2
stop "$relay"
relay_up "$root" || { fail "the relay, again"; finish; }
check "names survive a restart" readers again

say "# cut at every byte"
cat >"$work/cut.py" <<-'END'
	import os, socket, struct, sys, time
	where, box = sys.argv[1:]
	words = b"USER cut\r\nPASS pencil\r\nSTAT\r\nRETR 1\r\nDELE 1\r\nDELE 2\r\nQUIT\r\n"
	def fill():
	    for n in 1, 2:
	        open("%s/new/%d" % (box, n), "w").write("Subject: %d\n\nHello\n" % n)
	def there(): return len(os.listdir(box + "/new"))
	def dial():
	    s = socket.create_connection(where.rsplit(":", 1)); s.settimeout(60); return s
	def reset(s):
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); s.close()
	def free():     # the session that was cut has ended: a new one comes in, and looks
	    while True:
	        s = dial(); s.sendall(b"USER cut\r\nPASS pencil\r\n")
	        f = s.makefile("rb"); said = [f.readline() for _ in range(3)][2]
	        s.sendall(b"STAT\r\nQUIT\r\n"); stat = f.readline(); f.read(); s.close()
	        if b"IN-USE" not in said: return int(stat.split()[1])
	        time.sleep(0.05)
	fill()
	for cut in range(len(words)):
	    s = dial(); s.sendall(words[:cut])
	    (s.close if cut % 2 else lambda: reset(s))()
	assert free() == 2 and there() == 2, there()
	for cut in range(0, 220, 4):        # and what is heard is cut
	    s = dial(); s.sendall(words[:-6])
	    got = 0
	    while got < cut:
	        more = s.recv(cut - got)
	        if not more: break
	        got += len(more)
	        if got >= 150 and b"\n" in more and cut > 150: break
	    reset(s)
	assert free() == 2 and there() == 2, there()
	s = dial(); s.sendall(words); f = s.makefile("rb"); f.read()
	assert there() == 0
END
mkdir -p "$root/mail/cut/new" "$root/mail/cut/cur"
check "whatever is sent or heard of it, only QUIT removes" python3 "$work/cut.py" "$(pop main)" "$root/mail/cut"

say "# other people's readers"
host=$(pop main) && port=${host##*:}
fill() {
	for n in 1 2 3; do mail "$(at "$root")" eve@x.example "$1@home.example" "$1 $n" >/dev/null; done
	wait_for 20 has_mail "$root" "$1" 3
}
if peer mpop; then
	fill mpop
	mkdir -p "$work/box/new" "$work/box/cur" "$work/box/tmp"
	printf '%s\n' "defaults" "tls off" "account a" "host 127.0.0.1" "port $port" "user mpop" "password pencil" \
	    "auth user" "delivery maildir $work/box" "keep off" "uidls_file $work/mpop-uids" "account default : a" >"$work/mpoprc"
	chmod 600 "$work/mpoprc"
	check "mpop reads it" env LD_LIBRARY_PATH="$peer_libs" "$peer/usr/bin/mpop" -C "$work/mpoprc" -q
	check "all of it" test "$(messages "$work/box/new")" -eq 3
	check "and nothing is left" has_mail "$root" mpop 0
else
	say "not tried: mpop ($why)"
fi
if peer getmail6; then
	fill getmail
	mkdir -p "$work/getmail" "$work/box2"
	printf '%s\n' '#!/bin/sh' "cat >'$work/box2'/\$\$" >"$work/deliver"
	chmod +x "$work/deliver"
	cat >"$work/getmail/getmailrc" <<-END
		[retriever]
		type = SimplePOP3Retriever
		server = 127.0.0.1
		port = $port
		username = getmail
		password = pencil
		[destination]
		type = MDA_external
		path = $work/deliver
		allow_root_commands = true
		[options]
		delete = true
		read_all = false
	END
	getmail() {
		HOME=$work PYTHONPATH=$peer/usr/lib/python3/dist-packages python3 "$peer/usr/bin/getmail" --getmaildir "$work/getmail" \
		    >"$work/getmail.said" 2>&1
	}
	check "getmail reads it" getmail
	check "all of it" test "$(messages "$work/box2")" -eq 3
	check "and nothing is left" has_mail "$root" getmail 0
else
	say "not tried: getmail ($why)"
fi
finish
