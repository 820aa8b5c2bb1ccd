/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parent's two tables, of a new container (stage_parent.c) and of a restored one
 * (stage_restore.c), have in common. Step functions take the stage as ctx.
 */
#pragma once

#include "runtime/stage.h"

MUST_CHECK int stage_row_state(void *ctx, struct err *err);
void stage_undo_state(void *ctx);
MUST_CHECK int stage_row_cgroup(void *ctx, struct err *err);
void stage_undo_cgroup(void *ctx);
MUST_CHECK int stage_row_rdt(void *ctx, struct err *err);
void stage_undo_rdt(void *ctx);
MUST_CHECK int stage_row_config(void *ctx, struct err *err);
MUST_CHECK int stage_row_devices(void *ctx, struct err *err);
MUST_CHECK int stage_row_complete(void *ctx, struct err *err);

/* Clones a child that is put, or puts itself (stage_place_self), into the container's cgroup. */
MUST_CHECK int stage_clone(struct stage *s, struct spawn_args *args, struct spawned *child,
			   struct err *err);
/* The cgroups that clone and child could not enter. */
MUST_CHECK int stage_place(struct stage *s, const struct spawned *child, struct err *err);
/* The holder of systemd's unit, once another process is in it. */
MUST_CHECK int stage_end_holder(struct stage *s, struct err *err);
/* prestart and createRuntime hooks, with the lock released. */
MUST_CHECK int stage_run_hooks(struct stage *s, struct err *err);
/* The terminal's master, to the console socket or kept for the foreground (taken). */
MUST_CHECK int stage_hand_console(struct stage *s, int *master, struct err *err);
