# rmail: mail from UUCP and from programs; rmail/rmail.h says what is where.
if !SMALL
pkglibexec_PROGRAMS += rmail/rmail
endif
pkglibexec_PROGRAMS += rmail/mochila-drop
rmail_rmail_SOURCES = \
	%D%/compose.c %D%/compose.h \
	%D%/rmail.c %D%/rmail.h \
	%D%/sendmail.c \
	%D%/submit.c %D%/submit.h \
	%D%/talk.c
rmail_rmail_LDADD = lib/libproto.a $(SPOOL_LIBS)

rmail_mochila_drop_SOURCES = %D%/drop.c
rmail_mochila_drop_CFLAGS = -std=c11 -Wall -Wextra $(HARDEN) $(SAN)

ALIASES += rmail:sendmail rmail:mailq rmail:newaliases

# It is setgid and takes no word that it need not: not even --help.
AM_INSTALLCHECK_STD_OPTIONS_EXEMPT += rmail/mochila-drop
