/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State directories: names, locks, state.json, liveness.
 */
#include "runtime/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/json.h"
#include "common/proc.h"
#include "common/str.h"
#include "spec/spec_read.h"

#define STATE_FILE "state.json"
#define STATE_FILE_MAX (4u << 20)
#define CONFIG_FILE "config.json"
/* Below the root beside the containers, for the seccomp cache; no container can have that name. */
#define CACHE_NAME ".cache"
#define LOCK_TRIES 16

void state_dir_close(struct state_dir *dir)
{
	state_dir_unlock(dir);
	dir->lock_fd = fd_close(dir->lock_fd);
	dir->fd = fd_close(dir->fd);
}

void state_dir_unlock(struct state_dir *dir)
{
	/* Explicitly: a child that still has a duplicate must not keep the lock. */
	if (dir->lock_fd >= 0)
		(void)flock(dir->lock_fd, LOCK_UN);
}

static bool id_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '+' || c == '-' || c == '.';
}

int state_check_id(const char *id, struct err *err)
{
	size_t n = strlen(id);

	if (n == 0)
		return err_set(err, EINVAL, "container id cannot be empty");
	for (size_t i = 0; i < n; i++)
		if (!id_char(id[i]))
			return err_set(err, EINVAL, "invalid container ID format");
	if (n > NAME_MAX || str_eq(id, ".") || str_eq(id, "..") || str_eq(id, CACHE_NAME))
		return err_set(err, EINVAL, "invalid container ID format");
	return 0;
}

/* mkdir -p, 0700. */
static int make_root(struct arena *arena, const char *root, struct err *err)
{
	char *path = arena_strdup(arena, root);

	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	for (char *s = path + 1; *s; s++) {
		if (*s != '/')
			continue;
		*s = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return err_sys(err, "mkdir \"%s\"", path);
		*s = '/';
	}
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "mkdir \"%s\"", path);
	return 0;
}

