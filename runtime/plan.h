/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan: everything that will be done for one container or one exec, decided before anything is
 * done. Owns its own part (namespaces, id maps, names, hooks, fds, environment) and puts the mount,
 * cgroup and process parts beside it. Building is pure: it opens nothing and changes nothing.
 */
#pragma once

#include <sched.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/str.h"
#include "runtime/host.h"
#include "runtime/plan_cgroup.h"
#include "runtime/plan_mounts.h"
#include "runtime/plan_process.h"
#include "runtime/plan_rdt.h"
#include "runtime/plan_request.h"
#include "spec/spec.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

enum plan_kind { PLAN_CREATE, PLAN_RUN, PLAN_EXEC };

#define PLAN_JOINS_MAX 8

struct plan_join {
	uint64_t flag; /* CLONE_NEW* */
	const char *type, *path;
};

struct plan_ns {
	uint64_t make;                          /* namespaces made new */
	uint64_t enter;                         /* exec: namespaces entered through init's pidfd */
	struct plan_join joins[PLAN_JOINS_MAX]; /* entered by path */
	size_t n_joins;
	bool user;        /* the process ends up in a user namespace of its own */
	bool root_mapped; /* id 0 exists in it */
	struct spec_idmaps uid_maps, gid_maps;
	uint32_t root_uid, root_gid; /* the container's root seen from here */
	struct spec_time_offset monotonic, boottime;
	const char *hostname, *domainname;
	bool private_pid;
};

struct plan_memory_policy {
	bool given;
	int mode;                /* with MPOL_F_* or'ed in */
	unsigned long nodes[16]; /* 1024 nodes */
	unsigned long max_node;  /* 0: no mask */
};

struct plan_cpus {
	bool given;
	cpu_set_t set;
};

struct plan {
	enum plan_kind kind;
	const struct plan_request *request;
	const struct spec *spec; /* hooks and annotations stay there */
	struct plan_ns ns;
	const struct plan_mounts *mounts; /* NULL for exec */
	const struct plan_cgroup *cgroup; /* NULL for exec */
	const struct plan_process *process;
	const struct spec_net_device *net_devices; /* moved into its network namespace */
	size_t n_net_devices;
	const struct plan_rdt *rdt; /* NULL: none; exec: the state says where */

	bool hooks_sync;       /* hooks before pivot: HOOKS_REQ is sent */
	unsigned int keep_fds; /* fds 3 .. 3+keep_fds-1 reach the process */
	bool notify;           /* the notify directory is made and mounted */
	char **env;            /* the process's environment, NULL-terminated */
	char *home; /* a slot of PLAN_HOME_MAX bytes that is env[n], or NULL: HOME given */
	const char *path_env;       /* value of PATH in env, or NULL */
	const char *creating_state; /* compact state JSON, pid 0, for createContainer hooks */
	const char *created_state;  /* for startContainer hooks */
	bool has_personality;
	unsigned long personality;
	struct plan_memory_policy memory_policy;
	struct plan_cpus cpus_initial, cpus_final; /* exec only */
};

#define PLAN_HOME_MAX 1024

struct plan_input {
	enum plan_kind kind;
	const struct spec *spec;
	const struct host *host;
	const struct plan_request *request;
	unsigned int listen_fds, preserve_fds;
	const struct spec_process *process; /* exec only: replaces spec->process */
};

/* The plan of a new container (PLAN_CREATE, PLAN_RUN). */
MUST_CHECK int plan_build(struct arena *arena, const struct plan_input *in, struct plan **ret,
			  struct err *err);
/* The plan of a process in an existing container. */
MUST_CHECK int plan_build_exec(struct arena *arena, const struct plan_input *in, struct plan **ret,
			       struct err *err);

/* As text, for the golden plans and --debug. */
void plan_print(const struct plan *plan, struct str *out);

/* plan_ns.c */
MUST_CHECK int plan_ns_build(struct arena *arena, const struct plan_input *in, struct plan_ns *ret,
			     struct err *err);
void plan_ns_print(const struct plan_ns *ns, struct str *out);
const char *plan_ns_name(uint64_t flag); /* "pid"; as in /proc/PID/ns ("net") */
/* "0-3,7" into the set. -EINVAL. */
MUST_CHECK int plan_parse_list(const char *text, unsigned long *bits, size_t n_bits);
