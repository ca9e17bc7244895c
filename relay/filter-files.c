#include "relay/filter-files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/mail/crlf.h"
#include "lib/mail/envelope-file.h"

enum { ENVELOPE_MAX = 8 << 20, ADDED_MAX = 256 << 20 };

/* what it finds */

static int
put_file(struct filter_files *files, struct str *name, struct span bytes, struct stat *st, struct err *err)
{
	int fd = fs_create(files->dir, str_c(name), 0600, err);
	int result = fd < 0 ? -1 : fs_write(fd, bytes.p, bytes.len, err);

	if (result == 0 && st != NULL && fstat(fd, st) < 0)
		result = err_sys(err, "%s", str_c(name));
	if (fd >= 0)
		close(fd);
	return result;
}

static void
describe(const struct filter_files *files, struct envelope_file *file)
{
	const struct letter *letter = files->letter;

	envelope_copy(&file->env, &letter->env);
	file->local = mem_get((letter->env.rcpts + 1) * sizeof *file->local);
	for (size_t i = 0; i < letter->env.rcpts; i++)
		file->local[i] = filter_is_local(files->job, str_span(&letter->env.rcpt[i].to));
	str_set_span(&file->client, str_span(&letter->info.client));
	str_set_span(&file->user, str_span(&files->job->user));
	str_set_span(&file->forward_to, str_span(&letter->forward_to));
	str_set_span(&file->forward_to_address, str_span(&letter->forward_to_address));
	str_set_span(&file->selector, str_span(&letter->selector));
}

/* The names differ in one word only, as scripts know: s/content/envelope.new/ */
static int
put_files(struct filter_files *files, struct err *err)
{
	static unsigned count;
	struct envelope_file file = {0};
	const struct str *id = &files->letter->info.id;

	str_printf(&files->content, "mochila.%.*s.%u.content", (int)id->len, id->p, ++count);
	str_printf(&files->envelope, "mochila.%.*s.%u.envelope.%s", (int)id->len, id->p, count,
	    files->job->arrival ? "new" : "busy");
	describe(files, &file);
	envelope_file_write(&file, &files->written);
	envelope_file_free(&file);
	int result = put_file(files, &files->content, letter_text(files->letter), &files->before, err);
	return result < 0 ? -1 : put_file(files, &files->envelope, str_span(&files->written), NULL, err);
}

static void
empty_dir(int dir)
{
	struct fs_names names = {0};
	struct err ignored;

	if (fs_names(dir, ".", &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.count; i++)
		fs_remove_tree(dir, names.name[i], &ignored);
	fs_names_free(&names);
}

/* what it left */

static int
take_content(struct filter_files *files, struct err *err)
{
	struct stat st;
	int fd = fs_open(files->dir, str_c(&files->content), O_RDONLY, err);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && st.st_ino == files->before.st_ino && st.st_size == files->before.st_size &&
	    st.st_mtim.tv_sec == files->before.st_mtim.tv_sec && st.st_mtim.tv_nsec == files->before.st_mtim.tv_nsec) {
		close(fd);
		return 0;
	}
	struct str raw = {0}, text = {0};
	struct crlf crlf = {0};
	int result = fs_read_all(fd, letter_text(files->letter).len + ADDED_MAX, &raw, err);
	close(fd);
	if (result == 0 && !span_same(str_span(&raw), letter_text(files->letter))) {
		crlf_add(&crlf, str_span(&raw), &text);
		crlf_end(&crlf, &text);
		letter_replace_take(files->letter, &text);
	}
	if (result < 0)
		err->kind = ERR_TEMP;
	str_free(&raw);
	str_free(&text);
	return result;
}

static struct span
args_of(const struct envelope *env, const struct str *to)
{
	for (size_t i = 0; i < env->rcpts; i++)
		if (span_same(str_span(&env->rcpt[i].to), str_span(to)))
			return str_span(&env->rcpt[i].args);
	return SPAN("");
}

/* Whom it added was asked nothing for; the others keep what was. */
static void
take_addresses(struct filter_files *files, const struct envelope_file *file)
{
	struct letter *letter = files->letter;
	struct envelope env = {0};

	envelope_from(&env, str_span(&file->env.from), str_span(&letter->env.args));
	for (size_t i = 0; i < file->env.rcpts; i++)
		envelope_add(&env, str_span(&file->env.rcpt[i].to), args_of(&letter->env, &file->env.rcpt[i].to));
	envelope_free(&letter->env);
	letter->env = env;
	letter->changed = true;
	str_set_span(&letter->forward_to, str_span(&file->forward_to));
	str_set_span(&letter->forward_to_address, str_span(&file->forward_to_address));
	str_set_span(&letter->selector, str_span(&file->selector));
}

static int
take_envelope(struct filter_files *files, struct err *err)
{
	struct str text = {0};
	int result = fs_load(files->dir, str_c(&files->envelope), ENVELOPE_MAX, &text, err);

	if (result == 0 && !span_same(str_span(&text), str_span(&files->written))) {
		struct envelope_file file;
		result = envelope_file_read(str_span(&text), &file, err);
		if (result == 0 && file.env.rcpts == 0)
			files->letter->gone = true;
		else if (result == 0)
			take_addresses(files, &file);
		envelope_file_free(&file);
	}
	if (result < 0)
		err->kind = ERR_TEMP;
	str_free(&text);
	return result;
}

int
filter_files_put(struct filter_files *files, struct filter_job *job, struct letter *letter, struct err *err)
{
	struct str folder = job->folder;

	*files = (struct filter_files){ .job = job, .letter = letter, .dir = fs_dir(AT_FDCWD, str_c(&folder), err) };
	if (files->dir < 0 || put_files(files, err) < 0)
		return -1;
	str_printf(&files->content_path, "%s/%s", str_c(&folder), str_c(&files->content));
	str_printf(&files->envelope_path, "%s/%s", str_c(&folder), str_c(&files->envelope));
	return 0;
}

int
filter_files_take(struct filter_files *files, struct err *err)
{
	return take_content(files, err) < 0 || take_envelope(files, err) < 0 ? err_prefix(err, "what the filter left") : 0;
}

void
filter_files_free(struct filter_files *files)
{
	if (files->dir >= 0) {
		empty_dir(files->dir);
		close(files->dir);
	}
	struct str *const texts[] = { &files->content, &files->envelope, &files->written, &files->content_path,
		&files->envelope_path };
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		str_free(texts[i]);
}
