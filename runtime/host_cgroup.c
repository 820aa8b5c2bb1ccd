/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroup layout of this machine, as the caller sees it. The common places below /sys/fs/cgroup
 * are asked by statfs; /proc/self/mountinfo is read only where they do not explain what
 * /proc/self/cgroup says (odd mount points, parts of a hierarchy mounted into a container).
 */
#include "runtime/host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/vfs.h>

#include "common/io.h"
#include "common/macros.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define CGROUP_FILE_MAX (256 * 1024)
#define MOUNTINFO_MAX (32 * 1024 * 1024)
#define HIERARCHIES_MAX 64

struct probe {
	struct arena *arena;
	struct host_hierarchy found[HIERARCHIES_MAX]; /* mount_point NULL: not located yet */
	size_t n;
	char *mounts; /* mountinfo, read at most once */
};

static bool has_dotdot(const char *path)
{
	const char *p = path;

	while ((p = strstr(p, "/.."))) {
		if (p[3] == '/' || !p[3])
			return true;
		p += 3;
	}
	return false;
}

/* The file system's magic of prefix + path, 0 if that is not there. */
static long magic_of(const char *prefix, const char *path)
{
	char buf[PATH_MAX];
	struct statfs sfs;

	if ((size_t)snprintf(buf, sizeof(buf), "%s%s", prefix, path) >= sizeof(buf))
		return 0;
	if (statfs(buf, &sfs) < 0)
		return 0;
	return (long)sfs.f_type;
}

/* /proc/self/cgroup: "4:memory:/a/b", "1:name=systemd:/", "0::/a". The text is cut up in place. */
static void parse_own(struct probe *p, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *name = strchr(line, ':');
		char *path = name ? strchr(name + 1, ':') : NULL;
		struct host_hierarchy *h;

		if (!path || path[1] != '/' || p->n == HIERARCHIES_MAX)
			continue;
		*name++ = '\0';
		*path++ = '\0';
		h = &p->found[p->n++];
		*h = (struct host_hierarchy){ .name = name,
					      .own_path = path,
					      .v2 = !*name && str_eq(line, "0") };
	}
}

/* Space, tab, newline and backslash are written as \ooo in mountinfo. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

struct mount_line {
	char *root, *point, *type, *options; /* options: the superblock's */
};

/* "36 35 98:0 /root /point rw,noatime master:1 - type source superoptions" */
static bool parse_mount_line(char *line, struct mount_line *ret)
{
	char *field[6], *save = NULL, *tail = strstr(line, " - ");

	if (!tail)
		return false;
	*tail = '\0';
	tail += 3;
	for (size_t i = 0; i < 5; i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return false;
	}
	ret->root = field[3];
	ret->point = field[4];
	save = NULL;
	ret->type = strtok_r(tail, " ", &save);
	if (!ret->type || !strtok_r(NULL, " ", &save))
		return false;
	ret->options = strtok_r(NULL, " ", &save);
	if (!ret->options)
		return false;
	unescape(ret->root);
	unescape(ret->point);
	return true;
}

static bool has_option(const char *options, const char *word, size_t n)
{
	for (const char *p = options; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
		if (strncmp(p, word, n) == 0 && (!p[n] || p[n] == ','))
			return true;
	}
	return false;
}

/* Every controller of the hierarchy's name is in the mount's options. */
static bool mount_is(const struct mount_line *m, const struct host_hierarchy *h)
{
	const char *name = h->name;

	if (h->v2)
		return str_eq(m->type, "cgroup2");
	if (!str_eq(m->type, "cgroup"))
		return false;
	while (*name) {
		size_t n = strcspn(name, ",");

		if (!has_option(m->options, name, n))
			return false;
		name += n + (name[n] == ',');
	}
	return true;
}

/* own as a path below a mount whose root is `root`; both may begin with "/.." where they lie
 * outside the caller's cgroup namespace, and then only equal beginnings can be compared. */
static const char *below_root(const char *own, const char *root)
{
	size_t n = strlen(root);

	if (str_eq(root, "/"))
		return has_dotdot(own) ? "/" : own;
	if (strncmp(own, root, n) != 0 || (own[n] && own[n] != '/'))
		return "/";
	return own[n] && !has_dotdot(own + n) ? own + n : "/";
}

/* Fills what the common places did not tell from mountinfo. */
static int locate_by_mountinfo(struct probe *p, struct err *err)
{
	char *save = NULL;
	size_t len;
	int r;

	r = io_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, p->arena, &p->mounts,
			 &len);
	if (r < 0)
		return err_sysn(err, r, "read \"/proc/self/mountinfo\"");
	for (char *line = strtok_r(p->mounts, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct mount_line m;

		if (!strstr(line, " - cgroup") || !parse_mount_line(line, &m))
			continue;
		for (size_t i = 0; i < p->n; i++) {
			struct host_hierarchy *h = &p->found[i];

			if (!mount_is(&m, h))
				continue;
			/* Located by statfs, but the path in /proc/self/cgroup is not below it. */
			if (h->mount_point && !str_eq(h->mount_point, m.point))
				continue;
			if (h->mount_point && !has_dotdot(h->own_path) &&
			    magic_of(h->mount_point, h->own_path))
				continue;
			h->mount_point = m.point;
			h->own_path = below_root(h->own_path, m.root);
			break;
		}
	}
	return 0;
}

