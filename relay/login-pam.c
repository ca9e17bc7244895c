/*
 * login pam: the host's own way to know its users, by the service of that name in /etc/pam.d, or in
 * the folder that is named with it.
 */
#include "relay/login.h"

#ifdef HAVE_LIBPAM

#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>

struct saying {
	char *user, *pass;
};

/* Every question that shows nothing is one for the password. */
static int
converse(int count, const struct pam_message **messages, struct pam_response **responses, void *ctx)
{
	const struct saying *saying = ctx;
	struct pam_response *list = calloc((size_t)count, sizeof *list);

	if (list == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < count; i++) {
		if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
			list[i].resp = strdup(saying->pass);
		else if (messages[i]->msg_style == PAM_PROMPT_ECHO_ON)
			list[i].resp = strdup(saying->user);
	}
	*responses = list;
	return PAM_SUCCESS;
}

/* Who has no rights to look says so, and that is no wrong password. */
static int
verdict(int status, struct err *err)
{
	switch (status) {
	case PAM_SUCCESS: return 1;
	case PAM_AUTH_ERR: case PAM_USER_UNKNOWN: case PAM_MAXTRIES: case PAM_ACCT_EXPIRED: case PAM_PERM_DENIED:
	case PAM_NEW_AUTHTOK_REQD: return 0;
	default: return err_set(err, ERR_TEMP, "pam: %s", pam_strerror(NULL, status));
	}
}

static int
begin(const char *service, const char *user, const struct pam_conv *conversation, pam_handle_t **pam)
{
	const char *slash = strrchr(service, '/');

	if (slash == NULL)
		return pam_start(service, user, conversation, pam);
	char *folder = mem_text_n(service, (size_t)(slash - service));
	int status = pam_start_confdir(slash + 1, user, conversation, folder, pam);
	free(folder);
	return status;
}

static int
pam_check(const char *rest, const struct login *who, struct str *mailbox, struct err *err)
{
	struct saying saying = { mem_text_n(who->user.p, who->user.len), mem_text_n(who->pass.p, who->pass.len) };
	const struct pam_conv conversation = { converse, &saying };
	char *client = mem_text_n(who->client.p, who->client.len);
	pam_handle_t *pam = NULL;
	int status = PAM_AUTH_ERR;

	(void)mailbox;
	if (!who->token && saying.user[0] != '\0') {
		status = begin(rest, saying.user, &conversation, &pam);
		if (status == PAM_SUCCESS)
			pam_set_item(pam, PAM_RHOST, client);
		if (status == PAM_SUCCESS)
			status = pam_authenticate(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
		if (status == PAM_SUCCESS)
			status = pam_acct_mgmt(pam, PAM_SILENT);
		if (pam != NULL)
			pam_end(pam, status);
	}
	explicit_bzero(saying.pass, strlen(saying.pass));
	free(saying.user);
	free(saying.pass);
	free(client);
	return verdict(status, err);
}

#else

static int
pam_check(const char *rest, const struct login *who, struct str *mailbox, struct err *err)
{
	(void)rest, (void)who, (void)mailbox;
	return err_set(err, ERR_CONFIG, "pam: this was built without it");
}

#endif

const struct login_row login_pam = { .scheme = "pam:", .check = pam_check };
