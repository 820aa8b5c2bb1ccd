/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only v1 hierarchies need: cpusets that are born empty, and a freezer that must be asked
 * again until it has caught everybody and that nothing, not even SIGKILL, gets through.
 */
#include "runtime/cgroup_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/macros.h"

#define REFREEZE_MS 200

static int read_at(const char *dir, size_t dir_len, const char *file, char *buf, size_t size)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%.*s/%s", (int)dir_len, dir, file) >=
	    sizeof(path))
		return -ENAMETOOLONG;
	return io_read_small(AT_FDCWD, path, buf, size);
}

static int write_at(const char *dir, size_t dir_len, const char *file, const char *text)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%.*s/%s", (int)dir_len, dir, file) >=
	    sizeof(path))
		return -ENAMETOOLONG;
	return io_write_small(AT_FDCWD, path, text);
}

/* Length of the parent of path[0..len), never above the mount point. */
static size_t parent_len(const char *path, size_t len, size_t top)
{
	while (len > top && path[len - 1] != '/')
		len--;
	return len > top ? len - 1 : top;
}

static int cpuset_file_init(const char *path, size_t top, const char *file, bool fresh,
			    struct err *err)
{
	char value[4096];
	size_t len = fresh ? parent_len(path, strlen(path), top) : strlen(path);
	int r;

	/* Up to the nearest ancestor that has something ... */
	for (;;) {
		r = read_at(path, len, file, value, sizeof(value));
		if (r < 0)
			return err_sysn(err, r, "read \"%.*s/%s\"", (int)len, path, file);
		if (r > 0)
			break;
		if (len <= top)
			return err_set(err, ENOSPC, "\"%.*s/%s\" is empty", (int)len, path, file);
		len = parent_len(path, len, top);
	}
	/* ... and down again, giving it to each. */
	while (path[len]) {
		len++;
		len += strcspn(path + len, "/");
		r = write_at(path, len, file, value);
		if (r < 0)
			return err_sysn(err, r, "write \"%s\" to \"%.*s/%s\"", value, (int)len,
					path, file);
	}
	return 0;
}

int cgroup_v1_cpuset_init(const char *mount_point, const char *path, bool fresh, struct err *err)
{
	size_t top = strlen(mount_point);
	int r = cpuset_file_init(path, top, "cpuset.cpus", fresh, err);

	return r < 0 ? r : cpuset_file_init(path, top, "cpuset.mems", fresh, err);
}

int cgroup_v1_is_frozen(const char *path)
{
	char state[32];
	int r = read_at(path, strlen(path), "freezer.state", state, sizeof(state));

	if (r < 0)
		return r;
	return str_starts_with(state, "FR"); /* FROZEN, FREEZING */
}

int cgroup_v1_freeze(const char *path, bool frozen, unsigned int timeout_ms, struct err *err)
{
	uint64_t deadline = cgroup_now_ms() + timeout_ms, again;
	size_t len = strlen(path);
	unsigned int step = 0;
	char state[32];
	int r;

	if (!frozen) {
		r = write_at(path, len, "freezer.state", "THAWED");
		return r < 0 ? err_sysn(err, r, "write \"THAWED\" to \"%s/freezer.state\"", path)
			     : 0;
	}
	do {
		/* A task that forks while it is being frozen, or a vfork parent, can leave the
		 * state at FREEZING for good; thawing and freezing again gets it. */
		again = cgroup_now_ms() + REFREEZE_MS;
		r = write_at(path, len, "freezer.state", "FROZEN");
		if (r < 0)
			return err_sysn(err, r, "write \"FROZEN\" to \"%s/freezer.state\"", path);
		do {
			r = read_at(path, len, "freezer.state", state, sizeof(state));
			if (r < 0)
				return err_sysn(err, r, "read \"%s/freezer.state\"", path);
			if (str_eq(state, "FROZEN"))
				return 0;
		} while (cgroup_backoff(&step, MIN(again, deadline)));
		r = write_at(path, len, "freezer.state", "THAWED");
		if (r < 0)
			return err_sysn(err, r, "write \"THAWED\" to \"%s/freezer.state\"", path);
	} while (cgroup_now_ms() < deadline);
	return err_set(err, ETIMEDOUT, "freeze \"%s\": not done within %u ms", path, timeout_ms);
}
