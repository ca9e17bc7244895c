# small: what mochila-small of --enable-small=core has in place of what it goes without (small/small.h).
# Linked as they are, so that nothing of the same names is looked for in the archives.
small_instead = %D%/small.c %D%/small.h \
	%D%/addresses.c \
	%D%/codecs.c \
	%D%/files.c \
	%D%/lease.c \
	%D%/others.c \
	%D%/by-hand.c \
	%D%/quick-line.c \
	%D%/recipients.c \
	%D%/settings.c \
	%D%/smtp-exts.c \
	%D%/socks.c
