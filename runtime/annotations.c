/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See annotations.h.
 */
#include "runtime/annotations.h"

#include <errno.h>

#include "common/log.h"
#include "common/str.h"

#define PREFIX "run.oci."

enum kind {
	APPLIED,
	PATH,    /* applied; the value is an absolute path */
	CONTEXT, /* applied; the value is an option of SELinux's mounts */
	REFUSED, /* its effect is not to be had */
};

static const struct row {
	const char *key;
	enum kind kind;
	const char *effect; /* REFUSED: why */
} rows[] = {
	{ ANNOTATION_KEEP_GROUPS, APPLIED, "1: the caller's additional groups are kept" },
	{ ANNOTATION_HOOKS_STDOUT, PATH, "the output of hooks is appended to it" },
	{ ANNOTATION_HOOKS_STDERR, PATH, "the errors of hooks are appended to it" },
	{ ANNOTATION_PIDFD_RECEIVER, PATH, "as --pidfd-socket, which wins" },
	{ ANNOTATION_MOUNT_CONTEXT, CONTEXT, "the option that mountLabel is given as" },
	{ PREFIX "seccomp.receiver", PATH, "as linux.seccomp.listenerPath, which wins" },
	/* For the systemd cgroup driver; without it they ask for nothing. */
	{ ANNOTATION_SUBGROUP, APPLIED, "the cgroup below the scope (systemd driver, v2)" },
	{ PREFIX "delegate-cgroup", REFUSED, "a cgroup for init below the container's own" },
	{ PREFIX "systemd.force_cgroup_v1", REFUSED, "a v1 hierarchy made inside the container" },
	{ PREFIX "handler", REFUSED, "another program in place of the kernel's execve" },
	{ PREFIX "seccomp.plugins", REFUSED, "plug-ins that answer system calls" },
	{ PREFIX "seccomp_bpf_data", REFUSED, "a seccomp program in place of linux.seccomp" },
	{ PREFIX "seccomp_fail_unknown_syscall", REFUSED,
	  "an error for the names of system calls that are not known" },
};

static const struct row *find(const char *key)
{
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		if (str_eq(rows[i].key, key))
			return &rows[i];
	return NULL;
}

void annotations_hooks(const struct spec *spec, const char **ret_stdout, const char **ret_stderr)
{
	*ret_stdout = spec_annotation(spec, ANNOTATION_HOOKS_STDOUT);
	*ret_stderr = spec_annotation(spec, ANNOTATION_HOOKS_STDERR);
}

const char *annotations_effect(const char *key)
{
	const struct row *row = find(key);

	return row ? row->effect : NULL;
}

static bool is_context(const char *value)
{
	static const char *const words[] = { "context", "fscontext", "defcontext", "rootcontext" };

	for (size_t i = 0; i < ARRAY_COUNT(words); i++)
		if (str_eq(words[i], value))
			return true;
	return false;
}

/* A switch that is off asks for nothing. */
static bool is_off(const char *value)
{
	return !*value || str_eq(value, "0") || str_eq(value, "false");
}

static int check(const struct row *row, const char *value, struct err *err)
{
	if (row->kind == REFUSED && !is_off(value))
		return err_set(err, ENOTSUP, "annotations[\"%s\"]: not supported: %s", row->key,
			       row->effect);
	if (row->kind == PATH && value[0] != '/')
		return err_set(err, EINVAL,
			       "annotations[\"%s\"]: \"%.64s\" is not an absolute path", row->key,
			       value);
	if (row->kind == CONTEXT && !is_context(value))
		return err_set(err, EINVAL, "annotations[\"%s\"]: unknown \"%.64s\"", row->key,
			       value);
	return 0;
}

int annotations_apply(struct spec *spec, bool warn, struct err *err)
{
	struct spec_seccomp *seccomp = &spec->linux_.seccomp;

	for (size_t i = 0; i < spec->annotations.n; i++) {
		const struct spec_pair *pair = &spec->annotations.v[i];
		const struct row *row = find(pair->key);
		int r = row ? check(row, pair->value, err) : 0;

		if (r < 0)
			return r;
		if (!row && warn && str_starts_with(pair->key, PREFIX))
			log_warning("annotations[\"%.128s\"]: unknown to this runtime, no effect",
				    pair->key);
	}
	if (seccomp->given && !seccomp->listener_path)
		seccomp->listener_path = spec_annotation(spec, PREFIX "seccomp.receiver");
	return 0;
}
