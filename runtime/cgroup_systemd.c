/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units for containers. See cgroup_systemd.h.
 */
#include "runtime/cgroup_systemd.h"

#include <errno.h>

#include "common/log.h"
#include "common/macros.h"
#include "common/str.h"
#include "runtime/bus.h"

#define START_TIMEOUT_MS 30000
#define STOP_TIMEOUT_MS 30000

static unsigned int timeout(unsigned int ms)
{
#ifdef THOLE_TEST
	const char *text = getenv("THOLE_TEST_SYSTEMD_TIMEOUT");
	uint32_t given;

	if (text && parse_u32(text, 10, &given) == 0)
		return given;
#endif
	return ms;
}

/* "252.39-1~deb12u1", "v255", "systemd 249": the first number in it; 0 if there is none. */
static unsigned int parse_version(const char *text)
{
	char digits[8] = "";
	uint32_t version = 0;
	size_t n;

	text += strcspn(text, "0123456789");
	n = strspn(text, "0123456789");
	if (n >= sizeof(digits))
		return 0;
	memcpy(digits, text, n);
	return parse_u32(digits, 10, &version) == 0 ? version : 0;
}

int cgroup_systemd_open(struct arena *arena, bool user, const char *address, struct bus **ret,
			struct host_systemd *ret_facts, struct err *err)
{
	CLEANUP_FREE char *version = NULL, *group = NULL;
	CLEANUP_BUS struct bus *bus = NULL;
	int r = bus_open(user, address, &bus, err);

	if (r >= 0)
		r = bus_manager_property(bus, "Version", &version, err);
	/* Empty for a manager at the root of its hierarchies. */
	if (r >= 0)
		r = bus_manager_property(bus, "ControlGroup", &group, err);
	if (r < 0)
		return r;
	ret_facts->address = arena_strdup(arena, bus_address(bus));
	ret_facts->control_group = arena_strdup(arena, group);
	ret_facts->version = parse_version(version);
	*ret = TAKE_PTR(bus);
	return 0;
}

void cgroup_systemd_close(struct bus *bus)
{
	bus_close(bus);
}

bool cgroup_systemd_is_rootless(void)
{
	struct err err = { 0 };
	uid_t owner;

	if (bus_user_owner(&owner, &err) >= 0)
		return owner != 0;
	log_debug("no user's systemd: %s", err.msg);
	return false;
}

int cgroup_systemd_start(struct bus *bus, const struct plan_systemd *plan, pid_t holder,
			 int interrupt_fd, struct err *err)
{
	struct err ignored = { 0 };
	int r;

	bus_set_interrupt(bus, interrupt_fd);
	r = bus_start_transient(bus, plan, holder, timeout(START_TIMEOUT_MS), err);
	/* A container whose process was killed by the kernel (OOM) leaves a failed unit. */
	if (r == -EEXIST && bus_reset_failed(bus, plan->unit, &ignored) >= 0)
		r = bus_start_transient(bus, plan, holder, timeout(START_TIMEOUT_MS), err);
	bus_set_interrupt(bus, -EBADF);
	if (r >= 0 || r == -EEXIST)
		return r;
	/* Its job may still be under way, or may have ended unseen. */
	if (bus_stop_unit(bus, plan->unit, timeout(STOP_TIMEOUT_MS), &ignored) < 0)
		log_debug("%s", ignored.msg);
	if (bus_reset_failed(bus, plan->unit, &ignored) < 0)
		log_debug("%s", ignored.msg);
	return r;
}

int cgroup_systemd_update(struct bus *bus, const struct plan_systemd *plan, struct err *err)
{
	return plan->n_props ? bus_set_properties(bus, plan, err) : 0;
}

/* What of the v2 path is below the unit's cgroup: "/a", "". */
static const char *below_unit(const struct cgroup *cg)
{
	size_t n = strlen(cg->unit);

	for (size_t i = 0; i < cg->n; i++) {
		const char *p = cg->v[i].v2 ? strchr(cg->v[i].path, '/') : NULL;

		for (; p; p = strchr(p + 1, '/'))
			if (strncmp(p + 1, cg->unit, n) == 0 && (!p[1 + n] || p[1 + n] == '/'))
				return p + 1 + n;
	}
	return "";
}

int cgroup_systemd_attach(const struct cgroup *cg, pid_t pid, struct err *err)
{
	CLEANUP_BUS struct bus *bus = NULL;
	int r = bus_open(cg->user, cg->bus, &bus, err);

	return r < 0 ? r : bus_attach_process(bus, cg->unit, below_unit(cg), pid, err);
}

int cgroup_systemd_stop(const struct cgroup *cg, struct err *err)
{
	CLEANUP_BUS struct bus *bus = NULL;
	int r = bus_open(cg->user, cg->bus, &bus, err);

	if (r >= 0)
		r = bus_stop_unit(bus, cg->unit, timeout(STOP_TIMEOUT_MS), err);
	if (r >= 0)
		r = bus_reset_failed(bus, cg->unit, err);
	return r == -ENOENT ? 0 : r;
}
