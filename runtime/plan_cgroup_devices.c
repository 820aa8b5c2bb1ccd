/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules. OCI: "applied in order", so for every access bit the last rule that matches it
 * decides; with no rule matching, access is denied. A v2 program does just that. The v1 files keep
 * one default and a list of exceptions to it, in which the kernel silently ignores a rule that
 * cuts a hole into a wider one; so the rules are worked out here and such a hole is refused.
 */
#include "runtime/plan_cgroup.h"

#include <errno.h>
#include <inttypes.h>

#include "common/log.h"
#include "common/macros.h"

enum { ACC_R = 1, ACC_W = 2, ACC_M = 4, ACC_ALL = 7 };

struct exception {
	char type; /* b c */
	int64_t major, minor;
	unsigned int access;
	size_t rule; /* where it came from */
};

struct emulator {
	struct exception *v;
	size_t n;
	bool default_allow;
};

/* What every container has, as in runc: any node may be made, these may be opened. */
static const struct spec_device_rule default_rules[] = {
	{ true, 'c', -1, -1, false, false, true }, { true, 'b', -1, -1, false, false, true },
	{ true, 'c', 1, 3, true, true, true },    /* null */
	{ true, 'c', 1, 8, true, true, true },    /* random */
	{ true, 'c', 1, 7, true, true, true },    /* full */
	{ true, 'c', 5, 0, true, true, true },    /* tty */
	{ true, 'c', 1, 5, true, true, true },    /* zero */
	{ true, 'c', 1, 9, true, true, true },    /* urandom */
	{ true, 'c', 136, -1, true, true, true }, /* pts */
	{ true, 'c', 5, 2, true, true, true },    /* ptmx */
	{ true, 'c', 10, 200, true, true, true }, /* net/tun */
};

static unsigned int access_of(const struct spec_device_rule *r)
{
	return (r->read ? ACC_R : 0) | (r->write ? ACC_W : 0) | (r->mknod ? ACC_M : 0);
}

static bool overlaps(const struct exception *a, const struct exception *b)
{
	return a->type == b->type && (a->access & b->access) &&
	       (a->major < 0 || b->major < 0 || a->major == b->major) &&
	       (a->minor < 0 || b->minor < 0 || a->minor == b->minor);
}

static bool covers(const struct exception *wide, const struct exception *narrow)
{
	return (wide->major < 0 || wide->major == narrow->major) &&
	       (wide->minor < 0 || wide->minor == narrow->minor);
}

static const char *exception_text(struct arena *arena, const struct exception *e)
{
	const char *major = e->major < 0 ? "*" : arena_printf(arena, "%" PRId64, e->major);
	const char *minor = e->minor < 0 ? "*" : arena_printf(arena, "%" PRId64, e->minor);

	return arena_printf(arena, "%c %s:%s %s%s%s", e->type, major, minor,
			    e->access & ACC_R ? "r" : "", e->access & ACC_W ? "w" : "",
			    e->access & ACC_M ? "m" : "");
}

/* A rule of the default's own kind takes earlier exceptions back, any other is one more. */
static int emulate(struct emulator *em, bool allow, const struct exception *e)
{
	size_t kept = 0;

	if (allow != em->default_allow) {
		em->v[em->n++] = *e;
		return 0;
	}
	for (size_t i = 0; i < em->n; i++) {
		if (overlaps(&em->v[i], e) && !covers(e, &em->v[i]))
			return -ENOTSUP;
	}
	for (size_t i = 0; i < em->n; i++) {
		struct exception x = em->v[i];

		if (overlaps(&x, e))
			x.access &= ~e->access;
		if (x.access)
			em->v[kept++] = x;
	}
	em->n = kept;
	return 0;
}

static int emulate_rule(struct emulator *em, const struct spec_device_rule *rule, size_t index)
{
	struct exception e = { rule->type, rule->major, rule->minor, access_of(rule), index };
	int r;

	if (rule->type != 'a')
		return emulate(em, rule->allow, &e);
	if (e.major < 0 && e.minor < 0 && e.access == ACC_ALL) {
		em->default_allow = rule->allow;
		em->n = 0;
		return 0;
	}
	e.type = 'b';
	r = emulate(em, rule->allow, &e);
	if (r < 0)
		return r;
	e.type = 'c';
	return emulate(em, rule->allow, &e);
}

