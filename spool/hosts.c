#include "spool/hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"

enum { LINE_MAX_LEN = 1024, NOTED_SECONDS = 3600 };

void
hosts_machine(struct str *out)
{
	struct str id = {0};
	unsigned char sum[DIGEST_SIZE];
	struct err ignored;

	if (fs_load(AT_FDCWD, "/etc/machine-id", 100, &id, &ignored) < 0 || id.len == 0)
		str_set(&id, "unknown");
	/* Not the id itself: it is nobody's business. */
	str_add_text(&id, "mochila");
	digest_of(id.p, id.len, sum);
	digest_hex(sum, 8, out);
	str_free(&id);
}

static bool
noted_lately(const struct spool *spool)
{
	const struct spool_settings *set = &spool->settings->spool;
	struct stat st;

	if (fstatat(spool->hosts, set->node, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	int64_t age = clock_now() / CLOCK_SECOND - st.st_mtime;
	return age >= 0 && age < (set->shared ? set->lease : NOTED_SECONDS);
}

void
hosts_note(const struct spool *spool)
{
	const struct spool_settings *set = &spool->settings->spool;
	struct str line = {0};
	struct err ignored;

	if (spool->hosts < 0 || noted_lately(spool))
		return;
	str_printf(&line, HOSTS_TIME " node=%s shared=%s machine=", (long long)(clock_now() / CLOCK_SECOND),
	    set->node, set->shared ? "yes" : "no");
	hosts_machine(&line);
	str_add_char(&line, '\n');
	fs_replace(spool->hosts, set->node, str_span(&line), 0640, &ignored);
	str_free(&line);
}

static int64_t
microseconds(const struct timespec *time)
{
	return (int64_t)time->tv_sec * CLOCK_SECOND + time->tv_nsec / 1000;
}

static void
read_words(struct host *host, struct span line)
{
	uint64_t at;

	for (struct span word; (word = span_word(&line)).len > 0;) {
		if (span_begins(word, "shared="))
			host->shared = span_is(word, "shared=yes");
		else if (span_begins(word, "machine="))
			str_set_span(&host->machine, span_from(word, 8));
		else if (span_begins(word, "at=") && span_number(span_from(word, 3), INT64_MAX / CLOCK_SECOND, &at) == 0)
			host->said = (int64_t)at * CLOCK_SECOND;
	}
}

static void
read_host(const struct spool *spool, const char *node, struct hosts *hosts)
{
	struct host host = {0};
	struct str text = {0};
	struct err ignored;
	struct stat st;

	if (fs_load(spool->hosts, node, LINE_MAX_LEN, &text, &ignored) == 0 &&
	    fstatat(spool->hosts, node, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		struct span line = str_span(&text);
		if (line.len > 0 && line.p[line.len - 1] == '\n')
			line.len--;
		read_words(&host, line);
		host.node = mem_text(node);
		host.seen = microseconds(&st.st_mtim);
		hosts->host = mem_resize(hosts->host, hosts->count + 1, sizeof *hosts->host);
		hosts->host[hosts->count++] = host;
	}
	str_free(&text);
}

int
hosts_list(const struct spool *spool, struct hosts *hosts, struct err *err)
{
	struct fs_names names;

	*hosts = (struct hosts){0};
	if (spool->hosts < 0)
		return 0;
	if (fs_names(spool->hosts, ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (names.name[i][0] != '.')
			read_host(spool, names.name[i], hosts);
	fs_names_free(&names);
	return 0;
}

void
hosts_free(struct hosts *hosts)
{
	for (size_t i = 0; i < hosts->count; i++) {
		free(hosts->host[i].node);
		str_free(&hosts->host[i].machine);
	}
	free(hosts->host);
	*hosts = (struct hosts){0};
}
