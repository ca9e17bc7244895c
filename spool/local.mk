# spool: messages as plain files (spool/spool.h).
noinst_LIBRARIES += spool/libspool.a
spool_libspool_a_SOURCES = \
	%D%/alias.c %D%/alias.h \
	%D%/allowance.c %D%/allowance.h \
	%D%/arrival.c \
	%D%/batch.c \
	%D%/body.c %D%/body.h \
	%D%/bucket.c %D%/bucket.h \
	%D%/budget.c %D%/budget.h \
	%D%/claim.c \
	%D%/class.c %D%/class.h \
	%D%/dictionary.c %D%/dictionary.h \
	%D%/enclose.c %D%/enclose.h \
	%D%/entry.c %D%/entry.h \
	%D%/expand.c %D%/expand.h \
	%D%/history.c \
	%D%/hosts.c %D%/hosts.h \
	%D%/hours.c %D%/hours.h \
	%D%/idset.c %D%/idset.h \
	%D%/job.c %D%/job.h \
	%D%/maildir.c %D%/maildir.h \
	%D%/masquerade.c %D%/masquerade.h \
	%D%/mboxfile.c %D%/mboxfile.h \
	%D%/maildrop.c %D%/maildrop.h %D%/spooldrop.c %D%/spooldrop.h \
	%D%/journal.c %D%/journal.h \
	%D%/lease.c %D%/lease.h \
	%D%/lock.c %D%/lock.h \
	%D%/queue.c %D%/queue.h \
	%D%/quota.c %D%/quota.h \
	%D%/recipients.c %D%/recipients.h \
	%D%/recoded.c %D%/recoded.h \
	%D%/repair.c \
	%D%/report.c %D%/report.h \
	%D%/relaying.c %D%/relaying.h \
	%D%/retry.c %D%/retry.h \
	%D%/ring.c %D%/ring.h %D%/ring-keep.c %D%/ring-learn.c \
	%D%/route.c %D%/route.h \
	%D%/seen.c %D%/seen.h \
	%D%/settings.c %D%/settings.h %D%/settings-daemon.c \
	%D%/settle.c %D%/settle.h %D%/settle-drop.c %D%/settle-make.c %D%/settle-move.c \
	%D%/settle-open.c %D%/settle-seen.c \
	%D%/spool.c %D%/spool.h \
	%D%/waiting.c %D%/waiting.h \
	%D%/table.c %D%/table.h \
	%D%/taught.c %D%/taught.h \
	%D%/usage.c %D%/usage.h \
	%D%/users.c %D%/users.h \
	%D%/way.c %D%/way.h \
	%D%/whole.c %D%/whole.h %D%/heldback.c %D%/heldback.h

# Link with these, in this order.
SPOOL_LIBS = spool/libspool.a lib/libmail.a $(BASE_LIBS)

# mochila(1), the operator's door: spool/door.h.
if !SMALL
bin_PROGRAMS += spool/mochila
pkglibexec_PROGRAMS += spool/rrecipients
endif
spool_mochila_SOURCES = \
	%D%/main-mochila.c %D%/door.h \
	%D%/door-act.c \
	%D%/door-call.c \
	%D%/door-check.c \
	%D%/door-conf.c \
	%D%/door-doctor.c %D%/doctor.h \
	%D%/door-estimate.c \
	%D%/door-find.c \
	%D%/door-hosts.c \
	%D%/door-import.c %D%/import.h %D%/import-taylor.c %D%/import-emailrelay.c %D%/import-hours.c %D%/import-mail.c \
	%D%/door-history.c \
	%D%/door-init.c \
	%D%/door-key.c \
	%D%/door-link.c \
	%D%/door-list.c \
	%D%/door-log.c \
	%D%/door-move.c \
	%D%/door-pair.c %D%/door-probe.c %D%/door-via.c \
	%D%/door-recipients.c \
	%D%/door-run.c \
	%D%/door-select.c \
	%D%/door-show.c \
	%D%/door-status.c \
	%D%/door-table.c \
	%D%/door-top.c \
	%D%/door-user.c
spool_mochila_LDADD = $(SPOOL_LIBS) $(JANSSON_LIBS) $(CRYPT_LIBS)

# Run by uuxqt: what another site says of its recipients.
spool_rrecipients_SOURCES = %D%/rrecipients.c
spool_rrecipients_LDADD = $(SPOOL_LIBS)

# All that carries mail by calls in one file, under the names of its parts: what a small box installs
# (configure --enable-small), and what the tests of it link.
SMALL_NAMES = uucico-ssh
small_instead += %D%/small-addresses.c %D%/small-alone.c %D%/small-budget.c %D%/small-lease.c \
	%D%/small-quota.c %D%/small-recipients.c %D%/small-settings.c %D%/small-taught.c
small_core = %D%/main-small.c %D%/small.h $(bsmtp_core) $(rmail_rmail_SOURCES) \
	$(uucico_ssh_uucico_ssh_SOURCES) $(uucico_ssh_uuxqt_SOURCES)
small_all = $(small_core) %D%/small-others.c %D%/rrecipients.c $(bsmtp_by_hand) $(uucico_ssh_uux_SOURCES) $(uucico_ssh_uucp_SOURCES) \
	$(spool_mochila_SOURCES)
if SMALL
pkglibexec_PROGRAMS += %D%/mochila-small
ALIASES += mochila-small:bsmtp mochila-small:rmail mochila-small:uucico-ssh mochila-small:uuxqt
else
noinst_PROGRAMS += %D%/mochila-small
endif
if SMALL_CORE
bin_PROGRAMS += %D%/mochila
spool_mochila_small_SOURCES = $(small_core) $(small_instead)
noinst_PROGRAMS += %D%/mochila-whole	# for tests
spool_mochila_whole_SOURCES = $(small_all)
spool_mochila_whole_LDADD = $(spool_mochila_small_LDADD)
else
noinst_PROGRAMS += %D%/mochila-core	# for tests
spool_mochila_core_SOURCES = $(small_core) $(small_instead)
spool_mochila_core_LDADD = $(spool_mochila_small_LDADD)
if SMALL
ALIASES += mochila-small:rrecipients mochila-small:uucp mochila-small:uux
endif
SMALL_NAMES += mochila
spool_mochila_small_SOURCES = $(small_all)
endif
spool_mochila_small_LDADD = uucico-ssh/libuucico.a bsmtp/libbatch.a lib/libproto.a $(NET_LIBS) $(LIBSSH2_LIBS) $(SPOOL_LIBS) \
	$(ZLIB_LIBS) $(BZ2_LIBS) $(ZSTD_LIBS) $(JANSSON_LIBS) $(CRYPT_LIBS)
AM_INSTALLCHECK_STD_OPTIONS_EXEMPT += %D%/mochila-small
