# tests of spool
check_PROGRAMS += tests/unit/spool
noinst_PROGRAMS += tests/crash/spool-steps	# run by the scripts, no test of itself
tests_unit_spool_SOURCES = %D%/unit/spool.c %D%/unit/scratch.h
tests_unit_spool_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_spool_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)
check_PROGRAMS += tests/unit/reports
tests_unit_reports_SOURCES = %D%/unit/reports.c %D%/unit/scratch.h %D%/unit/unit.h
tests_unit_reports_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_reports_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)
check_PROGRAMS += tests/unit/usage
tests_unit_usage_SOURCES = %D%/unit/usage.c %D%/unit/scratch.h %D%/unit/unit.h
tests_unit_usage_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_usage_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)
check_PROGRAMS += tests/unit/hours
tests_unit_hours_SOURCES = %D%/unit/hours.c %D%/unit/unit.h
tests_unit_hours_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_hours_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)
check_PROGRAMS += tests/unit/way
tests_unit_way_SOURCES = %D%/unit/way.c %D%/unit/scratch.h %D%/unit/unit.h
tests_unit_way_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_way_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)
check_PROGRAMS += tests/unit/budget
tests_unit_budget_SOURCES = %D%/unit/budget.c %D%/unit/scratch.h %D%/unit/unit.h
tests_unit_budget_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_budget_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)
check_PROGRAMS += tests/unit/retry
tests_unit_retry_SOURCES = %D%/unit/retry.c %D%/unit/scratch.h %D%/unit/unit.h
tests_unit_retry_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_retry_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)
tests_crash_spool_steps_SOURCES = %D%/crash/spool-steps.c
tests_crash_spool_steps_LDADD = $(SPOOL_LIBS)

# A long time of everything at once, broken at random: tests/crash/soak.h.
noinst_PROGRAMS += tests/crash/spool-soak
tests_crash_spool_soak_SOURCES = %D%/crash/spool-soak.c %D%/crash/soak-worker.c %D%/crash/soak.h \
	%D%/crash/soak-hosts.c %D%/crash/soak-driver.h
tests_crash_spool_soak_LDADD = $(SPOOL_LIBS)
dist_check_SCRIPTS += %D%/crash/spool-soak.sh %D%/crash/spool-hosts.sh
SPOOL = 20000
CALL = 10000
PROTOCOLS = m
soak: all tests/crash/fault.so
	top_builddir='$(abs_top_builddir)' SPOOL='$(SPOOL)' sh $(srcdir)/tests/crash/spool-soak.sh
	HANDS=1 sh $(abs_srcdir)/tests/crash/spool-hands.sh
	SWEEP=all sh $(abs_srcdir)/tests/crash/spool-powercut.sh || test $$? -eq 77
	top_builddir='$(abs_top_builddir)' srcdir='$(srcdir)' FAULT_STEP=1 sh $(srcdir)/tests/crash/relay-faults.sh
	top_builddir='$(abs_top_builddir)' ROUNDS=2000 sh $(srcdir)/tests/crash/ring-soak.sh
	top_builddir='$(abs_top_builddir)' HOSTS='$(SPOOL)' sh $(srcdir)/tests/crash/spool-hosts.sh
	top_builddir='$(abs_top_builddir)' CALL='$(CALL)' PROTOCOLS='$(PROTOCOLS)' sh $(srcdir)/tests/crash/call-soak.sh
	top_builddir='$(abs_top_builddir)' EACH=1 sh $(srcdir)/tests/crash/m-faults.sh
	top_builddir='$(abs_top_builddir)' EACH=1 PROTOCOLS='m i e t g y' sh $(srcdir)/tests/crash/call-bytes.sh
	top_builddir='$(abs_top_builddir)' TAYLOR=long sh $(srcdir)/tests/e2e/21-uucico-taylor.sh
	$(MAKE) tests/unit/batch && CK_TIMEOUT_MULTIPLIER=1000 SOAK=1 tests/unit/batch
	$(MAKE) tests/unit/uucp && CK_TIMEOUT_MULTIPLIER=20 CUT_EVERY=1 tests/unit/uucp
.PHONY: soak

# The fault injector is preloaded, so it must not be built with a sanitizer.
check_DATA = tests/crash/fault.so
CLEANFILES += tests/crash/fault.so
EXTRA_DIST += %D%/crash/fault.c %D%/crash/verify.sh
dist_check_SCRIPTS += %D%/crash/spool-faults.sh %D%/crash/spool-powercut.sh %D%/crash/spool-hands.sh
tests/crash/fault.so: %D%/crash/fault.c
	@$(MKDIR_P) tests/crash
	$(AM_V_CCLD)test -n '$(SAN)' || $(CC) -include config.h -I. $(CFLAGS) -shared -fPIC -o $@ \
		$(srcdir)/tests/crash/fault.c -ldl

check_PROGRAMS += tests/unit/dsn
tests_unit_dsn_SOURCES = %D%/unit/dsn.c %D%/unit/unit.h
tests_unit_dsn_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_dsn_LDADD = lib/libmail.a $(BASE_LIBS) $(CHECK_LIBS)

if FUZZERS
noinst_PROGRAMS += tests/fuzz/entry tests/fuzz/settle
else
check_PROGRAMS += tests/fuzz/entry tests/fuzz/settle
endif
tests_fuzz_entry_SOURCES = %D%/fuzz/entry.c
tests_fuzz_entry_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_entry_LDADD = $(FUZZ_REPLAY) $(SPOOL_LIBS)
EXTRA_DIST += %D%/fuzz/entry.dict %D%/fuzz/seeds/entry
tests_fuzz_settle_SOURCES = %D%/fuzz/settle.c
tests_fuzz_settle_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_settle_LDADD = $(FUZZ_REPLAY) $(SPOOL_LIBS)
EXTRA_DIST += %D%/fuzz/settle.dict %D%/fuzz/seeds/settle

check_PROGRAMS += tests/unit/ring
tests_unit_ring_SOURCES = %D%/unit/ring.c %D%/unit/unit.h
tests_unit_ring_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_ring_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)
noinst_PROGRAMS += tests/crash/ring-steps
tests_crash_ring_steps_SOURCES = %D%/crash/ring-steps.c
tests_crash_ring_steps_LDADD = $(SPOOL_LIBS)
dist_check_SCRIPTS += %D%/crash/ring-faults.sh %D%/crash/ring-soak.sh

if FUZZERS
noinst_PROGRAMS += tests/fuzz/ring
else
check_PROGRAMS += tests/fuzz/ring
endif
tests_fuzz_ring_SOURCES = %D%/fuzz/ring.c
tests_fuzz_ring_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_ring_LDADD = $(FUZZ_REPLAY) $(SPOOL_LIBS)
EXTRA_DIST += %D%/fuzz/ring.dict %D%/fuzz/seeds/ring

check_PROGRAMS += tests/unit/lease
tests_unit_lease_SOURCES = %D%/unit/lease.c %D%/unit/unit.h
tests_unit_lease_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_lease_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)
