#!/bin/sh
# Two relays, killed again and again while mail goes through both: whatever a client was told
# is accepted (he keeps a ledger) is delivered whole.  A kill between the next hop's dot and its
# 250 may deliver one mail twice (RFC 1047); nothing else may.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage
rounds=${ROUNDS:-8} senders=4

hub=$work/hub home=$work/home
free_port && hub_port=$port
free_port && home_port=$port
make_site "$hub" hub
cat >>"$hub/mochila.conf" <<-END
	retry-after = 1s
	retry-max = 1s
	[relay main]
	listen = 127.0.0.1:$hub_port
	[routes]
	home.example = smtp:127.0.0.1:$home_port
END
make_site "$home" home
cat >>"$home/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:$home_port
	[routes]
	home.example = maildir:mail/%u
END

# send NAME: mails until told to stop; each that was accepted goes into the ledger.  Small ones
# by DATA, each tenth larger.
send() {
	n=0
	while test ! -e "$work/enough"; do
		n=$((n + 1))
		size=300
		test $((n % 10)) -ne 0 || size=90000
		call "127.0.0.1:$hub_port" "< 220" "> EHLO x" "< 250" "> MAIL FROM:<a@b.example>" "< 250" \
		    "> RCPT TO:<bob@home.example>" "< 250" "> DATA" "< 354" "> Subject: token-$1-$n-$size" "> " \
		    "fill $size" "> ." "< 250 2.0.0" "say token-$1-$n-$size" "> QUIT" 2>/dev/null || sleep 0.1
	done >"$work/ledger.$1"
}

up_home() { relay_up "$home" || fail "home does not start"; home_pid=$relay; }
up_hub() { relay_up "$hub" || fail "the hub does not start"; hub_pid=$relay; }
up_home
up_hub
i=0
sending=
while [ $i -lt $senders ]; do
	send $i &
	sending="$sending $!"
	i=$((i + 1))
done
i=0
while [ $i -lt "$rounds" ]; do
	sleep "0.$(($(od -An -N1 -tu1 /dev/urandom) % 10))"
	sleep 0.2
	case $((i % 3)) in
	0) killed "$hub_pid"; up_hub ;;
	1) killed "$home_pid"; up_home ;;
	2) killed "$hub_pid"; killed "$home_pid"; up_home; up_hub ;;
	esac
	i=$((i + 1))
done
sleep 0.3
touch "$work/enough"
# shellcheck disable=SC2086	# one word a sender
wait $sending
cat "$work"/ledger.* | sort >"$work/ledger"

drained() { empty "$hub/spool/in" && empty "$hub/spool/out" && empty "$home/spool/in" && empty "$home/spool/out"; }
check "all that was accepted goes through in the end" wait_for 60 drained
check "nothing was given up" empty "$hub/spool/hold" "$hub/spool/failed" "$home/spool/hold" "$home/spool/failed"
find "$home/mail/bob/new" -type f -exec sed -n 's/^Subject: //p' {} + | sort >"$work/came"
sort -u "$work/came" >"$work/came.once"
lost=$(comm -23 "$work/ledger" "$work/came.once" | wc -l)
twice=$(uniq -d "$work/came" | wc -l)
say "accepted $(wc -l <"$work/ledger"), delivered $(wc -l <"$work/came"), lost $lost, twice $twice, $rounds kills"
check "something was sent" test "$(wc -l <"$work/ledger")" -gt 20
check "nothing is lost" test "$lost" -eq 0
check "hardly anything came twice" test "$twice" -le "$rounds"

# The first mail of each size is what the others must be, but for trace and subject.
whole() {
	for size in 300 90000; do
		kinds=$(grep -l "^Subject: .*-$size\$" "$home"/mail/bob/new/* | while read -r file; do
			sed '1,/^$/d' "$file" | sha256sum
		done | sort -u | wc -l)
		test "$kinds" -le 1 || return 1
	done
}
check "and all of it is whole" whole
finish
