/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of checkpoint and restore. See cmd_criu.h.
 */
#include "runtime/cmd_criu.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <sys/stat.h>

#include "common/path.h"
#include "runtime/cmd_make.h"
#include "runtime/stage_criu.h"

#define DEFAULT_IMAGES "checkpoint"
#define MODE_SOFT 3

static int make_directory(struct arena *arena, const char *path, struct err *err)
{
	char *copy = arena_strdup(arena, path);

	for (char *s = copy + 1;; s++) {
		char c = *s;

		if (c != '/' && c)
			continue;
		*s = '\0';
		/* The images hold the container's memory. */
		if (mkdir(copy, 0700) < 0 && errno != EEXIST)
			return err_sys(err, "mkdir \"%s\"", copy);
		if (!c)
			return 0;
		*s = c;
	}
}

static int read_paths(const struct command_call *call, struct criu_options *o, struct err *err)
{
	char clean[PATH_MAX];
	int r;

	o->image_path = cmd_path(call, "image-path");
	if (!o->image_path)
		o->image_path = arena_printf(call->arena, "%s/" DEFAULT_IMAGES, call->global->cwd);
	r = path_clean(o->image_path, clean, sizeof(clean));
	if (r < 0)
		return err_sysn(err, r, "option --image-path \"%s\"", o->image_path);
	o->image_path = arena_strdup(call->arena, clean);
	o->work_path = cmd_path(call, "work-path");
	if (!o->work_path)
		o->work_path = o->image_path;
	return 0;
}

static int read_namespaces(const struct command_call *call, struct criu_options *o, struct err *err)
{
	for (const char *const *ns = option_strings(call->options, "empty-ns"); *ns; ns++) {
		if (!str_eq(*ns, "network"))
			return err_set(err, EINVAL, "namespace \"%s\" is not supported", *ns);
		o->empty_ns |= CLONE_NEWNET;
	}
	return 0;
}

static int read_words(const struct command_call *call, struct criu_options *o, struct err *err)
{
	const char *mode = option_string(call->options, "manage-cgroups-mode");
	const char *lock = option_string(call->options, "network-lock");
	int r = 0;

	o->cgroups_mode = MODE_SOFT;
	if (mode && *mode)
		r = criu_parse_cgroups_mode(mode, &o->cgroups_mode, err);
	if (r >= 0 && lock && *lock)
		r = criu_parse_network_lock(lock, &o->network_lock, err);
	return r < 0 ? r : read_namespaces(call, o, err);
}

int cmd_criu_options(const struct command_call *call, enum criu_type type, struct criu_options *ret,
		     struct err *err)
{
	const struct option_values *v = call->options;
	int r;

	ret->tcp_established = option_bool(v, "tcp-established");
	ret->ext_unix_sk = option_bool(v, "ext-unix-sk");
	ret->shell_job = option_bool(v, "shell-job");
	ret->lazy_pages = option_bool(v, "lazy-pages");
	ret->file_locks = option_bool(v, "file-locks");
	ret->auto_dedup = option_bool(v, "auto-dedup");
	r = read_words(call, ret, err);
	if (r >= 0)
		r = read_paths(call, ret, err);
	if (r >= 0 && geteuid() != 0)
		r = err_set(err, EPERM, "criu needs root to checkpoint and restore");
	if (r >= 0)
		r = criu_find(call->arena, call->global->criu, &ret->program, err);
	if (r >= 0 && type != CRIU_RESTORE)
		r = make_directory(call->arena, ret->image_path, err);
	/* Images that are not there are an error, and not to be made. */
	if (r >= 0 && ret->work_path != ret->image_path)
		r = make_directory(call->arena, ret->work_path, err);
	return r;
}
