/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The linux object but for resources and seccomp: namespaces, id maps, devices, network devices,
 * RDT, personality, memory policy. Single fields and single objects; rules between them are in
 * spec_check.c.
 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

#include "spec/spec_table.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

#define L struct spec_linux

/* ---- namespaces ---- */

static const struct spec_word namespace_words[] = {
	{ "pid", CLONE_NEWPID },   { "network", CLONE_NEWNET },   { "mount", CLONE_NEWNS },
	{ "ipc", CLONE_NEWIPC },   { "uts", CLONE_NEWUTS },       { "user", CLONE_NEWUSER },
	{ "time", CLONE_NEWTIME }, { "cgroup", CLONE_NEWCGROUP },
};

/* The text is runc's, which callers know. */
static int read_namespace_type(struct spec_reader *r, const struct json *v, void *out,
			       const struct spec_field *field)
{
	struct spec_namespace *ns = out;
	char buf[64];

	(void)field;
	for (size_t i = 0; i < ARRAY_COUNT(namespace_words); i++) {
		if (str_eq(namespace_words[i].word, v->string)) {
			ns->type = namespace_words[i].word;
			ns->flag = (uint64_t)namespace_words[i].value;
			return 1;
		}
	}
	snprintf(buf, sizeof(buf), "%.40s", v->string);
	return spec_fail(r, "namespace \"%s\" does not exist", buf);
}

static const struct spec_field namespace_rows[] = {
	SPEC_ROW_OF("type", STRING, read_namespace_type, .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_namespace, "path", STRING, spec_field_string, path,
		 .max = PATH_MAX - 1, .flags = SPEC_ABSOLUTE),
};
static const struct spec_table namespace_table = SPEC_TABLE(namespace_rows);
static const struct spec_list namespace_list = { &namespace_table, sizeof(struct spec_namespace) };

static int read_namespaces(struct spec_reader *r, const struct json *v, void *out,
			   const struct spec_field *field)
{
	struct spec_linux *linux_ = out;
	uint64_t seen = 0;
	int rc = spec_field_list(r, v, &linux_->namespaces, field);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < linux_->n_namespaces; i++) {
		const struct spec_namespace *ns = &linux_->namespaces[i];

		if (seen & ns->flag) {
			spec_path_push_index(r, i);
			return spec_fail_member(r, "type", ns->type,
						"malformed spec file: duplicated ns");
		}
		seen |= ns->flag;
	}
	return rc;
}

/* ---- id maps ---- */

static const struct spec_field idmap_rows[] = {
	SPEC_ROW(struct spec_idmap, "containerID", NUMBER, spec_field_u32, container_id,
		 .max = SPEC_ID_MAX, .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_idmap, "hostID", NUMBER, spec_field_u32, host_id, .max = SPEC_ID_MAX,
		 .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_idmap, "size", NUMBER, spec_field_u32, size, .min = 1,
		 .flags = SPEC_REQUIRED),
};

/* The last id of a range is at most 2^32-2: map_write() refuses a range whose end wraps. */
static int finish_idmap(struct spec_reader *r, void *base, uint64_t seen)
{
	const struct spec_idmap *map = base;
	char text[16];

	(void)seen;
	if (map->size <= UINT32_MAX - map->container_id && map->size <= UINT32_MAX - map->host_id)
		return 0;
	snprintf(text, sizeof(text), "%u", map->size);
	return spec_fail_member(r, "size", text, "the range goes beyond the last id");
}

static const struct spec_table idmap_table = SPEC_TABLE(idmap_rows, .finish = finish_idmap);
static const struct spec_list idmap_list = { &idmap_table, sizeof(struct spec_idmap) };

static bool overlap(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size)
{
	return a < (uint64_t)b + b_size && b < (uint64_t)a + a_size;
}

int spec_field_idmaps(struct spec_reader *r, const struct json *v, void *out,
		      const struct spec_field *field)
{
	const struct spec_field maps_field = { .max = field->max, .arg = &idmap_list };
	const struct spec_idmaps *maps = out;
	int rc = spec_field_list(r, v, out, &maps_field);

	if (rc < 0)
		return rc;
	for (size_t i = 1; i < maps->n; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct spec_idmap *a = &maps->v[i], *b = &maps->v[j];
			bool inside = overlap(a->container_id, a->size, b->container_id, b->size);

			if (!inside && !overlap(a->host_id, a->size, b->host_id, b->size))
				continue;
			spec_path_push_index(r, i);
			return spec_fail_member(r, inside ? "containerID" : "hostID", NULL,
						"the range overlaps that of entry %zu", j);
		}
	}
	return rc;
}

