// SPDX-License-Identifier: Apache-2.0
// The registry directory on tmpfs: paths, life, the info file.
#include "shim/registry.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/json.h"
#include "common/sock.h"

#define INFO_MAX (256u << 10)

int registry_root_default(char *buf, size_t size)
{
	const char *dir = geteuid() == 0 ? NULL : getenv("XDG_RUNTIME_DIR");
	int n = snprintf(buf, size, "%s/thole-shim", dir && dir[0] == '/' ? dir : "/run");

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int registry_check_id(const char *id, struct err *err)
{
	size_t n = strlen(id);

	if (n == 0 || n > 255)
		return err_set(err, EINVAL, "container id \"%.64s\": must have 1 to 255 characters",
			       id);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)id[i]) && !strchr("_+-.", id[i]))
			return err_set(err, EINVAL, "container id \"%s\": invalid character", id);
	if (str_eq(id, ".") || str_eq(id, ".."))
		return err_set(err, EINVAL, "container id \"%s\": not allowed", id);
	return 0;
}

int registry_path(const struct registry_key *key, const char *name, char *buf, size_t size)
{
	char root[PATH_MAX];
	int n;

	if (!key->root && registry_root_default(root, sizeof(root)) < 0)
		return -ENAMETOOLONG;
	n = snprintf(buf, size, "%s/%s%s%s%s%s", key->root ? key->root : root,
		     key->ns ? key->ns : REGISTRY_NS_CLI, key->id ? "/" : "",
		     key->id ? key->id : "", name ? "/" : "", name ? name : "");
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* mkdir -p of everything before the last component. */
static int make_parents(char *path, struct err *err)
{
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return err_sys(err, "mkdir \"%s\"", path);
		*p = '/';
	}
	return 0;
}

int registry_create(const struct registry_key *key, struct err *err)
{
	char path[PATH_MAX];
	int r;

	r = registry_check_id(key->id, err);
	if (r < 0)
		return r;
	if (registry_path(key, NULL, path, sizeof(path)) < 0)
		return err_set(err, ENAMETOOLONG, "the path of \"%s\" is too long", key->id);
	/* The namespace's directory is removed when it is empty: another shim may do so between
	 * the two calls. */
	for (int i = 0; i < 100; i++) {
		r = make_parents(path, err);
		if (r < 0)
			return r;
		if (mkdir(path, 0700) == 0)
			break;
		if (errno == EEXIST)
			return err_set(err, EEXIST, "container \"%s\" exists already", key->id);
		if (errno != ENOENT)
			return err_sys(err, "mkdir \"%s\"", path);
	}
	r = fd_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (r >= 0)
		return r;
	(void)err_sysn(err, r, "open \"%s\"", path);
	(void)rmdir(path);
	return r;
}

int registry_open(const struct registry_key *key, struct err *err)
{
	char path[PATH_MAX];
	int r;

	r = registry_check_id(key->id, err);
	if (r < 0)
		return r;
	if (registry_path(key, NULL, path, sizeof(path)) < 0)
		return err_set(err, ENAMETOOLONG, "the path of \"%s\" is too long", key->id);
	r = fd_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (r == -ENOENT)
		return err_set(err, ENOENT, "container \"%s\" does not exist", key->id);
	return r < 0 ? err_sysn(err, r, "open \"%s\"", path) : r;
}

static int remove_files(int dirfd_in)
{
	CLEANUP_FD int fd = fd_openat(dirfd_in, ".", O_RDONLY | O_DIRECTORY, 0);
	struct dirent *e;
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	(void)fd_take(&fd);
	while ((e = readdir(dir)))
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			(void)unlinkat(dirfd_in, e->d_name, 0);
	closedir(dir);
	return 0;
}

int registry_remove(const struct registry_key *key, struct err *err)
{
	struct registry_key ns = { key->root, key->ns, NULL };
	CLEANUP_FD int fd = -EBADF;
	char path[PATH_MAX];

	fd = registry_open(key, err);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	if (registry_path(key, NULL, path, sizeof(path)) < 0)
		return err_set(err, ENAMETOOLONG, "the path of \"%s\" is too long", key->id);
	(void)remove_files(fd);
	if (rmdir(path) < 0 && errno != ENOENT)
		return err_sys(err, "rmdir \"%s\"", path);
	if (registry_path(&ns, NULL, path, sizeof(path)) == 0)
		(void)rmdir(path); /* fails while others are there */
	return 0;
}

int registry_list(const char *root, const char *ns, int (*fn)(void *user, const char *id),
		  void *user, struct err *err)
{
	struct registry_key key = { root, ns, NULL };
	char path[PATH_MAX];
	struct dirent *e;
	int r = 0;
	DIR *dir;

	if (registry_path(&key, NULL, path, sizeof(path)) < 0)
		return err_set(err, ENAMETOOLONG, "the path of the registry is too long");
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "open \"%s\"", path);
	while (r >= 0 && (e = readdir(dir)))
		if (registry_check_id(e->d_name, NULL) == 0)
			r = fn(user, e->d_name);
	closedir(dir);
	return r < 0 ? r : 0;
}

