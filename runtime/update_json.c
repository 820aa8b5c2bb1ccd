/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct spec_resources -> an OCI linux.resources object, for the file in the state directory.
 */
#include "common/macros.h"
#include "runtime/update.h"

static void put_uint(struct json_writer *w, const char *key, bool has, uint64_t value)
{
	if (!has)
		return;
	jw_key(w, key);
	jw_uint(w, value);
}

static void put_int(struct json_writer *w, const char *key, bool has, int64_t value)
{
	if (!has)
		return;
	jw_key(w, key);
	jw_int(w, value);
}

static void put_bool(struct json_writer *w, const char *key, bool has, bool value)
{
	if (!has)
		return;
	jw_key(w, key);
	jw_bool(w, value);
}

static void put_text(struct json_writer *w, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	jw_key(w, key);
	jw_string(w, value);
}

static void begin(struct json_writer *w, const char *key)
{
	jw_key(w, key);
	jw_object(w);
}

static void put_memory(struct json_writer *w, const struct spec_resources *r)
{
	begin(w, "memory");
	put_int(w, "limit", r->has_memory_limit, r->memory_limit);
	put_int(w, "reservation", r->has_memory_reservation, r->memory_reservation);
	put_int(w, "swap", r->has_memory_swap, r->memory_swap);
	put_int(w, "kernel", r->has_memory_kernel, r->memory_kernel);
	put_int(w, "kernelTCP", r->has_memory_kernel_tcp, r->memory_kernel_tcp);
	put_uint(w, "swappiness", r->has_memory_swappiness, r->memory_swappiness);
	put_bool(w, "disableOOMKiller", r->has_disable_oom_killer, r->disable_oom_killer);
	put_bool(w, "useHierarchy", r->has_use_hierarchy, r->use_hierarchy);
	put_bool(w, "checkBeforeUpdate", r->check_before_update, true);
	jw_end(w);
}

static void put_cpu(struct json_writer *w, const struct spec_resources *r)
{
	begin(w, "cpu");
	put_uint(w, "shares", r->has_cpu_shares, r->cpu_shares);
	put_int(w, "quota", r->has_cpu_quota, r->cpu_quota);
	put_uint(w, "burst", r->has_cpu_burst, r->cpu_burst);
	put_uint(w, "period", r->has_cpu_period, r->cpu_period);
	put_int(w, "realtimeRuntime", r->has_cpu_rt_runtime, r->cpu_rt_runtime);
	put_uint(w, "realtimePeriod", r->has_cpu_rt_period, r->cpu_rt_period);
	put_text(w, "cpus", r->cpus);
	put_text(w, "mems", r->mems);
	put_int(w, "idle", r->has_cpu_idle, r->cpu_idle);
	jw_end(w);
}

static void put_device(struct json_writer *w, int64_t major, int64_t minor)
{
	jw_object(w);
	put_int(w, "major", true, major);
	put_int(w, "minor", true, minor);
}

static void put_throttles(struct json_writer *w, const char *key, const struct spec_throttles *list)
{
	if (!list->n)
		return;
	jw_key(w, key);
	jw_array(w);
	for (size_t i = 0; i < list->n; i++) {
		put_device(w, list->v[i].major, list->v[i].minor);
		put_uint(w, "rate", true, list->v[i].rate);
		jw_end(w);
	}
	jw_end(w);
}

static void put_block(struct json_writer *w, const struct spec_resources *r)
{
	begin(w, "blockIO");
	put_uint(w, "weight", r->has_blkio_weight, r->blkio_weight);
	put_uint(w, "leafWeight", r->has_blkio_leaf_weight, r->blkio_leaf_weight);
	if (r->n_blkio_weight_devices) {
		jw_key(w, "weightDevice");
		jw_array(w);
		for (size_t i = 0; i < r->n_blkio_weight_devices; i++) {
			const struct spec_weight_device *d = &r->blkio_weight_devices[i];

			put_device(w, d->major, d->minor);
			put_uint(w, "weight", d->has_weight, d->weight);
			put_uint(w, "leafWeight", d->has_leaf_weight, d->leaf_weight);
			jw_end(w);
		}
		jw_end(w);
	}
	put_throttles(w, "throttleReadBpsDevice", &r->read_bps);
	put_throttles(w, "throttleWriteBpsDevice", &r->write_bps);
	put_throttles(w, "throttleReadIOPSDevice", &r->read_iops);
	put_throttles(w, "throttleWriteIOPSDevice", &r->write_iops);
	jw_end(w);
}

static void put_hugepages(struct json_writer *w, const struct spec_resources *r)
{
	if (!r->n_hugepages)
		return;
	jw_key(w, "hugepageLimits");
	jw_array(w);
	for (size_t i = 0; i < r->n_hugepages; i++) {
		jw_object(w);
		put_text(w, "pageSize", r->hugepages[i].page_size);
		put_uint(w, "limit", true, r->hugepages[i].limit);
		jw_end(w);
	}
	jw_end(w);
}

static void put_network(struct json_writer *w, const struct spec_resources *r)
{
	begin(w, "network");
	put_uint(w, "classID", r->has_net_class_id, r->net_class_id);
	if (r->n_net_priorities) {
		jw_key(w, "priorities");
		jw_array(w);
		for (size_t i = 0; i < r->n_net_priorities; i++) {
			jw_object(w);
			put_text(w, "name", r->net_priorities[i].name);
			put_uint(w, "priority", true, r->net_priorities[i].priority);
			jw_end(w);
		}
		jw_end(w);
	}
	jw_end(w);
}

static void put_rdma(struct json_writer *w, const struct spec_resources *r)
{
	if (!r->n_rdma)
		return;
	begin(w, "rdma");
	for (size_t i = 0; i < r->n_rdma; i++) {
		begin(w, r->rdma[i].device);
		put_uint(w, "hcaHandles", r->rdma[i].has_handles, r->rdma[i].hca_handles);
		put_uint(w, "hcaObjects", r->rdma[i].has_objects, r->rdma[i].hca_objects);
		jw_end(w);
	}
	jw_end(w);
}

void update_write_json(struct json_writer *w, const struct spec_resources *r)
{
	jw_object(w);
	put_memory(w, r);
	put_cpu(w, r);
	if (r->has_pids_limit) {
		begin(w, "pids");
		put_int(w, "limit", true, r->pids_limit);
		jw_end(w);
	}
	put_block(w, r);
	put_hugepages(w, r);
	put_network(w, r);
	put_rdma(w, r);
	if (r->unified.n) {
		begin(w, "unified");
		for (size_t i = 0; i < r->unified.n; i++) {
			jw_key(w, r->unified.v[i].key);
			jw_string(w, r->unified.v[i].value);
		}
		jw_end(w);
	}
	jw_end(w);
}
