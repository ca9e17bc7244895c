#!/bin/sh
# Batches and letters of ours read by Exim, Postfix and sendmail's rmail; batches that Exim
# and fetchmail write read by us: all of them live.
# shellcheck disable=SC2317,SC2086	# called by check; $inside is words
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/mta-lib.sh
. "$top/tests/e2e/mta-lib.sh"
stage
mails=$top/tests/fixtures
cd "$work" || exit 99
chmod 755 "$work"

# The originals: what is text, with LF ends and one at the end.
mkdir -p originals/cur originals/new bodies
for name in plain dots eight-bit no-newline from-lines commands blank-lines crlf long-lines; do
	tr -d '\r' <"$mails/$name.eml" >"originals/new/$name"
	test -z "$(tail -c 1 "originals/new/$name")" || echo >>"originals/new/$name"
	body "originals/new/$name" >"bodies/$(sed -n 's/^Subject: //p;/^$/q' "originals/new/$name")"
done
total=$(messages originals/new)

# each FOLDER: its messages' bodies, each in a file of ./got named by its Subject.
each() {
	rm -rf got
	mkdir got
	for each_file in "$1"/*; do
		body "$each_file" >"got/$(sed -n 's/^[Ss]ubject: //p;/^$/q' "$each_file")"
	done
}
same() { each "$1" && diff -r bodies got; }
# headers FOLDER: every line of the originals' headers is in one of its files.
headers() {
	for file in originals/new/*; do
		sed '/^$/q' "$file" | grep -v -e '^$' -e '^Return-Path:' >lines
		there=$(grep -lF "$(sed -n '/^Message-ID:/p' lines)" "$1"/* | head -n 1)
		test -n "$there" && test -z "$(grep -vxFf "$there" lines)" || return 1
	done
}

make_site home home
cat >>home/mochila.conf <<-END
	[routes]
	home.example = site:exim
	[site exim]
	format = reduced
	codec = none
	link =
END
at home bsmtp pack --maildir=originals --to=user@home.example --to=bob@home.example -o all.gz
at home bsmtp pack --files "$mails/plain.eml" --from='' --to=user@home.example -o null.gz
at home bsmtp unpack all.gz 2>/dev/null
at home bsmtp unpack null.gz 2>/dev/null
check "what waits for a site with Exim becomes a batch" exits 0 at home bsmtp pack exim
batch=$(find home/spool/sent/exim -maxdepth 1 -type f)

tried=0

# ---- Exim ----

exim_conf() { # NAME TRANSPORT-LINE...
	exim_name=$1
	shift
	mkdir -p exim/spool exim/log "exim/$exim_name.box"
	cat >"exim/$exim_name.conf" <<-END
		primary_hostname = exim.example
		qualify_domain = exim.example
		spool_directory = $work/exim/spool
		log_file_path = $work/exim/log/%slog
		check_spool_space = 0
		keep_environment =
		trusted_users = root
		never_users =
		begin routers
		all:
		  driver = accept
		  transport = out
		begin transports
		out:
		  driver = appendfile
		  user = Debian-exim
		  return_path_add
		$(printf '  %s\n' "$@")
	END
	chmod 755 exim
	chown -R 64900:64900 exim/spool exim/log "exim/$exim_name.box"
	chmod 644 "exim/$exim_name.conf"
}

if inside_peer exim4-daemon-light "$work/exim" Debian-exim; then
	tried=$((tried + 1))
	exim_conf read "directory = $work/exim/read.box" maildir_format
	check "exim -bS takes all of it" exits 0 $inside exim4 -C "$work/exim/read.conf" -odf -bS <"$batch"
	$inside exim4 -C "$work/exim/read.conf" -odf -bS <"$batch" 2>&1 |
	    grep -v 'lost privilege for using -C' >said
	check "twice is twice: nothing of it is odd to Exim" test ! -s said
	rm -rf exim/read.box/new
	mkdir exim/read.box/new && chown 64900:64900 exim/read.box/new
	$inside exim4 -C "$work/exim/read.conf" -odf -bS <"$batch"
	check "two copies of each, and one to nobody's answer" test "$(messages exim/read.box/new)" -eq $((2 * total + 1))
	check "with the null sender" test "$(grep -l '^Return-path: <>' exim/read.box/new/* | wc -l)" -eq 1
	check "and ours" test "$(grep -l '^Return-path: <ann@example.org>' exim/read.box/new/* | wc -l)" -eq $((2 * total))
	check "every body is as it was" same exim/read.box/new
	check "every header line too" headers exim/read.box/new

	exim_conf write "file = $work/exim/write.box/batch" use_bsmtp 'batch_max = 100'
	for file in originals/new/*; do
		$inside exim4 -C "$work/exim/write.conf" -odf -i -f ann@example.org user@home.example bob@home.example <"$file"
	done
	$inside exim4 -C "$work/exim/write.conf" -odf -i -f '<>' user@home.example <"$mails/plain.eml"
	check "what Exim writes is read" exits 0 at home bsmtp unpack --to=maildir:exim exim/write.box/batch
	check "every body is as it was" same home/exim/new
	check "every header line too" headers home/exim/new
	check "its null sender is one" test "$(bsmtp list exim/write.box/batch | grep -c '  <>  ')" -eq 1
	check "one envelope for two recipients" test "$(bsmtp list exim/write.box/batch | grep -c '<user@home.example> <bob@home.example>')" -eq "$total"
else
	say "not tried: Exim ($why)"
fi

# ---- fetchmail ----

# A POP3 server that holds them, as a script.
pop3() {
	printf '%s\n' '> +OK' '< CAPA' '> +OK' '> USER' '> .' '< USER' '> +OK' '< PASS' '> +OK' '< STAT' "> +OK $total 100000"
	n=0
	for file in originals/new/*; do
		n=$((n + 1))
		printf '%s\n' "< LIST $n" "> +OK $n $(sed 's/$/\r/' "$file" | wc -c)" "< RETR $n" '> +OK'
		sed -e 's/^\./../' -e 's/\\/\\\\/g' -e 's/^/>> /' -e 's/$/\\r\\n/' "$file"
		printf '%s\n' '> .' "< DELE $n" '> +OK'
	done
	printf '%s\n' '< QUIT' '> +OK'
}
if peer fetchmail; then
	tried=$((tried + 1))
	pop3 >pop3.script
	start pop3 "$build/tests/e2e/wire" serve "$work/pop3.port" pop3.script
	wait_for 10 test -s pop3.port
	mkdir -m 700 fm
	cat >fm/rc <<-END
		set no bouncemail
		poll 127.0.0.1 proto pop3 port $(cat pop3.port) user u pass p is user here fetchall sslproto '' bsmtp $work/fm/batch
	END
	chmod 600 fm/rc
	env LD_LIBRARY_PATH="$peer_libs" HOME="$work/fm" "$peer/usr/bin/fetchmail" -f fm/rc --pidfile fm/pid --nosyslog \
	    >fm/log 2>&1
	check "fetchmail fetches all" test "$(bsmtp list fm/batch | sed 1d | wc -l)" -eq "$total"
	check "what it writes is read" exits 0 at home bsmtp unpack --to=maildir:fetchmail fm/batch
	each home/fetchmail/new
	check "every body is as it was, but for lines that fetchmail cannot hold" diff -r -x long-lines bodies got
	check "every header line too" headers home/fetchmail/new
else
	say "not tried: fetchmail ($why)"
fi

# ---- letters: sendmail's rmail, Postfix's rmail and sendmail ----

# jobs FOLDER: each message as the job of format rmail that brings it.
mkdir letters
for file in originals/new/*; do
	bsmtp pack --files "$file" --to=user@home.example --format=rmail -o "letters/${file##*/}"
