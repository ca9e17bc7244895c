/* mochila doctor: the frame, and what is wrong with the spool (spool/doctor.h). */
#include "spool/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/mail/wish.h"

enum {
	SHOWN = 20,			/* findings of one check; more are only counted */
	BUSY = 600,			/* seconds: what is younger may be somebody's work */
	AHEAD = 60,			/* seconds that a clock may be ahead of ours */
	TAIL = 8 << 10,			/* of the history, searched for its last line */
};

static bool
is_old(int dir, const char *name, int64_t seconds)
{
	struct stat st;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    clock_now() / CLOCK_SECOND - st.st_mtime > seconds;
}

static void
spool_path(struct doctor *doctor, const char *below, struct str *path)
{
	settings_path(&doctor->door->settings, doctor->door->settings.spool.path, path);
	if (below[0] != '\0')
		str_printf(path, "/%s", below);
}

/* the place */

static void
check_disk(struct doctor *doctor)
{
	enum { TMPFS = 0x01021994, RAMFS = (int)0x858458f6 };
	struct statfs fs;
	struct str path = {0};

	spool_path(doctor, "", &path);
	if (fstatfs(doctor->door->spool.dir, &fs) == 0 && ((int)fs.f_type == TMPFS || (int)fs.f_type == RAMFS))
		doctor_found(doctor, str_c(&path), NULL, "%s is in memory: all mail is gone when the power is",
		    str_c(&path));
	str_free(&path);
}

static void
check_space(struct doctor *doctor)
{
	struct str path = {0};
	struct err err;

	spool_path(doctor, "", &path);
	if (spool_room(&doctor->door->spool, 0, &err) < 0)
		doctor_found(doctor, str_c(&path), NULL, "no mail is taken: %s", err.text);
	str_free(&path);
}

static const struct { const char *name; mode_t mode; } folders[] = {
	{ "", 0750 }, { "tmp", 0750 }, { "in", 0750 }, { "out", 0750 }, { "sent", 0750 }, { "xqt", 0750 }, { "part", 0750 },
	{ "hold", 0750 }, { "failed", 0750 }, { "seen", 0750 }, { "ring", 0700 }, { "log", 0750 }, { "drop", 01730 },
};

