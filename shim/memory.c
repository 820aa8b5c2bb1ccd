// SPDX-License-Identifier: Apache-2.0
// Stack and heap of a set-up that is over.
#include "shim/memory.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>

#include "common/log.h"
#include "common/macros.h"

#define SET_UP_STACK (128u << 10)
#define OWN_STACK 1024u /* of this file's functions and those they call */

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Code and constants that only the set-up has needed; what is needed again comes back from the page
 * cache. Nothing of ours is in there: what is written to has PF_W. */
static int drop_file_pages(struct dl_phdr_info *info, size_t size UNUSED, void *user UNUSED)
{
	size_t page = page_size();

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + h->p_vaddr, to = from + h->p_memsz;

		from &= ~(page - 1);
		to = (to + page - 1) & ~(page - 1);
		if (h->p_type != PT_LOAD || h->p_flags & PF_W)
			continue;
		if (madvise((void *)from, to - from, MADV_DONTNEED) < 0)
			log_debug("code of the set-up stays");
	}
	return 0;
}

void memory_give_back(void)
{
	size_t page = page_size();
	uintptr_t here = ((uintptr_t)__builtin_frame_address(0) - OWN_STACK) & ~(page - 1);

	/* Below this frame and those of the calls: nothing lives there. */
	if (madvise((void *)(here - SET_UP_STACK), SET_UP_STACK, MADV_DONTNEED) < 0)
		log_debug("the stack of the set-up stays");
#ifdef __GLIBC__
	malloc_trim(0);
#endif
	dl_iterate_phdr(drop_file_pages, NULL);
}
