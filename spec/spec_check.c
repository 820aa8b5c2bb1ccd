/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cross-field rules: what the runtime or the kernel would refuse later, told early with the JSON
 * path. Pure: asks neither the kernel nor the file system.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/sched.h>
#include <stdio.h>

#include "common/str.h"
#include "spec/spec_read.h"
#include "spec/spec_table.h"

/* ---- process ---- */

/* The texts are runc's. */
static int check_command(const struct spec_process *process, const char *path, struct err *err)
{
	if (!process->cwd || process->cwd[0] == '\0')
		return spec_fail_at(err, NULL, "%s.cwd: Cwd property must not be empty", path);
	if (process->cwd[0] != '/')
		return spec_fail_at(err, process->cwd, "%s.cwd: Cwd must be an absolute path",
				    path);
	if (process->args.n == 0)
		return spec_fail_at(err, NULL, "%s.args: args must not be empty", path);
	for (size_t i = 0; i < process->env.n; i++) {
		const char *equals = strchr(process->env.v[i], '=');

		if (!equals)
			return spec_fail_at(
				err, process->env.v[i],
				"%s.env[%zu]: invalid environment variable: missing '='", path, i);
		/* The value may be a secret: it is not printed. */
		if (equals == process->env.v[i])
			return spec_fail_at(err, NULL,
					    "%s.env[%zu]: invalid environment variable: name "
					    "cannot be empty",
					    path, i);
	}
	return 0;
}

static int check_rlimits(const struct spec_process *process, const char *path, struct err *err)
{
	uint64_t seen = 0;
	char text[32];

	for (size_t i = 0; i < process->n_rlimits; i++) {
		const struct spec_rlimit *rlimit = &process->rlimits[i];
		uint64_t bit = UINT64_C(1) << (rlimit->resource & 63);

		if (seen & bit)
			return spec_fail_at(err, rlimit->type, "%s.rlimits[%zu].type: duplicated",
					    path, i);
		seen |= bit;
		if (rlimit->soft <= rlimit->hard)
			continue;
		snprintf(text, sizeof(text), "%" PRIu64, rlimit->soft);
		return spec_fail_at(err, text,
				    "%s.rlimits[%zu].soft: above the hard limit %" PRIu64, path, i,
				    rlimit->hard);
	}
	return 0;
}

/* The rules of sched_setattr(2). */
static int check_scheduler(const struct spec_scheduler *sched, const char *path, struct err *err)
{
	bool realtime = sched->policy == SCHED_FIFO || sched->policy == SCHED_RR;
	char text[16];

	if (!sched->given)
		return 0;
	snprintf(text, sizeof(text), "%d", sched->priority);
	if (realtime && sched->priority < 1)
		return spec_fail_at(err, text,
				    "%s.scheduler.priority: SCHED_FIFO and SCHED_RR take 1..99",
				    path);
	if (!realtime && sched->priority != 0)
		return spec_fail_at(
			err, text, "%s.scheduler.priority: only for SCHED_FIFO and SCHED_RR", path);
	if (sched->policy != SCHED_DEADLINE) {
		if (sched->runtime || sched->deadline || sched->period)
			return spec_fail_at(err, NULL,
					    "%s.scheduler: runtime, deadline and period are only "
					    "for SCHED_DEADLINE",
					    path);
		return 0;
	}
	if (sched->runtime == 0 || sched->deadline < sched->runtime ||
	    (sched->period != 0 && sched->period < sched->deadline))
		return spec_fail_at(err, NULL,
				    "%s.scheduler: SCHED_DEADLINE needs 0 < runtime <= deadline "
				    "<= period",
				    path);
	return 0;
}

