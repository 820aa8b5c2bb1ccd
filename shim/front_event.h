/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events as containerd's ForwardRequest messages, and the queue of those that it has not taken yet.
 * What a container's life needs stays for ever (its creation, starts, exit, OOM, deletion); sessions
 * that have come and gone are dropped, oldest first, above EVENT_QUEUE_MAX, and counted. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"
#include "shim/events.h"

#define EVENT_QUEUE_MAX 10000

struct front_mount;

struct front_event_create { /* what TaskCreate tells beside the event */
	const char *bundle;
	const char *uri[3];
	bool terminal;
	const struct front_mount *mounts;
	size_t n_mounts;
};

struct event_entry {
	struct event_entry *next;
	enum event_type type;
	char *id, *exec_id; /* exec_id NULL: the init; both are part of this allocation */
	size_t len;
	uint8_t *data;
};

struct event_queue { /* zeroed: ready */
	struct event_entry *first, *last;
	size_t n;
	uint64_t dropped;    /* sessions */
	bool head_in_flight; /* the first one may not be dropped */
};

/* The bytes of a ForwardRequest, malloc'ed. -ENOMEM. */
MUST_CHECK int front_event_encode(const char *ns, const struct event *event,
				  const struct front_event_create *create, uint8_t **ret,
				  size_t *ret_len);

MUST_CHECK int event_queue_push(struct event_queue *q, const char *ns, const struct event *event,
				const struct front_event_create *create);
void event_queue_pop(struct event_queue *q);
void event_queue_done(struct event_queue *q);
