/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the v2 hierarchy has: controllers that are enabled from the top down, the events file
 * that notifies, the freezer that lets SIGKILL through, and cgroup.kill.
 */
#include "runtime/cgroup_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/macros.h"
#include "common/str.h"
#include "common/sys.h"

#define CONTROLLERS_MAX 1024

static int read_file(const char *dir, const char *file, char *buf, size_t size)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, file) >= sizeof(path))
		return -ENAMETOOLONG;
	return io_read_small(AT_FDCWD, path, buf, size);
}

static int write_file(const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, file) >= sizeof(path))
		return -ENAMETOOLONG;
	return io_write_small(AT_FDCWD, path, text);
}

/* "+cpu +io" for "cpu io". */
static void plus_words(const char *words, struct str *out)
{
	while (*words) {
		size_t n = strcspn(words, " ");

		if (n) {
			str_add(out, out->len ? " +" : "+");
			str_add_n(out, words, n);
		}
		words += n + (words[n] == ' ');
	}
}

static int enable_refused(const char *dir, const char *controller, int r, struct err *err)
{
	if (r == -EBUSY)
		return err_set(err, EBUSY,
			       "enable controller \"%s\" below \"%s\": it has processes of its own "
			       "(cgroup v2 allows processes only in the leaves)",
			       controller, dir);
	if (r == -EOPNOTSUPP)
		return err_set(err, EOPNOTSUPP,
			       "enable controller \"%s\" below \"%s\": the cgroup is threaded",
			       controller, dir);
	if (r == -ENOENT)
		return err_set(err, ENOENT, "controller \"%s\" is not available in \"%s\"",
			       controller, dir);
	return err_sysn(err, r, "enable controller \"%s\" below \"%s\"", controller, dir);
}

/* What an administrator or systemd delegates is mostly below cgroups that are not ours to write. */
static bool is_enabled(const char *dir, const char *controller)
{
	char has[CONTROLLERS_MAX];

	return read_file(dir, "cgroup.subtree_control", has, sizeof(has)) >= 0 &&
	       plan_cgroup_has_word(has, ' ', controller);
}

/* All at once; where that is refused, one by one, and only a required one must succeed. Of those
 * that are not, none where the cgroup has processes: the kernel would take some, and turn the
 * cgroup into the root of a threaded tree, in which no container can be. */
static int enable_in(const char *dir, const char *wanted, const char *required, struct err *err)
{
	char buf[CONTROLLERS_MAX], list[CONTROLLERS_MAX], *save = NULL;
	struct str all = STR_FIXED(buf);
	int r;

	plus_words(wanted, &all);
	if (!all.len)
		return 0;
	r = write_file(dir, "cgroup.subtree_control", buf);
	if (r >= 0)
		return 0;
	snprintf(list, sizeof(list), "%s", r == -EBUSY ? required : wanted);
	for (char *word = strtok_r(list, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		struct str one = STR_FIXED(buf);

		plus_words(word, &one);
		r = write_file(dir, "cgroup.subtree_control", buf);
		if (r < 0 && plan_cgroup_has_word(required, ' ', word) && !is_enabled(dir, word))
			return enable_refused(dir, word, r, err);
	}
	return 0;
}

static int check_type(const char *path, struct err *err)
{
	char type[64];
	int r = read_file(path, "cgroup.type", type, sizeof(type));

	if (r < 0 || str_eq(type, "domain") || str_eq(type, "domain threaded"))
		return 0;
	return err_set(
		err, EOPNOTSUPP,
		"cgroup \"%s\" cannot hold the container: its type is \"%s\" (a cgroup above "
		"it is threaded)",
		path, type);
}

/* The words of `wanted` that are not in `has`. What a cgroup has, every parent enables: nothing is
 * to be done for it there, and often nothing may be (above what is delegated to the caller). */
static void words_missing(const char *wanted, const char *has, struct str *out)
{
	for (size_t n; *wanted; wanted += n + (wanted[n] == ' ')) {
		char word[64];

		n = strcspn(wanted, " ");
		snprintf(word, sizeof(word), "%.*s", (int)n, wanted);
		if (n && !plan_cgroup_has_word(has, ' ', word))
			str_addf(out, "%s%s", out->len ? " " : "", word);
	}
}

int cgroup_v2_enable(const struct plan_cgroup *plan, const struct plan_cgroup_dir *dir,
		     struct err *err)
{
	/* Like runc, all controllers on pure v2 (statistics need them too); in a hybrid layout the
	 * host's v2 tree is somebody else's, so no more than what was asked for. */
	const char *wanted =
		plan->layout == HOST_CGROUP_V2 ? plan->v2_available : plan->v2_required;
	char has[CONTROLLERS_MAX] = "", parent[PATH_MAX], buf[CONTROLLERS_MAX] = "";
	struct str missing = STR_FIXED(buf);
	size_t len = strlen(dir->mount_point);

	/* Mostly the parents are set up: one look at the leaf instead of a write at each level. */
	if (*wanted && read_file(dir->path, "cgroup.controllers", has, sizeof(has)) < 0)
		*has = '\0';
	words_missing(wanted, has, &missing);
	if (!missing.len)
		return 0;
	snprintf(parent, sizeof(parent), "%s", dir->path);
	while (dir->path[len]) {
		int r;

		parent[len] = '\0';
		r = enable_in(parent, buf, plan->v2_required, err);
		if (r < 0)
			return r;
		parent[len] = dir->path[len];
		len++;
		len += strcspn(dir->path + len, "/");
	}
	return check_type(dir->path, err);
}

static int event(const char *path, const char *key)
{
	char file[PATH_MAX];
	uint64_t value;
	int r;

	if ((size_t)snprintf(file, sizeof(file), "%s/cgroup.events", path) >= sizeof(file))
		return -ENAMETOOLONG;
	r = cgroup_read_key(AT_FDCWD, file, key, &value);
	return r < 0 ? r : value != 0;
}

int cgroup_v2_is_frozen(const char *path)
{
	return event(path, "frozen");
}

int cgroup_v2_is_populated(const char *path)
{
	return event(path, "populated");
}

/* Waits until the key of cgroup.events has the value: the kernel notifies by POLLPRI. */
static int wait_event(const char *path, const char *key, bool wanted, uint64_t deadline)
{
	char file[PATH_MAX], text[256];
	CLEANUP_FD int fd = -EBADF;

	if ((size_t)snprintf(file, sizeof(file), "%s/cgroup.events", path) >= sizeof(file))
		return -ENAMETOOLONG;
	fd = fd_open(file, O_RDONLY, 0);
	if (fd < 0)
		return fd;
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLPRI };
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
		uint64_t now = cgroup_now_ms();
		const char *p;

		if (n < 0)
			return -errno;
		text[n] = '\0';
		p = strstr(text, key);
		if (!p)
			return -ENODATA;
		if (p[strlen(key)] == ' ' && (p[strlen(key) + 1] == '1') == wanted)
			return 0;
		if (now >= deadline)
			return -ETIMEDOUT;
		if (poll(&pfd, 1, (int)MIN(deadline - now, (uint64_t)INT_MAX)) < 0 &&
		    errno != EINTR)
			return -errno;
	}
}