done
bsmtp pack --files "$mails/plain.eml" --from='' --to=user@home.example --format=rmail -o null.letter
bsmtp pack --files "$mails/plain.eml" --from='bob' --to=user@home.example --format=rmail --set spool.site=hub -o path.letter

mkdir -p sendmail/usr/sbin
cat >sendmail/usr/sbin/sendmail <<-END
	#!/bin/sh
	printf '[%s]' "\$@" >"$work/sendmail/args"
	cat >"$work/sendmail/mail"
END
chmod -R 755 sendmail
if inside_peer rmail "$work/sendmail"; then
	tried=$((tried + 1))
	bad=0
	for file in originals/new/*; do
		$inside /usr/sbin/rmail user@home.example "o'neil@home.example" <"letters/${file##*/}" || bad=$((bad + 1))
		cmp -s sendmail/mail "$file" || bad=$((bad + 1))
	done
	check "sendmail's rmail hands on every byte" test $bad -eq 0
	check "and whole sender and recipients" test "$(cat sendmail/args)" = \
	    "[-G][-oee][-odi][-oi][-pUUCP][-fann@example.org][user@home.example][o'neil@home.example]"
	$inside /usr/sbin/rmail user@home.example <null.letter
	check "the null sender is null" grep -qF '[-f<>]' sendmail/args
	$inside /usr/sbin/rmail user@home.example <path.letter
	check "one without a domain has our name before it" grep -qF '[-fhub!bob]' sendmail/args
