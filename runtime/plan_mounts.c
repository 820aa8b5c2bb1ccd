/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the file-system part of the plan: decides for each mount who makes it and with what, which
 * devices are supplied, and refuses what must never be done. Pure.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>

#include "common/log.h"
#include "common/path.h"
#include "runtime/annotations.h"
#include "runtime/mount.h"
#include "runtime/notify.h"
#include "runtime/plan_mounts.h"

struct build {
	struct arena *arena;
	const struct spec *spec;
	const struct host *host;
	const struct plan_request *request;
	struct plan_mounts *plan;
};

/* Files of /proc that other programs (lxcfs, criu) supply; nothing else may hide a part of it. */
static const char *const proc_files[] = {
	"/proc/cpuinfo",
	"/proc/diskstats",
	"/proc/loadavg",
	"/proc/meminfo",
	"/proc/slabinfo",
	"/proc/stat",
	"/proc/swaps",
	"/proc/sys/crypto/fips_enabled",
	"/proc/sys/kernel/ns_last_pid",
	"/proc/uptime",
};

/* File systems that a user namespace may mount and that have no host side: init makes them in its
 * own namespaces. Everything else is made by the parent, which has the rights. */
static const char *const init_types[] = {
	"binfmt_misc", "bpf", "devpts", "mqueue", "proc", "ramfs", "sysfs", "tmpfs",
};

static bool in_list(const char *word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(list[i], word))
			return true;
	}
	return false;
}

static const char *clean(struct arena *arena, const char *base, const char *path)
{
	char buf[PATH_MAX];
	const char *full = path;

	if (path[0] != '/')
		full = arena_printf(arena, "%s/%s", base, path);
	if (path_clean(full, buf, sizeof(buf)) < 0)
		return NULL;
	return arena_strdup(arena, buf);
}

/* ---- one mount ---- */

static int read_options(struct build *b, const struct spec_mount *in, struct plan_mount *m,
			struct mount_words *words)
{
	m->fs_options.v = ARENA_ARRAY(b->arena, in->options.n + 2, char *);
	for (size_t i = 0; i < in->options.n; i++) {
		char *word = in->options.v[i];

		if (mount_option_apply(m, words, word))
			continue;
		if (!*word || str_starts_with(word, "x-")) /* mount(8)'s, for nobody below it */
			continue;
		/* One array member may carry several options of the file system. */
		m->fs_options.v[m->fs_options.n++] = word;
	}
	return 0;
}

/* "lowerdir=a:b,upperdir=c" in one member: mount(2) callers write it so. Split at commas, but never
 * inside quotes, and not where overlay escapes one. */
static void split_options(struct build *b, struct plan_mount *m)
{
	struct spec_strings in = m->fs_options, out = { 0 };
	size_t n = 2;

	for (size_t i = 0; i < in.n; i++) {
		for (const char *p = in.v[i]; *p; p++)
			n += *p == ',';
		n++;
	}
	out.v = ARENA_ARRAY(b->arena, n + 1, char *);
	for (size_t i = 0; i < in.n; i++) {
		const char *start = in.v[i], *p = start;
		bool quoted = false;

		for (;; p++) {
			if (*p == '"')
				quoted = !quoted;
			if (*p == '\\' && p[1]) {
				p++;
				continue;
			}
			if (*p && (*p != ',' || quoted))
				continue;
			if (p > start)
				out.v[out.n++] =
					arena_strndup(b->arena, start, (size_t)(p - start));
			if (!*p)
				break;
			start = p + 1;
		}
	}
	m->fs_options = out;
}

