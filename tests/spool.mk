# tests of spool
check_PROGRAMS += tests/unit/spool
tests_unit_spool_SOURCES = %D%/unit/spool.c
tests_unit_spool_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_spool_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)
