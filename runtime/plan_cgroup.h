/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroup part of the plan: where the container's cgroup is and what is written into it; pure.
 * v1 and v2 conversions happen here, so that the golden plans show them.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "common/str.h"
#include "runtime/host.h"
#include "runtime/plan_request.h"
#include "runtime/plan_systemd.h"
#include "spec/spec.h"

struct plan_cgroup_dir {
	const char *controllers; /* "memory", "cpu,cpuacct", "name=systemd", "" for v2 */
	const char *mount_point;
	const char *path; /* absolute directory of the container's cgroup in this hierarchy */
	bool v2;
};

struct plan_cgroup_write {
	size_t dir; /* index of the hierarchy */
	const char *file, *value;
	const char *json_path; /* "linux.resources.memory.limit", for errors */
	bool optional; /* a file the kernel lacks is no error (e.g. memory.swap.max without swap) */
	bool alternative; /* skipped if the write before it was done: another file of one setting */
	bool may_refuse; /* EPERM is no error: a default device rule that the parent's list denies */
	bool check_usage; /* refuse a value below what is in use now (checkBeforeUpdate) */
	/* Nonzero: neighbours of the same number are checked by the kernel against each other (limit
	 * and memsw, quota and period); one that is refused is tried again after the others. */
	unsigned int group;
};

struct plan_cgroup {
	enum cgroup_manager manager;
	/* Rootless and no cgroupsPath: a hierarchy without write permission is left out, unless
	 * something must be written there. */
	bool tolerate_errors;
	enum host_cgroup_layout layout;
	struct plan_cgroup_dir *dirs;
	size_t n_dirs;
	struct plan_cgroup_write *writes; /* in the order of application */
	size_t n_writes;
	struct spec_device_rule
		*device_rules; /* the config's, then the defaults every container has */
	size_t n_device_rules;
	bool device_program; /* the rules become a device program on the v2 dir (v1: writes) */
	/* In a user namespace, or without privilege, the kernel refuses device rules; no node can be
	 * made there either and the rules around the caller stay in force, so going on is sound. */
	bool device_errors_ok;
	const char *v2_available; /* "cpu io memory", as in cgroup.controllers of the v2 root */
	const char *v2_required;  /* those that the writes need */
	bool delegate;            /* chown to the container's root (OCI "cgroup ownership") */
	uid_t delegate_uid;
	struct plan_systemd *systemd; /* NULL: another manager */
};

MUST_CHECK int plan_cgroup_build(struct arena *arena, const struct spec *spec,
				 const struct host *host, const struct plan_request *request,
				 struct plan_cgroup **ret, struct err *err);
/* The writes for resources alone, onto known dirs (`update`). */
MUST_CHECK int plan_cgroup_resources(struct arena *arena, const struct spec_resources *resources,
				     struct plan_cgroup *plan, struct err *err);
void plan_cgroup_print(const struct plan_cgroup *plan, struct str *out);

/* The device part of plan_cgroup_build (plan_cgroup_devices.c): config's rules + defaults, and the
 * writes for v1. -ENOTSUP: a hole that v1 cannot express. */
MUST_CHECK int plan_cgroup_devices(struct arena *arena, const struct spec_resources *resources,
				   struct plan_cgroup *plan, struct err *err);
/* The rules as one default and the exceptions to it. A hole cut into a wider exception is left out
 * (in v1 no plan has one), so that the result allows what the rules allow, and in such a case more. */
void plan_cgroup_devices_flatten(struct arena *arena, const struct plan_cgroup *plan,
				 struct spec_device_rule **ret, size_t *ret_n, bool *ret_allow);

/* Index of the v1 dir that has the controller, or of the v2 dir for "". -ENOENT. */
int plan_cgroup_dir_find(const struct plan_cgroup *plan, const char *controller);
/* True if `word` is one of the words of `list`, which are separated by `sep`. */
bool plan_cgroup_has_word(const char *list, char sep, const char *word);
/* Appends a write; *ret stays valid until the next. Strings must outlive the plan. */
struct plan_cgroup_write *plan_cgroup_add(struct arena *arena, struct plan_cgroup *plan, size_t dir,
					  const char *file, const char *value);

/* The spec's conversions, exported for their tests. */
uint64_t cgroup_weight_from_shares(uint64_t shares);
uint64_t cgroup_io_weight_from_blkio(uint16_t weight);
