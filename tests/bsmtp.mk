# tests of bsmtp/ and of the words of mail it needs
check_PROGRAMS += tests/unit/mailtext
tests_unit_mailtext_SOURCES = %D%/unit/mailtext.c
tests_unit_mailtext_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_mailtext_LDADD = lib/libmail.a $(BASE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/unit/codec
tests_unit_codec_SOURCES = %D%/unit/codec.c
tests_unit_codec_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_codec_LDADD = $(BATCH_LIBS) $(CHECK_LIBS)

# Mails of our own writing; demo.mbox is what scripts/demo carries.
EXTRA_DIST += \
	%D%/fixtures/blank-lines.eml \
	%D%/fixtures/commands.eml \
	%D%/fixtures/crlf.eml \
	%D%/fixtures/demo.mbox \
	%D%/fixtures/dots.eml \
	%D%/fixtures/eight-bit.eml \
	%D%/fixtures/empty-body.eml \
	%D%/fixtures/from-lines.eml \
	%D%/fixtures/header-only.eml \
	%D%/fixtures/long-lines.eml \
	%D%/fixtures/no-newline.eml \
	%D%/fixtures/plain.eml \
	%D%/fixtures/tabs-and-nul.eml

check_PROGRAMS += tests/unit/batch
tests_unit_batch_SOURCES = %D%/unit/batch.c %D%/unit/unit.h
tests_unit_batch_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_batch_LDADD = $(BATCH_LIBS) $(CHECK_LIBS)