int spec_check_process(const struct spec_process *process, const char *path, struct err *err)
{
	int rc;

	if (!process || !process->given)
		return err_set(err, EINVAL, "process property must not be empty");
	rc = check_command(process, path, err);
	if (rc == 0)
		rc = check_rlimits(process, path, err);
	if (rc == 0)
		rc = check_scheduler(&process->scheduler, path, err);
	if (rc < 0)
		return rc;
	/* struct winsize; a size without a terminal MUST be ignored. */
	if (process->terminal && process->has_console_size &&
	    (process->console_height > UINT16_MAX || process->console_width > UINT16_MAX))
		return spec_fail_at(err, NULL, "%s.consoleSize: larger than %u", path, UINT16_MAX);
	return 0;
}

/* ---- namespaces and what needs them ---- */

static bool has_namespace(const struct spec *spec, uint64_t flag)
{
	return spec_namespace(spec, flag) != NULL;
}

static bool has_new_namespace(const struct spec *spec, uint64_t flag)
{
	const struct spec_namespace *ns = spec_namespace(spec, flag);

	return ns && !ns->path;
}

static int check_names(const struct spec *spec, struct err *err)
{
	if (has_namespace(spec, CLONE_NEWUTS))
		return 0;
	if (spec->hostname)
		return spec_fail_at(err, spec->hostname,
				    "hostname: unable to set hostname without a private UTS "
				    "namespace");
	if (spec->domainname)
		return spec_fail_at(err, spec->domainname,
				    "domainname: unable to set domainname without a private UTS "
				    "namespace");
	return 0;
}

/* What is made for the container is id 0's in it. */
static int check_root_mapped(const struct spec_idmaps *maps, const char *name, struct err *err)
{
	for (size_t i = 0; i < maps->n; i++)
		if (maps->v[i].container_id == 0 && maps->v[i].size > 0)
			return 0;
	return spec_fail_at(err, NULL, "linux.%s: no mapping for the container's id 0", name);
}

static int check_user_namespace(const struct spec *spec, struct err *err)
{
	const struct spec_linux *linux_ = &spec->linux_;
	int r;

	if (!has_namespace(spec, CLONE_NEWUSER)) {
		if (linux_->uid_maps.n > 0 || linux_->gid_maps.n > 0)
			return spec_fail_at(err, NULL, "linux.%s: given without a user namespace",
					    linux_->uid_maps.n > 0 ? "uidMappings" : "gidMappings");
		return 0;
	}
	/* An existing namespace has its maps; given ones are compared when it is opened. */
	if (!has_new_namespace(spec, CLONE_NEWUSER))
		return 0;
	if (linux_->uid_maps.n == 0)
		return spec_fail_at(err, NULL,
				    "linux.uidMappings: required for a new user namespace");
	if (linux_->gid_maps.n == 0)
		return spec_fail_at(err, NULL,
				    "linux.gidMappings: required for a new user namespace");
	r = check_root_mapped(&linux_->uid_maps, "uidMappings", err);
	return r < 0 ? r : check_root_mapped(&linux_->gid_maps, "gidMappings", err);
}

static int check_net_devices(const struct spec *spec, struct err *err)
{
	const struct spec_linux *linux_ = &spec->linux_;

	if (linux_->n_net_devices > 0 && !has_namespace(spec, CLONE_NEWNET))
		return spec_fail_at(err, NULL,
				    "linux.netDevices: given without a network namespace");
	for (size_t i = 0; i < linux_->n_net_devices; i++) {
		const struct spec_net_device *a = &linux_->net_devices[i];
		const char *a_name = a->name ? a->name : a->host_name;

		for (size_t j = 0; j < i; j++) {
			const struct spec_net_device *b = &linux_->net_devices[j];

			if (str_eq(a_name, b->name ? b->name : b->host_name) &&
			    !strchr(a_name, '%'))
				return spec_fail_at(err, a_name,
						    "linux.netDevices: two devices with the name");
		}
	}
	return 0;
}

/* ---- sysctl ---- */

/* sysctl(8): the first separator found decides; with dots a slash stands for a dot in a name. The
 * result is a path below /proc/sys, refused if it could leave it or its namespace's part. */
