/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the container's cgroup: directories, limits, device rules, and moving processes in. How
 * it is frozen, killed and removed is in cgroup_end.c.
 */
#include "runtime/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/macros.h"
#include "runtime/cgroup_backend.h"
#include "runtime/cgroup_systemd.h"

#define DELEGATE_FILE "/sys/kernel/cgroup/delegate"

void cgroup_from_plan(struct arena *arena, const struct plan_cgroup *plan, struct cgroup *ret)
{
	*ret = (struct cgroup){ .n = plan->n_dirs };
	ret->v = ARENA_ARRAY(arena, plan->n_dirs, struct cgroup_path);
	if (plan->systemd) {
		ret->unit = plan->systemd->unit;
		ret->bus = plan->systemd->address;
		ret->user = plan->systemd->user;
	}
	for (size_t i = 0; i < plan->n_dirs; i++)
		ret->v[i] = (struct cgroup_path){ .controllers = plan->dirs[i].controllers,
						  .path = plan->dirs[i].path,
						  .v2 = plan->dirs[i].v2 };
}

/* ---- directories ---- */

/* What cgroup_create did to one directory, for its undoing. */
struct made {
	size_t first_len; /* length of the topmost directory that we made; 0: none */
	int skipped;      /* -errno: left out, allowed by tolerate_errors */
	bool existed;
	pid_t holder; /* see struct cgroup_made */
};

static bool is_permission(int r)
{
	return r == -EACCES || r == -EPERM || r == -EROFS;
}

static int make_parents(const struct plan_cgroup_dir *dir, struct made *made, struct err *err)
{
	char path[PATH_MAX];
	size_t len = strlen(dir->mount_point);

	if ((size_t)snprintf(path, sizeof(path), "%s", dir->path) >= sizeof(path))
		return err_set(err, ENAMETOOLONG, "make cgroup \"%s\": too long", dir->path);
	while (path[len]) {
		char end;

		len++;
		len += strcspn(path + len, "/");
		end = path[len];
		path[len] = '\0';
		if (mkdir(path, 0755) == 0) {
			if (!made->first_len)
				made->first_len = len;
		} else if (errno != EEXIST) {
			return err_sys(err, "make cgroup \"%s\"", path);
		}
		path[len] = end;
	}
	return 0;
}

static int make_dir(const struct plan_cgroup_dir *dir, struct made *made, struct err *err)
{
	if (mkdir(dir->path, 0755) == 0) {
		made->first_len = strlen(dir->path);
		return 0;
	}
	if (errno == EEXIST) {
		made->existed = true;
		return 0;
	}
	if (errno == ENOENT)
		return make_parents(dir, made, err);
	return err_sys(err, "make cgroup \"%s\"", dir->path);
}

static void unmake_dir(const struct plan_cgroup_dir *dir, const struct made *made)
{
	char path[PATH_MAX];
	size_t len = strlen(dir->path);

	if (!made->first_len || len >= sizeof(path))
		return;
	memcpy(path, dir->path, len + 1);
	while (len >= made->first_len) {
		/* Somebody else may have begun to use a parent of ours meanwhile: it stays. */
		if (rmdir(path) < 0 && errno != ENOENT)
			return;
		while (len > 0 && path[len] != '/')
			len--;
		path[len] = '\0';
	}
}

static int has_controller(const struct plan_cgroup_dir *dir, const char *controller)
{
	return !dir->v2 && plan_cgroup_has_word(dir->controllers, ',', controller);
}

/* The two hierarchies in which systemd itself places a unit's processes. */
static bool is_systemds(const struct plan_cgroup *plan, const struct plan_cgroup_dir *dir)
{
	return plan->layout == HOST_CGROUP_V2 ? dir->v2 : str_eq(dir->controllers, "name=systemd");
}

/* Wherever else systemd has put the unit, a directory made here would be no part of it. */
static int check_holder(const struct plan_cgroup *plan, const struct plan_cgroup_dir *dir,
			const struct cgroup_pid_list *pids, pid_t holder, struct err *err)
{
	if (!holder || (pids->n == 1 && pids->v[0] == holder) || !is_systemds(plan, dir))
		return 0;
	return err_set(err, EXDEV, "systemd has started \"%s\" elsewhere than in cgroup \"%s\"",
		       plan->systemd->unit, dir->path);
}

