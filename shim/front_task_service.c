// SPDX-License-Identifier: Apache-2.0
// The methods of the task service that differ from those of the shim's own command line.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "common/log.h"
#include "shim/front_task_private.h"
#include "shim/task.pb-c.h"
#include "shim/ttrpc.h"
#include "shim/worker.h"

#define MOUNTS_MAX 64
#define METHODS_MAX 24
#define EXIT_MS 3000
#define FLUSH_MS 10000

static void do_create(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct front_mount mounts[MOUNTS_MAX];
	struct front_create q = { .mounts = mounts };
	struct err err = { 0 };

	UNPACK(m, Containerd__Task__V2__CreateTaskRequest,
	       containerd__task__v2__create_task_request__unpack);
	q.id = m->id;
	q.bundle = m->bundle;
	q.terminal = m->terminal;
	q.uri[0] = m->stdin_path;
	q.uri[1] = m->stdout_path;
	q.uri[2] = m->stderr_path;
	for (; q.n_mounts < m->n_rootfs && q.n_mounts < MOUNTS_MAX; q.n_mounts++) {
		const Containerd__Task__V2__Mount *from = m->rootfs[q.n_mounts];

		mounts[q.n_mounts] =
			(struct front_mount){ from->type, from->source, from->target,
					      (const char **)from->options, from->n_options };
	}
	if (m->options) {
		q.options_type = m->options->type_url;
		q.options = m->options->value.data;
		q.options_len = m->options->value.len;
	}
	q.checkpoint = m->checkpoint;
	if (((struct front *)user)->stopping)
		/* Nobody would be left to look after it. */
		server_error(call, TTRPC_UNAVAILABLE, "the shim is shutting down");
	else if (m->n_rootfs > MOUNTS_MAX)
		server_error(call, TTRPC_INVALID_ARGUMENT, "too many rootfs mounts");
	else if (registry_check_id(q.id, &err) < 0)
		server_error(call, TTRPC_INVALID_ARGUMENT, "%s: invalid argument", err.msg);
	else if (q.bundle[0] != '/')
		server_error(call, TTRPC_INVALID_ARGUMENT,
			     "bundle \"%s\" is no absolute path: invalid argument", q.bundle);
	else if (q.checkpoint[0] && q.checkpoint[0] != '/')
		server_error(call, TTRPC_INVALID_ARGUMENT,
			     "checkpoint \"%s\" is no absolute path: invalid argument",
			     q.checkpoint);
	else
		front_container_create(user, call, &q);
	containerd__task__v2__create_task_request__free_unpacked(m, NULL);
}

/* ---- start of a session: its streams are opened first ---- */

struct opening {
	struct front *front;
	struct server_call *call;
	char *id, *exec_id, *dir;
	struct front_options_spool spool;
	struct front_io_config config;
	char *uri[3];
	struct front_io *io;
	struct err err;
};

static int open_streams(void *arg)
{
	struct opening *o = arg;

	return front_io_open(&o->config, &o->io, &o->err);
}

static void opening_free(struct opening *o)
{
	front_io_free(o->io);
	for (int i = 0; i < 3; i++)
		free(o->uri[i]);
	free(o->id);
	free(o->exec_id);
	free(o->dir);
	free(o);
}

static void streams_opened(void *user, int result)
{
	struct opening *o = user;
	struct service *s = &o->front->service;
	struct task_proc *p;

	/* It may have been deleted while that took place. */
	p = service_find(s, o->call, o->id, o->exec_id);
	if (p && result < 0) {
		server_error(o->call, TTRPC_UNKNOWN, "%s", o->err.msg);
	} else if (p) {
		if (!p->stdio && !p->sink.put && p->state == SUP_CREATED)
			front_io_give(TAKE_PTR(o->io), p);
		service_start(s, o->call, p);
	}
	opening_free(o);
}

