#!/bin/sh
# mochila-relay, from its start to a mail's file in the Maildir, the report of a recipient who
# was refused, and what waits for a host that is down: killed at calls that change a file, or
# such a call fails, or finds the disk full from there on; some of them here, each with
# FAULT_STEP=1.  What was answered with 250 is there once and whole after the next start;
# what was refused is not, and is taken when it comes again.
# shellcheck disable=SC2317	# called by name
# shellcheck source=tests/crash/relay-fault-lib.sh
. "${srcdir:-.}/tests/crash/relay-fault-lib.sh"

# The far host knows nobody at far.example, and all at yes.example.
make_site "$work/far" far
printf '%s\n' '[relay main]' 'listen = 127.0.0.1:0' '[routes]' 'yes.example = maildir:mail/%u' >>"$work/far/mochila.conf"
relay_up "$work/far" || fail "no server that refuses"
make_base <<-END
	[relay main]
	listen = 127.0.0.1:0
	[routes]
	home.example = maildir:mail/%u
	far.example = smtp:$(at "$work/far")
	yes.example = smtp:$(at "$work/far")
	dead.example = smtp:127.0.0.1:1
END

# What a client says: the first mail, the second.
begin() { printf '%s\n' '< 220' '> EHLO x' '< 250'; }
mail_one() {
	printf '%s\n' '> MAIL FROM:<ann@home.example>' '< 250' '> RCPT TO:<bob@home.example>' '< 250' \
	    '> RCPT TO:<x@dead.example>' '< 250' '> RCPT TO:<no@far.example>' '< 250' \
	    '> DATA' '< 354' '> Subject: one' '> ' '> Hello.' '> .' '< 250 2.0.0' 'say accepted one'
}
mail_two() {
	printf '%s\n' '> MAIL FROM:<ann@home.example>' '< 250' '> RCPT TO:<bob@home.example>' '< 250' \
	    '> DATA' '< 354' '> Subject: two' '> ' '> Hello.' '> .' '< 250 2.0.0' 'say accepted two'
}

# client WHERE: both in one session, so that one has a file of its own and one is in the
# journal.  How many were accepted; and whether the one behind those was refused.
client() {
	said=$({ begin; mail_one; mail_two; } | "$wire" call "$1" 2>&1)
	accepted=$(printf '%s\n' "$said" | grep -c '^accepted')
	refused=$(printf '%s\n' "$said" | grep -c ': 4[0-9][0-9] ')
}
client_again() { # WHERE ACCEPTED
	{ begin; test "$2" -gt 0 || mail_one; test "$2" -eq 0 || mail_two; } | "$wire" call "$1" >/dev/null 2>&1
}

# What is there, of the mail with that subject: delivered to bob; waiting for somebody; held
# for a person; reported to its sender.
boxed_of() { grep -alx "Subject: $1" "$root"/mail/bob/new/* 2>/dev/null | wc -l; }
waits_for() {
	find "$root/spool/out" -type f ! -name '.*' -exec grep -qas "^RCPT TO:<$2>" {} \; \
	    -exec grep -qas "^Subject: $1" {} \; -print | wc -l
}
held_of() { find "$root/spool/hold" -type f ! -name '*.reason' -exec grep -als "^Subject: $1" {} + | wc -l; }
reports() { grep -al '^Final-Recipient: rfc822; *no@far.example' "$root"/mail/ann/new/* 2>/dev/null | wc -l; }
came() { # COUNT: all of the first so many mails is where it is to be
	if test "$1" -gt 0; then
		test "$(boxed_of one)" -gt 0 && test "$(reports)" -gt 0 &&
		    test "$(waits_for one x@dead.example)" -gt 0 || return 1
	fi
	test "$1" -lt 2 || test "$(boxed_of two)" -gt 0
}
came_or_dead() { came "$accepted" || dead; }
came_or_held() { came "$promised" || test "$(messages "$root/spool/hold")" -gt 0; }

# right SUBJECT LEAST: what is there of one mail; LEAST 1: it was promised.  What is held may
# have been delivered: that is why it is held.
right() {
	boxed=$(boxed_of "$1") held=$(held_of "$1") waits=$(waits_for "$1" bob@home.example)
	counted="$1: delivered $boxed, held $held, waiting $waits"
	test "$boxed" -le 1 && test "$waits" -le 1 && test $((boxed + waits + held)) -ge "$2" &&
	    { test $((boxed + waits)) -le 1 || test "$held" -gt 0; } || return 1
	test "$1" = one || return 0
	dead=$(waits_for one x@dead.example) far=$(waits_for one no@far.example) told=$(reports)
	counted="$counted; for the dead host $dead, for the far one $far, reported $told"
	test "$dead" -le 1 && test $((dead + held)) -ge "$2" &&
	    test "$told" -le 1 && test $((far + told + held)) -ge "$2"
}

# Nothing of what was refused is there; it comes again.
comes_again() {
	left=$(boxed_of one),$(boxed_of two)
	case $accepted,$left in
	0,0,0|1,*,0) ;;
	*) counted="refused and yet there: $left"; return 1 ;;
	esac
	client_again "$(at "$root")" "$accepted" && return 0
	counted="not taken when it came again"
	return 1
}

# one WHAT AT: the relay with that fault, two mails, then another relay; true when all is well.
one() {
	accepted=0 refused=0
	faulted "$1" "$2"
	if test -n "$where"; then
		client "$where"
		patient 15 came_or_dead
	fi
	stop "$relay" 2>/dev/null
	relay_up "$root" || return 1
	promised=$((accepted + refused))
	test "$refused" -eq 0 || comes_again || return 1
	patient 400 came_or_held
	stop "$relay"
	right one $((promised > 0)) && right two $((promised > 1)) &&
	    empty "$root/spool/in" && empty "$root/spool/tmp" && empty "$root/spool/failed" &&
	    { test "$1" = EIO || empty "$root/spool/hold"; } &&
	    ! grep -Lx Hello. "$root"/mail/bob/new/* 2>/dev/null | grep -q .
}

untouched() { ended && test "$accepted,$refused" = 2,0; }
sweep kill 11 1
sweep EIO 13 2
sweep full 23 3

# Before a try there must be room for what becomes of it: who is not to be noted is not sent to.
below=$root/spool/out
faulted room 0
check "a mail for two is taken" call "$where" '< 220' '> EHLO x' '< 250' \
    '> MAIL FROM:<ann@home.example>' '< 250' '> RCPT TO:<a@yes.example>' '< 250' '> RCPT TO:<b@yes.example>' '< 250' \
    '> DATA' '< 354' '> Subject: three' '> ' '> Hello.' '> .' '< 250 2.0.0' '> QUIT' '< 221'
put_off() { grep -q 'event=queue-failed.*room for what becomes of it' "$work/home.log"; }
check "with no room for the outcomes it waits" wait_for 20 put_off
check "and nobody has it" test "$(messages "$work/far/mail")" -eq 0
stop "$relay"
relay_up "$root" || fail "no relay"
both_have() { test "$(boxed "$work/far" a),$(boxed "$work/far" b)" = 1,1; }
check "with room both get it" wait_for 20 both_have
wait_for 20 empty "$root/spool/out"
check "once" both_have
finish
