/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See control.h.
 */
#include "runtime/control.h"

#include <errno.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/json.h"
#include "common/proc.h"
#include "common/str.h"
#include "runtime/cgroup.h"
#include "runtime/cgroup_systemd.h"
#include "runtime/events.h"
#include "runtime/host.h"
#include "runtime/plan_cgroup.h"
#include "runtime/state.h"
#include "runtime/update.h"
#include "spec/spec_read.h"

#define RESOURCES_FILE "resources.json"
#define RESOURCES_FILE_MAX (4u << 20)

/* Reads the state of a directory that is open. */
static int look(struct arena *arena, const struct state_dir *dir, struct state *ret_state,
		enum state_status *ret_status, struct err *err)
{
	int r = state_read(arena, dir, ret_state, err);

	if (r == -ENODATA)
		return err_set(err, ENOENT, "container does not exist");
	if (r >= 0)
		*ret_status = state_status(ret_state, NULL);
	return r;
}

/* ---- pause, resume ---- */

int control_pause(struct arena *arena, const char *root, const char *id, struct err *err)
{
	CLEANUP_STATE_DIR struct state_dir dir = STATE_DIR_INIT;
	enum state_status status = STATE_STOPPED;
	struct state state;
	/* With the lock nobody is frozen half-way through create or start. */
	int r = state_dir_open(arena, root, id, true, &dir, err);

	if (r >= 0)
		r = look(arena, &dir, &state, &status, err);
	if (r < 0)
		return r;
	if (status != STATE_RUNNING && status != STATE_CREATED)
		return err_set(err, EINVAL, "container not running");
	return cgroup_freeze(&state.cgroup, true, err);
}

int control_resume(struct arena *arena, const char *root, const char *id, struct err *err)
{
	CLEANUP_STATE_DIR struct state_dir dir = STATE_DIR_INIT;
	enum state_status status = STATE_STOPPED;
	struct state state;
	/* No lock: whoever holds it may be waiting for a process that is frozen. */
	int r = state_dir_peek(arena, root, id, &dir, err);

	if (r >= 0)
		r = look(arena, &dir, &state, &status, err);
	if (r < 0)
		return r;
	if (status != STATE_PAUSED)
		return err_set(err, EINVAL, "container not paused");
	return cgroup_freeze(&state.cgroup, false, err);
}

/* ---- update ---- */

/* What is in force: what the last update left, else what create was given. */
static int read_current(struct arena *arena, const struct state_dir *dir,
			const struct spec_resources **ret, struct err *err)
{
	struct spec_resources *kept;
	struct spec *spec;
	char *text;
	size_t n;
	int r = io_read_file(dir->fd, RESOURCES_FILE, RESOURCES_FILE_MAX, arena, &text, &n);

	if (r == -ENOENT) {
		r = state_read_spec(arena, dir, &spec, err);
		if (r >= 0)
			*ret = &spec->linux_.resources;
		return r;
	}
	if (r < 0)
		return err_sysn(err, r, "read \"%s/" RESOURCES_FILE "\"", dir->path);
	r = spec_read_resources(arena, text, n, &kept, err);
	if (r < 0)
		return err_wrap(err, "\"%s/" RESOURCES_FILE "\"", dir->path);
	*ret = kept;
	return 0;
}

static int write_current(const struct state_dir *dir, const struct spec_resources *resources,
			 struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new(NULL);
	const char *text;
	size_t n;
	int r;

	update_write_json(w, resources);
	text = json_writer_text(w, &n);
	r = io_replace_file(dir->fd, RESOURCES_FILE, text, n, 0600);
	return r < 0 ? err_sysn(err, r, "write \"%s/" RESOURCES_FILE "\"", dir->path) : 0;
}

/* The plan's places are those of the state, not what this caller would choose now. */
static int plan_update(struct arena *arena, const struct state *state,
		       const struct spec_resources *resources, struct plan_cgroup *plan,
		       struct err *err)
{
	struct host host = { 0 };
	int r = host_probe_cgroups(arena, &host, err);

	if (r < 0)
		return r;
	*plan = (struct plan_cgroup){
		.manager = state->cgroup_manager,
		.layout = host.layout,
		.v2_available = host.v2_controllers,
		.dirs = ARENA_ARRAY(arena, state->cgroup.n, struct plan_cgroup_dir),
		.n_dirs = state->cgroup.n,
	};
	for (size_t i = 0; i < state->cgroup.n; i++) {
		const struct cgroup_path *p = &state->cgroup.v[i];
		const struct host_hierarchy *h = p->v2 ? host_hierarchy(&host, "") : NULL;

		plan->dirs[i] = (struct plan_cgroup_dir){
			.controllers = p->controllers,
			.path = p->path,
			.v2 = p->v2,
			/* Parents are looked at only to enable controllers, in v2. */
			.mount_point = h && str_starts_with(p->path, h->mount_point)
					       ? h->mount_point
					       : p->path,
		};
	}
	return plan_cgroup_resources(arena, resources, plan, err);
}

