/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which unit a container is, in which slice, and what a new unit is told beside its limits: that
 * processes and sub-cgroups are ours (Delegate), the device rules, the annotations.
 */
#include "runtime/plan_systemd.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>

#include "common/log.h"
#include "common/macros.h"
#include "runtime/annotations.h"
#include "runtime/plan_cgroup.h"

#define ANNOTATION "org.systemd.property."
/* systemd's own limit of a unit's name. */
#define UNIT_NAME_MAX 255

/* ---- names ---- */

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && str_eq(s + n - m, end);
}

static bool is_unit_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr(":-_.\\@", c));
}

static int check_unit_name(const char *name, struct err *err)
{
	for (const char *s = name; *s; s++)
		if (!is_unit_char(*s))
			return err_set(err, EINVAL,
				       "linux.cgroupsPath: \"%s\" cannot be the name of a systemd "
				       "unit",
				       name);
	if (strlen(name) > UNIT_NAME_MAX)
		return err_set(err, ENAMETOOLONG,
			       "linux.cgroupsPath: a systemd unit's name has at most %d bytes, not "
			       "%zu",
			       UNIT_NAME_MAX, strlen(name));
	return 0;
}

/* "a-b-c.slice" -> "/a.slice/a-b.slice/a-b-c.slice", "-.slice" -> "". */
static int slice_path(struct arena *arena, const char *slice, const char **ret, struct err *err)
{
	size_t n = strlen(slice);
	CLEANUP_STR struct str out = { 0 };

	if (str_eq(slice, "-.slice")) {
		*ret = "";
		return 0;
	}
	if (!ends_with(slice, ".slice") || n == strlen(".slice") || strchr(slice, '/'))
		return err_set(err, EINVAL, "invalid slice name: %s", slice);
	n -= strlen(".slice");
	for (size_t i = 0; i <= n; i++) {
		if (i < n && slice[i] != '-')
			continue;
		if (i == 0 || slice[i - 1] == '-')
			return err_set(err, EINVAL, "invalid slice name: %s", slice);
		str_addf(&out, "/%.*s.slice", (int)i, slice);
	}
	*ret = arena_strdup(arena, out.data);
	return check_unit_name(slice, err);
}

/* An id is a name but for '+', which units cannot have. */
static const char *escape_id(struct arena *arena, const char *id)
{
	CLEANUP_STR struct str out = { 0 };

	for (; *id; id++) {
		if (*id == '+')
			str_add(&out, "\\x2b");
		else
			str_add_char(&out, *id);
	}
	return arena_strdup(arena, out.data);
}

/* slice:prefix:name, as runc takes it. */
static int split_path(struct arena *arena, const char *path, const char *id,
		      struct plan_systemd *plan, struct err *err)
{
	const char *first = path ? strchr(path, ':') : NULL;
	const char *second = first ? strchr(first + 1, ':') : NULL;
	const char *prefix;

	plan->slice = plan->user ? "user.slice" : "system.slice";
	if (!path || !*path) {
		plan->unit = arena_printf(arena, "thole-%s.scope", escape_id(arena, id));
		return 0;
	}
	if (!second || strchr(second + 1, ':') || !second[1])
		return err_set(err, EINVAL,
			       "expected cgroupsPath to be of format \"slice:prefix:name\" for "
			       "systemd cgroups, got \"%s\" instead",
			       path);
	if (first != path)
		plan->slice = arena_strndup(arena, path, (size_t)(first - path));
	prefix = arena_strndup(arena, first + 1, (size_t)(second - first - 1));
	plan->is_slice = ends_with(second + 1, ".slice");
	plan->unit = plan->is_slice ? second + 1
				    : arena_printf(arena, "%s-%s.scope", prefix, second + 1);
	return 0;
}

/* crun's annotation. Other names would be a cgroup that is no child of the unit's. */
static int place_below(struct arena *arena, const struct spec *spec, const struct host *host,
		       struct plan_systemd *ret, struct err *err)
{
	const char *name = spec_annotation(spec, ANNOTATION_SUBGROUP);

