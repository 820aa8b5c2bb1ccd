// SPDX-License-Identifier: Apache-2.0
// Event envelopes, and what the queue keeps.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "shim/events.pb-c.h"
#include "shim/front_event.h"
#include "shim/front_task_private.h"

static const struct timespec told = { 1700000000, 5 };

static Thole__Events__ForwardRequest *unpack(const uint8_t *data, size_t n)
{
	Thole__Events__ForwardRequest *m = thole__events__forward_request__unpack(NULL, n, data);

	assert_non_null(m);
	assert_non_null(m->envelope);
	assert_non_null(m->envelope->event);
	assert_true(m->envelope->timestamp->seconds > 1600000000);
	return m;
}

static void test_exit(void **state)
{
	struct event e = { .type = EVENT_EXIT,
			   .id = "c",
			   .exec_id = "x",
			   .pid = 42,
			   .exit_status = 137,
			   .when = { 1700000000, 5 } };
	struct front_event_create create = { 0 };
	Thole__Events__ForwardRequest *m;
	Thole__Events__TaskExit *exit;
	uint8_t *data;
	size_t n;

	(void)state;
	for (int i = 0; i < 2; i++) {
		e.exec_id = i ? NULL : "x";
		assert_int_equal(front_event_encode("ns", &e, &told, &create, &data, &n), 0);
		m = unpack(data, n);
		assert_string_equal(m->envelope->namespace_, "ns");
		assert_string_equal(m->envelope->topic, "/tasks/exit");
		assert_string_equal(m->envelope->event->type_url, "containerd.events.TaskExit");
		exit = thole__events__task_exit__unpack(NULL, m->envelope->event->value.len,
							m->envelope->event->value.data);
		assert_string_equal(exit->container_id, "c");
		assert_string_equal(exit->id, i ? "c" : "x");
		assert_int_equal(exit->pid, 42);
		assert_int_equal(exit->exit_status, 137);
		assert_int_equal(exit->exited_at->seconds, 1700000000);
		assert_int_equal(exit->exited_at->nanos, 5);
		thole__events__task_exit__free_unpacked(exit, NULL);
		thole__events__forward_request__free_unpacked(m, NULL);
		free(data);
	}
}

static void test_create(void **state)
{
	const char *options[] = { "lowerdir=/a", "ro" };
	struct front_mount mount = { "overlay", "overlay", "", options, 2 };
	struct front_event_create create = { .bundle = "/b",
					     .uri = { "", "/o", "/e" },
					     .terminal = true,
					     .mounts = &mount,
					     .n_mounts = 1 };
	struct event e = { .type = EVENT_CREATE, .id = "c", .pid = 7 };
	Thole__Events__ForwardRequest *m;
	Thole__Events__TaskCreate *c;
	uint8_t *data;
	size_t n;

	(void)state;
	assert_int_equal(front_event_encode("ns", &e, &told, &create, &data, &n), 0);
	m = unpack(data, n);
	assert_string_equal(m->envelope->topic, "/tasks/create");
	c = thole__events__task_create__unpack(NULL, m->envelope->event->value.len,
					       m->envelope->event->value.data);
	assert_string_equal(c->bundle, "/b");
	assert_string_equal(c->io->stdout_path, "/o");
	assert_true(c->io->terminal);
	assert_int_equal(c->n_rootfs, 1);
	assert_string_equal(c->rootfs[0]->options[1], "ro");
	assert_int_equal(c->pid, 7);
	thole__events__task_create__free_unpacked(c, NULL);
	thole__events__forward_request__free_unpacked(m, NULL);
	free(data);
}

static void test_topics(void **state)
{
	struct event e = { .id = "c", .exec_id = "x" };
	struct front_event_create create = { 0 };

	(void)state;
	for (int t = 0; t < EVENT_TYPE_N; t++) {
		Thole__Events__ForwardRequest *m;
		uint8_t *data;
		size_t n;

		e.type = (enum event_type)t;
		assert_int_equal(front_event_encode("ns", &e, &told, &create, &data, &n), 0);
		m = unpack(data, n);
		assert_string_equal(m->envelope->topic, event_topic(e.type));
		assert_memory_equal(m->envelope->event->type_url, "containerd.events.Task", 22);
		/* The container's id is the first field of all of them. */
		assert_memory_equal(m->envelope->event->value.data,
				    "\x0a\x01"
				    "c",
				    3);
		thole__events__forward_request__free_unpacked(m, NULL);
		free(data);
	}
}

static void push(struct event_queue *q, enum event_type type, const char *exec_id)
{
	struct event e = { .type = type, .id = "c", .exec_id = exec_id };
	struct front_event_create create = { 0 };

	assert_int_equal(event_queue_push(q, "ns", &e, &create), 0);
}

static void session(struct event_queue *q, unsigned int n)
{
	char id[16];

	snprintf(id, sizeof(id), "e%u", n);
	push(q, EVENT_EXEC_ADDED, id);
	push(q, EVENT_EXEC_STARTED, id);
	push(q, EVENT_EXIT, id);
}

