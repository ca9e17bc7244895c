# lib/mail: the words of mail, pure functions on bytes.
noinst_LIBRARIES += lib/libmail.a
lib_libmail_a_SOURCES = \
	%D%/envelope.c %D%/envelope.h
