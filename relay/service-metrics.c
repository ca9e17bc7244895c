/*
 * service-metrics - the meters (meters.h) in Prometheus's text form, by HTTP.
 *
 * One request a connection; whatever it asks for with GET /metrics is answered, all else is
 * 404 or 405.  There is nothing here to change, and nothing of any message to read.
 */
#include "relay/service.h"

#include <stdlib.h>
#include <string.h>

#include "relay/meters.h"
#include "relay/relay.h"
#include "relay/session.h"

enum { REQUEST_MAX = 8 << 10 };

static const char *
metrics_listen(const struct relay_settings *settings)
{
	return settings->metrics_listen;
}

static void
metrics_open(struct session *session)
{
	session->work = mem_get(sizeof (struct str));
}

static void
write_meters(const struct relay *relay, struct str *out)
{
	const struct meters *meters = &relay->meters;

#define SHOW(name, kind, help)	\
	str_printf(out, "# HELP mochila_" #name " " help "\n# TYPE mochila_" #name " " kind "\nmochila_" #name " %llu\n",	\
	    (unsigned long long)meters->name);
	METERS(SHOW)
#undef SHOW
}

static void
answer(struct session *session, const char *status, struct span text, bool head)
{
	struct str reply = {0};

	str_printf(&reply, "HTTP/1.0 %s\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %zu\r\n"
	    "Connection: close\r\n\r\n", status, text.len);
	if (!head)
		str_add_span(&reply, text);
	stream_send_str(&session->stream, &reply);
	str_free(&reply);
	session_end(session);
}

static void
serve(struct session *session, struct span line)
{
	struct span method = span_word(&line), path = span_word(&line), ignored;
	struct str text = {0};
	bool head = span_is(method, "HEAD");

	span_cut(&path, '?', &ignored);
	session->relay->meters.sessions = session->relay->session_count;
	if (!head && !span_is(method, "GET")) {
		answer(session, "405 Method Not Allowed", SPAN("GET, please\n"), false);
	} else if (!span_is(ignored, "/metrics")) {
		answer(session, "404 Not Found", SPAN("there is /metrics here\n"), head);
	} else {
		write_meters(session->relay, &text);
		answer(session, "200 OK", str_span(&text), head);
		str_free(&text);
	}
}

/* The first line says all; the rest is waited for, so that nobody is cut off in the middle. */
static void
metrics_input(struct session *session, const void *bytes, size_t len)
{
	struct str *request = session->work;
	struct span rest, line;

	str_add(request, bytes, len);
	if (request->len > REQUEST_MAX) {
		answer(session, "431 Request Header Fields Too Large", SPAN("that is long\n"), false);
		return;
	}
	const char *text = str_c(request);
	if (strstr(text, "\r\n\r\n") == NULL && strstr(text, "\n\n") == NULL)
		return;
	rest = str_span(request);
	span_cut(&rest, '\n', &line);
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	serve(session, line);
}

static void
metrics_over(struct session *session)
{
	session_end(session);
}

static void
metrics_close(struct session *session)
{
	str_free(session->work);
	free(session->work);
}

const struct service service_metrics = {
	.name = "metrics",
	.listen = metrics_listen,
	.open = metrics_open,
	.input = metrics_input,
	.secured = metrics_over,
	.gone = metrics_over,
	.late = metrics_over,
	.stop = metrics_over,
	.close = metrics_close,
	.full = "HTTP/1.0 503 Service Unavailable\r\n\r\n",
	.client_full = "HTTP/1.0 429 Too Many Requests\r\n\r\n",
};
