# spool: messages as plain files (spool/spool.h).
noinst_LIBRARIES += spool/libspool.a
spool_libspool_a_SOURCES = \
	%D%/entry.h %D%/job.h %D%/queue.h %D%/route.c %D%/route.h %D%/seen.h \
	%D%/settings.c %D%/settings.h %D%/spool.h

# Link with these, in this order.
SPOOL_LIBS = spool/libspool.a lib/libmail.a $(BASE_LIBS)
