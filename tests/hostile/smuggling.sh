#!/bin/sh
# The smuggling matrix (DATA-01, DATA-02): seven ways in, fifteen look-alikes of an end of data,
# four ways out (smuggling.py); what the relay's SMTP listener makes of them is in smtp.py.
# shellcheck disable=SC2317	# called by name
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
need python3
stage

root=$work/hub py=$top/tests/hostile/smuggling.py
start hop python3 "$py" hop "$work/smtp-port" "$work/lmtp-port" "$work/heard"
wait_for 20 test -s "$work/lmtp-port" || fail "no next hops"
make_site "$root" hub
cat >>"$root/mochila.conf" <<-END
	[relay local]
	listen = lmtp:127.0.0.1:0
	relay-from = 127.0.0.0/8
	[site far]
	codec = none
	format = reduced
	[site near]
	codec = none
	[routes]
	hop.example = smtp:127.0.0.1:$(cat "$work/smtp-port")
	lm.example = lmtp:127.0.0.1:$(cat "$work/lmtp-port")
	far.example = site:far
	near.example = site:near
END
relay_up "$root" || fail "the relay did not start"
check "all ways in" python3 "$py" in "$(sed -n 's/^local lmtp //p' "$root/ready")" "$root" "$work/rows"
for way in lmtp lmtp-chunk batch-crlf batch-lf batch-chunk rmail sendmail; do
	check "some are taken from $way" grep -q "^$way-[0-9]* $way taken " "$work/rows"
done
gone() { empty "$root/spool/in" && test "$(find "$root/spool/out" -type f ! -path '*/far/*' ! -path '*/near/*' ! -name '.*' | wc -l)" -eq 0; }
check "what was taken goes on" wait_for 60 gone
check "and into batches" bsmtp pack --root "$root" --log none far near
check "each end sees one message, or none" python3 "$py" out "$work/rows" "$work/heard" "$root"
finish