/* With a cgroup below the unit's the holder moves there: where processes are, no controllers are
 * enabled for what is below. Like one that was found there, it is then looked for in it. */
static int move_holder(const struct plan_cgroup *plan, const struct plan_cgroup_dir *dir,
		       struct made *made, struct err *err)
{
	CLEANUP_PID_LIST struct cgroup_pid_list pids = { 0 };
	const char *sub = plan->systemd ? plan->systemd->sub : "";
	char path[PATH_MAX], text[16];
	int r;

	if (!*sub || !made->holder || !dir->v2)
		return 0;
	snprintf(path, sizeof(path), "%.*s", (int)(strlen(dir->path) - strlen(sub)), dir->path);
	r = cgroup_tree_pids(path, &pids);
	if (r < 0)
		return err_sysn(err, r, "look into cgroup \"%s\"", path);
	/* Not there: nor will it be below, see check_holder. */
	if (pids.n != 1 || pids.v[0] != made->holder)
		return 0;
	snprintf(path, sizeof(path), "%s/cgroup.procs", dir->path);
	snprintf(text, sizeof(text), "%d", (int)made->holder);
	r = io_write_small(AT_FDCWD, path, text);
	made->existed = true;
	return r < 0 ? err_sysn(err, r, "write %s to \"%s\"", text, path) : 0;
}

/* A cgroup that somebody uses is not ours, and in a frozen one init would never run (a new cgroup
 * is born frozen if one above it is). */
static int check_unused(const struct plan_cgroup *plan, const struct plan_cgroup_dir *dir,
			const struct made *made, struct err *err)
{
	CLEANUP_PID_LIST struct cgroup_pid_list pids = { 0 };
	int r = 0;

	if (made->existed) {
		r = cgroup_tree_pids(dir->path, &pids);
		if (r < 0)
			return err_sysn(err, r, "look into cgroup \"%s\"", dir->path);
		if (pids.n > 1 || (pids.n && pids.v[0] != made->holder))
			return err_set(err, EBUSY,
				       "container's cgroup is not empty: %zu process(es) found "
				       "in \"%s\"",
				       pids.n, dir->path);
	}
	r = check_holder(plan, dir, &pids, made->holder, err);
	if (r < 0)
		return r;
	if (dir->v2)
		r = cgroup_v2_is_frozen(dir->path);
	else if (has_controller(dir, "freezer"))
		r = cgroup_v1_is_frozen(dir->path);
	if (r > 0)
		return err_set(err, EBUSY, "container's cgroup unexpectedly frozen (\"%s\")",
			       dir->path);
	return 0;
}

static int prepare_dir(const struct plan_cgroup *plan, size_t i, struct made *made, struct err *err)
{
	const struct plan_cgroup_dir *dir = &plan->dirs[i];
	int r = make_dir(dir, made, err);

	if (r < 0 && plan->tolerate_errors && is_permission(r)) {
		unmake_dir(dir, made);
		*made = (struct made){ .skipped = r };
		return 0;
	}
	if (r >= 0)
		r = move_holder(plan, dir, made, err);
	if (r < 0)
		return r;
	r = check_unused(plan, dir, made, err);
	if (r < 0)
		return r;
	if (dir->v2)
		return cgroup_v2_enable(plan, dir, err);
	if (has_controller(dir, "cpuset"))
		return cgroup_v1_cpuset_init(dir->mount_point, dir->path, !made->existed, err);
	return 0;
}

/* ---- limits ---- */

/* The file of the last write stays open: device rules go one by one into the same two files. */
struct writer {
	const struct plan_cgroup *plan;
	const struct made *made;
	size_t dir;
	const char *file;
	int fd;
};

static void cleanup_writer_p(struct writer *w)
{
	fd_close(w->fd);
}

