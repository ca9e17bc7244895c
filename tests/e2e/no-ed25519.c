/* no-ed25519 - preloaded by tests/e2e/41-pair.sh: a libssh2 that knows no ed25519, as that of mbedTLS. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

int libssh2_session_supported_algs(void *session, int method, const char ***names);

int
libssh2_session_supported_algs(void *session, int method, const char ***names)
{
	int (*real)(void *, int, const char ***) = (int (*)(void *, int, const char ***))
	    dlsym(RTLD_NEXT, "libssh2_session_supported_algs");
	int count = real(session, method, names), left = 0;

	for (int i = 0; i < count; i++)
		if (strcmp((*names)[i], "ssh-ed25519") != 0)
			(*names)[left++] = (*names)[i];
	return left;
}
