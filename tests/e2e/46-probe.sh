#!/bin/sh
# mochila doctor --mail: a probe from home through the hub to a mailbox there and to nobody, and each
# station of its way; and what comes for the prober is from no stranger.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage
make_site "$work/hub" hub
cat >>"$work/hub/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0
	relay-from = 192.0.2.0/24
	[site home]
	[routes]
	hub.example = maildir:mail/%u
	home.example = site:home
	nobody.hub.example = reject:nobody of that name
END
make_site "$work/home" home
cat >"$work/answers" <<-END
	#!/bin/sh
	MOCHILA_LIBEXEC="$MOCHILA_LIBEXEC" exec "$MOCHILA_LIBEXEC/uucico-ssh" -r0 --peer=home --root="$work/hub"
END
chmod 755 "$work/answers"
cat >>"$work/home/mochila.conf" <<-END
	[site hub]
	link = exec:$work/answers
	[routes]
	home.example = maildir:mail/%u
	* = site:hub
END
relay_up "$work/hub" || fail "the relay does not start"
mochila --root "$work/home" call hub >"$work/calls.log" 2>&1 || fail "no call"
hub=$(sed -n 's/^main smtp //p' "$work/hub/ready")
said() { grep -qE -e "$1" "$work/probe.log" || { sed 's/^/	/' "$work/probe.log"; false; }; }

# Calls until the probe has ended.
call_on() {
	mochila --root "$work/home" call hub >>"$work/calls.log" 2>&1
	! kill -0 "$probe" 2>/dev/null
}
probe_told() {
	mochila --root "$work/home" doctor --mail "$1" --wait 2m >"$work/probe.log" 2>&1
	echo $? >"$work/probe.log.status"
}
probe_with_calls() {	# STATUS ADDRESS
	start probe probe_told "$2"
	probe=$pid
	wait_for 90 call_on
	test "$(cat "$work/probe.log.status")" -eq "$1"
}
check "a probe to a mailbox at the hub arrives" probe_with_calls 0 ann@hub.example
check "it is told that it waits for the hub" said '^here: .*event=queued site=hub'
check "that it was taken there" said '^here: .*event=(sent|acknowledged|done|delivered).*'
check "whom it passed: ourselves" said '^passed: from localhost by home.example'
check "who told" said '^told by: dns; hub.example'
check "for whom" said '^for:    rfc822; ann@hub.example'
check "and what" said '^answer: delivered'
check "it is in the mailbox" has_mail "$work/hub" ann 1
check "and the answer is held no more" test "$(messages "$work/home/spool/hold")" -eq 0
check "one to nobody is told too" probe_with_calls 1 x@nobody.hub.example
check "with the reason" said '^and heard: .*nobody of that name'
check "one that cannot get there in time says where to look" exits 75 mochila --root "$work/home" doctor --mail ann@hub.example --wait 0
check "by its id" grep -q 'mochila show 2' "$work/said"
check "no address" exits 64 mochila --root "$work/home" doctor --mail 'not one'
check "no time" exits 64 mochila --root "$work/home" doctor --mail a@b --wait soon

# A stranger's mail for the prober is not taken.
mail() {
	call "$1" "< 220" "> EHLO test.example" "< 250" "> MAIL FROM:<>" "< 250" "> RCPT TO:<mochila-probe@hub.example>" "< $2" "> QUIT" "< 221"
}
check "a stranger cannot answer" mail "$hub" 550
stop "$relay"
finish