static void put_string(struct json_writer *w, const char *key, const char *value)
{
	jw_key(w, key);
	jw_string(w, value);
}

static void put_bool(struct json_writer *w, const char *key, bool value)
{
	jw_key(w, key);
	jw_bool(w, value);
}

static void put_number(struct json_writer *w, const char *key, uint64_t value)
{
	jw_key(w, key);
	jw_uint(w, value);
}

int registry_info_write(int dirfd, const struct registry_info *info)
{
	CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new(NULL);
	const char *text;
	size_t n;

	if (!w)
		return -ENOMEM;
	jw_object(w);
	put_string(w, "id", info->id);
	put_string(w, "bundle", info->bundle);
	put_string(w, "runtime", info->runtime);
	put_string(w, "runtime_root", info->runtime_root);
	jw_key(w, "runtime_args");
	jw_array(w);
	for (size_t i = 0; i < info->n_runtime_args; i++)
		jw_string(w, info->runtime_args[i]);
	jw_end(w);
	put_string(w, "log_path", info->log_path);
	put_string(w, "log_format", info->log_format);
	put_string(w, "exit_file", info->exit_file);
	put_string(w, "started_at", info->started_at);
	put_bool(w, "terminal", info->terminal);
	put_bool(w, "stdin", info->has_stdin);
	put_number(w, "pid", (uint64_t)info->pid);
	put_number(w, "start_ticks", info->start_ticks);
	put_number(w, "shim_pid", (uint64_t)info->shim_pid);
	put_number(w, "shim_start_ticks", info->shim_start_ticks);
	jw_end(w);
	text = json_writer_text(w, &n);
	return text ? io_replace_file(dirfd, REGISTRY_INFO, text, n, 0600) : -ENOMEM;
}

static uint64_t get_number(const struct json *object, const char *key)
{
	const struct json *v = json_get(object, key);
	uint64_t n;

	return v && json_to_u64(v, &n) == 0 ? n : 0;
}

static bool get_bool(const struct json *object, const char *key)
{
	const struct json *v = json_get(object, key);

	return v && v->type == JSON_BOOL && v->boolean;
}

static int parse_info(struct arena *arena, const struct json *o, struct registry_info *i)
{
	const struct json *args = json_get(o, "runtime_args");
	const char **list;

	i->id = json_str(o, "id");
	i->bundle = json_str(o, "bundle");
	i->runtime = json_str(o, "runtime");
	i->runtime_root = json_str(o, "runtime_root");
	i->log_path = json_str(o, "log_path");
	i->log_format = json_str(o, "log_format");
	i->exit_file = json_str(o, "exit_file");
	i->started_at = json_str(o, "started_at");
	i->terminal = get_bool(o, "terminal");
	i->has_stdin = get_bool(o, "stdin");
	i->pid = (pid_t)get_number(o, "pid");
	i->start_ticks = get_number(o, "start_ticks");
	i->shim_pid = (pid_t)get_number(o, "shim_pid");
	i->shim_start_ticks = get_number(o, "shim_start_ticks");
	if (!i->id || !i->bundle || !i->runtime || !i->log_path || !i->log_format)
		return -EINVAL;
	if (!args)
		return 0;
	if (args->type != JSON_ARRAY)
		return -EINVAL;
	list = ARENA_ARRAY(arena, args->count, const char *);
	i->runtime_args = list;
	json_each (it, args) {
		if (it->type != JSON_STRING)
			return -EINVAL;
		list[i->n_runtime_args++] = it->string;
	}
	return 0;
}

int registry_info_read(int dirfd, struct arena *arena, struct registry_info *ret, struct err *err)
{
	struct registry_info info = { 0 };
	struct json *object;
	size_t n;
	char *data;
	int r;

	r = io_read_file(dirfd, REGISTRY_INFO, INFO_MAX, arena, &data, &n);
	if (r < 0)
		return err_sysn(err, r, "read \"%s\" of the container", REGISTRY_INFO);
	r = json_parse(arena, data, n, &object, err);
	if (r < 0)
		return err_wrap(err, "\"%s\" of the container", REGISTRY_INFO);
	r = parse_info(arena, object, &info);
	if (r < 0)
		return err_set(err, EINVAL, "\"%s\" of the container is damaged", REGISTRY_INFO);
	*ret = info;
	return 0;
}

int registry_connect(const struct registry_key *key, struct err *err)
{
	char path[PATH_MAX];

	if (registry_path(key, REGISTRY_SOCKET, path, sizeof(path)) < 0)
		return err_set(err, ENAMETOOLONG, "the path of \"%s\" is too long", key->id);
	return sock_connect(path, SOCK_STREAM, err);
}
