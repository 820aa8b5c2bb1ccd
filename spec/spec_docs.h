/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The documents thole prints: the default configuration (`thole spec`), the state and the features
 * document. Each is written here in full; the caller only fills the facts.
 */
#pragma once

#include "common/json.h"
#include "spec/spec.h"

/* `thole spec`: runc's default bundle (tab indent, trailing newline). */
struct spec_default_options {
	bool rootless;
	uint32_t euid, egid;
	bool cgroup_namespace; /* add the cgroup namespace (a host with cgroup v2) */
};
void spec_default_write(struct str *out, const struct spec_default_options *options);

/* OCI state. pid is omitted from hooks' state only when 0 is meaningless: it is always written. */
struct spec_state {
	const char *id, *status, *bundle, *rootfs, *created,
		*owner; /* rootfs.. NULL: key omitted */
	pid_t pid;
	const struct spec_map *annotations; /* NULL or empty: omitted */
};
/* Writes the object into w (keys in runc's order: ociVersion id pid status bundle rootfs created
 * annotations owner). */
void spec_state_write(struct json_writer *w, const struct spec_state *state);
/* Compact text, as hooks get it on stdin. */
void spec_state_text(struct str *out, const struct spec_state *state);

/* `thole features`, 4-space indent as runc. */
struct spec_features {
	const char *version, *commit, *libseccomp;
	bool seccomp, apparmor, selinux, cgroup_systemd, cgroup_systemd_user, cgroup_rdma,
		intel_rdt;
	bool net_devices, memory_policy, idmap, checkpoint;
	const char *const *namespaces;   /* NULL-terminated lists */
	const char *const *capabilities; /* known to this kernel */
	const char *const *mount_options;
	const char *const *seccomp_actions, *const *seccomp_operators, *const *seccomp_archs;
	const char *const *seccomp_known_flags, *const *seccomp_supported_flags;
	const char *const *memory_policy_modes, *const *memory_policy_flags;
	const char *const *hooks;
};
void spec_features_write(struct str *out, const struct spec_features *features);
