/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See criu_facts.h.
 */
#include "runtime/criu_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/io.h"
#include "common/json.h"

#define MOUNTINFO_MAX (16u << 20)
#define DESCRIPTORS "descriptors.json"
#define DESCRIPTORS_MAX 65536
#define NULL_PREFIX "/dev/null="

/* ---- mounts ---- */

static const char *next_word(char **at)
{
	char *word = *at, *end = word + strcspn(word, " ");

	*at = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

/* \040 and its kin, in place. */
static void unescape(char *s)
{
	char *out = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

static int parse_device(const char *text, struct criu_mount *m)
{
	char major_text[16];
	const char *colon = strchr(text, ':');
	uint32_t major_number, minor_number;
	size_t n = colon ? (size_t)(colon - text) : sizeof(major_text);

	if (n >= sizeof(major_text))
		return -EBADMSG;
	memcpy(major_text, text, n);
	major_text[n] = '\0';
	if (parse_u32(major_text, 10, &major_number) < 0 ||
	    parse_u32(colon + 1, 10, &minor_number) < 0)
		return -EBADMSG;
	m->major = major_number;
	m->minor = minor_number;
	return 0;
}

/* "51 52 254:0 /root /point options [optional...] - type source options" */
static int parse_mount(char *line, struct criu_mount *m)
{
	char *at = line, *point;

	if (parse_u64(next_word(&at), 10, &m->id) < 0)
		return -EBADMSG;
	(void)next_word(&at);
	if (parse_device(next_word(&at), m) < 0)
		return -EBADMSG;
	(void)next_word(&at);
	point = (char *)next_word(&at);
	unescape(point);
	m->point = point;
	while (*at && !str_eq(next_word(&at), "-"))
		;
	m->type = next_word(&at);
	return point[0] == '/' && m->type[0] ? 0 : -EBADMSG;
}

int criu_parse_mounts(struct arena *arena, const char *text, struct criu_mounts *ret)
{
	char *copy = arena_strdup(arena, text), *end;
	size_t n = 1;

	for (const char *s = text; *s; s++)
		n += *s == '\n';
	ret->v = ARENA_ARRAY(arena, n, struct criu_mount);
	ret->n = 0;
	for (char *line = copy; *line; line = end + 1) {
		end = strchrnul(line, '\n');
		bool last = !*end;

		*end = '\0';
		if (*line && parse_mount(line, &ret->v[ret->n++]) < 0)
			return -EBADMSG;
		if (last)
			break;
	}
	return 0;
}

int criu_read_mounts(struct arena *arena, pid_t pid, struct criu_mounts *ret, struct err *err)
{
	const char *path = arena_printf(arena, "/proc/%d/mountinfo", (int)pid);
	char *text;
	size_t n;
	int r = io_read_file(AT_FDCWD, path, MOUNTINFO_MAX, arena, &text, &n);

	if (r >= 0)
		r = criu_parse_mounts(arena, text, ret);
	return r < 0 ? err_sysn(err, r, "read \"%s\"", path) : 0;
}

const struct criu_mount *criu_mount_by_id(const struct criu_mounts *mounts, uint64_t id)
{
	for (size_t i = 0; i < mounts->n; i++)
		if (mounts->v[i].id == id)
			return &mounts->v[i];
	return NULL;
}

/* ---- cgroups ---- */

int criu_read_cgroups(struct arena *arena, pid_t pid, struct criu_pairs *ret, struct err *err)
{
	const char *path = arena_printf(arena, "/proc/%d/cgroup", (int)pid);
	char *text, *end;
	size_t n;
	int r = io_read_file(AT_FDCWD, path, 1 << 20, arena, &text, &n);

	if (r < 0)
		return err_sysn(err, r, "read \"%s\"", path);
	for (char *line = text; *line; line = end + 1) {
		char *names = strchr(line, ':'), *where;

		end = strchrnul(line, '\n');
		bool last = !*end;

		*end = '\0';
		where = names ? strchr(names + 1, ':') : NULL;
		if (where) {
			*where = '\0';
			criu_pairs_add(arena, ret, names + 1, where + 1);
		}
		if (last)
			break;
	}
	return 0;
}

/* ---- stdio ---- */

int criu_mount_id(pid_t pid, int fd, uint64_t *ret)
{
	char path[64], text[1024];
	char *at, *end;
	int r;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)pid, fd);
	else
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	r = io_read_small(AT_FDCWD, path, text, sizeof(text));
	if (r < 0)
		return r;
	at = strstr(text, "mnt_id:");
	if (!at)
		return -ENODATA;
	at += strlen("mnt_id:");
	at += strspn(at, " \t");
	end = at + strcspn(at, "\n");
	*end = '\0';
	return parse_u64(at, 10, ret);
}

