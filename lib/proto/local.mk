# lib/proto: dialogues without I/O.
noinst_LIBRARIES += lib/libproto.a
lib_libproto_a_SOURCES = \
	%D%/clamd.c %D%/clamd.h \
	%D%/dialogue.h \
	%D%/ext-8bitmime.c \
	%D%/ext-auth.c \
	%D%/ext-binarymime.c \
	%D%/ext-chunking.c \
	%D%/ext-deliverby.c \
	%D%/ext-dsn.c \
	%D%/ext-enhancedstatuscodes.c \
	%D%/ext-futurerelease.c \
	%D%/ext-limits.c \
	%D%/ext-mtpriority.c \
	%D%/ext-pipelining.c \
	%D%/ext-requiretls.c \
	%D%/ext-size.c \
	%D%/ext-smtputf8.c \
	%D%/ext-starttls.c \
	%D%/pop3-server.c %D%/pop3-server.h \
	%D%/ext-xclient.c \
	%D%/milter.c %D%/milter.h \
	%D%/proxy.c %D%/proxy.h \
	%D%/rspamd.c %D%/rspamd.h \
	%D%/spamd.c %D%/spamd.h \
	%D%/reply.c %D%/reply.h \
	%D%/sasl.c %D%/sasl.h \
	%D%/sasl-line.c %D%/sasl-line.h \
	%D%/smtp-body.c \
	%D%/smtp-auth.c %D%/smtp-auth.h \
	%D%/smtp-client.c %D%/smtp-client.h \
	%D%/smtp-engine.h \
	%D%/smtp-ext.c %D%/smtp-exts.c %D%/smtp-ext.h \
	%D%/smtp-server.c %D%/smtp-server.h \
	%D%/smtp-verb.c %D%/smtp-verb.h
small_instead += %D%/small-smtp-exts.c
