// SPDX-License-Identifier: Apache-2.0
// A container's life in the daemon: preparation beside the loop, create, and what has to go when it
// is deleted or could not be created.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/proc.h"
#include "shim/exit_record.h"
#include "shim/front_task_private.h"
#include "shim/task.pb-c.h"
#include "shim/ttrpc.h"
#include "shim/worker.h"

#define RUNC_ROOT "/run/containerd/runc"
#define BUSY_MS 100

struct front_container *front_container_find(struct front *f, const char *id)
{
	for (struct front_container *c = f->containers; c; c = c->next)
		if (str_eq(c->id, id))
			return c;
	return NULL;
}

static void unlink_container(struct front_container *c)
{
	struct front *f = c->front;

	for (struct front_container **at = &f->containers; *at; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			break;
		}
	}
	for (struct service_task **at = &f->service.tasks; *at; at = &(*at)->next) {
		if (*at == &c->served) {
			*at = c->served.next;
			break;
		}
	}
}

static void container_free(struct front_container *c)
{
	task_free(c->task);
	front_io_free(c->io);
	fd_close(c->dirfd);
	free(c->text);
	arena_done(&c->arena);
	free(c);
}

/* A kill, or a session's exec, may still be in flight. */
static void free_later(void *user)
{
	struct front_container *c = user;
	struct ev_timer *timer;

	if (!c->task || !task_is_busy(c->task))
		container_free(c);
	else if (ev_timer(c->front->ev, BUSY_MS, free_later, c, &timer) < 0)
		log_warning("out of memory: \"%s\" is not given back", c->id);
}

/* ---- the end ---- */

struct front_late {
	struct front_late *next;
	struct server_call *call;
};

