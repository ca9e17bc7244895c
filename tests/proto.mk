# tests of lib/mail and lib/proto
PROTO_TEST_LIBS = lib/libproto.a lib/libmail.a $(BASE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/unit/smtp-server
tests_unit_smtp_server_SOURCES = %D%/unit/smtp-server.c %D%/unit/unit.h \
	%D%/talk/fake.c %D%/talk/fake.h
tests_unit_smtp_server_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_smtp_server_LDADD = $(PROTO_TEST_LIBS)

check_PROGRAMS += tests/unit/envelope-file
tests_unit_envelope_file_SOURCES = %D%/unit/envelope-file.c %D%/unit/unit.h
tests_unit_envelope_file_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_envelope_file_LDADD = $(PROTO_TEST_LIBS)

check_PROGRAMS += tests/unit/smtp-client
tests_unit_smtp_client_SOURCES = %D%/unit/smtp-client.c %D%/unit/unit.h \
	%D%/talk/sender.c %D%/talk/sender.h
tests_unit_smtp_client_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_smtp_client_LDADD = $(PROTO_TEST_LIBS)

check_PROGRAMS += tests/unit/pop3-server
tests_unit_pop3_server_SOURCES = %D%/unit/pop3-server.c %D%/unit/unit.h \
	%D%/talk/fake-pop3.c %D%/talk/fake-pop3.h
tests_unit_pop3_server_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_pop3_server_LDADD = $(PROTO_TEST_LIBS)

check_PROGRAMS += tests/unit/sasl
tests_unit_sasl_SOURCES = %D%/unit/sasl.c %D%/unit/unit.h
tests_unit_sasl_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_sasl_LDADD = $(PROTO_TEST_LIBS) $(GSASL_LIBS)

check_PROGRAMS += tests/unit/secretsfile
tests_unit_secretsfile_SOURCES = %D%/unit/secretsfile.c %D%/unit/unit.h relay/secretsfile.c
tests_unit_secretsfile_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_secretsfile_LDADD = $(PROTO_TEST_LIBS)

# The words of mail, a test each.
check_PROGRAMS += tests/unit/wish
tests_unit_wish_SOURCES = %D%/unit/wish.c %D%/unit/unit.h
tests_unit_wish_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_wish_LDADD = $(PROTO_TEST_LIBS)
check_PROGRAMS += tests/unit/address tests/unit/xtext tests/unit/dot tests/unit/header \
	tests/unit/reply tests/unit/smtp-ext
tests_unit_address_SOURCES = %D%/unit/address.c %D%/unit/unit.h
tests_unit_address_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_address_LDADD = $(PROTO_TEST_LIBS)
tests_unit_xtext_SOURCES = %D%/unit/xtext.c %D%/unit/unit.h
tests_unit_xtext_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_xtext_LDADD = $(PROTO_TEST_LIBS)
tests_unit_dot_SOURCES = %D%/unit/dot.c %D%/unit/unit.h
tests_unit_dot_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_dot_LDADD = $(PROTO_TEST_LIBS)
tests_unit_header_SOURCES = %D%/unit/header.c %D%/unit/unit.h
tests_unit_header_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_header_LDADD = $(PROTO_TEST_LIBS)
tests_unit_reply_SOURCES = %D%/unit/reply.c %D%/unit/unit.h
tests_unit_reply_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_reply_LDADD = $(PROTO_TEST_LIBS)
tests_unit_smtp_ext_SOURCES = %D%/unit/smtp-ext.c %D%/unit/unit.h
tests_unit_smtp_ext_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_smtp_ext_LDADD = $(PROTO_TEST_LIBS)

# Dialogues anyone can read; --to HOST:PORT plays them to a real server.
check_PROGRAMS += tests/talk/player
tests_talk_player_SOURCES = %D%/talk/player.c %D%/talk/fake.c %D%/talk/fake.h
tests_talk_player_LDADD = $(PROTO_TEST_LIBS)
EXTRA_DIST += \
	%D%/talk/bsmtp-01-old-sites.talk \
	%D%/talk/smtp-01-a-message.talk \
	%D%/talk/smtp-02-in-one-flight.talk \
	%D%/talk/smtp-03-running-ahead.talk \
	%D%/talk/smtp-04-smuggling.talk \
	%D%/talk/smtp-05-chunks.talk \
	%D%/talk/smtp-06-order.talk \
	%D%/talk/smtp-07-reports.talk \
	%D%/talk/smtp-08-limits.talk \
	%D%/talk/smtp-09-browser.talk \
	%D%/talk/smtp-10-starttls.talk \
	%D%/talk/smtp-11-starttls-injection.talk \
	%D%/talk/smtp-12-starttls-late.talk \
	%D%/talk/smtp-13-starttls-first.talk \
	%D%/talk/smtp-14-starttls-chunk.talk \
	%D%/talk/smtp-15-binary.talk \
	%D%/talk/smtp-16-wishes.talk \
	%D%/talk/smtp-17-xclient.talk \
	%D%/talk/smtp-18-xclient-not.talk \
	%D%/talk/lmtp-01-each.talk \
	%D%/talk/smtp-20-auth.talk %D%/talk/smtp-21-auth-and-tls.talk

# Client against server, in memory.
check_PROGRAMS += tests/unit/smtp-pair
tests_unit_smtp_pair_SOURCES = %D%/unit/smtp-pair.c %D%/unit/unit.h \
	%D%/talk/fake.c %D%/talk/fake.h %D%/talk/sender.c %D%/talk/sender.h
tests_unit_smtp_pair_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_smtp_pair_LDADD = $(PROTO_TEST_LIBS)

# Fuzz targets: with --enable-fuzzers run by libFuzzer, else each seed once.
if FUZZERS
FUZZ_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer
FUZZ_REPLAY =
noinst_PROGRAMS += tests/fuzz/smtp-server tests/fuzz/smtp-client tests/fuzz/pop3-server \
	tests/fuzz/sasl tests/fuzz/secrets tests/fuzz/words
else
FUZZ_LINK = $(AM_LDFLAGS)
FUZZ_REPLAY = tests/fuzz/libreplay.a
noinst_LIBRARIES += tests/fuzz/libreplay.a
check_PROGRAMS += tests/fuzz/smtp-server tests/fuzz/smtp-client tests/fuzz/pop3-server \
	tests/fuzz/sasl tests/fuzz/secrets tests/fuzz/words
endif
tests_fuzz_libreplay_a_SOURCES = %D%/fuzz/replay.c %D%/fuzz/fuzz.h
tests_fuzz_smtp_server_SOURCES = %D%/fuzz/smtp-server.c %D%/talk/fake.c %D%/talk/fake.h
tests_fuzz_smtp_server_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_smtp_server_LDADD = $(FUZZ_REPLAY) lib/libproto.a lib/libmail.a $(BASE_LIBS)
tests_fuzz_smtp_client_SOURCES = %D%/fuzz/smtp-client.c
tests_fuzz_smtp_client_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_smtp_client_LDADD = $(FUZZ_REPLAY) lib/libproto.a lib/libmail.a $(BASE_LIBS)
tests_fuzz_pop3_server_SOURCES = %D%/fuzz/pop3-server.c %D%/talk/fake-pop3.c %D%/talk/fake-pop3.h
tests_fuzz_pop3_server_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_pop3_server_LDADD = $(FUZZ_REPLAY) lib/libproto.a lib/libmail.a $(BASE_LIBS)
tests_fuzz_sasl_SOURCES = %D%/fuzz/sasl.c
tests_fuzz_sasl_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_sasl_LDADD = $(FUZZ_REPLAY) lib/libproto.a lib/libmail.a $(BASE_LIBS) $(GSASL_LIBS)
tests_fuzz_secrets_SOURCES = %D%/fuzz/secrets.c relay/secretsfile.c
tests_fuzz_secrets_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_secrets_LDADD = $(FUZZ_REPLAY) $(SPOOL_LIBS) $(CRYPT_LIBS)
tests_fuzz_words_SOURCES = %D%/fuzz/words.c
tests_fuzz_words_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_words_LDADD = $(FUZZ_REPLAY) lib/libmail.a $(BASE_LIBS)
EXTRA_DIST += %D%/fuzz/smtp-server.dict %D%/fuzz/smtp-client.dict \
	%D%/fuzz/seeds/smtp-server %D%/fuzz/seeds/smtp-client %D%/fuzz/seeds/words \
	%D%/fuzz/pop3-server.dict %D%/fuzz/seeds/pop3-server %D%/fuzz/seeds/sasl %D%/fuzz/sasl.dict \
	%D%/fuzz/seeds/secrets %D%/fuzz/secrets.dict

check_PROGRAMS += tests/unit/verbs
tests_unit_verbs_SOURCES = %D%/unit/verbs.c %D%/unit/unit.h %D%/talk/fake.c %D%/talk/fake.h
tests_unit_verbs_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_verbs_LDADD = $(PROTO_TEST_LIBS)
