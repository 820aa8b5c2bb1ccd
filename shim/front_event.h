/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events as containerd's ForwardRequest messages, and the queue of those that it has not taken yet.
 * What a container's life needs stays for ever (its creation, starts, exit, OOM, deletion); of
 * sessions that have come and gone EVENT_SESSIONS_MAX are kept, the oldest are dropped and counted.
 * Kept as what they are told of, not as messages: a third of the memory. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"
#include "shim/events.h"

#define EVENT_SESSIONS_MAX 10000
/* Events of sessions: those whose start failed have an "added" only. */
#define EVENT_SESSION_EVENTS_MAX (4 * EVENT_SESSIONS_MAX)

struct front_mount;

struct front_event_create { /* what TaskCreate tells beside the event */
	const char *bundle;
	const char *uri[3];
	bool terminal;
	const char *checkpoint; /* NULL or "": none */
	const struct front_mount *mounts;
	size_t n_mounts;
};

struct event_name {
	struct event_name *next;
	size_t refs;
	char text[];
};

struct event_entry {
	struct event_entry *next;
	enum event_type type;
	unsigned int exit_status;
	pid_t pid;
	struct event_name *container;
	const char *id, *exec_id; /* exec_id NULL: the init; part of this allocation */
	struct timespec when, told;
	size_t len; /* of CREATE, whose mounts are told, too; else encoded when it is sent */
	uint8_t *data;
};

struct event_queue { /* zeroed: ready */
	struct event_entry *first, *last;
	struct event_name *names;
	size_t n, n_session_events, n_sessions; /* n_sessions: exits of sessions */
	uint64_t dropped;                       /* sessions */
	bool head_in_flight;                    /* the first one may not be dropped */
};

/* The bytes of a ForwardRequest, malloc'ed; told: when it happened. -ENOMEM. */
MUST_CHECK int front_event_encode(const char *ns, const struct event *event,
				  const struct timespec *told,
				  const struct front_event_create *create, uint8_t **ret,
				  size_t *ret_len);

MUST_CHECK int event_queue_push(struct event_queue *q, const char *ns, const struct event *event,
				const struct front_event_create *create);
/* The first one's message, malloc'ed. -ENOMEM; -ENOENT: there is none. */
MUST_CHECK int event_queue_encode(const struct event_queue *q, const char *ns, uint8_t **ret,
				  size_t *ret_len);
void event_queue_pop(struct event_queue *q);
void event_queue_done(struct event_queue *q);
