/*
 * Budgets: what is left is the least that is said, and the history tells what was used.
 */
#include "spool/allowance.h"
#include "spool/budget.h"

#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"

#define MINUTE (60 * CLOCK_SECOND)
#define ENDLESS UINT64_MAX

static struct scratch s;
static const int64_t november = 1795373102 * CLOCK_SECOND;	/* the 23rd */

static void
begin(const char *const *said, size_t count)
{
	scratch_open(&s, said, count);
	clock_set(november);
}

static void
called(const char *site, uint64_t up, uint64_t down, const char *secs, const char *cost)
{
	spool_event(&s.spool, site, "event=call result=ok peer=%s wire_up=%llu wire_down=%llu turns=3 secs=%s cost=%s", site,
	    (unsigned long long)up, (unsigned long long)down, secs, cost);
}

static struct budget
left_of(const char *site)
{
	struct budget left;

	budget_left(&s.spool, settings_site(&s.settings, site), &left);
	return left;
}

/* What is said of [site home], and what a month with three calls has left: calls of 1000 bytes
 * up and 500 down, 90.5 s and 0.25 each. */
static const struct {
	const char *said[3];
	uint64_t bytes, micros, money;
	const char *over;	/* at once */
} limits[] = {
	{ { "site home.link=" }, ENDLESS, ENDLESS, ENDLESS, NULL },
	{ { "site home.call-bytes=2000" }, 2000, ENDLESS, ENDLESS, NULL },
	{ { "site home.month-bytes=6000" }, 1500, ENDLESS, ENDLESS, NULL },
	{ { "site home.month-bytes=6000", "site home.call-bytes=1000" }, 1000, ENDLESS, ENDLESS, NULL },
	{ { "site home.month-bytes=6000", "site home.call-bytes=1M" }, 1500, ENDLESS, ENDLESS, NULL },
	{ { "site home.month-bytes=4500" }, 0, ENDLESS, ENDLESS, "month-bytes" },
	{ { "site home.month-bytes=1" }, 0, ENDLESS, ENDLESS, "month-bytes" },
	{ { "site home.call-time=10m" }, ENDLESS, 600000000, ENDLESS, NULL },
	{ { "site home.month-time=5m", "site home.call-time=10m" }, ENDLESS, 28500000, ENDLESS, NULL },
	{ { "site home.month-time=1m" }, ENDLESS, 0, ENDLESS, "month-time" },
	{ { "site home.month-money=1.5" }, ENDLESS, ENDLESS, 750000, NULL },
	{ { "site home.month-money=0.75" }, ENDLESS, ENDLESS, 0, "month-money" },
	{ { "site other.month-bytes=1" }, ENDLESS, ENDLESS, ENDLESS, NULL },
};

START_TEST(what_is_left_is_the_least_that_is_said)
{
	const char *said[4] = { "site home.key=" };
	size_t count = 1;

	for (size_t i = 0; i < 3 && limits[_i].said[i] != NULL; i++)
		said[count++] = limits[_i].said[i];
	begin(said, count);
	clock_set(november - 40 * 86400 * CLOCK_SECOND);	/* of another month */
	called("home", 1000000, 1000000, "99999", "99999");
	clock_set(november);
	for (int i = 0; i < 3; i++)
		called("home", 1000, 500, "90.5", "0.25");
	called("third", 1000000, 1000000, "99999", "99999");
	struct budget left = left_of("home");
	ck_assert_uint_eq(left.bytes.left, limits[_i].bytes);
	ck_assert_uint_eq(left.micros.left, limits[_i].micros);
	ck_assert_uint_eq(left.money.left, limits[_i].money);
	const char *over = budget_over(&left, 0, 0);
	ck_assert_str_eq(over != NULL ? over : "", limits[_i].over != NULL ? limits[_i].over : "");
	scratch_close(&s);
}
END_TEST