static int read_one(struct arena *arena, pid_t pid, const struct criu_mounts *mounts, int fd,
		    struct criu_stdio *ret)
{
	char path[64], link[PATH_MAX];
	struct stat st;
	uint64_t id;
	ssize_t n;
	int r;

	ret->name[fd] = "";
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return errno == ENOENT ? 0 : -errno; /* it has closed it */
	link[n] = '\0';
	ret->name[fd] = arena_strdup(arena, link);
	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
		return 0;
	r = criu_mount_id(pid, fd, &id);
	if (r < 0)
		return r;
	/* A terminal's name on the host says nothing: criu finds its master's end by itself. */
	if (criu_mount_by_id(mounts, id) || major(st.st_rdev) == 136)
		return 0;
	ret->name[fd] = arena_printf(arena, "file[%llx:%llx]", (unsigned long long)id,
				     (unsigned long long)st.st_ino);
	ret->external[fd] = ret->name[fd];
	ret->null[fd] = S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
	for (int i = 0; i < fd; i++)
		if (ret->external[i] && str_eq(ret->external[i], ret->name[fd]))
			ret->external[fd] = NULL; /* the same file: once is enough */
	return 0;
}

int criu_read_stdio(struct arena *arena, pid_t pid, const struct criu_mounts *mounts,
		    struct criu_stdio *ret, struct err *err)
{
	*ret = (struct criu_stdio){ 0 };
	for (int fd = 0; fd < 3; fd++) {
		int r = read_one(arena, pid, mounts, fd, ret);

		if (r < 0)
			return err_sysn(err, r, "look at descriptor %d of process %d", fd,
					(int)pid);
	}
	return 0;
}

bool criu_is_inherited(const char *name)
{
	return str_starts_with(name, "pipe:[") || str_starts_with(name, "file[");
}

/* ---- descriptors.json ---- */

int criu_write_descriptors(int images_fd, const struct criu_stdio *stdio, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new(NULL);
	const char *text;
	size_t n;
	int r;

	jw_array(w);
	for (int i = 0; i < 3; i++) {
		char name[PATH_MAX];

		snprintf(name, sizeof(name), "%s%s", stdio->null[i] ? NULL_PREFIX : "",
			 stdio->name[i]);
		jw_string(w, name);
	}
	jw_end(w);
	text = json_writer_text(w, &n);
	r = io_replace_file(images_fd, DESCRIPTORS, text, n, 0600);
	return r < 0 ? err_sysn(err, r, "write \"" DESCRIPTORS "\" to the image path") : 0;
}

int criu_read_descriptors(struct arena *arena, int images_fd, struct criu_stdio *ret,
			  struct err *err)
{
	struct json *list;
	char *text;
	size_t n, i = 0;
	int r;

	*ret = (struct criu_stdio){ .name = { "", "", "" } };
	r = io_read_file(images_fd, DESCRIPTORS, DESCRIPTORS_MAX, arena, &text, &n);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_sysn(err, r, "read \"" DESCRIPTORS "\" of the image path");
	r = json_parse(arena, text, n, &list, err);
	if (r < 0)
		return err_wrap(err, "\"" DESCRIPTORS "\" of the image path");
	if (list->type != JSON_ARRAY)
		return err_set(err, EINVAL, "\"" DESCRIPTORS "\" of the image path is no list");
	json_each (it, list) {
		const char *name = it->type == JSON_STRING ? it->string : "";
		bool null = str_starts_with(name, NULL_PREFIX);

		if (null)
			name += strlen(NULL_PREFIX);
		if (i < 3 && criu_is_inherited(name)) {
			ret->name[i] = name;
			ret->null[i] = null;
		}
		i++;
	}
	return 0;
}
