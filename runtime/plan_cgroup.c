/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the container's cgroup is, who owns it, and how the plan looks as text. The limits are in
 * plan_cgroup_resources.c, the device rules in plan_cgroup_devices.c.
 */
#include "runtime/plan_cgroup.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>

#include "common/log.h"
#include "common/macros.h"

bool plan_cgroup_has_word(const char *list, char sep, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p && *p; p = strchr(p, sep) ? strchr(p, sep) + 1 : NULL) {
		if (strncmp(p, word, n) == 0 && (!p[n] || p[n] == sep))
			return true;
	}
	return false;
}

int plan_cgroup_dir_find(const struct plan_cgroup *plan, const char *controller)
{
	for (size_t i = 0; i < plan->n_dirs; i++) {
		const struct plan_cgroup_dir *dir = &plan->dirs[i];

		if (*controller
			    ? !dir->v2 && plan_cgroup_has_word(dir->controllers, ',', controller)
			    : dir->v2)
			return (int)i;
	}
	return -ENOENT;
}

struct plan_cgroup_write *plan_cgroup_add(struct arena *arena, struct plan_cgroup *plan, size_t dir,
					  const char *file, const char *value)
{
	struct plan_cgroup_write *w;

	/* Grows when the count reaches a power of two. */
	if ((plan->n_writes & (plan->n_writes - 1)) == 0) {
		size_t cap = plan->n_writes ? plan->n_writes * 2 : 1;
		struct plan_cgroup_write *v =
			ARENA_ARRAY(arena, MAX(cap, (size_t)1), struct plan_cgroup_write);

		if (plan->n_writes)
			memcpy(v, plan->writes, plan->n_writes * sizeof(*v));
		plan->writes = v;
	}
	w = &plan->writes[plan->n_writes++];
	*w = (struct plan_cgroup_write){ .dir = dir, .file = file, .value = value };
	return w;
}

/* Lexically cleaned, with ".." unable to climb above "/": "/a/b", "" for the root itself. */
static const char *clean_path(struct arena *arena, const char *path)
{
	char *out = ARENA_ARRAY(arena, strlen(path) + 2, char);
	size_t len = 0;

	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (len > 0 && out[--len] != '/')
				;
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			out[len++] = '/';
			memcpy(out + len, path, n);
			len += n;
		}
		path += n + (path[n] == '/');
	}
	out[len] = '\0';
	return out;
}

/* runc's rule: relative paths go below the caller's own cgroup on v1 and beside it on v2, where
 * the caller's own cgroup holds processes and so cannot have children with controllers. */
static const char *dir_path(struct arena *arena, const struct host *host,
			    const struct host_hierarchy *h, const char *wanted, bool absolute)
{
	char *base;

	if (absolute)
		return arena_printf(arena, "%s%s", h->mount_point, wanted);
	base = arena_strdup(arena, h->own_path);
	if (host->layout == HOST_CGROUP_V2) {
		char *slash = strrchr(base, '/');

		if (slash)
			*slash = '\0';
	}
	if (str_eq(base, "/"))
		*base = '\0';
	return arena_printf(arena, "%s%s%s", h->mount_point, base, wanted);
}

static int add_dirs(struct arena *arena, struct plan_cgroup *plan, const struct host *host,
		    const char *path, bool absolute, struct err *err)
{
	plan->dirs = ARENA_ARRAY(arena, host->n_hierarchies, struct plan_cgroup_dir);
	for (size_t i = 0; i < host->n_hierarchies; i++) {
		const struct host_hierarchy *h = &host->hierarchies[i];
		struct plan_cgroup_dir *dir = &plan->dirs[plan->n_dirs++];

		dir->controllers = h->name;
		dir->mount_point = h->mount_point;
		dir->v2 = h->v2;
		dir->path = dir_path(arena, host, h, path, absolute);
		if (strlen(dir->path) >= PATH_MAX - NAME_MAX)
			return err_set(err, ENAMETOOLONG,
				       "linux.cgroupsPath: %zu bytes are too long", strlen(path));
	}
	return 0;
}

static int plan_dirs(struct arena *arena, struct plan_cgroup *plan, const struct host *host,
		     const char *path, struct err *err)
{
	bool absolute = *path == '/';
	const char *wanted = clean_path(arena, path);

	if (!*wanted)
		return err_set(err, EINVAL, "linux.cgroupsPath: \"%s\" names no cgroup of its own",
			       path);
	if (strpbrk(wanted, "\n\\"))
		return err_set(err, EINVAL,
			       "linux.cgroupsPath: a line feed or backslash cannot be in a "
			       "cgroup's name");
	return add_dirs(arena, plan, host, wanted, absolute, err);
}

static int plan_dirs_systemd(struct arena *arena, struct plan_cgroup *plan, const struct spec *spec,
			     const struct host *host, const struct plan_request *request,
			     struct err *err)
{
	const char *path;
	int r;

	plan->systemd = ARENA_NEW(arena, struct plan_systemd);
	r = plan_systemd_place(arena, spec, host, request, plan->systemd, &path, err);
	return r < 0 ? r : add_dirs(arena, plan, host, path, true, err);
}

static bool has_option(const struct spec_strings *options, const char *word)
{
	for (size_t i = 0; i < options->n; i++) {
		if (str_eq(options->v[i], word))
			return true;
	}
	return false;
}

/* OCI "cgroup ownership": only with a cgroup namespace of its own and a writable cgroup mount at
 * /sys/fs/cgroup, and never on v1, where a delegated cgroup could raise its own limits. */
