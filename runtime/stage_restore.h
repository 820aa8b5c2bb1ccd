/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent's table of a container that criu restores: the same state, cgroup and hooks as a new
 * one, but its processes, namespaces and mounts come from the images.
 */
#pragma once

#include "runtime/stage.h"

/* Makes the container; it runs when this returns. Undone whole on failure. */
MUST_CHECK int stage_restore_run(struct stage *s, struct err *err);
/* Undoes everything that stage_restore_run did. */
void stage_restore_undo(struct stage *s);
