"""What 65-gate.sh has a client say: as whom he comes, what he hears at RCPT."""
import os
import poplib
import smtplib
import socket
import sys
import time

work, root = sys.argv[1:3]
where = dict(line.split()[::2] for line in open(root + "/ready") if " smtp " in line)


class Client(smtplib.SMTP):
    """From that address, as the proxy that we are says."""
    def __init__(self, relay, address):
        self.address = address
        host, port = where[relay].rsplit(":", 1)
        super().__init__(host, int(port), timeout=60)

    def _get_socket(self, host, port, timeout):
        line = socket.create_connection((host, port), timeout)
        family = "TCP6" if ":" in self.address else "TCP4"
        mine = "::1" if ":" in self.address else "127.0.0.1"
        line.sendall(f"PROXY {family} {self.address} {mine} 1000 25\r\n".encode())
        return line


class Reader(poplib.POP3):
    def _create_socket(self, timeout):
        line = super()._create_socket(timeout)
        line.sendall(b"PROXY TCP4 198.51.100.60 127.0.0.1 1000 110\r\n")
        return line


def rcpt(relay, address, sender="a@none.example", to="bob@home.example", login=False, helo="client.example"):
    try:
        with Client(relay, address) as c:
            c.ehlo(helo)
            if login:
                c.login("bob", "pencil")
            code, text = c.mail(sender)
            assert code == 250, text
            code, text = c.rcpt(to)
            return code, text.decode()
    except smtplib.SMTPServerDisconnected:
        return 421, "closed"
    except smtplib.SMTPConnectError as e:
        return e.smtp_code, e.smtp_error.decode()


def is_(got, code, words=""):
    assert got[0] == code and words in got[1], (got, code, words)


def asked(name):
    return sum(line.startswith("asked " + name + " ") for line in open(work + "/dns.log"))


def lists():
    is_(rcpt("lists", "198.51.100.1"), 550, "it is listed by bl.example")
    is_(rcpt("lists", "198.51.100.1"), 550)
    assert asked("1.100.51.198.bl.example") == 1                # the second time it was known
    is_(rcpt("lists", "198.51.100.1", login=True), 250)         # whoever logged in is not looked up
    is_(rcpt("lists", "198.51.100.2"), 250)                     # bad by one, good by another
    is_(rcpt("lists", "198.51.100.3"), 250)                     # on a list, but not as what is meant
    is_(rcpt("lists", "198.51.100.4"), 550, "mixed.example")
    is_(rcpt("lists", "198.51.100.5"), 250)                     # "we do not answer you", and no address of a list
    is_(rcpt("lists", "198.51.100.6"), 250)                     # a list that is silent, one that fails
    is_(rcpt("lists", "2001:db8::7"), 550, "bl.example")
    before = open(work + "/dns.log").read().count("\n")
    is_(rcpt("lists", "10.0.0.1"), 250)                         # near ones, and those who are welcome
    is_(rcpt("lists", "203.0.113.9"), 250)
    assert open(work + "/dns.log").read().count("\n") == before


def networks():
    is_(rcpt("lists", "203.0.113.130"), 554, "no mail is taken")
    is_(rcpt("lists", "203.0.113.140"), 250)                    # a nearer network says otherwise
    is_(rcpt("lists", "192.0.2.66"), 554)
    is_(rcpt("lists", "192.0.2.65", to="x@far.example"), 250)   # relay-from


def spf():
    is_(rcpt("spf", "198.51.100.20", "a@pass.example"), 250)
    is_(rcpt("spf", "198.51.100.20", "a@fail.example"), 550, "SPF: ")
    is_(rcpt("spf", "198.51.100.20", "a@fail.example", login=True), 250)
    is_(rcpt("spf", "198.51.100.20", "a@late.example"), 250)
    is_(rcpt("spf", "198.51.100.20", "", helo="fail.example"), 550)
    is_(rcpt("spf", "10.0.0.1", "a@fail.example"), 250)
    for sender in "a@pass.example", "a@soft.example", "a@none.example", '"x(y"@pass.example':
        with Client("spf", "198.51.100.20") as c:
            c.ehlo("client.example")
            c.sendmail(sender, ["spf@home.example"],
                       "Authentication-Results: home.example; spf=pass smtp.mailfrom=forged@x.example\r\n"
                       "Authentication-Results: elsewhere.example; spf=pass\r\nSubject: x\r\n\r\nx\r\n")


