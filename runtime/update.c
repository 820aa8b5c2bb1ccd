/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values and merging. See update.h; the JSON is in update_json.c.
 */
#include "runtime/update.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "common/str.h"

/* ---- values ---- */

/* The shift of "k", "MB", "gib", ...; 0 for bytes; -1 if it is none. */
static int unit_shift(const char *text)
{
	static const char letters[] = "kmgtp";
	char lower[4] = "";
	const char *letter;

	if (strlen(text) >= sizeof(lower))
		return -1;
	for (size_t i = 0; text[i]; i++)
		lower[i] = (char)tolower((unsigned char)text[i]);
	if (!*lower || str_eq(lower, "b"))
		return 0;
	letter = strchr(letters, lower[0]);
	if (!letter ||
	    !(str_eq(lower + 1, "") || str_eq(lower + 1, "b") || str_eq(lower + 1, "ib")))
		return -1;
	return 10 * (int)(letter - letters + 1);
}

int update_parse_bytes(const char *text, int64_t *ret)
{
	size_t whole = strspn(text, "0123456789"), fraction = 0;
	const char *unit = text + whole, *digits = unit + 1;
	char number[24];
	uint64_t value, scale, part = 0, divisor = 1;
	int shift;

	if (str_eq(text, "-1")) {
		*ret = -1;
		return 0;
	}
	if (*unit == '.') {
		fraction = strspn(digits, "0123456789");
		unit = digits + fraction;
	}
	if (*unit == ' ')
		unit++;
	shift = unit_shift(unit);
	if (!whole || whole >= sizeof(number) || shift < 0)
		return -EINVAL;
	memcpy(number, text, whole);
	number[whole] = '\0';
	if (parse_u64(number, 10, &value) < 0 || value > (uint64_t)INT64_MAX >> shift)
		return -ERANGE;
	value <<= shift;
	scale = UINT64_C(1) << shift;
	for (size_t i = 0; i < fraction && i < 9; i++) {
		part = part * 10 + (uint64_t)(digits[i] - '0');
		divisor *= 10;
	}
	/* scale * part / divisor, in steps that cannot overflow; below a byte nothing counts. */
	value += scale / divisor * part + scale % divisor * part / divisor;
	if (value > INT64_MAX)
		return -ERANGE;
	*ret = (int64_t)value;
	return 0;
}

/* ---- lists ---- */

struct two_lists {
	const void *old, *given;
	size_t n_old, n_given, size;              /* of one element */
	bool (*same)(const void *, const void *); /* the given one replaces the old */
};

/* The old ones in their order, then what is new. */
static void *merge_list(struct arena *arena, const struct two_lists *l, size_t *ret_n)
{
	char *v = arena_array(arena, l->n_old + l->n_given, l->size);
	size_t n = l->n_old;

	if (n)
		memcpy(v, l->old, n * l->size);
	for (size_t i = 0; i < l->n_given; i++) {
		const char *item = (const char *)l->given + i * l->size;
		size_t at = 0;

		while (at < n && !l->same(v + at * l->size, item))
			at++;
		n += at == n;
		memcpy(v + at * l->size, item, l->size);
	}
	*ret_n = n;
	return v;
}

static bool same_throttle(const void *a, const void *b)
{
	const struct spec_throttle *x = a, *y = b;

	return x->major == y->major && x->minor == y->minor;
}

static bool same_weight(const void *a, const void *b)
{
	const struct spec_weight_device *x = a, *y = b;

	return x->major == y->major && x->minor == y->minor;
}

static bool same_page_size(const void *a, const void *b)
{
	return str_eq(((const struct spec_hugepage *)a)->page_size,
		      ((const struct spec_hugepage *)b)->page_size);
}

static bool same_interface(const void *a, const void *b)
{
	return str_eq(((const struct spec_net_priority *)a)->name,
		      ((const struct spec_net_priority *)b)->name);
}

static bool same_rdma(const void *a, const void *b)
{
	return str_eq(((const struct spec_rdma *)a)->device, ((const struct spec_rdma *)b)->device);
}

static bool same_key(const void *a, const void *b)
{
	return str_eq(((const struct spec_pair *)a)->key, ((const struct spec_pair *)b)->key);
}

#define MERGE_LIST(arena, keep, given_, v_, n_, same_)                                             \
	do {                                                                                       \
		const struct two_lists l_ = { .old = (keep)->v_,                                   \
					      .given = (given_)->v_,                               \
					      .n_old = (keep)->n_,                                 \
					      .n_given = (given_)->n_,                             \
					      .size = sizeof(*(keep)->v_),                         \
					      .same = (same_) };                                   \
		(keep)->v_ = merge_list(arena, &l_, &(keep)->n_);                                  \
	} while (0)