static int writer_open(struct writer *w, const struct plan_cgroup_write *item)
{
	char path[PATH_MAX];

	if (w->fd >= 0 && w->dir == item->dir && str_eq(w->file, item->file))
		return 0;
	w->fd = fd_close(w->fd);
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", w->plan->dirs[item->dir].path,
			     item->file) >= sizeof(path))
		return -ENAMETOOLONG;
	w->fd = fd_open(path, O_WRONLY, 0);
	w->dir = item->dir;
	w->file = item->file;
	return w->fd < 0 ? w->fd : 0;
}

static int check_usage(const char *dir, bool v2, const struct plan_cgroup_write *item,
		       struct err *err)
{
	const char *file = v2 ? "memory.current" : "memory.usage_in_bytes";
	char path[PATH_MAX], text[64];
	uint64_t used, wanted;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, file) >= sizeof(path) ||
	    io_read_small(AT_FDCWD, path, text, sizeof(text)) < 0 ||
	    parse_u64(text, 10, &used) < 0 || parse_u64(item->value, 10, &wanted) < 0)
		return 0; /* MAY check (OCI) */
	if (used <= wanted)
		return 0;
	return err_set(err, EBUSY, "%s: %s is below the %s bytes in use", item->json_path,
		       item->value, text);
}

static int write_error(const struct writer *w, const struct plan_cgroup_write *item, int r,
		       bool at_open, struct err *err)
{
	const char *dir = w->plan->dirs[item->dir].path;
	size_t n = strcspn(item->file, ".");

	if (w->made[item->dir].skipped)
		return err_sysn(err, w->made[item->dir].skipped,
				"%s: cannot be set, cgroup \"%s\" could not be made",
				item->json_path, dir);
	if (at_open && r == -ENOENT)
		return err_set(err, ENOENT,
			       "%s: controller \"%.*s\" is not available, or the kernel lacks it: "
			       "no \"%s\" in \"%s\"",
			       item->json_path, (int)n, item->file, item->file, dir);
	return err_sysn(err, r, "%s: write \"%s\" to \"%s/%s\"", item->json_path, item->value, dir,
			item->file);
}

enum { WRITE_DONE, WRITE_SKIPPED };

/* WRITE_DONE, WRITE_SKIPPED, or -errno. */
static int write_one(struct writer *w, const struct plan_cgroup_write *item, struct err *err)
{
	const struct plan_cgroup_dir *dir = &w->plan->dirs[item->dir];
	int skipped = w->made[item->dir].skipped;
	int r;

	if (skipped && (item->may_refuse || item->optional))
		return WRITE_SKIPPED;
	if (skipped)
		return write_error(w, item, skipped, true, err);
	if (item->check_usage) {
		r = check_usage(dir->path, dir->v2, item, err);
		if (r < 0)
			return r;
	}
	r = writer_open(w, item);
	if (r == -ENOENT && item->optional)
		return WRITE_SKIPPED;
	if (is_permission(r) && item->may_refuse)
		return WRITE_SKIPPED;
	if (r < 0)
		return write_error(w, item, r, true, err);
	if (write(w->fd, item->value, strlen(item->value)) >= 0)
		return WRITE_DONE;
	if (is_permission(-errno) && item->may_refuse)
		return WRITE_SKIPPED;
	return write_error(w, item, -errno, false, err);
}

/* Writes [from, to): one group. Those that the kernel refuses while a neighbour has its old value
 * are tried again as long as a pass gets anything through. */
static int write_group(struct writer *w, size_t from, size_t to, struct err *err)
{
	const struct plan_cgroup_write *v = w->plan->writes;
	uint64_t pending = (1ULL << (to - from)) - 1, before;
	struct err refused = { 0 };

	do {
		before = pending;
		for (size_t i = from; i < to; i++) {
			uint64_t bit = 1ULL << (i - from);

			if ((pending & bit) && write_one(w, &v[i], &refused) >= 0)
				pending &= ~bit;
		}
	} while (pending && pending != before);
	if (!pending)
		return 0;
	if (err)
		*err = refused;
	return -refused.code;
}

