/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Id maps of a new user namespace: written directly, or by newuidmap and newgidmap where the caller
 * lacks the right. Runs in the parent only.
 */
#pragma once

#include "common/err.h"
#include "runtime/host.h"
#include "runtime/plan.h"

MUST_CHECK int idmap_write(const struct plan_ns *plan, const struct host *host, pid_t pid,
			   struct err *err);

/* The outside id of `id`, or UINT32_MAX if it is not mapped. */
uint32_t idmap_to_host(const struct spec_idmaps *maps, uint32_t id);
/* One line an entry, as /proc/PID/uid_map takes it. */
void idmap_text(const struct spec_idmaps *maps, struct str *out);
