# tests: unit (check), talk, e2e, fuzz, crash, and the lints; one fragment for
# each part of the house.  Scripts find $srcdir, $top_builddir and $PROGRAMS.
AM_TESTS_ENVIRONMENT = top_builddir='$(abs_top_builddir)'; \
	PROGRAMS='$(bin_PROGRAMS) $(sbin_PROGRAMS) $(pkglibexec_PROGRAMS)'; \
	export top_builddir PROGRAMS;
include $(srcdir)/tests/lint.mk
include $(srcdir)/tests/proto.mk
include $(srcdir)/tests/spool.mk
include $(srcdir)/tests/bsmtp.mk
include $(srcdir)/tests/rmail.mk
include $(srcdir)/tests/uucico.mk
include $(srcdir)/tests/relay.mk
include $(srcdir)/tests/filter.mk
include $(srcdir)/tests/routes.mk
include $(srcdir)/tests/server.mk
include $(srcdir)/tests/door.mk
include $(srcdir)/tests/bench.mk
include $(srcdir)/tests/e2e.mk

distclean-local:
	-chmod -R u+rwX tests/out 2>/dev/null
	-rm -rf tests/out

# What a build with --enable-small is tried by: its programs, and the parts that it has whole.
small_tests = tests/layers.sh tests/lint-words.sh tests/e2e/84-small.sh tests/e2e/20-uucico-exec.sh tests/e2e/22-uucico-ssh.sh \
	tests/e2e/40-mochila.sh tests/e2e/41-pair.sh tests/unit/spool tests/unit/m tests/unit/ring tests/unit/base
if !SMALL_CORE
small_tests += tests/e2e/15-rmail.sh tests/e2e/23-m.sh
endif
