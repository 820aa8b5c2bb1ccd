// SPDX-License-Identifier: Apache-2.0
// Delete: when the output has been read, or that takes too long.
#include "common/log.h"
#include "shim/front_task_private.h"
#include "shim/task.pb-c.h"
#include "shim/ttrpc.h"

struct deletion {
	struct deletion *next;
	struct deletion *also; /* asked for the same while this one waits */
	struct front *front;
	struct server_call *call;
	struct task_proc *proc;
	struct ev_timer *timer;
};

static struct deletion *deletions; /* of this process's containers, waiting for readers */

static void exec_deleted(void *user, struct task_proc *p, int code, const char *text)
{
	struct deletion *d = user;

	if (code) {
		server_error(d->call, code, "%s", text ? text : "");
		free(d);
		return;
	}
	service_release(&d->front->service, p);
	service_reply_delete(d->call, p);
	free(d);
}

static void init_deleted(void *user, struct task_proc *p, int code, const char *text)
{
	struct deletion *d = user;
	const struct service_task *t;

	/* A second Delete is told when the container has been forgotten. */
	if (code) {
		server_error(d->call, code, "%s", text ? text : "");
	} else {
		t = service_task_of(&d->front->service, p);
		/* Answered when its mounts are gone, too. */
		front_container_find(d->front, t->id)->call = d->call;
	}
	free(d);
}

static void refuse(struct deletion *d, int code, const char *text)
{
	for (struct deletion *also; d; d = also) {
		also = d->also;
		server_error(d->call, code, "%s", text);
		free(d);
	}
}

static void delete_now(struct deletion *d)
{
	struct task_request q = { .event = SUP_REQ_DELETE, .user = d };
	struct deletion *also = d->also;
	struct task_proc *p = d->proc;
	bool is_exec = p->exec_id != NULL;

	ev_timer_cancel(TAKE_PTR(d->timer));
	q.done = is_exec ? exec_deleted : init_deleted;
	task_request(p, &q);
	if (is_exec) /* and gone */
		refuse(also, TTRPC_NOT_FOUND, "process already finished: not found");
	else if (also)
		delete_now(also);
}

static struct deletion *find_deletion(const struct task_proc *p)
{
	struct deletion *d = deletions;

	while (d && d->proc != p)
		d = d->next;
	return d;
}

static void unlink_deletion(struct deletion *d)
{
	struct deletion **at = &deletions;

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
}

static void readers_late(void *user)
{
	struct deletion *d = user;

	d->timer = NULL;
	unlink_deletion(d);
	if (!stdio_is_over(d->proc->stdio))
		log_warning("output is thrown away: nobody has read it for %d s",
			    FRONT_DRAIN_MS / 1000);
	delete_now(d);
}

void front_service_eof(struct front *f, struct task_proc *p)
{
	struct deletion *d = find_deletion(p);

	if (!d || !p->stdio || !stdio_is_over(p->stdio) || front_io_is_busy(p))
		return;
	/* Not from within the pump that tells of it: it would be freed under its own feet. */
	ev_timer_cancel(TAKE_PTR(d->timer));
	if (ev_timer(f->ev, 0, readers_late, d, &d->timer) == 0)
		return;
	unlink_deletion(d);
	refuse(d, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
}

void front_service_forget(const struct task *t)
{
	for (struct deletion *d = deletions, *next; d; d = next) {
		next = d->next;
		if (d->proc->task != t)
			continue;
		unlink_deletion(d);
		ev_timer_cancel(d->timer);
		refuse(d, TTRPC_NOT_FOUND, "container not created: not found");
	}
}

void front_service_delete(void *user, struct server_call *call, const uint8_t *payload, size_t n)
{
	struct deletion *d, *first;
	struct front *f = user;
	struct task_proc *p;

	UNPACK(m, Containerd__Task__V2__DeleteRequest,
	       containerd__task__v2__delete_request__unpack);
	if (!m->exec_id[0] && !front_container_find(f, m->id) &&
	    front_container_await(f, m->id, call))
		p = NULL;
	else
		p = service_find(&f->service, call, m->id, m->exec_id);
	containerd__task__v2__delete_request__free_unpacked(m, NULL);
	if (!p)
		return;
	d = calloc(1, sizeof(*d));
	if (!d) {
		server_error(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	d->front = f;
	d->call = call;
	d->proc = p;
	first = find_deletion(p);
	if (first) {
		d->also = first->also;
		first->also = d;
		return;
	}
	if (p->state != SUP_EXITED || !p->stdio ||
	    (stdio_is_over(p->stdio) && !front_io_is_busy(p)) ||
	    ev_timer(f->ev, FRONT_DRAIN_MS, readers_late, d, &d->timer) < 0) {
		d->timer = NULL;
		delete_now(d);
		return;
	}
	p->is_used = true;
	d->next = deletions;
	deletions = d;
}
