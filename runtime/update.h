/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thinking part of `update`: values of its options, the rules by which old and new resources
 * become one, and the JSON in which they are kept beside the state. Pure.
 */
#pragma once

#include "common/arena.h"
#include "common/json.h"
#include "spec/spec.h"

/* Bytes as callers write them: "1048576", "64m", "64MiB", "1.5 GB", any case, 1024-based; "-1" is
 * unlimited. -EINVAL, -ERANGE. */
MUST_CHECK int update_parse_bytes(const char *text, int64_t *ret);

/*
 * ret_keep: everything that is in force after the update. ret_apply: what is written now; as in
 * runc that is all of it, so that values somebody else changed come back, except for what counts
 * only when given: cpu.cpus, mems, burst, idle, pids.limit, unified, and quota and period if neither
 * is given. Device rules are in neither: an update never changes them.
 */
void update_merge(struct arena *arena, const struct spec_resources *old,
		  const struct spec_resources *given, struct spec_resources *ret_apply,
		  struct spec_resources *ret_keep);

/* An OCI linux.resources object, without the device rules. */
void update_write_json(struct json_writer *w, const struct spec_resources *r);
