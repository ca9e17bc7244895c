#include "relay/relay.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/clock.h"
#include "lib/base/closer.h"
#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "relay/auth.h"
#include "relay/check.h"
#include "relay/notify.h"
#include "relay/refit.h"
#include "relay/service.h"
#include "relay/session.h"
#include "relay/window.h"
#include "spool/enclose.h"
#include "spool/relaying.h"
#include "spool/whole.h"

enum {
	CHECK_WORKERS = 8,
	PATIENCE_SECONDS = 10,
	EXPIRY_SECONDS = 3600,
	PARTING_MS = 200,	/* for the last replies to leave */
};

/* setups */

static int
read_access(struct instance *instance, const char *relay_from, struct err *err)
{
	const struct relay_settings *settings = instance->settings;

	return access_parse(&instance->access, relay_from, err) < 0 ||
	    access_parse_as(&instance->proxies, settings->proxy_from, "proxy-from", err) < 0 ||
	    access_parse_as(&instance->spokesmen, settings->xclient_from, "xclient-from", err) < 0 ||
	    access_parse_as(&instance->denied, settings->deny_from, "deny-from", err) < 0 ||
	    access_parse_as(&instance->welcome, settings->welcome_from, "welcome-from", err) < 0 ? -1 : 0;
}

static int
add_instance(struct setup *setup, const struct relay_settings *settings, struct err *err)
{
	struct instance *instance = &setup->instance[setup->instances++];

	*instance = (struct instance){ .settings = settings };
	str_add_text(&instance->relay_from, settings->relay_from);
	return gate_check(settings, err) < 0 || verify_check(settings->login, err) < 0 ||
	    auth_check(settings->login_mechanisms, err) < 0 ||
	    auth_networks(&setup->settings, settings->login, &instance->relay_from, err) < 0 ||
	    read_access(instance, str_c(&instance->relay_from), err) < 0 ||
	    secrets_load(&setup->settings, settings, &instance->tls, err) < 0 ?
	    err_prefix(err, "[relay %s]", settings->name) : 0;
}

/* What mail goes through must be there before the first message comes. */
static int
check_chain(const struct settings *settings, const char *names, bool arrival, struct err *err)
{
	struct span rest = span_of(names), name;
	int result = 0;

	while (result == 0 && (name = span_word(&rest)).len > 0)
		result = filter_check(settings_filter(settings, name), arrival, err);
	return result;
}

static int
check_filters(const struct settings *settings, struct err *err)
{
	int result = 0;

	for (size_t i = 0; i < settings->relays && result == 0; i++)
		result = check_chain(settings, settings->relay[i].filters, true, err);
	for (size_t i = 0; i < settings->sites && result == 0; i++)
		result = check_chain(settings, settings->site[i].filters, false, err);
	for (size_t i = 0; i < settings->hops && result == 0; i++)
		result = check_chain(settings, settings->hop[i].filters, false, err);
	return result;
}

/* Of the system's resolver a host's addresses are to be had, and no MX. */
static int
check_dns(const struct settings *settings, struct err *err)
{
	if (dns_check_servers(settings->spool.resolver, err) < 0)
		return err_prefix(err, "[spool] resolver");
	for (size_t i = 0; i < settings->routes && !dns_is_asked(); i++)
		if (strncmp(settings->route[i].destination, "mx:", 3) == 0)
			return err_set(err, ERR_CONFIG, "[routes] %s = %s: this mochila was built --without-cares, and cannot "
			    "ask for a domain's MX; name the host, as smtp:mail.example:25", settings->route[i].pattern,
			    settings->route[i].destination);
	return 0;
}

