/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The default configuration of `thole spec`, with the content and key order of runc's.
 */
#include "common/str.h"
#include "spec/spec_docs.h"

struct default_mount {
	const char *destination, *type, *source;
	const char *options; /* separated by commas */
};

static const struct default_mount mounts[] = {
	{ "/proc", "proc", "proc", NULL },
	{ "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k" },
	{ "/dev/pts", "devpts", "devpts",
	  "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5" },
	{ "/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=65536k" },
	{ "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev" },
	{ "/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro" },
	{ "/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro" },
};
/* sysfs can be mounted only by who owns the network namespace. */
static const struct default_mount rootless_sys = { "/sys", "none", "/sys",
						   "rbind,nosuid,noexec,nodev,ro" };

static void write_key_string(struct json_writer *w, const char *key, const char *value)
{
	jw_key(w, key);
	jw_string(w, value);
}

static void write_key_uint(struct json_writer *w, const char *key, uint64_t value)
{
	jw_key(w, key);
	jw_uint(w, value);
}

static void write_key_bool(struct json_writer *w, const char *key, bool value)
{
	jw_key(w, key);
	jw_bool(w, value);
}

static void write_key_strings(struct json_writer *w, const char *key, const char *const *list)
{
	jw_key(w, key);
	jw_array(w);
	for (; *list; list++)
		jw_string(w, *list);
	jw_end(w);
}

static void write_process(struct json_writer *w)
{
	static const char *const args[] = { "sh", NULL };
	static const char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm",
		NULL
	};
	static const char *const caps[] = { "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE",
					    NULL };

	jw_key(w, "process");
	jw_object(w);
	write_key_bool(w, "terminal", true);
	jw_key(w, "user");
	jw_object(w);
	write_key_uint(w, "uid", 0);
	write_key_uint(w, "gid", 0);
	jw_end(w);
	write_key_strings(w, "args", args);
	write_key_strings(w, "env", env);
	write_key_string(w, "cwd", "/");
	jw_key(w, "capabilities");
	jw_object(w);
	write_key_strings(w, "bounding", caps);
	write_key_strings(w, "effective", caps);
	write_key_strings(w, "permitted", caps);
	jw_end(w);
	jw_key(w, "rlimits");
	jw_array(w);
	jw_object(w);
	write_key_string(w, "type", "RLIMIT_NOFILE");
	write_key_uint(w, "hard", 1024);
	write_key_uint(w, "soft", 1024);
	jw_end(w);
	jw_end(w);
	write_key_bool(w, "noNewPrivileges", true);
	jw_end(w);
}

/* Without more than one id mapped no mount may name another: uid= and gid= are dropped. */
static void write_options(struct json_writer *w, const char *options, bool rootless)
{
	jw_key(w, "options");
	jw_array(w);
	while (options) {
		size_t n = strcspn(options, ",");
		bool names_id =
			str_starts_with(options, "uid=") || str_starts_with(options, "gid=");

		if (!rootless || !names_id)
			jw_string_n(w, options, n);
		options = options[n] == ',' ? options + n + 1 : NULL;
	}
	jw_end(w);
}

static void write_mounts(struct json_writer *w, bool rootless)
{
	jw_key(w, "mounts");
	jw_array(w);
	for (size_t i = 0; i < ARRAY_COUNT(mounts); i++) {
		const struct default_mount *mount = &mounts[i];

		if (rootless && str_eq(mount->destination, "/sys"))
			mount = &rootless_sys;
		jw_object(w);
		write_key_string(w, "destination", mount->destination);
		write_key_string(w, "type", mount->type);
		write_key_string(w, "source", mount->source);
		if (mount->options)
			write_options(w, mount->options, rootless);
		jw_end(w);
	}
	jw_end(w);
}

static void write_idmap(struct json_writer *w, const char *key, uint32_t host_id)
{
	jw_key(w, key);
	jw_array(w);
	jw_object(w);
	write_key_uint(w, "containerID", 0);
	write_key_uint(w, "hostID", host_id);
	write_key_uint(w, "size", 1);
	jw_end(w);
	jw_end(w);
}

static void write_resources(struct json_writer *w)
{
	jw_key(w, "resources");
	jw_object(w);
	jw_key(w, "devices");
	jw_array(w);
	jw_object(w);
	write_key_bool(w, "allow", false);
	write_key_string(w, "access", "rwm");
	jw_end(w);
	jw_end(w);
	jw_end(w);
}

static void write_namespace(struct json_writer *w, const char *type)
{
	jw_object(w);
	write_key_string(w, "type", type);
	jw_end(w);
}

static void write_namespaces(struct json_writer *w, const struct spec_default_options *options)
{
	jw_key(w, "namespaces");
	jw_array(w);
	write_namespace(w, "pid");
	if (!options->rootless)
		write_namespace(w, "network");
	write_namespace(w, "ipc");
	write_namespace(w, "uts");
	write_namespace(w, "mount");
	if (options->cgroup_namespace)
		write_namespace(w, "cgroup");
	if (options->rootless)
		write_namespace(w, "user");
	jw_end(w);
}

static void write_linux(struct json_writer *w, const struct spec_default_options *options)
{
	static const char *const masked[] = {
		"/proc/acpi",
		"/proc/asound",
		"/proc/kcore",
		"/proc/keys",
		"/proc/latency_stats",
		"/proc/timer_list",
		"/proc/timer_stats",
		"/proc/sched_debug",
		"/sys/firmware",
		"/proc/scsi",
		NULL,
	};
	static const char *const readonly[] = { "/proc/bus",           "/proc/fs",
						"/proc/irq",           "/proc/sys",
						"/proc/sysrq-trigger", NULL };

	jw_key(w, "linux");
	jw_object(w);
	if (options->rootless) {
		write_idmap(w, "uidMappings", options->euid);
		write_idmap(w, "gidMappings", options->egid);
	} else {
		write_resources(w);
	}
	write_namespaces(w, options);
	write_key_strings(w, "maskedPaths", masked);
	write_key_strings(w, "readonlyPaths", readonly);
	jw_end(w);
}

void spec_default_write(struct str *out, const struct spec_default_options *options)
{
	CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new("\t");
	const char *text;
	size_t n;

	jw_object(w);
	write_key_string(w, "ociVersion", SPEC_VERSION);
	write_process(w);
	jw_key(w, "root");
	jw_object(w);
	write_key_string(w, "path", "rootfs");
	write_key_bool(w, "readonly", true);
	jw_end(w);
	write_key_string(w, "hostname", "thole");
	write_mounts(w, options->rootless);
	write_linux(w, options);
	jw_end(w);
	text = json_writer_text(w, &n);
	str_add_n(out, text, n);
	str_add_char(out, '\n');
}
