/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OCI runtime configuration (runtime-spec 1.3, Linux) as plain structs with the spec's names.
 * Everything lives in the arena it was read into; nothing points into JSON. A has_* flag tells "was
 * given" where zero is a value; a NULL string or a zero count means absent. Strings hold no NUL
 * bytes. Enumerated strings are already checked and translated where the kernel has a constant.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SPEC_VERSION "1.3.0"

struct spec_strings { /* an array of strings; v[n] is NULL, so that it can be an argv */
	char **v;
	size_t n;
};

struct spec_pair {
	const char *key, *value;
};
struct spec_map {
	struct spec_pair *v;
	size_t n;
};

/* ---- process ---- */

struct spec_rlimit {
	int resource; /* RLIMIT_* */
	const char *type;
	uint64_t soft, hard; /* RLIM_INFINITY as UINT64_MAX */
};

struct spec_caps {  /* bit N is capability N; sets not given are empty, has_* tells */
	bool given; /* the capabilities object was present */
	bool has_ambient, has_inheritable;
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

struct spec_user {
	uint32_t uid, gid;
	bool has_umask;
	uint32_t umask;
	uint32_t *additional_gids;
	size_t n_additional_gids;
};

struct spec_scheduler {
	bool given;
	uint32_t policy; /* SCHED_* */
	int32_t nice, priority;
	uint64_t flags; /* SCHED_FLAG_* */
	uint64_t runtime, deadline, period;
};

struct spec_process {
	bool given;
	bool terminal;
	bool has_console_size;
	uint32_t console_height, console_width;
	struct spec_user user;
	struct spec_strings args, env;
	const char *cwd;
	struct spec_caps caps;
	struct spec_rlimit *rlimits;
	size_t n_rlimits;
	bool no_new_privileges;
	const char *apparmor_profile, *selinux_label;
	bool has_oom_score_adj;
	int oom_score_adj;
	struct spec_scheduler scheduler;
	bool has_io_priority;
	int io_priority_class, io_priority; /* IOPRIO_CLASS_*, 0..7 */
	const char *exec_cpu_affinity_initial, *exec_cpu_affinity_final;
};

/* ---- mounts ---- */

struct spec_idmap {
	uint32_t container_id, host_id, size;
};
struct spec_idmaps {
	struct spec_idmap *v;
	size_t n;
};

struct spec_mount {
	const char *destination, *type, *source; /* type and source may be NULL */
	struct spec_strings options;
	struct spec_idmaps uid_maps, gid_maps;
};

/* ---- hooks ---- */

struct spec_hook {
	const char *path;
	struct spec_strings args, env;
	bool has_env; /* an empty array is not an absent one */
	int timeout;  /* seconds, 0: none */
};
struct spec_hook_list {
	struct spec_hook *v;
	size_t n;
};

enum spec_hook_kind {
	HOOK_PRESTART,
	HOOK_CREATE_RUNTIME,
	HOOK_CREATE_CONTAINER,
	HOOK_START_CONTAINER,
	HOOK_POSTSTART,
	HOOK_POSTSTOP,
	HOOK_KIND_N
};

/* ---- linux ---- */

struct spec_namespace {
	uint64_t flag;    /* CLONE_NEWPID ... */
	const char *type; /* the spec's word: "pid", "network", ... */
	const char *path; /* NULL: make a new one */
};

struct spec_time_offset {
	bool given;
	int64_t secs;
	uint32_t nanosecs;
};

struct spec_device {
	char type; /* c b p (u is read as c) */
	const char *path;
	int64_t major, minor;
	bool has_file_mode, has_uid, has_gid;
	uint32_t file_mode, uid, gid;
};

struct spec_net_device {
	const char *host_name, *name; /* name: NULL keeps the host's */
};

struct spec_device_rule {
	bool allow;
	char type;            /* a b c */
	int64_t major, minor; /* -1: all */
	bool read, write, mknod;
};

struct spec_throttle {
	int64_t major, minor;
	uint64_t rate;
};
struct spec_throttles {
	struct spec_throttle *v;
	size_t n;
};

struct spec_weight_device {
	int64_t major, minor;
	bool has_weight, has_leaf_weight;
	uint16_t weight, leaf_weight;
};

struct spec_hugepage {
	const char *page_size;
	uint64_t limit;
};

struct spec_net_priority {
	const char *name;
	uint32_t priority;
};

struct spec_rdma {
	const char *device;
	bool has_handles, has_objects;
	uint32_t hca_handles, hca_objects;
};

struct spec_resources {
	bool given;
	struct spec_device_rule *devices;
	size_t n_devices;

