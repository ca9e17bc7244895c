# tests of the relay's server
dist_check_SCRIPTS += %D%/hostile/smtp.sh %D%/hostile/smuggling.sh %D%/hostile/rows.sh %D%/hostile/open-relay.sh %D%/hostile/people.sh %D%/e2e/60-tls.sh %D%/e2e/61-wishes.sh %D%/e2e/62-doors.sh %D%/e2e/63-clients.sh %D%/e2e/65-next-hops.sh %D%/e2e/64-operation.sh
EXTRA_DIST += %D%/hostile/smtp.py %D%/hostile/smuggling.py %D%/hostile/rows %D%/hostile/open-relay.py %D%/hostile/people.py %D%/hostile/open-relay.tsv %D%/e2e/60-tls.py %D%/e2e/62-doors.py
check_PROGRAMS += tests/unit/proxy tests/unit/rate
tests_unit_proxy_SOURCES = %D%/unit/proxy.c %D%/unit/unit.h
tests_unit_proxy_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_proxy_LDADD = $(PROTO_TEST_LIBS)
tests_unit_rate_SOURCES = %D%/unit/rate.c %D%/unit/unit.h relay/rate.c
tests_unit_rate_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_rate_LDADD = $(NET_LIBS) $(BASE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/unit/sandbox
tests_unit_sandbox_SOURCES = %D%/unit/sandbox.c %D%/unit/unit.h
tests_unit_sandbox_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_sandbox_LDADD = $(BASE_LIBS) $(CHECK_LIBS)
check_PROGRAMS += tests/unit/enclose
tests_unit_enclose_SOURCES = %D%/unit/enclose.c %D%/unit/scratch.h %D%/unit/unit.h
tests_unit_enclose_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_enclose_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)
dist_check_SCRIPTS += %D%/e2e/59-sandbox.sh %D%/e2e/59-sandbox-call.sh %D%/e2e/60-admin.sh
