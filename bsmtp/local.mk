# bsmtp: batches of mail; bsmtp/bsmtp.h says what is where.
noinst_LIBRARIES += bsmtp/libbatch.a
bsmtp_libbatch_a_SOURCES = \
	%D%/codec.c %D%/codec.h \
	%D%/codec-Z.c \
	%D%/codec-bz2.c \
	%D%/codec-gz.c \
	%D%/codec-mix.c \
	%D%/codec-none.c \
	%D%/codec-zstd.c \
	%D%/carry.c %D%/carry.h \
	%D%/format.c %D%/format.h \
	%D%/format-full.c \
	%D%/format-reduced.c \
	%D%/format-rmail.c \
	%D%/label.c %D%/label.h \
	%D%/reader.c %D%/reader.h \
	%D%/trailer.c %D%/trailer.h \
	%D%/writer.c %D%/writer.h
BATCH_LIBS = bsmtp/libbatch.a lib/libproto.a $(SPOOL_LIBS) $(ZLIB_LIBS) $(BZ2_LIBS) $(ZSTD_LIBS)

if !SMALL
pkglibexec_PROGRAMS += bsmtp/bsmtp
endif
bsmtp_by_hand = %D%/diff.c %D%/gather.c %D%/gather.h %D%/list.c %D%/teach.c
small_instead += %D%/small-by-hand.c %D%/small-codecs.c
bsmtp_bsmtp_SOURCES = $(bsmtp_core) $(bsmtp_by_hand)
bsmtp_core = \
	%D%/bsmtp.c %D%/bsmtp.h \
	%D%/history.c %D%/history.h \
	%D%/pack.c \
	%D%/session.c %D%/session.h \
	%D%/sink.c %D%/sink.h \
	%D%/sink-lmtp.c \
	%D%/sink-maildir.c \
	%D%/sink-sendmail.c \
	%D%/sink-smtp.c \
	%D%/sink-spool.c \
	%D%/unpack.c
bsmtp_bsmtp_LDADD = $(BATCH_LIBS) $(JANSSON_LIBS)

# What `zstd` is packed against at first; scripts/train-dictionary makes it.
dist_pkgdata_DATA += %D%/dictionary/mail-1.dict
EXTRA_DIST += %D%/dictionary/PROVENANCE %D%/dictionary/today.mbox

# The commands that UUCP runs: the codec's, and the one that sees it by itself.
ALIASES += bsmtp:rsmtp bsmtp:rgsmtp bsmtp:rbsmtp bsmtp:rcsmtp bsmtp:rzsmtp
