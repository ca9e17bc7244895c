/*
 * meters - what is counted while the daemon runs, for those who watch it.
 *
 * A meter is a row: METER(name, kind, help).  service-metrics shows them in Prometheus's
 * text form; a counter only grows, and begins at 0 with the process.
 */
#ifndef RELAY_METERS_H
#define RELAY_METERS_H

#include <stdint.h>

#define METERS(METER)	\
	METER(connections_total, "counter", "Connections taken")	\
	METER(turned_away_total, "counter", "Connections sent away at the door")	\
	METER(tls_handshakes_total, "counter", "TLS handshakes that were completed")	\
	METER(tls_failures_total, "counter", "TLS handshakes that were not")	\
	METER(messages_accepted_total, "counter", "Messages answered with 250")	\
	METER(messages_passed_total, "counter", "Messages that the next hop answered for")	\
	METER(bytes_accepted_total, "counter", "Bytes of them")	\
	METER(refused_total, "counter", "Senders, recipients and messages refused")	\
	METER(messages_settled_total, "counter", "Messages routed, those of other programs too")	\
	METER(repeats_total, "counter", "Messages that a peer had delivered before")	\
	METER(held_total, "counter", "Files and messages put into hold/ when they were settled")	\
	METER(sessions, "gauge", "Connections that stand")

#define METER_FIELD(name, kind, help) uint64_t name;
struct meters {
	METERS(METER_FIELD)
};

#endif
