/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --lower: an overlay root filesystem in a mount namespace of the shim's own (slave of the host's),
 * in which the runtime runs too. It shows nowhere else and ends with the shim and its container.
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"

struct overlay {
	const char *lower;  /* DIR[:DIR...], the uppermost first; "\:" is a colon in a name */
	const char *bundle; /* upper and work directories are made in it */
	const char *target; /* the root of config.json */
	bool made_upper, made_work, made_target; /* out: by overlay_mount */
};

/* Leaves the host's mount namespace; before the first thread is started. */
MUST_CHECK int overlay_mount(struct overlay *overlay, struct err *err);
/* Roll-back: unmounts and removes what overlay_mount made. */
void overlay_undo(const struct overlay *overlay);
