# bsmtp: see bsmtp/reader.h, writer.h, codec.h and sink.h.
noinst_LIBRARIES += bsmtp/libbatch.a
bsmtp_libbatch_a_SOURCES = \
	%D%/codec.c %D%/codec.h \
	%D%/codec-gz.c \
	%D%/codec-none.c \
	%D%/trailer.c %D%/trailer.h
BATCH_LIBS = bsmtp/libbatch.a $(ZLIB_LIBS)
