"""The open-relay vectors: each row of open-relay.tsv said to every door that open-relay.sh opened.

Each must be answered as the row says, and in the end nothing may wait for a foreign host but what
rows with a right to send brought, to exactly the address that they named.
"""
import base64
import os
import re
import socket
import subprocess
import sys

tsv, root, bsmtp, rmail = sys.argv[1:5]
READY = dict(("%s %s" % tuple(line.split()[:2]), line.split()[2]) for line in open(root + "/ready"))
WORDS = {"$V": "victim.example", "$L": "home.example", "$S": "mx.home.example", "$I": "127.0.0.1",
         "\\0": "\0", "(900 octets)": "a" * 900}
CLIENTS = {"A": "198.51.100.9", "P": "198.51.100.61", "X": "198.51.100.60", "M": "198.51.100.9", "L": "192.0.2.1",
           "S": "198.51.100.9"}
bad = []


def rows():
    for line in open(tsv).read().splitlines()[1:]:
        row = line.split("\t")
        for i in 2, 3:
            for word, text in WORDS.items():
                row[i] = row[i].replace(word, text)
        yield row


class Line:
    """One connection; what is said is literal."""
    def __init__(self, door, client, hello="EHLO mx.home.example"):
        where = READY[door]
        if where.startswith("unix:"):
            self.line = socket.socket(socket.AF_UNIX)
            self.line.connect(where[5:])
        else:
            host, port = where.rsplit(":", 1)
            self.line = socket.create_connection((host, int(port)))
            kind = ("TCP6", "::1") if ":" in client else ("TCP4", "127.0.0.1")
            self.line.sendall(("PROXY %s %s %s 1 25\r\n" % (kind[0], client, kind[1])).encode())
        self.line.settimeout(60)
        self.file = self.line.makefile("rb")
        self.hear()
        self.code(hello)

    def hear(self):
        while True:
            text = self.file.readline()
            if len(text) < 4:
                return 421
            if text[3:4] != b"-":
                return int(text[:3])

    def code(self, text):
        try:
            self.line.sendall(text.encode("latin-1") + b"\r\n")
            return self.hear()
        except OSError:
            return 421

    def log_in(self):
        assert self.code("AUTH PLAIN " + base64.b64encode(b"\0u\0pencil").decode()) == 235


def give(line, name, door):
    """A recipient was taken: the message goes with it, so that it is seen where it ends."""
    if line.code("DATA") == 354:
        line.code("Subject: %s %s\r\n\r\nx\r\n." % (name, door))


def say(row, line, door):
    name, _, sender, rcpt, expect = row[:5]
    code = line.code("MAIL FROM:" + sender)
    taken = False
    for to in rcpt.split(" then "):
        to, _, times = to.partition(" x ")
        for _ in range(int(times or 1)):
            if code // 100 == 2 or times:
                code = line.code("RCPT TO:" + to)
            taken = taken or code // 100 == 2
    if taken:
        give(line, name, door)
    return code, taken


