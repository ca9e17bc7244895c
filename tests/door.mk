# tests of the door: lib/base, routes, mochila(1) and the manuals
check_PROGRAMS += tests/unit/route
tests_unit_route_SOURCES = %D%/unit/route.c
tests_unit_route_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)
tests_unit_route_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
