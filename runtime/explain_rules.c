/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What neither the tables nor the plan can know: facts of this kernel and of the bundle's files, and
 * how a field is done where that is not as it is written. A field without a rule is applied as it
 * says, or was refused by the plan. See explain.h.
 */
#include "runtime/explain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/io.h"
#include "runtime/annotations.h"
#include "runtime/seccomp.h"
#include "spec/spec_read.h"

#define CGROUP_CHILDREN_MAX 64

typedef void rule_fn(struct explain *e, struct explain_row *row);

/* ---- files and namespaces ---- */

static const char *string_of(const struct explain_row *row)
{
	return row->value->type == JSON_STRING ? row->value->string : "";
}

static const char *in_bundle(struct explain *e, const char *path)
{
	return path[0] == '/' ? path : arena_printf(e->arena, "%s/%s", e->bundle, path);
}

static void rule_path(struct explain *e, struct explain_row *row)
{
	const char *path = in_bundle(e, string_of(row));

	if (access(path, F_OK) < 0)
		explain_set(e, row, EXPLAIN_UNSUPPORTED, "\"%s\": %s", path, err_strerror(errno));
}

static void rule_hook(struct explain *e, struct explain_row *row)
{
	if (access(string_of(row), X_OK) < 0)
		explain_set(e, row, EXPLAIN_UNSUPPORTED, "\"%s\": %s", string_of(row),
			    err_strerror(errno));
}

static void rule_hook_inside(struct explain *e, struct explain_row *row)
{
	explain_set(e, row, EXPLAIN_APPLIED, "looked for in the container");
}

static void rule_namespace(struct explain *e, struct explain_row *row)
{
	const char *type = string_of(row);
	const char *file = str_eq(type, "mount") ? "mnt" : str_eq(type, "network") ? "net" : type;

	if (access(arena_printf(e->arena, "/proc/self/ns/%s", file), F_OK) < 0)
		explain_set(e, row, EXPLAIN_UNSUPPORTED, "this kernel has no %s namespaces", type);
}

static void rule_time(struct explain *e, struct explain_row *row)
{
	if (access("/proc/self/timens_offsets", F_OK) < 0)
		explain_set(e, row, EXPLAIN_UNSUPPORTED, "this kernel has no time namespaces");
}

/* ---- mounts ---- */

static bool has_option(const struct json *mount, const char *a, const char *b)
{
	json_each (option, json_get(mount, "options"))
		if (option->type == JSON_STRING &&
		    (str_eq(option->string, a) || str_eq(option->string, b)))
			return true;
	return false;
}

static void rule_mount_type(struct explain *e, struct explain_row *row)
{
	const char *type = string_of(row);
	CLEANUP_ARENA struct arena tmp = { 0 };
	char *text = NULL;
	size_t n;

	if (has_option(row->parent, "bind", "rbind") || str_eq(type, "bind")) {
		if (!str_eq(type, "bind") && !str_eq(type, "none"))
			explain_set(e, row, EXPLAIN_IGNORED, "a bind mount has the source's type");
		return;
	}
	if (str_eq(type, "cgroup")) {
		if (e->host->layout == HOST_CGROUP_V2)
			explain_set(e, row, EXPLAIN_EMULATED, "mounted as cgroup2");
		return;
	}
	if (io_read_file(AT_FDCWD, "/proc/filesystems", 1 << 16, &tmp, &text, &n) < 0)
		return;
	if (!strstr(text, arena_printf(&tmp, "\t%s\n", type)))
		explain_set(e, row, EXPLAIN_APPLIED,
			    "not registered now: if the kernel can load no module for it, "
			    "create fails");
}

static void rule_mount_source(struct explain *e, struct explain_row *row)
{
	const char *type = json_str(row->parent, "type");

	if (has_option(row->parent, "bind", "rbind") || (type && str_eq(type, "bind")))
		rule_path(e, row);
}

/* ---- process ---- */

static void rule_caps(struct explain *e, struct explain_row *row)
{
	CLEANUP_STR struct str names = { 0 };

	json_each (name, row->value) {
		int cap = name->type == JSON_STRING ? spec_capability(name->string) : -1;

		if (name->type == JSON_STRING && (cap < 0 || cap > e->host->last_cap))
			str_addf(&names, "%s%.64s", names.len ? ", " : "", name->string);
	}
	if (names.len)
		explain_set(e, row, EXPLAIN_IGNORED,
			    "not known to this kernel, the others are set: %s", names.data);
}

