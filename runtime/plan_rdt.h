/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of linux.intelRdt: the class of service and the monitoring group as directories of the
 * mounted resctrl, and the lines for its schemata file.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "common/str.h"
#include "runtime/host.h"
#include "runtime/plan_request.h"
#include "spec/spec.h"

struct plan_rdt {
	const char *root; /* where resctrl is mounted */
	const char *clos; /* directory of the class */
	const char *mon;  /* directory of the monitoring group, or NULL */
	bool own;         /* the class has the container's name, and no other user */
	bool may_create;  /* a class that does not exist is made, else it is an error */
	struct spec_strings
		lines; /* l3CacheSchema, memBwSchema, schemata: in the order of writing */
};

/* *ret is NULL if nothing is asked. Pure. */
MUST_CHECK int plan_rdt_build(struct arena *arena, const struct spec *spec, const struct host *host,
			      const struct plan_request *request, const struct plan_rdt **ret,
			      struct err *err);
void plan_rdt_print(const struct plan_rdt *plan, struct str *out);