	ret->sub = "";
	if (!name || !*name)
		return 0;
	if (str_eq(name, ".") || str_eq(name, "..") || strpbrk(name, "/\\\n") ||
	    strlen(name) > NAME_MAX)
		return err_set(err, EINVAL,
			       "annotations[\"" ANNOTATION_SUBGROUP "\"]: \"%.64s\" is no name of "
			       "a cgroup",
			       name);
	if (host->layout != HOST_CGROUP_V2 || ret->is_slice)
		log_warning("annotations[\"" ANNOTATION_SUBGROUP "\"]: no effect %s",
			    ret->is_slice ? "in a slice" : "without pure cgroup v2");
	else
		ret->sub = arena_printf(arena, "/%s", name);
	return 0;
}

int plan_systemd_place(struct arena *arena, const struct spec *spec, const struct host *host,
		       const struct plan_request *request, struct plan_systemd *ret,
		       const char **ret_path, struct err *err)
{
	const char *parent = "", *base;
	int r;

	if (!host->systemd)
		return err_set(err, EINVAL, "cgroup manager \"systemd\": systemd was not asked");
	ret->user = request->rootless_cgroup;
	ret->address = host->systemd->address;
	/* The user's manager has nothing but its branch of v2: on v1 it may set no limit. */
	if (ret->user && host->layout != HOST_CGROUP_V2)
		return err_set(err, ENOTSUP,
			       "cgroup v2 not enabled on this host, can't use systemd (rootless) "
			       "as cgroups manager");
	r = split_path(arena, spec->linux_.cgroups_path, request->id, ret, err);
	if (r >= 0)
		r = slice_path(arena, ret->slice, &parent, err);
	if (r >= 0)
		r = check_unit_name(ret->unit, err);
	/* Where a slice is, its name says, whatever slice it is wanted by. */
	if (r >= 0 && ret->is_slice)
		r = slice_path(arena, ret->unit, &parent, err);
	if (r < 0)
		return r;
	r = place_below(arena, spec, host, ret, err);
	if (r < 0)
		return r;
	base = str_eq(host->systemd->control_group, "/") ? "" : host->systemd->control_group;
	*ret_path = ret->is_slice
			    ? arena_printf(arena, "%s%s", base, parent)
			    : arena_printf(arena, "%s%s/%s%s", base, parent, ret->unit, ret->sub);
	return 0;
}

/* ---- the list of properties ---- */

struct unit_value *plan_systemd_put(struct arena *arena, struct plan_systemd *plan,
				    const char *name)
{
	struct unit_property *p;

	for (size_t i = 0; i < plan->n_props; i++) {
		if (!str_eq(plan->props[i].name, name))
			continue;
		plan->props[i].value = (struct unit_value){ 0 };
		return &plan->props[i].value;
	}
	/* Grows when the count reaches a power of two. */
	if ((plan->n_props & (plan->n_props - 1)) == 0) {
		size_t cap = plan->n_props ? plan->n_props * 2 : 1;

		p = ARENA_ARRAY(arena, cap, struct unit_property);
		if (plan->n_props)
			memcpy(p, plan->props, plan->n_props * sizeof(*p));
		plan->props = p;
	}
	p = &plan->props[plan->n_props++];
	*p = (struct unit_property){ .name = name };
	return &p->value;
}

struct unit_value *plan_systemd_append(struct arena *arena, struct plan_systemd *plan,
				       const char *name, const char *element)
{
	struct unit_value *array;

	for (size_t i = 0; i < plan->n_props; i++)
		if (str_eq(plan->props[i].name, name) && plan->props[i].value.type == 'a' &&
		    str_eq(plan->props[i].value.text, element))
			return &plan->props[i].value;
	array = plan_systemd_put(arena, plan, name);
	array->type = 'a';
	array->text = element;
	return array;
}

void plan_systemd_put_u64(struct arena *arena, struct plan_systemd *plan, const char *name,
			  uint64_t value)
{
	*plan_systemd_put(arena, plan, name) = (struct unit_value){ .type = 't', .number = value };
}

