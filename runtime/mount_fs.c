/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New file-system mounts: fsopen, fsconfig, fsmount, with the kernel's own error text; and the same
 * by mount(2), where the new calls are missing or cannot carry the options.
 */
#include <ctype.h>
#include <limits.h>

#include "common/fd.h"
#include "common/str.h"
#include "runtime/mount.h"

/* fsconfig takes strings of less than 256 bytes (strndup_user in the kernel), mount(2) less than a
 * page for all of them. */
#define FSCONFIG_STRING_MAX 256
#define MOUNT_DATA_MAX 4096

static bool is_overlay_lower(const struct mount_fs *fs, const char *option)
{
	return str_eq(fs->type, "overlay") && str_starts_with(option, "lowerdir=");
}

/* Length of the first path of a lowerdir list, which may hold escaped colons. */
static size_t layer_length(const char *p)
{
	size_t n = 0;

	while (p[n] && p[n] != ':')
		n += p[n] == '\\' && p[n + 1] ? 2 : 1;
	return n;
}

static const char *option_value(const char *option)
{
	const char *eq = strchr(option, '=');

	return eq ? eq + 1 : NULL;
}

bool mount_fs_needs_old(const struct mount_fs *fs)
{
	if (fs->sb_flags & MS_I_VERSION) /* fsconfig has no word for it */
		return true;
	for (size_t i = 0; i < fs->options->n; i++) {
		const char *option = fs->options->v[i], *value = option_value(option);

		if (!value)
			continue;
		if (!is_overlay_lower(fs, option)) {
			if (strlen(value) >= FSCONFIG_STRING_MAX)
				return true;
			continue;
		}
		while (*value) {
			size_t n = layer_length(value);

			if (n >= FSCONFIG_STRING_MAX)
				return true;
			value += n + (value[n] == ':');
		}
	}
	return false;
}

/* ---- the context ---- */

/* The kernel leaves "e <text>", "w <text>" messages to be read from the context. */
static int context_error(int fs_fd, int code, const char *what, struct err *err)
{
	char buf[512], text[512] = "";
	ssize_t n;

	for (int i = 0; i < 16 && (n = read(fs_fd, buf, sizeof(buf) - 1)) > 0; i++) {
		while (n > 0 && isspace((unsigned char)buf[n - 1]))
			n--;
		buf[n] = '\0';
		if (n > 2 && buf[0] == 'e')
			memcpy(text, buf + 2, (size_t)n - 1);
	}
	if (*text)
		return err_sysn(err, code, "%s: %s", what, text);
	return err_sysn(err, code, "%s", what);
}

static int set_layers(int fs_fd, const char *value)
{
	char layer[FSCONFIG_STRING_MAX];
	bool data = false;

	while (*value) {
		size_t n = layer_length(value), len = 0;
		int r;

		for (size_t i = 0; i < n; i++) {
			if (value[i] == '\\' && i + 1 < n)
				i++;
			layer[len++] = value[i];
		}
		layer[len] = '\0';
		value += n + (value[n] == ':');
		if (len == 0) { /* "::": data-only layers follow */
			data = true;
			continue;
		}
		r = sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, data ? "datadir+" : "lowerdir+", layer,
				 0);
		if (r < 0)
			return r;
	}
	return 0;
}

static int set_option(int fs_fd, const struct mount_fs *fs, const char *option)
{
	const char *value = option_value(option);
	char key[FSCONFIG_STRING_MAX], plain[FSCONFIG_STRING_MAX];
	size_t n;

	if (!value)
		return sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, option, NULL, 0);
	n = (size_t)(value - option) - 1;
	if (n >= sizeof(key))
		return -EINVAL;
	memcpy(key, option, n);
	key[n] = '\0';
	if (is_overlay_lower(fs, option) && strlen(value) >= FSCONFIG_STRING_MAX)
		return set_layers(fs_fd, value);
	/* The quotes of context="..." are mount(2)'s, to protect its commas. */
	n = strlen(value);
	if (n >= 2 && n < sizeof(plain) && value[0] == '"' && value[n - 1] == '"') {
		memcpy(plain, value + 1, n - 2);
		plain[n - 2] = '\0';
		value = plain;
	}
	return sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, key, value, 0);
}

