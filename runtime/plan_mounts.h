/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file-system part of the plan: root, mounts, devices, links, masks, sysctl; pure. Option words
 * are translated here (table in mount_options.c) and refused here; mount.c and rootfs.c only act.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "common/str.h"
#include "runtime/host.h"
#include "runtime/plan_cgroup.h"
#include "runtime/plan_request.h"
#include "spec/spec.h"

enum plan_mount_kind {
	PLAN_MOUNT_BIND,    /* detached open_tree clone made by the parent */
	PLAN_MOUNT_HOST_FS, /* detached fsmount made by the parent: overlay, block file systems */
	PLAN_MOUNT_INIT_FS, /* made by init in its own namespaces: proc sysfs tmpfs mqueue devpts */
	PLAN_MOUNT_CGROUP2, /* init: cgroup2 (or bind of the cgroup without a cgroup namespace) */
	PLAN_MOUNT_CGROUP1, /* init: tmpfs and one mount a hierarchy */
	PLAN_MOUNT_REMOUNT, /* changes flags of what is mounted at the destination */
};

struct plan_mount {
	enum plan_mount_kind kind;
	const char *json_path;   /* "mounts[3]", for errors */
	const char *destination; /* cleaned, absolute, below the root */
	const char *source;      /* bind: absolute host path */
	const char *type;
	bool recursive;              /* rbind */
	uint64_t attr_set, attr_clr; /* MOUNT_ATTR_*, this mount */
	uint64_t rec_set, rec_clr;   /* MOUNT_ATTR_* with AT_RECURSIVE (rro and its kin) */
	uint64_t propagation;        /* MS_PRIVATE ... or 0 */
	bool propagation_recursive;
	unsigned long sb_flags; /* MS_* of the superblock: sync dirsync lazytime mand iversion ro */
	struct spec_strings fs_options; /* "key" or "key=value", one each, in order */
	bool tmpcopyup;
	bool late_readonly; /* tmpfs and /dev: read-only only after everything below them is made */
	bool idmap, idmap_recursive;
	const struct spec_idmaps *uid_maps, *gid_maps; /* NULL: the container's user namespace */
};

struct plan_device { /* a node to supply */
	const char *path;
	char type;
	unsigned int major, minor;
	uint32_t mode, uid, gid;
	bool is_default; /* the spec's own list; an image's node of that name is replaced */
};

struct plan_mounts {
	const char *rootfs; /* absolute host path */
	bool rootfs_readonly;
	uint64_t
		root_propagation; /* MS_* | MS_REC of "/" before anything (default MS_SLAVE|MS_REC) */
	bool root_propagation_given; /* then it is applied to the new root too, after pivot */
	bool no_pivot;
	bool new_mount_ns; /* listed: new or joined; without it there is only a chroot */
	bool new_user_ns;  /* listed: new or joined */
	bool new_cgroup_ns;
	const struct plan_mount *root_mount; /* overlay as the root (destination "/"), else NULL */
	struct plan_mount *mounts;
	size_t n_mounts;
	struct plan_device *devices;
	size_t n_devices;
	bool bind_devices; /* in a user namespace nodes are bound, not made */
	bool setup_dev;    /* false if /dev is a bind of the host's */
	const char *cwd;
	uint32_t cwd_uid, cwd_gid;
	struct spec_strings masked_paths, readonly_paths;
	struct spec_map sysctl; /* keys as paths below /proc/sys: "net/ipv4/ip_forward" */
	const char
		*net_ns_path; /* joined network namespace that net sysctls would change, or NULL */
	const char *mount_label;        /* NULL unless SELinux is enabled */
	const char *mount_label_option; /* "context" or one of its kin */
};

MUST_CHECK int plan_mounts_build(struct arena *arena, const struct spec *spec,
				 const struct host *host, const struct plan_request *request,
				 const struct plan_cgroup *cgroup, struct plan_mounts **ret,
				 struct err *err);
void plan_mounts_print(const struct plan_mounts *plan, struct str *out);

/* What the words of one mount ask for besides struct plan_mount. */
struct mount_words {
	bool bind, remount;
};
/* Applies one option word. False if it is not a known one (then it is fs data). */
bool mount_option_apply(struct plan_mount *m, struct mount_words *words, const char *word);

/* linux.devices and the default ones into plan->devices (plan_devices.c). */
MUST_CHECK int plan_devices_build(struct arena *arena, const struct spec *spec,
				  const struct host *host, struct plan_mounts *plan,
				  struct err *err);

/* Checks and translates linux.sysctl into plan->sysctl (plan_sysctl.c). */
MUST_CHECK int plan_sysctl_build(struct arena *arena, const struct spec *spec,
				 struct plan_mounts *plan, struct err *err);

/* NULL-terminated list of every option word known, for `features`. */
const char *const *mount_option_words(void);
