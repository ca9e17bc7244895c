/*
 * Packets of ssh: length, padding, cipher and sum (RFC 4253 6; RFC 5647 as OpenSSH has it).
 */
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "uucico-ssh/quick.h"

enum { LENGTH = 4, PAD_LEAST = 4, CLEAR_BLOCK = 8 };

/* --- numbers and strings --- */

void
quick_put_number(struct str *out, uint32_t number)
{
	const unsigned char bytes[4] = { (unsigned char)(number >> 24), (unsigned char)(number >> 16),
		(unsigned char)(number >> 8), (unsigned char)number };
	str_add(out, bytes, sizeof bytes);
}

void
quick_put(struct str *out, struct span bytes)
{
	quick_put_number(out, (uint32_t)bytes.len);
	str_add_span(out, bytes);
}

int
quick_get_number(struct span *rest, uint32_t *number)
{
	if (rest->len < 4)
		return -1;
	*number = (uint32_t)bytes_number(rest->p, 4);
	*rest = span_from(*rest, 4);
	return 0;
}

int
quick_get(struct span *rest, struct span *bytes)
{
	uint32_t len;

	if (quick_get_number(rest, &len) < 0 || len > rest->len)
		return -1;
	*bytes = span_to(*rest, len);
	*rest = span_from(*rest, len);
	return 0;
}

int
quick_otherwise(struct quick *quick, struct err *err, const char *why)
{
	quick->end = QUICK_OTHERWISE;
	return err_set(err, ERR_TEMP, "%s", why);
}

int
quick_broken(struct quick *quick, struct err *err, const char *why)
{
	quick->end = QUICK_BROKEN;
	return err_set(err, ERR_TEMP, "what it says is no ssh: %s", why);
}

/* --- one way --- */

int
quick_key_way(struct quick_way *way, bool gcm, bool up, const unsigned char *key, const unsigned char *iv,
    const unsigned char *mac)
{
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();

	way->gcm = gcm;
	way->cipher = cipher;
	memcpy(way->iv, iv, sizeof way->iv);
	memcpy(way->mac, mac, sizeof way->mac);
	return cipher != NULL && EVP_CipherInit_ex(cipher, gcm ? EVP_aes_128_gcm() : EVP_aes_128_ctr(), NULL, key,
	    gcm ? NULL : iv, up) == 1 ? 0 : -1;
}

void
quick_way_free(struct quick_way *way)
{
	EVP_CIPHER_CTX_free(way->cipher);
	OPENSSL_cleanse(way, sizeof *way);
	way->cipher = NULL;
}

/* The last eight bytes are a counter. */
static void
count_on(struct quick_way *way)
{
	for (size_t i = QUICK_IV; i-- > QUICK_IV - 8 && ++way->iv[i] == 0;)
		;
}

static void
sum_of(const struct quick_way *way, struct span packet, unsigned char sum[QUICK_MAC])
{
	struct str all = {0};
	unsigned len = QUICK_MAC;

	quick_put_number(&all, way->number);
	str_add_span(&all, packet);
	HMAC(EVP_sha256(), way->mac, sizeof way->mac, (const unsigned char *)all.p, all.len, sum, &len);
	str_free(&all);
}

static bool
run(struct quick_way *way, void *bytes, size_t len)
{
	int done = 0;

	return len <= INT_MAX && EVP_CipherUpdate(way->cipher, bytes, &done, bytes, (int)len) == 1 && done == (int)len;
}

/* Length stays readable, and is proved with the rest. */
static bool
gcm_begin(struct quick_way *way, const void *length)
{
	int done;

	return EVP_CipherInit_ex(way->cipher, NULL, NULL, NULL, way->iv, -1) == 1 &&
	    EVP_CipherUpdate(way->cipher, NULL, &done, length, LENGTH) == 1;
}

/* --- ours --- */

static void
seal(struct quick_way *way, struct str *packet)
{
	unsigned char sum[QUICK_MAC] = {0};
	int done;
	bool good = true;

	if (way->cipher == NULL)
		return;
	if (way->gcm) {
		good = gcm_begin(way, packet->p) && run(way, packet->p + LENGTH, packet->len - LENGTH) &&
		    EVP_CipherFinal_ex(way->cipher, sum, &done) == 1 &&
		    EVP_CIPHER_CTX_ctrl(way->cipher, EVP_CTRL_AEAD_GET_TAG, QUICK_TAG, sum) == 1;
		count_on(way);
	} else {
		sum_of(way, str_span(packet), sum);
		good = run(way, packet->p, packet->len);
	}
	if (!good)	/* nothing is sent that is not sealed: the far end will not understand it */
		str_clear(packet);
	str_add(packet, sum, way->gcm ? QUICK_TAG : QUICK_MAC);
}

