/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.intelRdt into directories and lines. See plan_rdt.h.
 */
#include "runtime/plan_rdt.h"

#include <errno.h>

/* What resctrl itself has in its root. */
static bool is_reserved(const char *name)
{
	static const char *const names[] = { "info", "mon_groups", "mon_data" };

	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (str_eq(name, names[i]))
			return true;
	return false;
}

static void add_lines(struct arena *arena, const struct spec_intel_rdt *rdt, struct plan_rdt *plan)
{
	char **v = ARENA_ARRAY(arena, rdt->schemata.n + 2, char *);
	size_t n = 0;

	if (rdt->l3_cache_schema && *rdt->l3_cache_schema)
		v[n++] = arena_strdup(arena, rdt->l3_cache_schema);
	if (rdt->mem_bw_schema && *rdt->mem_bw_schema)
		v[n++] = arena_strdup(arena, rdt->mem_bw_schema);
	for (size_t i = 0; i < rdt->schemata.n; i++)
		v[n++] = rdt->schemata.v[i];
	plan->lines = (struct spec_strings){ .v = v, .n = n };
}

int plan_rdt_build(struct arena *arena, const struct spec *spec, const struct host *host,
		   const struct plan_request *request, const struct plan_rdt **ret, struct err *err)
{
	const struct spec_intel_rdt *rdt = &spec->linux_.intel_rdt;
	struct plan_rdt *plan;
	const char *name = rdt->clos_id && *rdt->clos_id ? rdt->clos_id : request->id;

	*ret = NULL;
	if (!rdt->given)
		return 0;
	if (!host->resctrl)
		return err_set(err, ENOENT, "linux.intelRdt: resctrl is not mounted");
	if (is_reserved(name))
		return err_set(err, EINVAL,
			       "linux.intelRdt.closID: \"%s\" is a directory of resctrl's own",
			       name);
	plan = ARENA_NEW(arena, struct plan_rdt);
	plan->root = host->resctrl;
	plan->own = name == request->id;
	plan->clos = str_eq(name, "/") ? host->resctrl
				       : arena_printf(arena, "%s/%s", host->resctrl, name);
	if (rdt->enable_monitoring)
		plan->mon = arena_printf(arena, "%s/mon_groups/%s", plan->clos, request->id);
	add_lines(arena, rdt, plan);
	/* OCI: a class that is only named must have been set up before. */
	plan->may_create = plan->own || plan->lines.n > 0;
	*ret = plan;
	return 0;
}

void plan_rdt_print(const struct plan_rdt *plan, struct str *out)
{
	str_addf(out, "rdt: class \"%s\"%s%s\n", plan->clos, plan->own ? ", the container's" : "",
		 plan->may_create ? ", made if missing" : "");
	for (size_t i = 0; i < plan->lines.n; i++)
		str_addf(out, "rdt: schemata \"%s\"\n", plan->lines.v[i]);
	if (plan->mon)
		str_addf(out, "rdt: monitoring group \"%s\"\n", plan->mon);
}
