/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's file, exchanged under it. See protect_swap.h. A second execve would do the same, but
 * it runs the dynamic loader and the C library's start twice; their CPUID instructions alone trap some
 * sixty times into a hypervisor, if there is one, and were a tenth of the time of a whole `run`.
 *
 * The kernel exchanges /proc/self/exe only when nothing is mapped from the old file any more. So the
 * code is mapped from the new one, which has the same pages, and what was written to since the start
 * becomes anonymous memory. Nothing moves, and each range changes in one call.
 */
#include "runtime/protect_swap.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/prctl.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "common/io.h"
#include "common/str.h"
#include "common/sys.h"

struct swap {
	int fd, r;
	uintptr_t page;
	uintptr_t relro, relro_end; /* what the loader made read-only after its work */
};

/* The whole pages of a range. */
struct range {
	uintptr_t start, end;
};

static struct range range_of(const struct swap *s, uintptr_t start, size_t n)
{
	return (struct range){ start & ~(s->page - 1), (start + n + s->page - 1) & ~(s->page - 1) };
}

/* Not memcpy: the checked builds know which bytes of it lie between two objects. */
__attribute__((no_sanitize("address", "undefined"))) static void
copy_pages(volatile uintptr_t *to, uintptr_t from, size_t n)
{
	const volatile uintptr_t *words = (const volatile uintptr_t *)from;

	for (size_t i = 0; i < n / sizeof(*words); i++)
		to[i] = words[i];
}

static int make_anonymous(struct range range, int prot)
{
	size_t n = range.end - range.start;
	void *copy;

	if (!n)
		return 0;
	copy = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copy == MAP_FAILED)
		return -errno;
	copy_pages(copy, range.start, n);
	/* From the copy to the move nothing may be written there: these are plain calls. */
	if (mprotect(copy, n, prot) == 0 &&
	    mremap(copy, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)range.start) != MAP_FAILED)
		return 0;
	return -errno;
}

static int swap_data(const struct swap *s, struct range range)
{
	uintptr_t split = range.start;
	int r = 0;

	if (s->relro_end > range.start && s->relro < range.end)
		split = MIN(s->relro_end, range.end);
	r = make_anonymous((struct range){ range.start, split }, PROT_READ);
	return r < 0 ? r
		     : make_anonymous((struct range){ split, range.end }, PROT_READ | PROT_WRITE);
}

static int swap_segment(const struct swap *s, uintptr_t base, const ElfW(Phdr) * p)
{
	struct range range = range_of(s, base + p->p_vaddr, p->p_filesz);
	int prot = PROT_READ | (p->p_flags & PF_X ? PROT_EXEC : 0);

	if (p->p_flags & PF_W)
		return p->p_flags & PF_X ? -ENOTSUP : swap_data(s, range);
	if (mmap((void *)range.start, range.end - range.start, prot, MAP_PRIVATE | MAP_FIXED, s->fd,
		 (off_t)(p->p_offset & ~(s->page - 1))) == MAP_FAILED)
		return -errno;
	return 0;
}

/* /proc/self/exe may be the loader or an emulator, which the program was given to as an argument. The
 * first bytes have the headers and the build's own id. */
static bool is_mapped_file(const struct swap *s, const struct dl_phdr_info *info)
{
	char head[4096];

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		size_t n = MIN((size_t)p->p_filesz, sizeof(head));

		if (p->p_type != PT_LOAD || p->p_offset != 0)
			continue;
		return pread(s->fd, head, n, 0) == (ssize_t)n &&
		       memcmp(head, (const void *)(info->dlpi_addr + p->p_vaddr), n) == 0;
	}
	return false;
}

static int swap_program(struct dl_phdr_info *info, size_t size UNUSED, void *arg)
{
	struct swap *s = arg;

	if (!is_mapped_file(s, info))
		s->r = -EXDEV;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type != PT_GNU_RELRO)
			continue;
		s->relro = info->dlpi_addr + p->p_vaddr;
		s->relro_end = (s->relro + p->p_memsz) & ~(s->page - 1);
	}
	for (int i = 0; i < info->dlpi_phnum && s->r >= 0; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD)
			s->r = swap_segment(s, info->dlpi_addr, &info->dlpi_phdr[i]);
	return 1; /* the program is the first object; no other one is asked for */
}

/* The call sets all of these together: they stay what they are. */
static int read_map(struct prctl_mm_map *map)
{
	static const struct {
		int field;
		size_t offset;
	} fields[] = {
		{ 26, offsetof(struct prctl_mm_map, start_code) },
		{ 27, offsetof(struct prctl_mm_map, end_code) },
		{ 28, offsetof(struct prctl_mm_map, start_stack) },
		{ 45, offsetof(struct prctl_mm_map, start_data) },
		{ 46, offsetof(struct prctl_mm_map, end_data) },
		{ 47, offsetof(struct prctl_mm_map, start_brk) },
		{ 48, offsetof(struct prctl_mm_map, arg_start) },
		{ 49, offsetof(struct prctl_mm_map, arg_end) },
		{ 50, offsetof(struct prctl_mm_map, env_start) },
		{ 51, offsetof(struct prctl_mm_map, env_end) },
	};
	char buf[2048], *at;
	int field = 2, r = io_read_small(AT_FDCWD, "/proc/self/stat", buf, sizeof(buf));

	if (r < 0)
		return r;
	at = strrchr(buf, ')'); /* the name before it may hold anything */
	for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
		uint64_t value = 0;

		for (; at && field < fields[i].field; field++)
			at = strchr(at + 1, ' ');
		if (!at)
			return -EBADMSG;
		for (const char *c = at + 1; *c >= '0' && *c <= '9'; c++)
			value = value * 10 + (uint64_t)(*c - '0');
		memcpy((char *)map + fields[i].offset, &value, sizeof(value));
	}
	map->brk = (uint64_t)(uintptr_t)sbrk(0);
	return 0;
}

int protect_swap(int fd)
{
	struct prctl_mm_map map = { .exe_fd = (uint32_t)fd };
	struct swap s = { .fd = fd, .page = (uintptr_t)getauxval(AT_PAGESZ) };
	int r = read_map(&map);

	if (r < 0)
		return r;
	dl_iterate_phdr(swap_program, &s);
	if (s.r < 0)
		return s.r;
	/* Needs CONFIG_CHECKPOINT_RESTORE, and the capability of that name or its elder. */
	return sys_set_mm_map(&map, sizeof(map));
}