static size_t count(const struct event_queue *q, enum event_type type, const char *exec_id)
{
	size_t n = 0;

	for (const struct event_entry *e = q->first; e; e = e->next)
		if (e->type == type &&
		    (exec_id ? e->exec_id && str_eq(e->exec_id, exec_id) : e->exec_id == NULL))
			n++;
	return n;
}

static void test_queue(void **state)
{
	struct event_queue q = { 0 };
	size_t n = 0;

	(void)state;
	push(&q, EVENT_CREATE, NULL);
	push(&q, EVENT_START, NULL);
	push(&q, EVENT_EXEC_ADDED, "open"); /* has not ended */
	for (unsigned int i = 0; i < EVENT_SESSIONS_MAX + 669; i++)
		session(&q, i);
	push(&q, EVENT_OOM, NULL);
	push(&q, EVENT_EXIT, NULL);
	push(&q, EVENT_DELETE, NULL);
	assert_int_equal(q.n, 3 * EVENT_SESSIONS_MAX + 6);
	assert_int_equal(q.dropped, 669);
	assert_int_equal(count(&q, EVENT_CREATE, NULL), 1);
	assert_int_equal(count(&q, EVENT_START, NULL), 1);
	assert_int_equal(count(&q, EVENT_OOM, NULL), 1);
	assert_int_equal(count(&q, EVENT_EXIT, NULL), 1);
	assert_int_equal(count(&q, EVENT_DELETE, NULL), 1);
	assert_int_equal(count(&q, EVENT_EXEC_ADDED, "open"), 1);
	/* The oldest have gone, whole. */
	assert_int_equal(count(&q, EVENT_EXEC_ADDED, "e668"), 0);
	assert_int_equal(count(&q, EVENT_EXEC_STARTED, "e668"), 0);
	assert_int_equal(count(&q, EVENT_EXIT, "e668"), 0);
	assert_int_equal(count(&q, EVENT_EXEC_ADDED, "e669"), 1);
	assert_int_equal(count(&q, EVENT_EXIT, "e669"), 1);
	assert_int_equal(q.last->type, EVENT_DELETE);
	for (; q.first; event_queue_pop(&q))
		n++;
	assert_int_equal(n, 3 * EVENT_SESSIONS_MAX + 6);
	assert_null(q.names);
	assert_int_equal(q.n, 0);
	assert_null(q.last);
}

static void test_queue_in_flight(void **state)
{
	struct event_queue q = { 0 };

	(void)state;
	session(&q, 0);
	q.head_in_flight = true; /* its first event is with the daemon */
	for (unsigned int i = 1; i < EVENT_SESSIONS_MAX + 10; i++)
		session(&q, i);
	assert_int_equal(q.first->type, EVENT_EXEC_ADDED);
	assert_string_equal(q.first->exec_id, "e0");
	assert_int_equal(count(&q, EVENT_EXIT, "e0"), 0);
	assert_int_equal(count(&q, EVENT_EXIT, "e10009"), 1);
	event_queue_done(&q);
	assert_int_equal(q.n, 0);
}

/* Sessions that never ran have no exit, but an end in number. */
static void test_queue_failed_starts(void **state)
{
	struct event_queue q = { 0 };
	char id[16];

	(void)state;
	push(&q, EVENT_CREATE, NULL);
	for (unsigned int i = 0; i < EVENT_SESSION_EVENTS_MAX + 5; i++) {
		snprintf(id, sizeof(id), "e%u", i);
		push(&q, EVENT_EXEC_ADDED, id);
	}
	assert_int_equal(q.n, EVENT_SESSION_EVENTS_MAX + 1);
	assert_int_equal(q.dropped, 5);
	assert_int_equal(count(&q, EVENT_CREATE, NULL), 1);
	assert_int_equal(count(&q, EVENT_EXEC_ADDED, "e4"), 0);
	assert_int_equal(count(&q, EVENT_EXEC_ADDED, "e5"), 1);
	event_queue_done(&q);
}

/* What is sent late is what was told then. */
static void test_queue_encode(void **state)
{
	struct event e = {
		.type = EVENT_EXIT, .id = "c", .exec_id = "x", .pid = 7, .exit_status = 9
	};
	struct event_queue q = { 0 };
	uint8_t *now = NULL, *later = NULL;
	size_t n, m;

	(void)state;
	assert_int_equal(event_queue_encode(&q, "ns", &later, &m), -ENOENT);
	assert_int_equal(event_queue_push(&q, "ns", &e, NULL), 0);
	assert_int_equal(front_event_encode("ns", &e, &q.first->told, NULL, &now, &n), 0);
	assert_int_equal(event_queue_encode(&q, "ns", &later, &m), 0);
	assert_int_equal(m, n);
	assert_memory_equal(later, now, n);
	free(now);
	free(later);
	event_queue_done(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit),
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_topics),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_queue_in_flight),
		cmocka_unit_test(test_queue_failed_starts),
		cmocka_unit_test(test_queue_encode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
