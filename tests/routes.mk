# tests of where mail goes: tables, aliases, lists of recipients, mailboxes, next hops
dist_check_SCRIPTS += %D%/e2e/50-delivery.sh %D%/e2e/51-asked.sh %D%/e2e/51-tables.sh %D%/e2e/52-recipients.sh %D%/e2e/53-hops.sh \
	%D%/e2e/54-mx.sh %D%/e2e/62-token.sh %D%/e2e/55-dsn-parser.sh %D%/e2e/56-flights.sh %D%/e2e/56-lanes.sh %D%/e2e/57-masquerade.sh %D%/e2e/57-seven.sh %D%/e2e/58-proxy.sh
EXTRA_DIST += %D%/e2e/dns.py %D%/e2e/hop.py %D%/e2e/flights.py %D%/e2e/lanes.py

check_PROGRAMS += tests/unit/mboxfile
tests_unit_mboxfile_SOURCES = %D%/unit/mboxfile.c %D%/unit/scratch.h %D%/unit/unit.h
tests_unit_mboxfile_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_mboxfile_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/unit/table
tests_unit_table_SOURCES = %D%/unit/table.c %D%/unit/scratch.h %D%/unit/unit.h
tests_unit_table_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_table_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/unit/alias
tests_unit_alias_SOURCES = %D%/unit/alias.c %D%/unit/scratch.h %D%/unit/unit.h
tests_unit_alias_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_alias_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/unit/recipients
tests_unit_recipients_SOURCES = %D%/unit/recipients.c %D%/unit/scratch.h %D%/unit/unit.h
tests_unit_recipients_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_recipients_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/unit/smtp-auth
tests_unit_smtp_auth_SOURCES = %D%/unit/smtp-auth.c %D%/unit/unit.h
tests_unit_smtp_auth_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_smtp_auth_LDADD = $(PROTO_TEST_LIBS)

check_PROGRAMS += tests/unit/rewrite tests/unit/masquerade
tests_unit_rewrite_SOURCES = %D%/unit/rewrite.c %D%/unit/unit.h
tests_unit_rewrite_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_rewrite_LDADD = $(PROTO_TEST_LIBS)
tests_unit_masquerade_SOURCES = %D%/unit/masquerade.c %D%/unit/scratch.h %D%/unit/unit.h
tests_unit_masquerade_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_masquerade_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)

if FUZZERS
noinst_PROGRAMS += tests/fuzz/table
else
check_PROGRAMS += tests/fuzz/table
endif
tests_fuzz_table_SOURCES = %D%/fuzz/table.c
tests_fuzz_table_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_table_LDADD = $(FUZZ_REPLAY) $(SPOOL_LIBS)
EXTRA_DIST += %D%/fuzz/table.dict %D%/fuzz/seeds/table