static int apply_writes(const struct plan_cgroup *plan, const struct made *made, struct err *err)
{
	CLEANUP(cleanup_writer_p)
	struct writer w = { .plan = plan, .made = made, .file = "", .fd = -EBADF };
	int last = WRITE_SKIPPED;
	size_t i = 0;

	while (i < plan->n_writes) {
		const struct plan_cgroup_write *write = &plan->writes[i];
		size_t end = i + 1;
		int r;

		if (write->group) {
			while (end < plan->n_writes && end - i < 32 &&
			       plan->writes[end].group == write->group)
				end++;
			r = write_group(&w, i, end, err);
			last = WRITE_DONE;
		} else if (write->alternative && last == WRITE_DONE) {
			r = 0;
		} else {
			r = write_one(&w, write, err);
			last = r;
		}
		if (r < 0)
			return r;
		i = end;
	}
	return 0;
}

int cgroup_write_limits(const struct plan_cgroup *plan, struct err *err)
{
	CLEANUP_FREE struct made *none = calloc(plan->n_dirs + 1, sizeof(*none));

	if (!none)
		return err_set(err, ENOMEM, "out of memory");
	return apply_writes(plan, none, err);
}

int cgroup_create_devices(const struct plan_cgroup *plan, const struct cgroup_made *made,
			  struct err *err)
{
	int i = plan_cgroup_dir_find(plan, ""), r;

	if (!plan->device_program || i < 0)
		return 0;
	/* What is attached to a unit's cgroup is systemd's, beside which ours is put. */
	if (made->skipped)
		r = made->skipped;
	else
		r = cgroup_bpf_attach(plan->dirs[i].path, plan->device_rules, plan->n_device_rules,
				      made->existed && !plan->systemd, err);
	if (r >= 0)
		return 0;
	/* See device_errors_ok; ENOSYS and EINVAL: a kernel without such programs. */
	if (plan->device_errors_ok && (is_permission(r) || r == -ENOSYS)) {
		if (err)
			*err = (struct err){ 0 };
		return 0;
	}
	if (made->skipped)
		return err_sysn(err, r, "linux.resources.devices: cgroup \"%s\" could not be made",
				plan->dirs[i].path);
	return err_wrap(err, "linux.resources.devices");
}

/* The holder counts as one of the container's processes: until it has gone there is room for one
 * more, or init could not be born beside it. */
static int limit_processes(const struct plan_cgroup *plan, unsigned int more, struct err *err)
{
	struct plan_cgroup one = *plan;
	struct plan_cgroup_write w;
	char text[24];
	uint64_t limit;

	for (size_t i = plan->n_writes; i > 0; i--) {
		w = plan->writes[i - 1];
		if (!str_eq(w.file, "pids.max"))
			continue;
		if (parse_u64(w.value, 10, &limit) < 0)
			return 0; /* "max" */
		snprintf(text, sizeof(text), "%llu", (unsigned long long)limit + more);
		w.value = text;
		w.optional = plan->tolerate_errors;
		one.writes = &w;
		one.n_writes = 1;
		return cgroup_write_limits(&one, err);
	}
	return 0;
}

int cgroup_holder_gone(const struct plan_cgroup *plan, struct err *err)
{
	return limit_processes(plan, 0, err);
}

static int create_all(const struct plan_cgroup *plan, struct made *made, pid_t holder,
		      struct err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < plan->n_dirs; i++) {
		made[i].holder = holder;
		r = prepare_dir(plan, i, &made[i], err);
	}
	if (r >= 0)
		r = apply_writes(plan, made, err);
	if (r >= 0 && holder)
		r = limit_processes(plan, 1, err);
	return r;
}

int cgroup_create(const struct plan_cgroup *plan, struct cgroup_made *ret_made, struct err *err)
{
	struct made *made = calloc(plan->n_dirs + 1, sizeof(*made));
	struct cgroup_made v2 = { .holder = ret_made ? ret_made->holder : 0 };
	int dir = plan_cgroup_dir_find(plan, ""), r;

	if (!made)
		return err_set(err, ENOMEM, "out of memory");
	r = create_all(plan, made, v2.holder, err);
	if (dir >= 0) {
		v2.existed = made[dir].existed;
		v2.skipped = made[dir].skipped;
	}
	if (r >= 0 && ret_made)
		*ret_made = v2;
	else if (r >= 0)
		r = cgroup_create_devices(plan, &v2, err);
	for (size_t i = r < 0 ? plan->n_dirs : 0; i > 0; i--)
		unmake_dir(&plan->dirs[i - 1], &made[i - 1]);
	free(made);
	if (r < 0)
		return r;
	if (err) /* what was tolerated on the way is no error */
		*err = (struct err){ 0 };
	return 0;
}