/* ---- timeOffsets ---- */

static const struct spec_field offset_rows[] = {
	SPEC_ROW(struct spec_time_offset, "secs", NUMBER, spec_field_i64, secs, .min = INT64_MIN),
	SPEC_ROW(struct spec_time_offset, "nanosecs", NUMBER, spec_field_u32, nanosecs,
		 .max = 999999999),
};
static const struct spec_table offset_table = SPEC_TABLE(offset_rows);

static const struct spec_field clock_rows[] = {
	SPEC_ROW(L, "monotonic", OBJECT, spec_field_object, monotonic, .arg = &offset_table,
		 .has = offsetof(L, monotonic.given)),
	SPEC_ROW(L, "boottime", OBJECT, spec_field_object, boottime, .arg = &offset_table,
		 .has = offsetof(L, boottime.given)),
};
static const struct spec_table clock_table = SPEC_TABLE(clock_rows, .unknown = "unknown clock");

/* ---- devices, netDevices ---- */

/* u (unbuffered) is another name of c, as for mknod(1). */
static const struct spec_word device_words[] = {
	{ "c", 'c' }, { "b", 'b' }, { "u", 'c' }, { "p", 'p' }
};
static const struct spec_words device_types = SPEC_WORDS(device_words);

static int read_device_type(struct spec_reader *r, const struct json *v, void *out,
			    const struct spec_field *field)
{
	int32_t type = 0;
	int rc = spec_field_word(r, v, &type, field);

	if (rc > 0)
		*(char *)out = (char)type;
	return rc;
}

/* Some callers send st_mode whole; the type bits say nothing new. */
static int read_file_mode(struct spec_reader *r, const struct json *v, void *out,
			  const struct spec_field *field)
{
	uint32_t *mode = out;
	int rc = spec_field_u32(r, v, mode, field);

	if (rc > 0)
		*mode &= ~(uint32_t)S_IFMT;
	return rc;
}

static const struct spec_field device_rows[] = {
	SPEC_ROW(struct spec_device, "type", STRING, read_device_type, type, .arg = &device_types,
		 .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_device, "path", STRING, spec_field_string, path, .max = PATH_MAX - 1,
		 .flags = SPEC_REQUIRED | SPEC_ABSOLUTE),
	/* A dev_t of the kernel has 12 and 20 bits. */
	SPEC_ROW(struct spec_device, "major", NUMBER, spec_field_i64, major, .max = 0xfff),
	SPEC_ROW(struct spec_device, "minor", NUMBER, spec_field_i64, minor, .max = 0xfffff),
	SPEC_ROW(struct spec_device, "fileMode", NUMBER, read_file_mode, file_mode,
		 .max = S_IFMT | 07777, .has = offsetof(struct spec_device, has_file_mode)),
	SPEC_ROW(struct spec_device, "uid", NUMBER, spec_field_u32, uid, .max = SPEC_ID_MAX,
		 .has = offsetof(struct spec_device, has_uid)),
	SPEC_ROW(struct spec_device, "gid", NUMBER, spec_field_u32, gid, .max = SPEC_ID_MAX,
		 .has = offsetof(struct spec_device, has_gid)),
};

static int finish_device(struct spec_reader *r, void *base, uint64_t seen);
static const struct spec_table device_table = SPEC_TABLE(device_rows, .finish = finish_device);
static const struct spec_list device_list = { &device_table, sizeof(struct spec_device) };

static int finish_device(struct spec_reader *r, void *base, uint64_t seen)
{
	const struct spec_device *device = base;

	if (device->type == 'p')
		return 0;
	if (!spec_seen(&device_table, seen, "major"))
		return spec_fail_member(r, "major", NULL, "required but missing");
	if (!spec_seen(&device_table, seen, "minor"))
		return spec_fail_member(r, "minor", NULL, "required but missing");
	return 0;
}

/* The rules of dev_valid_name(); at most one %d, and only where the kernel shall pick a number. */
static bool is_device_name(const char *name, bool template)
{
	const char *percent = strchr(name, '%');

	if (name[0] == '\0' || strlen(name) > 15 || str_eq(name, ".") || str_eq(name, ".."))
		return false;
	for (const char *c = name; *c; c++)
		if (*c == '/' || *c == ':' || (unsigned char)*c <= ' ' || *c == 0x7f)
			return false;
	if (!percent)
		return true;
	return template && percent[1] == 'd' && !strchr(percent + 1, '%');
}

static const struct spec_field net_device_rows[] = {
	SPEC_ROW(struct spec_net_device, "name", STRING, spec_field_string, name),
};

