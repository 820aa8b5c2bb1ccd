// SPDX-License-Identifier: Apache-2.0
// cgroup look-up by mountinfo and /proc/PID/cgroup; counters by descriptor.
#include "shim/oom.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/str.h"
#include "shim/oom_log.h"

struct oom_watch {
	struct ev_source *source;
	int events_fd;       /* memory.events, or v1's memory.oom_control */
	int cpu_fd, peak_fd; /* cpu.stat or cpuacct.usage; memory.peak or max_usage_in_bytes */
	bool events_known;
	uint64_t oom_base, oom_told;
	pid_t pid;
	char *path; /* of the memory cgroup, as /proc/PID/cgroup has it */
	void (*on_oom)(void *user);
	void *user;
};

/* Is `word` one of the comma-separated words of `list`? */
static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p; p = strchr(p, ',')) {
		if (*p == ',')
			p++;
		if (strncmp(p, word, n) == 0 && (p[n] == '\0' || p[n] == ',' || p[n] == '\n'))
			return true;
	}
	return false;
}

/* mountinfo escapes blanks as \040 and the like. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

struct mount_line {
	char *root, *point, *type, *super;
};

/* Cuts a line of mountinfo. False: not one. */
static bool parse_mount(char *line, struct mount_line *ret)
{
	char *field[64], *p = line;
	size_t n = 0, dash = 0;

	line[strcspn(line, "\n")] = '\0';
	while (n < ARRAY_COUNT(field) && (field[n] = strsep(&p, " "))) {
		if (!dash && n > 5 && str_eq(field[n], "-"))
			dash = n;
		n++;
	}
	if (!dash || n < dash + 4)
		return false;
	*ret = (struct mount_line){ field[3], field[4], field[dash + 1], field[dash + 3] };
	unescape(ret->root);
	unescape(ret->point);
	return true;
}

/* Where the hierarchy is mounted, and which of its directories is. */
static int find_mount(const char *controller, char *point, char *root, size_t size)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	struct mount_line m;
	char *line = NULL;
	size_t cap = 0;
	int r = -ENOENT;

	if (!f)
		return -errno;
	while (r == -ENOENT && getline(&line, &cap, f) > 0) {
		if (!parse_mount(line, &m) || !str_eq(m.type, controller ? "cgroup" : "cgroup2"))
			continue;
		if (controller && !has_word(m.super, controller))
			continue;
		if (strlen(m.point) >= size || strlen(m.root) >= size)
			continue;
		memcpy(point, m.point, strlen(m.point) + 1);
		memcpy(root, m.root, strlen(m.root) + 1);
		r = 0;
	}
	free(line);
	fclose(f);
	return r;
}

/* The process's path in the hierarchy: lines are "N:controllers:path", v2 is "0::path". */
static int find_path(pid_t pid, const char *controller, char *buf, size_t size)
{
	char name[64], *line = NULL;
	size_t cap = 0;
	int r = -ENOENT;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	f = fopen(name, "re");
	if (!f)
		return -errno;
	while (r == -ENOENT && getline(&line, &cap, f) > 0) {
		char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = '\0';
		list++;
		path[strcspn(path, "\n")] = '\0';
		if (controller ? !has_word(list, controller) : *list != '\0')
			continue;
		if (strlen(path) >= size)
			break;
		memcpy(buf, path, strlen(path) + 1);
		r = 0;
	}
	free(line);
	fclose(f);
	return r;
}