static bool sysctl_path(const char *name, char *buf, size_t size)
{
	size_t n = strlen(name), first = strcspn(name, "./");
	const char *c = buf;

	if (n == 0 || n >= size || name[first] == '\0')
		return false;
	memcpy(buf, name, n + 1);
	for (size_t i = 0; name[first] == '.' && i < n; i++)
		buf[i] = name[i] == '.' ? '/' : name[i] == '/' ? '.' : name[i];
	for (;;) {
		size_t part = strcspn(c, "/");

		if (part == 0 || (part == 1 && c[0] == '.') ||
		    (part == 2 && c[0] == '.' && c[1] == '.'))
			return false;
		if (c[part] == '\0')
			return true;
		c += part + 1;
	}
}

static bool is_ipc_sysctl(const char *path)
{
	static const char *const names[] = {
		"kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem",
		"kernel/shmall", "kernel/shmmax", "kernel/shmmni", "kernel/shm_rmid_forced",
	};

	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (str_eq(path, names[i]))
			return true;
	return str_starts_with(path, "fs/mqueue/");
}

/* The namespace that a sysctl belongs to, 0 if it is the host's. */
static uint64_t sysctl_namespace(const char *path)
{
	if (str_starts_with(path, "net/"))
		return CLONE_NEWNET;
	if (str_starts_with(path, "user/"))
		return CLONE_NEWUSER;
	if (str_eq(path, "kernel/hostname") || str_eq(path, "kernel/domainname"))
		return CLONE_NEWUTS;
	return is_ipc_sysctl(path) ? CLONE_NEWIPC : 0;
}

static int check_sysctls(const struct spec *spec, struct err *err)
{
	const struct spec_map *sysctl = &spec->linux_.sysctl;
	char path[256];

	for (size_t i = 0; i < sysctl->n; i++) {
		const char *name = sysctl->v[i].key;
		uint64_t flag;

		if (!sysctl_path(name, path, sizeof(path)))
			return spec_fail_at(err, name, "linux.sysctl: not the name of a sysctl");
		flag = sysctl_namespace(path);
		if (flag == 0 || !has_namespace(spec, flag))
			return spec_fail_at(err, name,
					    "linux.sysctl: not in a separate kernel namespace");
		if ((spec->hostname && str_eq(path, "kernel/hostname")) ||
		    (spec->domainname && str_eq(path, "kernel/domainname")))
			return spec_fail_at(err, name,
					    "linux.sysctl: conflicts with the property of that "
					    "name");
	}
	return 0;
}

/* ---- the whole ---- */

static int check_mount_namespace(const struct spec *spec, struct err *err)
{
	const struct spec_linux *linux_ = &spec->linux_;
	const char *what = NULL;

	if (has_namespace(spec, CLONE_NEWNS))
		return 0;
	/* Without one these would change the host's mounts. */
	if (linux_->masked_paths.n > 0)
		what = "linux.maskedPaths";
	else if (linux_->readonly_paths.n > 0)
		what = "linux.readonlyPaths";
	else if (spec->n_mounts > 0)
		what = "mounts";
	if (!what)
		return 0;
	return spec_fail_at(err, NULL, "%s: given without a mount namespace", what);
}

static int check_time(const struct spec *spec, struct err *err)
{
	const struct spec_linux *linux_ = &spec->linux_;

	if ((linux_->monotonic.given || linux_->boottime.given) &&
	    !has_new_namespace(spec, CLONE_NEWTIME))
		return spec_fail_at(err, NULL,
				    "linux.timeOffsets: given without a new time namespace");
	return 0;
}

int spec_check(const struct spec *spec, struct err *err)
{
	static int (*const checks[])(const struct spec *spec, struct err *err) = {
		check_names,       check_user_namespace, check_mount_namespace,
		check_net_devices, check_time,           check_sysctls,
	};
	int rc = spec_check_process(&spec->process, "process", err);

	for (size_t i = 0; rc == 0 && i < ARRAY_COUNT(checks); i++)
		rc = checks[i](spec, err);
	return rc;
}
