# tests of filters (relay/filter.h) and of the dialogues that they hold
check_PROGRAMS += tests/unit/fields tests/unit/milter tests/unit/scanners
tests_unit_fields_SOURCES = %D%/unit/fields.c %D%/unit/unit.h
tests_unit_fields_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_fields_LDADD = lib/libmail.a $(BASE_LIBS) $(CHECK_LIBS)
tests_unit_milter_SOURCES = %D%/unit/milter.c %D%/unit/unit.h
tests_unit_milter_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_milter_LDADD = $(PROTO_TEST_LIBS)
tests_unit_scanners_SOURCES = %D%/unit/scanners.c %D%/unit/unit.h
tests_unit_scanners_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_scanners_LDADD = $(PROTO_TEST_LIBS) $(JANSSON_LIBS) -lm

if FUZZERS
noinst_PROGRAMS += tests/fuzz/milter tests/fuzz/spamd tests/fuzz/thin
else
check_PROGRAMS += tests/fuzz/milter tests/fuzz/spamd tests/fuzz/thin
endif
tests_fuzz_milter_SOURCES = %D%/fuzz/milter.c
tests_fuzz_milter_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_milter_LDADD = $(FUZZ_REPLAY) lib/libproto.a lib/libmail.a $(BASE_LIBS)
tests_fuzz_thin_SOURCES = %D%/fuzz/thin.c
tests_fuzz_thin_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_thin_LDADD = $(FUZZ_REPLAY) lib/libmail.a $(BASE_LIBS)
tests_fuzz_spamd_SOURCES = %D%/fuzz/spamd.c
tests_fuzz_spamd_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_spamd_LDADD = $(FUZZ_REPLAY) lib/libproto.a lib/libmail.a $(BASE_LIBS) $(JANSSON_LIBS) -lm
dist_check_SCRIPTS += %D%/e2e/67-scanners.sh %D%/e2e/68-thin.sh %D%/crash/filter-faults.sh
EXTRA_DIST += %D%/fuzz/milter.dict %D%/fuzz/seeds/milter %D%/fuzz/spamd.dict %D%/fuzz/seeds/spamd \
	%D%/fuzz/thin.dict %D%/fuzz/seeds/thin
check_PROGRAMS += tests/unit/thin
tests_unit_thin_SOURCES = %D%/unit/thin.c %D%/unit/unit.h
tests_unit_thin_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_thin_LDADD = lib/libmail.a $(BASE_LIBS) $(CHECK_LIBS)
