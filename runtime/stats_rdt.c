/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What resctrl tells of a container's class and of its monitoring group.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "common/fd.h"
#include "common/str.h"
#include "runtime/stats.h"

#define LINES_MAX 64 /* of a schemata file: one a resource */
#define NODES_MAX 1024

static int read_number(const struct stats_reader *r, const char *file, uint64_t *ret)
{
	int res = stats_file_number(r, file, ret);

	return res < 0 ? res : 0;
}

/* info/L3 and info/MB are there where the kernel can set them. */
static int read_info(const struct stats_reader *r, struct stats_rdt *ret)
{
	const char *mask;
	int res = stats_file(r, "info/L3/cbm_mask", &mask);

	if (res < 0)
		return res;
	if (res == 0) {
		ret->cbm_mask = arena_strndup(r->arena, mask, strcspn(mask, "\n"));
		res = read_number(r, "info/L3/min_cbm_bits", &ret->min_cbm_bits);
		if (res >= 0)
			res = read_number(r, "info/L3/num_closids", &ret->l3_closids);
	}
	if (res >= 0)
		res = stats_file_number(r, "info/MB/min_bandwidth", &ret->min_bandwidth);
	ret->bandwidth = res == 0;
	if (res == 0)
		res = read_number(r, "info/MB/bandwidth_gran", &ret->bandwidth_gran);
	if (res == 0)
		res = read_number(r, "info/MB/delay_linear", &ret->delay_linear);
	if (res == 0)
		res = read_number(r, "info/MB/num_closids", &ret->mb_closids);
	return res < 0 ? res : 0;
}

static int read_schemata(const struct stats_reader *r, struct stats_schemata *ret)
{
	const char *text;
	int res = stats_file(r, "schemata", &text);

	if (res < 0)
		return res;
	ret->lines = ARENA_ARRAY(r->arena, LINES_MAX, const char *);
	while (*text && ret->n < LINES_MAX) {
		const char *line = text + strspn(text, " \t");
		size_t n = strcspn(line, "\n");
		const char *copy = arena_strndup(r->arena, line, n);

		text = line + n + (line[n] == '\n');
		if (!n)
			continue;
		ret->lines[ret->n++] = copy;
		/* Also L3CODE and L3DATA, where code and data have masks of their own. */
		if (!ret->l3 && str_starts_with(copy, "L3"))
			ret->l3 = copy;
		if (!ret->mb && str_starts_with(copy, "MB:"))
			ret->mb = copy;
	}
	return 0;
}

static int compare_nodes(const void *a, const void *b)
{
	return strcmp(((const struct stats_rdt_node *)a)->name,
		      ((const struct stats_rdt_node *)b)->name);
}

static int read_node(const struct stats_reader *r, const char *name, struct stats_rdt_node *ret)
{
	static const char *const files[] = { "mbm_total_bytes", "mbm_local_bytes",
					     "llc_occupancy" };
	uint64_t *const values[] = { &ret->mbm_total, &ret->mbm_local, &ret->llc };
	int res = 0;

	ret->name = arena_strdup(r->arena, name);
	for (size_t i = 0; res >= 0 && i < ARRAY_COUNT(files); i++)
		res = stats_file_number(r, arena_printf(r->arena, "mon_data/%s/%s", name, files[i]),
					values[i]);
	return res < 0 ? res : 0;
}

/* A directory mon_L3_NN for each cache. */
static int read_nodes(const struct stats_reader *r, struct stats_rdt *ret)
{
	int fd = fd_openat(r->fd, "mon_data", O_RDONLY | O_DIRECTORY, 0), res = 0;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (!dir) {
		fd_close(fd);
		return 0;
	}
	ret->nodes = ARENA_ARRAY(r->arena, NODES_MAX, struct stats_rdt_node);
	while (res >= 0 && ret->n_nodes < NODES_MAX && (e = readdir(dir)))
		if (str_starts_with(e->d_name, "mon_L3_"))
			res = read_node(r, e->d_name, &ret->nodes[ret->n_nodes++]);
	closedir(dir);
	qsort(ret->nodes, ret->n_nodes, sizeof(*ret->nodes), compare_nodes);
	return res < 0 ? res : 0;
}

static int read_monitoring(const struct stats_reader *root, const char *dir, struct stats_rdt *ret)
{
	CLEANUP_FD int fd = fd_open(dir, O_RDONLY | O_DIRECTORY, 0);
	struct stats_reader r = *root;
	const char *features;
	int res = stats_file(root, "info/L3_MON/mon_features", &features);

	if (res || fd < 0)
		return res < 0 ? res : 0;
	ret->mbm = strstr(features, "mbm_total_bytes") || strstr(features, "mbm_local_bytes");
	ret->cmt = strstr(features, "llc_occupancy");
	r.dir = dir;
	r.fd = fd;
	return read_nodes(&r, ret);
}

int stats_read_rdt(struct arena *arena, const char *clos, const char *mon, struct stats *stats,
		   struct err *err)
{
	struct stats_reader r = { .arena = arena, .dir = clos, .stats = stats, .err = err };
	CLEANUP_FD int fd = clos ? fd_open(clos, O_RDONLY | O_DIRECTORY, 0) : -EBADF;
	CLEANUP_FD int above = -EBADF;
	int res;

	/* Somebody else's removal of the class is no reason to tell nothing of the rest. */
	if (fd < 0)
		return 0;
	r.fd = fd;
	res = read_schemata(&r, &stats->rdt.own);
	/* The default class is resctrl's root itself, every other one is directly below it. */
	if (res >= 0 && faccessat(fd, "info", F_OK, 0) < 0)
		r.fd = above = fd_openat(fd, "..", O_RDONLY | O_DIRECTORY, 0);
	if (r.fd < 0)
		return err_sysn(err, r.fd, "open the directory above \"%s\"", clos);
	if (res >= 0)
		res = read_schemata(&r, &stats->rdt.root);
	if (res >= 0)
		res = read_info(&r, &stats->rdt);
	if (res >= 0)
		res = read_monitoring(&r, mon ? mon : clos, &stats->rdt);
	return res;
}
