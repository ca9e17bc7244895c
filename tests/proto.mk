# tests of lib/mail and lib/proto
PROTO_TEST_LIBS = lib/libproto.a lib/libmail.a $(BASE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/unit/smtp-server
tests_unit_smtp_server_SOURCES = %D%/unit/smtp-server.c %D%/talk/fake.c %D%/talk/fake.h
tests_unit_smtp_server_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_smtp_server_LDADD = $(PROTO_TEST_LIBS)

check_PROGRAMS += tests/unit/smtp-client
tests_unit_smtp_client_SOURCES = %D%/unit/smtp-client.c %D%/talk/sender.c %D%/talk/sender.h
tests_unit_smtp_client_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_smtp_client_LDADD = $(PROTO_TEST_LIBS)
