#!/bin/sh
# Next hops that want an OAuth token: a program prints it, and it is kept until it is refused or over.
# The far end is ours, with a program that knows tokens; where it has to misbehave, a played one.
# E-MailRelay's client secrets are read as they are.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/relay-lib.sh
. "$top/tests/e2e/relay-lib.sh"
stage

(cd "$work" && "$build/tests/e2e/cert" ca ca 30 && "$build/tests/e2e/cert" smart localhost 30 ca) || fail "no certificates"

# The far end takes the token that stands in "valid", and ann's password.
cat >"$work/knows" <<-END
	#!/bin/sh
	read -r user && read -r secret || exit 75
	test "\$user" = ann@smart.example || exit 1
	case \$MOCHILA_SECRET in
	token) test "\$secret" = "\$(cat "$work/valid")" ;;
	*) test "\$secret" = "pa=ss" ;;
	esac
END
# Ours prints what stands in "token", and writes down that it was asked.
cat >"$work/give" <<-END
	#!/bin/sh
	echo "\$*" >>"$work/asked"
	test ! -e "$work/broken" || exit 1
	cat "$work/token"
END
chmod +x "$work/knows" "$work/give"
: >"$work/asked"

smart=$work/smart
make_site "$smart" smart
cat >>"$smart/mochila.conf" <<-END
	[relay main]
	listen = 127.0.0.1:0
	tls-cert = $work/smart.pem
	tls-key = $work/smart.key
	login = command:$work/knows
	login-required = yes
	login-mechanisms = PLAIN XOAUTH2 OAUTHBEARER
	[relay old]
	listen = 127.0.0.1:0
	tls-cert = $work/smart.pem
	tls-key = $work/smart.key
	login = command:$work/knows
	login-required = yes
	login-mechanisms = XOAUTH2
	[routes]
	* = maildir:mail/%u
END
relay_up "$smart" || { fail "the far end"; finish; }
p1=$(at "$smart") p2=$(at "$smart" old)

# Two that are played, in plain text: one refuses each kept token as Google does, one for good.
printf '%s\n' '> 220 x' '< EHLO' '> 250-x' '> 250 AUTH XOAUTH2' '< AUTH XOAUTH2' '> 334 eyJzdGF0dXMiOiI0MDEifQ==' '<= ' \
    '> 535 5.7.8 not yours' >"$work/refuse"
printf '%s\n' '> 220 x' '< EHLO' '> 250-x' '> 250 AUTH XOAUTH2' \
    '<= AUTH XOAUTH2 dXNlcj1hbm5Ac21hcnQuZXhhbXBsZQFhdXRoPUJlYXJlciBvbmUBAQ==' '> 235 2.7.0 in' '< MAIL' '> 250 ok' '< RCPT' \
    '> 250 ok' '< DATA' '> 354 go' '<.' '> 250 2.0.0 taken' >"$work/take"
serve played "$work/take" "$work/refuse" "$work/take" && p3=$port
serve refusing "$work/refuse" && p4=$port

umask 077
cat >"$work/secrets" <<-END
	client plain ann@smart.example wrong
	client plain ann@smart.example pa+3Dss here
	client oauth ann@smart.example one token
	client plain = = nobody
