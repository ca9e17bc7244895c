# lib: see lib/base, lib/mail, lib/proto, lib/net; each is one archive.
noinst_LIBRARIES += lib/libbase.a
lib_libbase_a_SOURCES = \
	%D%/base/bytes.h \
	%D%/base/cert.c %D%/base/cert.h \
	%D%/base/child.c %D%/base/child.h \
	%D%/base/clock.c %D%/base/clock.h \
	%D%/base/closed.c %D%/base/closed.h \
	%D%/base/closer.c %D%/base/closer.h \
	%D%/base/conf.c %D%/base/conf.h \
	%D%/base/digest.c %D%/base/digest.h \
	%D%/base/err.c %D%/base/err.h \
	%D%/base/fs.c %D%/base/fs.h \
	%D%/base/helper.c %D%/base/helper.h \
	%D%/base/log.c %D%/base/log.h \
	%D%/base/number.c %D%/base/number.h \
	%D%/base/opt.c %D%/base/opt.h \
	%D%/base/program.h \
	%D%/base/sandbox.c %D%/base/sandbox.h \
	%D%/base/shown.c %D%/base/shown.h \
	%D%/base/slim.c %D%/base/slim.h \
	%D%/base/str.c %D%/base/str.h \
	%D%/base/syncer.c %D%/base/syncer.h \
	%D%/base/thread.c %D%/base/thread.h \
	%D%/base/words.c %D%/base/words.h

# What mochila-small of --enable-small=core has in place of what it goes without (lib/base/small.h).
small_instead = %D%/base/small.c %D%/base/small.h

include $(srcdir)/lib/mail/local.mk
include $(srcdir)/lib/proto/local.mk
include $(srcdir)/lib/net/local.mk

# Link with these, in this order.
BASE_LIBS = lib/libbase.a $(CRYPTO_LIBS)
