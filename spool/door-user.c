/* mochila user: who may log in at the relay, mochila-users(5). */
#include "spool/door.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include "spool/users.h"

struct user_args {
	const char *file, *mailbox;
	bool json, help, scram, clear;
};

static int
usage(const char *text, struct err *err)
{
	err_set(err, ERR_CONFIG, "%s", text);
	return err_as(err, EX_USAGE, NULL);
}

/* ---- passwords ---- */

/* A line of standard input, without its end. */
static int
read_line(struct str *line, struct err *err)
{
	char c;
	ssize_t got;

	while ((got = read(0, &c, 1)) == 1 && c != '\n') {
		if (line->len >= USERS_PASS_MAX)
			return err_set(err, ERR_PERM, "a password has at most %d bytes", USERS_PASS_MAX);
		str_add_char(line, c);
	}
	if (got < 0)
		return err_sys(err, "standard input");
	if (line->len > 0 && line->p[line->len - 1] == '\r')
		line->len--;
	return 0;
}

static int
ask_unseen(const char *question, struct str *line, struct err *err)
{
	struct termios before, unseen;

	if (tcgetattr(0, &before) < 0)
		return read_line(line, err);	/* a pipe: nobody sees it anyway */
	unseen = before;
	unseen.c_lflag &= ~(tcflag_t)ECHO;
	fputs(question, stderr);
	tcsetattr(0, TCSAFLUSH, &unseen);
	int result = read_line(line, err);
	tcsetattr(0, TCSAFLUSH, &before);
	fputc('\n', stderr);
	return result;
}

static void
forget(struct str *secret)
{
	if (secret->p != NULL)
		explicit_bzero(secret->p, secret->size);
	str_free(secret);
}

static int
hash(struct span pass, const struct user_args *args, struct str *secret, struct err *err)
{
	const struct { bool wanted; const char *scheme; } more[] = {
		{ args->scram, "{SCRAM-SHA-256}" }, { args->scram, "{SCRAM-SHA-1}" }, { args->clear, "{PLAIN}" },
	};
	int result = users_hash(pass, secret, err);

	for (size_t i = 0; i < sizeof more / sizeof more[0] && result == 0; i++) {
		if (!more[i].wanted)
			continue;
		str_add_char(secret, ' ');
		result = users_scheme(pass, more[i].scheme, secret, err);
	}
	return result;
}

static int
new_secret(const struct user_args *args, struct str *secret, struct err *err)
{
	struct str pass = {0}, again = {0};
	int result = ask_unseen("New password: ", &pass, err);

	if (result == 0 && isatty(0)) {
		result = ask_unseen("Once more: ", &again, err);
		if (result == 0 && !span_same(str_span(&pass), str_span(&again)))
			result = err_set(err, ERR_PERM, "the two are not the same; nothing was changed");
	}
	if (result == 0)
		result = hash(str_span(&pass), args, secret, err);
	forget(&pass);
	forget(&again);
	return result;
}

/* ---- what can be done ---- */

static int
put(const char *file, const char *name, const struct user_args *args, enum users_must must, struct err *err)
{
	struct str secret = {0};
	int result;

	if (!users_name_ok(span_of(name)))
		return err_set(err, ERR_PERM, "a user's name is printable, without blanks and colons");
	result = new_secret(args, &secret, err);
	if (result == 0)
		result = users_put(file, name, str_c(&secret), args->mailbox, must, err);
	str_free(&secret);
	return result;
}

static int
user_add(const char *file, char **names, const struct user_args *args, struct err *err)
{
	return put(file, names[0], args, USERS_NEW, err);
}

/* What was kept beside the hash is kept of the new one, too: he logs in as he did. */
static int
user_passwd(const char *file, char **names, const struct user_args *args, struct err *err)
{
	struct user_args as = *args;
	struct str text = {0}, kept = {0};
	struct user user;

	if (users_load(file, &text, err) < 0)
		return -1;
	if (users_find(str_span(&text), span_of(names[0]), &user)) {
		as.scram = as.scram || users_secret(&user, "{SCRAM-SHA-256}", &kept) || users_secret(&user, "{SCRAM-SHA-1}", &kept);
		as.clear = as.clear || users_secret(&user, "{PLAIN}", &kept);
	}
	forget(&text);
	forget(&kept);
	return put(file, names[0], &as, USERS_THERE, err);
}