static int choose_kind(struct build *b, const struct spec_mount *in, struct plan_mount *m,
		       const struct mount_words *words, struct err *err)
{
	bool bind = words->bind || (in->type && str_eq(in->type, "bind"));

	m->type = in->type ? in->type : "none";
	if (words->remount) {
		m->kind = PLAN_MOUNT_REMOUNT;
		m->recursive = false;
	} else if (bind) {
		m->kind = PLAN_MOUNT_BIND;
	} else if (!in->type || str_eq(in->type, "none")) {
		return err_set(err, EINVAL, "%s.type: needed, the mount is not a bind mount",
			       m->json_path);
	} else if (str_eq(in->type, "cgroup2") ||
		   (str_eq(in->type, "cgroup") && b->host->layout == HOST_CGROUP_V2)) {
		m->kind = PLAN_MOUNT_CGROUP2;
	} else if (str_eq(in->type, "cgroup")) {
		m->kind = PLAN_MOUNT_CGROUP1;
	} else if (in_list(in->type, init_types, ARRAY_COUNT(init_types))) {
		m->kind = PLAN_MOUNT_INIT_FS;
	} else {
		m->kind = PLAN_MOUNT_HOST_FS;
	}
	return 0;
}

static int set_source(struct build *b, const struct spec_mount *in, struct plan_mount *m,
		      struct err *err)
{
	if (m->kind != PLAN_MOUNT_BIND) {
		m->source = in->source;
		return 0;
	}
	if (!in->source || !*in->source)
		return err_set(err, EINVAL, "%s.source: a bind mount needs one", m->json_path);
	/* Not cleaned lexically: "link/.." means what the kernel says. */
	m->source = in->source[0] == '/'
			    ? in->source
			    : arena_printf(b->arena, "%s/%s", b->request->bundle, in->source);
	if (strlen(m->source) >= PATH_MAX)
		return err_set(err, ENAMETOOLONG, "%s.source: file name too long", m->json_path);
	return 0;
}

/* CVE-2019-16884, CVE-2019-19921: label and sysctl writes go through /proc, so only a
 * whole procfs may be there (of a bind that is judged when its source is opened). */
static int check_proc(const struct plan_mount *m, struct err *err)
{
	if (str_eq(m->destination, "/proc")) {
		if (str_eq(m->type, "proc") || m->kind == PLAN_MOUNT_BIND ||
		    m->kind == PLAN_MOUNT_REMOUNT)
			return 0; /* a bind's source is looked at when it is opened */
		return err_set(err, EINVAL,
			       "%s: only procfs may be mounted on \"/proc\", not \"%s\"",
			       m->json_path, m->type);
	}
	if (str_starts_with(m->destination, "/proc/") && m->kind != PLAN_MOUNT_REMOUNT &&
	    !in_list(m->destination, proc_files, ARRAY_COUNT(proc_files)))
		return err_set(err, EINVAL,
			       "%s: \"%s\" cannot be mounted because it is inside /proc",
			       m->json_path, m->destination);
	return 0;
}

static int check_idmap(struct build *b, const struct spec_mount *in, struct plan_mount *m,
		       struct err *err)
{
	bool maps = in->uid_maps.n || in->gid_maps.n;

	if (!m->idmap && !maps)
		return 0;
	m->idmap = true;
	if (m->kind != PLAN_MOUNT_BIND)
		return err_set(err, EINVAL, "%s: only bind mounts can be id-mapped", m->json_path);
	if (maps && (!in->uid_maps.n || !in->gid_maps.n))
		return err_set(err, EINVAL, "%s: uidMappings and gidMappings go together",
			       m->json_path);
	if (maps) {
		m->uid_maps = &in->uid_maps;
		m->gid_maps = &in->gid_maps;
	} else if (!spec_namespace(b->spec, CLONE_NEWUSER)) {
		return err_set(err, EINVAL,
			       "%s: an id-mapped mount needs mappings or a user namespace",
			       m->json_path);
	}
	return 0;
}

static bool has_option(const struct plan_mount *m, const char *word)
{
	for (size_t i = 0; i < m->fs_options.n; i++) {
		if (str_eq(m->fs_options.v[i], word))
			return true;
	}
	return false;
}

