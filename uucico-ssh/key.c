#include "uucico-ssh/key.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/closed.h"
#include "lib/base/digest.h"
#include "lib/base/fs.h"

enum { KEY_MAX = 65536, LINE = 70, SEED = 32, BLOCK = 8, POINT = 65 };

static const char begins[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
static const char ends[] = "-----END OPENSSH PRIVATE KEY-----\n";
static const char magic[] = "openssh-key-v1";

/* --- bytes as ssh packs them --- */

static void
add_number(struct str *out, uint32_t number)
{
	const unsigned char bytes[4] = { (unsigned char)(number >> 24), (unsigned char)(number >> 16),
		(unsigned char)(number >> 8), (unsigned char)number };
	str_add(out, bytes, sizeof bytes);
}

static void
add_bytes(struct str *out, struct span bytes)
{
	add_number(out, (uint32_t)bytes.len);
	str_add_span(out, bytes);
}

static int
take_bytes(struct span *rest, struct span *bytes)
{
	if (rest->len < 4)
		return -1;
	size_t len = (size_t)bytes_number(rest->p, 4);
	if (len > rest->len - 4)
		return -1;
	*bytes = span_to(span_from(*rest, 4), len);
	*rest = span_from(*rest, 4 + len);
	return 0;
}

void
key_base64(struct span bytes, struct str *out)
{
	size_t size = 4 * ((bytes.len + 2) / 3);
	char *room = str_room(out, size + 1);

	out->len += (size_t)EVP_EncodeBlock((unsigned char *)room, (const unsigned char *)bytes.p,
	    (int)bytes.len);
}

/* Blanks and line ends in between do not matter. */
static int
from_base64(struct span text, struct str *out)
{
	struct str packed = {0};
	size_t padding = 0;

	str_room(&packed, text.len);	/* it grows no more, so that no piece of a secret is left behind */
	for (size_t i = 0; i < text.len; i++) {
		if (strchr(" \t\r\n", text.p[i]) != NULL)
			continue;
		padding += text.p[i] == '=';
		str_add_char(&packed, text.p[i]);
	}
	char *room = str_room(out, packed.len);
	int len = packed.len == 0 || packed.len > KEY_MAX ? -1 : EVP_DecodeBlock((unsigned char *)room,
	    (const unsigned char *)packed.p, (int)packed.len);
	closed_forget(&packed);
	if (len < 0 || padding > 2)
		return -1;
	out->len += (size_t)len - padding;
	return 0;
}

int
key_type(struct span blob, struct span *type)
{
	if (take_bytes(&blob, type) < 0 || type->len == 0 || type->len > 60)
		return -1;
	for (size_t i = 0; i < type->len; i++)
		if (type->p[i] <= ' ' || type->p[i] > '~')
			return -1;
	return 0;
}

void
key_fingerprint(struct span blob, struct str *out)
{
	unsigned char sum[DIGEST_SIZE];

	digest_of(blob.p, blob.len, sum);
	str_add_text(out, "SHA256:");
	key_base64((struct span){ (const char *)sum, sizeof sum }, out);
	while (out->p[out->len - 1] == '=')
		out->len--;
}

/* --- reading --- */

static int
unusable(const char *path, const char *why, struct err *err)
{
	return err_set(err, ERR_CONFIG, "key %s: %s; make an ed25519 key (uucico-ssh --new-key)", path, why);
}

static int
locked(const char *path, struct err *err)
{
	return err_set(err, ERR_CONFIG, "key %s: it has a passphrase, and nobody is here to type it; say "
	    "\"passphrase = FILE\", or load it into ssh-agent and leave \"key\" empty", path);
}

/* What stands behind the line that begins it, up to the one that ends it. */
static struct span
openssh_body(struct span rest)
{
	const char *end = rest.len > 0 ? memchr(rest.p, '-', rest.len) : NULL;

	return span_to(rest, end != NULL ? (size_t)(end - rest.p) : rest.len);
}

/* What a file in OpenSSH's own format says about itself before its secret. */
static int
check_openssh(struct span body, const char *path, bool opened, struct err *err)
{
	struct str bytes = {0};
	struct span rest, cipher, kdf, options, blob, type;
	int result = 0;

	if (from_base64(body, &bytes) < 0 || bytes.len < sizeof magic + 4 ||
	    memcmp(bytes.p, magic, sizeof magic) != 0) {
		closed_forget(&bytes);
		return err_set(err, ERR_CONFIG, "key %s: it is damaged", path);
	}
	rest = span_from(str_span(&bytes), sizeof magic);
	if (take_bytes(&rest, &cipher) < 0 || take_bytes(&rest, &kdf) < 0 ||
	    take_bytes(&rest, &options) < 0 || rest.len < 4)
		result = err_set(err, ERR_CONFIG, "key %s: it is damaged", path);
	else if (!opened && !span_is(cipher, "none"))
		result = locked(path, err);
	rest = result == 0 ? span_from(rest, 4) : rest;
	if (result == 0 && take_bytes(&rest, &blob) == 0 && key_type(blob, &type) == 0 &&
	    span_begins(type, "ssh-rsa"))
		result = unusable(path, "RSA would need SHA-1 with this libssh2, which servers refuse", err);
	closed_forget(&bytes);
	return result;
}

static int
check_text(struct span text, const char *path, bool opened, struct err *err)
{
	struct span first, rest = text, line;
	bool encrypted = false;

	span_cut(&rest, '\n', &first);
	if (span_begins(first, "-----BEGIN OPENSSH PRIVATE KEY-----"))
		return check_openssh(openssh_body(rest), path, opened, err);
	if (span_begins(first, "-----BEGIN RSA") || span_begins(first, "-----BEGIN DSA"))
		return unusable(path, "RSA and DSA keys cannot be used", err);
	if (!span_begins(first, "-----BEGIN "))
		return err_set(err, ERR_CONFIG, "key %s: it is no private key", path);
	while (span_cut(&rest, '\n', &line))
		encrypted = encrypted || span_begins(line, "Proc-Type: 4,ENCRYPTED");
	if (!opened && (encrypted || span_begins(first, "-----BEGIN ENCRYPTED")))
		return locked(path, err);
	return 0;
}

int
key_load(const char *path, bool opened, struct str *text, struct err *err)
{
	int result = closed_load(path, "key", KEY_MAX, text, err);

	if (result == 0 && (result = check_text(str_span(text), path, opened, err)) < 0)
		closed_forget(text);
	return result;
}

/* One key, of no cipher: public, then two check numbers, type, public, seed and public. */
static int
halves(struct span rest, unsigned char *seed, unsigned char *public)
{
	struct span cipher, kdf, options, blob, secret, type, point, both;

	if (rest.len < sizeof magic || memcmp(rest.p, magic, sizeof magic) != 0)
		return -1;
	rest = span_from(rest, sizeof magic);
	if (take_bytes(&rest, &cipher) < 0 || !span_is(cipher, "none") || take_bytes(&rest, &kdf) < 0 ||
	    take_bytes(&rest, &options) < 0 || rest.len < 4)
		return -1;
	rest = span_from(rest, 4);
	if (take_bytes(&rest, &blob) < 0 || take_bytes(&rest, &secret) < 0 || secret.len < 8 || memcmp(secret.p, secret.p + 4, 4) != 0)
		return -1;
	secret = span_from(secret, 8);
	if (take_bytes(&secret, &type) < 0 || !span_is(type, "ssh-ed25519") || take_bytes(&secret, &point) < 0 ||
	    point.len != KEY_HALF || take_bytes(&secret, &both) < 0 || both.len != 2 * KEY_HALF ||
	    memcmp(both.p + KEY_HALF, point.p, KEY_HALF) != 0)
		return -1;
	memcpy(seed, both.p, KEY_HALF);
	memcpy(public, point.p, KEY_HALF);
	return 0;
}

int
key_halves(struct span text, unsigned char seed[KEY_HALF], unsigned char public[KEY_HALF])
{
	struct str bytes = {0};
	struct span rest = text, first = {0};

	span_cut(&rest, '\n', &first);
	int result = !span_begins(first, "-----BEGIN OPENSSH PRIVATE KEY-----") || from_base64(openssh_body(rest), &bytes) < 0 ? -1 :
	    halves(str_span(&bytes), seed, public);

	closed_forget(&bytes);
	return result;
}

int
key_read_public(const char *path, struct str *blob, struct err *err)
{
	struct str text = {0};
	struct span rest, type, body, said;

	if (fs_load(AT_FDCWD, path, KEY_MAX, &text, err) < 0)
		return -1;
	rest = str_span(&text);
	type = span_word(&rest);
	body = span_word(&rest);
	bool good = from_base64(span_trim(body), blob) == 0 && key_type(str_span(blob), &said) == 0 &&
	    span_same(type, said);
	str_free(&text);
	return good ? 0 : err_set(err, ERR_CONFIG, "%s: it is no public key (TYPE BASE64 COMMENT)", path);
}

/* --- making --- */

struct pair_bytes {
	unsigned char seed[SEED], public[SEED];
};

static int
generate(struct pair_bytes *pair, struct err *err)
{
	size_t seed = SEED, public = SEED;
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, NULL);
	EVP_PKEY *key = NULL;
	bool good = context != NULL && EVP_PKEY_keygen_init(context) == 1 &&
	    EVP_PKEY_keygen(context, &key) == 1 &&
	    EVP_PKEY_get_raw_private_key(key, pair->seed, &seed) == 1 &&
	    EVP_PKEY_get_raw_public_key(key, pair->public, &public) == 1;

	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(context);
	return good ? 0 : err_set(err, ERR_TEMP, "OpenSSL makes no ed25519 key");
}

