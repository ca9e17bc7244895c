# tests of the door: lib/base, routes, mochila(1) and the manuals
check_PROGRAMS += tests/unit/route
tests_unit_route_SOURCES = %D%/unit/route.c %D%/unit/unit.h
tests_unit_route_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)
tests_unit_route_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
check_PROGRAMS += tests/unit/base
tests_unit_base_SOURCES = %D%/unit/base.c
tests_unit_base_LDADD = $(BASE_LIBS) $(CHECK_LIBS)
tests_unit_base_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
check_PROGRAMS += tests/unit/conf
tests_unit_conf_SOURCES = %D%/unit/conf.c %D%/unit/unit.h
tests_unit_conf_LDADD = $(BASE_LIBS) $(CHECK_LIBS)
tests_unit_conf_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
check_PROGRAMS += tests/unit/door
tests_unit_door_SOURCES = %D%/unit/door.c spool/door.h \
	spool/door-conf.c spool/door-find.c spool/door-key.c spool/door-table.c
tests_unit_door_LDADD = $(SPOOL_LIBS) $(JANSSON_LIBS) $(CHECK_LIBS)
tests_unit_door_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
EXTRA_DIST += %D%/e2e/entry-lib.sh
dist_check_SCRIPTS += %D%/crash/door-faults.sh
dist_check_SCRIPTS += %D%/e2e/40-mochila.sh %D%/e2e/41-pair.sh %D%/e2e/42-doctor.sh %D%/e2e/43-status-many.sh %D%/e2e/44-hands.sh %D%/e2e/45-import.sh %D%/e2e/46-probe.sh %D%/man-settings.sh

# Preloaded, so it must not be built with a sanitizer.
check_DATA += tests/e2e/no-ed25519.so tests/e2e/slow-clock.so tests/e2e/slow-read.so
CLEANFILES += tests/e2e/no-ed25519.so tests/e2e/slow-clock.so tests/e2e/slow-read.so
EXTRA_DIST += %D%/e2e/no-ed25519.c %D%/e2e/slow-clock.c %D%/e2e/slow-read.c
tests/e2e/no-ed25519.so: %D%/e2e/no-ed25519.c
tests/e2e/slow-clock.so: %D%/e2e/slow-clock.c
tests/e2e/slow-read.so: %D%/e2e/slow-read.c
tests/e2e/no-ed25519.so tests/e2e/slow-clock.so tests/e2e/slow-read.so:
	@$(MKDIR_P) tests/e2e
	$(AM_V_CCLD)test -n '$(SAN)' || $(CC) $(CFLAGS) -shared -fPIC -o $@ $(srcdir)/$(@:.so=.c) -ldl
