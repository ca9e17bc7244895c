/* Leases: the spool is of one host, or settings refuse it. */
#include "lib/base/fs.h"
#include "lib/base/small.h"
#include "spool/lease.h"

int
lease_start(struct spool *spool, struct err *err)
{
	(void)spool;
	(void)err;
	return 0;
}

void
lease_end(struct spool *spool)
{
	(void)spool;
}

int
lease_begin(const struct spool *spool, struct err *err)
{
	(void)spool;
	(void)err;
	return 0;
}

int
lease_alive(const struct spool *spool, struct err *err)
{
	(void)spool;
	(void)err;
	return 0;
}

const char *
lease_token(const struct spool *spool)
{
	(void)spool;
	return "";
}

int
lease_tmp(const struct spool *spool)
{
	return spool->tmp;
}

/* Nobody has one, so no name is taken for another's claim: it stays for a person. */

bool
lease_is_token(struct span text)
{
	(void)text;
	return false;
}

bool
lease_parse(const char *name, struct span *base, struct span *token, struct span *ending)
{
	(void)name;
	(void)base;
	(void)token;
	(void)ending;
	return false;
}

bool
lease_dead(const struct spool *spool, struct span token)
{
	(void)spool;
	(void)token;
	return false;
}

void
lease_fence(const struct spool *spool, struct span token)
{
	(void)spool;
	(void)token;
}

void
lease_name(const struct spool *spool, const char *name, const char *ending, struct str *out)
{
	(void)spool;
	str_printf(out, "%s=%s", name, ending);
}

bool
lease_names(const struct spool *spool, int dir, const char *name, int fd)
{
	(void)spool;
	return fs_is(fd, dir, name);
}

int
lease_copy(const struct spool *spool, int dir, const char *name, bool whole, off_t *size, struct err *err)
{
	(void)spool;
	(void)dir;
	(void)whole;
	(void)size;
	return small_without(err, name);
}
