# relay: the daemon that takes, keeps and forwards (relay/relay.h).
sbin_PROGRAMS += relay/mochila-relay
# What mail goes through, in mochila-filter and, where it is quick, in the relay.
filter_sources = \
	%D%/chain.c %D%/chain.h \
	%D%/filter.c %D%/filter.h \
	%D%/filter-clamd.c %D%/filter-exec.c %D%/filter-exit.c %D%/filter-exit.h \
	%D%/filter-files.c %D%/filter-files.h \
	%D%/filter-lmtp.c %D%/filter-mailboxes.c %D%/filter-milter.c %D%/filter-net.c %D%/filter-plain.c \
	%D%/filter-rspamd.c %D%/filter-senders.c %D%/filter-spam.c %D%/filter-thin.c \
	%D%/filters.h %D%/filters-packet.c \
	%D%/letter.c %D%/letter.h \
	%D%/program.c %D%/program.h \
	%D%/talk.c %D%/talk.h
relay_sources = \
	%D%/acceptor.c %D%/acceptor.h \
	%D%/access.c %D%/access.h \
	%D%/asked.c %D%/asked.h \
	%D%/auth.c %D%/auth.h \
	%D%/binary.c %D%/binary.h \
	%D%/filters.c $(filter_sources) \
	%D%/refit.c %D%/refit.h \
	%D%/check.c %D%/check.h \
	%D%/check-call.c %D%/check-command.c %D%/check-rows.c \
	%D%/errand.c %D%/errand.h \
	%D%/lane.c %D%/lane.h \
	%D%/mailbox.c %D%/mailbox.h \
	%D%/login.c %D%/login.h \
	%D%/login-command.c %D%/login-dovecot.c %D%/login-file.c %D%/login-checkpassword.c \
	%D%/login-emailrelay.c %D%/login-pam.c %D%/secretsfile.c %D%/secretsfile.h %D%/lines.c %D%/lines.h \
	%D%/meters.h %D%/service-admin.c %D%/service-metrics.c \
	%D%/gate.c %D%/gate.h %D%/grey.c %D%/grey.h %D%/lists.c %D%/lists.h %D%/window.c %D%/window.h \
	%D%/notify.c %D%/notify.h \
	%D%/pool.c %D%/pool.h \
	%D%/pass.c %D%/pass.h \
	%D%/rate.c %D%/rate.h \
	%D%/hop-secrets.c %D%/hop-secrets.h \
	%D%/reach.c %D%/reach.h \
	%D%/ready.c %D%/ready.h \
	%D%/relay.c %D%/relay.h \
	%D%/rights.c %D%/rights.h \
	%D%/road.c %D%/road.h \
	%D%/runner.c %D%/runner.h \
	%D%/secrets.c %D%/secrets.h \
	%D%/service-pop3.c %D%/service.h \
	%D%/service-smtp.c %D%/service-smtp.h %D%/service-smtp-decide.c %D%/service-smtp-end.c \
	%D%/service-smtp-take.c \
	%D%/session.c %D%/session.h \
	%D%/settler.c %D%/settler.h \
	%D%/token.c %D%/token.h \
	%D%/transport-command.c %D%/transport-filter.c %D%/transport-maildir.c %D%/transport-mbox.c \
	%D%/transport-release.c %D%/transport-smtp.c %D%/transport.h \
	%D%/verify.c %D%/verify.h
relay_mochila_relay_SOURCES = $(relay_sources) %D%/main.c
relay_mochila_relay_LDADD = spool/libspool.a lib/libproto.a lib/libmail.a $(NET_LIBS) $(BASE_LIBS) $(CRYPT_LIBS) $(GSASL_LIBS) \
	$(JANSSON_LIBS) $(PAM_LIBS)

# Knows passwords, so that the relay need not.
pkglibexec_PROGRAMS += relay/mochila-login
relay_mochila_login_SOURCES = %D%/main-login.c %D%/login.c %D%/login.h \
	%D%/answering.c %D%/answering.h %D%/lines.c %D%/lines.h \
	%D%/login-command.c %D%/login-dovecot.c %D%/login-file.c %D%/login-checkpassword.c \
	%D%/login-emailrelay.c %D%/login-pam.c %D%/secretsfile.c %D%/secretsfile.h
relay_mochila_login_LDADD = $(SPOOL_LIBS) lib/libnet.a $(BASE_LIBS) $(CRYPT_LIBS) $(PAM_LIBS)
AM_INSTALLCHECK_STD_OPTIONS_EXEMPT += relay/mochila-login

# Runs filters, which may take their time.
pkglibexec_PROGRAMS += relay/mochila-filter
relay_mochila_filter_SOURCES = %D%/main-filter.c $(filter_sources)
relay_mochila_filter_LDADD = spool/libspool.a lib/libproto.a lib/libmail.a $(NET_LIBS) $(BASE_LIBS) $(JANSSON_LIBS) -lm

# Asks others about senders and recipients, so that the relay need not wait.
pkglibexec_PROGRAMS += relay/mochila-check
relay_mochila_check_SOURCES = %D%/main-check.c %D%/check.c %D%/check.h \
	%D%/answering.c %D%/answering.h %D%/lines.c %D%/lines.h \
	%D%/check-call.c %D%/check-command.c %D%/check-rows.c %D%/check-spf.c
relay_mochila_check_LDADD = $(SPOOL_LIBS) $(NET_LIBS) $(BASE_LIBS) $(SPF_LIBS)

# Settles what a busy relay has accepted, so that the relay can go on.
pkglibexec_PROGRAMS += relay/mochila-settle
relay_mochila_settle_SOURCES = %D%/main-settle.c %D%/answering.c %D%/answering.h
relay_mochila_settle_LDADD = $(SPOOL_LIBS)