struct setup *
setup_new(struct settings *settings, const char *only, struct err *err)
{
	struct setup *setup = mem_get(sizeof *setup);

	*setup = (struct setup){ .settings = *settings, .holders = 1 };
	*settings = (struct settings){0};
	int result = check_filters(&setup->settings, err);
	if (result == 0)
		result = check_dns(&setup->settings, err);
	setup->instance = mem_get(setup->settings.relays * sizeof *setup->instance);
	for (size_t i = 0; i < setup->settings.relays && result == 0; i++)
		if (only == NULL || strcmp(only, setup->settings.relay[i].name) == 0)
			result = add_instance(setup, &setup->settings.relay[i], err);
	if (result == 0 && setup->instances == 0)
		result = err_set(err, ERR_CONFIG, "--instance %s: there is no [relay %s]", only, only);
	if (result == 0)
		return setup;
	setup_drop(setup);
	return NULL;
}

int
setup_check(const struct setup *setup, struct err *err)
{
	struct route_match anywhere;

	if (relaying_ask(&setup->settings, &anywhere, err) < 0)
		return -1;
	for (size_t i = 0; i < setup->instances; i++) {
		struct instance *instance = &setup->instance[i];
		if (relaying_check(&anywhere, str_c(&instance->relay_from), err) < 0) {
			err_prefix(err, "this would be an open relay");
			return err_prefix(err, "[relay %s]", instance->settings->name);
		}
	}
	return 0;
}

struct setup *
setup_hold(struct setup *setup)
{
	setup->holders++;
	return setup;
}

void
setup_drop(struct setup *setup)
{
	if (setup == NULL || --setup->holders > 0)
		return;
	for (size_t i = 0; i < setup->instances; i++) {
		access_free(&setup->instance[i].access);
		access_free(&setup->instance[i].proxies);
		access_free(&setup->instance[i].spokesmen);
		access_free(&setup->instance[i].denied);
		access_free(&setup->instance[i].welcome);
		tls_drop(setup->instance[i].tls);
		str_free(&setup->instance[i].relay_from);
	}
	free(setup->instance);
	settings_free(&setup->settings);
	free(setup);
}

const struct instance *
setup_instance(const struct setup *setup, const char *name)
{
	for (size_t i = 0; i < setup->instances; i++)
		if (strcmp(setup->instance[i].settings->name, name) == 0)
			return &setup->instance[i];
	return NULL;
}

/* doors */

static const char TLS_DOOR[] = "tls:", LMTP_DOOR[] = "lmtp:";

static bool
is_door(const struct door *door, const char *said, const char *instance,
    const struct service *service)
{
	return door->service == service && strcmp(door->said, said) == 0 &&
	    strcmp(door->instance, instance) == 0;
}

static void
door_free(struct door *door)
{
	listener_close(&door->listener);
	free(door->said);
	free(door->instance);
	free(door);
}

static void
door_start(struct door *door)
{
	log_info("-: event=listening relay=%s service=%s at=%s%s%s", door->instance, door->service->name,
	    door->tls ? "tls:" : "", door->lmtp ? "lmtp:" : "", str_c(&door->listener.where));
	listener_start(&door->listener, &door->relay->loop, session_taken, door);
}

/* Where a setup wants doors; each is kept, or opened. */
struct wanted {
	struct relay *relay;
	struct door **door;
	size_t doors;
};

static struct door *
take_old(struct relay *relay, const char *said, const char *instance, const struct service *service)
{
	for (size_t i = 0; i < relay->doors; i++) {
		struct door *door = relay->door[i];
		if (door == NULL || !is_door(door, said, instance, service))
			continue;
		relay->door[i] = NULL;
		return door;
	}
	return NULL;
}

/* "tls:lmtp:WHERE": the words in front are about the door. */
static const char *
read_door(struct door *door, const char *said)
{
	door->tls = strncmp(said, TLS_DOOR, strlen(TLS_DOOR)) == 0;
	said += door->tls ? strlen(TLS_DOOR) : 0;
	door->lmtp = strncmp(said, LMTP_DOOR, strlen(LMTP_DOOR)) == 0;
	return said + (door->lmtp ? strlen(LMTP_DOOR) : 0);
}