int cgroup_v2_wait_empty(const char *path, uint64_t deadline_ms)
{
	int r = wait_event(path, "populated", false, deadline_ms);

	return r == -ENOENT || r == -ENODEV ? 0 : r;
}

int cgroup_v2_freeze(const char *path, bool frozen, unsigned int timeout_ms, struct err *err)
{
	int r = write_file(path, "cgroup.freeze", frozen ? "1" : "0");

	if (r < 0)
		return err_sysn(err, r, "write \"%d\" to \"%s/cgroup.freeze\"", frozen, path);
	r = wait_event(path, "frozen", frozen, cgroup_now_ms() + timeout_ms);
	if (r >= 0)
		return 0;
	if (!frozen && r == -ETIMEDOUT) {
		return err_set(err, ETIMEDOUT, "thaw \"%s\": a cgroup above it is frozen", path);
	}
	if (frozen && write_file(path, "cgroup.freeze", "0") < 0)
		return err_sysn(err, r, "freeze \"%s\", and it could not be thawed again", path);
	if (r == -ETIMEDOUT)
		return err_set(err, ETIMEDOUT, "freeze \"%s\": not done within %u ms", path,
			       timeout_ms);
	return err_sysn(err, r, "freeze \"%s\"", path);
}

/* The list "0-3" after `key` in /proc/PID/status is what the file of the cpuset says, or there is none. */
static bool has_same_list(const char *status, const char *key, const char *path, const char *file)
{
	char list[CONTROLLERS_MAX];
	const char *p = strstr(status, key);
	int r = read_file(path, file, list, sizeof(list));
	size_t n;

	if (r < 0)
		return r == -ENOENT; /* no cpuset of its own */
	if (!p)
		return false;
	p += strlen(key);
	p += strspn(p, " \t");
	n = strcspn(p, "\n");
	return strlen(list) == n && strncmp(p, list, n) == 0;
}

/* Before 6.4 (or a release with that fix: 5.15.108, 6.1.25) a child that is cloned into a cgroup keeps
 * its creator's processors and memory nodes, whatever the cpuset there says; one that is moved gets
 * the cpuset's. */
bool cgroup_v2_clone_is_whole(const char *path)
{
	unsigned int version[2] = { 0 };
	struct utsname name;
	char status[8192];

	if (uname(&name) == 0 && sscanf(name.release, "%u.%u", &version[0], &version[1]) == 2 &&
	    (version[0] > 6 || (version[0] == 6 && version[1] >= 4)))
		return true;
	if (io_read_small(AT_FDCWD, "/proc/self/status", status, sizeof(status)) < 0)
		return false;
	return has_same_list(status, "\nCpus_allowed_list:", path, "cpuset.cpus.effective") &&
	       has_same_list(status, "\nMems_allowed_list:", path, "cpuset.mems.effective");
}

/* Final for the cgroup: kernels since 6.14 (seen on 6.18) compare the kill count of the cloner's own
 * cgroup, so that every child cloned into this one later (CLONE_INTO_CGROUP) dies at birth. */
int cgroup_v2_kill(const char *path)
{
	/* As before 5.14: there is no such file. */
	int r = sys_test_failure("cgroup_kill") < 0 ? -ENOENT
						    : write_file(path, "cgroup.kill", "1");
	char probe[8];

	if (r != -ENOENT)
		return r;
	/* No such file: an old kernel, unless the whole cgroup is gone. */
	return read_file(path, "cgroup.events", probe, sizeof(probe)) == -ENOENT ? -ENOENT
										 : -EOPNOTSUPP;
}
