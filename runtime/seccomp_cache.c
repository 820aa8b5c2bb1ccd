/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled programs on disk (tmpfs, below the state root): one file a profile, named by a hash of
 * the source, holding the whole source and the program. A hash proves nothing, so the source is
 * compared byte by byte; a check sum over all of it tells a torn or damaged file. The directory is
 * the runtime's alone (0700); a file of another owner, or that others may write, is not read.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "runtime/seccomp_internal.h"

/* Changed whenever seccomp.c or seccomp_front.c makes another program of the same profile. */
#define COMPILER_VERSION 1
#define CACHE_MAGIC 0x32706d6365736874ULL
#define CACHE_FILE_MAX (4u << 20)

struct cache_header {
	uint64_t magic;
	uint64_t sum; /* of everything behind it */
	uint32_t source_len, n_instructions;
};

static void add_u32(struct str *out, uint32_t v)
{
	str_add_n(out, (const char *)&v, sizeof(v));
}

static void add_u64(struct str *out, uint64_t v)
{
	str_add_n(out, (const char *)&v, sizeof(v));
}

static void add_text(struct str *out, const char *text)
{
	size_t n = strlen(text);

	/* With its length: no text can be taken for the beginning of another. */
	add_u32(out, (uint32_t)n);
	str_add_n(out, text, n);
}

static void add_texts(struct str *out, const struct spec_strings *texts)
{
	add_u32(out, (uint32_t)texts->n);
	for (size_t i = 0; i < texts->n; i++)
		add_text(out, texts->v[i]);
}

void seccomp_source(const struct spec_seccomp *spec, struct str *out)
{
	const struct scmp_version *version = seccomp_version();

	add_u32(out, COMPILER_VERSION);
	add_u32(out, version->major << 16 | version->minor << 8 | version->micro);
	add_u32(out, seccomp_arch_native());
	add_text(out, spec->default_action);
	add_u32(out, spec->has_default_errno_ret);
	add_u32(out, spec->default_errno_ret);
	add_texts(out, &spec->architectures);
	add_u32(out, (uint32_t)spec->n_rules);
	for (size_t i = 0; i < spec->n_rules; i++) {
		const struct spec_seccomp_rule *rule = &spec->rules[i];

		add_text(out, rule->action);
		add_u32(out, rule->has_errno_ret);
		add_u32(out, rule->errno_ret);
		add_u32(out, (uint32_t)rule->n_args);
		for (size_t k = 0; k < rule->n_args; k++) {
			add_u32(out, rule->args[k].index);
			add_u64(out, rule->args[k].value);
			add_u64(out, rule->args[k].value_two);
			add_text(out, rule->args[k].op);
		}
		add_texts(out, &rule->names);
	}
}

/* Not for secrets: names files and finds accidents. */
static uint64_t sum64(uint64_t h, const void *data, size_t n)
{
	const unsigned char *p = data;

	for (; n >= 8; p += 8, n -= 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
		h ^= h >> 32;
	}
	for (; n; p++, n--)
		h = (h ^ *p) * 0x100000001b3ULL;
	return h ^ h >> 29;
}

static void cache_name(const struct str *source, char *buf, size_t size)
{
	snprintf(buf, size, "%016llx",
		 (unsigned long long)sum64(CACHE_MAGIC, source->data, source->len));
}

static bool is_trusted(int fd, mode_t type)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() &&
	       !(st.st_mode & 077);
}

/* The directory's descriptor, or -errno; made if `make`. */
static int open_cache(const char *dir, bool make)
{
	int fd = fd_open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd == -ENOENT && make) {
		char parent[4096];
		int n = snprintf(parent, sizeof(parent), "%.*s",
				 (int)(strrchr(dir, '/') ? strrchr(dir, '/') - dir : 0), dir);

		if (n <= 0 || (size_t)n >= sizeof(parent))
			return -ENAMETOOLONG;
		if ((mkdir(parent, 0700) < 0 && errno != EEXIST) ||
		    (mkdir(dir, 0700) < 0 && errno != EEXIST))
			return -errno;
		fd = fd_open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	}
	if (fd >= 0 && !is_trusted(fd, S_IFDIR)) {
		fd_close(fd);
		return -EPERM;
	}
	return fd;
}

static uint64_t content_sum(const struct cache_header *header, const void *source,
			    const void *filter)
{
	uint64_t h = sum64(header->source_len, source, header->source_len);

	return sum64(h, filter, (size_t)header->n_instructions * sizeof(struct sock_filter));
}

