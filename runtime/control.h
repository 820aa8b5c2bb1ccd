/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be done with a container that runs: pause, resume, update, events. As in container.h,
 * each opens the state, checks what is allowed in the status found, and acts.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "spec/spec.h"

/* Freezes a created or running container: `container not running` otherwise. */
MUST_CHECK int control_pause(struct arena *arena, const char *root, const char *id,
			     struct err *err);
/* `container not paused` */
MUST_CHECK int control_resume(struct arena *arena, const char *root, const char *id,
			      struct err *err);

struct control_update {
	const char *root, *id;
	const struct spec_resources *resources;
	const char *l3_cache_schema, *mem_bw_schema; /* NULL: not given */
};
/* Applies the given resources, merged with those in force by the rules of update.h, and keeps the
 * result as resources.json in the state directory. On error the old limits stay. */
MUST_CHECK int control_update(struct arena *arena, const struct control_update *req,
			      struct err *err);

struct control_events {
	const char *root, *id;
	bool once; /* one line of figures */
	uint64_t interval_ns;
};
/* Prints to standard output until the cgroup is gone. */
MUST_CHECK int control_events(struct arena *arena, const struct control_events *req,
			      struct err *err);
