#!/usr/bin/python3
# hop.py PORTFILE LOG dsn|plain|eight taken|rcpt|end|later [FOLDER] - a next hop of SMTP, for the tests:
# announces DSN, nothing, or 8BITMIME, and takes what it is sent, refuses each recipient, or the message
# at its end, or puts each recipient off.  MAIL and RCPT stand in LOG as they came; FOLDER has what came,
# by who sent it.
import os
import socketserver
import sys

port_file, log, knows, outcome = sys.argv[1:5]
folder = sys.argv[5] if len(sys.argv) > 5 else None
offers = {"dsn": ["250-hop", "250 DSN"], "eight": ["250-hop", "250 8BITMIME"], "plain": ["250 hop"]}


class Hop(socketserver.StreamRequestHandler):
    def say(self, *lines):
        for line in lines:
            self.wfile.write(line.encode() + b"\r\n")

    def note(self, line):
        with open(log, "a") as out:
            out.write(line + "\n")

    def data(self):
        text = b""
        while (line := self.rfile.readline()).rstrip(b"\r\n") != b".":
            text += line[1:] if line.startswith(b".") else line
        if folder:
            with open(os.path.join(folder, self.sender + ".new"), "wb") as out:
                out.write(text)
            os.rename(os.path.join(folder, self.sender + ".new"), os.path.join(folder, self.sender))

    def handle(self):
        self.say("220 hop")
        good = 0
        for line in self.rfile:
            line = line.decode("latin-1").rstrip("\r\n")
            verb = line.split(" ")[0].upper()
            if verb == "EHLO":
                self.say(*offers[knows])
            elif verb == "MAIL":
                good, self.sender = 0, line.split("<")[-1].split("@")[0]
                self.note(line)
                self.say("250 2.1.0 ok")
            elif verb == "RCPT":
                self.note(line)
                good += outcome in ("taken", "end")
                self.say({"rcpt": "550 5.1.1 no such user", "later": "451 4.2.1 not now"}.get(outcome, "250 2.1.5 ok"))
            elif verb == "DATA" and good:
                self.say("354 go on")
                self.data()
                self.say("554 5.6.0 not that" if outcome == "end" else "250 2.0.0 taken")
            elif verb == "DATA":
                self.say("503 5.5.1 nobody to send it to")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 2.0.0 ok")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


server = Server(("127.0.0.1", 0), Hop)
with open(port_file + ".new", "w") as out:
    out.write("%d\n" % server.server_address[1])
os.rename(port_file + ".new", port_file)
server.serve_forever()
