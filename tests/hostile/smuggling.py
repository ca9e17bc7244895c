"""End-of-data look-alikes in a message, by every way in, and what each way out makes of them.

	smuggling.py hop SMTPPORT LMTPPORT HEARD	two next hops, who write to HEARD.smtp and HEARD.lmtp
	smuggling.py in LMTP ROOT ROWS			sends; ROWS gets a line for each: taken or refused
	smuggling.py out ROWS HEARD ROOT		what they heard, and what the batches hold

A row is a way in and a look-alike, with the commands of a second message behind it.  It may be
refused, or taken: then each way out has one message, with those commands as lines of its text,
without a CR or LF that stands alone, and nothing of the second is a command or a message.  One with
a NUL in it may go back to its sender instead, where the next hop reads only text.

What a batch's chunk holds is counted, and stays as it is, in a batch whose bodies are counted, too; where a
body ends in a dot it goes back to its sender if a CR or LF stands alone in it.
"""
import glob
import os
import re
import socket
import subprocess
import sys
import threading

ENDS = (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r.\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n",
        b"\r\n.\r\r\n", b"\n\n.\n\n", b"\r\n..\r\n", b"\n..\n", b"\r\n.\r\n")
SECOND = (b"MAIL FROM:<evil@x.example>\r\nRCPT TO:<smuggled@hop.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n.\r\n")
TO = ("v@hop.example", "v@lm.example", "v@far.example", "v@near.example")
OUT = ("smtp", "lmtp", "reduced", "full")


def text(name, end):
    return b"Subject: " + name.encode() + b"\r\n\r\nfirst" + end + SECOND + b"last\r\n"


# ---- the next hops ----


def serve(server, greeting, path):
    with open(path, "ab", 0) as heard:
        while True:
            peer, _ = server.accept()
            threading.Thread(target=converse, args=(peer, greeting, heard), daemon=True).start()


def converse(peer, greeting, heard):
    lines, data, rcpts, session = peer.makefile("rwb", 0), False, 0, b""
    lines.write(b"220 hop " + greeting + b"\r\n")
    while True:
        line = lines.readline()
        if not line:
            break
        session += line
        if data and line == b".\r\n":
            data = False
            lines.write(b"250 ok\r\n" * (rcpts if greeting == b"LMTP" else 1))
            rcpts = 0
            heard.write(session)
            session = b""
        elif data:
            continue
        elif line.startswith(b"DATA"):
            data = True
            lines.write(b"354 go\r\n")
        else:
            rcpts += line.startswith(b"RCPT")
            lines.write(b"250 ok\r\n")


def hop(smtp, lmtp, heard):
    for path, greeting, name in ((smtp, b"SMTP", "smtp"), (lmtp, b"LMTP", "lmtp")):
        server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=serve, args=(server, greeting, heard + "." + name), daemon=True).start()
        with open(path + ".new", "w") as file:
            file.write("%d\n" % server.getsockname()[1])
        os.rename(path + ".new", path)
    threading.Event().wait()


# ---- the ways in ----


def by_lmtp(where, body, chunk):
    host, port = where.rsplit(":", 1)
    line = socket.create_connection((host, int(port)), 60).makefile("rwb", 0)

    def say(words, replies=1):
        if words:
            line.write(words)
        said = []
        for _ in range(replies):
            got = line.readline()
            while got[3:4] == b"-":
                got = line.readline()
            said.append(got[:3])
        return said

    say(b"")
    say(b"LHLO x.example\r\n")
    say(b"MAIL FROM:<a@b.example>\r\n")
    for to in TO:
        say(b"RCPT TO:<%s>\r\n" % to.encode())
    try:
        if chunk:
            codes = say(b"BDAT %d LAST\r\n" % len(body) + body, len(TO))
        else:
            say(b"DATA\r\n")
            # what a client that stuffs sends; a look-alike is no line start to it
            codes = say(re.sub(rb"(^|\r\n)\.", rb"\1..", body) + b".\r\n", len(TO))
    except ConnectionError:
        codes = [b"421"]
    return codes[0].startswith(b"2")


