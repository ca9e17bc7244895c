#!/bin/sh
# Calls over lines that are cut and ends that are killed, at random, against an outside ledger:
# nothing lost, nothing doubled, little sent twice.  In the small form, with a fixed seed; the
# long one is "make soak CALL=MESSAGES".  PROTOCOLS: which, a word each.  TWICE: per cent of the
# bytes that may be sent twice.  KEEP=1: what it left on disk stays.
. "${srcdir:-.}/tests/e2e/lib.sh"
stage
messages=${CALL:-100} seed=${SEED:-20261128}

# soak PROTOCOL MESSAGES: two sites of its own.
soak() {
	soak_folder=$work/$1
	for site in home hub; do
		make_site "$soak_folder/$site" $site
		cat >>"$soak_folder/$site/mochila.conf" <<-END
			[site $(test $site = home && echo hub || echo home)]
			timeout = 20s
			protocols = ietgm
			[routes]
			$site.example = site:sink
			* = site:$(test $site = home && echo hub || echo home)
		END
	done
	"$build/tests/crash/call-soak" "$soak_folder" "$build/tests/crash/cutter" "$1" "$2" $(($2 / 10)) $(($2 / 50)) "$seed" \
	    >"$soak_folder.said" 2>&1
	soak_status=$?
	tail -n 30 "$soak_folder.said"
	return $soak_status
}

for protocol in ${PROTOCOLS:-m i}; do
	if soak "$protocol" "$messages"; then
		say "ok: protocol $protocol"
		test -n "${KEEP:-}" || rm -rf "${work:?}/$protocol"
	else
		fail "protocol $protocol, seed $seed"
	fi
done
finish