void
quick_packet(struct quick *quick, struct span payload)
{
	struct quick_way *way = &quick->up;
	struct str packet = {0};
	size_t block = way->cipher != NULL ? QUICK_BLOCK : CLEAR_BLOCK, head = way->cipher != NULL && way->gcm ? 1 : 5;
	size_t pad = block - (head + payload.len) % block;
	unsigned char padding[PAD_LEAST + QUICK_BLOCK];

	pad += pad < PAD_LEAST ? block : 0;
	random_bytes(padding, pad);
	quick_put_number(&packet, (uint32_t)(1 + payload.len + pad));
	str_add_char(&packet, (char)pad);
	str_add_span(&packet, payload);
	str_add(&packet, padding, pad);
	seal(way, &packet);
	way->number++;
	way->bytes += packet.len;
	str_add_span(&quick->out, str_span(&packet));
	str_free(&packet);
}

/* --- theirs --- */

static int
open_gcm(struct quick *quick, uint32_t len, struct err *err)
{
	struct quick_way *way = &quick->down;
	unsigned char last[QUICK_BLOCK];
	char *at = quick->in.p;
	int done;

	if (!gcm_begin(way, at) || !run(way, at + LENGTH, len) ||
	    EVP_CIPHER_CTX_ctrl(way->cipher, EVP_CTRL_AEAD_SET_TAG, QUICK_TAG, at + LENGTH + len) != 1 ||
	    EVP_CipherFinal_ex(way->cipher, last, &done) != 1)
		return quick_broken(quick, err, "a packet was changed on its way");
	count_on(way);
	return 0;
}

static int
open_ctr(struct quick *quick, uint32_t len, struct err *err)
{
	struct quick_way *way = &quick->down;
	unsigned char sum[QUICK_MAC];
	char *at = quick->in.p;

	if (!run(way, at + QUICK_BLOCK, LENGTH + len - QUICK_BLOCK))
		return quick_broken(quick, err, "it cannot be opened");
	sum_of(way, span_to(str_span(&quick->in), LENGTH + len), sum);
	if (!digest_same(sum, at + LENGTH + len, QUICK_MAC))
		return quick_broken(quick, err, "a packet was changed on its way");
	return 0;
}

/* How long it is stands, in the other mode, in the first block. */
static int
head(struct quick *quick, size_t block, uint32_t *len, struct err *err)
{
	struct quick_way *way = &quick->down;
	struct span rest = str_span(&quick->in);

	if (way->cipher != NULL && !way->gcm && !quick->has_head && !run(way, quick->in.p, QUICK_BLOCK))
		return quick_broken(quick, err, "it cannot be opened");
	quick->has_head = true;
	quick_get_number(&rest, len);
	size_t whole = *len + (way->cipher != NULL && way->gcm ? 0 : LENGTH);
	if (*len < 1 + PAD_LEAST + 1 || *len > QUICK_PACKET || whole % block != 0 || whole < block)
		return quick_broken(quick, err, "a packet of an impossible length");
	return 0;
}

int
quick_unpack(struct quick *quick, struct str *payload, struct err *err)
{
	struct quick_way *way = &quick->down;
	size_t block = way->cipher != NULL ? QUICK_BLOCK : CLEAR_BLOCK, sum = way->cipher == NULL ? 0 :
	    way->gcm ? QUICK_TAG : QUICK_MAC;
	uint32_t len = 0;

	if (quick->in.len < QUICK_BLOCK)
		return 0;
	if (head(quick, block, &len, err) < 0)
		return -1;
	if (quick->in.len < LENGTH + len + sum)
		return 0;
	if (way->cipher != NULL && (way->gcm ? open_gcm(quick, len, err) : open_ctr(quick, len, err)) < 0)
		return -1;
	size_t pad = (unsigned char)quick->in.p[LENGTH];
	if (pad < PAD_LEAST || pad + 1 >= len)
		return quick_broken(quick, err, "a packet of padding");
	str_clear(payload);
	str_add(payload, quick->in.p + LENGTH + 1, len - 1 - pad);
	str_cut(&quick->in, LENGTH + len + sum);
	quick->has_head = false;
	way->number++;
	way->bytes += LENGTH + len + sum;
	return 1;
}
