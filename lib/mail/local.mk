# lib/mail: the words of mail, pure functions on bytes.
noinst_LIBRARIES += lib/libmail.a
lib_libmail_a_SOURCES = \
	%D%/crlf.c %D%/crlf.h \
	%D%/envelope.c %D%/envelope.h \
	%D%/fromline.c %D%/fromline.h \
	%D%/mbox.c %D%/mbox.h
