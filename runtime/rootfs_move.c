/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --no-pivot, for a root that cannot be pivoted from (an initramfs): the container's root is moved
 * over "/" and entered by chroot. A chroot can be left by whoever has CAP_SYS_CHROOT, so the host's
 * procfs and sysfs, whose protection is by mounts, go first.
 */

#include "common/fd.h"
#include "runtime/rootfs_mount.h"

/* Undoes mountinfo's \040 escapes in place. */
static void unescape(char *s)
{
	char *out = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

static char *field(char *line, int n)
{
	while (n-- > 0 && line) {
		line = strchr(line, ' ');
		line = line ? line + 1 : NULL;
	}
	return line;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw": the mount point if the line is
 * a whole procfs or sysfs outside of the container's root. */
static char *host_pseudo_fs(char *line, const char *rootfs)
{
	char *dash = strstr(line, " - "), *root = field(line, 3), *point = field(line, 4);
	size_t n = strlen(rootfs);

	if (!dash || !root || !point || !str_starts_with(root, "/ "))
		return NULL;
	if (!str_starts_with(dash + 3, "proc ") && !str_starts_with(dash + 3, "sysfs "))
		return NULL;
	point[strcspn(point, " ")] = '\0';
	unescape(point);
	if (strncmp(point, rootfs, n) == 0 && (point[n] == '/' || !point[n]))
		return NULL;
	return point;
}

static int remove_mount(const char *point, struct err *err)
{
	/* Best effort: a locked or already hidden mount gives EINVAL and is covered below. */
	(void)!mount(NULL, point, NULL, MS_SLAVE | MS_REC, NULL);
	if (umount2(point, MNT_DETACH) == 0 || errno == ENOENT)
		return 0;
	if (errno != EINVAL && errno != EPERM)
		return err_sys(err, "unmount \"%s\"", point);
	if (mount("tmpfs", point, "tmpfs", MS_RDONLY, "nr_inodes=2") < 0)
		return err_sys(err, "hide \"%s\"", point);
	return 0;
}

/* One pass over mountinfo with a window of one buffer; a line longer than it is no pseudo file
 * system's. The file is open before /proc goes. */
static int remove_pseudo_fs(const struct rootfs *r, struct err *err)
{
	CLEANUP_FD int fd = -EBADF;
	char buf[8192];
	size_t have = 0;

	fd = fd_open("/proc/self/mountinfo", O_RDONLY, 0);
	if (fd < 0)
		return err_sysn(err, fd, "open \"/proc/self/mountinfo\"");
	for (;;) {
		ssize_t n = read(fd, buf + have, sizeof(buf) - 1 - have);
		char *line = buf, *end;

		if (n < 0)
			return err_sys(err, "read \"/proc/self/mountinfo\"");
		have += (size_t)n;
		buf[have] = '\0';
		while ((end = strchr(line, '\n'))) {
			char *point;

			*end = '\0';
			point = host_pseudo_fs(line, r->plan->rootfs);
			if (point && remove_mount(point, err) < 0)
				return -EIO;
			line = end + 1;
		}
		have -= (size_t)(line - buf);
		memmove(buf, line, have);
		if (n == 0)
			return 0;
		if (have == sizeof(buf) - 1)
			have = 0;
	}
}

int rootfs_move_root(struct rootfs *r, struct err *err)
{
	int rc = remove_pseudo_fs(r, err);

	if (rc < 0)
		return rc;
	if (fchdir(r->root_fd) < 0)
		return err_sys(err, "chdir to the root");
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0)
		return err_sys(err, "move the root to \"/\"");
	if (chroot(".") < 0)
		return err_sys(err, "chroot");
	return 0;
}