/* The owner of the spool is who owns the mail. */
static void
check_owner(struct doctor *doctor)
{
	struct stat spool, st;
	struct str path = {0}, about = {0};

	if (fstat(doctor->door->spool.dir, &spool) < 0)
		return;
	for (size_t i = 1; i < sizeof folders / sizeof folders[0]; i++) {
		if (fstatat(doctor->door->spool.dir, folders[i].name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    st.st_uid == spool.st_uid)
			continue;
		str_clear(&path);
		str_clear(&about);
		spool_path(doctor, folders[i].name, &path);
		str_printf(&about, "%u %s", (unsigned)spool.st_uid, str_c(&path));
		doctor_found(doctor, str_c(&about), NULL, "%s belongs to user %u, the spool to %u", str_c(&path),
		    (unsigned)st.st_uid, (unsigned)spool.st_uid);
	}
	str_free(&path);
	str_free(&about);
}

static void
check_modes(struct doctor *doctor)
{
	struct stat st;
	struct str path = {0}, about = {0};

	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
		mode_t want = folders[i].mode;
		const char *name = folders[i].name[0] != '\0' ? folders[i].name : ".";
		if (fstatat(doctor->door->spool.dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		mode_t is = st.st_mode & 01777;
		if ((is & ~want) == 0 && ((want & 01000) == 0 || is == want))
			continue;
		str_clear(&path);
		str_clear(&about);
		spool_path(doctor, folders[i].name, &path);
		str_printf(&about, "%o %s", (unsigned)want, str_c(&path));
		doctor_found(doctor, str_c(&about), NULL, "%s has mode %o", str_c(&path), (unsigned)is);
	}
	str_free(&path);
	str_free(&about);
}

/* what lies in it */

static struct doctor_site *
site_of(struct doctor *doctor, const char *name)
{
	/* The walk takes one site after the other. */
	if (doctor->sites == 0 || strcmp(doctor->site[doctor->sites - 1].name, name) != 0) {
		doctor->site = mem_resize(doctor->site, doctor->sites + 1, sizeof *doctor->site);
		doctor->site[doctor->sites++] = (struct doctor_site){ .name = mem_text(name) };
	}
	return &doctor->site[doctor->sites - 1];
}

static void
count_waiting(struct doctor *doctor, const struct door_file *file, const struct door_message *message)
{
	struct doctor_site *site = site_of(doctor, file->site);
	int64_t since = message->entry.info.time;

	site->waiting++;
	if (site->oldest != 0 && since >= site->oldest)
		return;
	site->oldest = since;
	site->tried = false;
	for (size_t i = 0; i < message->entry.env.rcpts; i++)
		site->tried = site->tried || message->entry.status[i].at != 0;
}

static int
look_at(void *of, const struct door_file *file, struct err *err)
{
	struct doctor *doctor = of;
	struct door_message message;
	int64_t made = spool_id_time(file->name);

	if (door_load(&doctor->door->spool, file, &message, err) <= 0)
		return 0;
	if (made > doctor->newest)
		doctor->newest = made;
	doctor->arrived += file->where == DOOR_ARRIVED;
	if (message.damaged && !door_is_job(file->name))
		doctor_found(doctor, file->name, NULL, "%s: %s", file->path, str_c(&message.why));
	else if (!message.damaged && file->where == DOOR_WAITING && spool_id_ok(file->name)) {
		/* One that is to be kept (RFC 4865) waits for nobody. */
		if (wish_release(str_span(&message.entry.env.args), message.entry.info.time) <= clock_now())
			count_waiting(doctor, file, &message);
	} else if (file->where == DOOR_WAITING)
		doctor_found(doctor, file->name, "give it an id for a name, or move it away", "%s: a message whose "
		    "name is no id, and which nobody sends", file->path);
	door_message_free(&message);
	return 0;
}

static void
check_files(struct doctor *doctor)
{
	struct err err = {0};

	if (door_walk(&doctor->door->spool, (unsigned)DOOR_ALL, NULL, look_at, doctor, &err) < 0)
		doctor_found(doctor, "", "look at its owner and its disk", "the spool cannot be read: %s", err.text);
}

static bool
is_strange_job(const char *name)
{
	static const char *const endings[] = { "", ".open", ".part" };
	size_t hex = strspn(name, "0123456789abcdef");

	if (name[0] == '.' || strncmp(name, "D.", 2) == 0 || strncmp(name, "X.", 2) == 0 || hex != 16)
		return name[0] != '.' && strncmp(name, "D.", 2) != 0 && strncmp(name, "X.", 2) != 0;
	const char *ending = name[hex] == '=' ? name + hex + strcspn(name + hex, ".") : name + hex;
	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
		if (strcmp(ending, endings[i]) == 0)
			return false;
	return true;
}

static void
check_jobs(struct doctor *doctor)
{
	struct fs_names peers = {0}, jobs = {0};
	struct err ignored;
	struct str path = {0};

	if (fs_names(doctor->door->spool.xqt, ".", &peers, &ignored) < 0)
		return;
	for (size_t i = 0; i < peers.count; i++) {
		if (peers.name[i][0] == '.' ||
		    fs_names(doctor->door->spool.xqt, peers.name[i], &jobs, &ignored) < 0)
			continue;
		for (size_t j = 0; j < jobs.count; j++) {
			if (!is_strange_job(jobs.name[j]))
				continue;
			str_clear(&path);
			str_printf(&path, "xqt/%s/%s", peers.name[i], jobs.name[j]);
			doctor_found(doctor, str_c(&path), NULL, "%s: no job", str_c(&path));
		}
		fs_names_free(&jobs);
	}
	fs_names_free(&peers);
	str_free(&path);
}

/* What a dead process left; a living one holds the lock of its file. */
static bool
is_orphan(int dir, const char *name)
{
	struct err ignored;
	int fd = fs_open(dir, name, O_RDONLY, &ignored);
	bool orphan = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;

	if (fd >= 0)
		close(fd);
	return orphan;
}

static void
check_orphans(struct doctor *doctor)
{
	struct fs_names names;
	struct err ignored;

	/* Where several hosts share it each process has a folder, and whoever works next ends it. */
	if (doctor->door->spool.lease != NULL || fs_names(doctor->door->spool.tmp, ".", &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.count; i++)
		if (names.name[i][0] != '.' && is_old(doctor->door->spool.tmp, names.name[i], BUSY) &&
		    is_orphan(doctor->door->spool.tmp, names.name[i]))
			doctor_found(doctor, names.name[i], NULL, "tmp/%s was left by a program that died", names.name[i]);
	fs_names_free(&names);
}

/* Folders NAME.d below dir/path in which nothing has moved for long. */
static void
find_half_moves(struct doctor *doctor, int dir, const char *shown, const char *path)
{
	struct fs_names names;
	struct err ignored;
	struct str batch = {0};
	struct stat st;

	if (fs_names(dir, path, &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		size_t len = strlen(names.name[i]);
		if (len < 3 || strcmp(names.name[i] + len - 2, ".d") != 0)
			continue;
		str_clear(&batch);
		str_printf(&batch, "%s/%s", path, names.name[i]);
		if (!is_old(dir, str_c(&batch), BUSY))
			continue;
		batch.len -= 2;		/* with its batch beside it, it is in flight: all is well */
		if (strcmp(path, ".") != 0 && fstatat(dir, str_c(&batch), &st, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		str_add_text(&batch, ".taken");
		if (strcmp(path, ".") != 0 && fstatat(dir, str_c(&batch), &st, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		doctor_found(doctor, "", NULL, "%s/%s was left half done", shown, names.name[i]);
	}
	fs_names_free(&names);
	str_free(&batch);
}

static void
check_halves(struct doctor *doctor)
{
	struct spool *spool = &doctor->door->spool;
	struct fs_names sites;
	struct err ignored;
	struct str shown = {0};

	find_half_moves(doctor, spool->in, "in", ".");
	if (fs_names(spool->sent, ".", &sites, &ignored) < 0)
		return;
	for (size_t i = 0; i < sites.count; i++) {
		str_clear(&shown);
		str_printf(&shown, "sent/%s", sites.name[i]);
		find_half_moves(doctor, spool->sent, str_c(&shown), sites.name[i]);
	}
	fs_names_free(&sites);
	str_free(&shown);
}

/* time */

static int64_t
last_event(const struct spool *spool)
{
	struct str text = {0};
	struct err ignored;
	struct stat st;
	struct span rest, line, last = {0};
	int64_t when = 0;
	int fd = history_open(spool, history_node(spool), 0, &ignored);

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0) {
		ssize_t got = fs_pread(fd, str_room(&text, TAIL), TAIL, st.st_size > TAIL ? st.st_size - TAIL : 0,
		    &ignored);
		text.len += got > 0 ? (size_t)got : 0;
	}
	close(fd);
	for (rest = str_span(&text); span_cut(&rest, '\n', &line);)
		if (line.len > 0)
			last = line;
	if (clock_parse_utc(span_word(&last), &when) < 0)
		when = 0;
	str_free(&text);
	return when;
}

static void
check_clock(struct doctor *doctor)
{
	const struct { const char *what; int64_t when; } seen[] = {
		{ "the newest message", doctor->newest },
		{ "the last event of the history", last_event(&doctor->door->spool) },
	};

	for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
		struct str then = {0}, now = {0};
		if (seen[i].when <= clock_now() + AHEAD * CLOCK_SECOND)
			continue;
		clock_utc(seen[i].when, &then);
		clock_utc(clock_now(), &now);
		doctor_found(doctor, "", NULL, "%s is of %s, but the clock says %s", seen[i].what, str_c(&then),
		    str_c(&now));
		str_free(&then);
		str_free(&now);
	}
}

/* what waits */

/* Somebody reads the bell, or opening it to ring fails. */
static bool
is_awake(const struct doctor *doctor)
{
	struct str path = {0};

	settings_run(&doctor->door->settings, "bell", &path);
	int fd = open(str_c(&path), O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	str_free(&path);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void
check_daemon(struct doctor *doctor)
{
	size_t waiting = doctor->arrived;

	for (size_t i = 0; i < doctor->sites; i++)
		if (strchr(doctor->site[i].name, ':') != NULL)
			waiting += doctor->site[i].waiting;
	if (waiting > 0 && !is_awake(doctor))
		doctor_found(doctor, "", NULL, "nobody reads run/bell: %zu message%s wait%s for a mochila-relay that "
		    "does not run", waiting, waiting == 1 ? "" : "s", waiting == 1 ? "s" : "");
}

static void
check_strangers(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->sites; i++) {
		const char *name = doctor->site[i].name;
		if (strchr(name, ':') == NULL && settings_site(&doctor->door->settings, name) == NULL)
			doctor_found(doctor, name, NULL, "%zu message%s wait%s for %s, which is no site",
			    doctor->site[i].waiting, doctor->site[i].waiting == 1 ? "" : "s",
			    doctor->site[i].waiting == 1 ? "s" : "", name);
	}
}

static bool
is_tried(const struct doctor *doctor, const struct doctor_site *site)
{
	struct retry retry;
	struct err ignored;
	bool failed = retry_load(&doctor->door->spool, site->name, &retry, &ignored) == 0 && retry.failures > 0;

	str_free(&retry.why);
	return failed || site->tried;
}

/* Who calls whom decides what helps; a site that there is not is found by its own check. */
static void
check_waiting(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->sites; i++) {
		const struct doctor_site *site = &doctor->site[i];
		const struct site_settings *set = settings_site(&doctor->door->settings, site->name);
		bool hop = strchr(site->name, ':') != NULL;
		struct str age = {0};
		if ((set == NULL && !hop) || site->oldest == 0 ||
		    clock_now() - site->oldest < 86400 * CLOCK_SECOND || is_tried(doctor, site))
			continue;
		door_age(&age, site->oldest);
		doctor_found(doctor, site->name, hop ? "mochila retry @" : set->link[0] == '\0' ?
		    "on @: mochila call, and look at its authorized_keys here" : NULL,
		    "mail for %s has waited for %s, and nobody has tried", site->name, str_c(&age));
		str_free(&age);
	}
}

/* The oldest of a folder of GRADE-ID; 0: none. */
static int64_t
oldest_command(const struct spool *spool, const char *site)
{
	struct str path = {0};
	struct fs_names names;
	struct err ignored;
	int64_t oldest = 0;

	str_printf(&path, "uux/%s", site);
	if (fs_names(spool->dir, str_c(&path), &names, &ignored) == 0) {
		for (size_t i = 0; i < names.count; i++) {
			int64_t since = strlen(names.name[i]) > 2 ? spool_id_time(names.name[i] + 2) : 0;
			if (since != 0 && (oldest == 0 || since < oldest))
				oldest = since;
		}
		fs_names_free(&names);
	}
	str_free(&path);
	return oldest;
}

/* Commands that nobody fetches, or that nobody can. */
static void
check_commands(struct doctor *doctor)
{
	struct fs_names sites;
	struct err ignored;

	if (fs_names(doctor->door->spool.dir, "uux", &sites, &ignored) < 0)
		return;
	for (size_t i = 0; i < sites.count; i++) {
		const char *name = sites.name[i];
		int64_t oldest = oldest_command(&doctor->door->spool, name);
		if (oldest == 0)
			continue;
		if (settings_site(&doctor->door->settings, name) == NULL)
			doctor_found(doctor, name, "mochila pair @ ssh://USER@@HOST, or remove uux/@ in the spool",
			    "commands of uux wait for %s, and there is no [site %s]", name, name);
		else if (clock_now() - oldest > 86400 * CLOCK_SECOND)
			doctor_found(doctor, name, NULL, "commands of uux for %s have waited for more than a day", name);
	}
	fs_names_free(&sites);
}

static const struct doctor_check checks[] = {
	{ "disk", check_disk, "move it to a disk and set path in [spool]" },
	{ "space", check_space, "df -hi @" },
	{ "owner", check_owner, "chown -R @" },
	{ "modes", check_modes, "chmod @" },
	{ "configuration", check_config_modes, "chmod go-w @" },
	{ "key", check_keys, "chmod 600 @" },
	{ "host key", check_pins, "mochila pair @" },
	{ "name", check_name, "say host = NAME.DOMAIN, or bounce-from = ADDRESS, in [spool]" },
	{ "route", check_routes, "mochila pair @ ssh://USER@@HOST, or mend [routes]" },
	{ "site", check_unrouted, "say DOMAIN = site:@ in [routes]" },
	{ "certificate", check_certificates, "put a new one into its place, then kill -HUP the relay" },
	{ "open relay", check_relay, "name your own networks in relay-from" },
	{ "files", check_files, "mochila show @; then mochila remove @" },
	{ "jobs", check_jobs, "look at it, and remove it by hand" },
	{ "orphans", check_orphans, "mochila retry" },
	{ "hosts", check_hosts, "say shared = yes in [spool] on each; or, if @ never comes again, remove hosts/@ here" },
	{ "half moves", check_halves, "mochila retry" },
	{ "clock", check_clock, "set the clock right: timedatectl; mail is late meanwhile, and not lost" },
	{ "daemon", check_daemon, SBINDIR "/mochila-relay --background" },
	{ "stranger", check_strangers, "mochila pair @ ssh://USER@@HOST, or mochila hold --site @" },
	{ "waiting", check_waiting, "mochila call @" },
	{ "commands", check_commands, "mochila call @" },
	{0},
};

/* the frame */

/* @ is what it is about, @@ a plain @. */
static void
add_remedy(const char *remedy, const char *about, struct str *out)
{
	for (; *remedy != '\0'; remedy++) {
		if (remedy[0] == '@' && remedy[1] == '@')
			str_add_char(out, *++remedy);
		else if (remedy[0] == '@')
			door_noted(out, span_of(about), 4096);
		else
			str_add_char(out, *remedy);
	}
}

void
doctor_found(struct doctor *doctor, const char *about, const char *remedy, const char *format, ...)
{
	struct str what = {0}, todo = {0};
	struct err ignored;
	va_list args;

	doctor->found++;
	if (++doctor->here > SHOWN)
		return;
	va_start(args, format);
	str_vprintf(&what, format, args);
	va_end(args);
	add_remedy(remedy != NULL ? remedy : doctor->check->remedy, about, &todo);
	if (doctor->json) {
		fs_write(1, doctor->found > 1 ? ",\n" : "[\n", 2, &ignored);
		door_json_print(json_pack("{s:s, s:o, s:o}", "check", doctor->check->name,
		    "what", door_json_text(str_span(&what)), "remedy", door_json_text(str_span(&todo))), "", &ignored);
	} else {
		str_printf(&doctor->out, "%s: ", doctor->check->name);
		door_noted(&doctor->out, str_span(&what), 1000);
		str_printf(&doctor->out, ": %s\n", str_c(&todo));
	}
	str_free(&what);
	str_free(&todo);
}

static void
run_check(struct doctor *doctor, const struct doctor_check *check)
{
	doctor->check = check;
	doctor->here = 0;
	check->run(doctor);
	if (doctor->here > SHOWN && !doctor->json)
		str_printf(&doctor->out, "%s: and %zu more of the kind\n", check->name, doctor->here - SHOWN);
}

static void
doctor_free(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->sites; i++)
		free(doctor->site[i].name);
	free(doctor->site);
	str_free(&doctor->out);
}

static int
doctor_run(struct door *door, int argc, char **argv, struct err *err)
{
	struct doctor doctor = { .door = door };
	const char *mail = NULL, *wait = "5m";
	bool help = false;
	const struct opt_row rows[] = {
		{ "json", 0, NULL, "an array of objects, for programs", OPT_FLAG, &doctor.json },
		{ "mail", 0, "ADDRESS", "send a probe there, and tell what it passes", OPT_TEXT, &mail },
		{ "wait", 0, "TIME", "for its answer: 90, 15m (preset: 5m)", OPT_TEXT, &wait },
		DOOR_HELP(&help), {0},
	};
	int result = door_options(door, &door_doctor, rows, 0, 0, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	if (mail != NULL)
		return door_probe(door, mail, wait, err);
	for (const struct doctor_check *check = checks; check->name != NULL; check++)
		run_check(&doctor, check);
	if (doctor.json)
		str_add_text(&doctor.out, doctor.found > 0 ? "\n]\n" : "[]\n");
	else if (doctor.found == 0)
		str_add_text(&doctor.out, "nothing is wrong\n");
	result = door_print(&doctor.out, err);
	if (result == 0 && doctor.found > 0) {
		err_set(err, ERR_PERM, "%zu thing%s to be looked at", doctor.found, doctor.found == 1 ? "" : "s");
		result = err_as(err, EXIT_FAILURE, NULL);
	}
	doctor_free(&doctor);
	return result;
}

const struct door_command door_doctor = {
	"doctor", "[--json] | --mail ADDRESS", "what is wrong here, and what to type", true, doctor_run
};