static void finish_options(struct build *b, struct plan_mount *m)
{
	bool fs = m->kind == PLAN_MOUNT_HOST_FS || m->kind == PLAN_MOUNT_INIT_FS;

	split_options(b, m);
	if (m->kind == PLAN_MOUNT_BIND && m->fs_options.n) {
		/* The kernel has nothing to do with them either. */
		log_warning("%s.options: \"%s\" means nothing for a bind mount, ignored",
			    m->json_path, m->fs_options.v[0]);
		m->fs_options.n = 0;
	}
	/* One mount has nothing below it: the recursive words mean the same as the plain ones. */
	if (!m->recursive && m->kind != PLAN_MOUNT_REMOUNT) {
		m->attr_set = (m->attr_set & ~m->rec_clr) | m->rec_set;
		m->attr_clr =
			(m->attr_clr & ~(m->rec_set & ~(uint64_t)MOUNT_ATTR__ATIME)) | m->rec_clr;
		m->rec_set = m->rec_clr = 0;
	}
	/* Mount points below them are made first. */
	m->late_readonly = (m->attr_set & MOUNT_ATTR_RDONLY) &&
			   (str_eq(m->type, "tmpfs") || str_eq(m->destination, "/dev")) &&
			   m->kind != PLAN_MOUNT_REMOUNT && !str_eq(m->destination, "/");
	if (m->late_readonly)
		m->attr_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	/* As mount(2) does it; a read-only device can be mounted in no other way. */
	if (fs && (m->attr_set & MOUNT_ATTR_RDONLY) && !str_eq(m->type, "overlay"))
		m->sb_flags |= MS_RDONLY;
	if (m->kind == PLAN_MOUNT_HOST_FS && str_eq(m->type, "overlay") && b->host->euid != 0 &&
	    !has_option(m, "userxattr"))
		m->fs_options.v[m->fs_options.n++] = arena_strdup(b->arena, "userxattr");
	/* mqueue takes no context option; proc and sysfs have labels of their own. */
	if (fs && b->plan->mount_label && !str_eq(m->type, "proc") && !str_eq(m->type, "sysfs") &&
	    !str_eq(m->type, "mqueue"))
		m->fs_options.v[m->fs_options.n++] = arena_printf(
			b->arena, "%s=\"%s\"", b->plan->mount_label_option, b->plan->mount_label);
}

static int build_mount(struct build *b, const struct spec_mount *in, struct plan_mount *m,
		       struct err *err)
{
	struct mount_words words = { 0 };
	int r;

	m->destination = clean(b->arena, "", in->destination);
	if (!m->destination)
		return err_set(err, ENAMETOOLONG, "%s.destination: file name too long",
			       m->json_path);
	read_options(b, in, m, &words);
	r = choose_kind(b, in, m, &words, err);
	if (r >= 0)
		r = set_source(b, in, m, err);
	if (r >= 0)
		r = check_proc(m, err);
	if (r >= 0)
		r = check_idmap(b, in, m, err);
	if (r < 0)
		return r;
	if (m->tmpcopyup && !str_eq(m->type, "tmpfs"))
		return err_set(err, EINVAL, "%s.options: tmpcopyup is for tmpfs only",
			       m->json_path);
	if (m->recursive && m->kind != PLAN_MOUNT_BIND)
		m->recursive = false;
	finish_options(b, m);
	return 0;
}

/* Read-only is the last thing that happens to a root: mount points are made in it before. */
static void set_root_mount(struct build *b, struct plan_mount *m)
{
	struct plan_mount *root = ARENA_NEW(b->arena, struct plan_mount);

	*root = *m;
	*m = (struct plan_mount){ 0 };
	if ((root->attr_set & MOUNT_ATTR_RDONLY) && !root->sb_flags) {
		root->attr_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
		b->plan->rootfs_readonly = true;
	}
	b->plan->root_mount = root;
}

