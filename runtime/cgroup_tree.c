/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks of a cgroup and everything below it. A container can make sub-cgroups of its own, many and
 * deep, so nothing here recurses and no more than three descriptors are open at a time.
 */
#include "runtime/cgroup_backend.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/macros.h"
#include "common/str.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
#define BACKOFF_FIRST_US 200
#define BACKOFF_LAST_US 50000
/* Only somebody who makes cgroups as fast as they are removed gets here. */
#define REMOVE_ROUNDS_MAX 1000000

uint64_t cgroup_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

bool cgroup_backoff(unsigned int *step_us, uint64_t deadline_ms)
{
	uint64_t now = cgroup_now_ms(), us;
	struct timespec ts;

	if (now >= deadline_ms)
		return false;
	*step_us = *step_us ? MIN(*step_us * 2, (unsigned int)BACKOFF_LAST_US) : BACKOFF_FIRST_US;
	us = MIN((uint64_t)*step_us, (deadline_ms - now) * 1000);
	ts = (struct timespec){ .tv_sec = 0, .tv_nsec = (long)us * 1000 };
	nanosleep(&ts, NULL);
	return true;
}

static inline void cleanup_dir_p(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
#define CLEANUP_DIR CLEANUP(cleanup_dir_p)

/* A stream of its own over the directory; fd stays the caller's. */
static DIR *open_stream(int fd)
{
	int own = fd_openat(fd, ".", DIR_FLAGS, 0);
	DIR *dir;

	if (own < 0) {
		errno = -own;
		return NULL;
	}
	dir = fdopendir(own);
	if (!dir)
		fd_close(own);
	return dir;
}

/* Next sub-directory's name, NULL at the end (errno tells an error). */
static const char *next_subdir(DIR *dir)
{
	struct dirent *e;

	for (errno = 0; (e = readdir(dir)); errno = 0) {
		if (e->d_type == DT_DIR && !str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			return e->d_name;
	}
	return NULL;
}

/* The sub-directories of one level that are still to be visited: names with their NULs. */
struct level {
	char *names;
	size_t len, pos;
};

struct walk {
	struct level *v;
	size_t n, cap;
	int fd; /* the directory of the last level */
};

static void cleanup_walk_p(struct walk *w)
{
	while (w->n)
		free(w->v[--w->n].names);
	free(w->v);
	fd_close(w->fd);
}

static int read_names(int fd, struct level *level)
{
	CLEANUP_DIR DIR *dir = open_stream(fd);
	const char *name;
	size_t cap = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((name = next_subdir(dir))) {
		size_t n = strlen(name) + 1;

		if (level->len + n > cap) {
			char *names = realloc(level->names, cap * 2 + n + 256);

			if (!names)
				return -ENOMEM;
			level->names = names;
			cap = cap * 2 + n + 256;
		}
		memcpy(level->names + level->len, name, n);
		level->len += n;
	}
	return 0;
}

/* Takes fd, which becomes the walk's place. */
static int walk_enter(struct walk *w, int fd)
{
	fd_close(w->fd);
	w->fd = fd;
	if (w->n == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 8;
		struct level *v = reallocarray(w->v, cap, sizeof(*v));

		if (!v)
			return -ENOMEM;
		w->v = v;
		w->cap = cap;
	}
	w->v[w->n++] = (struct level){ 0 };
	return read_names(fd, &w->v[w->n - 1]);
}

static int walk_leave(struct walk *w)
{
	int up;

	free(w->v[--w->n].names);
	if (!w->n)
		return 0;
	up = fd_openat(w->fd, "..", DIR_FLAGS, 0);
	if (up < 0)
		return up;
	fd_close(w->fd);
	w->fd = up;
	return 0;
}

/* Calls visit for every directory of the tree, parents first; one that vanishes is passed over.
 * Paths are never put together: the container can nest deeper than PATH_MAX. */
static int tree_visit(const char *path, int (*visit)(int dirfd, void *user), void *user)
{
	CLEANUP(cleanup_walk_p) struct walk w = { .fd = -EBADF };
	int r, fd = fd_open(path, DIR_FLAGS, 0);

	if (fd < 0)
		return fd;
	r = walk_enter(&w, fd);
	if (r >= 0)
		r = visit(fd, user);
	while (r >= 0 && w.n) {
		struct level *top = &w.v[w.n - 1];
		const char *name = top->names + top->pos;

		if (top->pos == top->len) {
			r = walk_leave(&w);
			continue;
		}
		top->pos += strlen(name) + 1;
		fd = fd_openat(w.fd, name, DIR_FLAGS, 0);
		if (fd == -ENOENT || fd == -ENODEV)
			continue;
		if (fd < 0)
			return fd;
		r = walk_enter(&w, fd);
		if (r >= 0)
			r = visit(fd, user);
	}
	return r < 0 ? r : 0;
}

void cgroup_pid_list_done(struct cgroup_pid_list *list)
{
	free(list->v);
	*list = (struct cgroup_pid_list){ 0 };
}

static int pid_list_add(struct cgroup_pid_list *list, pid_t pid)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 64;
		pid_t *v = reallocarray(list->v, cap, sizeof(*v));

		if (!v)
			return -ENOMEM;
		list->v = v;
		list->cap = cap;
	}
	list->v[list->n++] = pid;
	return 0;
}