static void rule_console(struct explain *e, struct explain_row *row)
{
	if (e->spec && !e->spec->process.terminal)
		explain_set(e, row, EXPLAIN_IGNORED, "the process has no terminal");
}

static void rule_affinity(struct explain *e, struct explain_row *row)
{
	explain_set(e, row, EXPLAIN_APPLIED, "to processes of exec");
}

static void rule_apparmor(struct explain *e, struct explain_row *row)
{
	if (!e->host->apparmor)
		explain_set(e, row, EXPLAIN_IGNORED, "there is no AppArmor, so it is unconfined");
}

/* ---- linux ---- */

static void rule_device(struct explain *e, struct explain_row *row)
{
	if (e->plan && e->plan->mounts->bind_devices)
		explain_set(e, row, EXPLAIN_EMULATED,
			    "the host's node is bound: none can be made in a user namespace");
}

static void rule_sysctl(struct explain *e, struct explain_row *row)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/proc/sys/%s", row->value->key);
	for (char *c = path + strlen("/proc/sys/"); *c; c++)
		if (*c == '.' && !strchr(row->value->key, '/'))
			*c = '/';
	if (access(path, F_OK) < 0)
		explain_set(e, row, EXPLAIN_UNSUPPORTED, "this kernel has no \"%s\"", path);
}

static void rule_seccomp_flags(struct explain *e, struct explain_row *row)
{
	const char *known[16] = { NULL };
	CLEANUP_STR struct str names = { 0 };

	seccomp_supported_flags(known, ARRAY_COUNT(known));
	json_each (flag, row->value) {
		size_t i = 0;

		while (flag->type == JSON_STRING && known[i] && !str_eq(known[i], flag->string))
			i++;
		if (flag->type == JSON_STRING && !known[i])
			str_addf(&names, "%s%s", names.len ? ", " : "", flag->string);
	}
	if (names.len)
		explain_set(e, row, EXPLAIN_UNSUPPORTED, "this kernel does not know %s",
			    names.data);
}

static void rule_memory_policy(struct explain *e, struct explain_row *row)
{
	if (access("/proc/self/numa_maps", F_OK) < 0)
		explain_set(e, row, EXPLAIN_UNSUPPORTED, "this kernel has no memory policies");
}

static void rule_kernel_memory(struct explain *e, struct explain_row *row)
{
	explain_set(e, row, EXPLAIN_IGNORED, "the kernel has no such limit any more");
}

static void rule_device_rules(struct explain *e, struct explain_row *row)
{
	if (e->plan && e->plan->cgroup->manager == CGROUP_MANAGER_DISABLED)
		explain_set(e, row, EXPLAIN_IGNORED, "the cgroup manager is \"disabled\"");
	else if (e->plan && e->plan->cgroup->device_program)
		explain_set(e, row, EXPLAIN_EMULATED, "part of a device program (cgroup v2)");
}

static void rule_annotation(struct explain *e, struct explain_row *row)
{
	const char *effect = annotations_effect(row->value->key);

	explain_set(e, row, EXPLAIN_APPLIED, "%s",
		    effect ? effect : "told in the state, to hooks too");
}

/* The first one that fits counts. */
static const struct rule {
	const char *pattern;
	rule_fn *apply;
} rules[] = {
	{ "root.path", rule_path },
	{ "mounts[].type", rule_mount_type },
	{ "mounts[].source", rule_mount_source },
	{ "hooks.startContainer[].path", rule_hook_inside },
	{ "hooks.*[].path", rule_hook },
	{ "annotations[]", rule_annotation },
	{ "process.consoleSize.*", rule_console },
	{ "process.capabilities.*", rule_caps },
	{ "process.execCPUAffinity.*", rule_affinity },
	{ "process.apparmorProfile", rule_apparmor },
	{ "linux.namespaces[].type", rule_namespace },
	{ "linux.namespaces[].path", rule_path },
	{ "linux.timeOffsets.*.*", rule_time },
	{ "linux.devices[].*", rule_device },
	{ "linux.sysctl[]", rule_sysctl },
	{ "linux.seccomp.flags", rule_seccomp_flags },
	{ "linux.seccomp.listenerPath", rule_path },
	{ "linux.memoryPolicy.*", rule_memory_policy },
	{ "linux.resources.devices[].*", rule_device_rules },
	{ "linux.resources.memory.kernel", rule_kernel_memory },
	{ "linux.resources.memory.kernelTCP", rule_kernel_memory },
};