/* The last one: a /run of the configuration is below it. */
static int add_notify(struct build *b, struct err *err)
{
	static char *options[] = { (char *)"bind", (char *)"nosuid", (char *)"noexec",
				   (char *)"nodev", (char *)"ro" };
	struct plan_mount *m = &b->plan->mounts[b->plan->n_mounts++];
	struct spec_mount in = {
		.destination = NOTIFY_INSIDE,
		.type = "bind",
		.source = arena_printf(b->arena, "%s/" NOTIFY_DIR, b->request->state_dir),
		.options = { .v = options, .n = ARRAY_COUNT(options) },
	};

	m->json_path = "NOTIFY_SOCKET";
	return build_mount(b, &in, m, err);
}

static int build_mounts(struct build *b, struct err *err)
{
	struct plan_mounts *plan = b->plan;

	plan->setup_dev = true;
	plan->mounts = ARENA_ARRAY(b->arena, b->spec->n_mounts + 1, struct plan_mount);
	for (size_t i = 0; i < b->spec->n_mounts; i++) {
		struct plan_mount *m = &plan->mounts[plan->n_mounts];
		int r;

		m->json_path = arena_printf(b->arena, "mounts[%zu]", i);
		r = build_mount(b, &b->spec->mounts[i], m, err);
		if (r < 0)
			return r;
		if (str_eq(m->destination, "/") && m->kind != PLAN_MOUNT_REMOUNT) {
			if (i != 0 || (m->kind != PLAN_MOUNT_HOST_FS && m->kind != PLAN_MOUNT_BIND))
				return err_set(err, EINVAL,
					       "%s: a mount on \"/\" must be the first one, and an "
					       "overlay, a block file system or a bind",
					       m->json_path);
			set_root_mount(b, m);
			continue;
		}
		if (str_eq(m->destination, "/dev") && m->kind == PLAN_MOUNT_BIND)
			plan->setup_dev = false;
		plan->n_mounts++;
	}
	return b->request->notify && plan->new_mount_ns ? add_notify(b, err) : 0;
}

/* ---- the rest ---- */

static int build_propagation(struct build *b, struct err *err)
{
	static const struct {
		const char *word;
		uint64_t flags;
	} words[] = {
		{ "private", MS_PRIVATE },       { "rprivate", MS_PRIVATE | MS_REC },
		{ "slave", MS_SLAVE },           { "rslave", MS_SLAVE | MS_REC },
		{ "shared", MS_SHARED },         { "rshared", MS_SHARED | MS_REC },
		{ "unbindable", MS_UNBINDABLE }, { "runbindable", MS_UNBINDABLE | MS_REC },
	};
	struct plan_mounts *plan = b->plan;
	const char *given = b->spec->linux_.rootfs_propagation;

	plan->root_propagation = MS_SLAVE | MS_REC;
	if (!given || !*given)
		return 0;
	for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
		if (!str_eq(words[i].word, given))
			continue;
		plan->root_propagation = words[i].flags;
		plan->root_propagation_given = true;
		if (plan->no_pivot && (words[i].flags & MS_PRIVATE))
			return err_set(err, EINVAL,
				       "rootfsPropagation of [r]private is not safe without "
				       "pivot_root");
		return 0;
	}
	return err_set(err, EINVAL, "linux.rootfsPropagation: unknown \"%s\"", given);
}

static int copy_paths(struct build *b, const struct spec_strings *in, struct spec_strings *out,
		      const char *field, struct err *err)
{
	out->v = ARENA_ARRAY(b->arena, in->n + 1, char *);
	for (size_t i = 0; i < in->n; i++) {
		if (in->v[i][0] != '/')
			return err_set(err, EINVAL, "linux.%s[%zu]: \"%s\" is not absolute", field,
				       i, in->v[i]);
		out->v[out->n] = (char *)clean(b->arena, "", in->v[i]);
		if (!out->v[out->n])
			return err_set(err, ENAMETOOLONG, "linux.%s[%zu]: file name too long",
				       field, i);
		if (str_eq(out->v[out->n], "/"))
			return err_set(err, EINVAL, "linux.%s[%zu]: \"/\" cannot be one", field, i);
		out->n++;
	}
	return 0;
}