	bool has_memory_limit, has_memory_reservation, has_memory_swap, has_memory_kernel;
	bool has_memory_kernel_tcp, has_memory_swappiness;
	int64_t memory_limit, memory_reservation, memory_swap, memory_kernel, memory_kernel_tcp;
	uint64_t memory_swappiness;
	bool has_disable_oom_killer, disable_oom_killer, has_use_hierarchy, use_hierarchy;
	bool check_before_update;

	bool has_cpu_shares, has_cpu_quota, has_cpu_burst, has_cpu_period;
	bool has_cpu_rt_runtime, has_cpu_rt_period, has_cpu_idle;
	uint64_t cpu_shares, cpu_burst, cpu_period, cpu_rt_period;
	int64_t cpu_quota, cpu_rt_runtime, cpu_idle;
	const char *cpus, *mems;

	bool has_blkio_weight, has_blkio_leaf_weight;
	uint16_t blkio_weight, blkio_leaf_weight;
	struct spec_weight_device *blkio_weight_devices;
	size_t n_blkio_weight_devices;
	struct spec_throttles read_bps, write_bps, read_iops, write_iops;

	struct spec_hugepage *hugepages;
	size_t n_hugepages;

	bool has_net_class_id;
	uint32_t net_class_id;
	struct spec_net_priority *net_priorities;
	size_t n_net_priorities;

	bool has_pids_limit;
	int64_t pids_limit;

	struct spec_rdma *rdma;
	size_t n_rdma;

	struct spec_map unified;
};

struct spec_intel_rdt {
	bool given;
	const char *clos_id, *l3_cache_schema, *mem_bw_schema;
	struct spec_strings schemata;
	bool enable_monitoring;
};

struct spec_seccomp_arg {
	uint32_t index; /* 0..5 */
	uint64_t value, value_two;
	const char *op; /* the spec's word, checked */
};
struct spec_seccomp_rule {
	struct spec_strings names;
	const char *action; /* the spec's word, checked */
	bool has_errno_ret;
	uint32_t errno_ret;
	struct spec_seccomp_arg *args;
	size_t n_args;
};
struct spec_seccomp {
	bool given;
	const char *default_action;
	bool has_default_errno_ret;
	uint32_t default_errno_ret;
	struct spec_strings architectures, flags;
	bool has_flags; /* an empty list is not an absent one */
	const char *listener_path, *listener_metadata;
	struct spec_seccomp_rule *rules;
	size_t n_rules;
};

struct spec_memory_policy {
	bool given;
	int mode;       /* MPOL_* */
	uint32_t flags; /* MPOL_F_* bits */
	const char *nodes;
};

struct spec_linux {
	bool given;
	struct spec_namespace *namespaces;
	size_t n_namespaces;
	struct spec_idmaps uid_maps, gid_maps;
	struct spec_time_offset monotonic, boottime;
	struct spec_device *devices;
	size_t n_devices;
	struct spec_net_device *net_devices;
	size_t n_net_devices;
	const char *cgroups_path;
	struct spec_resources resources;
	const char *rootfs_propagation; /* "private", "rslave", ... NULL: not given */
	struct spec_map sysctl;
	struct spec_strings masked_paths, readonly_paths;
	const char *mount_label;
	struct spec_seccomp seccomp;
	struct spec_intel_rdt intel_rdt;
	bool has_personality;
	bool personality_linux32;
	struct spec_strings personality_flags;
	struct spec_memory_policy memory_policy;
};

struct spec {
	const char *oci_version;
	const char *root_path; /* as written; NULL if root was absent */
	bool root_readonly;
	const char *hostname, *domainname;
	struct spec_process process;
	struct spec_mount *mounts;
	size_t n_mounts;
	struct spec_hook_list hooks[HOOK_KIND_N];
	struct spec_map annotations;
	struct spec_linux linux_;
};

/* Value of an annotation, NULL if absent. */
const char *spec_annotation(const struct spec *spec, const char *key);
/* The namespace entry of that CLONE_NEW* flag, NULL if not listed. */
const struct spec_namespace *spec_namespace(const struct spec *spec, uint64_t flag);
