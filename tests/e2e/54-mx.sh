#!/bin/sh
# Mail for any domain goes where its MX records say, asked of a name server of the test's own:
# best first, past what is dead or busy, and back to its sender where there is nothing.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage
if ! built CARES; then	# what is said then; the rest cannot be tried
	make_site "$work/less" less
	printf '%s\n' '[relay main]' 'listen = 127.0.0.1:0' '[routes]' '* = mx:' >>"$work/less/mochila.conf"
	check "a route by MX" exits 78 mochila-relay --root "$work/less"
	check "is refused by its name" grep -q '\[routes\] \* = mx:: .*--without-cares.* name the host' "$work/said"
	sed -i 's/mx:/smtp:127.0.0.1:1/' "$work/less/mochila.conf"
	check "so are lists" exits 78 mochila-relay --root "$work/less" --set "relay main.lists=zen.example"
	check "as such" grep -q 'lists: .*--without-cares' "$work/said"
	check "and name servers" exits 78 mochila-relay --root "$work/less" --set spool.resolver=127.0.0.1
	check "as such" grep -q 'resolver: .*--without-cares' "$work/said"
	test $failures -gt 0 && finish
	built_with CARES
fi

away=$work/away root=$work/hub
start dns python3 "$top/tests/e2e/dns.py" "$work/dns.port" "$work/zone"
wait_for 10 test -s "$work/dns.port" || skip "no name server: $(tail -n 1 "$work/dns.log")"
free_port && smtp=$port
cat >"$work/zone" <<'END'
one.example		MX	10 a.one.example
a.one.example		A	127.0.0.2
b.one.example		A	127.0.0.3
dead.example		A	127.0.0.4
busy.example		A	127.0.0.5
order.example		MX	20 a.one.example
order.example		MX	10 b.one.example
order.example		MX	5 dead.example
order.example		MX	7 busy.example
null.example		MX	0 .
nick.example		CNAME	one.example
plain.example		A	127.0.0.2
six.example		MX	10 both.example
both.example		AAAA	::1
both.example		A	127.0.0.2
fail.example		FAIL
silent.example		SILENT
us.example		MX	10 hub.example
before.example		MX	5 a.one.example
before.example		MX	10 hub.example
before.example		MX	20 dead.example
alike.example		MX	10 deaf.example
alike.example		MX	10 a.one.example
alike.example		MX	10 deaf2.example
deaf.example		A	127.0.0.6
deaf2.example		A	127.0.0.7
behind.example		MX	10 deaf.example
behind.example		MX	20 b.one.example
nohost.example		MX	10 nowhere.example
odd.example		MX	10 a$b.example
hub.example		A	127.0.0.1
END
make_site "$away" away
cat >>"$away/mochila.conf" <<-END
	[relay a]
	listen = 127.0.0.2:$smtp
	[relay b]
	listen = 127.0.0.3:$smtp
	[routes]
	* = reject:nobody
END
for domain in one order nick plain six before alike behind; do echo "$domain.example = maildir:mail/$domain"; done >>"$away/mochila.conf"
relay_up "$away" --set 'routes.[127.0.0.2]=maildir:mail/literal' || fail "the far relay does not start"
start busy python3 -c "
import socket
s = socket.create_server(('127.0.0.5', $smtp))
while True:
	c = s.accept()[0]
	c.sendall(b'421 4.3.2 too busy\r\n')
	c.close()"
# They are there, and never answer: the queue of a listener who takes nobody is full.
start deaf python3 -c "
import socket, time
deaf = []
for host in '127.0.0.6', '127.0.0.7':
	s = socket.socket()
	s.bind((host, $smtp))
	s.listen(0)
	deaf.append(s)
	for i in range(3):
		c = socket.socket()
		c.setblocking(False)
		c.connect_ex((host, $smtp))
		deaf.append(c)
print('deaf', flush=True)
time.sleep(600)"
wait_for 10 grep -q deaf "$work/deaf.log" || fail "nobody is deaf"
make_site "$root" hub
cat >>"$root/mochila.conf" <<-END
	resolver = 127.0.0.1:$(cat "$work/dns.port")
	[relay main]
	listen = 127.0.0.1:0
	[routes]
	hub.example = maildir:mail/%u
	* = mx::$smtp
END
relay_up "$root" || fail "the relay does not start"
main=$(at "$root")
told() { grep -qs "Final-Recipient: rfc822; x@$1" "$root"/mail/ann/new/* && grep -l "x@$1" "$root"/mail/ann/new/* | xargs grep -q "^Status: $2"; }
came() { has_mail "$away" "$1" "${2:-1}"; }
send() { mail "$main" ann@hub.example "x@$1" "$1" || fail "mail for $1"; }
for domain in one order nick plain six before alike behind; do send $domain.example; done
send '[127.0.0.2]'
for domain in null us nohost odd gone fail silent; do send $domain.example; done

check "to the host that the MX names" wait_for 20 came one
check "of several to the best that takes it" wait_for 20 came order
took() { grep -q "event=accepted.*relay=$1\$" "$away"/spool/log/mochila.log; }
check "past one that is dead and one that is busy" took b
check "of an alias to that of what it stands for" wait_for 20 came nick
check "without an MX to the domain itself" wait_for 20 came plain
check "to the one address of a host that answers" wait_for 20 came six
check "to those that are better than we are" wait_for 20 came before
check "of several that are alike to the one that answers" wait_for 20 came alike
check "and to a worse one when the best says nothing" wait_for 20 came behind
check "without being given up in between" sh -c "! grep -q 'event=unreachable by=mx:\(alike\|behind\)' '$work/hub.log'"
check "to an address that is said as such" wait_for 20 came literal
check "a domain that takes no mail" wait_for 20 told null.example 5.1.10
check "one that means us" wait_for 20 told us.example 5.4.6
check "one whose hosts have no address" wait_for 20 told nohost.example 5.4.4
check "one whose host is none" wait_for 20 told odd.example 5.4.4
check "one that there is not: all go back" wait_for 20 told gone.example 5.1.2
waits() { test "$(messages "$root/spool/out/mx:$1.example:$smtp")" -eq 1; }
check "what the DNS cannot tell waits in its own queue" waits fail
check "and where it does not answer, too" waits silent
unreachable() { grep -q "event=unreachable by=mx:$1.example.*the DNS does not tell" "$work/hub.log"; }
check "with the reason in the log" wait_for 20 unreachable fail
check "nobody was told of those" test "$(grep -lE 'x@(fail|silent)' "$root"/mail/ann/new/* | wc -l)" -eq 0
check "each question was asked once" test "$(grep -c '^asked one.example MX' "$work/dns.log")" -eq 1
finish