static void
public_blob(const struct pair_bytes *pair, struct str *out)
{
	add_bytes(out, SPAN("ssh-ed25519"));
	add_bytes(out, (struct span){ (const char *)pair->public, SEED });
}

/* OpenSSH's PROTOCOL.key: two equal check numbers, the key, a comment, 1 2 3 ... up to
 * a whole block. */
static void
secret_part(const struct pair_bytes *pair, const char *comment, struct str *out)
{
	struct str both = {0};
	uint32_t check;

	random_bytes(&check, sizeof check);
	add_number(out, check);
	add_number(out, check);
	public_blob(pair, out);
	str_add(&both, pair->seed, SEED);
	str_add(&both, pair->public, SEED);
	add_bytes(out, str_span(&both));
	closed_forget(&both);
	add_bytes(out, span_of(comment));
	for (char next = 1; out->len % BLOCK != 0; next++)
		str_add_char(out, next);
}

static void
private_file(const struct pair_bytes *pair, const char *comment, struct str *out)
{
	struct str bytes = {0}, blob = {0}, secret = {0}, text = {0};

	str_add(&bytes, magic, sizeof magic);
	add_bytes(&bytes, SPAN("none"));	/* cipher, key derivation and its options */
	add_bytes(&bytes, SPAN("none"));
	add_bytes(&bytes, SPAN(""));
	add_number(&bytes, 1);
	public_blob(pair, &blob);
	add_bytes(&bytes, str_span(&blob));
	secret_part(pair, comment, &secret);
	add_bytes(&bytes, str_span(&secret));
	key_base64(str_span(&bytes), &text);
	str_add_text(out, begins);
	for (struct span rest = str_span(&text); rest.len > 0;) {
		size_t len = rest.len < LINE ? rest.len : LINE;
		str_add_span(out, span_to(rest, len));
		str_add_char(out, '\n');
		rest = span_from(rest, len);
	}
	str_add_text(out, ends);
	str_free(&blob);
	closed_forget(&bytes);
	closed_forget(&secret);
	closed_forget(&text);
}

