/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint. See container.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/path.h"
#include "common/str.h"
#include "runtime/container.h"
#include "runtime/criu_facts.h"
#include "runtime/criu_plan.h"
#include "runtime/host.h"
#include "runtime/interrupt.h"
#include "runtime/stage_criu.h"

struct checkpointing {
	struct arena *arena;
	const struct container_checkpoint *req;
	const struct state *state;
	struct spec *spec;
	struct plan_mounts *plan;
	struct criu_mounts mounts; /* as init sees them */
	struct criu_mounts own;    /* as we do */
	struct criu_stdio stdio;
	struct criu_request request;
	struct criu_run run;
};

static int check_status(enum state_status status, struct err *err)
{
	if (status == STATE_RUNNING || status == STATE_PAUSED)
		return 0;
	return err_set(err, EINVAL, "Container cannot be checkpointed in %s state",
		       state_status_name(status));
}

/* ---- facts ---- */

static int read_facts(struct checkpointing *c, struct err *err)
{
	struct plan_request request = { .id = c->state->id, .bundle = c->state->bundle };
	struct host *host = ARENA_NEW(c->arena, struct host);
	int r = host_probe(c->arena, host, err);

	if (r >= 0)
		r = plan_mounts_build(c->arena, c->spec, host, &request, NULL, &c->plan, err);
	if (r >= 0)
		r = criu_read_mounts(c->arena, c->state->pid, &c->mounts, err);
	if (r >= 0)
		r = criu_read_mounts(c->arena, getpid(), &c->own, err);
	if (r >= 0)
		r = criu_read_stdio(c->arena, c->state->pid, &c->mounts, &c->stdio, err);
	return r;
}

/* ---- mounts ---- */

/* What is mounted at the configuration's destination now. Found by the mount's number, for links in
 * the image may lead elsewhere. NULL: nothing of the configuration's is there any more. */
static const struct criu_mount *mount_at(const struct checkpointing *c, int root_fd,
					 const char *destination)
{
	CLEANUP_FD int fd = path_open_in_root(root_fd, destination, O_PATH);
	uint64_t id;

	if (fd < 0 || criu_mount_id(0, fd, &id) < 0)
		return NULL;
	return criu_mount_by_id(&c->mounts, id);
}

/* A mount that came with a recursive bind: below the source there is the same one on the host. What
 * the container mounted there itself is criu's to dump. */
static bool is_of_host(const struct checkpointing *c, const struct criu_mount *mount,
		       const char *source, const char *rest)
{
	size_t n = strlen(source);

	for (size_t i = 0; i < c->own.n; i++) {
		const struct criu_mount *own = &c->own.v[i];

		if (own->major == mount->major && own->minor == mount->minor &&
		    strncmp(own->point, source, n) == 0 && str_eq(own->point + n, rest))
			return true;
	}
	return false;
}

static void add_below(struct checkpointing *c, const struct plan_mount *m,
		      const struct criu_mount *top)
{
	size_t n = strlen(top->point);
	const char *source = str_eq(m->source, "/") ? "" : m->source;

	for (size_t i = 0; i < c->mounts.n; i++) {
		const struct criu_mount *mount = &c->mounts.v[i];

		if (strncmp(mount->point, top->point, n) != 0 || mount->point[n] != '/' ||
		    !is_of_host(c, mount, source, mount->point + n))
			continue;
		criu_pairs_add(c->arena, &c->request.mounts, mount->point,
			       arena_printf(c->arena, "%s%s", m->destination, mount->point + n));
	}
}

/* Without a cgroup namespace: the container's cgroup is bound there, in v1 a bind a hierarchy. */
static void add_cgroups(struct checkpointing *c, const struct plan_mount *m,
			const struct criu_mount *top)
{
	const char *type = m->kind == PLAN_MOUNT_CGROUP2 ? "cgroup2" : "cgroup";
	size_t n = strlen(top->point);

	for (size_t i = 0; i < c->mounts.n; i++) {
		const struct criu_mount *mount = &c->mounts.v[i];

		if (str_eq(mount->type, type) && strncmp(mount->point, top->point, n) == 0 &&
		    (mount->point[n] == '/' || !mount->point[n]))
			criu_pairs_add(
				c->arena, &c->request.mounts, mount->point,
				arena_printf(c->arena, "%s%s", m->destination, mount->point + n));
	}
}