static int set_sb_flags(int fs_fd, unsigned long flags)
{
	static const struct {
		unsigned long flag;
		const char *word;
	} words[] = {
		{ MS_RDONLY, "ro" },     { MS_SYNCHRONOUS, "sync" },  { MS_DIRSYNC, "dirsync" },
		{ MS_MANDLOCK, "mand" }, { MS_LAZYTIME, "lazytime" },
	};

	/* MS_SILENT only keeps the kernel's log quiet; a context's messages come to us anyway. */
	for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
		int r;

		if (!(flags & words[i].flag))
			continue;
		r = sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, words[i].word, NULL, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool has_long_layers(const struct mount_fs *fs)
{
	for (size_t i = 0; i < fs->options->n; i++) {
		if (is_overlay_lower(fs, fs->options->v[i]) &&
		    strlen(fs->options->v[i]) >= FSCONFIG_STRING_MAX)
			return true;
	}
	return false;
}

static int configure(int fs_fd, const struct mount_fs *fs, struct err *err)
{
	int r = 0;

	if (fs->source && *fs->source)
		r = sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", fs->source, 0);
	if (r < 0)
		return context_error(fs_fd, r, "source", err);
	r = set_sb_flags(fs_fd, fs->sb_flags);
	if (r < 0)
		return context_error(fs_fd, r, "flags", err);
	for (size_t i = 0; i < fs->options->n; i++) {
		r = set_option(fs_fd, fs, fs->options->v[i]);
		if (r < 0)
			return context_error(fs_fd, r, fs->options->v[i], err);
	}
	if (fs->extra)
		r = set_option(fs_fd, fs, fs->extra);
	if (r < 0)
		return context_error(fs_fd, r, fs->extra, err);
	r = sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	return r < 0 ? context_error(fs_fd, r, fs->type, err) : 0;
}

int mount_fs_make(const struct mount_fs *fs, struct err *err)
{
	CLEANUP_FD int fs_fd = -EBADF;
	int r;

	fs_fd = sys_fsopen(fs->type, FSOPEN_CLOEXEC);
	if (fs_fd < 0)
		return err_sysn(err, fs_fd, "file system \"%s\"", fs->type);
	r = configure(fs_fd, fs, err);
	/* "lowerdir+" came with 6.8; before it, only mount(2) takes a long list. */
	if (r == -EINVAL && has_long_layers(fs))
		return -ENOSYS;
	if (r < 0)
		return r;
	r = sys_fsmount(fs_fd, FSMOUNT_CLOEXEC, (unsigned int)fs->attrs);
	return r < 0 ? context_error(fs_fd, r, fs->type, err) : r;
}

/* ---- mount(2) ---- */

/* Length of the directory, with its last slash, that all of an overlay's layers begin with: they are what
 * makes options long, while upperdir and workdir may be elsewhere and stay absolute. */
static size_t common_directory(const struct mount_fs *fs, const char **ret_first)
{
	const char *first = NULL;
	size_t common = 0;

	for (size_t i = 0; i < fs->options->n; i++) {
		const char *value = option_value(fs->options->v[i]);

		if (!value || !is_overlay_lower(fs, fs->options->v[i]))
			continue;
		while (*value) {
			size_t n = layer_length(value), same = 0, slash = 0;

			if (!first && n) {
				first = value;
				common = n;
			}
			for (; same < n && same < common && value[same] == first[same]; same++) {
				if (value[same] == '/')
					slash = same + 1;
			}
			if (n)
				common = slash;
			value += n + (value[n] == ':');
		}
	}
	*ret_first = first;
	/* An escaped name would need unescaping here: leave such lists as they are. */
	return first && !memchr(first, '\\', common) ? common : 0;
}

/* `skip`: so much of each layer's path is left out. */
static void add_option(struct str *data, const char *option, size_t skip)
{
	const char *value = option_value(option);

	if (data->len)
		str_add_char(data, ',');
	if (!skip) {
		str_add(data, option);
		return;
	}
	str_add_n(data, option, (size_t)(value - option));
	while (*value) {
		size_t n = layer_length(value);

		str_add_n(data, value + MIN(skip, n), n - MIN(skip, n));
		value += n;
		if (*value) {
			str_add_char(data, ':');
			value++;
		}
	}
}

static void join_data(const struct mount_fs *fs, struct str *data, size_t skip)
{
	str_reset(data);
	data->overflow = false;
	for (size_t i = 0; i < fs->options->n; i++)
		add_option(data, fs->options->v[i],
			   is_overlay_lower(fs, fs->options->v[i]) ? skip : 0);
	if (fs->extra)
		add_option(data, fs->extra, 0);
}

int mount_old_fs(const struct mount_fs *fs, int old_dir, int target_fd, struct err *err)
{
	char buf[MOUNT_DATA_MAX], directory[PATH_MAX] = "/";
	struct str data = STR_FIXED(buf);
	unsigned long flags = fs->sb_flags | mount_ms_flags(fs->attrs);
	struct fd_path target = fd_path(target_fd);
	const char *first = NULL;
	size_t skip = 0;
	int r = 0;

	join_data(fs, &data, 0);
	if (data.overflow && str_eq(fs->type, "overlay")) {
		skip = common_directory(fs, &first);
		join_data(fs, &data, skip);
	}
	if (data.overflow)
		return err_set(err, E2BIG, "%s: the options are longer than a page", fs->type);
	if (skip && skip < sizeof(directory)) {
		memcpy(directory, first, skip);
		directory[skip] = '\0';
	}
	if (old_dir >= 0 ? fchdir(old_dir) < 0 : chdir(directory) < 0)
		return err_sys(err, "chdir \"%s\"", old_dir >= 0 ? "/proc" : directory);
	if (mount(fs->source ? fs->source : "none",
		  target.s + (old_dir >= 0 ? strlen("/proc/") : 0), fs->type, flags,
		  data.len ? buf : NULL) < 0)
		r = err_sys(err, "file system \"%s\", data \"%s\"", fs->type, buf);
	if (chdir("/") < 0 && r == 0)
		r = err_sys(err, "chdir \"/\"");
	return r;
}