static int
bind_door(struct door *door, const char *where, struct err *err)
{
	struct str path = {0};

	if (door->service->private && strncmp(where, "unix:", 5) != 0)
		return err_set(err, ERR_CONFIG, "%s: this is no door but for sockets of this host, unix:PATH", where);

	if (strncmp(where, "systemd:", 8) == 0) {
		int fd = notify_socket(where + 8);
		return fd >= 0 ? listener_adopt(&door->listener, fd, where, err) :
		    err_set(err, ERR_CONFIG, "%s: no socket of that name was handed to us", where);
	}
	if (strncmp(where, "unix:", 5) != 0)
		return listener_bind(&door->listener, where, err);
	str_add_text(&path, "unix:");
	settings_path(&door->relay->setup->settings, where + 5, &path);
	int result = listener_bind(&door->listener, str_c(&path), err);
	/* Who comes in between is asked who he is, too. */
	if (result == 0 && door->service->private && chmod(str_c(&path) + 5, 0600) < 0)
		result = err_sys(err, "%s", where);
	str_free(&path);
	return result;
}

static struct door *
open_door(struct relay *relay, const char *said, const char *instance,
    const struct service *service, struct err *err)
{
	struct door *door = mem_get(sizeof *door);

	*door = (struct door){ .relay = relay, .said = mem_text(said),
	    .instance = mem_text(instance), .service = service };
	if (bind_door(door, read_door(door, said), err) == 0)
		return door;
	err_prefix(err, "[relay %s] listen", instance);
	door_free(door);
	return NULL;
}

static int
want_door(struct wanted *wanted, struct span said, const struct instance *instance,
    const struct service *service, struct err *err)
{
	const char *name = instance->settings->name;
	char *where = mem_text_n(said.p, said.len);
	bool secretless = span_begins(said, TLS_DOOR) && instance->tls == NULL;
	struct door *door = secretless ? NULL : take_old(wanted->relay, where, name, service);

	if (secretless)
		err_set(err, ERR_CONFIG, "[relay %s] listen: %s needs a certificate, tls-cert", name, where);
	else if (door == NULL)
		door = open_door(wanted->relay, where, name, service, err);
	free(where);
	if (door == NULL)
		return -1;
	wanted->door = mem_resize(wanted->door, wanted->doors + 1, sizeof *wanted->door);
	wanted->door[wanted->doors++] = door;
	return 0;
}

/* One that cannot be opened does not keep the others shut. */
static int
want_doors(struct wanted *wanted, const struct instance *instance, struct err *err)
{
	int result = 0;

	for (const struct service *const *service = services; *service != NULL; service++) {
		struct span rest = span_of((*service)->listen(instance->settings)), said;
		while ((said = span_word(&rest)).len > 0)
			if (want_door(wanted, said, instance, *service, err) < 0)
				result = -1;
	}
	return result;
}

static void
drop_doors(struct relay *relay)
{
	for (size_t i = 0; i < relay->doors; i++)
		if (relay->door[i] != NULL)
			door_free(relay->door[i]);
	free(relay->door);
	relay->door = NULL;
	relay->doors = 0;
}

/* Doors as the setup says; those that stay are not closed in between.  After -1
 * those that could be opened are. */
static int
set_doors(struct relay *relay, const struct setup *setup, struct err *err)
{
	struct wanted wanted = { .relay = relay };
	int result = 0;

	for (size_t i = 0; i < setup->instances; i++)
		if (want_doors(&wanted, &setup->instance[i], err) < 0)
			result = -1;
	drop_doors(relay);
	relay->door = wanted.door;
	relay->doors = wanted.doors;
	return result;
}

/* the whole */

int
relay_open(struct relay *relay, struct setup *setup, struct err *err)
{
	relay->setup = setup;
	return set_doors(relay, setup, err);
}

static void
out_of_patience(void *ctx)
{
	struct relay *relay = ctx;

	loop_stop(&relay->loop);
}