int oom_cgroup_path(pid_t pid, const char *controller, const char *file, char *buf, size_t size)
{
	char point[PATH_MAX / 2], root[PATH_MAX / 2], path[PATH_MAX / 2];
	const char *below = path;
	int r, n;

	r = find_mount(controller, point, root, sizeof(point));
	if (r == 0)
		r = find_path(pid, controller, path, sizeof(path));
	if (r < 0)
		return r;
	/* Only a part of the hierarchy may be mounted (a container's bind mount of its own). */
	n = (int)strlen(root);
	if (n > 1 && strncmp(path, root, (size_t)n) == 0 && (path[n] == '/' || !path[n]))
		below = path + n;
	n = snprintf(buf, size, "%s%s/%s", point, str_eq(below, "/") ? "" : below, file);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int open_counter(pid_t pid, const char *controller, const char *file)
{
	char path[PATH_MAX];
	int r = oom_cgroup_path(pid, controller, file, path, sizeof(path));

	return r < 0 ? r : fd_open(path, O_RDONLY, 0);
}

/* The number after `key ` at the start of a line; key NULL: the file is the number. */
static bool read_counter(int fd, const char *key, uint64_t *ret)
{
	char text[4096];
	ssize_t n;

	if (fd < 0)
		return false;
	n = pread(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return false;
	text[n] = '\0';
	for (char *line = text, *end; *line; line = end) {
		size_t k = key ? strlen(key) : 0;

		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = '\0';
		if (key && (strncmp(line, key, k) != 0 || line[k] != ' '))
			continue;
		return parse_u64(key ? line + k + 1 : line, 10, ret) == 0;
	}
	return false;
}

static void events_ready(void *user, int fd UNUSED, uint32_t events UNUSED)
{
	struct oom_watch *w = user;
	uint64_t now;

	/* Gone with its cgroup: POLLERR for ever. */
	if (!read_counter(w->events_fd, "oom_kill", &now)) {
		ev_remove(TAKE_PTR(w->source));
		return;
	}
	if (now > w->oom_told) {
		w->oom_told = now;
		w->on_oom(w->user);
	}
}

/* v2 files first; where the controller is a v1 one, its files. */
static int open_either(pid_t pid, const char *v2, const char *controller, const char *v1)
{
	int fd = open_counter(pid, NULL, v2);

	return fd >= 0 ? fd : open_counter(pid, controller, v1);
}

int oom_watch_new(struct ev *ev, pid_t pid, void (*on_oom)(void *user), void *user,
		  struct oom_watch **ret)
{
	struct oom_watch *w = calloc(1, sizeof(*w));
	char path[PATH_MAX / 2];
	bool v2;

	if (!w)
		return -ENOMEM;
	w->on_oom = on_oom;
	w->user = user;
	w->events_fd = open_counter(pid, NULL, "memory.events");
	v2 = w->events_fd >= 0;
	if (!v2)
		w->events_fd = open_counter(pid, "memory", "memory.oom_control");
	w->peak_fd = open_either(pid, "memory.peak", "memory", "memory.max_usage_in_bytes");
	/* cpu.stat is there on v2 even without the cpu controller; in a hybrid set-up it is that
	 * of a cgroup the runtime may not have made. */
	w->cpu_fd = open_counter(pid, "cpuacct", "cpuacct.usage");
	if (w->cpu_fd < 0)
		w->cpu_fd = open_counter(pid, NULL, "cpu.stat");
	w->pid = pid;
	if (find_path(pid, v2 ? NULL : "memory", path, sizeof(path)) == 0)
		w->path = strdup(path);
	w->events_known = read_counter(w->events_fd, "oom_kill", &w->oom_base);
	w->oom_told = w->oom_base;
	/* kernfs tells a change by EPOLLPRI | EPOLLERR. */
	if (v2 && w->events_known &&
	    ev_add(ev, w->events_fd, EPOLLPRI, events_ready, w, &w->source) < 0)
		log_debug("OOM kills are read at the end only");
	*ret = w;
	return 0;
}

/* systemd takes a scope away as soon as its last process has ended, often before we hear of that end;
 * what was told or logged before stays true. -1: unknown. */
static int was_killed(const struct oom_watch *w, bool by_kill)
{
	uint64_t now;

	if (read_counter(w->events_fd, "oom_kill", &now))
		return now > w->oom_base;
	if (w->oom_told > w->oom_base)
		return 1;
	return by_kill && w->path && oom_log_has_kill(w->pid, w->path) ? 1 : -1;
}

struct oom_usage oom_watch_read(const struct oom_watch *w, bool by_kill)
{
	struct oom_usage u = { .oom_killed = -1 };
	uint64_t n;

	if (!w)
		return u;
	if (w->events_known)
		u.oom_killed = was_killed(w, by_kill);
	if (read_counter(w->cpu_fd, NULL, &u.cpu_ns)) {
		u.has_cpu = true;
	} else if (read_counter(w->cpu_fd, "usage_usec", &n)) {
		u.has_cpu = true;
		u.cpu_ns = n * 1000;
	}
	u.has_peak = read_counter(w->peak_fd, NULL, &u.peak_bytes);
	return u;
}

void oom_watch_free(struct oom_watch *w)
{
	if (!w)
		return;
	ev_remove(w->source);
	fd_close(w->events_fd);
	fd_close(w->cpu_fd);
	fd_close(w->peak_fd);
	free(w->path);
	free(w);
}

static int enter(const char *point, const char *path)
{
	char dir[PATH_MAX], pid[24];
	int n = snprintf(dir, sizeof(dir), "%s/%s", point, path);

	if (n < 0 || (size_t)n + sizeof("/cgroup.procs") > sizeof(dir))
		return -ENAMETOOLONG;
	for (char *p = strchr(dir + strlen(point) + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(dir, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return -errno;
	memcpy(dir + n, "/cgroup.procs", sizeof("/cgroup.procs"));
	snprintf(pid, sizeof(pid), "%d", getpid());
	return io_write_small(AT_FDCWD, dir, pid);
}

int oom_enter_cgroup(const char *path, struct err *err)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	struct mount_line m;
	char *line = NULL;
	size_t cap = 0;
	int r = 0, entered = 0;

	if (!f)
		return err_sys(err, "open \"/proc/self/mountinfo\"");
	path += strspn(path, "/");
	while (r == 0 && getline(&line, &cap, f) > 0) {
		if (!parse_mount(line, &m))
			continue;
		if (!str_eq(m.type, "cgroup") && !str_eq(m.type, "cgroup2"))
			continue;
		/* cpuset wants its cpus and mems set first: not worth it, and not asked for. */
		if (str_eq(m.type, "cgroup") && has_word(m.super, "cpuset"))
			continue;
		r = enter(m.point, path);
		entered++;
	}
	free(line);
	fclose(f);
	if (r < 0)
		return err_sysn(err, r, "enter the cgroup \"%s\"", path);
	return entered ? 0 : err_set(err, ENOENT, "enter the cgroup \"%s\": no cgroups", path);
}
