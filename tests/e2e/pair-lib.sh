# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154	# $home, $hub are for the tests; the rest is lib.sh's
# pair-lib.sh - two sites that exchange mail by calls, after lib.sh.

# two_sites DIR LINK: $home, which calls over LINK, and $hub, both below DIR.  They speak
# $protocols, or those of UUCP.
two_sites() {
	home=$1/home hub=$1/hub
	make_site "$home" home
	cat >>"$home/mochila.conf" <<-END
		[site hub]
		link = $2
		timeout = 20s
		protocols = ${protocols:-ietygGv}
		[routes]
		hub.example = site:hub
		home.example = maildir:$work/mail
	END
	make_site "$hub" hub
	cat >>"$hub/mochila.conf" <<-END
		[site home]
		timeout = 20s
		protocols = ${protocols:-ietygGv}
		[routes]
		home.example = site:home
		hub.example = maildir:$work/mail
	END
}

# from_home SUBJECT, from_hub SUBJECT: a mail for the other.
from_home() { printf 'Subject: %s\n\n%s\n' "$1" "$1" | MOCHILA_ROOT=$home sendmail -f ann@home.example bob@hub.example; }
from_hub() { printf 'Subject: %s\n\n%s\n' "$1" "$1" | MOCHILA_ROOT=$hub sendmail -f bob@hub.example ann@home.example; }

ours() { uucico-ssh --root="$home" "$@"; }
said() { grep -qF -e "$1" "$work/said"; }

# there ROOT SUBJECT: how many mails of that subject wait or have just arrived.
there() { find "$1/spool/out" "$1/spool/in" -type f -exec grep -ac "^Subject: $2" {} + | awk -F: '{ n += $NF } END { print n + 0 }'; }
# arrived ROOT SUBJECT: it is there, once; the jobs of a call may run on behind it.
is_there() { test "$(there "$1" "$2")" -eq 1; }
arrived() { wait_for 60 is_there "$@"; }

# settled_in_call ROOT SITE SUBJECT: that mail from the site is where it belongs since before the end of the last
# call.  The peer's memory is the last that is written when the line is closed, before what was not settled yet is.
settled_in_call() {
	settled=$(find "$1/spool/out" -type f -exec grep -las "^Subject: $3" {} +)
	test -f "$settled" && awk "BEGIN { exit !($(stat -c %.9Z "$settled") < $(stat -c %.9Y "$1/spool/out/$2/.peer")) }"
}