static int finish_net_device(struct spec_reader *r, void *base, uint64_t seen)
{
	const struct spec_net_device *device = base;

	(void)seen;
	if (!is_device_name(device->host_name, false))
		return spec_fail(r, "not a network device name");
	if (device->name && !is_device_name(device->name, true))
		return spec_fail_member(r, "name", device->name, "not a network device name");
	return 0;
}

static const struct spec_table net_device_table =
	SPEC_TABLE(net_device_rows, .finish = finish_net_device);
static const struct spec_list net_device_list = { &net_device_table,
						  sizeof(struct spec_net_device) };

/* ---- intelRdt ---- */

static const struct spec_field rdt_rows[] = {
	SPEC_ROW(struct spec_intel_rdt, "closID", STRING, spec_field_string, clos_id,
		 .max = NAME_MAX, .flags = SPEC_ONE_LINE),
	SPEC_ROW(struct spec_intel_rdt, "l3CacheSchema", STRING, spec_field_string, l3_cache_schema,
		 .flags = SPEC_ONE_LINE),
	SPEC_ROW(struct spec_intel_rdt, "memBwSchema", STRING, spec_field_string, mem_bw_schema,
		 .flags = SPEC_ONE_LINE),
	SPEC_ROW(struct spec_intel_rdt, "schemata", ARRAY, spec_field_strings, schemata,
		 .flags = SPEC_ONE_LINE),
	SPEC_ROW(struct spec_intel_rdt, "enableMonitoring", BOOL, spec_field_bool,
		 enable_monitoring),
};

/* closID is one directory below resctrl, or "/" for the default class (1.3). */
static int finish_rdt(struct spec_reader *r, void *base, uint64_t seen)
{
	const struct spec_intel_rdt *rdt = base;
	const char *id = rdt->clos_id;

	(void)seen;
	if (id && !str_eq(id, "/") && (strchr(id, '/') || str_eq(id, ".") || str_eq(id, "..")))
		return spec_fail_member(r, "closID", id, "not a directory name");
	if (rdt->mem_bw_schema && !str_starts_with(rdt->mem_bw_schema, "MB:"))
		return spec_fail_member(r, "memBwSchema", rdt->mem_bw_schema,
					"must begin with MB:");
	return 0;
}

static const struct spec_table rdt_table = SPEC_TABLE(rdt_rows, .finish = finish_rdt);

/* ---- personality, memoryPolicy, rootfsPropagation ---- */

static const struct spec_word domain_words[] = { { "LINUX", 0 }, { "LINUX32", 1 } };
static const struct spec_words domain_list = SPEC_WORDS(domain_words);
static const struct spec_words no_words = { NULL, 0 }; /* the spec defines no flag yet */

static int read_domain(struct spec_reader *r, const struct json *v, void *out,
		       const struct spec_field *field)
{
	int32_t linux32 = 0;
	int rc = spec_field_word(r, v, &linux32, field);

	if (rc > 0)
		*(bool *)out = linux32;
	return rc;
}

static const struct spec_field personality_rows[] = {
	SPEC_ROW(L, "domain", STRING, read_domain, personality_linux32, .arg = &domain_list,
		 .flags = SPEC_REQUIRED),
	SPEC_ROW(L, "flags", ARRAY, spec_field_word_list, personality_flags, .arg = &no_words),
};
static const struct spec_table personality_table = SPEC_TABLE(personality_rows);

/* By number: WEIGHTED_INTERLEAVE came with Linux 6.9, PREFERRED_MANY with 5.15. */
static const struct spec_word mode_words[] = {
	{ "MPOL_DEFAULT", 0 },
	{ "MPOL_PREFERRED", 1 },
	{ "MPOL_BIND", 2 },
	{ "MPOL_INTERLEAVE", 3 },
	{ "MPOL_LOCAL", 4 },
	{ "MPOL_PREFERRED_MANY", 5 },
	{ "MPOL_WEIGHTED_INTERLEAVE", 6 },
};
_Static_assert(MPOL_BIND == 2 && MPOL_LOCAL == 4, "memory policies are numbered as in the kernel");
static const struct spec_words mode_list = SPEC_WORDS(mode_words);

static const struct spec_word mode_flag_words[] = {
	{ "MPOL_F_NUMA_BALANCING", 1 << 13 },
	{ "MPOL_F_RELATIVE_NODES", 1 << 14 },
	{ "MPOL_F_STATIC_NODES", 1 << 15 },
};
static const struct spec_words mode_flag_list = SPEC_WORDS(mode_flag_words);

static int read_mode_flags(struct spec_reader *r, const struct json *v, void *out,
			   const struct spec_field *field)
{
	uint64_t flags = 0;
	int rc = spec_field_flags(r, v, &flags, field);

	if (rc > 0)
		*(uint32_t *)out = (uint32_t)flags;
	return rc;
}

