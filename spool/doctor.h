/*
 * doctor - what is wrong with a site, and what to type (mochila doctor).
 *
 * A check is a row of the table in door-doctor.c: its name, what it does, and the remedy
 * of what it finds, in which @ stands for the thing that the check names.  Checks change
 * nothing and take no lock for longer than a look.
 */
#ifndef SPOOL_DOCTOR_H
#define SPOOL_DOCTOR_H

#include "spool/door.h"

struct doctor_site {		/* what waits for one destination */
	char *name;
	size_t waiting;
	int64_t oldest;		/* when the oldest came */
	bool tried;		/* somebody tried that one */
};

struct doctor {
	struct door *door;
	const struct doctor_check *check;	/* the one that runs */
	size_t found, here;	/* in all, and by this one */
	bool json;
	struct str out;
	/* what the walk of the spool saw: */
	struct doctor_site *site;
	size_t sites, arrived;
	int64_t newest;		/* the youngest id */
};

struct doctor_check {
	const char *name;
	void (*run)(struct doctor *doctor);
	const char *remedy;
};

/* One thing found: what it is about (for the remedy's @), the remedy if it is not the
 * row's, and what is wrong. */
void doctor_found(struct doctor *doctor, const char *about, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* door-check.c: the configuration, and what it names */
void check_config_modes(struct doctor *doctor);
void check_name(struct doctor *doctor);
void check_keys(struct doctor *doctor);
void check_pins(struct doctor *doctor);
void check_routes(struct doctor *doctor);
void check_unrouted(struct doctor *doctor);
void check_relay(struct doctor *doctor);
void check_certificates(struct doctor *doctor);

/* door-hosts.c: who works here */
void check_hosts(struct doctor *doctor);

/* Sends a probe and tells of it until an answer comes, or for so long (door-probe.c). */
int door_probe(struct door *door, const char *to, const char *wait, struct err *err);

#endif
