#!/usr/bin/python3
# dns.py PORTFILE ZONE - a small name server on the loopback, for the tests.
#
# ZONE has lines "NAME TYPE VALUE": MX "10 host" (". " is the root), A, AAAA, TXT, CNAME (followed
# within the zone), FAIL (SERVFAIL), SILENT (no answer at all).  A name without any line is not
# there (NXDOMAIN); each question is printed.  It reads ZONE anew for each.
import ipaddress
import socket
import struct
import sys

TYPES = {"A": 1, "CNAME": 5, "MX": 15, "TXT": 16, "AAAA": 28}


def zone(path):
    names = {}
    for line in open(path):
        words = line.split()
        if words and not words[0].startswith("#"):
            names.setdefault(words[0].lower(), []).append((words[1], words[2:]))
    return names


def wire(name):
    labels = [label for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def data(kind, value):
    if kind == "MX":
        return struct.pack(">H", int(value[0])) + wire(value[1])
    if kind == "CNAME":
        return wire(value[0])
    if kind == "TXT":       # "|" parts the strings of one record
        return b"".join(bytes([len(part)]) + part.encode() for part in " ".join(value).split("|"))
    return ipaddress.ip_address(value[0]).packed


def answers(names, name, kind):
    found = []
    for _ in range(8):
        rows = names.get(name, [])
        found += [(name, row, value) for row, value in rows if row == kind]
        onward = [value[0] for row, value in rows if row == "CNAME"]
        if not onward:
            break
        found.append((name, "CNAME", onward))
        name = onward[0].lower()
    return found


def answer(question, names):
    name, at = [], 12
    while question[at]:
        name.append(question[at + 1:at + 1 + question[at]].decode("latin-1"))
        at += question[at] + 1
    name = ".".join(name).lower()
    kind = {number: word for word, number in TYPES.items()}.get(struct.unpack(">H", question[at + 1:at + 3])[0], "?")
    print("asked", name, kind, flush=True)
    rows = names.get(name)
    special = [row for row, _ in rows or [] if row in ("FAIL", "SILENT")]
    if "SILENT" in special:
        return None
    found = [] if special else answers(names, name, kind)
    code = 2 if special else 3 if rows is None else 0
    out = question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(found), 0, 0) + question[12:at + 5]
    for owner, row, value in found:
        body = data(row, value)
        out += wire(owner) + struct.pack(">HHIH", TYPES[row], 1, 60, len(body)) + body
    return out


def main():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    with open(sys.argv[1] + ".new", "w") as out:
        out.write("%d\n" % server.getsockname()[1])
    import os
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    while True:
        question, peer = server.recvfrom(4096)
        said = answer(question, zone(sys.argv[2]))
        if said is not None:
            server.sendto(said, peer)


main()