bool state_dir_is_current(const struct state_dir *dir)
{
	struct stat opened, named;

	return fstat(dir->fd, &opened) == 0 && lstat(dir->path, &named) == 0 &&
	       opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

int state_dir_lock(struct state_dir *dir, bool exclusive, struct err *err)
{
	/* A description of its own: a child that inherits `fd` then has no part in the lock. */
	if (dir->lock_fd < 0)
		dir->lock_fd = fd_openat(dir->fd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (dir->lock_fd < 0)
		return err_sysn(err, dir->lock_fd, "open \"%s\"", dir->path);
	while (flock(dir->lock_fd, exclusive ? LOCK_EX : LOCK_SH) < 0)
		if (errno != EINTR)
			return err_sys(err, "lock \"%s\"", dir->path);
	/* The one who had it may have been deleting the container. */
	if (!state_dir_is_current(dir))
		return err_set(err, ENOENT, "container does not exist");
	return 0;
}

static int open_dir(struct arena *arena, const char *root, const char *id, struct state_dir *ret,
		    struct err *err)
{
	struct stat st;

	ret->root = arena_strdup(arena, root);
	ret->path = arena_printf(arena, "%s/%s", root, id);
	ret->lock_fd = -EBADF;
	ret->fd = fd_open(ret->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (ret->fd == -ENOENT || ret->fd == -ENOTDIR)
		return err_set(err, ENOENT, "container does not exist");
	if (ret->fd < 0)
		return err_sysn(err, ret->fd, "open \"%s\"", ret->path);
	/* What is in there is believed: nobody else may have made it. */
	if (fstat(ret->fd, &st) < 0)
		return err_sys(err, "stat \"%s\"", ret->path);
	if (geteuid() == 0 ? st.st_mode & S_IWOTH : st.st_uid != geteuid())
		return err_set(err, EPERM, "state directory \"%s\" belongs to uid %u, mode %04o",
			       ret->path, st.st_uid, st.st_mode & 07777);
	return 0;
}

int state_dir_create(struct arena *arena, const char *root, const char *id, struct state_dir *ret,
		     struct err *err)
{
	int r = state_check_id(id, err);

	if (r >= 0)
		r = make_root(arena, root, err);
	if (r < 0)
		return r;
	for (int i = 0; i < LOCK_TRIES; i++) {
		struct state_dir dir = STATE_DIR_INIT;
		const char *path = arena_printf(arena, "%s/%s", root, id);

		if (mkdir(path, 0711) < 0) {
			if (errno != EEXIST)
				return err_sys(err, "mkdir \"%s\"", path);
			return err_set(err, EEXIST, "container with given ID already exists");
		}
		/* Between mkdir and lock a `delete --force` may take it for a left-over of a
		 * crash and remove it: then it is made anew. */
		r = open_dir(arena, root, id, &dir, err);
		if (r >= 0)
			r = state_dir_lock(&dir, true, err);
		/* The umask may have taken the search bits. */
		if (r >= 0 && fchmod(dir.fd, 0711) < 0)
			r = err_sys(err, "chmod \"%s\"", path);
		if (r >= 0) {
			*ret = dir;
			return 0;
		}
		state_dir_close(&dir);
		if (r == -ENOENT)
			continue;
		/* Still empty: whoever else has made it anew meanwhile makes it once more. */
		(void)rmdir(path);
		return r;
	}
	return err_set(err, EBUSY, "state directory \"%s/%s\" is removed again and again", root,
		       id);
}

int state_dir_peek(struct arena *arena, const char *root, const char *id, struct state_dir *ret,
		   struct err *err)
{
	struct state_dir dir = STATE_DIR_INIT;
	int r = state_check_id(id, err);

	if (r >= 0)
		r = open_dir(arena, root, id, &dir, err);
	if (r < 0) {
		state_dir_close(&dir);
		return r;
	}
	*ret = dir;
	return 0;
}

int state_dir_open(struct arena *arena, const char *root, const char *id, bool exclusive,
		   struct state_dir *ret, struct err *err)
{
	struct state_dir dir = STATE_DIR_INIT;
	int r = state_dir_peek(arena, root, id, &dir, err);

	if (r < 0)
		return r;
	r = state_dir_lock(&dir, exclusive, err);
	if (r < 0) {
		state_dir_close(&dir);
		return r;
	}
	*ret = dir;
	return 0;
}

/* What the runtime puts there, in the order of removal: state.json is last, so that a removal that
 * is cut short can be repeated. */
static const char *const known_files[] = {
	"exec.fifo", "report.fifo", "seccomp.bpf", "resources.json", CONFIG_FILE, STATE_FILE,
};

/* Removes the temporary files of replacements that a crash cut short. That it cannot look (no
 * descriptors left, the very reason of the removal) matters only if there are some: then the
 * directory cannot be removed, and that is told. */
static void remove_temporaries(int fd)
{
	int copy = fd_openat(fd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *e;

	if (!d) {
		fd_close(copy);
		return;
	}
	while ((e = readdir(d)))
		if (strstr(e->d_name, ".tmp-") && e->d_type != DT_DIR)
			(void)unlinkat(fd, e->d_name, 0);
	closedir(d);
}

int state_dir_remove(struct state_dir *dir, struct err *err)
{
	remove_temporaries(dir->fd);
	(void)unlinkat(dir->fd, "notify/notify.sock", 0);
	(void)unlinkat(dir->fd, "notify", AT_REMOVEDIR);
	for (size_t i = 0; i < ARRAY_COUNT(known_files); i++)
		if (unlinkat(dir->fd, known_files[i], 0) < 0 && errno != ENOENT)
			return err_sys(err, "remove \"%s/%s\"", dir->path, known_files[i]);
	if (rmdir(dir->path) < 0 && errno != ENOENT)
		return err_sys(err, "remove \"%s\"", dir->path);
	state_dir_close(dir);
	return 0;
}

static const char *const manager_names[] = {
	[CGROUP_MANAGER_FS] = "cgroupfs",
	[CGROUP_MANAGER_SYSTEMD] = "systemd",
	[CGROUP_MANAGER_DISABLED] = "disabled",
};

static void write_cgroup(struct json_writer *w, const struct state *state)
{
	jw_key(w, "cgroup");
	jw_object(w);
	jw_key(w, "manager");
	jw_string(w, manager_names[state->cgroup_manager]);
	jw_key(w, "rootless");
	jw_bool(w, state->rootless_cgroup);
	if (state->cgroup.unit) {
		jw_key(w, "unit");
		jw_string(w, state->cgroup.unit);
		jw_key(w, "bus");
		jw_string(w, state->cgroup.bus);
		jw_key(w, "user");
		jw_bool(w, state->cgroup.user);
	}
	jw_key(w, "paths");
	jw_array(w);
	for (size_t i = 0; i < state->cgroup.n; i++) {
		const struct cgroup_path *path = &state->cgroup.v[i];

		jw_object(w);
		jw_key(w, "controllers");
		jw_string(w, path->controllers);
		jw_key(w, "path");
		jw_string(w, path->path);
		jw_key(w, "v2");
		jw_bool(w, path->v2);
		jw_end(w);
	}
	jw_end(w);
	jw_end(w);
}

static void write_rdt(struct json_writer *w, const struct rdt *rdt)
{
	if (!rdt->clos)
		return;
	jw_key(w, "intelRdt");
	jw_object(w);
	jw_key(w, "class");
	jw_string(w, rdt->clos);
	jw_key(w, "removeClass");
	jw_bool(w, rdt->remove_clos);
	if (rdt->mon) {
		jw_key(w, "monitoring");
		jw_string(w, rdt->mon);
	}
	jw_end(w);
}

static void write_process(struct json_writer *w, const char *key, pid_t pid, uint64_t ticks)
{
	jw_key(w, key);
	jw_object(w);
	jw_key(w, "pid");
	jw_int(w, pid);
	jw_key(w, "startTicks");
	jw_uint(w, ticks);
	jw_end(w);
}

int state_write(const struct state_dir *dir, const struct state *state, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new(NULL);
	const char *text;
	size_t n;
	int r;

	jw_object(w);
	jw_key(w, "version");
	jw_int(w, 1);
	jw_key(w, "id");
	jw_string(w, state->id);
	jw_key(w, "bundle");
	jw_string(w, state->bundle);
	jw_key(w, "rootfs");
	jw_string(w, state->rootfs);
	jw_key(w, "created");
	jw_string(w, state->created);
	jw_key(w, "complete");
	jw_bool(w, state->complete);
	jw_key(w, "started");
	jw_bool(w, state->started);
	jw_key(w, "privatePidNamespace");
	jw_bool(w, state->private_pid_ns);
	jw_key(w, "owner");
	jw_uint(w, state->owner);
	write_process(w, "init", state->pid, state->start_ticks);
	write_process(w, "creator", state->creator_pid, state->creator_ticks);
	write_cgroup(w, state);
	write_rdt(w, &state->rdt);
	jw_key(w, "annotations");
	jw_object(w);
	for (size_t i = 0; i < state->annotations.n; i++) {
		jw_key(w, state->annotations.v[i].key);
		jw_string(w, state->annotations.v[i].value);
	}
	jw_end(w);
	jw_end(w);

	text = json_writer_text(w, &n);
	r = io_replace_file(dir->fd, STATE_FILE, text, n, 0600);
	if (r < 0)
		return err_sysn(err, r, "write \"%s/" STATE_FILE "\"", dir->path);
	return 0;
}

/* Readers of the members of our own document: a wrong type is as good as absent, and the checks
 * at the end of parse_state refuse what cannot be without. */
static bool get_bool(const struct json *object, const char *key)
{
	const struct json *v = json_get(object, key);

	return v && v->type == JSON_BOOL && v->boolean;
}

static int64_t get_int(const struct json *object, const char *key)
{
	const struct json *v = json_get(object, key);
	int64_t n;

	return v && json_to_i64(v, &n) == 0 ? n : 0;
}

static uint64_t get_uint(const struct json *object, const char *key)
{
	const struct json *v = json_get(object, key);
	uint64_t n;

	return v && json_to_u64(v, &n) == 0 ? n : 0;
}

static void parse_cgroup(struct arena *arena, const struct json *object, struct state *state)
{
	const struct json *paths = json_get(object, "paths");
	const char *manager = json_str(object, "manager");

	for (size_t i = 0; manager && i < ARRAY_COUNT(manager_names); i++)
		if (str_eq(manager, manager_names[i]))
			state->cgroup_manager = (enum cgroup_manager)i;
	state->rootless_cgroup = get_bool(object, "rootless");
	state->cgroup.unit = json_str(object, "unit");
	state->cgroup.bus = json_str(object, "bus");
	state->cgroup.user = get_bool(object, "user");
	if (!paths || paths->type != JSON_ARRAY)
		return;
	state->cgroup.v = ARENA_ARRAY(arena, paths->count, struct cgroup_path);
	json_each (it, paths) {
		struct cgroup_path *path = &state->cgroup.v[state->cgroup.n];

		path->controllers = json_str(it, "controllers");
		path->path = json_str(it, "path");
		path->v2 = get_bool(it, "v2");
		if (path->controllers && path->path)
			state->cgroup.n++;
	}
}

static void parse_rdt(const struct json *object, struct rdt *rdt)
{
	if (!object)
		return;
	rdt->clos = json_str(object, "class");
	rdt->mon = json_str(object, "monitoring");
	rdt->remove_clos = get_bool(object, "removeClass");
}

static void parse_annotations(struct arena *arena, const struct json *object, struct state *state)
{
	struct spec_map *map = &state->annotations;

	if (!object || object->type != JSON_OBJECT)
		return;
	map->v = ARENA_ARRAY(arena, object->count, struct spec_pair);
	json_each (it, object) {
		if (it->type != JSON_STRING)
			continue;
		map->v[map->n].key = it->key;
		map->v[map->n++].value = it->string;
	}
}

static int parse_state(struct arena *arena, const struct json *doc, struct state *ret,
		       struct err *err)
{
	struct state state = { 0 };

	state.id = json_str(doc, "id");
	state.bundle = json_str(doc, "bundle");
	state.rootfs = json_str(doc, "rootfs");
	state.created = json_str(doc, "created");
	state.complete = get_bool(doc, "complete");
	state.started = get_bool(doc, "started");
	state.private_pid_ns = get_bool(doc, "privatePidNamespace");
	state.owner = (uid_t)get_uint(doc, "owner");
	state.pid = (pid_t)get_int(json_get(doc, "init"), "pid");
	state.start_ticks = get_uint(json_get(doc, "init"), "startTicks");
	state.creator_pid = (pid_t)get_int(json_get(doc, "creator"), "pid");
	state.creator_ticks = get_uint(json_get(doc, "creator"), "startTicks");
	parse_cgroup(arena, json_get(doc, "cgroup"), &state);
	parse_rdt(json_get(doc, "intelRdt"), &state.rdt);
	parse_annotations(arena, json_get(doc, "annotations"), &state);
	if (get_int(doc, "version") != 1 || !state.id || !state.bundle || state.pid < 0)
		return err_set(err, EBADMSG, "not a state of this runtime");
	*ret = state;
	return 0;
}

int state_read(struct arena *arena, const struct state_dir *dir, struct state *ret, struct err *err)
{
	struct json *doc;
	char *text;
	size_t n;
	int r;

	r = io_read_file(dir->fd, STATE_FILE, STATE_FILE_MAX, arena, &text, &n);
	if (r == -ENOENT) {
		(void)err_set(err, ENODATA, "container does not exist (\"%s\" has no state yet)",
			      dir->path);
		return -ENODATA;
	}
	if (r < 0)
		return err_sysn(err, r, "read \"%s/" STATE_FILE "\"", dir->path);
	r = json_parse(arena, text, n, &doc, err);
	if (r >= 0)
		r = parse_state(arena, doc, ret, err);
	if (r < 0)
		return err_wrap(err, "\"%s/" STATE_FILE "\"", dir->path);
	return 0;
}

static bool creator_lives(const struct state *state)
{
	CLEANUP_FD int pidfd = -EBADF;

	if (state->creator_pid <= 0)
		return false;
	pidfd = proc_open(state->creator_pid, state->creator_ticks);
	return pidfd >= 0;
}

enum state_status state_status(const struct state *state, int *ret_pidfd)
{
	CLEANUP_FD int pidfd = -EBADF;

	if (ret_pidfd)
		*ret_pidfd = -EBADF;
	if (state->pid > 0)
		pidfd = proc_open(state->pid, state->start_ticks);
	if (pidfd < 0)
		return !state->complete && creator_lives(state) ? STATE_CREATING : STATE_STOPPED;
	if (ret_pidfd)
		*ret_pidfd = fd_take(&pidfd);
	if (!state->complete)
		return STATE_CREATING;
	if (cgroup_is_frozen(&state->cgroup) > 0)
		return STATE_PAUSED;
	return state->started ? STATE_RUNNING : STATE_CREATED;
}

const char *state_status_name(enum state_status status)
{
	static const char *const names[] = {
		[STATE_CREATING] = "creating", [STATE_CREATED] = "created",
		[STATE_RUNNING] = "running",   [STATE_PAUSED] = "paused",
		[STATE_STOPPED] = "stopped",
	};

	return (size_t)status < ARRAY_COUNT(names) ? names[status] : "unknown";
}

int state_read_spec(struct arena *arena, const struct state_dir *dir, struct spec **ret,
		    struct err *err)
{
	int r = spec_read_file(arena, dir->fd, CONFIG_FILE, ret, NULL, NULL, err);

	if (r < 0)
		return err_wrap(err, "\"%s/" CONFIG_FILE "\"", dir->path);
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int state_list(struct arena *arena, const char *root, struct spec_strings *ret, struct err *err)
{
	struct spec_strings ids = { 0 };
	size_t room = 0;
	const struct dirent *e;
	int fd = fd_open(root, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (!d) {
		fd_close(fd);
		return err_sysn(err, fd < 0 ? fd : errno, "open %s", root);
	}
	while ((e = readdir(d))) {
		if (state_check_id(e->d_name, NULL) < 0 ||
		    (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN))
			continue;
		if (ids.n + 1 >= room) {
			char **more = ARENA_ARRAY(arena, MAX(room * 2, 64), char *);

			if (ids.n)
				memcpy(more, ids.v, ids.n * sizeof(*more));
			room = MAX(room * 2, 64);
			ids.v = more;
		}
		ids.v[ids.n++] = arena_strdup(arena, e->d_name);
	}
	closedir(d);
	if (ids.n)
		qsort(ids.v, ids.n, sizeof(ids.v[0]), compare_ids);
	*ret = ids;
	return 0;
}
