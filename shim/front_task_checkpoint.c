// SPDX-License-Identifier: Apache-2.0
// Checkpoint, which leaves criu's log in the bundle when it fails; Start of what comes from one.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "shim/front_task_private.h"
#include "shim/options.pb-c.h"
#include "shim/task.pb-c.h"
#include "shim/ttrpc.h"
#include "shim/worker.h"

#define OPTIONS_TYPE "containerd.runc.v1.CheckpointOptions"
#define DUMP_LOG "criu-dump.log"
#define LOG_MAX (16u << 20)
#define EMPTY_NS_MAX 8

const char *front_criu_work(struct front_container *c)
{
	if (c->options.criu_work_path && c->options.criu_work_path[0])
		return c->options.criu_work_path;
	return arena_printf(&c->arena, "%s/work", c->bundle);
}

/* ---- checkpoint ---- */

struct checkpoint {
	struct server_call *call;
	struct ev *ev;
	struct arena arena;
	const char *args[TASK_CHECKPOINT_ARGS_MAX];
	size_t n_args;
	const char *bundle, *work;
	bool own_work; /* removed afterwards */
	int code;
	const char *text;
};

static void add(struct checkpoint *k, const char *option, const char *value)
{
	k->args[k->n_args++] = option;
	if (value)
		k->args[k->n_args++] = arena_strdup(&k->arena, value);
}

