/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of the parent's table that answer init. Only for stage_parent.c.
 */
#pragma once

#include "runtime/stage.h"

/* The next message must be `type`; an end of file is told as init's death. */
MUST_CHECK int stage_expect(struct stage *s, enum sync_type type, struct sync_msg *msg, int *ret_fd,
			    struct err *err);
MUST_CHECK int stage_tell(struct stage *s, enum sync_type type, struct err *err);
/* Reaps the child and says how it died, and after which step (page: STAGE_PAGE_*). */
MUST_CHECK int stage_tell_death(struct stage *s, struct spawned *child, const char *role,
				size_t page, struct err *err);

/* Step functions; ctx is the stage. */
MUST_CHECK int stage_answer_maps(void *ctx, struct err *err);
MUST_CHECK int stage_answer_hooks(void *ctx, struct err *err);
MUST_CHECK int stage_answer_console(void *ctx, struct err *err);
MUST_CHECK int stage_answer_listener(void *ctx, struct err *err);
MUST_CHECK int stage_answer_ready(void *ctx, struct err *err);