def verdict(row, code, taken, door):
    name, expect = row[0], row[4]
    right = {"5": code // 100 == 5 and not taken, "2": taken, "530": code == 530,
             "5 then 421": code == 421 and not taken, "local u + 5": code // 100 == 5 and taken}.get(expect)
    if right is None:       # local: there, or refused
        right = taken or code // 100 == 5
    if name == "OR-58":     # RFC 5321 4.5.1
        right = taken
    if not right:
        bad.append("%s at %s: %d, taken %s, where it says %s" % (name, door, code, taken, expect))


def each():
    for row in rows():
        kind = row[1]
        if kind == "REV":
            continue        # nobody's session is reversed here: ATRN and TURN are not there
        door = "submit smtp" if row[4] == "530" else "world smtp"
        line = Line(door, CLIENTS[kind])
        if kind == "M":
            line.log_in()
        verdict(row, *say(row, line, door), door)
        line.line.close()


def in_one(door, client, hello):
    """All of class A in one connection, RSET between them: 2xx only as they may."""
    line = Line(door, client, hello)
    for row in rows():
        if row[1] != "A" or row[4] == "5 then 421":
            continue
        code, taken = say(row, line, door)
        if code == 421:         # so many mistakes end it, which is right as well
            line = Line(door, client, hello)
            code, taken = say(row, line, door)
        verdict(row, code, taken, door)
        line.code("RSET")


def at_submission():
    """Nobody sends there who did not log in, whatever it is, local ones too."""
    for row in rows():
        if row[1] in "AL":
            code, taken = say(row, Line("submit smtp", CLIENTS[row[1]]), "submit")
            if taken or code // 100 != 5 and code != 421:
                bad.append("%s at submit: %d" % (row[0], code))


def trusted(door, hello):
    """Who may send anywhere may not have the address made into another one."""
    for row in rows():
        if row[1] not in "AL" or row[4] == "5 then 421":
            continue
        line = Line(door, CLIENTS["L"], hello)
        code, taken = say(row, line, "trusted")
        hop = re.search(r"[%!@:].*@home\.example\.?>?$", row[3].split(" ORCPT")[0])
        if hop and taken and row[4] == "5":
            bad.append("%s at %s: taken" % (row[0], door))


def scripts():
    def answer(*says, door="world smtp", client="A"):
        line = Line(door, CLIENTS[client])
        return [line.code(text) for text in says]
    plain = ["MAIL FROM:<s@victim.example>", "RCPT TO:<t@victim.example>"]

    def is_(name, got, *want):
        if [str(g)[:len(str(w))] for g, w in zip(got, want)] != [str(w) for w in want]:
            bad.append("%s: %s, not %s" % (name, got, want))
    wrong = "AUTH PLAIN " + base64.b64encode(b"\0u\0wrong").decode()
    right = "AUTH PLAIN " + base64.b64encode(b"\0u\0pencil").decode()
    mine = "MAIL FROM:<u@home.example>"
    is_("OS-01", answer(wrong, *plain), 535, 250, 550)
    is_("OS-02", answer(right, "EHLO again", mine, plain[1]), 235, 250, 250, 250)
    is_("OS-04", answer("RCPT TO:<u@home.example>", "DATA", plain[0], plain[0]), 503, 503, 250, 503)
    for name in "mx.home.example", "localhost", "[127.0.0.1]", "home.example":
        is_("OS-08", answer("EHLO " + name, *plain), 250, 250, 550)
        is_("OS-08", answer("HELO " + name, *plain), 250, 250, 550)
    is_("OS-09", answer("XCLIENT ADDR=192.0.2.1", *plain), 5, 250, 550)
    is_("OS-09", answer("XFORWARD ADDR=192.0.2.1", *plain), 5, 250, 550)
    line = Line("world smtp", "::ffff:192.0.2.1")
    is_("OS-11", [line.code(text) for text in plain], 250, 250)
    is_("OS-15", answer(plain[0], "RCPT TO:<nobody@home.example>"), 250, 550)
    is_("OS-18", answer("ETRN home.example", "ATRN home.example", "TURN"), 5, 5, 5)
    is_("OS-20", answer("VRFY u", "EXPN staff", "VRFY u@home.example"), 252, 502, 252)
    # OS-05: what follows refused recipients in one flight is no message and no commands
    line = Line("world smtp", CLIENTS["A"])
    line.line.sendall(b"MAIL FROM:<s@victim.example>\r\nRCPT TO:<t@victim.example>\r\nDATA\r\n")
    is_("OS-05", [line.hear() for _ in range(3)], 250, 550, 5)
    # OS-06: only CRLF.CRLF ends a mail, whoever sends it; what is behind is text, or refused with it
    for end in b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r":
        line = Line("world smtp", CLIENTS["L"])
        is_("OS-06", [line.code(t) for t in ("MAIL FROM:<s@victim.example>", "RCPT TO:<u@home.example>", "DATA")], 250, 250, 354)
        line.line.sendall(b"Subject: OS-06\r\n\r\nx" + end + b"MAIL FROM:<smuggled@victim.example>\r\n"
                          b"RCPT TO:<smuggled@victim.example>\r\nDATA\r\nSubject: OS-06\r\n\r\nx\r\n.\r\n")
        line.hear()
        then = [line.code("NOOP"), line.code("RCPT TO:<smuggled@victim.example>")]
        if then not in ([250, 503], [421, 421]):        # in step, or sent away
            bad.append("OS-06 %r: %s" % (end, then))
    # OS-07: what a chunk has too much are commands, and none of them
    line = Line("world smtp", CLIENTS["A"])
    is_("OS-07", [line.code(t) for t in ("MAIL FROM:<s@victim.example>", "RCPT TO:<u@home.example>")], 250, 250)
    line.line.sendall(b"BDAT 10 LAST\r\nX: OS-07\r\nRCPT TO:<t@victim.example>\r\n" + b"surplus\r\n" * 30)
    codes = [line.hear()]
    while codes[-1] != 421 and len(codes) < 40:
        codes.append(line.hear())
    is_("OS-07", codes, 250, 503, 5)
    if codes[-1] != 421 or len(codes) > 30:
        bad.append("OS-07: %s" % codes)
    # OS-10: a client's name is what it says of itself, and nobody asks the DNS for another: rules are
    # of addresses (a name in relay-from does not start)
    for name in "localhost", "localhost.localdomain", "u.home.example":
        is_("OS-10", answer("HELO " + name, *plain), 250, 250, 550)
    # OS-16: what fields of the header name is nobody
    line = Line("world smtp", CLIENTS["A"])
    is_("OS-16", [line.code(t) for t in ("MAIL FROM:<s@victim.example>", "RCPT TO:<u@home.example>", "DATA",
        "X-Original-To: t@victim.example\r\nDelivered-To: t@victim.example\r\nEnvelope-To: t@victim.example\r\n"
        "Resent-To: t@victim.example\r\nTo: t@victim.example\r\nSubject: OR-58 world\r\n\r\nx\r\n.")], 250, 250, 354, 250)
    # OS-17: where the people of this host have their mail sent it goes; in a ring it does not
    line = Line("world smtp", CLIENTS["A"])
    is_("OS-17", [line.code(t) for t in ("MAIL FROM:<s@victim.example>", "RCPT TO:<away@home.example>",
        "RCPT TO:<round@home.example>", "DATA", "Subject: OS-17\r\n\r\nx\r\n.")], 250, 250, 250, 354, 250)
    # OS-19: reports of success, for forged senders and for none
    line = Line("world smtp", "198.51.100.77")
    said = []
    for i in range(40):
        line.code("MAIL FROM:<%s>" % ("" if i % 2 else "forged%d@victim.example" % i))
        said.append(line.code("RCPT TO:<u@home.example> NOTIFY=SUCCESS"))
        line.code("RSET")
    is_("OS-19", said, *[250] * 40)
    for i in range(5):
        line.code("MAIL FROM:<forged%d@victim.example>" % i)
        said.append(line.code("RCPT TO:<u@home.example> NOTIFY=SUCCESS"))
        line.code("RSET")
    is_("OS-19", said[40:], *[450] * 5)
    line.code("MAIL FROM:<>")
    is_("OS-19", [line.code("RCPT TO:<u@home.example> NOTIFY=SUCCESS"), line.code("DATA"),
                  line.code("Subject: OS-19\r\n\r\nx\r\n.")], 250, 354, 250)
    # OS-12: networks are compared by their bits
    for client in "192.0.3.1", "19.0.2.1", "192.0.20.1":
        line = Line("world smtp", client)
        is_("OS-12", [line.code(text) for text in plain], 250, 550)


def batches():
    """OS-13, by BSMTP: what a peer brings is a session with nobody behind it."""
    for row in rows():
        if row[1] not in "AL" or row[4] == "5 then 421":
            continue
        batch = "EHLO x\r\nMAIL FROM:%s\r\n" % row[2].split(" AUTH=")[0]
        batch += "".join("RCPT TO:%s\r\n" % to for to in row[3].split(" then "))
        batch += "DATA\r\nSubject: %s bsmtp\r\n\r\nx\r\n.\r\nQUIT\r\n" % row[0]
        subprocess.run([bsmtp, "unpack", "--peer=peer", "-"], input=batch.encode("latin-1"), capture_output=True,
                       env={**os.environ, "MOCHILA_ROOT": root})
        to = row[3].strip("<>")
        if "\0" not in to:
            subprocess.run([rmail, to], input=("From s remote from peer\nSubject: %s rmail\n\nx\n" % row[0]).encode(),
                           capture_output=True, env={**os.environ, "MOCHILA_ROOT": root, "UU_MACHINE": "peer"})
    for to in "t%victim.example", "-oQ/x", "|cmd", "/file", "a\nb":
        done = subprocess.run([rmail, to], input=b"From s remote from peer\n\nx\n",
                              capture_output=True, env={**os.environ, "MOCHILA_ROOT": root, "UU_MACHINE": "peer"})
        if to[0] in "-|/" or "\n" in to:
            if done.returncode == 0:
                bad.append("OS-13: rmail took %r" % to)


def what_waits():
    """Every message that is to go out: who brought it, to whom."""
    may = {row[0] for row in rows() if row[4] == "2"}
    for folder, _, files in os.walk(root + "/spool"):
        for file in files:
            if not re.match(r"(out|in|sent)(/|$)", os.path.relpath(folder, root + "/spool")):
                continue
            text = open(os.path.join(folder, file), "rb").read().decode("latin-1")
            for entry in re.split(r"(?m)^(?=NOOP mochila=1 )", text):
                report = re.match(r"NOOP .* from=dsn", entry)
                subject = re.search(r"^Subject: (OR-\d+) (\S+)", entry, re.M)
                if report and subject and subject[2] not in ("world", "submit", "lmtp"):
                    continue    # a sender is told by whom we know
                if report and " OS-19" in entry:
                    bad.append("OS-19: somebody is told of mail from nobody")
                if "smuggled" in entry.partition("\nBDAT")[0]:
                    bad.append("OS-06: a second mail was made")
                if re.search(r"^Subject: OS-17", entry, re.M):
                    continue    # by far@elsewhere.example below
                for to in re.findall(r"^RCPT TO:<(.*)>", entry, re.M):
                    yield subject and subject.groups(), to, subject and subject[1] in may


def local(kind):
    """For whom something of this kind waits."""
    return {to for subject, to in of_this_host() if subject == kind}


def of_this_host():
    for folder, _, files in os.walk(root + "/spool/out"):
        for file in files:
            text = open(os.path.join(folder, file), "rb").read().decode("latin-1")
            if " from=dsn" in text.partition("\n")[0]:
                continue
            subject = re.search(r"^Subject: (OS-\d+)", text, re.M)
            for to in re.findall(r"^RCPT TO:<(.*)>", text.partition("\nBDAT")[0], re.M):
                yield subject and subject[1], to


def result():
    if local("OS-14") != {"hidden@elsewhere.example"}:
        bad.append("OS-14: waits for %s" % local("OS-14"))
    if local("OS-17") != {"far@elsewhere.example"}:
        bad.append("OS-17: waits for %s" % local("OS-17"))
    said = {address for row in rows() for address in re.findall(r"<([^>]*)>", row[3])} | {row[3] for row in rows()}
    for subject, to, may in what_waits():
        door = subject[1] if subject else "?"
        if door in ("world", "submit", "lmtp") and not may:
            bad.append("%s waits for %s, brought by %s" % (subject[0], to, door))
        # whoever may send anywhere: to the address as it was said, and none made of it
        if door in ("trusted", "bsmtp", "rmail") and to not in said and "!" not in to:
            bad.append("%s became %s at %s" % (subject[0], to, door))
        if re.search(r"[%!:@].*@home\.example$", to):
            bad.append("%s is a second hop" % to)
    for box in os.listdir(root + "/mail"):
        if box not in ("u", "postmaster", "u+t%victim.example", "u--t=victim.example", "world"):
            bad.append("a mailbox %s was made" % box)


{"doors": lambda: (each(), in_one("world smtp", CLIENTS["A"], "EHLO x"), in_one("lmtp lmtp", CLIENTS["A"], "LHLO x"),
                   at_submission(), trusted("world smtp", "EHLO x"), trusted("here smtp", "EHLO x"), scripts()),
 "batches": batches, "result": result,
 "refused": lambda: verdict(["OR-02", "A", "", "", "5"], *say(["", "", "<s@victim.example>", "<t@victim.example>", "5"],
                            Line("world smtp", CLIENTS["A"]), ""), "world")}[sys.argv[5]]()
for line in bad:
    print(line)
sys.exit(1 if bad else 0)