static const char *rule_path(struct arena *arena, size_t index, size_t n_config)
{
	return index < n_config ? arena_printf(arena, "linux.resources.devices[%zu]", index)
				: "default device rule";
}

static int plan_v1(struct arena *arena, struct plan_cgroup *plan, size_t dir, size_t n_config,
		   struct err *err)
{
	struct emulator em = { .v = ARENA_ARRAY(arena, 2 * plan->n_device_rules,
						struct exception) };
	struct plan_cgroup_write *w;

	for (size_t i = 0; i < plan->n_device_rules; i++) {
		if (emulate_rule(&em, &plan->device_rules[i], i) < 0)
			return err_set(err, ENOTSUP,
				       "%s: cgroup v1 cannot make an exception inside the wider "
				       "rule before it",
				       rule_path(arena, i, n_config));
	}
	w = plan_cgroup_add(arena, plan, dir, em.default_allow ? "devices.allow" : "devices.deny",
			    "a");
	w->json_path = "linux.resources.devices";
	w->may_refuse = plan->device_errors_ok;
	for (size_t i = 0; i < em.n; i++) {
		const struct exception *e = &em.v[i];

		w = plan_cgroup_add(arena, plan, dir,
				    em.default_allow ? "devices.deny" : "devices.allow",
				    exception_text(arena, e));
		w->json_path = rule_path(arena, e->rule, n_config);
		w->may_refuse = plan->device_errors_ok || e->rule >= n_config;
	}
	return 0;
}

void plan_cgroup_devices_flatten(struct arena *arena, const struct plan_cgroup *plan,
				 struct spec_device_rule **ret, size_t *ret_n, bool *ret_allow)
{
	struct emulator em = { .v = ARENA_ARRAY(arena, 2 * plan->n_device_rules,
						struct exception) };

	for (size_t i = 0; i < plan->n_device_rules; i++) {
		const struct spec_device_rule *rule = &plan->device_rules[i];

		if (emulate_rule(&em, rule, i) == -ENOTSUP)
			log_debug("device rule %zu makes an exception that a flat list cannot have",
				  i);
	}
	*ret = ARENA_ARRAY(arena, em.n, struct spec_device_rule);
	*ret_n = em.n;
	*ret_allow = em.default_allow;
	for (size_t i = 0; i < em.n; i++) {
		const struct exception *e = &em.v[i];

		(*ret)[i] = (struct spec_device_rule){
			.allow = !em.default_allow,
			.type = e->type,
			.major = e->major,
			.minor = e->minor,
			.read = e->access & ACC_R,
			.write = e->access & ACC_W,
			.mknod = e->access & ACC_M,
		};
	}
}

static int check_rule(const struct spec_device_rule *r, size_t i, struct err *err)
{
	if (r->type != 'a' && r->type != 'b' && r->type != 'c')
		return err_set(err, EINVAL, "linux.resources.devices[%zu].type: unknown \"%c\"", i,
			       r->type);
	if (r->major < -1 || r->major > UINT32_MAX)
		return err_set(err, ERANGE,
			       "linux.resources.devices[%zu].major: %" PRId64
			       " is no device number",
			       i, r->major);
	if (r->minor < -1 || r->minor > UINT32_MAX)
		return err_set(err, ERANGE,
			       "linux.resources.devices[%zu].minor: %" PRId64
			       " is no device number",
			       i, r->minor);
	return 0;
}

int plan_cgroup_devices(struct arena *arena, const struct spec_resources *resources,
			struct plan_cgroup *plan, struct err *err)
{
	size_t n = resources->n_devices;
	int dir, r;

	plan->n_device_rules = n + ARRAY_COUNT(default_rules);
	plan->device_rules = ARENA_ARRAY(arena, plan->n_device_rules, struct spec_device_rule);
	for (size_t i = 0; i < n; i++) {
		r = check_rule(&resources->devices[i], i, err);
		if (r < 0)
			return r;
		plan->device_rules[i] = resources->devices[i];
	}
	memcpy(plan->device_rules + n, default_rules, sizeof(default_rules));

	dir = plan_cgroup_dir_find(plan, "devices");
	if (dir >= 0)
		return plan_v1(arena, plan, (size_t)dir, n, err);
	if (plan_cgroup_dir_find(plan, "") >= 0) {
		plan->device_program = true;
		return 0;
	}
	if (n && !plan->device_errors_ok)
		return err_set(err, ENOENT,
			       "linux.resources.devices: controller \"devices\" is not available");
	return 0;
}
