# tests: unit (check), talk, e2e, fuzz, crash, and the lints; one fragment for
# each part of the house.
include $(srcdir)/tests/lint.mk
include $(srcdir)/tests/proto.mk
include $(srcdir)/tests/spool.mk
include $(srcdir)/tests/bsmtp.mk
include $(srcdir)/tests/rmail.mk
include $(srcdir)/tests/uucico.mk
include $(srcdir)/tests/relay.mk
include $(srcdir)/tests/door.mk
include $(srcdir)/tests/e2e.mk
