/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole update
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#include "common/io.h"
#include "common/json.h"
#include "common/log.h"
#include "runtime/command.h"
#include "runtime/control.h"
#include "runtime/update.h"
#include "spec/spec_read.h"

#define VALUE(name_, arg_, help_)                                                                  \
	{                                                                                          \
		.name = name_, .type = OPTION_STRING, .arg = arg_, .help = help_                   \
	}
#define IGNORED(name_)                                                                             \
	{                                                                                          \
		.name = name_, .type = OPTION_STRING, .arg = "BYTES", .help = "ignored",           \
		.hidden = true                                                                     \
	}

static const struct option options[] = {
	{ .name = "resources",
	  .alias = "r",
	  .type = OPTION_STRING,
	  .arg = "FILE|-",
	  .help = "an OCI linux.resources object; the other options are then ignored" },
	VALUE("blkio-weight", "N", "block I/O weight, 10 to 1000"),
	VALUE("cpu-period", "US", "CPU period of the limit, in microseconds"),
	VALUE("cpu-quota", "US", "CPU time allowed in a period, in microseconds"),
	VALUE("cpu-burst", "US", "CPU time that may be saved up, in microseconds"),
	VALUE("cpu-share", "N", "CPU shares, relative to other containers"),
	VALUE("cpu-rt-period", "US", "period of the real-time limit, in microseconds"),
	VALUE("cpu-rt-runtime", "US", "real-time CPU time in a period, in microseconds"),
	VALUE("cpuset-cpus", "LIST", "CPUs to use, as 0-2,7"),
	VALUE("cpuset-mems", "LIST", "memory nodes to use"),
	VALUE("cpu-idle", "0|1", "1: run only when nothing else wants to"),
	VALUE("memory", "BYTES", "memory limit, as 64m; -1: none"),
	VALUE("memory-reservation", "BYTES", "memory that is kept from reclaim; -1: none"),
	VALUE("memory-swap", "BYTES", "limit of memory and swap together; -1: none"),
	VALUE("pids-limit", "N", "number of processes and threads; -1: no limit"),
	VALUE("l3-cache-schema", "SCHEMA", "L3 cache allocation (resctrl)"),
	VALUE("mem-bw-schema", "SCHEMA", "memory bandwidth allocation (resctrl)"),
	IGNORED("kernel-memory"),
	IGNORED("kernel-memory-tcp"),
};