static void open_and_start(struct front *f, struct server_call *call, struct task_proc *p)
{
	struct opening *o = calloc(1, sizeof(*o));
	const struct front_container *c;
	bool ok = o != NULL;

	if (o) {
		c = front_container_find(f, service_task_of(&f->service, p)->id);
		o->dir = strdup(c->bundle);
		o->spool = c->options.spool;
		o->front = f;
		o->call = call;
		o->id = strdup(service_task_of(&f->service, p)->id);
		o->exec_id = strdup(p->exec_id);
		ok = o->id && o->exec_id && o->dir;
		for (int i = 0; i < 3; i++) {
			o->uri[i] = p->uri[i] ? strdup(p->uri[i]) : NULL;
			o->config.uri[i] = o->uri[i];
			ok = ok && (!p->uri[i] || o->uri[i]);
		}
		o->config.front = f;
		o->config.terminal = p->terminal;
		o->config.id = o->exec_id;
		o->config.ns = f->ns;
		o->config.dir = o->dir;
		o->config.spool = &o->spool;
	}
	if (!ok) {
		server_error(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		if (o)
			opening_free(o);
	} else if (front_io_is_quick((const char *const *)o->config.uri)) {
		streams_opened(o, open_streams(o));
	} else {
		worker_run(f->ev, open_streams, o, streams_opened, o);
	}
}

static void do_start(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct front *f = user;
	struct front_container *c;
	struct task_proc *p;

	UNPACK(m, Containerd__Task__V2__StartRequest, containerd__task__v2__start_request__unpack);
	p = service_find(&f->service, call, m->id, m->exec_id);
	containerd__task__v2__start_request__free_unpacked(m, NULL);
	if (!p)
		return;
	c = front_container_find(f, service_task_of(&f->service, p)->id);
	if (p->exec_id && p->state == SUP_CREATED && !p->stdio && !p->sink.put &&
	    (p->uri[0] || p->uri[1] || p->uri[2]))
		open_and_start(f, call, p);
	else if (!p->exec_id && c->checkpoint[0])
		front_restore_start(call, c);
	else
		service_start(&f->service, call, p);
}

/* ---- the rest ---- */

static void do_close_io(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct front *f = user;
	struct task_proc *p;
	bool close_stdin;

	UNPACK(m, Containerd__Task__V2__CloseIORequest,
	       containerd__task__v2__close_iorequest__unpack);
	p = service_find(&f->service, call, m->id, m->exec_id);
	close_stdin = m->close_stdin;
	containerd__task__v2__close_iorequest__free_unpacked(m, NULL);
	if (!p)
		return;
	if (close_stdin && !front_io_close_input(p) && p->stdio && !p->uri[0])
		stdio_close_input(p->stdio);
	server_reply(call, NULL, 0);
}

/* NULL: the call has been answered. */
static struct front_container *find_container(struct front *f, struct server_call *call,
					      const char *id)
{
	struct front_container *c = front_container_find(f, id);

	if (!c)
		server_error(call, TTRPC_NOT_FOUND, "container not created: not found");
	return c;
}

static void do_stats(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct front_container *c;

	UNPACK(m, Containerd__Task__V2__StatsRequest, containerd__task__v2__stats_request__unpack);
	c = find_container(user, call, m->id);
	containerd__task__v2__stats_request__free_unpacked(m, NULL);
	if (c)
		front_stats(call, c);
}

static void do_pids(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct front_container *c;

	UNPACK(m, Containerd__Task__V2__PidsRequest, containerd__task__v2__pids_request__unpack);
	c = find_container(user, call, m->id);
	containerd__task__v2__pids_request__free_unpacked(m, NULL);
	if (c)
		front_pids(call, c);
}

static void do_connect(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct front *f = user;

	/* A daemon that was away and is back. */
	front_publisher_kick(f->publisher);
	front_watch_kick(f);
	service_task_method("Connect")(user, call, payload, n);
}

static void exit_now(void *user)
{
	struct front *f = user;

	ev_stop(f->ev, 0);
}

static void events_flushed(void *user)
{
	struct front *f = user;

	server_when_idle(f->server, EXIT_MS, exit_now, f);
}

static void do_shutdown(void *user, struct server_call *call, const uint8_t *payload UNUSED,
			size_t n UNUSED)
{
	struct front *f = user;

	if (f->containers || f->leaving || f->stopping) {
		server_reply(call, NULL, 0);
		return;
	}
	f->stopping = true;
	service_stop(&f->service);
	/* Before the answer: a later start for the same pod must not meet us any more. */
	(void)unlink(f->socket);
	server_reply(call, NULL, 0);
	front_publisher_when_idle(f->publisher, FLUSH_MS, events_flushed, f);
}

const struct server_service *front_services(size_t *ret_n)
{
	static const struct server_method own[] = {
		{ "Create", do_create },
		{ "Start", do_start },
		{ "Delete", front_service_delete },
		{ "Checkpoint", front_service_checkpoint },
		{ "CloseIO", do_close_io },
		{ "Stats", do_stats },
		{ "Pids", do_pids },
		{ "Connect", do_connect },
		{ "Shutdown", do_shutdown },
	};
	static struct server_method methods[METHODS_MAX];
	static struct server_service services[3];
	size_t n = 0;

	for (; n < ARRAY_COUNT(own); n++)
		methods[n] = own[n];
	/* The first of a name is found. */
	for (size_t i = 0; i < service_task_methods_n && n < METHODS_MAX; i++)
		methods[n++] = service_task_methods[i];
	services[0] = (struct server_service){ "containerd.task.v2.Task", methods, n };
	services[1] = (struct server_service){ "containerd.task.v3.Task", methods, n };
	services[2] = (struct server_service){ "thole.shim.v1.Shim", service_shim_methods,
					       service_shim_methods_n };
	*ret_n = ARRAY_COUNT(services);
	return services;
}
