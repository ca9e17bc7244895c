# uucico-ssh: the UUCP agent (uucp.h is its heart), and uuxqt.
noinst_LIBRARIES += uucico-ssh/libuucico.a
uucico_ssh_libuucico_a_SOURCES = \
	%D%/call.c %D%/call.h \
	%D%/command.c %D%/command.h \
	%D%/copying.c %D%/copying.h \
	%D%/filed.c %D%/filed.h \
	%D%/files.c %D%/files.h \
	%D%/frame.c %D%/frame.h \
	%D%/handshake.c \
	%D%/helper.c %D%/helper.h \
	%D%/hostkey.c %D%/hostkey.h \
	%D%/incoming.c %D%/incoming.h \
	%D%/key.c %D%/key.h \
	%D%/keyed.c %D%/keyed.h \
	%D%/link.c %D%/link.h %D%/link-exec.c %D%/link-ssh.c %D%/link-stdio.c %D%/link-tcp.c \
	%D%/lock.c %D%/lock.h \
	%D%/m.c %D%/m.h %D%/m-parts.h %D%/m-frame.c %D%/m-hello.c %D%/m-line.c \
	%D%/m-leave.c %D%/m-mix.c %D%/m-send.c %D%/m-stream.c %D%/m-take.c \
	%D%/m-call.c %D%/m-call.h \
	%D%/m-early.c %D%/m-early.h \
	%D%/m-form.c %D%/m-form.h \
	%D%/m-hold.c %D%/m-hold.h \
	%D%/m-in.c %D%/m-in.h \
	%D%/m-mail.c %D%/m-mail.h \
	%D%/m-models.c \
	%D%/m-offered.c %D%/m-offered.h \
	%D%/m-out.c %D%/m-out.h \
	%D%/m-part.c %D%/m-part.h \
	%D%/m-ring.c %D%/m-ring.h \
	%D%/m-taught.c %D%/m-taught.h \
	%D%/outgoing.c %D%/outgoing.h \
	%D%/pair.c %D%/pair.h \
	%D%/proto.h %D%/proto-e.c %D%/proto-g.c %D%/proto-i.c %D%/proto-m.c %D%/proto-t.c %D%/proto-y.c \
	%D%/notice.c %D%/notice.h %D%/gather.c %D%/gather.h %D%/output.c %D%/output.h %D%/queued.c %D%/queued.h \
	%D%/quick.c %D%/quick.h %D%/quick-kex.c %D%/quick-line.c %D%/quick-line.h %D%/quick-wire.c \
	%D%/reach.c %D%/reach.h \
	%D%/request.c %D%/request.h \
	%D%/secret.c %D%/secret.h \
	%D%/sequence.c %D%/sequence.h \
	%D%/session.c \
	%D%/ssh.c %D%/ssh.h \
	%D%/stay.c %D%/stay.h \
	%D%/sum.c %D%/sum.h \
	%D%/tcp.c %D%/tcp.h \
	%D%/tool.c %D%/tool.h \
	%D%/uucp.c %D%/uucp.h \
	%D%/window.c %D%/window.h \
	%D%/work.c %D%/work.h \
	%D%/xfile.c %D%/xfile.h

small_instead += %D%/small-files.c %D%/small-m-hold.c %D%/small-m-mix.c %D%/small-quick-line.c

# Link with these, in this order.
UUCICO_LIBS = uucico-ssh/libuucico.a $(NET_LIBS) $(LIBSSH2_LIBS) $(ZLIB_LIBS) $(ZSTD_LIBS) $(SPOOL_LIBS)

if !SMALL
bin_PROGRAMS += uucico-ssh/uucico-ssh
pkglibexec_PROGRAMS += uucico-ssh/uuxqt uucico-ssh/uux uucico-ssh/uucp
endif
uucico_ssh_uucico_ssh_SOURCES = %D%/main.c
uucico_ssh_uucico_ssh_LDADD = $(UUCICO_LIBS)

uucico_ssh_uuxqt_SOURCES = %D%/uuxqt.c
uucico_ssh_uuxqt_LDADD = $(UUCICO_LIBS)

uucico_ssh_uux_SOURCES = %D%/uux.c
uucico_ssh_uux_LDADD = $(UUCICO_LIBS)

uucico_ssh_uucp_SOURCES = %D%/copy.c
uucico_ssh_uucp_LDADD = $(UUCICO_LIBS)
