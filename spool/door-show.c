/* mochila show ID: all that is known of one message. */
#include "spool/door.h"

#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "spool/body.h"

enum { HEADER_MAX = 256 << 10 };

static const char *const state_names[] = {
	[RCPT_WAITING] = "waiting", [RCPT_DEFERRED] = "deferred",
	[RCPT_DONE] = "done", [RCPT_FAILED] = "failed",
};

struct show {
	const struct door *door;
	bool json, body;
};

static void
add_field(struct str *out, const char *name, struct span value)
{
	if (value.len == 0)
		return;
	str_printf(out, "%-9s ", name);
	door_noted(out, value, 2000);
	str_add_char(out, '\n');
}

static void
file_path(const struct door *door, const char *path, struct str *out)
{
	settings_path(&door->settings, door->settings.spool.path, out);
	str_printf(out, "/%s", path);
}

static void
origin_words(const struct entry_info *info, struct str *out)
{
	static const char before[][9] = { "", " client ", " peer ", " as " };
	const struct str *const words[] = { &info->from, &info->client, &info->peer, &info->peer_id };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (words[i]->len == 0)
			continue;
		str_add_text(out, before[i]);
		str_add_span(out, str_span(words[i]));
	}
}

static void
add_rcpt(const struct entry *entry, size_t i, struct str *out)
{
	const struct rcpt_status *status = &entry->status[i];

	str_printf(out, "%-9s <", i == 0 ? "to:" : "");
	door_escape(out, str_span(&entry->env.rcpt[i].to), 1000);
	str_add_char(out, '>');
	if (entry->env.rcpt[i].args.len > 0)
		str_add_char(out, ' ');
	door_escape(out, str_span(&entry->env.rcpt[i].args), 1000);
	str_printf(out, "  %s", state_names[status->state]);
	if (status->at != 0) {
		str_add_char(out, ' ');
		clock_utc(status->at, out);
	}
	if (status->reply.len > 0)
		str_add_text(out, ": ");
	door_noted(out, str_span(&status->reply), 1100);
	str_add_char(out, '\n');
}

static void
next_try(const struct door *door, const char *site, struct str *out)
{
	struct retry retry;
	struct err ignored;

	if (retry_load(&door->spool, site, &retry, &ignored) == 0 && retry.next > clock_now()) {
		clock_utc(retry.next, out);
		str_printf(out, " after %u failed: ", retry.failures);
		str_add_span(out, str_span(&retry.why));
	}
	str_free(&retry.why);
}

static void
add_envelope(const struct door_message *message, struct str *out)
{
	const struct entry *entry = &message->entry;
	struct str text = {0};

	clock_utc(entry->info.time, &text);
	str_add_text(&text, " from ");
	origin_words(&entry->info, &text);
	add_field(out, "arrived:", str_span(&text));
	str_clear(&text);
	str_printf(&text, "%llu bytes", (unsigned long long)entry->body_len);
	add_field(out, "size:", str_span(&text));
	str_clear(&text);
	envelope_mail_line(&entry->env, &text);
	add_field(out, "from:", span_from(str_span(&text), strlen("MAIL FROM:")));
	for (size_t i = 0; i < entry->env.rcpts; i++)
		add_rcpt(entry, i, out);
	str_free(&text);
}

static void
add_place(const struct show *show, const struct door_file *file, const struct door_message *message,
    struct str *out)
{
	struct str text = {0};

	add_field(out, "id:", span_of(file->name));
	str_add_text(&text, door_where_name(file->where));
	if (message->site.len > 0)
		str_add_text(&text, file->where <= DOOR_SENT ? " for " : "; goes to ");
	str_add_span(&text, str_span(&message->site));
	if (file->batch[0] != '\0')
		str_printf(&text, ", batch %s", file->batch);
	add_field(out, "where:", str_span(&text));
	if (file->where == DOOR_HELD || message->damaged)
		add_field(out, "why:", str_span(&message->why));
	str_clear(&text);
	if (file->where == DOOR_WAITING)
		next_try(show->door, file->site, &text);
	add_field(out, "next try:", str_span(&text));
	str_clear(&text);
	file_path(show->door, file->path, &text);
	add_field(out, "file:", str_span(&text));
	str_free(&text);
}

/* The message's own header, up to its empty line. */
static int
load_header(const struct door_message *message, struct str *out, struct err *err)
{
	size_t want = message->entry.body_len < HEADER_MAX ? (size_t)message->entry.body_len : HEADER_MAX;
	ssize_t got = fs_pread(message->fd, str_room(out, want), want, message->entry.body_at, err);

	if (got < 0)
		return -1;
	out->len += (size_t)got;
	const char *end = out->len > 0 ? memmem(out->p, out->len, "\r\n\r\n", 4) : NULL;
	if (end != NULL)
		out->len = (size_t)(end - out->p) + 2;
	return 0;
}

static void
add_lines(struct span text, struct str *out)
{
	struct span line;

	while (span_cut(&text, '\n', &line)) {
		if (text.p == NULL && line.len == 0)
			break;
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		for (struct span piece; span_cut(&line, '\t', &piece);) {	/* tabs harm nobody */
			door_escape(out, piece, 4000);
			if (line.p != NULL)
				str_add_char(out, '\t');
		}
		str_add_char(out, '\n');
	}
}

