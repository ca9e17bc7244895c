#!/bin/sh
# mochila doctor: each thing that it can find is made to be, found, named with its remedy,
# and, where the remedy is a command, cured by it.
# shellcheck disable=SC2317	# called by check
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/entry-lib.sh
. "$top/tests/e2e/entry-lib.sh"
stage

root=$work/hub
spool=$root/spool
m() { mochila --root="$root" "$@"; }
said() { grep -qF -e "$1" "$work/said"; }
uucico-ssh --help 2>/dev/null | grep -q new-key || skip "uucico-ssh makes no keys yet"
m init --site hub --host hub.example >/dev/null 2>&1 || fail "no init"
cp "$root/mochila.conf" "$work/conf"

finds() {	# finds TEXT: doctor says this, and exits 1
	exits 1 m doctor && said "$1"
}
is_well() { exits 0 m doctor && said "nothing is wrong"; }
cure() {	# the remedy of the only line, typed
	sed -n '1s/.*: //p' "$work/said" >"$work/remedy"
	(PATH=$PATH:$work/libexec MOCHILA_ROOT=$root sh "$work/remedy" >/dev/null 2>&1)
}
# cured SENTENCE TEXT: found, and cured by its remedy
cured() {
	check "$1" finds "$2"
	check "its remedy helps: $(sed -n '1s/.*: //p' "$work/said")" cure
	check "and all is well" is_well
}
old() { touch -d '2 hours ago' "$@"; }
# waits N TIME [UNTIL]: a message of then, in out/home, to be kept until
waits() {
	mkdir -p "$spool/out/home/N-bucket"
	entry "$(id "$1")" ann@example.org bob@home.example |
	    sed "s/time=2026-11-21T18:45:02Z/time=$2/;s/^MAIL FROM:<[^>]*>/&${3:+ HOLDUNTIL=$3}/" >"$work/unsummed"
	entry_sum=$({ sha <"$work/body" | unhex; sed '/^BDAT/q' "$work/unsummed"; } | sha | cut -c1-16)
	sed "s/end sum=.*/end sum=$entry_sum/" "$work/unsummed" >"$spool/out/home/N-bucket/$(id "$1")"
}
now() { date -u +%Y-%m-%dT%H:%M:%SZ; }

check "a new site is well" is_well
check "for programs, too" sh -c "mochila --root='$root' doctor --json | grep -qxF '[]'"

check "a name that means nothing elsewhere" exits 1 m --set spool.host=box.lan doctor
check "is said" said "our reports come from postmaster at box.lan, which nobody else can answer: say host ="
check "but reports may have another" exits 0 m --set spool.host=box --set spool.bounce-from=mail@example.org doctor

# another_host SECONDS SHARED: hub2 has worked here, by its clock so many seconds from now
another_host() {
	printf 'at=%012d node=hub2 shared=%s machine=0123456789abcdef\n' "$(($(date +%s) + $1))" "$2" >"$spool/hosts/hub2"
}
another_host 0 no
check "a host that does not know that the spool is shared" finds "hosts: hub2 has worked in this spool, too"
check "what to type is said" said "and here it does not say shared = yes: say shared = yes in [spool] on each"
another_host 0 yes
check "a host that knows it" exits 0 m --set spool.shared=yes doctor
another_host 100 yes
check "whose clock is ahead" exits 1 m --set spool.shared=yes doctor
check "is named" said "hosts: the clock of hub2 is "
check "status shows who works here" exits 0 m --set spool.shared=yes status
check "with the last sign of life" grep -qE '^hosts: .*hub2 [0-9]+[sm] ago' "$work/said"
check "and which is this one" said " ago (this one)"
rm -r "$spool/hosts" "$spool/lock"
check "and of one alone nothing is said" is_well

