/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.sysctl: only what belongs to a namespace of the container's own may be set, and a key is
 * made a path here, once, so that nothing is interpreted twice. Pure.
 */
#include <errno.h>
#include <sched.h>

#include "runtime/plan_mounts.h"

struct sysctl_rule {
	const char *path; /* below /proc/sys; ending in '/': everything below */
	uint64_t namespace_flag;
};

static const struct sysctl_rule rules[] = {
	{ "kernel/msgmax", CLONE_NEWIPC },   { "kernel/msgmnb", CLONE_NEWIPC },
	{ "kernel/msgmni", CLONE_NEWIPC },   { "kernel/sem", CLONE_NEWIPC },
	{ "kernel/shmall", CLONE_NEWIPC },   { "kernel/shmmax", CLONE_NEWIPC },
	{ "kernel/shmmni", CLONE_NEWIPC },   { "kernel/shm_rmid_forced", CLONE_NEWIPC },
	{ "fs/mqueue/", CLONE_NEWIPC },      { "net/", CLONE_NEWNET },
	{ "kernel/hostname", CLONE_NEWUTS }, { "kernel/domainname", CLONE_NEWUTS },
};

static const struct sysctl_rule *find_rule(const char *path)
{
	for (size_t i = 0; i < ARRAY_COUNT(rules); i++) {
		const char *want = rules[i].path;

		if (want[strlen(want) - 1] == '/' ? str_starts_with(path, want)
						  : str_eq(path, want))
			return &rules[i];
	}
	return NULL;
}

/* "net.ipv4.conf.eth0/1.forwarding" and "net/ipv4/conf/eth0.1/forwarding" are the same: the first
 * separator met decides, the other one is then a plain character of a name (sysctl.d(5)). */
static char *key_to_path(struct arena *arena, const char *key)
{
	char *path = arena_strdup(arena, key);
	size_t first = strcspn(path, "./");

	if (path[first] == '/')
		return path;
	for (char *p = path; *p; p++) {
		if (*p == '.')
			*p = '/';
		else if (*p == '/')
			*p = '.';
	}
	return path;
}

static bool is_clean_path(const char *path)
{
	const char *p = path;

	for (const unsigned char *c = (const unsigned char *)path; *c; c++) {
		/* '+' separated settings in one text for others (CVE-2022-0811). */
		if (*c <= ' ' || *c >= 0x7f || *c == '+' || *c == '=' || *c == '\\')
			return false;
	}
	for (;;) {
		size_t n = strcspn(p, "/");

		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		if (!p[n])
			return true;
		p += n + 1;
	}
}

static int check_one(const struct spec *spec, const struct spec_pair *pair, const char *path,
		     struct err *err)
{
	const struct sysctl_rule *rule;

	if (!is_clean_path(path))
		return err_set(err, EINVAL, "linux.sysctl: invalid key \"%s\"", pair->key);
	if (strpbrk(pair->value, "\n\r"))
		return err_set(err, EINVAL, "linux.sysctl[\"%s\"]: newline in the value",
			       pair->key);
	rule = find_rule(path);
	if (!rule)
		return err_set(err, EINVAL,
			       "linux.sysctl: sysctl \"%s\" is not in a separate kernel namespace",
			       pair->key);
	if (!spec_namespace(spec, rule->namespace_flag))
		return err_set(
			err, EINVAL,
			"linux.sysctl: sysctl \"%s\" is not allowed in the hosts %s namespace",
			pair->key,
			rule->namespace_flag == CLONE_NEWIPC   ? "ipc"
			: rule->namespace_flag == CLONE_NEWNET ? "network"
							       : "uts");
	if ((str_eq(path, "kernel/hostname") && spec->hostname) ||
	    (str_eq(path, "kernel/domainname") && spec->domainname))
		return err_set(err, EINVAL,
			       "linux.sysctl: sysctl \"%s\" conflicts with the field \"%s\"",
			       pair->key, strchr(path, '/') + 1);
	return 0;
}

int plan_sysctl_build(struct arena *arena, const struct spec *spec, struct plan_mounts *plan,
		      struct err *err)
{
	const struct spec_map *map = &spec->linux_.sysctl;
	const struct spec_namespace *net = spec_namespace(spec, CLONE_NEWNET);
	int r;

	plan->sysctl.v = ARENA_ARRAY(arena, map->n, struct spec_pair);
	for (size_t i = 0; i < map->n; i++) {
		char *path = key_to_path(arena, map->v[i].key);

		r = check_one(spec, &map->v[i], path, err);
		if (r < 0)
			return r;
		plan->sysctl.v[plan->sysctl.n++] =
			(struct spec_pair){ .key = path, .value = map->v[i].value };
		if (net && str_starts_with(path, "net/"))
			plan->net_ns_path = net->path;
	}
	return 0;
}
