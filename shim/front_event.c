// SPDX-License-Identifier: Apache-2.0
// Encoding of the events, and the bounded queue.
#include "shim/front_event.h"

#include <errno.h>
#include <time.h>

#include "common/log.h"
#include "shim/events.pb-c.h"
#include "shim/front_task_private.h"

#define MOUNTS_MAX 64

static int pack(const ProtobufCMessage *m, ProtobufCBinaryData *ret)
{
	ret->len = protobuf_c_message_get_packed_size(m);
	ret->data = malloc(ret->len + 1);
	if (!ret->data)
		return -ENOMEM;
	protobuf_c_message_pack(m, ret->data);
	return 0;
}

static Google__Protobuf__Timestamp stamp(const struct timespec *when)
{
	Google__Protobuf__Timestamp t = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	t.seconds = when->tv_sec;
	t.nanos = (int32_t)when->tv_nsec;
	return t;
}

static char *text(const char *s)
{
	return (char *)(s ? s : "");
}

static int pack_create(const struct event *e, const struct front_event_create *c,
		       ProtobufCBinaryData *ret)
{
	Thole__Events__TaskCreate m = THOLE__EVENTS__TASK_CREATE__INIT;
	Thole__Events__TaskIO io = THOLE__EVENTS__TASK_IO__INIT;
	Containerd__Task__V2__Mount mounts[MOUNTS_MAX], *list[MOUNTS_MAX];

	m.container_id = text(e->id);
	m.bundle = text(c->bundle);
	m.pid = (uint32_t)e->pid;
	io.stdin_path = text(c->uri[0]);
	io.stdout_path = text(c->uri[1]);
	io.stderr_path = text(c->uri[2]);
	io.terminal = c->terminal;
	m.checkpoint = text(c->checkpoint);
	m.io = &io;
	m.n_rootfs = MIN(c->n_mounts, (size_t)MOUNTS_MAX);
	m.rootfs = list;
	for (size_t i = 0; i < m.n_rootfs; i++) {
		containerd__task__v2__mount__init(&mounts[i]);
		mounts[i].type = text(c->mounts[i].type);
		mounts[i].source = text(c->mounts[i].source);
		mounts[i].target = text(c->mounts[i].target);
		mounts[i].n_options = c->mounts[i].n_options;
		mounts[i].options = (char **)c->mounts[i].options;
		list[i] = &mounts[i];
	}
	return pack(&m.base, ret);
}

static int pack_exit(const struct event *e, ProtobufCBinaryData *ret)
{
	Thole__Events__TaskExit m = THOLE__EVENTS__TASK_EXIT__INIT;
	Google__Protobuf__Timestamp when = stamp(&e->when);

	m.container_id = text(e->id);
	m.id = text(e->exec_id ? e->exec_id : e->id);
	m.pid = (uint32_t)e->pid;
	m.exit_status = e->exit_status;
	m.exited_at = &when;
	return pack(&m.base, ret);
}

static int pack_delete(const struct event *e, ProtobufCBinaryData *ret)
{
	Thole__Events__TaskDelete m = THOLE__EVENTS__TASK_DELETE__INIT;
	Google__Protobuf__Timestamp when;

	m.container_id = text(e->id);
	m.pid = (uint32_t)e->pid;
	m.exit_status = e->exit_status;
	m.exited_at = service_time(&when, &e->when);
	return pack(&m.base, ret);
}

static int pack_event(const struct event *e, const struct front_event_create *c,
		      ProtobufCBinaryData *ret)
{
	Thole__Events__TaskStart start = THOLE__EVENTS__TASK_START__INIT;
	Thole__Events__TaskExecAdded added = THOLE__EVENTS__TASK_EXEC_ADDED__INIT;
	Thole__Events__TaskExecStarted started = THOLE__EVENTS__TASK_EXEC_STARTED__INIT;
	Thole__Events__TaskOnly only = THOLE__EVENTS__TASK_ONLY__INIT;

	switch (e->type) {
	case EVENT_CREATE:
		return pack_create(e, c, ret);
	case EVENT_EXIT:
		return pack_exit(e, ret);
	case EVENT_DELETE:
		return pack_delete(e, ret);
	case EVENT_START:
		start.container_id = text(e->id);
		start.pid = (uint32_t)e->pid;
		return pack(&start.base, ret);
	case EVENT_EXEC_ADDED:
		added.container_id = text(e->id);
		added.exec_id = text(e->exec_id);
		return pack(&added.base, ret);
	case EVENT_EXEC_STARTED:
		started.container_id = text(e->id);
		started.exec_id = text(e->exec_id);
		started.pid = (uint32_t)e->pid;
		return pack(&started.base, ret);
	default:
		only.container_id = text(e->id);
		return pack(&only.base, ret);
	}
}

static const char *type_name(enum event_type type)
{
	static const char *const names[EVENT_TYPE_N] = {
		[EVENT_CREATE] = "containerd.events.TaskCreate",
		[EVENT_START] = "containerd.events.TaskStart",
		[EVENT_EXEC_ADDED] = "containerd.events.TaskExecAdded",
		[EVENT_EXEC_STARTED] = "containerd.events.TaskExecStarted",
		[EVENT_PAUSED] = "containerd.events.TaskPaused",
		[EVENT_RESUMED] = "containerd.events.TaskResumed",
		[EVENT_OOM] = "containerd.events.TaskOOM",
		[EVENT_EXIT] = "containerd.events.TaskExit",
		[EVENT_DELETE] = "containerd.events.TaskDelete",
	};

	return names[type];
}