def run(words, data, root, **more):
    environment = dict(os.environ, MOCHILA_ROOT=root, **more)
    done = subprocess.run(words, input=data, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert done.returncode in (0, 65), (words, done.returncode)
    return done.returncode == 0


def envelope(end):
    return end.join([b"HELO x.example", b"MAIL FROM:<a@b.example>"] + [b"RCPT TO:<%s>" % to.encode() for to in TO] + [b""])


def by_batch(root, body, how):
    if how == "chunk":
        batch = envelope(b"\r\n") + b"BDAT %d LAST\r\n" % len(body) + body + b"QUIT\r\n"
    elif how == "crlf":     # lines end so, a dot is stuffed there, and whatever else stands alone goes through
        batch = envelope(b"\r\n") + b"DATA\r\n" + re.sub(rb"(^|\r\n)\.", rb"\1..", body) + b".\r\nQUIT\r\n"
    else:
        batch = envelope(b"\n") + b"DATA\n" + re.sub(rb"(^|\n)\.", rb"\1..", body) + b".\nQUIT\n"
    return run(["bsmtp", "unpack"], batch, root)


WAYS = {
    "lmtp": lambda lmtp, root, body: by_lmtp(lmtp, body, False),
    "lmtp-chunk": lambda lmtp, root, body: by_lmtp(lmtp, body, True),
    "batch-crlf": lambda lmtp, root, body: by_batch(root, body, "crlf"),
    "batch-lf": lambda lmtp, root, body: by_batch(root, body, "lf"),
    "batch-chunk": lambda lmtp, root, body: by_batch(root, body, "chunk"),
    "rmail": lambda lmtp, root, body: run(["rmail", *TO], b"From a@b.example Sat Nov 21 12:00:00 2026\n" + body, root, UU_MACHINE="far"),
    "sendmail": lambda lmtp, root, body: run(["sendmail", "-i", "-f", "a@b.example", *TO], body, root),
}


def send(lmtp, root, rows):
    with open(rows, "w") as out:
        for way, deliver in WAYS.items():
            for number, end in enumerate(ENDS):
                name = "%s-%d" % (way, number)
                taken = deliver(lmtp, root, text(name, end))
                print(name, way, "taken" if taken else "refused", repr(end), file=out)


# ---- the ways out ----


def messages(heard):
    """Of bytes on a wire, by the letter: commands, and bodies with their dots unstuffed."""
    commands, bodies, body = [], [], None
    for line in re.findall(rb"[^\n]*\n", heard):
        if body is None:
            commands.append(line)
            if line == b"DATA\r\n":
                body = b""
        elif line == b".\r\n":
            bodies.append(body)
            body = None
        else:
            body += line[1:] if line.startswith(b".") else line
    assert body is None, "the last has no end"
    return commands, bodies


def chunks(batch):
    commands, bodies = [], []
    while batch:
        line, _, batch = batch.partition(b"\n")
        commands.append(line + b"\n")
        if line.startswith(b"BDAT "):
            size = int(line.split()[1])
            bodies.append(batch[:size])
            batch = batch[size:]
    return commands, bodies


def stands_alone(body):
    return re.search(rb"(?<!\r)\n|\r(?!\n)", body)


def read(path):
    return b"".join(open(name, "rb").read() for name in sorted(glob.glob(path)) if os.path.isfile(name))


def look(rows, heard, root):
    seen = {
        "smtp": messages(read(heard + ".smtp")), "lmtp": messages(read(heard + ".lmtp")),
        "reduced": messages(read(root + "/spool/sent/far/*")), "full": chunks(read(root + "/spool/sent/near/*")),
    }
    failures = 0
    for out in OUT:
        commands, bodies = seen[out]
        alone = [body for body in bodies if stands_alone(body) and not (out == "full" and b"Subject: batch-chunk-" in body)]
        evil = [line for line in commands if b"evil" in line or b"smuggled" in line]
        good = not alone and not evil
        failures += not good
        print("%s: %s: %d messages; no CR or LF alone (%d), nothing smuggled (%d)" % (
            "ok" if good else "FAIL", out, len(bodies), len(alone), len(evil)))
    for row in open(rows):
        name, way, state, end = row.rstrip("\n").split(" ", 3)
        subject = b"Subject: " + name.encode() + b"\r\n"
        counts, whole, sent = [], True, text(name, ENDS[int(name.rsplit("-", 1)[1])])
        kept = way == "batch-chunk" and stands_alone(sent)
        for out in OUT:
            mine = [body for body in seen[out][1] if subject in body]
            counts.append(len(mine))
            if kept and out == "full":
                whole = whole and all(sent in body for body in mine)
                continue
            whole = whole and all(b"\r\nlast\r\n" in body and SECOND[:-3] in body for body in mine)
        wanted = int(state == "taken")
        back = "\\x00" in end or kept
        good = whole and counts[-1] == wanted and all(count == wanted or (back and count == 0) for count in counts)
        failures += not good
        print("%s: DATA-02 %s, %s: %s; %s" % ("ok" if good else "FAIL", way, end, state,
                                            ", ".join("%s %d" % pair for pair in zip(OUT, counts))))
    return failures


if sys.argv[1] == "hop":
    hop(*sys.argv[2:5])
elif sys.argv[1] == "in":
    send(*sys.argv[2:5])
else:
    sys.exit(1 if look(*sys.argv[2:5]) else 0)
