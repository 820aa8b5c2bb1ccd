/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to the container, told in order and once: a list of subscribers called at once, in
 * the order of subscription. Owns the list only.
 */
#pragma once

#include <sys/types.h>
#include <time.h>

#include "common/macros.h"

enum event_type {
	EVENT_CREATE,
	EVENT_START,
	EVENT_EXEC_ADDED,
	EVENT_EXEC_STARTED,
	EVENT_PAUSED,
	EVENT_RESUMED,
	EVENT_OOM,
	EVENT_EXIT,
	EVENT_DELETE,
	EVENT_TYPE_N
};

struct event {
	enum event_type type;
	const char *id, *exec_id; /* exec_id NULL: the init */
	pid_t pid;
	unsigned int exit_status; /* EXIT, DELETE: code or 128 + signal; 255 if unknown */
	struct timespec when;     /* EXIT: when it was reaped */
};

typedef void event_fn(void *user, const struct event *event);

#define EVENTS_MAX 4

struct events { /* zeroed: ready */
	struct {
		event_fn *fn;
		void *user;
	} subscriber[EVENTS_MAX];
	size_t n;
};

/* -ENOSPC beyond EVENTS_MAX. */
MUST_CHECK int events_subscribe(struct events *events, event_fn *fn, void *user);
void events_emit(const struct events *events, const struct event *event);
const char *event_topic(enum event_type type); /* "/tasks/create" ... */