static void
sign_of_life(void *ctx)
{
	struct relay *relay = ctx;

	if (notify_watchdog() <= 0)
		return;
	notify_say("WATCHDOG=1");
	timer_set(&relay->watchdog, notify_watchdog() / 2);
}

/* what happens, in the history: all that one turn of the loop brings in one write */

static void
on_told(void *ctx)
{
	relay_tell(ctx);
}

void
relay_gather(struct relay *relay)
{
	if (relay->gathers)
		return;
	relay->gathers = true;
	history_gather(&relay->spool);
	timer_now(&relay->told);
}

void
relay_tell(struct relay *relay)
{
	relay->gathers = false;
	history_write(&relay->spool);
}

static void
sweep_windows(const struct setup *setup)
{
	int64_t longest = 0;

	for (size_t i = 0; i < setup->instances; i++)
		if (setup->instance[i].settings->pop_before_smtp > longest)
			longest = setup->instance[i].settings->pop_before_smtp;
	window_sweep(&setup->settings, longest);
}

static void
on_expiry(void *ctx)
{
	struct relay *relay = ctx;

	whole_expire(&relay->spool, clock_now());
	timer_set(&relay->expiry, EXPIRY_SECONDS * CLOCK_SECOND);
}

/* Nobody is served yet: the programs of tables are waited for. */
static int
check_setup(const struct setup *setup, struct err *err)
{
	struct asked_first first;

	asked_first(&first, setup->settings.tables);
	int result = setup_check(setup, err);
	asked_first_end(&first);
	return result;
}

int
relay_start(struct relay *relay, struct err *err)
{
	if (check_setup(relay->setup, err) < 0)
		return -1;
	if (auth_key(&relay->setup->settings, err) < 0)
		log_warn("-: event=no-login-key why=\"%s\"", err->text);
	*err = (struct err){0};
	if (spool_open(&relay->spool, &relay->setup->settings, true, err) < 0 ||
	    spool_repair(&relay->spool, err) < 0 || refit_left(&relay->spool, err) < 0)
		return -1;
	timer_start(&relay->patience, &relay->loop, out_of_patience, relay);
	timer_start(&relay->watchdog, &relay->loop, sign_of_life, relay);
	timer_start(&relay->told, &relay->loop, on_told, relay);
	sign_of_life(relay);
	acceptor_start(&relay->acceptor, &relay->loop, &relay->spool);
	closer_start();
	runner_start(&relay->runner, relay);
	asked_start(&relay->asked, relay);
	settler_start(&relay->settler, relay);
	verify_start(&relay->verify, relay);
	relay->tokens.relay = relay;
	filters_start(&relay->filters, relay);
	timer_start(&relay->expiry, &relay->loop, on_expiry, relay);
	on_expiry(relay);
	pool_start(&relay->checks, relay, "mochila-check", "check", CHECK_WORKERS, CHECK_SECONDS);
	relay->checks.tells = true;
	relay->checks.args = pool_words(relay, relay->checks.arg);
	sweep_windows(relay->setup);
	session_make_room(relay);
	for (size_t i = 0; i < relay->doors; i++)
		door_start(relay->door[i]);
	return 0;
}

/* The same spool, or it is no reload. */
static int
check_same_place(const struct settings *now, const struct settings *then, struct err *err)
{
	if (strcmp(now->root, then->root) == 0 && strcmp(now->spool.path, then->spool.path) == 0)
		return 0;
	return err_set(err, ERR_CONFIG, "root and spool.path change only with a restart");
}

static struct setup *
load_again(struct relay *relay, struct err *err)
{
	struct settings settings;
	struct setup *setup = NULL;

	if (settings_load(&settings, relay->args, err) == 0 &&
	    check_same_place(&settings, &relay->setup->settings, err) == 0) {
		asked_use(&relay->asked, &settings);
		setup = setup_new(&settings, relay->only, err);
	}
	settings_free(&settings);
	if (setup == NULL || setup_check(setup, err) == 0)
		return setup;
	setup_drop(setup);
	return NULL;
}

