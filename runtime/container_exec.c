/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: another process in a container that exists. See container.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/json.h"
#include "common/log.h"
#include "common/str.h"
#include "runtime/annotations.h"
#include "runtime/container.h"
#include "runtime/container_fds.h"
#include "runtime/foreground.h"
#include "runtime/stage.h"
#include "spec/spec_read.h"

static size_t count(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

static int set_user(struct spec_process *p, const char *user, struct err *err)
{
	char uid[16];
	const char *colon = strchrnul(user, ':');
	size_t n = (size_t)(colon - user);

	/* CVE-2026-30892's class: the whole text is a number or it is refused. */
	if (n >= sizeof(uid))
		return err_set(err, EINVAL, "--user: invalid uid in \"%s\"", user);
	memcpy(uid, user, n);
	uid[n] = '\0';
	if (parse_u32(uid, 10, &p->user.uid) < 0)
		return err_set(err, EINVAL, "--user: invalid uid in \"%s\"", user);
	if (*colon && parse_u32(colon + 1, 10, &p->user.gid) < 0)
		return err_set(err, EINVAL, "--user: invalid gid in \"%s\"", user);
	return 0;
}

static int add_gids(struct arena *arena, struct spec_process *p, const char *const *gids,
		    struct err *err)
{
	size_t old = p->user.n_additional_gids, n = count(gids);
	uint32_t *v = ARENA_ARRAY(arena, old + n, uint32_t);

	if (n == 0)
		return 0;
	if (old)
		memcpy(v, p->user.additional_gids, old * sizeof(*v));
	for (size_t i = 0; i < n; i++)
		if (parse_u32(gids[i], 10, &v[old + i]) < 0)
			return err_set(err, EINVAL, "--additional-gids: invalid gid \"%s\"",
				       gids[i]);
	p->user.additional_gids = v;
	p->user.n_additional_gids = old + n;
	return 0;
}

static void add_env(struct arena *arena, struct spec_process *p, const char *const *env)
{
	size_t n = count(env);
	char **v = ARENA_ARRAY(arena, p->env.n + n + 1, char *);

	for (size_t i = 0; i < p->env.n; i++)
		v[i] = p->env.v[i];
	for (size_t i = 0; i < n; i++)
		v[p->env.n + i] = arena_strdup(arena, env[i]);
	p->env.v = v;
	p->env.n += n;
}

static void add_caps(struct spec_process *p, const char *const *caps)
{
	for (; caps && *caps; caps++) {
		int cap = spec_capability(*caps);
		uint64_t bit;

		if (cap < 0) {
			log_warning("ignoring unknown capabilities: %s", *caps);
			continue;
		}
		bit = UINT64_C(1) << cap;
		p->caps.given = true;
		p->caps.bounding |= bit;
		p->caps.effective |= bit;
		p->caps.permitted |= bit;
		/* Ambient ones must be inheritable; only a config that has that set keeps them. */
		if (p->caps.has_inheritable) {
			p->caps.inheritable |= bit;
			p->caps.ambient |= bit;
			p->caps.has_ambient = true;
		}
	}
}

/* The container's own process with what the options change. */
static int process_from_options(struct arena *arena, const struct container_exec *req,
				const struct spec *spec, struct spec_process **ret, struct err *err)
{
	struct spec_process *p = ARENA_NEW(arena, struct spec_process);
	size_t n = count((const char *const *)req->args);
	char **args = ARENA_ARRAY(arena, n + 1, char *);
	int r;

	if (n == 0)
		return err_set(err, EINVAL, "exec args cannot be empty");
	*p = spec->process;
	for (size_t i = 0; i < n; i++)
		args[i] = req->args[i];
	p->args = (struct spec_strings){ .v = args, .n = n };
	p->terminal = req->tty;
	/* Empty is not given, as in runc: scripts pass on what may be unset. */
	if (req->cwd && *req->cwd)
		p->cwd = req->cwd;
	if (req->apparmor && *req->apparmor)
		p->apparmor_profile = req->apparmor;
	if (req->selinux && *req->selinux)
		p->selinux_label = req->selinux;
	if (req->no_new_privs)
		p->no_new_privileges = true;
	add_env(arena, p, req->env);
	r = req->user && *req->user ? set_user(p, req->user, err) : 0;
	if (r >= 0)
		r = add_gids(arena, p, req->gids, err);
	if (r < 0)
		return r;
	add_caps(p, req->caps);
	r = spec_check_process(p, "process", err);
	if (r >= 0)
		*ret = p;
	return r;
}

/* What confines the container's process confines this one too unless the file says otherwise: a
 * file without a word of it must not give a process that is less confined, as in runc. */
static void inherit(struct spec_process *p, const struct spec_process *from)
{
	if (!p->caps.given)
		p->caps = from->caps;
	if (!p->apparmor_profile || !*p->apparmor_profile)
		p->apparmor_profile = from->apparmor_profile;
	if (!p->selinux_label || !*p->selinux_label)
		p->selinux_label = from->selinux_label;
	if (!p->has_oom_score_adj) {
		p->has_oom_score_adj = from->has_oom_score_adj;
		p->oom_score_adj = from->oom_score_adj;
	}
}

static int process_from_file(struct arena *arena, const char *path, const struct spec *spec,
			     struct spec_process **ret, struct err *err)
{
	char *data;
	size_t n;
	int r = io_read_file(AT_FDCWD, path, JSON_BYTES_MAX, arena, &data, &n);

	if (r < 0)
		return err_sysn(err, r, "open %s", path);
	r = spec_read_process(arena, data, n, ret, err);
	if (r >= 0)
		inherit(*ret, &spec->process);
	return r;
}

static int err_stopped(struct err *err)
{
	return err_set(err, EINVAL, "cannot exec in a stopped container");
}

static int check_status(struct stage *s, bool ignore_paused, struct err *err)
{
	enum state_status status = state_status(&s->state, &s->join_pidfd);

	s->paused = status == STATE_PAUSED;
	if (status == STATE_STOPPED)
		return err_stopped(err);
	if (status == STATE_CREATING)
		return err_set(err, EINVAL, "cannot exec in a not yet created container");
	if (status == STATE_PAUSED && !ignore_paused)
		return err_set(
			err, EINVAL,
			"cannot exec in a paused container (use --ignore-paused to override)");
	return 0;
}

struct execing {
	struct host host;
	struct spec *spec;
	struct plan *plan;
	struct plan_request plan_request;
	struct stage_request request;
};

static int decide(struct arena *arena, const struct container_exec *req, struct stage *s,
		  struct execing *e, struct err *err)
{
	struct plan_input in = { .kind = PLAN_EXEC, .request = &e->plan_request };
	struct spec_process *process = NULL;
	int r = state_read_spec(arena, &s->dir, &e->spec, err);

	if (r >= 0)
		r = annotations_apply(e->spec, false, err);
	if (r >= 0)
		r = host_probe(arena, &e->host, err);
	if (r >= 0)
		r = req->process_file
			    ? process_from_file(arena, req->process_file, e->spec, &process, err)
			    : process_from_options(arena, req, e->spec, &process, err);
	if (r < 0)
		return r;
	if (process && req->process_file && req->tty)
		process->terminal = true;
	e->plan_request = (struct plan_request){
		.id = req->id,
		.bundle = s->state.bundle,
		.state_dir = s->dir.path,
		.cgroup_manager = s->state.cgroup_manager,
		.rootless_cgroup = s->state.rootless_cgroup,
		.detach = req->detach,
		.no_new_keyring = req->no_new_keyring,
		.console_socket = req->console_socket,
	};
	in.spec = e->spec;
	in.process = process;
	in.host = &e->host;
	r = container_fds(req->preserve_fds, false, &in, err);
	if (r >= 0)
		r = plan_build_exec(arena, &in, &e->plan, err);
	e->request = (struct stage_request){
		.pid_file = req->pid_file,
		.console_socket = req->console_socket,
		.pidfd_socket = req->pidfd_socket,
		.foreground = !req->detach,
	};
	return r;
}

static int choose_cgroup(struct arena *arena, const struct container_exec *req, struct stage *s,
			 struct err *err)
{
	s->cgroup = s->state.cgroup;
	s->tolerate_cgroup = s->state.rootless_cgroup;
	for (const char *const *arg = req->cgroups; arg && *arg; arg++) {
		struct cgroup sub;
		int r = cgroup_sub(arena, &s->cgroup, *arg, &sub, err);

		if (r < 0)
			return r;
		s->cgroup = sub;
	}
	return 0;
}

static int exec_in(struct stage *s, struct foreground *fg, bool detach, struct err *err)
{
	struct foreground_io io = { .tty_master = -EBADF };
	int r = stage_parent_run(s, err);

	/* Its end in the middle of the joining shows as any error at all: ENOENT of the cgroup, say. */
	if (r < 0 && state_status(&s->state, NULL) == STATE_STOPPED)
		return err_stopped(err);
	if (r >= 0)
		r = stage_parent_started(s, err);
	if (r < 0 || detach)
		return r;
	io.tty_master = fd_take(&s->tty_master);
	for (int i = 0; i < 3; i++)
		io.stdio[i] = fd_take(&s->prep.stdio_parent[i]);
	prep_done(&s->prep);
	return foreground_run(fg, &s->init, &io, err);
}

static int run(struct arena *arena, const struct container_exec *req, struct stage *s,
	       struct execing *e, struct err *err)
{
	struct foreground fg = FOREGROUND_INIT;
	int r = state_dir_open(arena, req->root, req->id, false, &s->dir, err);

	if (r >= 0)
		r = state_read(arena, &s->dir, &s->state, err);
	if (r >= 0)
		r = check_status(s, req->ignore_paused, err);
	if (r >= 0)
		r = decide(arena, req, s, e, err);
	if (r >= 0)
		r = choose_cgroup(arena, req, s, err);
	if (r < 0)
		return r;
	s->plan = e->plan;
	s->host = &e->host;
	s->request = &e->request;
	/* The pidfd is what holds the container now: nobody has to wait for our process. */
	state_dir_unlock(&s->dir);
	if (!req->detach)
		r = foreground_begin(&fg, false, err);
	if (r >= 0)
		r = exec_in(s, &fg, req->detach, err);
	foreground_end(&fg);
	return r;
}

int container_exec(struct arena *arena, const struct container_exec *req, struct err *err)
{
	struct stage s = { .arena = arena, .root = req->root, .debug = req->debug };
	struct execing e = { 0 };
	int r;

	stage_setup(&s);
	r = run(arena, req, &s, &e, err);
	stage_done(&s);
	return r < 0 ? err_wrap(err, "exec failed") : r;
}