#define R struct spec_resources
#define ROW(name_, kind_, member_, zero_)                                                          \
	{                                                                                          \
		name_, offsetof(R, member_), offsetof(R, has_##member_), kind_, zero_              \
	}

/* The numbers. Zero counts as not given where the reader of JSON takes it so too. */
static const struct number {
	const char *name;
	size_t value, has;
	enum { UNSIGNED, SIGNED, BYTES, IDLE, PIDS } kind;
	bool zero; /* is a value */
} numbers[] = {
	ROW("cpu-period", UNSIGNED, cpu_period, false),
	ROW("cpu-quota", SIGNED, cpu_quota, false),
	ROW("cpu-burst", UNSIGNED, cpu_burst, true),
	ROW("cpu-share", UNSIGNED, cpu_shares, false),
	ROW("cpu-rt-period", UNSIGNED, cpu_rt_period, false),
	ROW("cpu-rt-runtime", SIGNED, cpu_rt_runtime, true),
	ROW("cpu-idle", IDLE, cpu_idle, true),
	ROW("memory", BYTES, memory_limit, false),
	ROW("memory-reservation", BYTES, memory_reservation, false),
	ROW("memory-swap", BYTES, memory_swap, false),
	ROW("pids-limit", PIDS, pids_limit, true),
};

static int read_number(const struct number *row, const char *text, R *resources, struct err *err)
{
	void *value = (char *)resources + row->value;
	bool *has = (bool *)((char *)resources + row->has);
	int64_t *number = value;
	int r;

	if (row->kind == UNSIGNED)
		r = parse_u64(text, 10, (uint64_t *)value);
	else if (row->kind == BYTES)
		r = update_parse_bytes(text, number);
	else
		r = parse_i64(text, 10, number);
	if (r >= 0 && row->kind == IDLE && *number != 0 && *number != 1)
		r = -ERANGE;
	if (r < 0)
		return err_set(err, EINVAL, "invalid value for %s: \"%s\"%s", row->name, text,
			       r == -ERANGE ? " is out of range" : "");
	if (row->kind == PIDS && *number < 0)
		*number = -1;
	*has = row->zero || *number;
	return 0;
}

static int read_blkio_weight(const char *text, R *resources, struct err *err)
{
	uint32_t weight;

	if (parse_u32(text, 10, &weight) < 0 || (weight && (weight < 10 || weight > 1000)))
		return err_set(err, EINVAL,
			       "invalid value for blkio-weight: \"%s\" is not between 10 and 1000",
			       text);
	resources->has_blkio_weight = weight;
	resources->blkio_weight = (uint16_t)weight;
	return 0;
}

static int from_options(const struct option_values *v, R *resources, struct err *err)
{
	const char *weight = option_string(v, "blkio-weight");
	int r = 0;

	if (weight && *weight)
		r = read_blkio_weight(weight, resources, err);
	for (size_t i = 0; r >= 0 && i < ARRAY_COUNT(numbers); i++) {
		const char *text = option_string(v, numbers[i].name);

		if (text && *text)
			r = read_number(&numbers[i], text, resources, err);
	}
	resources->cpus = option_string(v, "cpuset-cpus");
	resources->mems = option_string(v, "cpuset-mems");
	if ((option_given(v, "kernel-memory") || option_given(v, "kernel-memory-tcp")) && r >= 0)
		log_warning("Kernel memory settings are ignored and will be removed");
	return r;
}

static int from_file(struct arena *arena, const char *path, R **ret, struct err *err)
{
	char *text;
	size_t n;
	int r;

	if (str_eq(path, "-"))
		r = io_read_fd(STDIN_FILENO, JSON_BYTES_MAX, arena, &text, &n);
	else
		r = io_read_file(AT_FDCWD, path, JSON_BYTES_MAX, arena, &text, &n);
	if (r < 0)
		return err_sysn(err, r, "open %s", path);
	return spec_read_resources(arena, text, n, ret, err);
}

/* One line of that resource, so that it says nothing of another. */
static int read_schema(const struct option_values *v, const char *name, const char *resource,
		       const char **ret, struct err *err)
{
	const char *text = option_string(v, name);

	*ret = text && *text ? text : NULL;
	if (*ret && (!str_starts_with(text, resource) || strchr(text, '\n')))
		return err_set(err, EINVAL, "invalid value for %s: \"%s\" is no line of %s", name,
			       text, resource);
	return 0;
}

static int run(const struct command_call *call, struct err *err)
{
	const char *file = option_string(call->options, "resources");
	R *resources = ARENA_NEW(call->arena, R);
	struct control_update req = { .root = call->global->root, .id = call->args[0] };
	int r;

	if (file && *file)
		r = from_file(call->arena, file, &resources, err);
	else
		r = from_options(call->options, resources, err);
	if (r >= 0)
		r = read_schema(call->options, "l3-cache-schema", "L3", &req.l3_cache_schema, err);
	if (r >= 0)
		r = read_schema(call->options, "mem-bw-schema", "MB:", &req.mem_bw_schema, err);
	if (r < 0)
		return r;
	req.resources = resources;
	return control_update(call->arena, &req, err);
}

const struct command cmd_update = {
	.name = "update",
	.args_help = "<container-id>",
	.help = "change the limits of a container",
	.options = options,
	.n_options = ARRAY_COUNT(options),
	.min_args = 1,
	.max_args = 1,
	.error_status = 1,
	.run = run,
};
