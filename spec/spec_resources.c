/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources. Everything is kept as asked, in the units of the spec; converting to cgroup v2,
 * and rules that depend on the hierarchy, belong to the cgroup code.
 *
 * 0 counts as absent for cpu.shares, cpu.quota, cpu.period, cpu.realtimePeriod, blockIO weights and
 * the byte limits of memory: Docker and CRI-O send it for "not set", runc takes it so, and the
 * kernel either refuses it or would kill the container. pids.limit 0 is a value (from OCI 1.3 on).
 */
#include "spec/spec_table.h"

#define R struct spec_resources

/* ---- devices ---- */

static const struct spec_word rule_type_words[] = { { "a", 'a' }, { "b", 'b' }, { "c", 'c' } };
static const struct spec_words rule_type_list = SPEC_WORDS(rule_type_words);

static int read_rule_type(struct spec_reader *r, const struct json *v, void *out,
			  const struct spec_field *field)
{
	int32_t type = 0;
	int rc = spec_field_word(r, v, &type, field);

	if (rc > 0)
		*(char *)out = (char)type;
	return rc;
}

static int read_access(struct spec_reader *r, const struct json *v, void *out,
		       const struct spec_field *field)
{
	struct spec_device_rule *rule = out;

	(void)field;
	if (v->count == 0)
		return 0;
	if (v->string[strspn(v->string, "rwm")] != '\0')
		return spec_fail_value(r, v->string, "only r, w and m are allowed");
	rule->read = strchr(v->string, 'r');
	rule->write = strchr(v->string, 'w');
	rule->mknod = strchr(v->string, 'm');
	return 1;
}

static const struct spec_field rule_rows[] = {
	SPEC_ROW(struct spec_device_rule, "allow", BOOL, spec_field_bool, allow,
		 .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_device_rule, "type", STRING, read_rule_type, type,
		 .arg = &rule_type_list),
	SPEC_ROW(struct spec_device_rule, "major", NUMBER, spec_field_i64, major, .min = -1,
		 .max = UINT32_MAX),
	SPEC_ROW(struct spec_device_rule, "minor", NUMBER, spec_field_i64, minor, .min = -1,
		 .max = UINT32_MAX),
	SPEC_ROW_OF("access", STRING, read_access),
};

static int finish_rule(struct spec_reader *r, void *base, uint64_t seen);
static const struct spec_table rule_table = SPEC_TABLE(rule_rows, .finish = finish_rule);
static const struct spec_list rule_list = { &rule_table, sizeof(struct spec_device_rule) };

static int finish_rule(struct spec_reader *r, void *base, uint64_t seen)
{
	struct spec_device_rule *rule = base;

	(void)r;
	if (!spec_seen(&rule_table, seen, "type"))
		rule->type = 'a';
	if (!spec_seen(&rule_table, seen, "major"))
		rule->major = -1;
	if (!spec_seen(&rule_table, seen, "minor"))
		rule->minor = -1;
	if (!spec_seen(&rule_table, seen, "access"))
		rule->read = rule->write = rule->mknod = true;
	return 0;
}

/* ---- memory, cpu, pids ---- */

