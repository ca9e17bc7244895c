#include "relay/login.h"

#include <string.h>

const struct login_row *const login_rows[] = { &login_file, &login_command, &login_dovecot,
	&login_checkpassword, &login_emailrelay, &login_pam, NULL };

const struct login_row *
login_row_of(const char *source, const char **rest)
{
	for (size_t i = 0; login_rows[i] != NULL; i++) {
		size_t len = strlen(login_rows[i]->scheme);
		if (strncmp(source, login_rows[i]->scheme, len) != 0 || source[len] == '\0')
			continue;
		*rest = source + len;
		return login_rows[i];
	}
	return NULL;
}
