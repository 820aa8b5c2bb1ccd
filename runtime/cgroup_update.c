/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New limits for a cgroup that is in use. What its files said before is read first and written back
 * when one of the new values is refused, so that an update is done whole or not at all.
 */
#include "runtime/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "common/io.h"
#include "common/log.h"
#include "common/macros.h"
#include "common/str.h"
#include "runtime/cgroup_backend.h"
#include "runtime/cgroup_systemd.h"

#define LIMIT_FILE_MAX (1u << 20)

/* Length of a device number "8:16" that a blank follows, 0 if the text does not begin with one. */
static size_t device_len(const char *text)
{
	size_t major = strspn(text, "0123456789"), minor;

	if (!major || text[major] != ':')
		return 0;
	minor = strspn(text + major + 1, "0123456789");
	return minor && text[major + 1 + minor] == ' ' ? major + 1 + minor : 0;
}

/* The line of `text` that begins with the n bytes of `key` and a blank; NULL if there is none. */
static const char *find_line(const char *text, const char *key, size_t n)
{
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (strncmp(text, key, n) == 0 && text[n] == ' ')
			return text;
	return NULL;
}

static const char *line_of(struct arena *arena, const char *text)
{
	return arena_strndup(arena, text, strcspn(text, "\n"));
}

/* What a device is told that has no limit: one line a file in v1, one word a limit in v2. */
static const char *no_limit(struct arena *arena, const struct plan_cgroup_write *w, size_t key)
{
	const char *device = arena_strndup(arena, w->value, key);

	if (str_eq(w->file, "io.max"))
		return arena_printf(arena, "%s rbps=max wbps=max riops=max wiops=max", device);
	if (str_eq(w->file, "io.weight") || str_eq(w->file, "io.bfq.weight"))
		return arena_printf(arena, "%s default", device);
	return arena_printf(arena, "%s 0", device);
}

/* The write that gives the file, which now says `text`, back what `w` is about to change. */
static const char *old_value(struct arena *arena, const struct plan_cgroup_write *w,
			     const char *text)
{
	static const char oom_key[] = "oom_kill_disable";
	size_t key = device_len(w->value);
	const char *line;

	if (key) {
		line = find_line(text, w->value, key);
		return line ? line_of(arena, line) : no_limit(arena, w, key);
	}
	if (str_eq(w->file, "rdma.max") || str_eq(w->file, "net_prio.ifpriomap")) {
		line = find_line(text, w->value, strcspn(w->value, " "));
		return line ? line_of(arena, line) : NULL;
	}
	if (str_eq(w->file, "memory.oom_control")) {
		line = find_line(text, oom_key, sizeof(oom_key) - 1);
		return line ? line_of(arena, line + sizeof(oom_key)) : NULL;
	}
	/* An empty write never reaches the kernel; a line feed clears a cpuset. */
	return *text && *text != '\n' ? line_of(arena, text) : "\n";
}

/* The plan's writes with the values that are in force now. What cannot be read is left out. */
static void save(struct arena *arena, const struct plan_cgroup *plan, struct plan_cgroup *ret)
{
	*ret = *plan;
	ret->n_writes = 0;
	ret->writes = ARENA_ARRAY(arena, plan->n_writes, struct plan_cgroup_write);
	for (size_t i = 0; i < plan->n_writes; i++) {
		const struct plan_cgroup_write *w = &plan->writes[i];
		const char *path = arena_printf(arena, "%s/%s", plan->dirs[w->dir].path, w->file);
		const char *value;
		size_t n;
		char *text;

		if (io_read_file(AT_FDCWD, path, LIMIT_FILE_MAX, arena, &text, &n) < 0)
			continue;
		value = old_value(arena, w, text);
		if (!value)
			continue;
		ret->writes[ret->n_writes++] = (struct plan_cgroup_write){
			.dir = w->dir,
			.file = w->file,
			.value = value,
			.json_path = w->json_path,
			.group = w->group,
		};
	}
}

/* The last first, but a group whole: its members depend on each other. */
static void restore(const struct plan_cgroup *saved)
{
	size_t end = saved->n_writes;

	while (end) {
		struct plan_cgroup part = *saved;
		struct err err = { 0 };
		size_t from = end - 1;

		while (from && saved->writes[end - 1].group &&
		       saved->writes[from - 1].group == saved->writes[end - 1].group)
			from--;
		part.writes = &saved->writes[from];
		part.n_writes = end - from;
		if (cgroup_write_limits(&part, &err) < 0)
			log_warning("the old limit could not be set again: %s", err.msg);
		end = from;
	}
}

/* A controller that create did not need (hybrid layout) may have to be enabled for a first limit. */
static int enable(const struct plan_cgroup *plan, struct err *err)
{
	int i = plan_cgroup_dir_find(plan, "");
	char list[4096], path[PATH_MAX], *save_ptr = NULL;
	char has[1024] = "";

	if (i < 0 || !plan->v2_required || !*plan->v2_required)
		return 0;
	snprintf(path, sizeof(path), "%s/cgroup.controllers", plan->dirs[i].path);
	if (io_read_small(AT_FDCWD, path, has, sizeof(has)) < 0)
		return 0; /* the write tells */
	snprintf(list, sizeof(list), "%s", plan->v2_required);
	for (char *w = strtok_r(list, " ", &save_ptr); w; w = strtok_r(NULL, " ", &save_ptr))
		if (!plan_cgroup_has_word(has, ' ', w))
			return cgroup_v2_enable(plan, &plan->dirs[i], err);
	return 0;
}

/* The kernel has taken the values, so systemd may be told them. It writes what it keeps of them (cpu
 * quotas in whole percents) into the files at once: the exact ones are written again. */
static int tell_systemd(const struct plan_cgroup *plan, struct bus *systemd, struct err *err)
{
	int r = cgroup_systemd_update(systemd, plan->systemd, err);

	return r < 0 ? r : cgroup_write_limits(plan, err);
}

int cgroup_update(const struct plan_cgroup *plan, struct bus *systemd, struct err *err)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct plan_cgroup saved;
	int r = enable(plan, err);

	if (r < 0)
		return r;
	save(&arena, plan, &saved);
	r = cgroup_write_limits(plan, err);
	if (r >= 0 && systemd)
		r = tell_systemd(plan, systemd, err);
	if (r < 0)
		restore(&saved);
	return r;
}
