# tests of lib/net and relay
check_PROGRAMS += tests/unit/place tests/unit/net tests/unit/maildir
tests_unit_place_SOURCES = %D%/unit/place.c
tests_unit_place_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_place_LDADD = $(NET_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
tests_unit_net_SOURCES = %D%/unit/net.c
tests_unit_net_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_net_LDADD = $(NET_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
tests_unit_maildir_SOURCES = %D%/unit/maildir.c
tests_unit_maildir_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_maildir_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)