START_TEST(a_call_is_over_when_one_of_them_is)
{
	static const char *const said[] = { "site home.call-bytes=1000", "site home.call-time=60",
		"site home.month-money=1", "site home.money-per-minute=1", "site home.money-per-megabyte=500" };
	begin(said, ROWS(said));
	struct budget left = left_of("home");

	ck_assert_ptr_null(budget_over(&left, 0, 0));
	ck_assert_ptr_null(budget_over(&left, 999, 30 * CLOCK_SECOND - 1));
	ck_assert_str_eq(budget_over(&left, 1000, 0), "call-bytes");
	ck_assert_str_eq(budget_over(&left, 0, MINUTE), "call-time");
	ck_assert_str_eq(budget_over(&left, 999, 59 * CLOCK_SECOND), "month-money");
	ck_assert_uint_eq(budget_bytes(&left, 0, 0), 1000);
	ck_assert_uint_eq(budget_bytes(&left, 0, 59 * CLOCK_SECOND), 33);	/* 0.0166 buys 33 bytes */
	ck_assert_uint_eq(budget_bytes(&left, 1001, 0), 0);
	ck_assert_int_eq(budget_micros(&left, 0, 0), MINUTE);
	ck_assert_int_eq(budget_micros(&left, 999, 0), 30030000);
	scratch_close(&s);
}
END_TEST

START_TEST(without_limits_nothing_is_over)
{
	static const char *const said[] = { "site home.money-per-minute=9999999", "site home.money-per-megabyte=9999999" };
	begin(said, ROWS(said));
	struct budget left = left_of("home");

	ck_assert_ptr_null(budget_over(&left, UINT64_MAX, INT64_MAX));
	ck_assert_uint_eq(budget_bytes(&left, 1000, 1000), UINT64_MAX);
	ck_assert_int_eq(budget_micros(&left, 1000, 1000), INT64_MAX);
	ck_assert_uint_eq(left.largest, UINT64_MAX);
	scratch_close(&s);
}
END_TEST

static const struct { uint64_t megabyte, minute, bytes; int64_t micros; uint64_t cost; } costs[] = {
	{ 0, 0, 1000000, MINUTE, 0 },
	{ 7500000, 0, 1000000, 0, 7500000 },
	{ 7500000, 0, 1, 0, 8 },			/* rounded up */
	{ 7500000, 1200000, 2000000, MINUTE / 2, 15600000 },
	{ 1, 1, 1, 1, 2 },
	{ 0, 1000000, 0, -5, 0 },
	{ UINT64_MAX, 0, 2000000, 0, UINT64_MAX },	/* as much as there is, and not round again */
	{ 1000000, 1000000, UINT64_MAX, INT64_MAX, UINT64_MAX },
	{ 1000000, 0, UINT64_C(3000000000000), 0, UINT64_C(3000000000000) },
};

START_TEST(a_call_costs_bytes_and_time)
{
	const struct tariff tariff = { costs[_i].megabyte, costs[_i].minute };
	ck_assert_uint_eq(budget_cost(&tariff, costs[_i].bytes, costs[_i].micros), costs[_i].cost);
}
END_TEST

/* What is written | millionths; UINT64_MAX: that is no amount */
static const struct { const char *text; uint64_t number; const char *shown; } amounts[] = {
	{ "0", 0, "0" }, { "20", 20000000, "20" }, { "0.35", 350000, "0.35" }, { "7.500000", 7500000, "7.5" },
	{ "1.000001", 1000001, "1.000001" }, { "100", 100000000, "100" },
	{ "18446744073709.551615", UINT64_MAX - 0, "18446744073709.551615" },
	{ "18446744073709.551616", ENDLESS, NULL }, { "99999999999999", ENDLESS, NULL },
	{ "1.0000001", ENDLESS, NULL }, { "", ENDLESS, NULL }, { ".5", ENDLESS, NULL }, { "5.", ENDLESS, NULL },
	{ "-1", ENDLESS, NULL }, { "1,5", ENDLESS, NULL }, { "1.2.3", ENDLESS, NULL }, { " 1", ENDLESS, NULL },
};

