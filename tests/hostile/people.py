"""The POP3 and AUTH rows of hostile inputs, a row each: AUTH-01 to AUTH-08, and POP3 beside them."""
import base64
import hashlib
import os
import re
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

SMTP, POP, TLS, root = sys.argv[1:5]
b64 = lambda data: base64.b64encode(data if isinstance(data, bytes) else data.encode("latin-1"))


class Line:
    """From an address of its own: who was wrong before waits longer."""
    def __init__(self, where):
        self.line = socket.create_connection(where.rsplit(":", 1))
        self.line.settimeout(60)
        self.line.sendall(b"PROXY TCP4 198.18.%d.%d 127.0.0.1 1 25\r\n" % tuple(os.urandom(2)))
        self.file = self.line.makefile("rb")
        self.greeting = self.file.readline()

    def say(self, data, lines=1):
        self.send(data + b"\r\n")
        return self.hear()

    def send(self, data):
        try:
            self.line.sendall(data)
        except OSError:
            pass

    def hear(self):
        while True:
            try:
                text = self.file.readline()
            except OSError:
                return b""
            if text[3:4] != b"-" or text[:1] == b"-":
                return text.strip()


def smtp():
    line = Line(SMTP)
    line.say(b"EHLO x")
    return line


def is_(row, got, *want):
    assert any(got.startswith(w) for w in want), (row, got, want)


# AUTH-01: what is no base64, or none of a mechanism's, is refused, and the session is in step
def auth_01(text):
    for ask in b"AUTH PLAIN " + text, b"AUTH LOGIN " + text, b"AUTH CRAM-MD5 " + text:
        line = smtp()
        said = line.say(ask)
        if said.startswith(b"334"):
            said = line.say(text)
        if said.startswith(b"334"):
            said = line.say(b"*")
        is_("AUTH-01 %r" % ask, said, b"501", b"535", b"500")
        is_("AUTH-01 in step", line.say(b"NOOP"), b"250")
    line = Line(POP)
    said = line.say(b"AUTH PLAIN " + text)
    if said.startswith(b"+ "):
        said = line.say(b"*")
    is_("AUTH-01 POP3 %r" % text, said, b"-ERR")
    is_("AUTH-01 POP3 in step", line.say(b"CAPA"), b"+OK")


texts = [b"=", b"====", b"A", b"AAA", b"A===", b"AG Jv", b"AG\tJv", b"*", b"AGJvYg==", b"!!!!", b64("\0\0"), b64("\0bob"),
         b64("\0bob\0"), b64("bob\0bob\0x\0y"), b64(b"\0" * 9), b64("\xff\0bob\0x"), b64("\0" + "a" * 2000 + "\0x")]
with ThreadPoolExecutor(len(texts)) as pool:
    list(pool.map(auth_01, texts))
for size in 12287, 12288, 16384, 20000:
    line = smtp()
    line.say(b"AUTH PLAIN")
    is_("AUTH-01 %d" % size, line.say(b"A" * size), b"5")
    is_("AUTH-01 %d in step" % size, line.say(b"NOOP"), b"250", b"")

# AUTH-02: in the middle of a message, twice, and too often wrong
line = smtp()
line.say(b"MAIL FROM:<a@x.example>")
is_("AUTH-02", line.say(b"AUTH PLAIN " + b64("\0bob\0pencil")), b"503")
line = smtp()
is_("AUTH-02", line.say(b"AUTH PLAIN " + b64("\0bob\0pencil")), b"235")
is_("AUTH-02 twice", line.say(b"AUTH PLAIN " + b64("\0bob\0pencil")), b"503")
line = smtp()
said = [line.say(b"AUTH PLAIN !") for _ in range(30)]
assert said[-1] == b"" and any(s.startswith(b"421") for s in said), said
line = Line(POP)
said = [line.say(b"AUTH PLAIN !") for _ in range(30)]
assert said[-1] == b"", said

# AUTH-02, SASL without TLS where it needs it
line = Line(TLS)
line.say(b"EHLO x")
is_("AUTH-02 clear", line.say(b"AUTH PLAIN " + b64("\0bob\0pencil")), b"5")

# AUTH-03: the same words for an unknown user and a wrong password, and late
times = {}
for user in "bob", "nobody":
    line = smtp()
    began = time.time()
    times[user] = line.say(b"AUTH PLAIN " + b64("\0%s\0wrong" % user))
    assert time.time() - began > 0.9
