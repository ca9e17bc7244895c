"""Whoever starts a relay, and odd clients of it, for 62-doors.sh.

	62-doors.py systemd DIR COMMAND...	as systemd does: sockets handed over, a notify socket
	62-doors.py CASE HOST:PORT|PATH [WORD ...]
"""
import os
import smtplib
import socket
import ssl
import struct
import subprocess
import sys
import time


def lmtp(where):
    """WHERE: a socket's path or HOST:PORT; a mail to two, each with its own answer."""
    if where.startswith("/"):
        client = smtplib.LMTP(where)
    else:
        host, port = where.split(":")
        client = smtplib.LMTP(host, int(port))
    client.ehlo("x")
    client.mail("a@b.example")
    for to in "one", "two":
        assert client.rcpt(to + "@home.example")[0] == 250
    assert client.data("Subject: x\r\n\r\nx\r\n")[0] == 250
    assert client.getreply()[0] == 250      # smtplib reads only one of them
    assert client.docmd("EHLO x")[0] == 500
    client.quit()


def dialogue(sock, said, expected):
    sock.sendall(said)
    heard = b""
    sock.settimeout(20)
    while not heard.endswith(b"\n"):
        piece = sock.recv(4096)
        if not piece:
            break
        heard += piece
    assert heard.startswith(expected), (said, heard, expected)
    return heard


def connect(where):
    host, port = where.split(":")
    return socket.create_connection((host, int(port)), 20)


def here(path):
    """By a socket's file: whoever may open it is one of ours."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    dialogue(sock, b"", b"220")
    dialogue(sock, b"HELO x\r\n", b"250")
    dialogue(sock, b"MAIL FROM:<a@b.example>\r\n", b"250")
    dialogue(sock, b"RCPT TO:<x@far.example>\r\n", b"250")


V2 = b"\r\n\r\n\0\r\nQUIT\n"


def proxy(where, version, ip, reply):
    """As a proxy for IP; REPLY is what RCPT to somebody out there gets."""
    sock = connect(where)
    sock.settimeout(0.5)
    try:
        assert sock.recv(100) == b"", "a greeting before the header"
        raise AssertionError("closed")
    except socket.timeout:
        pass
    if version == "1":
        head = b"PROXY TCP4 %s 192.0.2.1 1234 25\r\n" % ip.encode()
    else:
        head = V2 + b"\x21\x11" + struct.pack("!H", 12) + socket.inet_aton(ip) + socket.inet_aton("192.0.2.1") + \
            struct.pack("!HH", 1234, 25)
    for i in range(len(head) - 1):
        sock.sendall(head[i:i + 1])
    dialogue(sock, head[-1:], b"220")
    dialogue(sock, b"EHLO x\r\n", b"250")
    dialogue(sock, b"MAIL FROM:<a@b.example>\r\n", b"250")
    dialogue(sock, b"RCPT TO:<x@far.example>\r\n", reply.encode())


def one_host(where, most):
    """Of MOST clients of one /64 behind a proxy all are greeted, and no more; of the next one is."""
    held = []
    most = int(most)
    for i in range(most + 1):
        sock = connect(where)
        sock.sendall(b"PROXY TCP6 2001:db8:0:1::%x 2001:db8::1 1234 25\r\n" % (i + 1))
        dialogue(sock, b"", b"220" if i < most else b"421")
        held.append(sock)
    sock = connect(where)
    sock.sendall(b"PROXY TCP6 2001:db8:0:2::1 2001:db8::1 1234 25\r\n")
    dialogue(sock, b"", b"220")


def no_header(where, said):
    sock = connect(where)
    sock.sendall(said.encode().decode("unicode_escape").encode("latin-1"))
    sock.settimeout(20)
    assert sock.recv(100) == b""


def xclient(where, ip, reply):
    sock = connect(where)
    dialogue(sock, b"", b"220")
    sock.sendall(b"EHLO x\r\n")
    time.sleep(0.3)
    offered = sock.recv(4096)
    if reply == "none":
        assert b"XCLIENT" not in offered
        dialogue(sock, b"XCLIENT ADDR=%s\r\n" % ip.encode(), b"502")
        return
    assert b"XCLIENT" in offered
    dialogue(sock, b"XCLIENT ADDR=%s PORT=99 NAME=[UNAVAILABLE]\r\n" % ip.encode(), b"220")
    dialogue(sock, b"MAIL FROM:<a@b.example>\r\n", b"503")
    sock.sendall(b"EHLO x\r\n")
    time.sleep(0.3)
    sock.recv(4096)
    dialogue(sock, b"MAIL FROM:<a@b.example>\r\n", b"250")
    dialogue(sock, b"RCPT TO:<x@far.example>\r\n", reply.encode())


def xclient_tls(where, pki, reply):
    """Who speaks for a stranger does not lend him the right of his own certificate."""
    made = ssl.create_default_context(cafile=pki + "/ca.pem")
    made.load_cert_chain(pki + "/filter.pem", pki + "/filter.key")
    for xclient_first in False, True:
        client = smtplib.SMTP(timeout=20)
        client.connect(*where.split(":"))
        client._host = "mx.example"
        if xclient_first:
            assert client.docmd("XCLIENT ADDR=198.51.100.7")[0] == 220
        client.ehlo("x")
        client.starttls(context=made)
        client.ehlo("x")
        client.mail("a@b.example")
        code = client.rcpt("x@far.example")[0]
        assert code == (int(reply) if xclient_first else 250), (xclient_first, code)
        client.close()


def early(where):
    sock = connect(where)
    dialogue(sock, b"EHLO early\r\n", b"554 5.5.1")
    sock = connect(where)
    begun = time.time()
    dialogue(sock, b"", b"220")
    assert time.time() - begun > 0.8
    dialogue(sock, b"EHLO patient\r\n", b"250")


def rate(where, count):
    """COUNT connections are welcome in a minute, and no more."""
    while time.time() % 60 > 50:
        time.sleep(1)
    for i in range(int(count) + 1):
        sock = connect(where)
        dialogue(sock, b"", b"220" if i < int(count) else b"421 4.7.0")
        sock.close()


def systemd(folder, *command):
    """Two sockets, of which one is named; then what it tells us, a line each, in DIR/notified."""
    one = socket.create_server(("127.0.0.1", 0))
    path = os.path.join(folder, "inherited.sock")
    two = socket.socket(socket.AF_UNIX)
    two.bind(path)
    two.listen(5)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(os.path.join(folder, "notify"))
    pid = os.fork()
    if pid == 0:
        first, second = os.dup(one.fileno()), os.dup(two.fileno())
        os.dup2(first, 3)
        os.dup2(second, 4)
        os.set_inheritable(3, True)
        os.set_inheritable(4, True)
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="smtp:lmtp",
                          NOTIFY_SOCKET=os.path.join(folder, "notify"), WATCHDOG_USEC="400000")
        os.execvp(command[0], command)
    with open(os.path.join(folder, "port"), "w") as out:
        out.write("127.0.0.1:%d\n" % one.getsockname()[1])
    with open(os.path.join(folder, "pid"), "w") as out:
        out.write("%d\n" % pid)
    one.close()
    two.close()
    notify.settimeout(0.2)
    with open(os.path.join(folder, "notified"), "w") as out:
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            try:
                out.write(notify.recv(4096).decode() + "\n")
                out.flush()
            except socket.timeout:
                pass
        try:
            while True:
                out.write(notify.recv(4096).decode() + "\n")
        except socket.timeout:
            pass


globals()[sys.argv[1].replace("-", "_")](*sys.argv[2:])
