/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing of id maps. See idmap.h.
 */
#include "runtime/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>

#include "common/io.h"
#include "common/proc.h"

/* newuidmap takes at most what the kernel takes: 340 extents. */
#define EXTENTS_MAX 340

uint32_t idmap_to_host(const struct spec_idmaps *maps, uint32_t id)
{
	for (size_t i = 0; i < maps->n; i++) {
		const struct spec_idmap *m = &maps->v[i];

		if (id >= m->container_id && id - m->container_id < m->size)
			return m->host_id + (id - m->container_id);
	}
	return UINT32_MAX;
}

void idmap_text(const struct spec_idmaps *maps, struct str *out)
{
	for (size_t i = 0; i < maps->n; i++)
		str_addf(out, "%u %u %u\n", maps->v[i].container_id, maps->v[i].host_id,
			 maps->v[i].size);
}

static bool has_cap(const struct host *host, int cap)
{
	return host->own_caps >> cap & 1;
}

/* Without rights over the parent user namespace the kernel lets a process map just its own id. */
static bool is_own_id_only(const struct spec_idmaps *maps, uint32_t own)
{
	return maps->n == 1 && maps->v[0].size == 1 && maps->v[0].host_id == own;
}

static int write_file(pid_t pid, const char *file, const char *text, struct err *err)
{
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	r = io_write_small(AT_FDCWD, path, text);
	return r < 0 ? err_sysn(err, r, "write \"%s\"", path) : 0;
}

static int write_map(pid_t pid, const char *file, const struct spec_idmaps *maps, struct err *err)
{
	CLEANUP_STR struct str text = { 0 };

	/* One write(2): the kernel takes a map only whole. */
	idmap_text(maps, &text);
	return write_file(pid, file, text.data, err);
}

static int run_helper(const char *program, pid_t pid, const struct spec_idmaps *maps,
		      struct err *err)
{
	char numbers[3 * EXTENTS_MAX + 1][12], *argv[3 * EXTENTS_MAX + 3];
	struct proc_spawn spawn = { .path = program, .argv = argv };
	size_t n = 0;
	int status;
	pid_t child;

	if (maps->n > EXTENTS_MAX)
		return err_set(err, E2BIG, "more than %d id mappings", EXTENTS_MAX);
	argv[n++] = (char *)(uintptr_t)program;
	snprintf(numbers[0], sizeof(numbers[0]), "%d", (int)pid);
	argv[n++] = numbers[0];
	for (size_t i = 0; i < maps->n; i++) {
		const uint32_t v[3] = { maps->v[i].container_id, maps->v[i].host_id,
					maps->v[i].size };

		for (size_t j = 0; j < 3; j++, n++) {
			snprintf(numbers[n - 1], sizeof(numbers[0]), "%u", v[j]);
			argv[n] = numbers[n - 1];
		}
	}
	argv[n] = NULL;
	child = proc_spawn(&spawn, NULL, err);
	if (child < 0)
		return child;
	if (proc_wait(child, &status) < 0 || status != 0)
		return err_set(err, EPERM, "%s refused the mappings (see its message above)",
			       program);
	return 0;
}

static int write_gids(const struct plan_ns *plan, const struct host *host, pid_t pid,
		      struct err *err)
{
	int r;

	if (has_cap(host, CAP_SETGID))
		return write_map(pid, "gid_map", &plan->gid_maps, err);
	if (!is_own_id_only(&plan->gid_maps, host->egid))
		return run_helper("newgidmap", pid, &plan->gid_maps, err);
	/* Since 3.19 an unprivileged process must give up setgroups first (CVE-2014-8989). */
	r = write_file(pid, "setgroups", "deny", err);
	return r < 0 ? r : write_map(pid, "gid_map", &plan->gid_maps, err);
}

int idmap_write(const struct plan_ns *plan, const struct host *host, pid_t pid, struct err *err)
{
	int r;

	if (has_cap(host, CAP_SETUID) || is_own_id_only(&plan->uid_maps, host->euid))
		r = write_map(pid, "uid_map", &plan->uid_maps, err);
	else
		r = run_helper("newuidmap", pid, &plan->uid_maps, err);
	return r < 0 ? r : write_gids(plan, host, pid, err);
}