static bool is_cgroup_bind(const struct checkpointing *c, const struct plan_mount *m)
{
	return !c->plan->new_cgroup_ns &&
	       (m->kind == PLAN_MOUNT_CGROUP1 || m->kind == PLAN_MOUNT_CGROUP2);
}

static int add_mounts(struct checkpointing *c, struct err *err)
{
	const struct plan_mounts *plan = c->plan;
	const char *path = arena_printf(c->arena, "/proc/%d/root", (int)c->state->pid);
	CLEANUP_FD int root = fd_open(path, O_PATH | O_DIRECTORY, 0);

	if (root < 0)
		return err_sysn(err, root, "open \"%s\"", path);
	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct plan_mount *m = &plan->mounts[i];
		const struct criu_mount *mount;

		if (!criu_mount_is_external(m) && !is_cgroup_bind(c, m))
			continue;
		mount = mount_at(c, root, m->destination);
		if (!mount || str_eq(mount->point, "/"))
			continue;
		if (!criu_mount_is_external(m)) {
			add_cgroups(c, m, mount);
			continue;
		}
		criu_pairs_add(c->arena, &c->request.mounts, mount->point, m->destination);
		if (m->kind == PLAN_MOUNT_BIND && m->recursive)
			add_below(c, m, mount);
	}
	for (size_t i = 0; plan->bind_devices && i < plan->n_devices; i++)
		criu_pairs_add(c->arena, &c->request.mounts, plan->devices[i].path,
			       plan->devices[i].path);
	return 0;
}

/* ---- namespaces ---- */

static int add_namespace(struct checkpointing *c, uint64_t flag, struct err *err)
{
	enum criu_ns kind = criu_ns_of(c->spec, flag);
	const char *path;
	struct stat st;
	int fd;

	if (kind != CRIU_NS_EXTERNAL && kind != CRIU_NS_JOIN)
		return 0;
	path = arena_printf(c->arena, "/proc/%d/ns/%s", (int)c->state->pid, plan_ns_name(flag));
	fd = fd_open(path, O_RDONLY, 0);
	if (fd < 0 || fstat(fd, &st) < 0) {
		fd_close(fd);
		return err_sys(err, "open \"%s\"", path);
	}
	if (kind == CRIU_NS_JOIN) {
		c->run.joins[c->run.n_joins++] = fd;
		return 0;
	}
	fd_close(fd);
	c->request.external[c->request.n_external++] =
		arena_printf(c->arena, "%s[%llu]:%s", plan_ns_name(flag),
			     (unsigned long long)st.st_ino, criu_ns_name(flag));
	return 0;
}

static int add_namespaces(struct checkpointing *c, struct err *err)
{
	static const uint64_t flags[] = { CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS };
	int r = 0;

	for (size_t i = 0; i < ARRAY_COUNT(flags) && r >= 0; i++)
		r = add_namespace(c, flags[i], err);
	return r;
}

/* ---- the dump ---- */

static void add_rest(struct checkpointing *c)
{
	struct criu_request *request = &c->request;

	request->pid = c->state->pid;
	for (int i = 0; i < 3; i++)
		if (c->stdio.external[i])
			request->external[request->n_external++] = c->stdio.external[i];
	for (size_t i = 0; i < c->state->cgroup.n; i++) {
		const struct cgroup_path *p = &c->state->cgroup.v[i];

		/* On a hybrid layout too it is v1's freezer that `pause` uses, where there is one. */
		if (str_eq(p->controllers, "freezer") || (p->v2 && !request->freeze_cgroup))
			request->freeze_cgroup = p->path;
	}
}

static void log_request(const struct checkpointing *c)
{
	CLEANUP_STR struct str text = { 0 };

	if (!c->req->debug)
		return;
	criu_request_print(&c->request, &text);
	log_debug("%s", text.data);
}

/* Pages can be asked for. */
static int tell_ready(const struct criu_options *options, struct err *err)
{
	int r;

	if (options->status_fd < 0)
		return 0;
	r = io_write_all(options->status_fd, "", 1);
	if (r < 0)
		return err_sysn(err, r, "write to the descriptor of --status-fd");
	fd_close(options->status_fd);
	return 0;
}

