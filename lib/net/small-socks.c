/* Proxies. */
#include "lib/net/socks.h"
#include "lib/base/small.h"

int
socks_proxy_parse(const char *text, struct socks_proxy *proxy, struct err *err)
{
	*proxy = (struct socks_proxy){0};
	return text[0] == '\0' ? 0 : small_without(err, "proxy");
}

void
socks_proxy_free(struct socks_proxy *proxy)
{
	(void)proxy;
}

int
socks_start(struct socks *socks, const struct socks_proxy *proxy, const char *host, const char *port, struct err *err)
{
	(void)socks;
	(void)proxy;
	(void)host;
	(void)port;
	return small_without(err, "proxy");
}

size_t
socks_wants(const struct socks *socks)
{
	(void)socks;
	return 0;
}

int
socks_feed(struct socks *socks, const void *bytes, size_t len, struct err *err)
{
	(void)bytes;
	(void)len;
	return socks_start(socks, NULL, NULL, NULL, err);
}

void
socks_free(struct socks *socks)
{
	(void)socks;
}
