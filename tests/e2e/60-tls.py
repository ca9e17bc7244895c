"""Clients of a relay with TLS, for 60-tls.sh: Python's smtplib and ssl.

	60-tls.py CASE HOST:PORT CA [WORD ...]		exit 0 when it went as the case says
"""
import smtplib
import socket
import ssl
import subprocess
import sys
import time

case, where, ca = sys.argv[1:4]
words = sys.argv[4:]
host, port = where.rsplit(":", 1)
port = int(port)


def context(name_checked=True, cert=None):
    made = ssl.create_default_context(cafile=ca)
    made.check_hostname = name_checked
    if cert:
        made.load_cert_chain(cert + ".pem", cert + ".key")
    return made


def connect(tls, name="mx.example"):
    """STARTTLS, or TLS at once, as a server called NAME."""
    client = smtplib.SMTP(timeout=20)
    client._host = name
    if tls:
        raw = socket.create_connection((host, port), 20)
        client.sock = context().wrap_socket(raw, server_hostname=name)
        client.file = None
        code, _ = client.getreply()
        assert code == 220, code
    else:
        client.connect(host, port)
        client._host = name
    return client


def send(client, to, sender="a@b.example"):
    return client.sendmail(sender, [to], "Subject: %s\r\n\r\nHello.\r\n" % to)


def starttls(cert=None, name="mx.example"):
    client = connect(False, name)
    client.ehlo()
    assert client.has_extn("starttls")
    client.starttls(context=context(cert=cert))
    return client


def case_starttls():
    client = starttls()
    code, _ = client.docmd("MAIL FROM:<a@b.example>")
    assert code == 503, code        # RFC 3207 4.2: EHLO again
    client.ehlo()
    assert not client.has_extn("starttls")
    send(client, words[0])
    client.quit()


def case_at_once():
    client = connect(True)
    client.ehlo()
    send(client, words[0])
    client.quit()


def case_names():
    for name in words:
        client = starttls(name=name)
        client.ehlo()
        got = [v for k, v in client.sock.getpeercert()["subjectAltName"] if k == "DNS"]
        assert name in got, got
        client.quit()


def case_cert():
    """WORDS: a client's certificate, an address out there, the reply to RCPT."""
    client = starttls(cert=None if words[0] == "none" else words[0])
    client.ehlo()
    client.mail("a@b.example")
    code, text = client.rcpt(words[1])
    assert str(code) == words[2], (code, text)
    client.quit()


def case_versions():
    """What is older than TLS 1.2, or has no forward secrecy, is not spoken."""
    for low, high, ciphers, good in (
            (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0", False),
            (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "ECDHE", True),
            (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "AES256-SHA:AES128-SHA:@SECLEVEL=0", False),
            (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3, "ECDHE", True)):
        made = context()
        made.minimum_version, made.maximum_version = low, high
        made.set_ciphers(ciphers)
        client = connect(False)
        client.ehlo()
        try:
            client.starttls(context=made)
            client.ehlo()
            assert client.sock.compression() is None    # TLS-05
            client.quit()
            assert good, (low, ciphers)
        except (ssl.SSLError, smtplib.SMTPServerDisconnected, ConnectionError):
            assert not good, (low, ciphers)


def serial(client):
    return client.sock.getpeercert()["serialNumber"]


def case_reload():
    """WORDS: a command that puts a new certificate and reloads, one that puts a bad one."""
    old = starttls()
    old.ehlo()
    first = serial(old)
    subprocess.check_call(words[0], shell=True)
    for _ in range(200):
        fresh = starttls()
        fresh.ehlo()
        if serial(fresh) != first:
            break
        fresh.quit()
        time.sleep(0.05)
    second = serial(fresh)
    assert second != first
    send(old, "old@home.example")   # not dropped
    send(fresh, "fresh@home.example")
    subprocess.check_call(words[1], shell=True)
    again = starttls()
    again.ehlo()
    assert serial(again) == second
    for client in (old, fresh, again):
        client.quit()


def case_injected():
    """TLS-01: words behind STARTTLS, in one segment."""
    client = connect(False)
    client.ehlo()
    client.sock.sendall(b"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<x@evil.example>\r\n")
    heard = b""
    while True:
        piece = client.sock.recv(4096)
        if not piece:
            break
        heard += piece
    assert heard.startswith(b"501 5.5.4"), heard
    assert heard.count(b"\r\n") == 1, heard


def case_silent():
    """TLS-04: a handshake that never goes on has the time of a command."""
    for at_once in words:
        raw = socket.create_connection(tuple([host, int(at_once)]), 20)
        if int(at_once) == port:
            raw.recv(100)
            raw.sendall(b"EHLO x\r\nSTARTTLS\r\n"[:8])
            raw.recv(1000)
            raw.sendall(b"STARTTLS\r\n")
            raw.recv(100)
        raw.sendall(b"\x16\x03\x01\x01\x00")
        begun = time.time()
        raw.settimeout(20)
        while raw.recv(100):
            pass
        assert time.time() - begun < 15


def case_many():
    """A thousand mails in a session, for what a session leaves behind."""
    client = starttls()
    client.ehlo()
    for _ in range(int(words[0])):
        send(client, words[1])
    client.quit()


globals()["case_" + case.replace("-", "_")]()