static int converse(struct checkpointing *c, struct err *err)
{
	struct criu_event event;
	int r = criu_start(&c->run, err);

	if (r >= 0)
		r = criu_go(&c->run, err);
	if (r >= 0)
		r = criu_ask(c->arena, &c->run, &c->request, err);
	while (r >= 0) {
		r = criu_next(&c->run, &event, err);
		if (r < 0)
			break;
		fd_close(event.fd);
		if (event.kind == CRIU_EVENT_END)
			return event.success ? 0
					     : criu_fail(&c->run, &event,
							 "checkpoint the container", err);
		if (str_eq(event.script, "status-ready"))
			r = tell_ready(&c->req->criu, err);
		if (r >= 0)
			r = criu_reply(c->arena, &c->run, true, err);
	}
	return r;
}

static int dump(struct checkpointing *c, struct err *err)
{
	const struct criu_options *options = &c->req->criu;
	int r = criu_check_namespaces(c->spec, "checkpoint", err);

	c->run.program = options->program;
	c->run.log_file = c->request.log_file;
	if (r >= 0)
		r = criu_check_features(c->arena, options, err);
	if (r >= 0)
		r = criu_open_directories(&c->run, options, err);
	if (r >= 0)
		r = read_facts(c, err);
	if (r >= 0)
		r = add_mounts(c, err);
	if (r >= 0)
		r = add_namespaces(c, err);
	if (r < 0)
		return r;
	c->request.images_fd = c->run.images_fd;
	c->request.work_fd = c->run.work_fd;
	add_rest(c);
	/* First, for a dump that has ended has killed the container. */
	if (c->request.type == CRIU_DUMP)
		r = criu_write_descriptors(c->request.images_fd, &c->stdio, err);
	if (r < 0)
		return r;
	log_request(c);
	return converse(c, err);
}

static void close_all(struct checkpointing *c, bool by_force)
{
	if (by_force)
		criu_kill(&c->run);
	else
		criu_finish(&c->run);
	for (size_t i = 0; i < c->run.n_joins; i++)
		fd_close(c->run.joins[i]);
}

static int end(struct arena *arena, const struct container_checkpoint *req, struct state_dir *dir,
	       const struct state *state, struct err *err)
{
	struct err gone = { 0 };

	if (req->criu.pre_dump || req->criu.leave_running)
		return 0;
	/* While pages were fetched anybody may have deleted it. */
	if (req->criu.lazy_pages && state_dir_lock(dir, true, &gone) < 0)
		return 0;
	return container_destroy(arena, dir, state, err);
}

int container_checkpoint(struct arena *arena, const struct container_checkpoint *req,
			 struct err *err)
{
	CLEANUP_STATE_DIR struct state_dir dir = STATE_DIR_INIT;
	struct checkpointing c = { .arena = arena, .req = req, .run = CRIU_RUN_INIT };
	enum criu_type type = req->criu.pre_dump ? CRIU_PRE_DUMP : CRIU_DUMP;
	struct state state;
	int held, r = state_dir_open(arena, req->root, req->id, true, &dir, err);

	if (r >= 0)
		r = state_read(arena, &dir, &state, err);
	if (r == -ENODATA)
		return err_set(err, ENOENT, "container does not exist");
	if (r >= 0)
		r = check_status(state_status(&state, NULL), err);
	if (r >= 0)
		r = state_read_spec(arena, &dir, &c.spec, err);
	if (r < 0)
		return r;
	c.state = &state;
	criu_plan_common(&req->criu, c.spec, type, &c.request);
	/* A dump that is cut short leaves nobody knows what: it is short, and waited for. But not one
	 * that ends only when somebody has fetched the last page. */
	held = interrupt_begin();
	if (req->criu.lazy_pages) {
		c.run.interrupt_fd = held;
		state_dir_unlock(&dir);
	}
	r = dump(&c, err);
	close_all(&c, r < 0 && req->criu.lazy_pages);
	if (r >= 0)
		r = end(arena, req, &dir, &state, err);
	interrupt_end(&held);
	return r < 0 ? r : 0;
}
