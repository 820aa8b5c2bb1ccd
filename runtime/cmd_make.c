/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of create and run. See cmd_make.h.
 */
#include "runtime/cmd_make.h"

#include <limits.h>

#include "common/log.h"
#include "runtime/cgroup_systemd.h"
#include "runtime/notify.h"

const char *cmd_path(const struct command_call *call, const char *name)
{
	const char *path = option_string(call->options, name);

	if (!path || !*path)
		return NULL;
	if (*path == '/')
		return path;
	return arena_printf(call->arena, "%s/%s", call->global->cwd, path);
}

const char *cmd_notify_socket(void)
{
	const char *socket = getenv("NOTIFY_SOCKET");

	if (!socket || !*socket || notify_is_usable(socket))
		return socket && *socket ? socket : NULL;
	log_warning("NOTIFY_SOCKET \"%s\" is no local socket: nothing is relayed", socket);
	return NULL;
}

/* Root of a user namespace: its systemd may be its own (a system container) or that of the user who
 * made it. Where the cgroup is, and so what may be written there, depends on it. */
static bool is_rootless(const struct global_options *global)
{
	if (global->rootless_given || geteuid() != 0 || !global->rootless_cgroup ||
	    global->cgroup_manager != CGROUP_MANAGER_SYSTEMD)
		return global->rootless_cgroup;
	return cgroup_systemd_is_rootless();
}

int cmd_enter_bundle(const struct command_call *call, struct container_create *req, struct err *err)
{
	const char *bundle = cmd_path(call, "bundle");
	char real[PATH_MAX];

	/* The caller's paths are made absolute first: a relative pid file is not the bundle's. */
	req->root = call->global->root;
	req->debug = call->global->debug;
	req->pid_file = cmd_path(call, "pid-file");
	req->plan.console_socket = cmd_path(call, "console-socket");
	if (bundle && chdir(bundle) < 0)
		return err_sys(err, "chdir %s", bundle);
	if (!getcwd(real, sizeof(real)))
		return err_sys(err, "find the bundle's path");
	req->plan.id = call->args[0];
	req->plan.bundle = arena_strdup(call->arena, real);
	req->plan.state_dir = arena_printf(call->arena, "%s/%s", req->root, req->plan.id);
	req->plan.cgroup_manager = call->global->cgroup_manager;
	req->plan.rootless_cgroup = is_rootless(call->global);
	req->notify_socket = cmd_notify_socket();
	req->plan.notify = req->notify_socket != NULL;
	req->plan.no_pivot = option_bool(call->options, "no-pivot");
	return 0;
}

int cmd_make_request(const struct command_call *call, struct container_create *req, struct err *err)
{
	int r;

	req->config = cmd_path(call, "config");
	req->pidfd_socket = cmd_path(call, "pidfd-socket");
	req->plan.no_new_keyring = option_bool(call->options, "no-new-keyring");
	r = cmd_enter_bundle(call, req, err);
	return r < 0 ? r : option_int(call->options, "preserve-fds", 0, &req->preserve_fds, err);
}
