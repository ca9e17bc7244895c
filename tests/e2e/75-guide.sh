#!/bin/sh
# mochila-guide(7): what it says to type is typed, and what it says to write into mochila.conf is
# written, with names, ports and paths of this test in the place of the page's.
# shellcheck disable=SC2317	# called by check
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/guide-lib.sh
. "$top/tests/e2e/guide-lib.sh"
stage
need ssh-keygen
page=mochila-guide.7
block() { say "$1" >>"$work/done-with" && example $page "$1"; }
said() { grep -qE -e "$1" "$work/said" || { sed 's/^/	/' "$work/said"; false; }; }

# types NAME [SED]: each line of the block in turn, in a shell of its site that goes on from line to
# line; SED changes what stands for something else here.
types() {
	types_name=$1
	block "$1" | sed -e ':more' -e '/\\$/{N;s/\\\n *//;bmore' -e '}' | sed -e "${2:-}" >"$work/typed"
	test -s "$work/typed" || return 1
	for types_site in hub home; do
		sed -n "s/^$types_site\\$ //p" "$work/typed" >"$work/typed.$types_site"
	done
	: >"$work/said"
	while read -r types_line; do
		types_site=${types_line%%\$*}
		(cd "$work/$types_site" && MOCHILA_ROOT=$work/$types_site sh -c "${types_line#*\$ }") >>"$work/said" 2>&1 ||
		    { say "$types_name: $types_line"; sed 's/^/	/' "$work/said"; return 1; }
	done <"$work/typed"
}

# ---- Quick start ----

mkdir -p "$work/hub/.ssh" "$work/home"
: >"$work/hub/.ssh/authorized_keys"
free_port
start_sshd "$work/sshd" "$port" "$work/hub/.ssh/authorized_keys" || skip "$why"
link=ssh://$(id -un)@127.0.0.1:$port
fingerprint=$(ssh-keygen -lf "$work/sshd/ssh_host_ed25519_key.pub" | cut -d' ' -f2)
check "two roots" types "quick init"
check "home learns the hub's key" types "quick pair" \
    "s|/etc/ssh/|$work/sshd/|; s|ssh://mochila@hub.example|$link --fingerprint $fingerprint|"