/* Without a mount namespace of its own a container must not touch the mounts of others. */
static int check_no_mount_ns(const struct plan_mounts *plan, struct err *err)
{
	if (plan->new_mount_ns)
		return 0;
	if (plan->n_mounts || plan->root_mount)
		return err_set(err, EINVAL,
			       "mounts: unable to mount without a private mount namespace");
	if (plan->masked_paths.n || plan->readonly_paths.n)
		return err_set(err, EINVAL,
			       "linux.%s: unable to restrict sys entries without a private MNT "
			       "namespace",
			       plan->masked_paths.n ? "maskedPaths" : "readonlyPaths");
	if (plan->rootfs_readonly || plan->root_propagation_given)
		return err_set(err, EINVAL, "%s: needs a mount namespace",
			       plan->rootfs_readonly ? "root.readonly" : "linux.rootfsPropagation");
	return 0;
}

static int build_root(struct build *b, struct err *err)
{
	struct plan_mounts *plan = b->plan;

	if (!b->spec->root_path)
		return err_set(err, EINVAL, "root.path: needed");
	plan->rootfs = clean(b->arena, b->request->bundle, b->spec->root_path);
	if (!plan->rootfs)
		return err_set(err, ENAMETOOLONG, "root.path: file name too long");
	if (str_eq(plan->rootfs, "/"))
		return err_set(err, EINVAL, "root.path: \"/\" cannot be the root of a container");
	plan->rootfs_readonly = b->spec->root_readonly;
	plan->no_pivot = b->request->no_pivot;
	plan->new_mount_ns = spec_namespace(b->spec, CLONE_NEWNS);
	plan->new_user_ns = spec_namespace(b->spec, CLONE_NEWUSER);
	plan->new_cgroup_ns = spec_namespace(b->spec, CLONE_NEWCGROUP);
	if (b->host->selinux && b->spec->linux_.mount_label && *b->spec->linux_.mount_label)
		plan->mount_label = b->spec->linux_.mount_label;
	plan->mount_label_option = spec_annotation(b->spec, ANNOTATION_MOUNT_CONTEXT);
	if (!plan->mount_label_option)
		plan->mount_label_option = "context";
	return build_propagation(b, err);
}

int plan_mounts_build(struct arena *arena, const struct spec *spec, const struct host *host,
		      const struct plan_request *request, const struct plan_cgroup *cgroup UNUSED,
		      struct plan_mounts **ret, struct err *err)
{
	struct plan_mounts *plan = ARENA_NEW(arena, struct plan_mounts);
	struct build b = { arena, spec, host, request, plan };
	int r;

	r = build_root(&b, err);
	if (r >= 0)
		r = build_mounts(&b, err);
	if (r >= 0)
		r = plan_devices_build(arena, spec, host, plan, err);
	if (r >= 0)
		r = copy_paths(&b, &spec->linux_.masked_paths, &plan->masked_paths, "maskedPaths",
			       err);
	if (r >= 0)
		r = copy_paths(&b, &spec->linux_.readonly_paths, &plan->readonly_paths,
			       "readonlyPaths", err);
	if (r >= 0)
		r = plan_sysctl_build(arena, spec, plan, err);
	if (r >= 0)
		r = check_no_mount_ns(plan, err);
	if (r < 0)
		return r;
	plan->cwd = spec->process.given ? spec->process.cwd : NULL;
	plan->cwd_uid = spec->process.user.uid;
	plan->cwd_gid = spec->process.user.gid;
	*ret = plan;
	return 0;
}
