/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct stats -> the JSON that runc's `events` prints: the same members in the same order, and the
 * same ones left out when they are zero. Clients decode it into runc's types.
 */
#include "common/macros.h"
#include "runtime/events.h"

/* ---- members ---- */

static void put(struct json_writer *w, const char *key, uint64_t value)
{
	jw_key(w, key);
	jw_uint(w, value);
}

/* Left out when zero. */
static void put_nonzero(struct json_writer *w, const char *key, uint64_t value)
{
	if (value)
		put(w, key, value);
}

static void put_numbers(struct json_writer *w, const char *key, const struct stats_numbers *list)
{
	if (!list->n)
		return;
	jw_key(w, key);
	jw_array(w);
	for (size_t i = 0; i < list->n; i++)
		jw_uint(w, list->v[i]);
	jw_end(w);
}

static void put_number_text(struct json_writer *w, const char *key, const char *text)
{
	const struct json number = { .type = JSON_NUMBER, .string = text, .count = strlen(text) };

	jw_key(w, key);
	jw_tree(w, &number);
}

static void put_psi_line(struct json_writer *w, const char *key, const struct stats_psi_line *line)
{
	if (!line->avg10)
		return;
	jw_key(w, key);
	jw_object(w);
	put_number_text(w, "avg10", line->avg10);
	put_number_text(w, "avg60", line->avg60);
	put_number_text(w, "avg300", line->avg300);
	put(w, "total", line->total);
	jw_end(w);
}

static void put_psi(struct json_writer *w, const struct stats_psi *psi)
{
	if (!psi->given)
		return;
	jw_key(w, "psi");
	jw_object(w);
	put_psi_line(w, "some", &psi->some);
	put_psi_line(w, "full", &psi->full);
	jw_end(w);
}

/* ---- sections ---- */

static void put_cpu(struct json_writer *w, const struct stats *s)
{
	jw_key(w, "cpu");
	jw_object(w);
	jw_key(w, "usage");
	jw_object(w);
	put_nonzero(w, "total", s->cpu.total);
	put_numbers(w, "percpu", &s->cpu.percpu);
	put_numbers(w, "percpu_kernel", &s->cpu.percpu_kernel);
	put_numbers(w, "percpu_user", &s->cpu.percpu_user);
	put(w, "kernel", s->cpu.kernel);
	put(w, "user", s->cpu.user);
	jw_end(w);
	jw_key(w, "throttling");
	jw_object(w);
	put_nonzero(w, "periods", s->cpu.periods);
	put_nonzero(w, "throttledPeriods", s->cpu.throttled_periods);
	put_nonzero(w, "throttledTime", s->cpu.throttled_time);
	jw_end(w);
	put_psi(w, &s->cpu.psi);
	jw_end(w);
}

static void put_cpuset(struct json_writer *w, const struct stats_cpuset *s)
{
	jw_key(w, "cpuset");
	jw_object(w);
	put_numbers(w, "cpus", &s->cpus);
	put(w, "cpu_exclusive", s->cpu_exclusive);
	put_numbers(w, "mems", &s->mems);
	put(w, "mem_hardwall", s->mem_hardwall);
	put(w, "mem_exclusive", s->mem_exclusive);
	put(w, "memory_migrate", s->memory_migrate);
	put(w, "memory_spread_page", s->spread_page);
	put(w, "memory_spread_slab", s->spread_slab);
	put(w, "memory_pressure", s->pressure);
	put(w, "sched_load_balance", s->load_balance);
	jw_key(w, "sched_relax_domain_level");
	jw_int(w, s->relax_domain_level);
	jw_end(w);
}

static void put_memory_entry(struct json_writer *w, const char *key,
			     const struct stats_memory_entry *e)
{
	jw_key(w, key);
	jw_object(w);
	put(w, "limit", e->limit);
	put_nonzero(w, "usage", e->usage);
	put_nonzero(w, "max", e->max);
	put(w, "failcnt", e->failcnt);
	jw_end(w);
}

static void put_memory(struct json_writer *w, const struct stats *s)
{
	jw_key(w, "memory");
	jw_object(w);
	put_nonzero(w, "cache", s->memory.cache);
	put_memory_entry(w, "usage", &s->memory.usage);
	put_memory_entry(w, "swap", &s->memory.swap);
	put_memory_entry(w, "kernel", &s->memory.kernel);
	put_memory_entry(w, "kernelTCP", &s->memory.kernel_tcp);
	if (s->memory.raw.n) {
		jw_key(w, "raw");
		jw_object(w);
		for (size_t i = 0; i < s->memory.raw.n; i++)
			put(w, s->memory.raw.v[i].key, s->memory.raw.v[i].value);
		jw_end(w);
	}
	put_psi(w, &s->memory.psi);
	jw_end(w);
}

