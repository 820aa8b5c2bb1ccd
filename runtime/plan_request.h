/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the command line says about a container to be made, beside its configuration. The plan
 * builders read spec + host + this, and nothing else.
 */
#pragma once

#include <stdbool.h>

enum cgroup_manager { CGROUP_MANAGER_FS, CGROUP_MANAGER_SYSTEMD, CGROUP_MANAGER_DISABLED };

struct plan_request {
	const char *id;
	const char *bundle;    /* absolute */
	const char *state_dir; /* <root>/<id>, absolute */
	enum cgroup_manager cgroup_manager;
	bool rootless_cgroup; /* cgroup permission errors are tolerated (runc --rootless) */
	bool no_pivot, no_new_keyring;
	bool detach; /* create, run -d: a terminal needs a console socket */
	const char *console_socket;
	bool notify; /* the container gets a notify socket */
};