/* ---- processes in ---- */

int cgroup_open_v2(const struct cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++) {
		if (!cg->v[i].v2)
			continue;
		return cgroup_v2_clone_is_whole(cg->v[i].path)
			       ? fd_open(cg->v[i].path, O_PATH | O_DIRECTORY, 0)
			       : -ENOTSUP;
	}
	return -ENOENT;
}

static int add_error(const struct cgroup_path *p, pid_t pid, int r, struct err *err)
{
	const char *why = NULL;

	if (p->v2 && r == -EBUSY)
		why = "controllers are enabled below it, so that it cannot hold processes";
	else if (p->v2 && r == -EOPNOTSUPP)
		why = "it is part of a threaded subtree";
	else if (r == -ESRCH)
		why = "the process is gone";
	if (why)
		return err_set(err, -r, "move process %d into cgroup \"%s\": %s", (int)pid, p->path,
			       why);
	return err_sysn(err, r, "move process %d into cgroup \"%s\"", (int)pid, p->path);
}

int cgroup_add(const struct cgroup *cg, pid_t pid, bool placed_v2, bool tolerate, struct err *err)
{
	char text[16], path[PATH_MAX];

	snprintf(text, sizeof(text), "%d", (int)pid);
	for (size_t i = 0; i < cg->n; i++) {
		const struct cgroup_path *p = &cg->v[i];
		int r;

		if (p->v2 && placed_v2)
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s/cgroup.procs", p->path) >=
		    sizeof(path))
			return err_set(err, ENAMETOOLONG, "cgroup \"%s\" is too long", p->path);
		r = io_write_small(AT_FDCWD, path, text);
		/* An unprivileged caller outside the part of the tree that is its own may not take a
		 * process across; systemd may. */
		if (p->v2 && cg->unit && is_permission(r))
			r = cgroup_systemd_attach(cg, pid, err);
		if (r >= 0 || (tolerate && (is_permission(r) || r == -ENOENT)))
			continue;
		return add_error(p, pid, r, err);
	}
	return 0;
}

int cgroup_open_tasks(const struct cgroup *cg, int *fds, size_t max)
{
	char path[PATH_MAX];
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < cg->n; i++) {
		if (cg->v[i].v2)
			continue;
		r = snprintf(path, sizeof(path), "%s/tasks", cg->v[i].path);
		r = n == max || (size_t)r >= sizeof(path) ? -ENAMETOOLONG
							  : fd_open(path, O_WRONLY, 0);
		if (r >= 0)
			fds[n++] = r;
	}
	while (r < 0 && n > 0)
		fd_close(fds[--n]);
	return r < 0 ? r : (int)n;
}

int cgroup_enter(const struct cgroup *cg, const int *fds, size_t n, struct err *err)
{
	size_t at = 0;
	int r = 0;

	for (size_t i = 0; i < n; i++, at++) {
		while (cg->v[at].v2)
			at++;
		if (r >= 0 && write(fds[i], "0", 1) < 0)
			r = add_error(&cg->v[at], getpid(), -errno, err);
		fd_close(fds[i]);
	}
	return r < 0 ? r : 0;
}

/* ---- ownership ---- */

static int chown_file(int dirfd, const char *name, uid_t uid, const char *dir, struct err *err)
{
	if (fchownat(dirfd, name, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) == 0 || errno == ENOENT)
		return 0;
	return err_sys(err, "change the owner of \"%s/%s\"", dir, name);
}