/* cgroup.procs is a number a line, and can be larger than any sensible buffer. */
static int visit_pids(int dirfd, void *user)
{
	CLEANUP_FD int fd = fd_openat(dirfd, "cgroup.procs", O_RDONLY, 0);
	char buf[16384];
	uint64_t pid = 0;
	bool digits = false;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENODEV ? 0 : fd;
	for (;;) {
		ssize_t n = read(fd, buf, sizeof(buf));

		/* EOPNOTSUPP: a threaded cgroup; its processes are listed in the domain above it. */
		if (n < 0 && (errno == EOPNOTSUPP || errno == ENODEV))
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		for (ssize_t i = 0; i < n; i++) {
			int r = 0;

			if (buf[i] >= '0' && buf[i] <= '9') {
				pid = pid * 10 + (uint64_t)(buf[i] - '0');
				digits = true;
				continue;
			}
			if (digits && pid) /* 0: a process of another pid namespace */
				r = pid_list_add(user, (pid_t)pid);
			if (r < 0)
				return r;
			pid = 0;
			digits = false;
		}
	}
}

static int compare_pids(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

int cgroup_tree_pids(const char *path, struct cgroup_pid_list *ret)
{
	size_t kept = 0;
	int r;

	ret->n = 0;
	r = tree_visit(path, visit_pids, ret);
	if (r < 0)
		return r;
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), compare_pids);
	for (size_t i = 0; i < ret->n; i++) {
		if (!kept || ret->v[kept - 1] != ret->v[i])
			ret->v[kept++] = ret->v[i];
	}
	ret->n = kept;
	return 0;
}

int cgroup_read_key(int dirfd, const char *file, const char *key, uint64_t *ret)
{
	char buf[4096], *save = NULL;
	size_t n = strlen(key);
	int r = io_read_small(dirfd, file, buf, sizeof(buf));

	if (r < 0)
		return r;
	for (char *line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, key, n) == 0 && line[n] == ' ')
			return parse_u64(line + n + 1, 10, ret);
	}
	return -ENODATA;
}

struct sum {
	const char *file, *key;
	uint64_t total;
	bool found;
};

static int visit_sum(int dirfd, void *user)
{
	struct sum *sum = user;
	uint64_t value;
	int r = cgroup_read_key(dirfd, sum->file, sum->key, &value);

	if (r >= 0) {
		sum->total += value;
		sum->found = true;
	}
	return r == -ENODEV || r == -ENOENT || r == -ENODATA ? 0 : r;
}

int cgroup_tree_sum(const char *path, const char *file, const char *key, uint64_t *ret)
{
	struct sum sum = { .file = file, .key = key };
	int r = tree_visit(path, visit_sum, &sum);

	if (r < 0)
		return r;
	if (!sum.found)
		return -ENOENT;
	*ret = sum.total;
	return 0;
}

/* Removes the sub-directories of fd. 1: `ret_busy` was refused, it has children or processes; 0:
 * none is left. */
static int remove_children(int fd, char ret_busy[NAME_MAX + 1])
{
	CLEANUP_DIR DIR *dir = open_stream(fd);
	const char *name;

	if (!dir)
		return -errno;
	while ((name = next_subdir(dir))) {
		if (unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			continue;
		if (errno != EBUSY && errno != ENOTEMPTY)
			return -errno;
		snprintf(ret_busy, NAME_MAX + 1, "%s", name);
		return 1;
	}
	return errno && errno != ENOENT ? -errno : 0;
}

static ino_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/*
 * Goes down into the first directory that is refused, comes back by ".." once it has no children
 * and starts that level again: what has been passed is gone, so no list of it is needed. One that
 * is refused again right after that has processes.
 */
static int remove_below(int root)
{
	CLEANUP_FD int fd = fd_dup(root);
	char busy[NAME_MAX + 1];
	size_t depth = 0;
	ino_t emptied = 0;

	if (fd < 0)
		return fd;
	for (unsigned int rounds = 0; rounds < REMOVE_ROUNDS_MAX; rounds++) {
		int next, r = remove_children(fd, busy);

		if (r < 0)
			return r;
		if (r == 0 && depth == 0)
			return 0;
		next = fd_openat(fd, r ? busy : "..", DIR_FLAGS, 0);
		if (next == -ENOENT)
			continue;
		if (next < 0)
			return next;
		if (r && inode_of(next) == emptied) {
			fd_close(next);
			return -EBUSY;
		}
		emptied = r ? 0 : inode_of(fd);
		depth = r ? depth + 1 : depth - 1;
		fd_close(fd);
		fd = next;
	}
	return -EBUSY;
}

int cgroup_tree_remove(const char *path)
{
	CLEANUP_FD int root = -EBADF;
	int r;

	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	root = fd_open(path, DIR_FLAGS, 0);
	if (root < 0)
		return root == -ENOENT ? 0 : root;
	r = remove_below(root);
	if (r < 0)
		return r;
	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	return errno == ENOTEMPTY ? -EBUSY : -errno;
}
