/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The features document of runtime-spec 1.3. A list the caller leaves NULL is omitted: unknown, as
 * distinct from empty.
 */
#include "common/str.h"
#include "spec/spec_docs.h"

#define SPEC_VERSION_MIN "1.0.0"

static void write_list(struct json_writer *w, const char *key, const char *const *list)
{
	if (!list)
		return;
	jw_key(w, key);
	jw_array(w);
	for (; *list; list++)
		jw_string(w, *list);
	jw_end(w);
}

static void write_bool(struct json_writer *w, const char *key, bool value)
{
	jw_key(w, key);
	jw_bool(w, value);
}

static void write_enabled(struct json_writer *w, const char *key, bool enabled)
{
	jw_key(w, key);
	jw_object(w);
	write_bool(w, "enabled", enabled);
	jw_end(w);
}

static void write_cgroup(struct json_writer *w, const struct spec_features *features)
{
	jw_key(w, "cgroup");
	jw_object(w);
	write_bool(w, "v1", true);
	write_bool(w, "v2", true);
	write_bool(w, "systemd", features->cgroup_systemd);
	write_bool(w, "systemdUser", features->cgroup_systemd_user);
	write_bool(w, "rdma", features->cgroup_rdma);
	jw_end(w);
}

static void write_seccomp(struct json_writer *w, const struct spec_features *features)
{
	jw_key(w, "seccomp");
	jw_object(w);
	write_bool(w, "enabled", features->seccomp);
	if (features->seccomp) {
		write_list(w, "actions", features->seccomp_actions);
		write_list(w, "operators", features->seccomp_operators);
		write_list(w, "archs", features->seccomp_archs);
		write_list(w, "knownFlags", features->seccomp_known_flags);
		write_list(w, "supportedFlags", features->seccomp_supported_flags);
	}
	jw_end(w);
}

static void write_intel_rdt(struct json_writer *w, const struct spec_features *features)
{
	jw_key(w, "intelRdt");
	jw_object(w);
	write_bool(w, "enabled", features->intel_rdt);
	if (features->intel_rdt) {
		write_bool(w, "schemata", true);
		write_bool(w, "monitoring", true);
	}
	jw_end(w);
}

static void write_linux(struct json_writer *w, const struct spec_features *features)
{
	jw_key(w, "linux");
	jw_object(w);
	write_list(w, "namespaces", features->namespaces);
	write_list(w, "capabilities", features->capabilities);
	write_cgroup(w, features);
	write_seccomp(w, features);
	write_enabled(w, "apparmor", features->apparmor);
	write_enabled(w, "selinux", features->selinux);
	write_intel_rdt(w, features);
	if (features->memory_policy) {
		jw_key(w, "memoryPolicy");
		jw_object(w);
		write_list(w, "modes", features->memory_policy_modes);
		write_list(w, "flags", features->memory_policy_flags);
		jw_end(w);
	}
	jw_key(w, "mountExtensions");
	jw_object(w);
	write_enabled(w, "idmap", features->idmap);
	jw_end(w);
	write_enabled(w, "netDevices", features->net_devices);
	jw_end(w);
}

/* The names are those that readers of runc's document look for. */
static void write_annotations(struct json_writer *w, const struct spec_features *features)
{
	if (!features->libseccomp && !features->checkpoint)
		return;
	jw_key(w, "annotations");
	jw_object(w);
	if (features->libseccomp) {
		jw_key(w, "io.github.seccomp.libseccomp.version");
		jw_string(w, features->libseccomp);
	}
	if (features->checkpoint) {
		jw_key(w, "org.opencontainers.runc.checkpoint.enabled");
		jw_string(w, "true");
	}
	jw_end(w);
}

void spec_features_write(struct str *out, const struct spec_features *features)
{
	/* The last four name files and sockets of the host. */
	static const char *const unsafe_annotations[] = {
		"bundle",
		"org.systemd.property.",
		"org.criu.config",
		"run.oci.hooks.stdout",
		"run.oci.hooks.stderr",
		"run.oci.pidfd_receiver",
		"run.oci.seccomp.receiver",
		NULL,
	};
	CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new("    ");
	const char *text;
	size_t n;

	jw_object(w);
	jw_key(w, "ociVersionMin");
	jw_string(w, SPEC_VERSION_MIN);
	jw_key(w, "ociVersionMax");
	jw_string(w, SPEC_VERSION);
	write_list(w, "hooks", features->hooks);
	write_list(w, "mountOptions", features->mount_options);
	write_linux(w, features);
	write_annotations(w, features);
	write_list(w, "potentiallyUnsafeConfigAnnotations", unsafe_annotations);
	jw_end(w);
	text = json_writer_text(w, &n);
	str_add_n(out, text, n);
	str_add_char(out, '\n');
}
