/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Home directory and executable look-up. See program.h.
 */
#include "runtime/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/path.h"
#include "common/str.h"

/* The image's passwd may be anything: more than this is not read. */
#define PASSWD_MAX (1u << 20)
#define LINE_MAX_BYTES 1024

/* name:password:uid:gid:gecos:home:shell */
static bool take_line(char *line, uid_t uid, char *buf, size_t size)
{
	char *field[7] = { line };
	uint32_t id;
	size_t n = 1;

	for (char *s = line; *s && n < ARRAY_COUNT(field); s++)
		if (*s == ':') {
			*s = '\0';
			field[n++] = s + 1;
		}
	if (n < 6 || parse_u32(field[2], 10, &id) < 0 || id != uid)
		return false;
	if (field[5][0] == '\0' || strlen(field[5]) >= size)
		return false;
	memcpy(buf, field[5], strlen(field[5]) + 1);
	return true;
}

int program_passwd_home(int fd, uid_t uid, char *buf, size_t size)
{
	char line[LINE_MAX_BYTES], block[4096];
	size_t n = 0, total = 0;
	bool too_long = false;
	ssize_t r;

	while ((r = read(fd, block, sizeof(block))) > 0 && total < PASSWD_MAX) {
		total += (size_t)r;
		for (ssize_t i = 0; i < r; i++) {
			if (block[i] != '\n') {
				if (n < sizeof(line) - 1 && block[i] != '\0')
					line[n++] = block[i];
				else
					too_long = true;
				continue;
			}
			line[n] = '\0';
			if (!too_long && take_line(line, uid, buf, size))
				return 1;
			n = 0;
			too_long = false;
		}
	}
	line[n] = '\0';
	return n > 0 && !too_long && take_line(line, uid, buf, size);
}

int program_home(uid_t uid, char *buf, size_t size, UNUSED struct err *err)
{
	static const char name[] = "HOME=";
	const size_t at = sizeof(name) - 1;
	CLEANUP_FD int root = fd_open("/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	CLEANUP_FD int fd = -EBADF;
	struct stat st;

	memcpy(buf, "HOME=/", sizeof("HOME=/"));
	if (root < 0)
		return 0;
	/* Non-blocking: it may be a fifo. */
	fd = path_open_in_root(root, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if (program_passwd_home(fd, uid, buf + at, size - at) == 0)
		memcpy(buf, "HOME=/", sizeof("HOME=/"));
	return 0;
}

/* 0 if it can be executed. */
static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 && errno == EACCES)
		return -EACCES;
	return st.st_mode & 0111 ? 0 : -EACCES;
}

static int find_given(const char *name, char *buf, size_t size, struct err *err)
{
	int r = executable(name);

	if (strlen(name) >= size)
		return err_set(err, ENAMETOOLONG, "exec: \"%s\": file name too long", name);
	memcpy(buf, name, strlen(name) + 1);
	if (r == 0)
		return 0;
	if (r == -EISDIR || r == -EACCES)
		return err_sysn(err, r, "exec: \"%s\"", name);
	return err_sysn(err, r, "exec: \"%s\": stat %s", name, name);
}

int program_find(const char *name, const char *path, char *buf, size_t size, struct err *err)
{
	const char *dir = path, *end;

	if (strchr(name, '/'))
		return find_given(name, buf, size, err);
	for (; dir && *name; dir = *end ? end + 1 : NULL) {
		int n;

		end = strchrnul(dir, ':');
		n = snprintf(buf, size, "%.*s/%s", (int)(end - dir), dir, name);
		if (end == dir || n < 0 || (size_t)n >= size)
			n = snprintf(buf, size, "./%s", name);
		if (n < 0 || (size_t)n >= size || executable(buf) < 0)
			continue;
		if (buf[0] != '/')
			return err_set(err, ENOENT,
				       "exec: \"%s\": cannot run executable found relative to "
				       "current directory",
				       name);
		return 0;
	}
	return err_set(err, ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}