static void
take_setup(struct relay *relay, struct setup *setup)
{
	struct err err;

	setup_drop(relay->setup);
	relay->setup = setup;
	relay->spool.settings = &setup->settings;
	session_make_room(relay);
	if (set_doors(relay, setup, &err) < 0)
		log_error("-: event=listen-failed why=\"%s\"", err.text);
	for (size_t i = 0; i < relay->doors; i++)
		if (relay->door[i]->listener.loop == NULL)
			door_start(relay->door[i]);
	log_info("-: event=reloaded");
	token_forget(&relay->tokens);
	settler_reload(&relay->settler);
	settler_wake(&relay->settler, false);
	struct str path = {0};
	if (enclose_misses(&setup->settings, &relay->enclosing, &path))
		log_warn("-: event=restart-needed path=\"%s\" why=\"the sandbox was made before the settings named it\"",
		    str_c(&path));
	str_free(&path);
}

static void read_again(struct relay *relay);

static void
on_program(struct asked_question *question)
{
	read_again((struct relay *)((char *)question - offsetof(struct relay, reading)));
}

/* Whether they are an open relay may hang on what a program of [addresses] routes says of an address:
 * that is asked beside the loop, and meanwhile all goes on by the old ones. */
static void
read_again(struct relay *relay)
{
	struct err err, later;

	asked_look(&relay->asked);
	struct setup *setup = load_again(relay, &err);
	int missing = asked_misses(&relay->asked, &relay->reading, &later);
	if (missing != 0)
		setup_drop(setup);
	if (missing > 0)
		return;
	helper_again();
	if (missing == 0 && setup != NULL)
		take_setup(relay, setup);
	else
		log_error("-: event=reload-refused why=\"%s\" still=\"the settings as before\"",
		    missing < 0 ? later.text : err.text);
	notify_say("READY=1");
}

void
relay_reload(struct relay *relay)
{
	log_reopen();
	if (relay->ending)
		return;
	notify_say("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono());
	asked_leave(&relay->reading);
	asked_forget(&relay->asked);
	relay->reading.answer = on_program;
	read_again(relay);
}

void
relay_stop(struct relay *relay)
{
	struct session *next;

	if (relay->ending)
		return;
	relay->ending = true;
	asked_leave(&relay->reading);
	notify_say("STOPPING=1");
	log_info("-: event=stopping sessions=%zu", relay->session_count);
	drop_doors(relay);
	timer_set(&relay->patience, PATIENCE_SECONDS * CLOCK_SECOND);
	for (struct session *session = relay->sessions; session != NULL; session = next) {
		next = session->next;
		if (session->opened)
			session->service->stop(session);
		else
			session_break(session);
	}
	runner_stop(&relay->runner);
	relay_left(relay);
}

void
relay_left(struct relay *relay)
{
	if (relay->ending && relay->sessions == NULL && !runner_busy(&relay->runner))
		timer_set_before(&relay->patience, PARTING_MS * 1000);
}

void
relay_close(struct relay *relay)
{
	while (relay->sessions != NULL)
		session_break(relay->sessions);
	runner_close(&relay->runner);
	closer_stop();
	settler_close(&relay->settler);
	verify_close(&relay->verify);
	token_close(&relay->tokens);
	filters_close(&relay->filters);
	timer_free(&relay->expiry);
	pool_close(&relay->checks);
	asked_leave(&relay->reading);
	asked_close(&relay->asked);
	lists_forget(&relay->lists);
	free(relay->gate_memory.known);
	grey_close(&relay->grey);
	acceptor_close(&relay->acceptor);
	drop_doors(relay);
	timer_free(&relay->patience);
	timer_free(&relay->watchdog);
	timer_free(&relay->told);
	rate_free(&relay->rate);
	rate_free(&relay->user_rate);
	if (relay->spool.settings != NULL)
		spool_close(&relay->spool);
	setup_drop(relay->setup);
	loop_free(&relay->loop);
}