#define BYTES_ROW(name_, member_)                                                                  \
	SPEC_ROW(R, name_, NUMBER, spec_field_i64, member_, .min = -1,                             \
		 .has = offsetof(R, has_##member_), .flags = SPEC_ZERO_ABSENT)

static const struct spec_field memory_rows[] = {
	BYTES_ROW("limit", memory_limit),
	BYTES_ROW("reservation", memory_reservation),
	BYTES_ROW("swap", memory_swap),
	BYTES_ROW("kernel", memory_kernel),
	BYTES_ROW("kernelTCP", memory_kernel_tcp),
	SPEC_ROW(R, "swappiness", NUMBER, spec_field_u64, memory_swappiness, .max = 100,
		 .has = offsetof(R, has_memory_swappiness)),
	SPEC_ROW(R, "disableOOMKiller", BOOL, spec_field_bool, disable_oom_killer,
		 .has = offsetof(R, has_disable_oom_killer)),
	SPEC_ROW(R, "useHierarchy", BOOL, spec_field_bool, use_hierarchy,
		 .has = offsetof(R, has_use_hierarchy)),
	SPEC_ROW(R, "checkBeforeUpdate", BOOL, spec_field_bool, check_before_update),
};
static const struct spec_table memory_table = SPEC_TABLE(memory_rows);

static const struct spec_field cpu_rows[] = {
	SPEC_ROW(R, "shares", NUMBER, spec_field_u64, cpu_shares,
		 .has = offsetof(R, has_cpu_shares), .flags = SPEC_ZERO_ABSENT),
	SPEC_ROW(R, "quota", NUMBER, spec_field_i64, cpu_quota, .min = INT64_MIN,
		 .has = offsetof(R, has_cpu_quota), .flags = SPEC_ZERO_ABSENT),
	SPEC_ROW(R, "burst", NUMBER, spec_field_u64, cpu_burst, .has = offsetof(R, has_cpu_burst)),
	SPEC_ROW(R, "period", NUMBER, spec_field_u64, cpu_period,
		 .has = offsetof(R, has_cpu_period), .flags = SPEC_ZERO_ABSENT),
	SPEC_ROW(R, "realtimeRuntime", NUMBER, spec_field_i64, cpu_rt_runtime, .min = -1,
		 .has = offsetof(R, has_cpu_rt_runtime)),
	SPEC_ROW(R, "realtimePeriod", NUMBER, spec_field_u64, cpu_rt_period,
		 .has = offsetof(R, has_cpu_rt_period), .flags = SPEC_ZERO_ABSENT),
	SPEC_ROW(R, "cpus", STRING, spec_field_string, cpus, .max = PATH_MAX - 1,
		 .flags = SPEC_ONE_LINE),
	SPEC_ROW(R, "mems", STRING, spec_field_string, mems, .max = PATH_MAX - 1,
		 .flags = SPEC_ONE_LINE),
	SPEC_ROW(R, "idle", NUMBER, spec_field_i64, cpu_idle, .max = 1,
		 .has = offsetof(R, has_cpu_idle)),
};
static const struct spec_table cpu_table = SPEC_TABLE(cpu_rows);

/* Every negative value means "max", as for runc; it is stored as -1. */
static int read_pids_limit(struct spec_reader *r, const struct json *v, void *out,
			   const struct spec_field *field)
{
	int64_t *limit = out;
	int rc = spec_field_i64(r, v, limit, field);

	if (rc > 0 && *limit < 0)
		*limit = -1;
	return rc;
}

static const struct spec_field pids_rows[] = {
	SPEC_ROW(R, "limit", NUMBER, read_pids_limit, pids_limit, .min = INT64_MIN,
		 .has = offsetof(R, has_pids_limit)),
};
static const struct spec_table pids_table = SPEC_TABLE(pids_rows);

/* ---- blockIO ---- */

#define WEIGHT_LIMITS .min = 10, .max = 1000, .flags = SPEC_ZERO_ABSENT
#define MAJOR_MINOR(S)                                                                             \
	SPEC_ROW(S, "major", NUMBER, spec_field_i64, major, .max = UINT32_MAX,                     \
		 .flags = SPEC_REQUIRED),                                                          \
		SPEC_ROW(S, "minor", NUMBER, spec_field_i64, minor, .max = UINT32_MAX,             \
			 .flags = SPEC_REQUIRED)

static const struct spec_field weight_rows[] = {
	MAJOR_MINOR(struct spec_weight_device),
	SPEC_ROW(struct spec_weight_device, "weight", NUMBER, spec_field_u16, weight,
		 .has = offsetof(struct spec_weight_device, has_weight), WEIGHT_LIMITS),
	SPEC_ROW(struct spec_weight_device, "leafWeight", NUMBER, spec_field_u16, leaf_weight,
		 .has = offsetof(struct spec_weight_device, has_leaf_weight), WEIGHT_LIMITS),
};

static int finish_weight(struct spec_reader *r, void *base, uint64_t seen)
{
	struct spec_weight_device *device = base;

	(void)seen;
	if (!device->has_weight && !device->has_leaf_weight)
		return spec_fail(r, "weight or leafWeight is required");
	return 0;
}

static const struct spec_table weight_table = SPEC_TABLE(weight_rows, .finish = finish_weight);
static const struct spec_list weight_list = { &weight_table, sizeof(struct spec_weight_device) };

static const struct spec_field throttle_rows[] = {
	MAJOR_MINOR(struct spec_throttle),
	SPEC_ROW(struct spec_throttle, "rate", NUMBER, spec_field_u64, rate,
		 .flags = SPEC_REQUIRED),
};
static const struct spec_table throttle_table = SPEC_TABLE(throttle_rows);
static const struct spec_list throttle_list = { &throttle_table, sizeof(struct spec_throttle) };

static const struct spec_field blkio_rows[] = {
	SPEC_ROW(R, "weight", NUMBER, spec_field_u16, blkio_weight,
		 .has = offsetof(R, has_blkio_weight), WEIGHT_LIMITS),
	SPEC_ROW(R, "leafWeight", NUMBER, spec_field_u16, blkio_leaf_weight,
		 .has = offsetof(R, has_blkio_leaf_weight), WEIGHT_LIMITS),
	SPEC_ROW_LIST(R, "weightDevice", ARRAY, spec_field_list, blkio_weight_devices,
		      n_blkio_weight_devices, .arg = &weight_list),
	SPEC_ROW(R, "throttleReadBpsDevice", ARRAY, spec_field_list, read_bps,
		 .arg = &throttle_list),
	SPEC_ROW(R, "throttleWriteBpsDevice", ARRAY, spec_field_list, write_bps,
		 .arg = &throttle_list),
	SPEC_ROW(R, "throttleReadIOPSDevice", ARRAY, spec_field_list, read_iops,
		 .arg = &throttle_list),
	SPEC_ROW(R, "throttleWriteIOPSDevice", ARRAY, spec_field_list, write_iops,
		 .arg = &throttle_list),
};
static const struct spec_table blkio_table = SPEC_TABLE(blkio_rows);

/* ---- hugepageLimits, network, rdma, unified ---- */

/* It becomes part of a file name (hugetlb.2MB.max), so it is checked strictly. */
static int read_page_size(struct spec_reader *r, const struct json *v, void *out,
			  const struct spec_field *field)
{
	size_t digits = strspn(v->string, "0123456789");
	const char *unit = v->string + digits;

	(void)field;
	if (digits == 0 || digits > 10 || v->string[0] == '0' ||
	    !(str_eq(unit, "KB") || str_eq(unit, "MB") || str_eq(unit, "GB")))
		return spec_fail_value(r, v->string, "not a page size as 2MB");
	*(const char **)out = v->string;
	return 1;
}

static const struct spec_field hugepage_rows[] = {
	SPEC_ROW(struct spec_hugepage, "pageSize", STRING, read_page_size, page_size,
		 .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_hugepage, "limit", NUMBER, spec_field_u64, limit,
		 .flags = SPEC_REQUIRED),
};
static const struct spec_table hugepage_table = SPEC_TABLE(hugepage_rows);
static const struct spec_list hugepage_list = { &hugepage_table, sizeof(struct spec_hugepage) };

static const struct spec_field priority_rows[] = {
	SPEC_ROW(struct spec_net_priority, "name", STRING, spec_field_string, name, .max = 15,
		 .flags = SPEC_REQUIRED | SPEC_ONE_LINE),
	SPEC_ROW(struct spec_net_priority, "priority", NUMBER, spec_field_u32, priority,
		 .flags = SPEC_REQUIRED),
};
static const struct spec_table priority_table = SPEC_TABLE(priority_rows);
static const struct spec_list priority_list = { &priority_table, sizeof(struct spec_net_priority) };

static const struct spec_field network_rows[] = {
	SPEC_ROW(R, "classID", NUMBER, spec_field_u32, net_class_id,
		 .has = offsetof(R, has_net_class_id)),
	SPEC_ROW_LIST(R, "priorities", ARRAY, spec_field_list, net_priorities, n_net_priorities,
		      .arg = &priority_list),
};
static const struct spec_table network_table = SPEC_TABLE(network_rows);

static const struct spec_field rdma_rows[] = {
	SPEC_ROW(struct spec_rdma, "hcaHandles", NUMBER, spec_field_u32, hca_handles,
		 .has = offsetof(struct spec_rdma, has_handles)),
	SPEC_ROW(struct spec_rdma, "hcaObjects", NUMBER, spec_field_u32, hca_objects,
		 .has = offsetof(struct spec_rdma, has_objects)),
};

static int finish_rdma(struct spec_reader *r, void *base, uint64_t seen)
{
	struct spec_rdma *rdma = base;

	(void)seen;
	/* One line "DEVICE hca_handle=N hca_object=N" of a cgroup file. */
	if (rdma->device[0] == '\0' || strpbrk(rdma->device, " \t\n"))
		return spec_fail(r, "not a device name");
	if (!rdma->has_handles && !rdma->has_objects)
		return spec_fail(r, "hcaHandles or hcaObjects is required");
	return 0;
}

static const struct spec_table rdma_table = SPEC_TABLE(rdma_rows, .finish = finish_rdma);
static const struct spec_list rdma_list = { &rdma_table, sizeof(struct spec_rdma) };

/* The names become files in the container's cgroup directory: "CONTROLLER.PARAMETER", no path. */
static int read_unified(struct spec_reader *r, const struct json *v, void *out,
			const struct spec_field *field)
{
	json_each (it, v) {
		const char *dot = strchr(it->key, '.');

		if (strchr(it->key, '/'))
			return spec_fail_value(r, it->key, "a file name must have no slash");
		if (!dot || dot == it->key || dot[1] == '\0' || strlen(it->key) > NAME_MAX)
			return spec_fail_value(r, it->key, "not of the form CONTROLLER.PARAMETER");
	}
	return spec_field_map(r, v, out, field);
}

/* ---- resources ---- */

static const struct spec_field resources_rows[] = {
	SPEC_ROW_LIST(R, "devices", ARRAY, spec_field_list, devices, n_devices,
		      .max = SPEC_DEVICES_MAX, .arg = &rule_list),
	SPEC_ROW_OF("memory", OBJECT, spec_field_object, .arg = &memory_table),
	SPEC_ROW_OF("cpu", OBJECT, spec_field_object, .arg = &cpu_table),
	SPEC_ROW_OF("pids", OBJECT, spec_field_object, .arg = &pids_table),
	SPEC_ROW_OF("blockIO", OBJECT, spec_field_object, .arg = &blkio_table),
	SPEC_ROW_LIST(R, "hugepageLimits", ARRAY, spec_field_list, hugepages, n_hugepages,
		      .max = 64, .arg = &hugepage_list),
	SPEC_ROW_OF("network", OBJECT, spec_field_object, .arg = &network_table),
	SPEC_ROW_LIST(R, "rdma", OBJECT, spec_field_object_map, rdma, n_rdma, .arg = &rdma_list),
	SPEC_ROW(R, "unified", OBJECT, read_unified, unified),
};

static int finish_resources(struct spec_reader *r, void *base, uint64_t seen)
{
	struct spec_resources *resources = base;

	(void)r;
	(void)seen;
	resources->given = true;
	return 0;
}

const struct spec_table spec_table_resources =
	SPEC_TABLE(resources_rows, .finish = finish_resources);