int front_event_encode(const char *ns, const struct event *event, const struct timespec *told,
		       const struct front_event_create *create, uint8_t **ret, size_t *ret_len)
{
	Thole__Events__ForwardRequest request = THOLE__EVENTS__FORWARD_REQUEST__INIT;
	Thole__Events__Envelope envelope = THOLE__EVENTS__ENVELOPE__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Google__Protobuf__Timestamp when;
	ProtobufCBinaryData packed = { 0 };
	int r = pack_event(event, create, &any.value);

	if (r < 0)
		return r;
	when = stamp(told);
	any.type_url = (char *)type_name(event->type);
	envelope.timestamp = &when;
	envelope.namespace_ = text(ns);
	envelope.topic = (char *)event_topic(event->type);
	envelope.event = &any;
	request.envelope = &envelope;
	r = pack(&request.base, &packed);
	free(any.value.data);
	if (r < 0)
		return r;
	*ret = packed.data;
	*ret_len = packed.len;
	return 0;
}

static struct event_name *name_get(struct event_queue *q, const char *text)
{
	struct event_name *n = q->names;
	size_t len = strlen(text) + 1;

	while (n && !str_eq(n->text, text))
		n = n->next;
	if (!n) {
		n = malloc(sizeof(*n) + len);
		if (!n)
			return NULL;
		n->refs = 0;
		n->next = q->names;
		memcpy(n->text, text, len);
		q->names = n;
	}
	n->refs++;
	return n;
}

static void name_put(struct event_queue *q, struct event_name *n)
{
	struct event_name **at = &q->names;

	if (--n->refs)
		return;
	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	free(n);
}

static bool ends_session(const struct event_entry *e)
{
	return e->type == EVENT_EXIT && e->exec_id;
}

static void entry_free(struct event_queue *q, struct event_entry *e)
{
	q->n--;
	q->n_session_events -= e->exec_id != NULL;
	q->n_sessions -= ends_session(e);
	name_put(q, e->container);
	free(e->data);
	free(e);
}

/* Takes out what is told of one session. */
static void drop_session(struct event_queue *q, const struct event_entry *of)
{
	CLEANUP_FREE char *exec_id = strdup(of->exec_id);
	struct event_name *container = of->container;
	struct event_entry **at = &q->first, *e, *last = NULL;
	bool head = q->head_in_flight;

	if (!exec_id)
		return;
	while ((e = *at)) {
		if (head || !e->exec_id || e->container != container ||
		    !str_eq(e->exec_id, exec_id)) {
			head = false;
			last = e;
			at = &e->next;
			continue;
		}
		*at = e->next;
		if (ends_session(e)) { /* the last of them: the name may be used again */
			entry_free(q, e);
			for (; *at; at = &(*at)->next)
				last = *at;
			break;
		}
		entry_free(q, e);
	}
	q->last = last;
	q->dropped++;
	if (q->dropped == 1 || q->dropped % 1000 == 0)
		log_warning("%llu sessions are not told to the daemon, which is away",
			    (unsigned long long)q->dropped);
}

static void limit(struct event_queue *q)
{
	while (q->n_sessions > EVENT_SESSIONS_MAX ||
	       q->n_session_events > EVENT_SESSION_EVENTS_MAX) {
		bool whole = q->n_sessions > EVENT_SESSIONS_MAX;
		size_t before = q->n;
		struct event_entry *e = q->head_in_flight && q->first ? q->first->next : q->first;

		while (e && !(whole ? ends_session(e) : e->exec_id != NULL))
			e = e->next;
		if (e)
			drop_session(q, e);
		if (q->n == before)
			return;
	}
}

int event_queue_push(struct event_queue *q, const char *ns, const struct event *event,
		     const struct front_event_create *create)
{
	size_t exec_id = event->exec_id ? strlen(event->exec_id) + 1 : 0;
	struct event_entry *e = calloc(1, sizeof(*e) + exec_id);
	int r = 0;

	if (e)
		e->container = name_get(q, event->id);
	if (!e || !e->container) {
		free(e);
		return -ENOMEM;
	}
	clock_gettime(CLOCK_REALTIME, &e->told);
	if (event->type == EVENT_CREATE)
		r = front_event_encode(ns, event, &e->told, create, &e->data, &e->len);
	if (r < 0) {
		name_put(q, e->container);
		free(e);
		return r;
	}
	e->type = event->type;
	e->exit_status = event->exit_status;
	e->pid = event->pid;
	e->when = event->when;
	e->id = e->container->text;
	if (exec_id)
		e->exec_id = memcpy(e + 1, event->exec_id, exec_id);
	if (q->last)
		q->last->next = e;
	else
		q->first = e;
	q->last = e;
	q->n++;
	q->n_session_events += exec_id != 0;
	q->n_sessions += ends_session(e);
	limit(q);
	return 0;
}

int event_queue_encode(const struct event_queue *q, const char *ns, uint8_t **ret, size_t *ret_len)
{
	static const struct front_event_create none; /* CREATE has its message */
	const struct event_entry *e = q->first;
	struct event event;

	if (!e)
		return -ENOENT;
	if (e->data) {
		*ret = malloc(e->len + 1);
		if (!*ret)
			return -ENOMEM;
		memcpy(*ret, e->data, e->len);
		*ret_len = e->len;
		return 0;
	}
	event = (struct event){ .type = e->type,
				.id = e->id,
				.exec_id = e->exec_id,
				.pid = e->pid,
				.exit_status = e->exit_status,
				.when = e->when };
	return front_event_encode(ns, &event, &e->told, &none, ret, ret_len);
}

void event_queue_pop(struct event_queue *q)
{
	struct event_entry *e = q->first;

	if (!e)
		return;
	q->first = e->next;
	if (!q->first)
		q->last = NULL;
	entry_free(q, e);
}

void event_queue_done(struct event_queue *q)
{
	while (q->first)
		event_queue_pop(q);
}
