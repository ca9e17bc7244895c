#include "lib/base/slim.h"

#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Has the loader written into what stands there as not to be written? */
static bool
is_written(const struct dl_phdr_info *object, const ElfW(Phdr) *segment)
{
	const ElfW(Dyn) *word = (const ElfW(Dyn) *)(object->dlpi_addr + segment->p_vaddr);

	for (; word->d_tag != DT_NULL; word++)
		if (word->d_tag == DT_TEXTREL || (word->d_tag == DT_FLAGS && (word->d_un.d_val & DF_TEXTREL) != 0))
			return true;
	return false;
}

static int
let_go(struct dl_phdr_info *object, size_t size, void *ctx)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)ctx;
	for (ElfW(Half) i = 0; i < object->dlpi_phnum; i++)
		if (object->dlpi_phdr[i].p_type == PT_DYNAMIC && is_written(object, &object->dlpi_phdr[i]))
			return 0;
	for (ElfW(Half) i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0)
			continue;
		uintptr_t from = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
		uintptr_t to = object->dlpi_addr + segment->p_vaddr + segment->p_filesz;
		madvise((void *)from, to - from, MADV_DONTNEED);	/* it only costs memory */
	}
	return 0;
}

void
slim_down(void)
{
	dl_iterate_phdr(let_go, NULL);
}
