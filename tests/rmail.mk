# tests of rmail/
check_PROGRAMS += tests/unit/compose
tests_unit_compose_SOURCES = %D%/unit/compose.c %D%/unit/unit.h \
	rmail/compose.c rmail/compose.h rmail/submit.c rmail/submit.h
tests_unit_compose_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_compose_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)

dist_check_SCRIPTS += %D%/e2e/15-rmail.sh
