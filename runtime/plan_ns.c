/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The namespace part of the plan: what is made, what is joined, id maps, names, clock offsets.
 */
#include <errno.h>

#include "runtime/idmap.h"
#include "runtime/plan.h"

static const struct ns_word {
	uint64_t flag;
	const char *name;
} ns_words[] = {
	{ CLONE_NEWUSER, "user" },     { CLONE_NEWPID, "pid" },   { CLONE_NEWNET, "net" },
	{ CLONE_NEWIPC, "ipc" },       { CLONE_NEWUTS, "uts" },   { CLONE_NEWNS, "mnt" },
	{ CLONE_NEWCGROUP, "cgroup" }, { CLONE_NEWTIME, "time" },
};

const char *plan_ns_name(uint64_t flag)
{
	for (size_t i = 0; i < ARRAY_COUNT(ns_words); i++)
		if (ns_words[i].flag == flag)
			return ns_words[i].name;
	return "unknown";
}

static int add_namespaces(const struct plan_input *in, struct plan_ns *ns, struct err *err)
{
	const struct spec_linux *l = &in->spec->linux_;

	for (size_t i = 0; i < l->n_namespaces; i++) {
		const struct spec_namespace *n = &l->namespaces[i];

		ns->enter |= n->flag;
		if (!n->path) {
			ns->make |= n->flag;
			continue;
		}
		if (ns->n_joins == PLAN_JOINS_MAX)
			return err_set(err, E2BIG, "linux.namespaces: more than %d paths",
				       PLAN_JOINS_MAX);
		ns->joins[ns->n_joins++] =
			(struct plan_join){ .flag = n->flag, .type = n->type, .path = n->path };
	}
	ns->user = ns->enter & CLONE_NEWUSER;
	/* A joined pid namespace has another init, whose end is not the container's. */
	ns->private_pid = ns->make & CLONE_NEWPID;
	return 0;
}

static int add_maps(const struct plan_input *in, struct plan_ns *ns, struct err *err)
{
	const struct spec_linux *l = &in->spec->linux_;

	ns->uid_maps = l->uid_maps;
	ns->gid_maps = l->gid_maps;
	/* spec_check has seen that maps and namespace go together. */
	if (!ns->user) {
		if (in->host->euid != 0)
			return err_set(err, EPERM, "rootless container requires user namespaces");
		ns->root_mapped = true;
		return 0;
	}
	ns->root_uid = idmap_to_host(&l->uid_maps, 0);
	ns->root_gid = idmap_to_host(&l->gid_maps, 0);
	/* Joined without mappings in the config: every tool maps root; nothing else to go by. */
	ns->root_mapped =
		l->uid_maps.n == 0 || (ns->root_uid != UINT32_MAX && ns->root_gid != UINT32_MAX);
	return 0;
}

static const char *not_empty(const char *s)
{
	return s && *s ? s : NULL;
}

int plan_ns_build(UNUSED struct arena *arena, const struct plan_input *in, struct plan_ns *ret,
		  struct err *err)
{
	struct plan_ns ns = { 0 };
	int r = add_namespaces(in, &ns, err);

	if (r >= 0)
		r = add_maps(in, &ns, err);
	if (r < 0)
		return r;
	if (in->kind == PLAN_EXEC) {
		/* Everything exists already: it is entered through init, whatever made it. */
		ns.make = 0;
		ns.n_joins = 0;
	} else {
		ns.hostname = not_empty(in->spec->hostname);
		ns.domainname = not_empty(in->spec->domainname);
		ns.monotonic = in->spec->linux_.monotonic;
		ns.boottime = in->spec->linux_.boottime;
	}
	*ret = ns;
	return 0;
}

static void print_flags(struct str *out, const char *title, uint64_t flags)
{
	str_addf(out, "%s:", title);
	for (size_t i = 0; i < ARRAY_COUNT(ns_words); i++)
		if (flags & ns_words[i].flag)
			str_addf(out, " %s", ns_words[i].name);
	str_add(out, "\n");
}

static void print_maps(struct str *out, const char *title, const struct spec_idmaps *maps)
{
	for (size_t i = 0; i < maps->n; i++)
		str_addf(out, "%s: %u -> %u, %u ids\n", title, maps->v[i].container_id,
			 maps->v[i].host_id, maps->v[i].size);
}

static void print_offset(struct str *out, const char *clock, const struct spec_time_offset *offset)
{
	if (offset->given)
		str_addf(out, "time offset %s: %lld s %u ns\n", clock, (long long)offset->secs,
			 offset->nanosecs);
}

void plan_ns_print(const struct plan_ns *ns, struct str *out)
{
	print_flags(out, "make namespaces", ns->make);
	print_flags(out, "enter namespaces", ns->enter & ~ns->make);
	for (size_t i = 0; i < ns->n_joins; i++)
		str_addf(out, "join %s: %s\n", plan_ns_name(ns->joins[i].flag), ns->joins[i].path);
	print_maps(out, "uid map", &ns->uid_maps);
	print_maps(out, "gid map", &ns->gid_maps);
	print_offset(out, "monotonic", &ns->monotonic);
	print_offset(out, "boottime", &ns->boottime);
	if (ns->hostname)
		str_addf(out, "hostname: %s\n", ns->hostname);
	if (ns->domainname)
		str_addf(out, "domainname: %s\n", ns->domainname);
}
