/* slow-read - preloaded by tests/e2e/23-m.sh: a disk that takes 0.2 seconds for each 64 KiB. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t pread64(int fd, void *bytes, size_t len, off64_t at);

ssize_t
pread64(int fd, void *bytes, size_t len, off64_t at)
{
	static ssize_t (*real)(int, void *, size_t, off64_t);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "pread64");
	if (len == 65536)
		usleep(200000);
	return real(fd, bytes, len, at);
}