else
	say "not tried: sendmail's rmail ($why)"
fi

if inside_peer postfix "$work/postfix" postfix postdrop; then
	tried=$((tried + 1))
	mkdir -p postfix/etc postfix/queue/maildrop postfix/queue/pid postfix/queue/public postfix/data
	cat >postfix/etc/main.cf <<-END
		compatibility_level = 3.6
		queue_directory = $work/postfix/queue
		data_directory = $work/postfix/data
		command_directory = /usr/sbin
		daemon_directory = /usr/lib/postfix/sbin
		shlib_directory = /usr/lib/postfix
		myhostname = postfix.example
	END
	: >postfix/etc/master.cf
	chmod -R a+rX postfix/etc
	chown -R 64900 postfix/queue postfix/data
	export MAIL_CONFIG="$work/postfix/etc"
	bad=0
	# dropped FILE: the only message in maildrop/ has its bytes; and its envelope in ./envelope.
	dropped() {
		mail=$(find postfix/queue/maildrop -type f)
		$inside postcat -e "$mail" >envelope && $inside postcat -bh "$mail" >content && rm -f "$mail" &&
		    cmp -s content "$1"
	}
	for file in originals/new/*; do
		$inside /usr/sbin/rmail user@home.example <"letters/${file##*/}" 2>>postfix/log
		dropped "$file" || { bad=$((bad + 1)) && say "not the same: $file"; }
	done
	check "Postfix's rmail hands on every byte" test $bad -eq 0
	check "and the envelope" test "$(grep -cx -e 'sender: ann@example.org' -e 'recipient: user@home.example' envelope)" -eq 2
	$inside /usr/sbin/rmail user@home.example <null.letter 2>>postfix/log
	dropped "$mails/plain.eml"
	check "the null sender is null" grep -qx 'sender: *' envelope
	printf '#!/bin/sh\nMAIL_CONFIG=%s exec /usr/sbin/sendmail "$@"\n' "$MAIL_CONFIG" >postfix/sendmail
	chmod 755 postfix/sendmail
	check "Postfix's sendmail takes a batch of ours as sink" exits 0 \
	    env MOCHILA_ROOT="$work/home" MOCHILA_LIBEXEC="$MOCHILA_LIBEXEC" $inside "$MOCHILA_LIBEXEC/bsmtp" unpack \
	    --peer=one --to=sendmail:"$work/postfix/sendmail" null.gz
	check "each message" grep -q 'done=1 later=0 failed=0' said
	dropped "$mails/plain.eml"
	check "with its envelope" test "$(grep -cx -e 'sender: *' -e 'recipient: user@home.example' envelope)" -eq 2
	unset MAIL_CONFIG
else
	say "not tried: Postfix ($why)"
fi
test $tried -gt 0 || test $failures -gt 0 || skip "none of these peers can be had: $why"
finish
