# lib/net: waiting and moving bytes; knows no mail.
noinst_LIBRARIES += lib/libnet.a
lib_libnet_a_SOURCES = \
	%D%/mx.c %D%/mx.h \
	%D%/place.c %D%/place.h \
	%D%/dial.c %D%/dial.h \
	%D%/dns.c %D%/dns.h \
	%D%/listen.c %D%/listen.h \
	%D%/loop.c %D%/loop.h \
	%D%/resolve.c %D%/resolve.h \
	%D%/socks.c %D%/socks.h \
	%D%/stream.c %D%/stream.h \
	%D%/tls.c %D%/tls.h %D%/tls-link.c %D%/tls-link.h %D%/tls-side.h

small_instead += %D%/small-socks.c

# Link with these, in this order, before BASE_LIBS.
NET_LIBS = lib/libnet.a $(EVENT_LIBS) $(CARES_LIBS) $(SSL_LIBS)
