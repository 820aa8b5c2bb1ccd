// SPDX-License-Identifier: Apache-2.0
// The event list; topics are containerd's names.
#include "shim/events.h"

#include <errno.h>

int events_subscribe(struct events *events, event_fn *fn, void *user)
{
	if (events->n == EVENTS_MAX)
		return -ENOSPC;
	events->subscriber[events->n].fn = fn;
	events->subscriber[events->n].user = user;
	events->n++;
	return 0;
}

void events_emit(const struct events *events, const struct event *event)
{
	for (size_t i = 0; i < events->n; i++)
		events->subscriber[i].fn(events->subscriber[i].user, event);
}

const char *event_topic(enum event_type type)
{
	static const char *const topics[EVENT_TYPE_N] = {
		[EVENT_CREATE] = "/tasks/create",
		[EVENT_START] = "/tasks/start",
		[EVENT_EXEC_ADDED] = "/tasks/exec-added",
		[EVENT_EXEC_STARTED] = "/tasks/exec-started",
		[EVENT_PAUSED] = "/tasks/paused",
		[EVENT_RESUMED] = "/tasks/resumed",
		[EVENT_OOM] = "/tasks/oom",
		[EVENT_EXIT] = "/tasks/exit",
		[EVENT_DELETE] = "/tasks/delete",
	};

	return topics[type];
}