static void put_blkio(struct json_writer *w, const struct stats *s)
{
	static const char *const names[BLKIO_KIND_N] = {
		[BLKIO_SERVICE_BYTES] = "ioServiceBytesRecursive",
		[BLKIO_SERVICED] = "ioServicedRecursive",
		[BLKIO_QUEUED] = "ioQueueRecursive",
		[BLKIO_SERVICE_TIME] = "ioServiceTimeRecursive",
		[BLKIO_WAIT_TIME] = "ioWaitTimeRecursive",
		[BLKIO_MERGED] = "ioMergedRecursive",
		[BLKIO_TIME] = "ioTimeRecursive",
		[BLKIO_SECTORS] = "sectorsRecursive",
	};

	jw_key(w, "blkio");
	jw_object(w);
	for (size_t kind = 0; kind < BLKIO_KIND_N; kind++) {
		const struct stats_blkio_list *list = &s->blkio.lists[kind];

		if (!list->n)
			continue;
		jw_key(w, names[kind]);
		jw_array(w);
		for (size_t i = 0; i < list->n; i++) {
			jw_object(w);
			put_nonzero(w, "major", list->v[i].major);
			put_nonzero(w, "minor", list->v[i].minor);
			if (*list->v[i].op) {
				jw_key(w, "op");
				jw_string(w, list->v[i].op);
			}
			put_nonzero(w, "value", list->v[i].value);
			jw_end(w);
		}
		jw_end(w);
	}
	put_psi(w, &s->blkio.psi);
	jw_end(w);
}

static void put_hugetlb(struct json_writer *w, const struct stats *s)
{
	jw_key(w, "hugetlb");
	jw_object(w);
	for (size_t i = 0; i < s->n_hugetlb; i++) {
		const struct stats_hugetlb *h = &s->hugetlb[i];

		jw_key(w, h->page_size);
		jw_object(w);
		put_nonzero(w, "usage", h->usage);
		put_nonzero(w, "max", h->max);
		put(w, "failcnt", h->failcnt);
		jw_end(w);
	}
	jw_end(w);
}

static void put_text(struct json_writer *w, const char *key, const char *text)
{
	if (!text)
		return;
	jw_key(w, key);
	jw_string(w, text);
}

static void put_rdt_info(struct json_writer *w, const struct stats_rdt *s)
{
	if (s->cbm_mask) {
		jw_key(w, "l3_cache_info");
		jw_object(w);
		put_text(w, "cbm_mask", s->cbm_mask);
		put_nonzero(w, "min_cbm_bits", s->min_cbm_bits);
		put_nonzero(w, "num_closids", s->l3_closids);
		jw_end(w);
		put_text(w, "l3_cache_schema_root", s->root.l3);
		put_text(w, "l3_cache_schema", s->own.l3);
	}
	if (s->bandwidth) {
		jw_key(w, "mem_bw_info");
		jw_object(w);
		put_nonzero(w, "bandwidth_gran", s->bandwidth_gran);
		put_nonzero(w, "delay_linear", s->delay_linear);
		put_nonzero(w, "min_bandwidth", s->min_bandwidth);
		put_nonzero(w, "num_closids", s->mb_closids);
		jw_end(w);
		put_text(w, "mem_bw_schema_root", s->root.mb);
		put_text(w, "mem_bw_schema", s->own.mb);
	}
}

static void put_rdt(struct json_writer *w, const struct stats_rdt *s)
{
	jw_key(w, "intel_rdt");
	jw_object(w);
	put_rdt_info(w, s);
	if (s->own.n) {
		jw_key(w, "schemata");
		jw_array(w);
		for (size_t i = 0; i < s->own.n; i++)
			jw_string(w, s->own.lines[i]);
		jw_end(w);
	}
	if (s->mbm && s->n_nodes) {
		jw_key(w, "mbm_stats");
		jw_array(w);
		for (size_t i = 0; i < s->n_nodes; i++) {
			jw_object(w);
			put(w, "mbm_total_bytes", s->nodes[i].mbm_total);
			put(w, "mbm_local_bytes", s->nodes[i].mbm_local);
			jw_end(w);
		}
		jw_end(w);
	}
	if (s->cmt && s->n_nodes) {
		jw_key(w, "cmt_stats");
		jw_array(w);
		for (size_t i = 0; i < s->n_nodes; i++) {
			jw_object(w);
			put(w, "llc_occupancy", s->nodes[i].llc);
			jw_end(w);
		}
		jw_end(w);
	}
	jw_end(w);
}

/* ---- lines ---- */

static void begin(struct json_writer *w, const char *type, const char *id)
{
	jw_object(w);
	jw_key(w, "type");
	jw_string(w, type);
	jw_key(w, "id");
	jw_string(w, id);
}

void events_write_stats(struct json_writer *w, const char *id, const struct stats *s)
{
	begin(w, "stats", id);
	jw_key(w, "data");
	jw_object(w);
	put_cpu(w, s);
	put_cpuset(w, &s->cpuset);
	put_memory(w, s);
	jw_key(w, "pids");
	jw_object(w);
	put_nonzero(w, "current", s->pids.current);
	put_nonzero(w, "limit", s->pids.limit);
	jw_end(w);
	put_blkio(w, s);
	put_hugetlb(w, s);
	put_rdt(w, &s->rdt);
	/* As runc's, which counts only interfaces that it made itself: it makes none. */
	jw_key(w, "network_interfaces");
	jw_null(w);
	jw_end(w);
	jw_end(w);
}

void events_write_oom(struct json_writer *w, const char *id)
{
	begin(w, "oom", id);
	jw_end(w);
}