static int
print_piece(void *ctx, const void *bytes, size_t len, struct err *err)
{
	const bool *terminal = ctx;
	struct span piece = { bytes, len };
	struct str out = {0};

	if (*terminal)
		add_lines(piece, &out);
	else
		str_add_span(&out, piece);
	int result = door_print(&out, err);
	str_free(&out);
	return result;
}

/* As it is, for a file or a program; on a terminal its lines are escaped. */
static int
print_body(const struct door_message *message, struct err *err)
{
	bool terminal = isatty(1);

	return body_pieces(message->fd, message->entry.body_at, message->entry.body_len, print_piece, &terminal, err);
}

static json_t *
json_rcpts(const struct entry *entry)
{
	json_t *list = json_array();

	for (size_t i = 0; i < entry->env.rcpts; i++) {
		json_t *rcpt = json_object();
		json_object_set_new(rcpt, "to", door_json_text(str_span(&entry->env.rcpt[i].to)));
		json_object_set_new(rcpt, "args", door_json_text(str_span(&entry->env.rcpt[i].args)));
		json_object_set_new(rcpt, "state", json_string(state_names[entry->status[i].state]));
		json_object_set_new(rcpt, "at", door_json_time(entry->status[i].at));
		json_object_set_new(rcpt, "reply", door_json_text(str_span(&entry->status[i].reply)));
		json_array_append_new(list, rcpt);
	}
	return list;
}

static json_t *
json_of(const struct show *show, const struct door_file *file, const struct door_message *message,
    struct span header)
{
	const struct entry *entry = &message->entry;
	json_t *all = json_object();
	struct str path = {0};

	file_path(show->door, file->path, &path);
	json_object_set_new(all, "id", door_json_text(span_of(file->name)));
	json_object_set_new(all, "where", json_string(door_where_name(file->where)));
	json_object_set_new(all, "site", door_json_text(str_span(&message->site)));
	json_object_set_new(all, "batch", door_json_text(span_of(file->batch)));
	json_object_set_new(all, "file", door_json_text(str_span(&path)));
	json_object_set_new(all, "damaged", json_boolean(message->damaged));
	json_object_set_new(all, "why", door_json_text(str_span(&message->why)));
	json_object_set_new(all, "time", door_json_time(entry->info.time));
	json_object_set_new(all, "via", door_json_text(str_span(&entry->info.from)));
	json_object_set_new(all, "client", door_json_text(str_span(&entry->info.client)));
	json_object_set_new(all, "peer", door_json_text(str_span(&entry->info.peer)));
	json_object_set_new(all, "peer_id", door_json_text(str_span(&entry->info.peer_id)));
	json_object_set_new(all, "size", json_integer((json_int_t)message->size));
	json_object_set_new(all, "from", door_json_text(str_span(&entry->env.from)));
	json_object_set_new(all, "args", door_json_text(str_span(&entry->env.args)));
	json_object_set_new(all, "recipients", json_rcpts(entry));
	json_object_set_new(all, "header", door_json_text(header));
	str_free(&path);
	return all;
}

static int
show_message(const struct show *show, const struct door_file *file,
    const struct door_message *message, struct err *err)
{
	struct str out = {0}, header = {0};
	int result = message->damaged ? 0 : load_header(message, &header, err);

	if (result == 0 && show->json) {
		result = door_json_print(json_of(show, file, message, str_span(&header)), "\n", err);
	} else if (result == 0) {
		add_place(show, file, message, &out);
		if (!message->damaged)
			add_envelope(message, &out);
		str_add_char(&out, '\n');
		add_lines(str_span(&header), &out);
		result = door_print(&out, err);
	}
	str_free(&header);
	str_free(&out);
	return result;
}

static int
show_match(const struct show *show, const struct door_match *match, struct err *err)
{
	struct door_file file;
	struct door_message message;
	int result = door_match_open(&show->door->spool, match, &file, err) < 0 ? -1 :
	    door_load(&show->door->spool, &file, &message, err);

	if (result == 0)
		result = err_set(err, ERR_TEMP, "%s has just been moved; look again", match->name);
	else if (result > 0) {
		if (show->body && message.damaged)
			result = err_set(err, ERR_PERM, "%s: %s", match->name, str_c(&message.why));
		else
			result = show->body ? print_body(&message, err) :
			    show_message(show, &file, &message, err);
		door_message_free(&message);
	}
	if (file.dir >= 0)
		close(file.dir);
	return result;
}

static int
show_run(struct door *door, int argc, char **argv, struct err *err)
{
	struct show show = { .door = door };
	bool help = false;
	const struct opt_row rows[] = {
		{ "body", 0, NULL, "print the message itself, and nothing else", OPT_FLAG, &show.body },
		{ "json", 0, NULL, "an object a place, for programs", OPT_FLAG, &show.json },
		DOOR_HELP(&help), {0},
	};
	struct door_matches matches = {0};
	int result = door_options(door, &door_show, rows, 1, 1, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	result = door_find(&door->spool, argv[0], &matches, err);
	for (size_t i = 0; result == 0 && i < (show.body ? 1 : matches.count); i++)
		result = show_match(&show, &matches.match[i], err);
	door_matches_free(&matches);
	return result;
}

const struct door_command door_show = {
	"show", "[--body] [--json] ID", "one message: its envelope, state and header", true, show_run
};
