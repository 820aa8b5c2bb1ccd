// SPDX-License-Identifier: Apache-2.0
// Takes away what is mounted for a container, after its end or after its shim's death.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <time.h>

#include "common/io.h"
#include "shim/front_task_private.h"

#define UNMOUNT_TRIES 50
#define UNMOUNT_WAIT_MS 50
#define MOUNTINFO_MAX (16u << 20)

/* Field 5 of a mountinfo line, its \ooo escapes undone in place. */
static char *mount_point(char *line)
{
	char *p = line, *to, *from;

	for (int i = 0; i < 4 && p; i++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	if (!p)
		return NULL;
	p[strcspn(p, " ")] = '\0';
	for (to = from = p; *from; from++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] && from[3]) {
			*to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + from[3] - '0');
			from += 3;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
	return p;
}

static int unmount_one(const char *path)
{
	struct timespec wait = { .tv_nsec = UNMOUNT_WAIT_MS * 1000000L };

	for (int i = 0; i < UNMOUNT_TRIES; i++) {
		if (umount2(path, UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			return -errno;
		nanosleep(&wait, NULL);
	}
	return -EBUSY;
}

/* The last mount on the path or below it, which is the first to go. NULL: none. */
static char *last_mount(char *text, const char *path)
{
	size_t n = strlen(path);
	char *found = NULL;

	for (char *line = text, *end; *line; line = end) {
		char *point;

		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = '\0';
		point = mount_point(line);
		if (point && strncmp(point, path, n) == 0 && (!point[n] || point[n] == '/'))
			found = point;
	}
	return found;
}

int front_unmount_all(const char *bundle, struct err *err)
{
	char path[PATH_MAX], full[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/rootfs", bundle) >= (int)sizeof(path))
		return err_set(err, ENAMETOOLONG, "\"%s/rootfs\"", bundle);
	if (!realpath(path, full))
		return errno == ENOENT ? 0 : err_sys(err, "\"%s\"", path);
	for (;;) {
		CLEANUP_ARENA struct arena arena = { 0 };
		char *text, *point;
		size_t n;
		int r = io_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &arena, &text,
				     &n);

		if (r < 0)
			return err_sysn(err, r, "read \"/proc/self/mountinfo\"");
		point = last_mount(text, full);
		if (!point)
			return 0;
		r = unmount_one(point);
		if (r < 0)
			return err_sysn(err, r, "unmount \"%s\"", point);
	}
}