static int check_content(const char *data, size_t n, const struct str *source,
			 struct seccomp_program *ret)
{
	struct cache_header header;
	const char *filter;

	if (n < sizeof(header))
		return -EBADMSG;
	memcpy(&header, data, sizeof(header));
	if (header.magic != CACHE_MAGIC || header.n_instructions == 0 ||
	    header.n_instructions > BPF_MAXINSNS ||
	    n != sizeof(header) + header.source_len +
			    (size_t)header.n_instructions * sizeof(struct sock_filter))
		return -EBADMSG;
	filter = data + sizeof(header) + header.source_len;
	if (header.sum != content_sum(&header, data + sizeof(header), filter))
		return -EBADMSG;
	if (header.source_len != source->len ||
	    memcmp(data + sizeof(header), source->data, source->len) != 0)
		return -ESTALE;
	ret->n = header.n_instructions;
	ret->filter = (void *)filter;
	return 0;
}

int seccomp_cache_load(struct arena *arena, const char *dir, const struct str *source,
		       struct seccomp_program *ret)
{
	struct seccomp_program found = { 0 };
	CLEANUP_FD int dir_fd = open_cache(dir, false);
	CLEANUP_FD int fd = -EBADF;
	char name[32], *data;
	size_t n;
	int r;

	if (dir_fd < 0)
		return dir_fd;
	cache_name(source, name, sizeof(name));
	fd = fd_openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	if (!is_trusted(fd, S_IFREG))
		return -EPERM;
	r = io_read_fd(fd, CACHE_FILE_MAX, arena, &data, &n);
	if (r >= 0)
		r = check_content(data, n, source, &found);
	if (r < 0) {
		log_debug("seccomp cache \"%s/%s\" is not used: %s", dir, name, err_strerror(-r));
		return r;
	}
	/* The instructions lie behind a source of any length: give them their alignment. */
	ret->n = found.n;
	ret->filter = ARENA_ARRAY(arena, found.n, struct sock_filter);
	memcpy(ret->filter, found.filter, found.n * sizeof(struct sock_filter));
	return 0;
}

/* Removes the oldest files until at most SECCOMP_CACHE_FILES are left, and what crashes left. */
static void prune(int dir_fd)
{
	for (;;) {
		int copy = fd_openat(dir_fd, ".", O_RDONLY | O_DIRECTORY, 0);
		DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
		const struct dirent *e;
		struct timespec oldest_time = { 0 };
		char oldest[256] = "";
		size_t n = 0;

		if (!d) {
			fd_close(copy);
			return;
		}
		while ((e = readdir(d))) {
			struct stat st;

			if (e->d_name[0] == '.' ||
			    fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
				continue;
			n++;
			if (!*oldest || st.st_mtim.tv_sec < oldest_time.tv_sec ||
			    (st.st_mtim.tv_sec == oldest_time.tv_sec &&
			     st.st_mtim.tv_nsec < oldest_time.tv_nsec)) {
				oldest_time = st.st_mtim;
				snprintf(oldest, sizeof(oldest), "%s", e->d_name);
			}
		}
		closedir(d);
		if (n <= SECCOMP_CACHE_FILES || unlinkat(dir_fd, oldest, 0) < 0)
			return;
	}
}

void seccomp_cache_store(const char *dir, const struct str *source,
			 const struct seccomp_program *program)
{
	struct cache_header header = {
		.magic = CACHE_MAGIC,
		.source_len = (uint32_t)source->len,
		.n_instructions = (uint32_t)program->n,
	};
	CLEANUP_STR struct str content = { 0 };
	CLEANUP_FD int dir_fd = open_cache(dir, true);
	char name[32];
	int r = dir_fd;

	if (dir_fd >= 0) {
		header.sum = content_sum(&header, source->data, program->filter);
		str_add_n(&content, (const char *)&header, sizeof(header));
		str_add_n(&content, source->data, source->len);
		str_add_n(&content, program->filter, program->n * sizeof(struct sock_filter));
		cache_name(source, name, sizeof(name));
		r = io_replace_file(dir_fd, name, content.data, content.len, 0600);
	}
	if (r < 0) {
		log_debug("seccomp cache \"%s\" is not written: %s", dir, err_strerror(-r));
		return;
	}
	prune(dir_fd);
}