check "which is what the hub shows" grep -qF -e "$fingerprint" "$work/said"
key=$(cut -d' ' -f1,2 "$work/home/keys/id_ed25519.pub")
check "home is let in" types "quick accept" "s|ssh-ed25519 AAAA...|$key|"
for site in hub home; do
	awk '/^\[routes\]/ { print; while ((getline line < "/dev/stdin") > 0) print line; skip = 1; next }
		/^\[/ || /^#/ { skip = 0 } !skip' "$work/$site/mochila.conf" >"$work/conf" <<-END
		$(block "quick $site routes")
	END
	sed 's/127.0.0.1:2525/127.0.0.1:0/' "$work/conf" >"$work/$site/mochila.conf"
	check "routes of $site hold" exits 0 mochila --root "$work/$site" --show-config
done
for site in hub home; do
	# By its path: an account's own PATH has no sbin.
	block "quick relay" | grep -q "^$site\\$ /usr/sbin/mochila-relay &$" || fail "$site: no relay is started in the guide"
	start "$site" mochila-relay --root "$work/$site"
done
check "a mail, and a call" types "quick mail"
check "its history tells that it went" said 'event=sent'
arrived() { test "$(grep -l '^Subject: first' "$work"/hub/mail/ann/new/* 2>/dev/null | wc -l)" -eq 1; }
check "it is in the mailbox at the hub" wait_for 30 arrived

from_cron=$(block "quick cron" | sed 's|^\*/30 \* \* \* \*  ||')
check "what cron starts" sh -c "cd '$work/home' && MOCHILA_ROOT=$work/home exec $from_cron"

# The probe waits for the calls that carry it.
block "quick probe" | sed -n 's/^home\$ //p' >"$work/probe"
probe_told() { (cd "$work/home" && MOCHILA_ROOT=$work/home sh -ec "$(sed '/^wait/d; s/ &$//' "$work/probe" | head -n 1)") >"$work/probe.log" 2>&1; }
start probe probe_told
probe=$pid
calls_on() {
	(cd "$work/home" && MOCHILA_ROOT=$work/home sh -c "$(sed -n '/call/p' "$work/probe")") >>"$work/calls.log" 2>&1
	! kill -0 "$probe" 2>/dev/null
}
check "a probe ends" wait_for 90 calls_on
check "and tells its way" grep -q '^answer: delivered' "$work/probe.log"

# ---- My link is ----

for name in dsl mobile satellite iridium hf "iridium hub"; do
	mkdir -p "$work/link"
	block "link $name" >"$work/link/mochila.conf"
	check "link $name holds" exits 0 mochila --root "$work/link" --show-config
done
printf 'Subject: carried\n\nby hand\n' | MOCHILA_ROOT=$work/home sendmail -f bob@home.example ann@hub.example
mkdir "$work/stick"
waits() { test "$(messages "$work/home/spool/out/hub")" -ge 1; }
check "one waits" wait_for 20 waits
check "it goes to a stick" types "stick pack" "s|/media/stick|$work/stick|"
check "and off it" types "stick unpack" "s|/media/stick|$work/stick|g"
carried() { test "$(grep -l '^Subject: carried' "$work"/hub/mail/ann/new/* 2>/dev/null | wc -l)" -eq 1; }
check "it arrives" wait_for 30 carried
check "the call that follows brings it no second time" exits 0 mochila --root "$work/home" call hub
check "once" carried

# ---- What to do when ----

check "status" types "when doctor" '/mochila doctor$/d'
at home mochila doctor >"$work/said" 2>&1
check "doctor has an opinion" test $? -le 1
printf 'Subject: lost\n\n?\n' | MOCHILA_ROOT=$work/home sendmail -f ann@home.example bob@hub.example
check "one waits again" wait_for 20 waits
id=$(find "$work/home/spool/out/hub" -type f -name '2*-*' | sed 's|.*/||' | head -n 1)
check "where is it" types "when lost" "s/ID/$id/"
check "there" said "$id"
check "the site is tried again" types "when retry"
check "and both ends are heard" types "when verbose"
check "word by word" said 'heard="Shere=hub"'
check "what is large, what may go" types "when full"
printf 'Subject: spam\n\n!\n' | MOCHILA_ROOT=$work/home sendmail -f ann@home.example bob@hub.example
check "a third one waits" wait_for 20 waits
check "a burglar's mail is held and removed" types "when abuse"
check "it is gone" test "$(at home mochila list --where held | grep -c ann@home)" -eq 0
printf 'Subject: held\n\n!\n' | MOCHILA_ROOT=$work/home sendmail -f ann@home.example bob@hub.example
check "a fourth one waits" wait_for 20 waits
at home mochila hold --where waiting why not >/dev/null
check "what is held goes on" types "when held"
check "it waits again" wait_for 20 waits

# ---- Privacy ----

block "privacy classes" >"$work/link/mochila.conf"
check "classes hold" exits 0 mochila --root "$work/link" --show-config
check "history is shown and erased" types "privacy erase"

# ---- Moving over ----

mkdir "$work/uucp" "$work/er"
printf 'system far\nport TCP\naddress far.example\ntime any\n' >"$work/uucp/sys"
check "Taylor UUCP" types "move taylor" "s|/etc/uucp|$work/uucp|"
check "is taken over" grep -q '^link = tcp:far.example:540' "$work/home/mochila.conf"
printf 'forward-to smart.example:25\nspool-dir %s\n' "$work/er" >"$work/emailrelay.conf"
check "E-MailRelay" types "move emailrelay" "s|/etc/emailrelay.conf|$work/emailrelay.conf|"

# What only a system with SELinux can do.
block selinux | grep -vqE '^# (semanage|restorecon) ' && fail "something else stands among the lines for SELinux"
examples $page | sort -u >"$work/examples"
sort -u "$work/done-with" | comm -13 - "$work/examples" >"$work/untried"
check "every example of the page is tried" test ! -s "$work/untried"
cat "$work/untried"
finish
