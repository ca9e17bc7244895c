/*
 * socks - asks a proxy for a connection, without I/O: SOCKS5 (RFC 1928, 1929) and 4a.
 *
 *	socks_start(&socks, &proxy, "hub.example", "22", &err);
 *	while (!socks.done) {
 *		... write socks.out, and clear it ...
 *		... read exactly socks_wants(&socks) bytes ...
 *		socks_feed(&socks, bytes, len, &err);
 *	}
 *	socks_free(&socks);
 *
 * What comes behind the proxy's last word is the far end's, so nobody may read further
 * than that word: hence socks_wants().  The name goes to the proxy as it is, and is looked
 * up there: nothing of it is asked of our own name service.
 */
#ifndef LIB_NET_SOCKS_H
#define LIB_NET_SOCKS_H

#include "lib/base/err.h"

enum { SOCKS_WORD_MAX = 262 };	/* bytes that are wanted at once, at most */

/* Where a proxy is, and how it is spoken with. */
struct socks_proxy {
	bool five;			/* else 4a */
	struct str where;		/* HOST:PORT of the proxy itself */
	struct str name, password;	/* for it; empty: it asks for none */
};

/* "socks5://HOST:PORT", "socks4a://HOST:PORT" */
int socks_proxy_parse(const char *text, struct socks_proxy *proxy, struct err *err);
void socks_proxy_free(struct socks_proxy *proxy);	/* wipes the password */

struct socks {
	const struct socks_proxy *proxy;
	struct str host, port;
	struct str out;		/* to be written */
	struct str in;		/* of the word that is due */
	size_t wants;		/* its length, as far as it is known */
	int (*heard)(struct socks *socks, struct err *err);
	bool done;		/* the line is the far end's now */
};

int socks_start(struct socks *socks, const struct socks_proxy *proxy, const char *host,
    const char *port, struct err *err);
size_t socks_wants(const struct socks *socks);	/* 1 to SOCKS_WORD_MAX, 0: done */
int socks_feed(struct socks *socks, const void *bytes, size_t len, struct err *err);
void socks_free(struct socks *socks);		/* {0} is fine */

#endif
