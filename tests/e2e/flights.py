#!/usr/bin/python3
# flights.py PORTFILE LOG OPTION... - a next hop that answers late, for the tests: who waits for its
# answer before he says more has to wait.
#
#	chunks=yes	CHUNKING is offered
#	together=N	but for the first message of all, what came is answered when N of them are there,
#			by DATA the last one up to DATA; or when gate is there
#	gate=FILE	see above; with together=1 a message is answered when it is there
#	drop=N		with the Nth message the connection closes, and what was not answered is not;
#			from then on each is answered at once
#	limits=WORDS	of LIMITS
#	login=NAME:PASSWORD	by AUTH PLAIN, before anything else
#
# It is strict: MAIL within a transaction is 503, without a login 530.  To no* at any domain it says 550.  LOG has a line for
# each connection, each login ("login ok", "no" or "late"), each message that it took, "answered N" for the messages answered at a time, and "ahead"
# where more had come than those.
import base64
import os
import select
import socketserver
import sys
import threading
import time

port_file, log = sys.argv[1:3]
options = dict(word.split("=", 1) for word in sys.argv[3:])
together = int(options.get("together", 1))
lock = threading.Lock()
number = taken = 0


def note(line):
    with lock, open(log, "a") as out:
        out.write(line + "\n")


def gate():
    return os.path.exists(options["gate"]) if "gate" in options else together == 1


class Hop(socketserver.StreamRequestHandler):
    def setup(self):
        super().setup()
        self.answers, self.held, self.begun, self.known = [], 0, False, "login" not in options

    def say(self, *lines):
        self.answers += lines

    def pending(self):
        return select.select([self.connection], [], [], 0)[0] != []

    def answer(self):
        """Now all that was held; to nobody who has gone."""
        if self.held > 0:
            note("answered %d" % self.held)
        self.wfile.write("".join(line + "\r\n" for line in self.answers).encode())
        self.answers, self.held = [], 0

    def wait(self, enough):
        """True when what came is to be answered: until then he may say more."""
        while not enough and not gate() and not self.pending():
            time.sleep(0.02)
        while together == 1 and self.held > 0 and not gate():
            time.sleep(0.02)
        if together == 1 and self.held > 0 and self.pending():
            note("ahead")
        return enough or gate()

    def read(self):
        """A line, without a look ahead, so that pending() is true of what is not read."""
        line = b""
        while not line.endswith(b"\n"):
            if not (byte := self.connection.recv(1)):
                return None
            line += byte
        return line.decode("latin-1").rstrip("\r\n")

    def take(self, text):
        global taken
        self.begun = False
        subject = text.split("Subject: ")[1].split("\r\n")[0]
        if not self.rcpts:
            self.begun = True
            self.say("503 5.5.1 nobody is to have it")
            return True
        with lock:
            taken += 1
            count = taken
        note("took %d %s from %s to %s" % (self.mine, subject, self.sender, ",".join(self.rcpts)))
        if count == int(options.get("drop", 0)):
            return False
        self.say("250 2.0.0 taken")
        self.held += 1
        return True

    def dotted(self):
        text = []
        while (line := self.read()) != ".":
            text.append(line)
        return self.take("\r\n".join(text) + "\r\n")

    def chunk(self, size):
        text = b""
        while len(text) < size and (piece := self.connection.recv(size - len(text))):
            text += piece
        return self.take(text.decode("latin-1"))

    def offer(self):
        words = ["PIPELINING"]
        if "chunks" in options:
            words.append("CHUNKING")
        if "login" in options:
            words.append("AUTH PLAIN")
        if "limits" in options:
            words.append("LIMITS " + options["limits"])
        self.say("250-hop", *["250-" + word for word in words[:-1]], "250 " + words[-1])

    def login(self, words):
        """Only once, and before all mail."""
        if self.known:
            note("login late")
            self.say("503 5.5.1 not now")
            return
        said = base64.b64decode(words[2]).decode().split("\0") if len(words) == 3 and words[1] == "PLAIN" else []
        self.known = said[1:] == options["login"].split(":")
        note("login ok" if self.known else "login no")
        self.say("235 2.7.0 welcome" if self.known else "535 5.7.8 no")

    def verb(self, words):
        """False: no more."""
        verb = words[0].upper()
        if verb == "EHLO":
            self.offer()
        elif verb == "AUTH":
            self.login(words)
        elif verb == "MAIL" and not self.known:
            note("stranger")
            self.say("530 5.7.0 who are you")
        elif verb == "MAIL" and self.begun:
            self.say("503 5.5.1 one at a time")
        elif verb == "MAIL":
            self.begun, self.sender, self.rcpts = True, words[1].split("<")[1].split("@")[0], []
            self.say("250 2.1.0 ok")
        elif verb == "RCPT" and words[1].split("<")[1].startswith("no"):
            self.say("550 5.1.1 no such user")
        elif verb == "RCPT":
            self.rcpts.append(words[1].split("<")[1].split("@")[0])
            self.say("250 2.1.5 ok")
        elif verb == "BDAT":
            return self.chunk(int(words[1]))
        elif verb == "DATA" and self.rcpts:
            self.say("354 go on")
        elif verb == "RSET":
            self.begun = False
            self.say("250 2.0.0 ok")
        else:
            self.say("221 bye" if verb == "QUIT" else "503 5.5.1 no")
        return verb != "QUIT"

    def is_enough(self, verb):
        if taken <= 1 or self.held == 0 or 0 < int(options.get("drop", 0)) <= taken:
            return True
        return self.held + (verb == "DATA") >= together

    def handle(self):
        global number
        with lock:
            number += 1
            self.mine = number
        note("connect %d" % self.mine)
        self.say("220 hop")
        self.answer()
        more, data = True, False
        while more and (data or (line := self.read()) is not None):
            words = ["."] if data else line.split(" ")
            more = self.dotted() if data else self.verb(words)
            if not more and words[0].upper() != "QUIT":
                return
            data = self.answers[-1].startswith("354")
            if not (words[0].upper() in (".", "BDAT", "DATA") or self.held == 0) or not self.wait(self.is_enough(words[0].upper())):
                continue
            self.answer()


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 50


server = Server(("127.0.0.1", 0), Hop)
with open(port_file + ".new", "w") as out:
    out.write("%d\n" % server.server_address[1])
os.rename(port_file + ".new", port_file)
server.serve_forever()