bool front_container_await(struct front *f, const char *id, struct server_call *call)
{
	struct front_container *c = f->leaving;
	struct front_late *l;

	while (c && !str_eq(c->id, id))
		c = c->next;
	if (!c)
		return false;
	l = malloc(sizeof(*l));
	if (!l) {
		server_error(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return true;
	}
	*l = (struct front_late){ c->late, call };
	c->late = l;
	return true;
}

static bool is_leaving(const struct front *f, const char *bundle)
{
	const struct front_container *c = f->leaving;

	while (c && !str_eq(c->bundle, bundle))
		c = c->next;
	return c != NULL;
}

static int prepare(void *arg);
static void prepared(void *user, int result);

/* What is unmounted for one that leaves may not be what has been mounted for the next. */
static void prepare_waiting(struct front *f)
{
	struct front_container *c = f->containers;

	while (c) {
		if (!c->waits || is_leaving(f, c->bundle)) {
			c = c->next;
			continue;
		}
		c->waits = false;
		worker_run(f->ev, prepare, c, prepared, c);
		c = f->containers; /* without a thread to be had it may be over */
	}
}

static void leave(struct front_container *c)
{
	struct front_container **at = &c->front->leaving;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	prepare_waiting(c->front);
	while (c->late) {
		struct front_late *l = c->late;

		c->late = l->next;
		server_error(l->call, TTRPC_NOT_FOUND, "container not created: not found");
		free(l);
	}
}

static int clean_up(void *arg)
{
	struct front_container *c = arg;

	return front_unmount_all(c->bundle, &c->err);
}

static void cleaned_up(void *user, int result)
{
	struct front_container *c = user;
	struct ev_timer *timer;

	if (result < 0)
		log_error("%s", c->err.msg);
	if (c->call && c->code)
		server_error(TAKE_PTR(c->call), c->code, "%s", c->text ? c->text : "");
	else if (c->call && result < 0)
		server_error(TAKE_PTR(c->call), TTRPC_UNKNOWN, "failed to delete task: %s",
			     c->err.msg);
	else if (c->call)
		service_reply_delete(TAKE_PTR(c->call), task_init(c->task));
	leave(c);
	/* Not here: the supervisor may be further up the stack. */
	if (ev_timer(c->front->ev, 0, free_later, c, &timer) < 0)
		log_warning("out of memory: \"%s\" is not given back", c->id);
}

/* Deleted or rolled back: nobody finds it any more. */
static void ended(void *user)
{
	struct front_container *c = user;

	unlink_container(c);
	front_service_forget(c->task);
	service_release_task(&c->front->service, c->task);
	c->next = c->front->leaving;
	c->front->leaving = c;
	worker_run(c->front->ev, clean_up, c, cleaned_up, c);
}

static void forgotten(void *user)
{
	struct front_container *c = user;
	struct err err = { 0 };

	if (registry_remove(&c->key, &err) < 0)
		log_error("%s", err.msg);
}

/* ---- the set-up ---- */

static const char *keep(struct front_container *c, const char *text)
{
	return text ? arena_strdup(&c->arena, text) : "";
}

static void keep_mounts(struct front_container *c, const struct front_create *q)
{
	c->n_mounts = q->n_mounts;
	c->mounts = ARENA_ARRAY(&c->arena, q->n_mounts, struct front_mount);
	for (size_t i = 0; i < q->n_mounts; i++) {
		const struct front_mount *from = &q->mounts[i];
		struct front_mount *to = &c->mounts[i];

		to->type = keep(c, from->type);
		to->source = keep(c, from->source);
		to->target = keep(c, from->target);
		to->n_options = from->n_options;
		to->options = ARENA_ARRAY(&c->arena, from->n_options, const char *);
		for (size_t k = 0; k < from->n_options; k++)
			to->options[k] = keep(c, from->options[k]);
	}
}

static int choose_runtime(struct front_container *c, const struct front_create *q, struct err *err)
{
	struct front *f = c->front;
	struct front_spec spec;
	size_t n = 0;
	int r;

	r = front_options_parse(q->options_type, q->options, q->options_len, &c->arena, &c->options,
				err);
	if (r < 0)
		return r;
	front_spec_read(c->bundle, &c->arena, &spec);
	r = front_spool_choose(&spec, &c->options.spool, err);
	if (r < 0)
		return r;
	c->kill_all = !spec.own_pid_ns;
	/* Clients send no options to a shim of another name: the path's form tells. */
	if (!c->options.given && front_is_systemd_path(spec.cgroups_path))
		c->options.systemd_cgroup = true;
	c->runtime.path = front_runtime_find(&c->options, &c->arena);
	if (!c->runtime.path)
		return err_set(err, ENOENT, "runtime \"%s\": not found in PATH",
			       c->options.binary_name ? c->options.binary_name : "thole");
	c->runtime.root = arena_printf(
		&c->arena, "%s/%s",
		c->options.root && c->options.root[0] ? c->options.root : RUNC_ROOT, f->ns);
	if (c->options.systemd_cgroup)
		c->runtime_args[c->runtime.n_args++] = "--systemd-cgroup";
	if (c->options.criu_path && c->options.criu_path[0])
		c->runtime_args[c->runtime.n_args++] =
			arena_printf(&c->arena, "--criu=%s", c->options.criu_path);
	c->runtime.args = c->runtime_args;
	if (c->options.no_pivot_root)
		c->create_args[n++] = "--no-pivot";
	if (c->checkpoint[0]) {
		c->create_args[n++] = "--image-path";
		c->create_args[n++] = c->checkpoint;
		c->create_args[n++] = "--work-path";
		c->create_args[n++] = front_criu_work(c);
	} else if (c->options.no_new_keyring)
		c->create_args[n++] = "--no-new-keyring";
	return (int)n;
}

static int make_registry(struct front_container *c, struct err *err)
{
	char path[PATH_MAX];
	int r;

	c->key = (struct registry_key){ NULL, c->front->ns, c->id };
	c->dirfd = registry_create(&c->key, err);
	if (c->dirfd < 0)
		return c->dirfd;
	if (registry_path(&c->key, NULL, path, sizeof(path)) < 0)
		return err_set(err, ENAMETOOLONG, "the path of \"%s\" is too long", c->id);
	c->dir = arena_strdup(&c->arena, path);
	c->record = arena_printf(&c->arena, "%s/%s", path, REGISTRY_RECORD);
	/* A state directory that is full later must not cost the exit status. */
	r = exit_record_reserve(c->dirfd, REGISTRY_RECORD);
	if (r < 0)
		return err_sysn(err, r, "write \"%s\"", c->record);
	/* One socket for all containers of the pod. */
	if (symlinkat(c->front->socket, c->dirfd, REGISTRY_SOCKET) < 0)
		return err_sys(err, "link \"%s/%s\"", c->dir, REGISTRY_SOCKET);
	return 0;
}

/* For `thole-shim logs`: what can be read there, or whose it is. */
static const char *log_format(struct front_container *c, const char **ret_path)
{
	*ret_path = c->uri[1];
	if (str_starts_with(c->uri[1], "file://")) {
		char *path = arena_printf(&c->arena, "%s", c->uri[1] + strlen("file://"));

		if (path)
			front_uri_path(path);
		*ret_path = path;
		return "raw";
	}
	if (!c->uri[1][0])
		return "none";
	return str_starts_with(c->uri[1], "binary") ? "logger" : "fifo";
}

void front_container_info(struct front_container *c)
{
	struct registry_info i = {
		.id = c->id,
		.bundle = c->bundle,
		.runtime = c->runtime.path,
		.runtime_root = c->runtime.root,
		.runtime_args = c->runtime.args,
		.n_runtime_args = c->runtime.n_args,
		.terminal = c->terminal,
		.has_stdin = c->uri[0][0] != '\0',
		.pid = c->task ? task_init(c->task)->pid : 0,
		.shim_pid = getpid(),
	};
	int r;

	i.log_format = log_format(c, &i.log_path);

	if (i.pid && !c->start_ticks && proc_start_time(i.pid, &c->start_ticks, NULL) < 0)
		c->start_ticks = 0;
	i.start_ticks = c->start_ticks;
	if (proc_start_time(i.shim_pid, &i.shim_start_ticks, NULL) < 0)
		i.shim_start_ticks = 0;
	r = registry_info_write(c->dirfd, &i);
	if (r < 0)
		log_warning("write \"%s/%s\": %s", c->dir, REGISTRY_INFO, err_strerror(-r));
}

static int make_task(struct front_container *c, size_t n_create_args, struct err *err)
{
	struct front *f = c->front;
	struct task_config config = {
		.ev = f->ev,
		.reaper = f->reaper,
		.runtime = &c->runtime,
		.events = &f->events,
		.id = c->id,
		.bundle = c->bundle,
		.dir = c->dir,
		.dirfd = c->dirfd,
		.terminal = c->terminal,
		.has_stdin = c->uri[0][0] != '\0',
		.restores = c->checkpoint[0] != '\0',
		.create_args = c->create_args,
		.n_create_args = n_create_args,
		.io_uid = c->options.io_uid,
		.io_gid = c->options.io_gid,
		.kill_all = c->kill_all,
		.forgotten = forgotten,
		.ended = ended,
		.user = c,
	};
	int r;

	c->runtime.ev = f->ev;
	c->runtime.reaper = f->reaper;
	c->runtime.dir = c->dir;
	r = task_new(&config, &c->task, err);
	if (r < 0)
		return r;
	for (int i = 0; i < 3; i++)
		task_init(c->task)->uri[i] = c->uri[i][0] ? strdup(c->uri[i]) : NULL;
	c->served = (struct service_task){
		.next = f->service.tasks,
		.task = c->task,
		.id = c->id,
		.bundle = c->bundle,
		.record = c->record,
		.dirfd = c->dirfd,
	};
	c->served.log_format = log_format(c, &c->served.log_path);
	f->service.tasks = &c->served;
	c->next = f->containers;
	f->containers = c;
	return 0;
}

/* ---- create ---- */

static int prepare(void *arg)
{
	struct front_container *c = arg;
	struct front_io_config io = {
		.front = c->front,
		.uri = { c->uri[0], c->uri[1], c->uri[2] },
		.terminal = c->terminal,
		.id = c->id,
		.ns = c->front->ns,
		.dir = c->bundle,
		.spool = &c->options.spool,
	};
	int r = front_mount_all(c->bundle, c->mounts, c->n_mounts, &c->err);

	return r < 0 ? r : front_io_open(&io, &c->io, &c->err);
}

void front_container_born(struct front_container *c)
{
	front_container_info(c);
	front_stats_remember(c);
	front_io_start_input(task_init(c->task));
}

static void created(void *user, struct task_proc *p, int code, const char *text)
{
	Containerd__Task__V2__CreateTaskResponse r =
		CONTAINERD__TASK__V2__CREATE_TASK_RESPONSE__INIT;
	struct front_container *c = user;

	if (code) { /* the supervisor rolls back; answered when nothing is left */
		c->code = code;
		c->text = text ? strdup(text) : NULL;
		return;
	}
	if (p->pid) /* else start will restore it */
		front_container_born(c);
	r.pid = (uint32_t)p->pid;
	service_reply_message(TAKE_PTR(c->call), &r.base);
}

static void prepared(void *user, int result)
{
	struct task_request q = { .event = SUP_REQ_CREATE, .done = created, .user = user };
	struct front_container *c = user;

	if (result < 0) {
		c->code = TTRPC_UNKNOWN;
		c->text = strdup(c->err.msg);
		forgotten(c);
		ended(c);
		return;
	}
	front_io_give(TAKE_PTR(c->io), task_init(c->task));
	task_request(task_init(c->task), &q);
}

void front_container_create(struct front *f, struct server_call *call, const struct front_create *q)
{
	struct front_container *c;
	struct err err = { 0 };
	int r, n;

	if (front_container_find(f, q->id)) {
		server_error(call, TTRPC_ALREADY_EXISTS, "task %s: already exists", q->id);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		server_error(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	c->front = f;
	c->dirfd = -EBADF;
	c->id = keep(c, q->id);
	c->bundle = keep(c, q->bundle);
	c->checkpoint = keep(c, q->checkpoint);
	c->terminal = q->terminal;
	for (int i = 0; i < 3; i++)
		c->uri[i] = keep(c, q->uri[i]);
	keep_mounts(c, q);
	n = choose_runtime(c, q, &err);
	r = n < 0 ? n : make_registry(c, &err);
	if (r >= 0)
		r = make_task(c, (size_t)n, &err);
	if (r < 0) {
		if (c->dirfd >= 0)
			forgotten(c);
		server_error(call, r == -EEXIST ? TTRPC_ALREADY_EXISTS : TTRPC_UNKNOWN, "%s",
			     err.msg);
		container_free(c);
		return;
	}
	front_container_info(c);
	c->call = call;
	c->waits = true;
	prepare_waiting(f);
}