int cgroup_delegate(const struct plan_cgroup *plan, struct err *err)
{
	char list[4096] = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads", *save = NULL;
	int r, i = plan_cgroup_dir_find(plan, "");
	CLEANUP_FD int fd = -EBADF;
	const char *dir;

	if (!plan->delegate || i < 0)
		return 0;
	dir = plan->dirs[i].path;
	fd = fd_open(dir, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return err_sysn(err, fd, "open cgroup \"%s\"", dir);
	if (fchown(fd, plan->delegate_uid, (gid_t)-1) < 0)
		return err_sys(err, "change the owner of \"%s\"", dir);
	r = io_read_small(AT_FDCWD, DELEGATE_FILE, list, sizeof(list));
	if (r < 0 && r != -ENOENT)
		return err_sysn(err, r, "read \"" DELEGATE_FILE "\"");
	for (char *name = strtok_r(list, "\n", &save); name; name = strtok_r(NULL, "\n", &save)) {
		if (strchr(name, '/'))
			continue;
		r = chown_file(fd, name, plan->delegate_uid, dir, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- exec --cgroup ---- */

/* "/a/b" for "a/./b/"; NULL if it would leave the container's cgroup. */
static const char *clean_sub(struct arena *arena, const char *path)
{
	char *out = ARENA_ARRAY(arena, strlen(path) + 2, char);
	size_t len = 0;

	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && str_starts_with(path, ".."))
			return NULL;
		if (n > 0 && !(n == 1 && *path == '.')) {
			out[len++] = '/';
			memcpy(out + len, path, n);
			len += n;
		}
		path += n + (path[n] == '/');
	}
	return out;
}

/* True if the comma list `wanted` (NULL: everything) names a controller of the hierarchy. */
static bool is_wanted(const char *wanted, const struct cgroup_path *p)
{
	bool all_listed = !wanted;

	for (const char *c = p->controllers; wanted && *c; c += c[0] == ',') {
		char name[64];
		size_t n = strcspn(c, ",");

		snprintf(name, sizeof(name), "%.*s", (int)n, c);
		if (plan_cgroup_has_word(wanted, ',', name))
			return true;
		c += n;
	}
	return all_listed;
}

static int check_wanted(const char *wanted, const struct cgroup *cg, const char *arg,
			struct err *err)
{
	for (const char *c = wanted; c; c = strchr(c, ',') ? strchr(c, ',') + 1 : NULL) {
		char name[64];
		size_t n = strcspn(c, ",");
		bool found = false;

		if (!n)
			return err_set(err, EINVAL,
				       "invalid --cgroup argument: %s (empty <controller> prefix)",
				       arg);
		snprintf(name, sizeof(name), "%.*s", (int)n, c);
		for (size_t i = 0; i < cg->n; i++)
			found = found || (!cg->v[i].v2 &&
					  plan_cgroup_has_word(cg->v[i].controllers, ',', name));
		if (!found)
			return err_set(err, EINVAL,
				       "invalid --cgroup argument: %s (the container has no "
				       "cgroup of controller \"%s\")",
				       arg, name);
	}
	return 0;
}

int cgroup_sub(struct arena *arena, const struct cgroup *cg, const char *arg, struct cgroup *ret,
	       struct err *err)
{
	const char *colon = strchr(arg, ':'), *sub;
	const char *wanted = colon ? arena_strndup(arena, arg, (size_t)(colon - arg)) : NULL;
	int r;

	if (colon && colon == arg)
		return err_set(err, EINVAL,
			       "invalid --cgroup argument: %s (empty <controller> prefix)", arg);
	r = check_wanted(wanted, cg, arg, err);
	if (r < 0)
		return r;
	sub = clean_sub(arena, colon ? colon + 1 : arg);
	if (!sub)
		return err_set(err, EINVAL, "%s is not a sub cgroup path", arg);
	*ret = *cg;
	ret->v = ARENA_ARRAY(arena, cg->n, struct cgroup_path);
	for (size_t i = 0; i < cg->n; i++) {
		ret->v[i] = cg->v[i];
		if (!is_wanted(wanted, &cg->v[i]))
			continue;
		ret->v[i].path = arena_printf(arena, "%s%s", cg->v[i].path, sub);
	}
	return 0;
}
