# tests of uucico-ssh and uuxqt
check_PROGRAMS += tests/unit/uucp
tests_unit_uucp_SOURCES = %D%/unit/uucp.c %D%/unit/uucp.h %D%/unit/uucp-sides.c
tests_unit_uucp_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_uucp_LDADD = $(UUCICO_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/unit/uucp-wire
tests_unit_uucp_wire_SOURCES = %D%/unit/uucp-wire.c %D%/unit/uucp.h %D%/unit/uucp-sides.c
tests_unit_uucp_wire_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_uucp_wire_LDADD = $(UUCICO_LIBS) $(CHECK_LIBS)

# Calls that are cut and killed at random: tests/crash/call-soak.c.
noinst_PROGRAMS += tests/crash/call-soak tests/crash/cutter
tests_crash_call_soak_SOURCES = %D%/crash/call-soak.c %D%/crash/soak.h
tests_crash_call_soak_LDADD = $(BASE_LIBS)
tests_crash_cutter_SOURCES = %D%/crash/cutter.c
dist_check_SCRIPTS += %D%/crash/call-soak.sh

check_PROGRAMS += tests/unit/filed
tests_unit_filed_SOURCES = %D%/unit/filed.c %D%/unit/unit.h
tests_unit_filed_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_filed_LDADD = $(UUCICO_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/unit/keyed
tests_unit_keyed_SOURCES = %D%/unit/keyed.c %D%/unit/unit.h
tests_unit_keyed_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_keyed_LDADD = $(UUCICO_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/unit/quick
tests_unit_quick_SOURCES = %D%/unit/quick.c %D%/unit/quick-host.c %D%/unit/quick-host.h %D%/unit/unit.h
tests_unit_quick_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_quick_LDADD = $(UUCICO_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/unit/m-store
tests_unit_m_store_SOURCES = %D%/unit/m-store.c
tests_unit_m_store_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_m_store_LDADD = $(UUCICO_LIBS) $(CHECK_LIBS)

noinst_PROGRAMS += tests/e2e/inetd	# run by a script, no test of itself
tests_e2e_inetd_SOURCES = %D%/e2e/inetd.c
dist_check_SCRIPTS += %D%/e2e/23-links.sh %D%/e2e/26-pair-via.sh %D%/e2e/27-uux-files.sh
noinst_PROGRAMS += tests/e2e/meter
tests_e2e_meter_SOURCES = %D%/e2e/meter.c
tests_e2e_meter_LDADD = $(BASE_LIBS)

dist_check_SCRIPTS += %D%/crash/call-bytes.sh %D%/crash/call-faults.sh %D%/crash/m-faults.sh %D%/e2e/20-uucico-exec.sh %D%/e2e/21-uucico-taylor.sh %D%/e2e/22-uucico-ssh.sh \
	%D%/e2e/23-m.sh %D%/e2e/24-uucp-files.sh %D%/e2e/25-key-auth.sh \
	%D%/e2e/28-budget.sh %D%/e2e/29-when.sh

if FUZZERS
noinst_PROGRAMS += tests/fuzz/quick tests/fuzz/uucp
else
check_PROGRAMS += tests/fuzz/quick tests/fuzz/uucp
endif
tests_fuzz_quick_SOURCES = %D%/fuzz/quick.c %D%/unit/quick-host.c
tests_fuzz_quick_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_quick_LDADD = $(FUZZ_REPLAY) $(UUCICO_LIBS)
EXTRA_DIST += %D%/fuzz/quick.dict %D%/fuzz/seeds/quick
tests_fuzz_uucp_SOURCES = %D%/fuzz/uucp.c
tests_fuzz_uucp_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_uucp_LDADD = $(FUZZ_REPLAY) $(UUCICO_LIBS)
EXTRA_DIST += %D%/fuzz/uucp.dict %D%/fuzz/seeds/uucp
EXTRA_DIST += %D%/e2e/pair-lib.sh %D%/e2e/taylor-lib.sh

check_PROGRAMS += tests/unit/m
tests_unit_m_SOURCES = %D%/unit/m.c %D%/unit/m-ends.c %D%/unit/m-ends.h %D%/unit/unit.h
tests_unit_m_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_m_LDADD = $(UUCICO_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/unit/uucp-m
tests_unit_uucp_m_SOURCES = %D%/unit/uucp-m.c %D%/unit/m-ends.c %D%/unit/m-ends.h %D%/unit/uucp.h %D%/unit/uucp-sides.c %D%/unit/unit.h
tests_unit_uucp_m_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_uucp_m_LDADD = $(UUCICO_LIBS) $(CHECK_LIBS)

if FUZZERS
noinst_PROGRAMS += tests/fuzz/m
else
check_PROGRAMS += tests/fuzz/m
endif
tests_fuzz_m_SOURCES = %D%/fuzz/m.c %D%/unit/m-ends.c %D%/unit/m-ends.h
tests_fuzz_m_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_m_LDADD = $(FUZZ_REPLAY) $(UUCICO_LIBS)
EXTRA_DIST += %D%/fuzz/m.dict %D%/fuzz/seeds/m
