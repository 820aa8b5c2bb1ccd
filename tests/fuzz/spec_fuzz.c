/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as config.json, as a process and as resources: the reader must either give a spec that
 * keeps its promises or one line of error.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>

#include "common/log.h"
#include "spec/spec_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* At debug level, so that the paths of unknown properties are made too. */
static void open_log(void)
{
	struct log_config config = { .sink = LOG_SINK_FILE,
				     .level = LOG_LEVEL_DEBUG,
				     .path = "/dev/null" };
	static bool opened;
	struct err err;
	int rc = opened ? 0 : log_open(&config, &err);

	assert(rc >= 0);
	opened = true;
}

static void check_error(int rc, const struct err *err)
{
	assert(rc < 0 && err->code == -rc && err->msg[0] != '\0');
	assert(!strchr(err->msg, '\n'));
}

static void check_process(const struct spec_process *process)
{
	assert(process->cwd[0] == '/' && process->args.n > 0);
	assert(!process->args.v[process->args.n]);
	assert(process->env.n == 0 || !process->env.v[process->env.n]);
	for (size_t i = 0; i < process->n_rlimits; i++)
		assert(process->rlimits[i].soft <= process->rlimits[i].hard);
}

static void check_maps(const struct spec_idmaps *maps)
{
	for (size_t i = 0; i < maps->n; i++)
		assert(maps->v[i].size > 0 &&
		       maps->v[i].size <= UINT32_MAX - maps->v[i].container_id &&
		       maps->v[i].size <= UINT32_MAX - maps->v[i].host_id);
}

static void check_spec(const struct spec *spec)
{
	assert(spec->oci_version[0] == '1' && spec->root_path[0] != '\0');
	check_process(&spec->process);
	check_maps(&spec->linux_.uid_maps);
	check_maps(&spec->linux_.gid_maps);
	for (size_t i = 0; i < spec->n_mounts; i++)
		assert(spec->mounts[i].destination[0] != '\0');
	for (int kind = 0; kind < HOOK_KIND_N; kind++)
		for (size_t i = 0; i < spec->hooks[kind].n; i++)
			assert(spec->hooks[kind].v[i].path[0] == '/');
	for (size_t i = 0; i < spec->linux_.resources.unified.n; i++)
		assert(!strchr(spec->linux_.resources.unified.v[i].key, '/'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct spec_resources *resources;
	struct spec_process *process;
	struct err err = { 0 };
	struct spec *spec;
	int rc;

	open_log();
	rc = spec_read(&arena, (const char *)data, size, &spec, &err);
	if (rc < 0)
		check_error(rc, &err);
	else
		check_spec(spec);
	rc = spec_read_process(&arena, (const char *)data, size, &process, &err);
	if (rc < 0)
		check_error(rc, &err);
	else
		check_process(process);
	rc = spec_read_resources(&arena, (const char *)data, size, &resources, &err);
	if (rc < 0)
		check_error(rc, &err);
	return 0;
}