static const struct spec_field policy_rows[] = {
	SPEC_ROW(struct spec_memory_policy, "mode", STRING, spec_field_word, mode,
		 .arg = &mode_list, .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_memory_policy, "flags", ARRAY, read_mode_flags, flags,
		 .arg = &mode_flag_list),
	SPEC_ROW(struct spec_memory_policy, "nodes", STRING, spec_field_cpu_list, nodes),
};

/* Rules of mpol_new() and do_set_mempolicy(). */
static int finish_policy(struct spec_reader *r, void *base, uint64_t seen)
{
	const struct spec_memory_policy *policy = base;
	const char *mode = mode_words[policy->mode].word;
	bool none = str_eq(mode, "MPOL_DEFAULT") || str_eq(mode, "MPOL_LOCAL");

	(void)seen;
	if (none && policy->nodes)
		return spec_fail_member(r, "nodes", mode, "must be empty for");
	if (!none && !policy->nodes && !str_eq(mode, "MPOL_PREFERRED"))
		return spec_fail_member(r, "nodes", mode, "required for");
	if ((policy->flags & (3 << 14)) == 3 << 14)
		return spec_fail_member(r, "flags", NULL,
					"MPOL_F_RELATIVE_NODES and MPOL_F_STATIC_NODES exclude "
					"each other");
	return 0;
}

static const struct spec_table policy_table = SPEC_TABLE(policy_rows, .finish = finish_policy);

static const struct spec_word propagation_words[] = {
	{ "private", 0 },  { "shared", 0 },  { "slave", 0 },  { "unbindable", 0 },
	{ "rprivate", 0 }, { "rshared", 0 }, { "rslave", 0 }, { "runbindable", 0 },
};
static const struct spec_words propagation_list = SPEC_WORDS(propagation_words);

/* ---- linux ---- */

static const struct spec_field linux_rows[] = {
	SPEC_ROW_OF("namespaces", ARRAY, read_namespaces, .max = 64, .arg = &namespace_list,
		    .flags = SPEC_LISTED),
	SPEC_ROW(L, "uidMappings", ARRAY, spec_field_idmaps, uid_maps, .max = SPEC_IDMAPS_MAX),
	SPEC_ROW(L, "gidMappings", ARRAY, spec_field_idmaps, gid_maps, .max = SPEC_IDMAPS_MAX),
	SPEC_ROW_OF("timeOffsets", OBJECT, spec_field_object, .arg = &clock_table),
	SPEC_ROW_LIST(L, "devices", ARRAY, spec_field_list, devices, n_devices,
		      .max = SPEC_DEVICES_MAX, .arg = &device_list),
	SPEC_ROW_LIST(L, "netDevices", OBJECT, spec_field_object_map, net_devices, n_net_devices,
		      .max = 1024, .arg = &net_device_list),
	SPEC_ROW(L, "cgroupsPath", STRING, spec_field_string, cgroups_path, .max = PATH_MAX - 1,
		 .flags = SPEC_ONE_LINE),
	SPEC_ROW(L, "resources", OBJECT, spec_field_object, resources,
		 .arg = &spec_table_resources),
	SPEC_ROW(L, "rootfsPropagation", STRING, spec_field_word_text, rootfs_propagation,
		 .arg = &propagation_list),
	SPEC_ROW(L, "sysctl", OBJECT, spec_field_map, sysctl),
	SPEC_ROW(L, "maskedPaths", ARRAY, spec_field_paths, masked_paths),
	SPEC_ROW(L, "readonlyPaths", ARRAY, spec_field_paths, readonly_paths),
	SPEC_ROW(L, "mountLabel", STRING, spec_field_string, mount_label, .max = PATH_MAX - 1,
		 .flags = SPEC_ONE_LINE),
	SPEC_ROW(L, "seccomp", OBJECT, spec_field_object, seccomp, .arg = &spec_table_seccomp,
		 .has = offsetof(L, seccomp.given)),
	SPEC_ROW(L, "intelRdt", OBJECT, spec_field_object, intel_rdt, .arg = &rdt_table,
		 .has = offsetof(L, intel_rdt.given)),
	SPEC_ROW_OF("personality", OBJECT, spec_field_object, .arg = &personality_table,
		    .has = offsetof(L, has_personality)),
	SPEC_ROW(L, "memoryPolicy", OBJECT, spec_field_object, memory_policy, .arg = &policy_table,
		 .has = offsetof(L, memory_policy.given)),
};

const struct spec_table spec_table_linux = SPEC_TABLE(linux_rows);
