/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See cgroup_watch.h.
 */
#include "runtime/cgroup_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "common/io.h"
#include "common/macros.h"
#include "runtime/cgroup_backend.h"

enum { OOM, EVENTS };

void cgroup_watch_close(struct cgroup_watch *w)
{
	w->oom_fd = fd_close(w->oom_fd);
	w->events_fd = fd_close(w->events_fd);
}

static const struct cgroup_path *find(const struct cgroup *cg, const char *controller)
{
	for (size_t i = 0; i < cg->n; i++) {
		const struct cgroup_path *p = &cg->v[i];

		if (*controller ? !p->v2 && plan_cgroup_has_word(p->controllers, ',', controller)
				: p->v2)
			return p;
	}
	return NULL;
}

static int watch_v1(const char *path, struct cgroup_watch *w, struct err *err)
{
	CLEANUP_FD int dir = fd_open(path, O_RDONLY | O_DIRECTORY, 0);
	CLEANUP_FD int control = -EBADF;
	char text[64];
	int r;

	if (dir < 0)
		return err_sysn(err, dir, "open cgroup \"%s\"", path);
	control = fd_openat(dir, "memory.oom_control", O_RDONLY, 0);
	if (control < 0)
		return err_sysn(err, control, "open \"%s/memory.oom_control\"", path);
	w->oom_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->oom_fd < 0)
		return err_sys(err, "make an eventfd");
	snprintf(text, sizeof(text), "%d %d", w->oom_fd, control);
	r = io_write_small(dir, "cgroup.event_control", text);
	if (r < 0)
		return err_sysn(err, r, "write \"%s\" to \"%s/cgroup.event_control\"", text, path);
	return 0;
}

/* The number after `key`, read through the open descriptor, which is what rearms poll. */
static int read_key(int fd, const char *key, uint64_t *ret)
{
	char text[1024], *save = NULL;
	size_t n = strlen(key);
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	if (len < 0)
		return -errno;
	text[len] = '\0';
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, key, n) == 0 && line[n] == ' ')
			return parse_u64(line + n + 1, 10, ret);
	return -ENODATA;
}

static int watch_v2(const char *path, struct cgroup_watch *w, struct err *err)
{
	CLEANUP_FD int dir = fd_open(path, O_RDONLY | O_DIRECTORY, 0);
	int r;

	w->v2 = true;
	if (dir < 0)
		return err_sysn(err, dir, "open cgroup \"%s\"", path);
	w->events_fd = fd_openat(dir, "cgroup.events", O_RDONLY, 0);
	if (w->events_fd < 0)
		return err_sysn(err, w->events_fd, "open \"%s/cgroup.events\"", path);
	w->oom_fd = fd_openat(dir, "memory.events", O_RDONLY, 0);
	if (w->oom_fd == -ENOENT)
		return 0;
	if (w->oom_fd < 0)
		return err_sysn(err, w->oom_fd, "open \"%s/memory.events\"", path);
	r = read_key(w->oom_fd, "oom_kill", &w->kills);
	return r < 0 ? err_sysn(err, r, "read \"%s/memory.events\"", path) : 0;
}

int cgroup_watch_open(const struct cgroup *cg, struct cgroup_watch *ret, struct err *err)
{
	const struct cgroup_path *memory = find(cg, "memory"), *v2 = find(cg, "");
	struct cgroup_watch w = CGROUP_WATCH_INIT;
	int r;

	/* A rootless caller may have had to leave hierarchies out. */
	if (memory && access(memory->path, F_OK) < 0)
		memory = NULL;
	if (v2 && access(v2->path, F_OK) < 0)
		v2 = NULL;
	if (!memory && !v2)
		return -ENODATA;
	w.path = memory ? memory->path : v2->path;
	r = memory ? watch_v1(w.path, &w, err) : watch_v2(w.path, &w, err);
	if (r < 0) {
		cgroup_watch_close(&w);
		return r;
	}
	*ret = w;
	return 0;
}

void cgroup_watch_fds(const struct cgroup_watch *w, struct pollfd fds[CGROUP_WATCH_FDS])
{
	fds[OOM] = (struct pollfd){ .fd = w->oom_fd, .events = w->v2 ? POLLPRI : POLLIN };
	fds[EVENTS] = (struct pollfd){ .fd = w->events_fd, .events = POLLPRI };
}

static int read_v1(struct cgroup_watch *w, uint64_t *ret_ooms)
{
	uint64_t count;

	if (read(w->oom_fd, &count, sizeof(count)) != sizeof(count))
		return errno == EAGAIN ? 0 : -errno;
	*ret_ooms = count;
	if (access(w->path, F_OK) == 0)
		return 0;
	(*ret_ooms)--; /* the last signal was the removal's */
	return 1;
}

int cgroup_watch_read(struct cgroup_watch *w, const struct pollfd fds[CGROUP_WATCH_FDS],
		      uint64_t *ret_ooms)
{
	uint64_t value = 0;
	int r;

	*ret_ooms = 0;
	if (!w->v2)
		return fds[OOM].revents ? read_v1(w, ret_ooms) : 0;
	/* Asked also when only the other file woke us: a kill and the end of the last process come
	 * together. */
	if (w->oom_fd >= 0) {
		r = read_key(w->oom_fd, "oom_kill", &value);
		if (r == -ENODEV)
			return 1;
		if (r < 0)
			return r;
		*ret_ooms = value - w->kills;
		w->kills = value;
	}
	if (!fds[EVENTS].revents)
		return 0;
	r = read_key(w->events_fd, "populated", &value);
	if (r == -ENODEV)
		return 1;
	return r < 0 ? r : value == 0;
}
