/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json -> struct spec, by dispatch tables: one row a field with its type, limits and offset.
 * Errors carry the JSON path and the value. Unknown properties are ignored and told at debug level;
 * windows, solaris, vm, freebsd and zos are ignored with one warning. Reads no environment.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "common/json.h"
#include "spec/spec.h"

/* Reads and checks (spec_check) a whole configuration. The tree and the spec live in `arena`. */
MUST_CHECK int spec_read(struct arena *arena, const char *data, size_t n, struct spec **ret,
			 struct err *err);

/* The same from a tree that was parsed into `arena`. */
MUST_CHECK int spec_read_tree(struct arena *arena, const struct json *tree, struct spec **ret,
			      struct err *err);

/* As spec_read from dirfd/path. -ENOENT text: "JSON specification file config.json not found". If
 * ret_text is given it gets the file's bytes (in the arena), for the copy in the state directory. */
MUST_CHECK int spec_read_file(struct arena *arena, int dirfd, const char *path, struct spec **ret,
			      const char **ret_text, size_t *ret_len, struct err *err);

/* Reads a process object alone (`exec --process`), checked. */
MUST_CHECK int spec_read_process(struct arena *arena, const char *data, size_t n,
				 struct spec_process **ret, struct err *err);

/* Reads a linux.resources object alone (`update --resources`), checked. */
MUST_CHECK int spec_read_resources(struct arena *arena, const char *data, size_t n,
				   struct spec_resources **ret, struct err *err);

/* Cross-field rules: what no single field can know. Called by the readers above. */
MUST_CHECK int spec_check(const struct spec *spec, struct err *err);
MUST_CHECK int spec_check_process(const struct spec_process *process, const char *path,
				  struct err *err);

/* Capability bit (0..63) of "CAP_X", -1 if unknown. */
int spec_capability(const char *name);
const char *spec_capability_name(int cap); /* NULL beyond the last known */