chmod 777 "$spool/in"
cured "a folder open to all" "modes: $spool/in has mode 777"
chmod 755 "$spool/drop"
cured "a drop/ that is none" "modes: $spool/drop has mode 755: chmod 1730"
if test "$(id -u 2>/dev/null)" = 0 || test -w /etc/passwd; then
	chown 12345 "$spool/hold"
	cured "a folder of somebody else" "owner: $spool/hold belongs to user 12345"
fi
chmod 755 "$root/keys"
cured "keys open to all" "configuration: $root/keys is open to others: chmod 700"
chmod 666 "$root/mochila.conf"
cured "a configuration that all may write" "configuration: others may write"
: >"$spool/tmp/$(id 1)" && old "$spool/tmp/$(id 1)"
cured "an orphan" "orphans: tmp/$(id 1) was left by a program that died"
mkdir "$spool/in/$(id 2).d" && old "$spool/in/$(id 2).d"
cured "a half move" "half moves: in/$(id 2).d was left half done"
mkdir -p "$spool/sent/home/$(id 2).d" && old "$spool/sent/home/$(id 2).d"
cured "half a batch" "half moves: sent/home/$(id 2).d was left half done"
: >"$spool/tmp/$(id 3)"
check "what is young may be somebody's work" is_well
rm "$spool/tmp/$(id 3)"

check "no room" exits 1 m --set spool.min-free=1000000G doctor
check "is said" said "space: no mail is taken: the spool's disk is full"

cat >>"$root/mochila.conf" <<-END
	home.example = site:home
END
sed 's/^\[relay main\]/home.example = site:home\n&/' "$work/conf" >"$root/mochila.conf"
check "a route to nowhere" finds "route: home.example = site:home: no such site: mochila pair home ssh://USER@HOST"
printf '[site home]\nlink = ssh://mochila@[::1]:2200/x\n' >>"$root/mochila.conf"
check "a host key that is not pinned" \
    finds "host key: $root/keys/known_hosts has no host key of [::1]:2200: it will not be called: mochila pair home ssh://"
echo '[::1]:2200 ssh-ed25519 AAAA' >"$root/keys/known_hosts"
check "once pinned all is well" is_well
sed -i 's/@\[::1\]:2200.x/@home.example/' "$root/mochila.conf"
check "another host is not" finds "has no host key of home.example:"
echo 'other,home.example ssh-ed25519 AAAA' >"$root/keys/known_hosts"
check "until it is" is_well
chmod 644 "$root/keys/id_ed25519"
cured "a private key that others may read" "key: $root/keys/id_ed25519: others may read the private key for home"
mv "$root/keys/id_ed25519" "$work/key"
check "one that is missing" finds "id_ed25519: the private key for home: No such file"
mv "$work/key" "$root/keys/id_ed25519"
printf '[site ship]\nlink =\n' >>"$root/mochila.conf"
check "a site without a route" finds "site: no mail is for ship: no route leads there: say DOMAIN = site:ship"
sed -i '/^\[site ship\]/,$d' "$root/mochila.conf"
check "an open relay" exits 1 m --set routes.\*=smtp:smart.example:25 --set 'relay main.relay-from=0.0.0.0/0' doctor
check "is said" said 'open relay: [relay main] relay-from 0.0.0.0/0 lets everybody send anywhere'
check "one that knows its networks is none" exits 0 \
    m --set routes.\*=smtp:smart.example:25 --set 'relay main.relay-from=10.0.0.0/8 fc00::/7' doctor