static void put_bool(struct arena *arena, struct plan_systemd *plan, const char *name, bool value)
{
	*plan_systemd_put(arena, plan, name) = (struct unit_value){ .type = 'b', .number = value };
}

static void put_text(struct arena *arena, struct plan_systemd *plan, const char *name,
		     const char *text)
{
	*plan_systemd_put(arena, plan, name) = (struct unit_value){ .type = 's', .text = text };
}

/* ---- annotations ---- */

/* What decides where processes are and whose the cgroup is belongs to the runtime: with PIDs an
 * annotation would drag any process of the host into a unit that is stopped with the container. */
static bool is_ours(const char *name)
{
	static const char *const names[] = { "PIDs",
					     "PIDFDs",
					     "Slice",
					     "Delegate",
					     "Controller",
					     "DelegateControllers",
					     "DelegateSubgroup" };

	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (str_eq(name, names[i]))
			return true;
	return false;
}

static int check_property_name(const char *name, struct err *err)
{
	size_t n = strlen(name);

	if (n < 3 || n > 128 ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != n)
		return err_set(err, EINVAL,
			       "annotation \"" ANNOTATION "%.64s\": no name of a property", name);
	if (is_ours(name))
		return err_set(err, EPERM,
			       "annotation \"" ANNOTATION "%s\": the property is the runtime's",
			       name);
	return 0;
}

/* TimeoutStopSec=5 -> TimeoutStopUSec=uint64 5000000. A "USec" is none of these. */
static int convert_seconds(struct arena *arena, const char **name, struct unit_value *value,
			   struct err *err)
{
	const char *full = *name;
	size_t n = strlen(full) - strlen("Sec");
	double usec;

	if (!ends_with(full, "Sec") || !n || full[n - 1] < 'a' || full[n - 1] > 'z')
		return 0;
	if (strchr("nix", value->type))
		usec = (double)(int64_t)value->number * 1e6;
	else if (strchr("yqut", value->type))
		usec = (double)value->number * 1e6;
	else if (value->type == 'd')
		usec = value->real * 1e6;
	else
		return err_set(err, EINVAL, "annotation \"" ANNOTATION "%s\": no number", full);
	if (!(usec >= 0 && usec < 18446744073709549568.0))
		return err_set(err, ERANGE, "annotation \"" ANNOTATION "%s\": out of range", full);
	*name = arena_printf(arena, "%.*sUSec", (int)n, full);
	/* To the nearest: 0.3 s are not 299999 microseconds. Whole seconds need no such care. */
	*value = (struct unit_value){ .type = 't', .number = (uint64_t)(usec + 0.5) };
	return 0;
}

static int put_annotations(struct arena *arena, const struct spec *spec, struct plan_systemd *plan,
			   struct err *err)
{
	for (size_t i = 0; i < spec->annotations.n; i++) {
		const char *key = spec->annotations.v[i].key;
		const char *name = key + strlen(ANNOTATION);
		struct unit_value value;
		int r;

		if (!str_starts_with(key, ANNOTATION))
			continue;
		r = check_property_name(name, err);
		if (r < 0)
			return r;
		r = unit_value_parse(arena, spec->annotations.v[i].value, &value, err);
		if (r < 0)
			return err_wrap(err, "annotation \"%s\"", key);
		r = convert_seconds(arena, &name, &value, err);
		if (r < 0)
			return r;
		*plan_systemd_put(arena, plan, name) = value;
	}
	return 0;
}

/* ---- devices ---- */

static const char *device_node(struct arena *arena, char type, int64_t major, int64_t minor)
{
	const char *kind = type == 'b' ? "block" : "char";

	/* systemd knows no "any major, this minor"; what is allowed too much here, the program on
	 * the cgroup still denies. */
	if (major < 0)
		return arena_printf(arena, "%s-*", kind);
	if (minor < 0)
		return arena_printf(arena, "%s-%" PRId64, kind, major);
	return arena_printf(arena, "/dev/%s/%" PRId64 ":%" PRId64, kind, major, minor);
}