/* One statfs proves both the mount and the caller's own path below it. False: mountinfo must help. */
static bool locate(struct probe *p, struct host_hierarchy *h, const char *point, long magic)
{
	if (!has_dotdot(h->own_path) && magic_of(point, h->own_path) == magic) {
		h->mount_point = arena_strdup(p->arena, point);
		return true;
	}
	if (magic_of(point, "") == magic)
		h->mount_point = arena_strdup(p->arena, point);
	return false;
}

static bool locate_v1_tree(struct probe *p)
{
	bool clear = true;

	for (size_t i = 0; i < p->n; i++) {
		struct host_hierarchy *h = &p->found[i];
		const char *dir = str_starts_with(h->name, "name=") ? h->name + 5 : h->name;
		char point[PATH_MAX];

		if (h->v2)
			dir = "unified";
		if ((size_t)snprintf(point, sizeof(point), CGROUP_ROOT "/%s", dir) >= sizeof(point))
			continue;
		if (!locate(p, h, point, h->v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC) &&
		    (!h->v2 || h->mount_point))
			clear = false; /* a missing v2 mount is normal: pure v1 */
	}
	return clear;
}

static void keep_located(struct probe *p, struct host *host)
{
	bool v1 = false, v2 = false;

	host->hierarchies = ARENA_ARRAY(p->arena, p->n, struct host_hierarchy);
	host->n_hierarchies = 0;
	for (size_t i = 0; i < p->n; i++) {
		struct host_hierarchy *h = &p->found[i];

		if (!h->mount_point)
			continue;
		if (has_dotdot(h->own_path)) /* nothing could be said about it */
			h->own_path = "/";
		host->hierarchies[host->n_hierarchies++] = *h;
		v1 = v1 || !h->v2;
		v2 = v2 || h->v2;
	}
	if (v1)
		host->layout = v2 ? HOST_CGROUP_HYBRID : HOST_CGROUP_V1;
	else
		host->layout = v2 ? HOST_CGROUP_V2 : HOST_CGROUP_NONE;
}

static void read_controllers(struct host *host, struct arena *arena)
{
	const struct host_hierarchy *v2 = host_hierarchy(host, "");
	char path[PATH_MAX], list[1024];

	host->v2_controllers = "";
	if (!v2 || (size_t)snprintf(path, sizeof(path), "%s/cgroup.controllers", v2->mount_point) >=
			   sizeof(path))
		return;
	if (io_read_small(AT_FDCWD, path, list, sizeof(list)) > 0)
		host->v2_controllers = arena_strdup(arena, list);
}

int host_probe_cgroups(struct arena *arena, struct host *host, struct err *err)
{
	struct probe p = { .arena = arena };
	char *text;
	size_t len;
	long magic;
	bool clear = false;
	int r;

	r = io_read_file(AT_FDCWD, "/proc/self/cgroup", CGROUP_FILE_MAX, arena, &text, &len);
	if (r == -ENOENT) { /* a kernel without cgroups */
		keep_located(&p, host);
		host->v2_controllers = "";
		return 0;
	}
	if (r < 0)
		return err_sysn(err, r, "read \"/proc/self/cgroup\"");
	parse_own(&p, text);

	magic = magic_of(CGROUP_ROOT, "");
	if (magic == CGROUP2_SUPER_MAGIC) {
		/* v1 hierarchies that /proc still lists are not mounted here: pure v2. */
		for (size_t i = 0; i < p.n; i++) {
			if (p.found[i].v2) {
				p.found[0] = p.found[i];
				p.n = 1;
				clear = locate(&p, &p.found[0], CGROUP_ROOT, magic);
				break;
			}
		}
	} else if (magic) {
		clear = locate_v1_tree(&p);
	}
	if (!clear) {
		r = locate_by_mountinfo(&p, err);
		if (r < 0)
			return r;
	}
	keep_located(&p, host);
	read_controllers(host, arena);
	return 0;
}

int host_probe_resctrl(struct arena *arena, struct host *host, struct err *err)
{
	char *text, *save = NULL;
	size_t len;
	int r;

#ifdef THOLE_TEST
	if (getenv("THOLE_TEST_RESCTRL")) {
		host->resctrl = arena_strdup(arena, getenv("THOLE_TEST_RESCTRL"));
		return 0;
	}
#endif
	r = io_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, arena, &text, &len);
	if (r < 0)
		return err_sysn(err, r, "read \"/proc/self/mountinfo\"");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct mount_line m;

		/* A part of it, bound somewhere, is not the root that has all classes. */
		if (strstr(line, " - resctrl ") && parse_mount_line(line, &m) &&
		    str_eq(m.type, "resctrl") && str_eq(m.root, "/")) {
			host->resctrl = m.point;
			return 0;
		}
	}
	return 0;
}

const struct host_hierarchy *host_hierarchy(const struct host *host, const char *controller)
{
	for (size_t i = 0; i < host->n_hierarchies; i++) {
		const struct host_hierarchy *h = &host->hierarchies[i];

		if (!*controller) {
			if (h->v2)
				return h;
		} else if (!h->v2 && has_option(h->name, controller, strlen(controller))) {
			return h;
		}
	}
	return NULL;
}
