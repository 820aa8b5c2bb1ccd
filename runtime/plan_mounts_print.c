/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mount plan as text, for the golden plans: one line a decision, everything that acts is shown.
 */
#include "runtime/mount.h"
#include "runtime/plan_mounts.h"

struct bit_name {
	uint64_t bit;
	const char *name;
};

static const struct bit_name attr_names[] = {
	{ MOUNT_ATTR_RDONLY, "ro" },
	{ MOUNT_ATTR_NOSUID, "nosuid" },
	{ MOUNT_ATTR_NODEV, "nodev" },
	{ MOUNT_ATTR_NOEXEC, "noexec" },
	{ MOUNT_ATTR_NOATIME, "noatime" },
	{ MOUNT_ATTR_STRICTATIME, "strictatime" },
	{ MOUNT_ATTR_NODIRATIME, "nodiratime" },
	{ MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow" },
};

static const struct bit_name sb_names[] = {
	{ MS_RDONLY, "ro" },         { MS_SYNCHRONOUS, "sync" }, { MS_DIRSYNC, "dirsync" },
	{ MS_MANDLOCK, "mand" },     { MS_SILENT, "silent" },    { MS_I_VERSION, "iversion" },
	{ MS_LAZYTIME, "lazytime" },
};

static const struct bit_name propagation_names[] = {
	{ MS_PRIVATE, "private" },
	{ MS_SLAVE, "slave" },
	{ MS_SHARED, "shared" },
	{ MS_UNBINDABLE, "unbindable" },
};

static const char *const kind_names[] = {
	[PLAN_MOUNT_BIND] = "bind",       [PLAN_MOUNT_HOST_FS] = "host-fs",
	[PLAN_MOUNT_INIT_FS] = "init-fs", [PLAN_MOUNT_CGROUP2] = "cgroup2",
	[PLAN_MOUNT_CGROUP1] = "cgroup1", [PLAN_MOUNT_REMOUNT] = "remount",
};

static void print_bits(struct str *out, const char *label, uint64_t bits,
		       const struct bit_name *names, size_t n)
{
	const char *sep = "";

	if (!bits)
		return;
	str_addf(out, " %s=", label);
	if ((bits & MOUNT_ATTR__ATIME) == MOUNT_ATTR__ATIME && names == attr_names) {
		str_add(out, "atime");
		bits &= ~(uint64_t)MOUNT_ATTR__ATIME;
		sep = ",";
	}
	for (size_t i = 0; i < n; i++) {
		if (!(bits & names[i].bit))
			continue;
		str_addf(out, "%s%s", sep, names[i].name);
		sep = ",";
	}
}

static void print_mount(struct str *out, const struct plan_mount *m)
{
	str_addf(out, "%s %s %s", m->json_path, kind_names[m->kind], m->destination);
	str_addf(out, " type=%s", m->type);
	if (m->source)
		str_addf(out, " source=%s", m->source);
	if (m->recursive)
		str_add(out, " recursive");
	print_bits(out, "set", m->attr_set, attr_names, ARRAY_COUNT(attr_names));
	print_bits(out, "clear", m->attr_clr, attr_names, ARRAY_COUNT(attr_names));
	print_bits(out, "rset", m->rec_set, attr_names, ARRAY_COUNT(attr_names));
	print_bits(out, "rclear", m->rec_clr, attr_names, ARRAY_COUNT(attr_names));
	print_bits(out, "sb", m->sb_flags, sb_names, ARRAY_COUNT(sb_names));
	print_bits(out, m->propagation_recursive ? "rpropagation" : "propagation", m->propagation,
		   propagation_names, ARRAY_COUNT(propagation_names));
	if (m->late_readonly)
		str_add(out, " late-ro");
	if (m->tmpcopyup)
		str_add(out, " copyup");
	if (m->idmap)
		str_addf(out, " %s%s", m->idmap_recursive ? "ridmap" : "idmap",
			 m->uid_maps ? "=own" : "");
	for (size_t i = 0; i < m->fs_options.n; i++)
		str_addf(out, "%s%s", i ? "," : " data=", m->fs_options.v[i]);
	str_add_char(out, '\n');
}

void plan_mounts_print(const struct plan_mounts *plan, struct str *out)
{
	str_addf(out, "root %s%s%s%s%s%s\n", plan->rootfs, plan->rootfs_readonly ? " ro" : "",
		 plan->new_mount_ns ? "" : " chroot", plan->no_pivot ? " no-pivot" : "",
		 plan->new_user_ns ? " userns" : "", plan->new_cgroup_ns ? " cgroupns" : "");
	str_add(out, plan->root_propagation_given ? "propagation given" : "propagation");
	print_bits(out, plan->root_propagation & MS_REC ? "r" : "this", plan->root_propagation,
		   propagation_names, ARRAY_COUNT(propagation_names));
	str_add_char(out, '\n');
	if (plan->root_mount)
		print_mount(out, plan->root_mount);
	for (size_t i = 0; i < plan->n_mounts; i++)
		print_mount(out, &plan->mounts[i]);
	if (!plan->setup_dev)
		str_add(out, "dev of the host\n");
	for (size_t i = 0; i < plan->n_devices; i++) {
		const struct plan_device *d = &plan->devices[i];

		str_addf(out, "device %s %c %u:%u %04o %u:%u%s%s\n", d->path, d->type, d->major,
			 d->minor, d->mode, d->uid, d->gid, d->is_default ? " default" : "",
			 plan->bind_devices ? " bind" : "");
	}
	if (plan->cwd)
		str_addf(out, "cwd %s %u:%u\n", plan->cwd, plan->cwd_uid, plan->cwd_gid);
	for (size_t i = 0; i < plan->masked_paths.n; i++)
		str_addf(out, "mask %s\n", plan->masked_paths.v[i]);
	for (size_t i = 0; i < plan->readonly_paths.n; i++)
		str_addf(out, "readonly %s\n", plan->readonly_paths.v[i]);
	for (size_t i = 0; i < plan->sysctl.n; i++)
		str_addf(out, "sysctl %s=%s\n", plan->sysctl.v[i].key, plan->sysctl.v[i].value);
	if (plan->net_ns_path)
		str_addf(out, "sysctl-netns %s\n", plan->net_ns_path);
	if (plan->mount_label)
		str_addf(out, "label %s\n", plan->mount_label);
}
