/* filter-clamd - ClamAV's clamd (lib/proto/clamd.h): a virus is what [filter] found says. */
#include "relay/filter.h"

#include "lib/proto/clamd.h"
#include "relay/talk.h"

static int
clamd_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct clamd clamd;
	struct str where = spec->rest, text = {0};

	clamd_start(&clamd, letter_text(letter));
	int result = talk_to(str_c(&where), &clamd.d, job->deadline, err);
	if (result == 0 && clamd.found) {
		str_printf(&text, spec->found == FOUND_MARK ? "%.200s" : "a virus was found: %.200s", str_c(&clamd.name));
		result = filter_found(spec, letter, "X-Virus", str_c(&text), err);
	}
	str_free(&text);
	clamd_free(&clamd);
	return result;
}

const struct filter filter_clamd = { .scheme = "clamd:", .check = talk_check, .run = clamd_run,
	.form = "clamd:HOST:PORT or clamd:/SOCKET" };