assert times["bob"] == times["nobody"], times

# AUTH-07, AUTH-08: nobody's queue is started by a word, and no session is turned round
for verb in b"ETRN", b"ATRN":
    line = smtp()
    for words in (b"@x", b"#q", b";id", b"../..", b"home.example", b"a,b", b"", b"x" * 1000, b"%n"):
        is_("AUTH-07 %r" % words, line.say((verb + b" " + words).strip()), b"502", b"500", b"501", b"421")
    line = smtp()
    line.say(b"AUTH PLAIN " + b64("\0bob\0pencil"))
    is_("AUTH-08", line.say(verb + b" home.example"), b"502")
    is_("AUTH-08 it is still us who answer", line.say(b"220 x ESMTP"), b"500")
    line = smtp()
    said = [line.say(verb + b" home.example") for _ in range(100)]
    assert said[-1] == b"" and any(s.startswith(b"421") for s in said), ("AUTH-07", said)

# AUTH-04: a name is looked up as it is, and is nothing else
before = sorted(os.listdir(root))
for user in "../bob", "a/b", "%u", "%d", "$(id)", "b\xf6b", "*", "bob'", '"bob"', "bob:x", "BOB\\", "a" * 300, "#", "!", "bob\\0":
    line = smtp()
    line.send(b"AUTH PLAIN " + b64("\0%s\0pencil" % user) + b"\r\n")
    line.line.close()       # whose answer would be slow
    if " " not in user and ord(max(user)) < 128:
        line = Line(POP)
        line.say(b"USER " + user.encode())
        line.send(b"PASS pencil\r\n")
        line.line.close()
assert sorted(os.listdir(root)) == before, set(os.listdir(root)) - set(before)

# AUTH-05: APOP by a stamp of the message-id's shape, never twice the same, and never by another
stamps = set()
for _ in range(3):
    line = Line(POP)
    stamp = re.search(rb"<[!-;=?-~]+@[!-;=?-~]+>", line.greeting).group()
    stamps.add(stamp)
    old = hashlib.md5(sorted(stamps)[0] + b"secret").hexdigest().encode()
    mine = hashlib.md5(stamp + b"secret").hexdigest().encode()
    is_("AUTH-05", line.say(b"APOP clear " + mine), b"+OK")
    line.say(b"QUIT")
assert len(stamps) == 3
line = Line(POP)
is_("AUTH-05 digest", line.say(b"APOP clear " + b"0" * 31), b"-ERR")
is_("AUTH-05 digest", line.say(b"APOP clear"), b"-ERR")
line.send(b"APOP clear " + old + b"\r\n")
assert line.hear().startswith(b"-ERR"), "replayed"

# POP3: lines, numbers and order
line = Line(POP)
is_("POP-01", line.say(b"USER " + b"a" * 2000), b"-ERR")
is_("POP-01 in step", line.say(b"CAPA"), b"+OK")
line = Line(POP)
for text in b"", b"RETR 1", b"STAT", b"DELE 1", b"UIDL", b"TOP 1 1", b"LIST", b"XTND", b"\0", b"USER", b"USER \0bob", b"PASS x":
    is_("POP-02 %r" % text, line.say(text), b"-ERR")
line = Line(POP)
line.send(b"A" * 60000 + b"\r\n")
assert b"-ERR" in line.file.readline()
line = Line(POP)
line.say(b"USER clear")
is_("POP-03", line.say(b"PASS secret"), b"+OK")
for number in b"0", b"-1", b"4294967296", b"18446744073709551616", b"1e3", b"0x1", b"99", b"+1", b"1 2", b"", b"a":
    for verb in b"RETR", b"DELE", b"LIST", b"UIDL", b"TOP":
        if verb in (b"LIST", b"UIDL") and number == b"":
            continue
        is_("POP-03 %r %r" % (verb, number), line.say(verb + b" " + number), b"-ERR", b"")
        if line.say(b"NOOP") == b"":
            line = Line(POP)
            line.say(b"USER clear")
            line.say(b"PASS secret")
is_("POP-03", line.say(b"TOP 1 99999999999999999999"), b"-ERR")
is_("POP-04", line.say(b"QUIT"), b"+OK")
