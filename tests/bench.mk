# tests/bench: what scripts/bench-* run; "make bench" runs the short form of each.
noinst_PROGRAMS += tests/bench/spool
tests_bench_spool_SOURCES = %D%/bench/spool.c
tests_bench_spool_LDADD = $(SPOOL_LIBS)

noinst_PROGRAMS += tests/bench/wire
tests_bench_wire_SOURCES = %D%/bench/wire.c
tests_bench_wire_LDADD = $(BATCH_LIBS)

noinst_PROGRAMS += tests/bench/crowd
tests_bench_crowd_SOURCES = %D%/bench/crowd.c
tests_bench_crowd_LDADD = $(SSL_LIBS) $(BASE_LIBS)

check_DATA += tests/bench/flush.so
CLEANFILES += tests/bench/flush.so
EXTRA_DIST += %D%/bench/flush.c %D%/bench/letters.awk
tests/bench/flush.so: %D%/bench/flush.c
	@$(MKDIR_P) tests/bench
	$(AM_V_CCLD)test -n '$(SAN)' || $(CC) -include config.h -I. $(CFLAGS) -shared -fPIC -o $@ \
		$(srcdir)/tests/bench/flush.c -ldl

BENCH_DIR = tests/out
bench: all tests/bench/flush.so
	@$(MKDIR_P) $(BENCH_DIR)
	BUILD='$(abs_top_builddir)' sh $(srcdir)/scripts/bench-spool --short $(BENCH_DIR)
	BUILD='$(abs_top_builddir)' sh $(srcdir)/scripts/bench-relay --short $(BENCH_DIR)
	BUILD='$(abs_top_builddir)' sh $(srcdir)/scripts/bench-filter --short $(BENCH_DIR)
	BUILD='$(abs_top_builddir)' sh $(srcdir)/scripts/bench-wire --short $(srcdir)/tests/fixtures/demo.mbox
	BUILD='$(abs_top_builddir)' sh $(srcdir)/scripts/bench-call --short --dir $(BENCH_DIR)
.PHONY: bench