static void
public_line(struct span blob, const char *comment, struct str *out)
{
	struct span type = {0};

	key_type(blob, &type);
	str_add_span(out, type);
	str_add_char(out, ' ');
	key_base64(blob, out);
	str_printf(out, " %s\n", comment);
}

static int
make_ed25519(const char *comment, struct str *secret, struct str *blob, struct err *err)
{
	struct pair_bytes pair;
	int result = generate(&pair, err);

	if (result == 0) {
		private_file(&pair, comment, secret);
		public_blob(&pair, blob);
	}
	OPENSSL_cleanse(&pair, sizeof pair);
	return result;
}

/* --- ECDSA (RFC 5656), for a libssh2 whose cryptography knows no ed25519 --- */

static EVP_PKEY *
generate_p256(void)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY *key = NULL;

	if (context == NULL || EVP_PKEY_keygen_init(context) != 1 ||
	    EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) != 1 ||
	    EVP_PKEY_keygen(context, &key) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(context);
	return key;
}

/* What stands last in a SubjectPublicKeyInfo of this curve is the point, uncompressed. */
static int
ecdsa_blob(EVP_PKEY *key, struct str *blob)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	bool good = len > POINT && der[len - POINT] == 4;

	if (good) {
		add_bytes(blob, SPAN("ecdsa-sha2-nistp256"));
		add_bytes(blob, SPAN("nistp256"));
		add_bytes(blob, (struct span){ (const char *)der + len - POINT, POINT });
	}
	OPENSSL_free(der);
	return good ? 0 : -1;
}

static int
make_ecdsa(struct str *secret, struct str *blob, struct err *err)
{
	EVP_PKEY *key = generate_p256();
	BIO *bio = BIO_new(BIO_s_secmem());
	char *text = NULL;
	long len = 0;
	bool good = key != NULL && bio != NULL && ecdsa_blob(key, blob) == 0 &&
	    PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL) == 1;

	if (good && (len = BIO_get_mem_data(bio, &text)) > 0)
		str_add(secret, text, (size_t)len);
	EVP_PKEY_free(key);
	BIO_free(bio);
	return good && len > 0 ? 0 : err_set(err, ERR_TEMP, "OpenSSL makes no ecdsa key");
}

static int
write_file(const char *path, struct span bytes, mode_t mode, struct err *err)
{
	int fd = fs_create(AT_FDCWD, path, mode, err);

	if (fd < 0)
		return -1;
	int result = fs_write(fd, bytes.p, bytes.len, err) < 0 || fs_sync(fd, err) < 0 ? -1 : 0;
	close(fd);
	if (result < 0)
		unlink(path);
	return result;
}

int
key_make(const char *path, enum key_kind kind, const char *comment, struct err *err)
{
	struct str secret = {0}, blob = {0}, public = {0}, public_path = {0};
	int result = kind == KEY_ED25519 ? make_ed25519(comment, &secret, &blob, err) : make_ecdsa(&secret, &blob, err);

	str_printf(&public_path, "%s.pub", path);
	if (result == 0) {
		public_line(str_span(&blob), comment, &public);
		result = write_file(path, str_span(&secret), 0600, err);
	}
	if (result == 0)
		result = write_file(str_c(&public_path), str_span(&public), 0644, err);
	closed_forget(&secret);
	str_free(&blob);
	str_free(&public);
	str_free(&public_path);
	return result < 0 ? err_prefix(err, "new key") : 0;
}