def verifiers():
    for to, code, words in [
            ("yes@home.example", 250, ""), ("there@home.example", 250, ""), ("there+ext@home.example", 250, ""),
            ("remote@home.example", 250, ""), ("all@all.home.example", 250, ""),
            ("no@home.example", 550, "never heard of him"), ("late@home.example", 450, "ask later"),
            ("silent@home.example", 550, "there is no such mailbox"), ("other@home.example", 550, "4 of them"),
            ("abort@home.example", 421, ""), ("friend@home.example", 250, "")]:
        is_(rcpt("verify", "198.51.100.30", "from@x.example", to), code, words)
    args = open(work + "/verifier.args").read().split("\n")
    assert args[0].startswith("yes@home.example|from@x.example|198.51.100.30:1000|home.example|none|"), args[0]
    for to, code, words in ("yes@home.example", 250, ""), ("no@home.example", 550, "not in the net"), \
            ("late@home.example", 450, "net is busy"), ("abort@home.example", 421, ""), ("a|b@home.example", 550, ""):
        is_(rcpt("net", "198.51.100.30", "from@x.example", to), code, words)
    is_(rcpt("net", "198.51.100.30", "from@x.example", "yes@home.example", login=True), 250)
    said = open(work + "/net.log").read().split("\n")
    assert said[0] == "yes@home.example|from@x.example|198.51.100.30:1000|home.example|none|", said[0]
    assert said[-2].endswith("|home.example|plain|bob"), said
    for to, code, words in ("ann@hop.example", 250, ""), ("eve@hop.example", 550, "no eve here"), \
            ("any@down.example", 250, ""), ("x@home.example", 250, ""):
        is_(rcpt("call", "198.51.100.30", to=to), code, words)
    is_(rcpt("call", "198.51.100.30", to="eve@hop.example"), 550)
    assert open(work + "/hop.rcpts").read().count("eve@") == 1  # the second time it was known
    is_(rcpt("call", "198.51.100.30", "good@x.example"), 250)   # senders by a file
    is_(rcpt("call", "198.51.100.30", "bad@x.example"), 550, "there is no such sender")
    is_(rcpt("call", "198.51.100.30", "bad@x.example", login=True), 250)
    is_(rcpt("call", "198.51.100.30", ""), 250)
    is_(rcpt("local", "198.51.100.30", to="root@home.example"), 550)   # no person's account
    is_(rcpt("local", "198.51.100.30", to="postmaster@home.example"), 250)
    is_(rcpt("local0", "198.51.100.30", to="root@home.example"), 250)
    is_(rcpt("local0", "198.51.100.30", to="Root+x@home.example"), 250)
    is_(rcpt("local0", "198.51.100.30", to="no-such-account@home.example"), 550)


def grey(new):
    t = ("a@x.example", "grey@home.example")
    if new:
        is_(rcpt("grey", "198.51.100.40", *t), 450, "come back in 1 seconds")
        is_(rcpt("grey", "198.51.100.40", *t, login=True), 250)
        is_(rcpt("grey", "203.0.113.9", *t), 250)               # welcome
        is_(rcpt("grey", "198.51.100.2", *t), 250)              # by a list
        for _ in range(100):
            got = rcpt("grey", "198.51.100.41", "A@x.example", t[1])    # his neighbour, in a queue of theirs
            if got[0] == 250:
                break
            is_(got, 450)
            time.sleep(0.1)
        is_(got, 250)
    is_(rcpt("grey", "198.51.100.40", *t), 250)                 # known, after a restart, too
    is_(rcpt("grey", "198.51.10%d.40" % (new + 1), *t), 450)
    is_(rcpt("grey", "198.51.100.40", t[0], "other%d@home.example" % new), 450)


def window():
    # AUTH-06: for a while, for that address, and while it is read
    me = "198.51.100.60"
    line = [x.split()[2] for x in open(root + "/ready") if x.startswith("window pop3 ")][0]
    is_(rcpt("window", me, "bob@home.example", "x@far.example"), 550)
    p = Reader(*line.rsplit(":", 1), timeout=60)
    p.user("bob")
    try:
        p.pass_("wrong")
        raise SystemExit("let in")
    except poplib.error_proto:
        pass
    is_(rcpt("window", me, "bob@home.example", "x@far.example"), 550)
    p.user("bob")
    p.pass_("pencil")
    is_(rcpt("window", me, "bob@home.example", "x@far.example"), 250)
    is_(rcpt("window", me, "bob@home.example", "t%far.example@home.example"), 550)
    is_(rcpt("window", "198.51.100.50", "bob@home.example", "x@far.example"), 550)
    with Client("window", me) as c:
        c.ehlo()
        assert c.mail("eve@home.example")[0] == 553             # his, and nobody else's
    with Client("submit", me) as c:
        c.ehlo()
        assert c.mail("bob@home.example")[0] == 530             # where people log in it counts nothing
    file = root + "/pop-before-smtp/" + me
    os.utime(file, (time.time() - 3600,) * 2)                   # it was opened long ago, and he reads on
    for _ in range(600):
        p.noop()
        if os.stat(file).st_mtime > time.time() - 120:
            break
        time.sleep(0.1)
    is_(rcpt("window", me, "bob@home.example", "x@far.example"), 250)
    os.unlink(file)                                             # a person closed it: it stays so
    time.sleep(1.1)
    p.noop()
    is_(rcpt("window", me, "bob@home.example", "x@far.example"), 550)
    p.quit()
    p = Reader(*line.rsplit(":", 1), timeout=60)
    p.user("bob")
    p.pass_("pencil")
    p.quit()
    file = root + "/pop-before-smtp/" + me
    assert open(file).read() == "bob\n"
    os.utime(file, (time.time() - 3601,) * 2)
    is_(rcpt("window", me, "bob@home.example", "x@far.example"), 550)   # over
    assert not os.path.exists(file)


what = sys.argv[3]
{"lists": lists, "networks": networks, "spf": spf, "verifiers": verifiers, "grey": lambda: grey(1),
 "grey-again": lambda: grey(0), "window": window}[what]()
