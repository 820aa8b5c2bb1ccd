/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classes of service and monitoring groups of resctrl (Intel RDT and its kin): made, filled, compared,
 * removed. Parent only. Removes nothing that it did not make.
 *
 * Builds with -DTHOLE_TEST take the directory in THOLE_TEST_RESCTRL for a mounted resctrl; what the
 * kernel makes and removes with a group's directory is made and removed here then.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"
#include "runtime/plan_rdt.h"

/* A container's groups, as its state keeps them; all NULL: it has none. */
struct rdt {
	const char *clos, *mon;
	bool remove_clos; /* made for this container, goes with it */
};

/* What rdt_create made, to be undone if the making of the container fails. */
struct rdt_made {
	bool clos, mon;
};

/* The groups that the plan (NULL: none) leads to. Looks whether the class exists: one that was there
 * before is not removed with the container. */
void rdt_from_plan(const struct plan_rdt *plan, struct rdt *ret);

/* Makes the class and writes its schemata, or compares one that exists; makes the monitoring group.
 * *made tells what is to be undone also on failure. */
MUST_CHECK int rdt_create(const struct plan_rdt *plan, struct rdt_made *made, struct err *err);
void rdt_undo(const struct rdt *rdt, const struct rdt_made *made);

/* Puts a process (with one thread) into the groups; its children inherit them. */
MUST_CHECK int rdt_add(const struct rdt *rdt, pid_t pid, struct err *err);

/* Writes new lines (NULL: leave) into the class's schemata; on error the old ones stay. */
MUST_CHECK int rdt_update(const struct rdt *rdt, const char *l3, const char *bandwidth,
			  struct err *err);

/* At delete: the monitoring group, and the class if it was made for the container. */
MUST_CHECK int rdt_remove(const struct rdt *rdt, struct err *err);

/* Every value of the line ("L3:0=f;1=ff") is that of the schemata file's text. Pure. */
bool rdt_line_matches(const char *schemata, const char *line);
