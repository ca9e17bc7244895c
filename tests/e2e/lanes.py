#!/usr/bin/python3
# lanes.py PORTFILE LOG OPTION... - a next hop that takes so much at a time, for the tests.
#
#	most=N		connections at a time; one more is told 421
#	limits=WORDS	of LIMITS, as RCPTMAX=2,MAILMAX=3
#	rcpts=N		recipients of a transaction; one more is told 452
#	gate=FILE	a message is answered when FILE is there
#	falls=FILE	the first connection ends at its second message, when there is another one, which is told
#			421 when FILE is there; and so is, at once, the third
#
# LOG has a line for each connection, transaction and goodbye; "at-once N" is the most that
# were in hand side by side so far.
import os
import socketserver
import sys
import threading
import time

port_file, log = sys.argv[1:3]
options = dict(word.split("=", 1) for word in sys.argv[3:])
lock = threading.Lock()
standing = working = most_working = number = 0


def note(line):
    with lock, open(log, "a") as out:
        out.write(line + "\n")


class Hop(socketserver.StreamRequestHandler):
    def say(self, *lines):
        self.wfile.write("".join(line + "\r\n" for line in lines).encode())

    def handle(self):
        global standing, number
        with lock:
            standing += 1
            number += 1
            mine, crowd = number, standing > int(options.get("most", 1000))
        if "falls" in options and mine in (2, 3):
            crowd = True
            while mine == 2 and not os.path.exists(options["falls"]):
                time.sleep(0.02)
        try:
            if crowd:
                note("turned-away %d" % mine)
                self.say("421 4.3.2 too many of you")
            else:
                note("connect %d" % mine)
                self.talk(mine)
        finally:
            with lock:
                standing -= 1
            note("end %d" % mine)

    def data(self, mine):
        global working, most_working
        subject = ""
        while (line := self.rfile.readline()).rstrip(b"\r\n") != b".":
            if not line:
                return None
            if line.lower().startswith(b"subject: "):
                subject = line[9:].decode().rstrip()
        with lock:
            working += 1
            most_working = max(most_working, working)
            seen = most_working
        note("at-once %d" % seen)
        while "gate" in options and not os.path.exists(options["gate"]):
            time.sleep(0.02)
        with lock:
            working -= 1
        return subject

    def talk(self, mine):
        self.say("220 hop")
        rcpts = []
        for line in self.rfile:
            line = line.decode("latin-1").rstrip("\r\n")
            verb = line.split(" ")[0].upper()
            if verb == "EHLO" and "limits" in options:
                self.say("250-hop", "250-PIPELINING", "250 LIMITS " + options["limits"].replace(",", " "))
            elif verb == "EHLO":
                self.say("250-hop", "250 PIPELINING")
            elif verb == "MAIL" and mine == 1 and rcpts and "falls" in options:
                while number < 2:
                    time.sleep(0.02)
                return
            elif verb == "MAIL":
                rcpts = []
                self.say("250 2.1.0 ok")
            elif verb == "RCPT" and len(rcpts) >= int(options.get("rcpts", 1000)):
                self.say("452 4.5.3 too many recipients")
            elif verb == "RCPT":
                rcpts.append(line.split("<")[1].split("@")[0])
                self.say("250 2.1.5 ok")
            elif verb == "DATA":
                self.say("354 go on")
                if (subject := self.data(mine)) is None:
                    return
                note("took %d %s %s" % (mine, subject, ",".join(rcpts)))
                self.say("250 2.0.0 taken")
            elif verb == "QUIT":
                note("quit %d" % mine)
                self.say("221 bye")
                return
            else:
                self.say("250 2.0.0 ok")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 50


server = Server(("127.0.0.1", 0), Hop)
with open(port_file + ".new", "w") as out:
    out.write("%d\n" % server.server_address[1])
os.rename(port_file + ".new", port_file)
server.serve_forever()
