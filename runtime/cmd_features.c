/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole features: what this build can do, on this kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/io.h"
#include "common/version.h"
#include "runtime/command.h"
#include "runtime/host.h"
#include "runtime/plan_mounts.h"
#include "runtime/seccomp.h"
#include "spec/spec_docs.h"
#include "spec/spec_read.h"

static const char *const hook_names[] = {
	"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
	NULL,
};

static const char *const memory_modes[] = {
	"MPOL_DEFAULT",
	"MPOL_PREFERRED",
	"MPOL_BIND",
	"MPOL_INTERLEAVE",
	"MPOL_LOCAL",
	"MPOL_PREFERRED_MANY",
	"MPOL_WEIGHTED_INTERLEAVE",
	NULL,
};

static const char *const memory_flags[] = {
	"MPOL_F_NUMA_BALANCING",
	"MPOL_F_RELATIVE_NODES",
	"MPOL_F_STATIC_NODES",
	NULL,
};

/* The spec's names of the namespaces that the kernel has. */
static const char *const *namespace_names(struct arena *arena)
{
	static const struct {
		const char *name, *file;
	} table[] = {
		{ "cgroup", "cgroup" }, { "ipc", "ipc" }, { "mount", "mnt" },
		{ "network", "net" },   { "pid", "pid" }, { "time", "time" },
		{ "user", "user" },     { "uts", "uts" },
	};
	const char **names = ARENA_ARRAY(arena, ARRAY_COUNT(table) + 1, const char *);
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/ns/%s", table[i].file);
		if (access(path, F_OK) == 0)
			names[n++] = table[i].name;
	}
	return names;
}

static const char *const *capability_names(struct arena *arena, int last_cap)
{
	const char **names = ARENA_ARRAY(arena, (size_t)last_cap + 2, const char *);
	size_t n = 0;

	for (int cap = 0; cap <= last_cap; cap++) {
		const char *name = spec_capability_name(cap);

		if (name)
			names[n++] = name;
	}
	return names;
}

static int run_features(const struct command_call *call, struct err *err)
{
	const char *supported[16];
	CLEANUP_STR struct str text = { 0 };
	struct host host;
	int r;

	r = host_probe(call->arena, &host, err);
	if (r < 0)
		return r;
	seccomp_supported_flags(supported, ARRAY_COUNT(supported));

	const struct spec_features features = {
		.version = thole_version,
		.commit = thole_commit,
		.libseccomp = seccomp_library_version(call->arena),
		.seccomp = supported[0] != NULL,
		/* Labels are applied wherever the kernel has them: a fact of the build. */
		.apparmor = true,
		.selinux = true,
		.cgroup_systemd = true,
		.cgroup_systemd_user = true,
		.cgroup_rdma = true,
		.memory_policy = true,
		.intel_rdt = true,
		.net_devices = true,
		.idmap = true,
		.namespaces = namespace_names(call->arena),
		.capabilities = capability_names(call->arena, host.last_cap),
		.mount_options = mount_option_words(),
		.seccomp_actions = seccomp_action_words(),
		.seccomp_operators = seccomp_operator_words(),
		.seccomp_archs = seccomp_arch_words(),
		.seccomp_known_flags = seccomp_flag_words(),
		.seccomp_supported_flags = supported,
		.memory_policy_modes = memory_modes,
		.memory_policy_flags = memory_flags,
		.hooks = hook_names,
	};

	spec_features_write(&text, &features);
	r = io_write_all(STDOUT_FILENO, text.data, text.len);
	if (r < 0)
		return err_sysn(err, r, "write to standard output");
	return 0;
}

const struct command cmd_features = {
	.name = "features",
	.args_help = "",
	.help = "print what this runtime supports, as JSON",
	.max_args = 0,
	.error_status = 1,
	.run = run_features,
};