/* With runc's words for a container that has no group. */
static int check_rdt(const struct control_update *req, const struct state *state, struct err *err)
{
	if (state->rdt.clos || (!req->l3_cache_schema && !req->mem_bw_schema))
		return 0;
	return err_set(err, ENOTSUP, "%s schema is not enabled",
		       req->l3_cache_schema ? "Intel RDT/CAT: l3 cache"
					    : "Intel RDT/MBA: memory bandwidth");
}

/* Without its manager nothing is changed: it would put the old limits back behind our back. */
static int plan_unit_update(struct arena *arena, const struct state *state,
			    struct plan_cgroup *plan, struct bus **ret, struct err *err)
{
	struct host_systemd facts;
	int r;

	if (!state->cgroup.unit)
		return 0;
	r = cgroup_systemd_open(arena, state->cgroup.user, state->cgroup.bus, ret, &facts, err);
	if (r < 0)
		return r;
	plan->systemd = ARENA_NEW(arena, struct plan_systemd);
	plan->systemd->unit = state->cgroup.unit;
	plan->systemd->sub = "";
	return plan_systemd_resources(arena, facts.version, false, plan, err);
}

static int update_cgroup(struct arena *arena, const struct state_dir *dir,
			 const struct state *state, const struct spec_resources *given,
			 struct err *err)
{
	struct spec_resources apply, keep;
	const struct spec_resources *old = NULL;
	struct bus *systemd = NULL;
	struct plan_cgroup plan;
	int r = read_current(arena, dir, &old, err);

	if (r < 0)
		return r;
	update_merge(arena, old, given, &apply, &keep);
	r = plan_update(arena, state, &apply, &plan, err);
	if (r >= 0)
		r = plan_unit_update(arena, state, &plan, &systemd, err);
	if (r >= 0)
		r = cgroup_update(&plan, systemd, err);
	cgroup_systemd_close(systemd);
	return r < 0 ? r : write_current(dir, &keep, err);
}

int control_update(struct arena *arena, const struct control_update *req, struct err *err)
{
	CLEANUP_STATE_DIR struct state_dir dir = STATE_DIR_INIT;
	enum state_status status = STATE_STOPPED;
	bool rdt = req->l3_cache_schema || req->mem_bw_schema;
	struct state state;
	int r = state_dir_open(arena, req->root, req->id, true, &dir, err);

	if (r >= 0)
		r = look(arena, &dir, &state, &status, err);
	if (r < 0)
		return r;
	if (status == STATE_STOPPED || status == STATE_CREATING)
		return err_set(err, EINVAL, "container not running");
	r = check_rdt(req, &state, err);
	if (r < 0)
		return r;
	if (!state.cgroup.n && !rdt)
		return err_set(err, ENOTSUP, "container \"%s\" has no cgroup of its own", req->id);
	if (state.cgroup.n)
		r = update_cgroup(arena, &dir, &state, req->resources, err);
	if (r >= 0 && rdt)
		r = rdt_update(&state.rdt, req->l3_cache_schema, req->mem_bw_schema, err);
	return r;
}

/* ---- events ---- */

int control_events(struct arena *arena, const struct control_events *req, struct err *err)
{
	CLEANUP_STATE_DIR struct state_dir dir = STATE_DIR_INIT;
	CLEANUP_FD int pidfd = -EBADF;
	struct events events = { .interval_ns = req->interval_ns };
	struct state state;
	int r = state_dir_peek(arena, req->root, req->id, &dir, err);

	if (r >= 0)
		r = state_read(arena, &dir, &state, err);
	if (r == -ENODATA)
		return err_set(err, ENOENT, "container does not exist");
	if (r < 0)
		return r;
	if (state_status(&state, &pidfd) == STATE_STOPPED)
		return err_set(err, EINVAL, "container with id %s is not running", req->id);
	if (!state.cgroup.n)
		return err_set(err, ENOTSUP, "container \"%s\" has no cgroup of its own", req->id);
	state_dir_close(&dir);
	events.id = state.id;
	events.cgroup = &state.cgroup;
	events.clos = state.rdt.clos;
	events.mon = state.rdt.mon;
	events.pidfd = proc_pollable(pidfd);
	return req->once ? events_once(&events, err) : events_stream(&events, err);
}
