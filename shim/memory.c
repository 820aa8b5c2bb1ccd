// SPDX-License-Identifier: Apache-2.0
// Stack and heap of a set-up that is over.
#include "shim/memory.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>

#include "common/log.h"
#include "common/macros.h"

#define SET_UP_STACK (128u << 10)

void memory_give_back(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t here = (uintptr_t)__builtin_frame_address(0) & ~(page - 1);

	/* Below this frame, and a page apart from it: nothing lives there. */
	if (madvise((void *)(here - SET_UP_STACK), SET_UP_STACK - page, MADV_DONTNEED) < 0)
		log_debug("the stack of the set-up stays");
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}
