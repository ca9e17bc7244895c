# tests of bsmtp/ and of the words of mail it needs
check_PROGRAMS += tests/unit/mailtext
tests_unit_mailtext_SOURCES = %D%/unit/mailtext.c %D%/unit/unit.h
tests_unit_mailtext_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_mailtext_LDADD = lib/libmail.a $(BASE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/unit/codec
tests_unit_codec_SOURCES = %D%/unit/codec.c %D%/unit/gather.h
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
	%D%/fixtures/exim.bsmtp \
	%D%/fixtures/fetchmail.bsmtp \
	%D%/fixtures/from-lines.eml \
	%D%/fixtures/header-only.eml \
	%D%/fixtures/long-lines.eml \
	%D%/fixtures/demo.mbox.Z \
	%D%/fixtures/no-newline.eml \
	%D%/fixtures/plain.eml \
	%D%/fixtures/RECORDED \
	%D%/fixtures/tabs-and-nul.eml

check_PROGRAMS += tests/unit/batch
tests_unit_batch_SOURCES = %D%/unit/batch.c %D%/unit/ship.h %D%/unit/unit.h
tests_unit_batch_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_batch_LDADD = $(BATCH_LIBS) $(CHECK_LIBS)

check_PROGRAMS += tests/unit/plain tests/unit/range
tests_unit_plain_SOURCES = %D%/unit/plain.c %D%/unit/unit.h %D%/unit/gather.h
tests_unit_plain_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_plain_LDADD = lib/libmail.a $(BASE_LIBS) $(CHECK_LIBS)
tests_unit_range_SOURCES = %D%/unit/range.c %D%/unit/unit.h
tests_unit_range_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_range_LDADD = lib/libmail.a $(BASE_LIBS) $(CHECK_LIBS) -lm

dist_check_SCRIPTS += %D%/e2e/10-bsmtp-roundtrip.sh %D%/e2e/11-bsmtp-peers.sh %D%/e2e/12-bsmtp-smtp.sh \
	%D%/e2e/13-bsmtp-formats.sh %D%/e2e/14-bsmtp-mtas.sh \
	%D%/e2e/16-bsmtp-codecs.sh %D%/e2e/17-bsmtp-history.sh %D%/e2e/18-versions.sh \
	%D%/e2e/19-bsmtp-bombs.sh \
	%D%/crash/batch-faults.sh \
	%D%/crash/sink-faults.sh

if FUZZERS
noinst_PROGRAMS += tests/fuzz/batch tests/fuzz/plain tests/fuzz/recode tests/fuzz/codec tests/fuzz/mix tests/fuzz/label
else
check_PROGRAMS += tests/fuzz/batch tests/fuzz/plain tests/fuzz/recode tests/fuzz/codec tests/fuzz/mix tests/fuzz/label
endif
tests_fuzz_codec_SOURCES = %D%/fuzz/codec.c %D%/unit/gather.h
tests_fuzz_codec_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_codec_LDADD = $(FUZZ_REPLAY) $(BATCH_LIBS)
tests_fuzz_mix_SOURCES = %D%/fuzz/mix.c %D%/unit/gather.h
tests_fuzz_mix_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_mix_LDADD = $(FUZZ_REPLAY) $(BATCH_LIBS)
tests_fuzz_label_SOURCES = %D%/fuzz/label.c
tests_fuzz_label_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_label_LDADD = $(FUZZ_REPLAY) $(BATCH_LIBS)
EXTRA_DIST += %D%/fuzz/seeds/codec %D%/fuzz/seeds/mix %D%/fuzz/seeds/label %D%/fuzz/label.dict
tests_fuzz_batch_SOURCES = %D%/fuzz/batch.c
tests_fuzz_batch_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_batch_LDADD = $(FUZZ_REPLAY) $(BATCH_LIBS)
EXTRA_DIST += %D%/fuzz/batch.dict %D%/fuzz/seeds/batch
tests_fuzz_plain_SOURCES = %D%/fuzz/plain.c %D%/unit/gather.h
tests_fuzz_plain_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_plain_LDADD = $(FUZZ_REPLAY) lib/libmail.a $(BASE_LIBS)
EXTRA_DIST += %D%/fuzz/plain.dict %D%/fuzz/seeds/plain
tests_fuzz_recode_SOURCES = %D%/fuzz/recode.c
tests_fuzz_recode_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_recode_LDADD = $(FUZZ_REPLAY) lib/libmail.a $(BASE_LIBS)
EXTRA_DIST += %D%/fuzz/recode.dict %D%/fuzz/seeds/recode
EXTRA_DIST += %D%/crash/fault-lib.sh %D%/crash/batch-lib.sh %D%/crash/relay-fault-lib.sh %D%/e2e/mta-lib.sh %D%/fixtures/v1 %D%/fixtures/v2 %D%/fixtures/v3 %D%/fixtures/v4 %D%/fixtures/v5

check_PROGRAMS += tests/unit/recode
tests_unit_recode_SOURCES = %D%/unit/recode.c %D%/unit/unit.h
tests_unit_recode_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_recode_LDADD = lib/libmail.a $(BASE_LIBS) $(CHECK_LIBS)