START_TEST(amounts_are_read_and_shown)
{
	uint64_t number = ENDLESS;
	struct str shown = {0};
	int result = span_decimal(span_of(amounts[_i].text), 6, &number);

	ck_assert_int_eq(result, amounts[_i].shown != NULL ? 0 : -1);
	if (result == 0) {
		ck_assert_uint_eq(number, amounts[_i].number);
		str_add_decimal(&shown, number, 6);
		ck_assert_str_eq(str_c(&shown), amounts[_i].shown);
	}
	str_free(&shown);
}
END_TEST

/* A month in which ann gave 3000 bytes, bob 1000 by SMTP, and calls moved 6000 in 60 s: whose mail waits? */
static const struct {
	const char *said[3];
	const char *from, *who;		/* info.from; the user, or the sender's address */
	bool waits;
} shares[] = {
	{ { "site home.link=" }, "sendmail", "ann", false },
	{ { "site home.user-month-bytes=2999" }, "sendmail", "ann", true },
	{ { "site home.user-month-bytes=3000" }, "sendmail", "ann", false },
	{ { "site home.user-month-bytes=2999" }, "smtp", "bob@hub", false },
	{ { "site home.user-month-bytes=999" }, "smtp", "bob@hub", true },
	{ { "site home.user-month-bytes=1" }, "smtp", "else@hub", false },
	{ { "site home.user-month-bytes=1" }, "bsmtp", "", false },
	{ { "site other.user-month-bytes=1" }, "sendmail", "ann", false },
	{ { "site home.user-month-time=30s" }, "sendmail", "ann", false },	/* it is half a minute */
	{ { "site home.user-month-time=29s" }, "sendmail", "ann", true },
	{ { "site home.user-month-time=29s" }, "smtp", "bob@hub", false },
	{ { "site home.user-month-money=0.5", "site home.money-per-minute=1" }, "sendmail", "ann", false },
	{ { "site home.user-month-money=0.49", "site home.money-per-minute=1" }, "sendmail", "ann", true },
	{ { "site home.user-month-money=2", "site home.money-per-megabyte=1000" }, "sendmail", "ann", true },
	{ { "site home.user-month-money=4", "site home.money-per-megabyte=1000" }, "sendmail", "ann", false },
	{ { "site home.user-largest=99" }, "sendmail", "new", true },
	{ { "site home.user-largest=100" }, "sendmail", "new", false },
};

START_TEST(a_user_has_a_share)
{
	const char *said[4] = { "site home.key=" };
	struct entry entry = { .body_len = 100 };
	struct allowance allowance;
	size_t count = 1;

	for (size_t i = 0; i < 3 && shares[_i].said[i] != NULL; i++)
		said[count++] = shares[_i].said[i];
	begin(said, count);
	called("home", 4000, 2000, "60.0", "0");
	spool_event(&s.spool, "20261123T000000.000000-0000000000000001-1", "event=accepted from=sendmail client=ann bytes=3000 rcpts=1");
	spool_event(&s.spool, "20261123T000000.000000-0000000000000002-1", "event=accepted from=<bob@hub> rcpts=1 size=1000 client=127.0.0.1");
	bool smtp = strcmp(shares[_i].from, "smtp") == 0;
	str_set(&entry.info.id, "20261123T000000.000000-0000000000000003-1");
	str_set(&entry.info.from, shares[_i].from);
	str_set(smtp ? &entry.env.from : &entry.info.client, shares[_i].who);
	allowance_open(&allowance, &s.spool, settings_site(&s.settings, "home"));
	ck_assert_int_eq(allowance_spent(&allowance, &entry), shares[_i].waits);
	allowance_free(&allowance);
	entry_free(&entry);
	scratch_close(&s);
}
END_TEST

UNIT("budget",
	{ a_user_has_a_share, ROWS(shares) },
	{ what_is_left_is_the_least_that_is_said, ROWS(limits) },
	{ a_call_is_over_when_one_of_them_is, 1 },
	{ without_limits_nothing_is_over, 1 },
	{ a_call_costs_bytes_and_time, ROWS(costs) },
	{ amounts_are_read_and_shown, ROWS(amounts) })
