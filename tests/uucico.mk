# tests of uucico-ssh and uuxqt
check_PROGRAMS += tests/unit/uucp
tests_unit_uucp_SOURCES = %D%/unit/uucp.c %D%/unit/uucp.h %D%/unit/uucp-sides.c
tests_unit_uucp_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_uucp_LDADD = $(UUCICO_LIBS) $(CHECK_LIBS)

dist_check_SCRIPTS += %D%/e2e/20-uucico-exec.sh %D%/e2e/21-uucico-taylor.sh %D%/e2e/22-uucico-ssh.sh
