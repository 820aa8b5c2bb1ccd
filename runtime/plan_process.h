/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process part of the plan: identity, capabilities, limits, labels, seccomp, scheduling. Pure.
 * The same part serves init and exec.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "common/str.h"
#include "runtime/host.h"
#include "runtime/plan_request.h"
#include "spec/spec.h"

struct plan_creds {
	uint32_t uid, gid;
	const uint32_t *gids; /* gid_t is 32 bits wide */
	size_t n_gids;
	bool skip_setgroups; /* setgroups is denied, or annotation run.oci.keep_original_groups=1 */
	bool has_umask;
	uint32_t umask;
	/* Bits that the kernel knows and the caller can grant, consistent with each other. Without a
	 * capabilities object all are empty, as in runc and crun. */
	uint64_t bounding, effective, permitted, inheritable, ambient;
	bool no_new_privs;
	const char *keyring; /* "_ses.<id>", NULL: keep the session keyring */
};

struct plan_seccomp {
	const struct spec_seccomp *spec; /* NULL: none */
	const char *cache_dir;           /* <root>/.cache/seccomp or NULL */
	bool has_notify;
	unsigned int flags; /* SECCOMP_FILTER_FLAG_* asked for */
};

struct plan_lsm {
	const char *apparmor; /* profile to change to on exec, NULL: none */
	const char *selinux;
};

struct plan_process {
	struct plan_creds creds;
	struct plan_seccomp seccomp;
	struct plan_lsm lsm;
	const struct spec_rlimit *rlimits;
	size_t n_rlimits;
	/* Without CAP_SYS_RESOURCE the parent may not change the limits of a process of another uid;
	 * init then lowers its own before it changes its ids (nobody could raise them). */
	bool rlimits_by_init;
	bool has_oom_score_adj;
	int oom_score_adj;
	struct spec_scheduler scheduler;
	bool has_io_priority;
	int io_priority_class, io_priority;
	struct spec_strings args, env;
	const char *cwd;
	bool terminal, has_console_size;
	uint16_t console_height, console_width;
};

/* `process` may be the config's or exec's own; seccomp and annotations come from `spec`. Unknown or
 * ungrantable capabilities give one warning (log_warning), as OCI asks. */
MUST_CHECK int plan_process_build(struct arena *arena, const struct spec *spec,
				  const struct spec_process *process, const struct host *host,
				  const struct plan_request *request, struct plan_process **ret,
				  struct err *err);
void plan_process_print(const struct plan_process *plan, struct str *out);