const char *explain_rule_pattern(size_t n)
{
	return n < ARRAY_COUNT(rules) ? rules[n].pattern : NULL;
}

bool explain_matches(const char *rule, const char *pattern)
{
	for (; *rule; rule++) {
		if (*rule == '*')
			pattern += strcspn(pattern, ".[");
		else if (*pattern++ != *rule)
			return false;
	}
	return *pattern == '\0';
}

/* ---- what is written into cgroups ---- */

/* True if a cgroup of that hierarchy has the file, or nobody can tell: the root has few, and there may
 * be no other. On v2 the children have those of the controllers that are enabled for them. */
static bool cgroup_has_file(const struct plan_cgroup_dir *dir, const char *file)
{
	char path[PATH_MAX], enabled[1024];
	size_t n = strcspn(file, ".");
	bool found = false, seen = false;
	struct dirent *entry;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", dir->mount_point, file);
	if (access(path, F_OK) == 0)
		return true;
	d = opendir(dir->mount_point);
	if (!d)
		return true;
	for (size_t i = 0; !found && i < CGROUP_CHILDREN_MAX && (entry = readdir(d));) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s", dir->mount_point, entry->d_name, file);
		found = access(path, F_OK) == 0;
		/* Afterwards: a cgroup that goes meanwhile has shown nothing. */
		snprintf(path, sizeof(path), "%s/%s/cgroup.procs", dir->mount_point, entry->d_name);
		seen |= access(path, F_OK) == 0;
		i++;
	}
	closedir(d);
	if (found || !dir->v2)
		return found || !seen;
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", dir->mount_point);
	if (io_read_small(AT_FDCWD, path, enabled, sizeof(enabled)) < 0)
		return true;
	enabled[strcspn(enabled, "\n")] = '\0';
	snprintf(path, sizeof(path), "%.*s", (int)n, file);
	return !plan_cgroup_has_word(enabled, ' ', path);
}

/* Is the number written as it was asked for? -1 is "max" everywhere. */
static bool is_literal(const struct json *value, const char *written)
{
	size_t n;

	if (value->type != JSON_NUMBER || value->string[0] == '-')
		return true;
	n = strlen(value->string);
	for (const char *at = written; (at = strstr(at, value->string)); at += n) {
		bool begins = at == written || !strchr("0123456789.", at[-1]);

		if (begins && !(at[n] && strchr("0123456789.", at[n])))
			return true;
	}
	return false;
}

static void explain_writes(struct explain *e, struct explain_row *row)
{
	const struct plan_cgroup *plan = e->plan->cgroup;
	CLEANUP_STR struct str text = { 0 };
	bool literal = false, there = false, optional = true;
	const char *missing = NULL;

	for (size_t i = 0; i < plan->n_writes; i++) {
		const struct plan_cgroup_write *w = &plan->writes[i];
		const struct json *node = w->json_path ? explain_find(e, w->json_path) : NULL;

		if (!node || !explain_is_below(row->value, node))
			continue;
		if (!cgroup_has_file(&plan->dirs[w->dir], w->file)) {
			missing = w->file;
			optional = optional && w->optional;
			continue;
		}
		there = true;
		literal = literal || is_literal(row->value, w->value);
		if (text.len < 200)
			str_addf(&text, "%s%s: %s", text.len ? ", " : "", w->file, w->value);
	}
	if (there)
		explain_set(e, row, literal ? EXPLAIN_APPLIED : EXPLAIN_EMULATED, "%s", text.data);
	else if (missing)
		explain_set(e, row, optional ? EXPLAIN_IGNORED : EXPLAIN_UNSUPPORTED,
			    "this kernel has no %s", missing);
}

void explain_apply_rules(struct explain *e)
{
	for (size_t i = 0; i < e->n_rows; i++) {
		struct explain_row *row = &e->rows[i];

		if (row->status != EXPLAIN_APPLIED || !row->value)
			continue;
		for (size_t k = 0; k < ARRAY_COUNT(rules); k++) {
			if (explain_matches(rules[k].pattern, row->pattern)) {
				rules[k].apply(e, row);
				break;
			}
		}
		if (e->plan && str_starts_with(row->pattern, "linux.resources.") &&
		    row->status == EXPLAIN_APPLIED)
			explain_writes(e, row);
	}
}