END
root=$work/hub
make_site "$root" hub
cat >>"$root/mochila.conf" <<-END
	retry-after = 1h
	[relay main]
	listen = 127.0.0.1:0
	[routes]
	hub.example = maildir:mail/%u
	token.example = smtp:127.0.0.1:${p1##*:}
	long.example = smtp:127.0.0.1:${p2##*:}
	played.example = smtp:127.0.0.1:$p3
	refused.example = smtp:127.0.0.1:$p4
	short.example = smtp:localhost:${p1##*:}
	selected.example = smtp:127.1:${p1##*:}
	theirs.example = smtp:127.0.1:${p1##*:}
	nobody.example = smtp:127.00.0.1:${p1##*:}
	[hop smtp:127.0.0.1:${p1##*:}]
	tls = required
	keep = 0
	login-token = exec:$work/give ann --scope mail
	login-name = ann@smart.example
	[hop smtp:127.0.0.1:${p2##*:}]
	login-token = exec:$work/give long
	login-name = ann@smart.example
	[hop smtp:127.0.0.1:$p3]
	login-token = exec:$work/give played
	login-name = ann@smart.example
	login-in-clear = yes
	keep = 0
	[hop smtp:127.0.0.1:$p4]
	login-token = exec:$work/give refused
	login-name = ann@smart.example
	login-in-clear = yes
	[hop smtp:localhost:${p1##*:}]
	keep = 0
	login-token = exec:$work/give short
	login-name = ann@smart.example
	[hop smtp:127.1:*]
	login = emailrelay:$work/secrets
	login-selector = here
	[hop smtp:127.0.1:*]
	login = emailrelay:$work/secrets
	login-selector = token
	[hop smtp:127.00.0.1:*]
	login = emailrelay:$work/secrets
	login-selector = nobody
END
relay_up "$root" || { fail "the relay"; finish; }
main=$(at "$root")
send() { mail "$main" ann@hub.example "$1@$2.example" "$1" || fail "mail for $1"; }
asked() { grep -c "^$1" "$work/asked"; }
asked_for() { test "$(asked "$1")" -ge "$2"; }
came() { has_mail "$smart" "$1" "${2:-1}"; }
why() { grep -q "event=unreachable by=$1.*$2" "$root.log"; }
logged_in() { grep -q "event=login service=smtp relay=$1 .*user=ann@smart.example" "$smart.log"; }

say "# a token is kept until it is refused"
echo tok-1 >"$work/token"
echo tok-1 >"$work/valid"
send first token
check "a program says who we are" wait_for 20 came first
check "to a server that asks" logged_in main
send second token
check "for a second connection too" wait_for 20 came second
check "it was asked once, with its words" test "$(cat "$work/asked")" = "ann --scope mail"
echo tok-2 >"$work/token"
echo tok-2 >"$work/valid"
send third token
check "a refused one is asked for again at once" wait_for 20 came third
check "and nothing was kept waiting" sh -c "! grep -q event=unreachable '$root.log'"
check "by one run of the program" test "$(asked ann)" -eq 2

say "# a program that has none"
echo tok-3 >"$work/valid"
: >"$work/broken"
send fourth token
check "keeps the mail" wait_for 20 why "smtp:127.0.0.1:${p1##*:}" "login-token: the program"
check "in the queue" test "$(messages "$root/spool/out/smtp:127.0.0.1:${p1##*:}")" -eq 1
rm "$work/broken"
echo 'tok 3' >"$work/token"
mochila --root "$root" retry "smtp:127.0.0.1:${p1##*:}" >/dev/null
check "one that prints something else, too" wait_for 20 why "smtp:127.0.0.1:${p1##*:}" "login-token: it printed no token"
echo tok-3 >"$work/token"
mochila --root "$root" retry "smtp:127.0.0.1:${p1##*:}" >/dev/null
check "it goes when the program has one" wait_for 20 came fourth

say "# tokens of all lengths and lives"
printf '%03000d\n0\n' 7 >"$work/token"
head -n 1 "$work/token" >"$work/valid"
send long long
check "one that no command has room for" wait_for 20 came long
send short1 short
check "one that holds for no time" wait_for 20 came short1
send short2 short
check "is for one connection" wait_for 20 came short2
check "and asked for each time" test "$(asked short)" -eq 2
echo one >"$work/token"
send played1 played
check "XOAUTH2 as it is written" wait_for 20 grep -q 'event=sent.* to=played1@played.example\|played1@played.example.*taken' "$root.log" "$root/spool/log/mochila.log"
send played2 played
check "a refusal in Google's way is heard out, and another token tried" wait_for 20 asked_for played 2
check "which is taken" wait_for 20 empty "$root/spool/out/smtp:127.0.0.1:$p3"
send refused refused
check "a fresh one that is refused" wait_for 20 why "smtp:127.0.0.1:$p4" "the login is refused.*not yours"
check "is not asked for again" test "$(asked refused)" -eq 1

say "# E-MailRelay's secrets"
echo one >"$work/valid"
send selected selected
check "the selected line" wait_for 20 came selected
send theirs theirs
check "a token of its own" wait_for 20 came theirs
send nobody nobody
check "= = is no login" wait_for 20 grep -q 'nobody@nobody.example.*5[35]0' "$root/spool/log/mochila.log"

check "no token is in a log" sh -c "! grep -rqE 'tok-[123]|pa=ss|00000007' '$root.log' '$smart.log' '$root/spool/log' '$smart/spool/log'"

say "# what cannot be meant is said"
refused() { # WORDS SETTINGS...
	words=$1
	shift
	printf '[hop *]\n' >"$work/bad.conf"
	printf '%s\n' "$@" >>"$work/bad.conf"
	mochila-relay --root "$root" --config "$work/bad.conf" --show-config >/dev/null 2>"$work/said"
	test $? -eq 78 && grep -q "$words" "$work/said"
}
check "no name" refused "wants a login-name, and no login" "login-token = exec:/bin/x"
check "a name with more in it" refused "wants a login-name" "login-token = exec:/bin/x" "login-name = a b"
check "no whole path" refused "whole path" "login-token = exec:x" "login-name = a"
check "both" refused "and no login" "login-token = exec:/bin/x" "login-name = a" "login = /x"
check "a name alone" refused "goes with login-token" "login-name = a"
check "a selector alone" refused "emailrelay:FILE" "login = /x" "login-selector = a"
finish
