/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hooks object: six lists of the same entry.
 */
#include "spec/spec_table.h"

static const struct spec_field hook_rows[] = {
	SPEC_ROW(struct spec_hook, "path", STRING, spec_field_string, path, .max = PATH_MAX - 1,
		 .flags = SPEC_REQUIRED | SPEC_ABSOLUTE),
	SPEC_ROW(struct spec_hook, "args", ARRAY, spec_field_strings, args, .max = SPEC_ARGS_MAX),
	SPEC_ROW(struct spec_hook, "env", ARRAY, spec_field_strings, env, .max = SPEC_ARGS_MAX,
		 .has = offsetof(struct spec_hook, has_env)),
	SPEC_ROW(struct spec_hook, "timeout", NUMBER, spec_field_i32, timeout, .min = 1),
};
static const struct spec_table hook_table = SPEC_TABLE(hook_rows);
static const struct spec_list hook_list = { &hook_table, sizeof(struct spec_hook) };

#define HOOKS_ROW(name_, kind)                                                                     \
	{                                                                                          \
		.name = (name_), .type = JSON_ARRAY, .read = spec_field_list,                      \
		.offset = (kind) * sizeof(struct spec_hook_list), .arg = &hook_list                \
	}

static const struct spec_field hooks_rows[] = {
	HOOKS_ROW("prestart", HOOK_PRESTART),
	HOOKS_ROW("createRuntime", HOOK_CREATE_RUNTIME),
	HOOKS_ROW("createContainer", HOOK_CREATE_CONTAINER),
	HOOKS_ROW("startContainer", HOOK_START_CONTAINER),
	HOOKS_ROW("poststart", HOOK_POSTSTART),
	HOOKS_ROW("poststop", HOOK_POSTSTOP),
};

const struct spec_table spec_table_hooks = SPEC_TABLE(hooks_rows);
