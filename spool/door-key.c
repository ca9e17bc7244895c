#include "spool/door.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <openssl/evp.h>

enum { KEY_MAX = 4096 };	/* base64 of one key; the longest of ours has 200 */

static const char *const types[] = {
	"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
	"rsa-sha2-256", "rsa-sha2-512", "ssh-rsa", NULL,
};

static bool
known_type(struct span type)
{
	for (size_t i = 0; types[i] != NULL; i++)
		if (span_is(type, types[i]))
			return true;
	return false;
}

/* The bytes behind the base64; -1: it is not such text. */
static int
decode(struct span base64, unsigned char out[KEY_MAX])
{
	size_t padding = 0;

	if (base64.len == 0 || base64.len > KEY_MAX || base64.len % 4 != 0)
		return -1;
	while (padding < 2 && base64.p[base64.len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < base64.len - padding; i++) {
		char c = base64.p[i];
		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    c == '+' || c == '/'))
			return -1;
	}
	int len = EVP_DecodeBlock(out, (const unsigned char *)base64.p, (int)base64.len);
	return len < 0 ? -1 : len - (int)padding;
}

/* RFC 4253 6.6: the blob begins with its type as a string of 32-bit length. */
static bool
blob_is_of(const unsigned char *blob, int len, struct span type)
{
	if (len < 4 || blob[0] != 0 || blob[1] != 0 || blob[2] != 0)
		return false;
	struct span named = { (const char *)blob + 4, blob[3] };
	return (size_t)len > 4 + named.len && span_same(named, type);
}

int
door_key_parse(struct span line, struct door_key *key, struct err *err)
{
	unsigned char blob[KEY_MAX];

	key->type = span_word(&line);
	key->base64 = span_word(&line);
	int len = known_type(key->type) ? decode(key->base64, blob) : -1;
	if (len >= 0 && blob_is_of(blob, len, key->type))
		return 0;
	err_set(err, ERR_CONFIG, "this is no public key: want the one line of a .pub file, as "
	    "'ssh-ed25519 AAAA...'");
	return err_as(err, EX_DATAERR, NULL);
}

int
door_key_fingerprint(const struct door_key *key, struct str *out, struct err *err)
{
	unsigned char blob[KEY_MAX], sum[DIGEST_SIZE], text[48];
	int len = decode(key->base64, blob);

	if (len < 0)
		return err_set(err, ERR_CONFIG, "a key that is not base64");
	digest_of(blob, (size_t)len, sum);
	EVP_EncodeBlock(text, sum, sizeof sum);
	/* As ssh-keygen -l writes it: without the padding. */
	text[strcspn((char *)text, "=")] = '\0';
	str_printf(out, "SHA256:%s", text);
	return 0;
}

/* sshd gives the command to the account's shell: a path that is more than plain
 * stands in quotes, one that has quotes of its own is refused. */
static int
add_path(const char *path, struct str *out, struct err *err)
{
	size_t len = strlen(path);

	if (span_has_only(span_of(path), "/._+-@:,=")) {
		str_add_text(out, path);
		return 0;
	}
	for (size_t i = 0; i < len; i++)
		if (path[i] == '\'' || path[i] == '"' || path[i] == '\\' || (unsigned char)path[i] < ' ')
			return err_set(err, ERR_CONFIG, "the path %s cannot stand in authorized_keys", path);
	str_printf(out, "'%s'", path);
	return 0;
}

int
door_key_authorize(const struct door *door, const struct door_key *key, const char *peer,
    struct str *out, struct err *err)
{
	struct str program = {0};

	settings_program("uucico-ssh", &program);
	/* Else the shell, too, would keep the line open until all is done here behind the call. */
	str_add_text(out, "restrict,command=\"exec ");
	int result = add_path(str_c(&program), out, err);
	str_add_text(out, " -r0 --root=");
	if (result == 0)
		result = add_path(door->settings.root, out, err);
	str_printf(out, " --peer=%s\" ", peer);
	str_add_span(out, key->type);
	str_add_char(out, ' ');
	str_add_span(out, key->base64);
	str_printf(out, " mochila-%s", peer);
	str_free(&program);
	return result;
}
