"""secrets.py LOG MASKS SECRET...: no secret stands in LOG, as it is or in base64, nor what is made of one for a
login (CRAM-MD5's and APOP's digest, SCRAM's proof); and at least MASKS lines of it have a mask, so that
there was something to be told."""
import base64, re, sys

log, masks, secrets = sys.argv[1], int(sys.argv[2]), [s.encode() for s in sys.argv[3:]]
masked = 0

def decoded(token):
    try:
        return base64.b64decode(token + b"=" * (-len(token) % 4))
    except ValueError:
        return b""

for line in open(log, "rb"):
    masked += b"****" in line
    texts = [line] + [decoded(token) for token in re.findall(rb"[A-Za-z0-9+/]{4,}={0,2}", line)]
    for text in texts:
        for secret in secrets:
            if secret in text:
                sys.exit("a secret is told: %r" % line)
    for text in texts[1:]:
        if re.fullmatch(rb"\S+ [0-9a-f]{32}", text) or re.match(rb"c=[^,]*,r=", text) or b"auth=Bearer" in text:
            sys.exit("what proves a secret is told: %r" % line)
    if re.search(rb'heard="APOP \S+ [0-9a-fA-F]{32}', line):
        sys.exit("a digest is told: %r" % line)
if masked < masks:
    sys.exit("%d lines are masked, not %d" % (masked, masks))