static int
user_remove(const char *file, char **names, const struct user_args *args, struct err *err)
{
	(void)args;
	return users_put(file, names[0], NULL, NULL, USERS_THERE, err);
}

static bool
may_log_in(const struct user *user)
{
	return user->secret.len > 1 && user->secret.p[0] != '!';
}

static int
list_json(struct span text, struct err *err)
{
	json_t *all = json_array();
	struct user user;

	while (users_next(&text, &user)) {
		json_t *one = json_pack("{s:o, s:b}", "name", json_stringn(user.name.p, user.name.len),
		    "login", (int)may_log_in(&user));
		if (one != NULL && user.mailbox.len > 0)
			json_object_set_new(one, "mailbox", json_stringn(user.mailbox.p, user.mailbox.len));
		json_array_append_new(all, one);
	}
	return door_json_print(all, "\n", err);
}

static int
user_list(const char *file, char **names, const struct user_args *args, struct err *err)
{
	struct str text = {0}, out = {0};
	struct user user;
	int result = users_load(file, &text, err);
	struct span rest = str_span(&text);

	(void)names;
	if (result == 0 && args->json) {
		result = list_json(rest, err);
	} else if (result == 0) {
		while (users_next(&rest, &user)) {
			door_escape(&out, user.name, USERS_NAME_MAX);
			if (user.mailbox.len > 0) {
				str_add_text(&out, "  ");
				door_escape(&out, user.mailbox, 1000);
			}
			str_add_text(&out, may_log_in(&user) ? "\n" : "  (locked)\n");
		}
		result = door_print(&out, err);
	}
	forget(&text);
	str_free(&out);
	return result;
}

/* Programs take the best mechanism that is offered, and fail where nothing is kept for it. */
static bool
offers_scram(const struct settings *settings)
{
	bool offers = false;

	for (size_t i = 0; i < settings->relays; i++)
		offers = offers || strstr(settings->relay[i].login_mechanisms, "SCRAM-") != NULL;
	return offers;
}

static const struct {
	const char *name;
	int names;		/* operands behind it */
	int (*run)(const char *file, char **names, const struct user_args *args, struct err *err);
} actions[] = {
	{ "add", 1, user_add },
	{ "passwd", 1, user_passwd },
	{ "remove", 1, user_remove },
	{ "list", 0, user_list },
};

static int
run_user(struct door *door, int argc, char **argv, struct err *err)
{
	struct user_args args = { .file = "users" };
	const struct opt_row rows[] = {
		{ "file", 'f', "FILE", "the users of this file, not of ROOT/users", OPT_TEXT, &args.file },
		{ "mailbox", 0, "DIR", "the Maildir he reads", OPT_TEXT, &args.mailbox },
		{ "scram", 0, NULL, "also keep what SCRAM-SHA-256 and SCRAM-SHA-1 need", OPT_FLAG, &args.scram },
		{ "clear", 0, NULL, "also keep the password itself, for CRAM-MD5", OPT_FLAG, &args.clear },
		{ "json", 0, NULL, "say it for programs", OPT_FLAG, &args.json },
		DOOR_HELP(&args.help), {0},
	};
	struct str file = {0};
	size_t i = 0;
	int result = door_options(door, &door_user, rows, 1, 2, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	while (i < sizeof actions / sizeof actions[0] && strcmp(argv[0], actions[i].name) != 0)
		i++;
	if (i == sizeof actions / sizeof actions[0] || argc - 1 != actions[i].names)
		return usage("usage: mochila user add NAME | passwd NAME | remove NAME | list", err);
	args.scram = args.scram || offers_scram(&door->settings);
	settings_path(&door->settings, args.file, &file);
	result = actions[i].run(str_c(&file), argv + 1, &args, err);
	str_free(&file);
	return result;
}

const struct door_command door_user = {
	.name = "user",
	.args = "add|passwd|remove NAME | list",
	.help = "who may log in at the relay",
	.run = run_user,
};
