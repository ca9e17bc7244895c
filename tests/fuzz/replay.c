/*
 * replay - runs a fuzz target without a fuzzer: once for each seed.
 *
 *	tests/fuzz/NAME [FILE-OR-FOLDER ...]
 *
 * Without arguments the seeds are those of $SEEDS, or of $srcdir/tests/fuzz/seeds/NAME.
 * A target that finds something wrong aborts; the last file named is the reason.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/fs.h"
#include "tests/fuzz/fuzz.h"

static size_t played;

static int
play_file(const char *path)
{
	struct str bytes = {0};
	struct err err;

	if (fs_load(AT_FDCWD, path, 16 << 20, &bytes, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	fprintf(stderr, "%s\n", path);
	/* Exactly as long as it is, so that a byte read beyond it is noticed. */
	uint8_t *exact = malloc(bytes.len > 0 ? bytes.len : 1);
	if (exact == NULL)
		return 1;
	memcpy(exact, str_c(&bytes), bytes.len);
	LLVMFuzzerTestOneInput(exact, bytes.len);
	free(exact);
	str_free(&bytes);
	played++;
	return 0;
}

static int
play_folder(const char *folder)
{
	struct fs_names names = {0};
	struct err err;
	int bad = 0;

	if (fs_names(AT_FDCWD, folder, &names, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	for (size_t i = 0; i < names.count; i++) {
		struct str path = {0};
		str_printf(&path, "%s/%s", folder, names.name[i]);
		bad |= play_file(str_c(&path));
		str_free(&path);
	}
	fs_names_free(&names);
	return bad;
}

static int
play(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? play_folder(path) : play_file(path);
}

/* Where the seeds of this target are when nobody says. */
static int
play_own(const char *program)
{
	const char *seeds = getenv("SEEDS"), *top = getenv("srcdir"), *slash = strrchr(program, '/');
	struct str folder = {0};

	if (seeds != NULL)
		return play(seeds);
	str_printf(&folder, "%s/tests/fuzz/seeds/%s", top != NULL ? top : ".",
	    slash != NULL ? slash + 1 : program);
	int bad = play(str_c(&folder));
	str_free(&folder);
	return bad;
}

int
main(int argc, char **argv)
{
	int bad = argc > 1 ? 0 : play_own(argv[0]);

	for (int i = 1; i < argc; i++)
		bad |= play(argv[i]);
	printf("%zu seeds\n", played);
	return bad || played == 0;
}