/* Of criu's log the end says why. */
static int keep_log(const struct checkpoint *k)
{
	char path[PATH_MAX];
	CLEANUP_FD int from = -EBADF, to = -EBADF;
	struct stat st;
	off_t at = 0;

	if (snprintf(path, sizeof(path), "%s/dump.log", k->work) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	from = fd_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (from < 0 || fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
		return -ENOENT;
	if (snprintf(path, sizeof(path), "%s/" DUMP_LOG, k->bundle) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	to = fd_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (to < 0)
		return to;
	if (st.st_size > LOG_MAX)
		at = st.st_size - LOG_MAX;
	while (at < st.st_size) {
		ssize_t n = sendfile(to, from, &at, LOG_MAX);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
	}
	return 0;
}

/* criu's logs and figures: files only. */
static void remove_work(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
	(void)rmdir(path);
}

static int tidy(void *arg)
{
	struct checkpoint *k = arg;
	int r = 0;

	if (k->code)
		r = keep_log(k);
	if (k->own_work)
		remove_work(k->work);
	return r;
}

static void checkpoint_free(struct checkpoint *k)
{
	arena_done(&k->arena);
	free(k);
}

static void tidied(void *user, int result)
{
	struct checkpoint *k = user;

	if (!k->code)
		server_reply(k->call, NULL, 0);
	else if (result < 0)
		server_error(k->call, k->code, "%s", k->text);
	else
		server_error(k->call, k->code, "%s path= %s/" DUMP_LOG, k->text, k->bundle);
	checkpoint_free(k);
}

static void checkpointed(void *user, struct task_proc *p UNUSED, int code, const char *text)
{
	struct checkpoint *k = user;

	k->code = code;
	k->text = arena_strdup(&k->arena, text ? text : "");
	if (code && !str_starts_with(k->text, TASK_CHECKPOINT_FAILED))
		tidied(k, -ENOENT); /* refused: nothing has been done */
	else
		worker_run(k->ev, tidy, k, tidied, k);
}

static int add_options(struct checkpoint *k, const Thole__Options__Checkpoint *m, struct err *err)
{
	const struct {
		bool set;
		const char *option;
	} flags[] = { { m->open_tcp, "--tcp-established" },
		      { m->external_unix_sockets, "--ext-unix-sk" },
		      { m->terminal, "--shell-job" },
		      { m->file_locks, "--file-locks" },
		      { !m->exit, "--leave-running" } };

	for (size_t i = 0; i < ARRAY_COUNT(flags); i++)
		if (flags[i].set)
			add(k, flags[i].option, NULL);
	if (m->n_empty_namespaces > EMPTY_NS_MAX)
		return err_set(err, EINVAL, "too many empty namespaces");
	for (size_t i = 0; i < m->n_empty_namespaces; i++)
		add(k, "--empty-ns", m->empty_namespaces[i]);
	if (m->cgroups_mode[0])
		add(k, "--manage-cgroups-mode", m->cgroups_mode);
	if (m->parent_path[0])
		add(k, "--parent-path", m->parent_path);
	return 0;
}

static int read_request(struct checkpoint *k, const Containerd__Task__V2__CheckpointTaskRequest *m,
			struct err *err)
{
	static const Thole__Options__Checkpoint none = THOLE__OPTIONS__CHECKPOINT__INIT;
	const char *type = m->options ? m->options->type_url : "";
	const char *slash = strrchr(type, '/'), *path = m->path;
	Thole__Options__Checkpoint *o = NULL;
	int r;

	if (m->options && str_eq(slash ? slash + 1 : type, OPTIONS_TYPE)) {
		o = thole__options__checkpoint__unpack(NULL, m->options->value.len,
						       m->options->value.data);
		if (!o)
			return err_set(err, EINVAL, "checkpoint options cannot be decoded");
	}
	r = add_options(k, o ? o : &none, err);
	if (!path[0] && o)
		path = o->image_path;
	if (o && o->work_path[0]) {
		k->work = arena_strdup(&k->arena, o->work_path);
		k->own_work = false;
	}
	if (r == 0 && (path[0] != '/' || k->work[0] != '/'))
		r = err_set(err, EINVAL, "checkpoint: \"%s\" is no absolute path",
			    path[0] == '/' ? k->work : path);
	if (r == 0) {
		add(k, "--image-path", path);
		add(k, "--work-path", k->work);
	}
	if (o)
		thole__options__checkpoint__free_unpacked(o, NULL);
	return r;
}

void front_service_checkpoint(void *user, struct server_call *call, const uint8_t *payload,
			      size_t n)
{
	struct task_request q = { .event = SUP_REQ_CHECKPOINT, .done = checkpointed };
	struct front *f = user;
	struct front_container *c;
	struct checkpoint *k;
	struct err err = { 0 };
	int r;

	UNPACK(m, Containerd__Task__V2__CheckpointTaskRequest,
	       containerd__task__v2__checkpoint_task_request__unpack);
	c = front_container_find(f, m->id);
	k = c ? calloc(1, sizeof(*k)) : NULL;
	if (!k) {
		server_error(call, c ? TTRPC_RESOURCE_EXHAUSTED : TTRPC_NOT_FOUND, "%s",
			     c ? "out of memory" : "container not created: not found");
		containerd__task__v2__checkpoint_task_request__free_unpacked(m, NULL);
		return;
	}
	k->call = call;
	k->ev = f->ev;
	/* The container may be gone, and its arena with it, before its log has been kept. */
	k->bundle = arena_strdup(&k->arena, c->bundle);
	/* A name each: while one is removed another may be in use. */
	k->work = arena_printf(&k->arena, "%s/criu-work-%u", front_criu_work(c),
			       ++f->service.last_update);
	k->own_work = true;
	r = read_request(k, m, &err);
	containerd__task__v2__checkpoint_task_request__free_unpacked(m, NULL);
	if (r < 0) {
		server_error(call, TTRPC_INVALID_ARGUMENT, "%s: invalid argument", err.msg);
		checkpoint_free(k);
		return;
	}
	q.args = k->args;
	q.n_args = k->n_args;
	q.user = k;
	task_request(task_init(c->task), &q);
}

/* ---- restore ---- */

struct restore {
	struct front_container *container; /* alive: a call of its runtime is in flight */
	struct server_call *call;
};

static void restored(void *user, struct task_proc *p, int code, const char *text)
{
	Containerd__Task__V2__StartResponse r = CONTAINERD__TASK__V2__START_RESPONSE__INIT;
	struct restore *s = user;

	if (code) {
		server_error(s->call, code, "%s", text ? text : "");
		if (p->published)
			service_release(&s->container->front->service, p);
	} else {
		front_container_born(s->container);
		r.pid = (uint32_t)p->pid;
		service_reply_message(s->call, &r.base);
	}
	free(s);
}

void front_restore_start(struct server_call *call, struct front_container *c)
{
	struct task_request q = { .event = SUP_REQ_START, .done = restored };
	struct restore *s = malloc(sizeof(*s));

	if (!s) {
		server_error(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	*s = (struct restore){ c, call };
	q.user = s;
	task_request(task_init(c->task), &q);
}