static void merge_lists(struct arena *arena, const struct spec_resources *given,
			struct spec_resources *keep)
{
	MERGE_LIST(arena, keep, given, blkio_weight_devices, n_blkio_weight_devices, same_weight);
	MERGE_LIST(arena, &keep->read_bps, &given->read_bps, v, n, same_throttle);
	MERGE_LIST(arena, &keep->write_bps, &given->write_bps, v, n, same_throttle);
	MERGE_LIST(arena, &keep->read_iops, &given->read_iops, v, n, same_throttle);
	MERGE_LIST(arena, &keep->write_iops, &given->write_iops, v, n, same_throttle);
	MERGE_LIST(arena, keep, given, hugepages, n_hugepages, same_page_size);
	MERGE_LIST(arena, keep, given, net_priorities, n_net_priorities, same_interface);
	MERGE_LIST(arena, keep, given, rdma, n_rdma, same_rdma);
	MERGE_LIST(arena, &keep->unified, &given->unified, v, n, same_key);
}

/* ---- values, old and new ---- */

#define MERGE(keep, given, member)                                                                 \
	do {                                                                                       \
		if ((given)->has_##member) {                                                       \
			(keep)->has_##member = true;                                               \
			(keep)->member = (given)->member;                                          \
		}                                                                                  \
	} while (0)

static void merge_memory(const struct spec_resources *given, struct spec_resources *keep)
{
	MERGE(keep, given, memory_limit);
	MERGE(keep, given, memory_reservation);
	MERGE(keep, given, memory_swap);
	MERGE(keep, given, memory_swappiness);
	MERGE(keep, given, disable_oom_killer);
	MERGE(keep, given, use_hierarchy);
	/* These the kernel has no more; they would only be warned about again and again. */
	keep->has_memory_kernel = keep->has_memory_kernel_tcp = false;
	keep->check_before_update = keep->check_before_update || given->check_before_update;
	/* Unlimited memory takes the old limit of both together along. */
	if (given->has_memory_limit && given->memory_limit == -1 && !given->has_memory_swap) {
		keep->has_memory_swap = false;
		keep->memory_swap = 0;
	}
}

static void merge_cpu(const struct spec_resources *given, struct spec_resources *keep)
{
	MERGE(keep, given, cpu_shares);
	MERGE(keep, given, cpu_quota);
	MERGE(keep, given, cpu_period);
	MERGE(keep, given, cpu_burst);
	MERGE(keep, given, cpu_rt_runtime);
	MERGE(keep, given, cpu_rt_period);
	MERGE(keep, given, cpu_idle);
	/* The kernel forgets the shares of an idle cgroup, and refuses to be told any. */
	if (given->has_cpu_idle && !given->has_cpu_shares) {
		keep->has_cpu_shares = false;
		keep->cpu_shares = 0;
	}
	if (given->cpus && *given->cpus)
		keep->cpus = given->cpus;
	if (given->mems && *given->mems)
		keep->mems = given->mems;
}

static void drop_not_given(const struct spec_resources *given, struct spec_resources *apply)
{
	apply->cpus = given->cpus;
	apply->mems = given->mems;
	apply->has_cpu_burst = given->has_cpu_burst;
	apply->has_cpu_idle = given->has_cpu_idle;
	apply->has_pids_limit = given->has_pids_limit;
	apply->unified = given->unified;
	if (!(given->has_cpu_quota && given->cpu_quota) &&
	    !(given->has_cpu_period && given->cpu_period))
		apply->has_cpu_quota = apply->has_cpu_period = false;
}

void update_merge(struct arena *arena, const struct spec_resources *old,
		  const struct spec_resources *given, struct spec_resources *ret_apply,
		  struct spec_resources *ret_keep)
{
	struct spec_resources keep = *old;

	keep.given = true;
	keep.devices = NULL;
	keep.n_devices = 0;
	merge_memory(given, &keep);
	merge_cpu(given, &keep);
	MERGE(&keep, given, pids_limit);
	MERGE(&keep, given, blkio_weight);
	MERGE(&keep, given, blkio_leaf_weight);
	MERGE(&keep, given, net_class_id);
	merge_lists(arena, given, &keep);
	*ret_keep = keep;
	*ret_apply = keep;
	drop_not_given(given, ret_apply);
}
