# tests of lib/net and relay
check_PROGRAMS += tests/unit/users tests/unit/place tests/unit/net tests/unit/maildir tests/unit/maildrop \
	tests/unit/access
tests_unit_place_SOURCES = %D%/unit/place.c %D%/unit/unit.h
tests_unit_place_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_place_LDADD = $(NET_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
tests_unit_net_SOURCES = %D%/unit/net.c %D%/unit/looping.h
tests_unit_net_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_net_LDADD = $(NET_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
check_PROGRAMS += tests/unit/tls
tests_unit_tls_SOURCES = %D%/unit/tls.c %D%/unit/looping.h %D%/unit/unit.h %D%/certs.c %D%/certs.h
tests_unit_tls_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_tls_LDADD = $(NET_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
check_PROGRAMS += tests/unit/socks tests/unit/dial
tests_unit_socks_SOURCES = %D%/unit/socks.c %D%/unit/unit.h
tests_unit_socks_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_socks_LDADD = $(NET_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
tests_unit_dial_SOURCES = %D%/unit/dial.c %D%/unit/looping.h %D%/unit/unit.h
tests_unit_dial_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_dial_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=getaddrinfo	# its own name service
tests_unit_dial_LDADD = $(NET_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
tests_unit_maildir_SOURCES = %D%/unit/maildir.c
tests_unit_maildir_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_maildir_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)
tests_unit_users_SOURCES = %D%/unit/users.c %D%/unit/unit.h
tests_unit_users_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_users_LDADD = $(SPOOL_LIBS) $(CRYPT_LIBS) $(CHECK_LIBS)
tests_unit_users_LDFLAGS = -Wl,--wrap=crypt_r
tests_unit_maildrop_SOURCES = %D%/unit/maildrop.c %D%/unit/unit.h
tests_unit_maildrop_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_maildrop_LDADD = $(SPOOL_LIBS) $(CHECK_LIBS)
tests_unit_access_SOURCES = %D%/unit/access.c %D%/unit/unit.h relay/access.c
tests_unit_access_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_access_LDADD = spool/libspool.a lib/libproto.a lib/libmail.a $(NET_LIBS) $(BASE_LIBS) \
	$(CHECK_LIBS)

# One end of a TCP dialogue, for the end-to-end tests.
noinst_PROGRAMS += tests/e2e/wire
tests_e2e_wire_SOURCES = %D%/e2e/wire.c
# Certificates for them.
noinst_PROGRAMS += tests/e2e/cert
tests_e2e_cert_SOURCES = %D%/e2e/cert.c %D%/certs.c %D%/certs.h
tests_e2e_cert_LDADD = $(BASE_LIBS)
dist_check_SCRIPTS += %D%/e2e/30-relay.sh %D%/e2e/31-relay-forward.sh %D%/e2e/32-relay-ledger.sh %D%/e2e/33-relay-limits.sh %D%/e2e/33-crowd.sh %D%/e2e/34-relay-syncs.sh %D%/e2e/35-dsn.sh %D%/e2e/36-retry.sh %D%/e2e/37-dsn-matrix.sh %D%/e2e/38-quota.sh %D%/e2e/39-postfix.sh
dist_check_SCRIPTS += %D%/e2e/60-pop3.sh %D%/e2e/62-submission.sh %D%/e2e/65-gate.sh %D%/e2e/68-logins.sh %D%/e2e/69-pop3-spool.sh
dist_check_SCRIPTS += %D%/crash/relay-faults.sh %D%/crash/transport-faults.sh %D%/crash/flight-faults.sh
dist_check_SCRIPTS += %D%/e2e/65-filters.sh %D%/e2e/66-filters-out.sh
EXTRA_DIST += %D%/e2e/relay-lib.sh %D%/e2e/65-gate.py
check_PROGRAMS += tests/unit/acceptor
tests_unit_acceptor_SOURCES = %D%/unit/acceptor.c %D%/unit/unit.h %D%/unit/scratch.h %D%/unit/looping.h relay/acceptor.c
tests_unit_acceptor_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_acceptor_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=fdatasync,--wrap=flock	# a disk of its own
tests_unit_acceptor_LDADD = spool/libspool.a lib/libproto.a lib/libmail.a $(NET_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
check_PROGRAMS += tests/unit/gate
tests_unit_gate_SOURCES = %D%/unit/gate.c %D%/unit/unit.h %D%/unit/scratch.h relay/grey.c relay/window.c relay/lists.c \
	relay/check.c relay/check-call.c relay/check-command.c relay/check-rows.c relay/lines.c
tests_unit_gate_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_gate_LDADD = spool/libspool.a lib/libproto.a lib/libmail.a $(NET_LIBS) $(BASE_LIBS) $(CHECK_LIBS)