waits 10 "$(now)"
check "mail that waits is no matter" is_well
bucket=$spool/out/home/N-bucket
waits 11 "$(date -u -d '30 hours ago' +%Y-%m-%dT%H:%M:%SZ)"
check "for a day without a try it is" finds "waiting: mail for home has waited for 30h, and nobody has tried: mochila call home"
waits 11 "$(date -u -d '30 hours ago' +%Y-%m-%dT%H:%M:%SZ)" 2099-01-01T00:00:00Z
check "unless it is to be kept" is_well
waits 11 "$(date -u -d '30 hours ago' +%Y-%m-%dT%H:%M:%SZ)" 2026-01-01T00:00:00Z
check "for longer" finds "waiting: mail for home"
echo 'next=2026-11-21T18:45:02Z failures=1 why=no route to host' >"$spool/out/home/.retry"
check "tried, it is not" is_well
rm "$bucket/$(id 11)" "$spool/out/home/.retry"
head -c 100 "$bucket/$(id 10)" >"$bucket/$(id 12)"
check "a file cut short" finds "files: out/home/N-bucket/$(id 12): damaged: cut off"
check "has its remedy" said "mochila remove $(id 12)"
m remove "$(id 12)"
mv "$bucket/$(id 10)" "$bucket/letter"
check "a message that has no id for a name" finds "files: out/home/N-bucket/letter: a message whose name is no id"
mv "$bucket/letter" "$bucket/20991231T000000.000000-7f3a9c02d41be066-1"
check "an id of the future" finds "clock: the newest message is of 2099-12-31T00:00:00Z, but the clock says"
rm "$bucket"/*
echo "2099-12-31T00:00:00Z x: event=test" >>"$spool/log/mochila.log"
check "an event of the future" finds "clock: the last event of the history is of 2099"
sed -i '$d' "$spool/log/mochila.log"
mkdir -p "$spool/xqt/home" && : >"$spool/xqt/home/surprise"
check "what is no job" finds "jobs: xqt/home/surprise: no job"
check "as JSON" sh -c "mochila --root='$root' doctor --json 2>/dev/null | grep -qF '\"check\":\"jobs\"'"
rm "$spool/xqt/home/surprise"

mkdir -p "$spool/out/maildir:mail%2F%25u/N-bucket"
entry "$(id 20)" ann@example.org bob@hub.example >"$spool/out/maildir:mail%2F%25u/N-bucket/$(id 20)"
check "mail for a daemon that does not run" finds "daemon: nobody reads run/bell: 1 message waits"
check "and where it is, which is on no account's PATH" said "sbin/mochila-relay --background"
rm -rf "$spool/out/maildir:mail%2F%25u"
mkdir -p "$spool/out/boat/N-bucket"
entry "$(id 21)" ann@example.org bob@boat.example >"$spool/out/boat/N-bucket/$(id 21)"
check "mail for a site that there is not" finds \
    "stranger: 1 message waits for boat, which is no site: mochila pair boat ssh://USER@HOST, or mochila hold --site boat"
rm -rf "$spool/out/boat"
old=$(date -u -d '30 hours ago' +%Y%m%dT%H%M%S).000000-7f3a9c02d41be066-1
mkdir -p "$spool/uux/home" "$spool/uux/boat"
: >"$spool/uux/home/N-$(date -u +%Y%m%dT%H%M%S).000000-7f3a9c02d41be066-1"
check "a command of uux that waits is no matter" is_well
: >"$spool/uux/home/N-$old"
check "for a day it is" finds "commands: commands of uux for home have waited for more than a day: mochila call home"
rm "$spool/uux/home"/*
: >"$spool/uux/boat/N-$old"
check "and for a site that there is not" finds \
    "commands: commands of uux wait for boat, and there is no [site boat]: mochila pair boat ssh://USER@HOST, or remove uux/boat in the spool"
rm -r "$spool/uux"
for n in $(seq 30); do : >"$spool/hold/$(id "$n")"; done
check "of many of a kind the first are shown" finds "files: and 10 more of the kind"
check "and all counted" said "30 things to be looked at"
rm "$spool/hold"/*
check "in the end all is well" is_well

memory=/dev/shm/mochila-doctor-$$
if test "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs && mkdir "$memory" 2>/dev/null; then
	cp -a "$spool" "$memory/spool"
	check "a spool in memory" exits 1 m --set spool.path="$memory/spool" doctor
	check "is said" said "disk: $memory/spool is in memory"
	rm -rf "$memory"
fi
finish