static void allow_device(struct arena *arena, struct plan_systemd *plan,
			 const struct spec_device_rule *rule)
{
	struct unit_value *list = plan_systemd_append(arena, plan, "DeviceAllow", "(ss)");
	struct unit_value *more = ARENA_ARRAY(arena, list->n + 1, struct unit_value);
	struct unit_value *pair = ARENA_ARRAY(arena, 2, struct unit_value);

	pair[0].type = pair[1].type = 's';
	pair[0].text = device_node(arena, rule->type, rule->major, rule->minor);
	pair[1].text = arena_printf(arena, "%s%s%s", rule->read ? "r" : "", rule->write ? "w" : "",
				    rule->mknod ? "m" : "");
	if (list->n)
		memcpy(more, list->items, list->n * sizeof(*more));
	more[list->n++] = (struct unit_value){ .type = '(', .items = pair, .n = 2 };
	list->items = more;
}

/* systemd writes its own rules whenever it looks at the unit again (daemon-reload), so it must know
 * ours. It has allow rules only: where everything is allowed by default it is told to keep out. */
static void put_devices(struct arena *arena, struct plan_cgroup *plan)
{
	struct plan_systemd *systemd = plan->systemd;
	struct spec_device_rule *rules;
	struct unit_value *list;
	bool allow;
	size_t n;

	plan_cgroup_devices_flatten(arena, plan, &rules, &n, &allow);
	if (allow && n && !plan->device_program)
		log_warning("linux.resources.devices: systemd cannot be told what is denied, and "
			    "may allow it again (daemon-reload)");
	put_text(arena, systemd, "DevicePolicy", allow ? "auto" : "strict");
	/* Never absent: an annotation's would stay in force. */
	list = plan_systemd_put(arena, systemd, "DeviceAllow");
	*list = (struct unit_value){ .type = 'a', .text = "(ss)" };
	for (size_t i = 0; !allow && i < n; i++)
		allow_device(arena, systemd, &rules[i]);
}

/* ---- all ---- */

int plan_systemd_properties(struct arena *arena, const struct spec *spec, unsigned int version,
			    const char *id, struct plan_cgroup *plan, struct err *err)
{
	struct plan_systemd *systemd = plan->systemd;
	bool v2 = plan->layout == HOST_CGROUP_V2;
	int r;

	put_text(arena, systemd, "Description", arena_printf(arena, "thole container %s", id));
	if (systemd->is_slice) {
		struct unit_value *wants = plan_systemd_append(arena, systemd, "Wants", "s");

		wants->items = ARENA_ARRAY(arena, 1, struct unit_value);
		wants->items[wants->n++] =
			(struct unit_value){ .type = 's', .text = systemd->slice };
	} else {
		put_text(arena, systemd, "Slice", systemd->slice);
		put_bool(arena, systemd, "Delegate", true);
	}
	put_bool(arena, systemd, "MemoryAccounting", true);
	put_bool(arena, systemd, "CPUAccounting", true);
	put_bool(arena, systemd, v2 ? "IOAccounting" : "BlockIOAccounting", true);
	put_bool(arena, systemd, "TasksAccounting", true);
	put_bool(arena, systemd, "DefaultDependencies", false);
	r = put_annotations(arena, spec, systemd, err);
	if (r < 0)
		return r;
	/* A user's manager has no right to enforce them. */
	if (!systemd->user)
		put_devices(arena, plan);
	return plan_systemd_resources(arena, version, true, plan, err);
}

void plan_systemd_print(const struct plan_systemd *plan, struct str *out)
{
	str_addf(out, "unit %s slice=%s%s%s%s\n", plan->unit, plan->slice,
		 *plan->sub ? " sub=" : "", plan->sub, plan->user ? " user" : "");
	for (size_t i = 0; i < plan->n_props; i++) {
		str_addf(out, "property %s ", plan->props[i].name);
		unit_value_signature(&plan->props[i].value, out);
		str_add_char(out, ' ');
		unit_value_print(&plan->props[i].value, out);
		str_add_char(out, '\n');
	}
}