static void plan_delegate(struct plan_cgroup *plan, const struct spec *spec)
{
	const struct spec_namespace *ns = spec_namespace(spec, CLONE_NEWCGROUP);
	const struct spec_linux *l = &spec->linux_;
	uint32_t uid = spec->process.user.uid;
	bool writable = false;

	if (plan->layout != HOST_CGROUP_V2 || !ns || ns->path)
		return;
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct spec_mount *m = &spec->mounts[i];

		if (m->source && str_eq(m->source, "cgroup") &&
		    str_eq(m->destination, "/sys/fs/cgroup"))
			writable =
				!has_option(&m->options, "ro") && !has_option(&m->options, "rro");
	}
	if (!writable)
		return;
	if (!l->uid_maps.n) {
		plan->delegate = true;
		plan->delegate_uid = uid;
	}
	for (size_t i = 0; i < l->uid_maps.n; i++) {
		const struct spec_idmap *m = &l->uid_maps.v[i];

		if (uid >= m->container_id && uid - m->container_id < m->size) {
			plan->delegate = true;
			plan->delegate_uid = m->host_id + (uid - m->container_id);
			break;
		}
	}
}

/* Everything that the two managers have in common, once it is known where the cgroup is. */
static int plan_limits(struct arena *arena, struct plan_cgroup *plan, const struct spec *spec,
		       const struct host *host, const struct plan_request *request, struct err *err)
{
	const char *path = spec->linux_.cgroups_path;
	bool given = path && *path;
	int r;

	plan->tolerate_errors = request->rootless_cgroup && !given;
	plan->device_errors_ok = request->rootless_cgroup || host->in_user_ns;
	if (plan->manager == CGROUP_MANAGER_SYSTEMD)
		r = plan_dirs_systemd(arena, plan, spec, host, request, err);
	else
		r = plan_dirs(arena, plan, host, given ? path : request->id, err);
	if (r >= 0)
		r = plan_cgroup_devices(arena, &spec->linux_.resources, plan, err);
	if (r >= 0)
		r = plan_cgroup_resources(arena, &spec->linux_.resources, plan, err);
	if (r < 0)
		return r;
	plan_delegate(plan, spec);
	if (!plan->systemd)
		return 0;
	return plan_systemd_properties(arena, spec, host->systemd->version, request->id, plan, err);
}

/* Without any hierarchy the first limit is refused. Device rules alone, which every default
 * configuration has, are no limits here. */
static bool asks_for_limits(struct arena *arena, const struct spec_resources *resources)
{
	struct plan_cgroup nowhere = { .layout = HOST_CGROUP_NONE };
	struct err err;

	return plan_cgroup_resources(arena, resources, &nowhere, &err) < 0;
}

int plan_cgroup_build(struct arena *arena, const struct spec *spec, const struct host *host,
		      const struct plan_request *request, struct plan_cgroup **ret, struct err *err)
{
	struct plan_cgroup *plan = ARENA_NEW(arena, struct plan_cgroup);
	int r;

	plan->manager = request->cgroup_manager;
	plan->layout = host->layout;
	plan->v2_available = host->v2_controllers ? host->v2_controllers : "";
	plan->v2_required = "";
	switch (plan->manager) {
	case CGROUP_MANAGER_DISABLED:
		if (asks_for_limits(arena, &spec->linux_.resources))
			log_warning("linux.resources: not applied, the cgroup manager is "
				    "\"disabled\"");
		break;
	case CGROUP_MANAGER_SYSTEMD:
	case CGROUP_MANAGER_FS:
		r = plan_limits(arena, plan, spec, host, request, err);
		if (r < 0)
			return r;
		break;
	}
	*ret = plan;
	return 0;
}

static void print_rule(const struct spec_device_rule *rule, struct str *out)
{
	str_addf(out, "device %s %c ", rule->allow ? "allow" : "deny", rule->type);
	if (rule->major < 0)
		str_add(out, "*:");
	else
		str_addf(out, "%lld:", (long long)rule->major);
	if (rule->minor < 0)
		str_add(out, "* ");
	else
		str_addf(out, "%lld ", (long long)rule->minor);
	str_addf(out, "%s%s%s\n", rule->read ? "r" : "", rule->write ? "w" : "",
		 rule->mknod ? "m" : "");
}

void plan_cgroup_print(const struct plan_cgroup *plan, struct str *out)
{
	static const char *const managers[] = { "cgroupfs", "systemd", "disabled" };
	static const char *const layouts[] = { "none", "v1", "hybrid", "v2" };

	str_addf(out, "cgroup manager=%s layout=%s%s%s\n", managers[plan->manager],
		 layouts[plan->layout], plan->tolerate_errors ? " tolerate-errors" : "",
		 plan->device_errors_ok ? " device-errors-ok" : "");
	if (plan->delegate)
		str_addf(out, "delegate %u\n", plan->delegate_uid);
	if (plan->v2_required && *plan->v2_required)
		str_addf(out, "v2 requires %s\n", plan->v2_required);
	for (size_t i = 0; i < plan->n_dirs; i++)
		str_addf(out, "dir %zu [%s] %s\n", i, plan->dirs[i].controllers,
			 plan->dirs[i].path);
	for (size_t i = 0; i < plan->n_writes; i++) {
		const struct plan_cgroup_write *w = &plan->writes[i];

		str_addf(out, "write %zu %s ", w->dir, w->file);
		str_add_quoted(out, w->value);
		str_addf(out, "%s%s%s%s", w->optional ? " optional" : "",
			 w->alternative ? " alternative" : "", w->may_refuse ? " may-refuse" : "",
			 w->check_usage ? " check-usage" : "");
		if (w->group)
			str_addf(out, " group=%u", w->group);
		str_addf(out, " (%s)\n", w->json_path);
	}
	for (size_t i = 0; plan->device_program && i < plan->n_device_rules; i++)
		print_rule(&plan->device_rules[i], out);
	if (plan->systemd)
		plan_systemd_print(plan->systemd, out);
}
