// SPDX-License-Identifier: Apache-2.0
// Loop devices: one for a file, cleared by the kernel at its last close.
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "common/fd.h"
#include "shim/front_task_mount.h"

#define TRIES 64 /* others look for a free device, too */

/* Before Linux 5.8: in two calls. */
static int configure_old(int device, const struct loop_config *c)
{
	if (ioctl(device, LOOP_SET_FD, c->fd) < 0)
		return -errno;
	if (ioctl(device, LOOP_SET_STATUS64, &c->info) == 0)
		return 0;
	(void)ioctl(device, LOOP_CLR_FD, 0);
	return -errno;
}

static int configure(int device, const struct loop_config *c)
{
	int r = ioctl(device, LOOP_CONFIGURE, c) < 0 ? -errno : 0;

	return r == -EINVAL || r == -ENOTTY ? configure_old(device, c) : r;
}

int front_loop_open(const char *file, const struct front_mount_options *o, char *buf, size_t size,
		    struct err *err)
{
	bool ro = o->flags & MS_RDONLY;
	CLEANUP_FD int control = fd_open("/dev/loop-control", O_RDWR, 0);
	CLEANUP_FD int image = fd_open(file, ro ? O_RDONLY : O_RDWR, 0);
	struct loop_config c = { .fd = (uint32_t)image };
	int r = -EBUSY;

	if (control < 0)
		return err_sysn(err, control, "open \"/dev/loop-control\"");
	if (image < 0)
		return err_sysn(err, image, "open \"%s\"", file);
	c.info.lo_flags = LO_FLAGS_AUTOCLEAR | (ro ? LO_FLAGS_READ_ONLY : 0) |
			  (o->direct_io ? LO_FLAGS_DIRECT_IO : 0);
	snprintf((char *)c.info.lo_file_name, sizeof(c.info.lo_file_name), "%s", file);
	for (int i = 0; i < TRIES && r == -EBUSY; i++) {
		CLEANUP_FD int device = -EBADF;
		int n = ioctl(control, LOOP_CTL_GET_FREE);

		if (n < 0)
			return err_sys(err, "no free loop device for \"%s\"", file);
		snprintf(buf, size, "/dev/loop%d", n);
		device = fd_open(buf, ro ? O_RDONLY : O_RDWR, 0);
		if (device < 0)
			return err_sysn(err, device, "open \"%s\"", buf);
		r = configure(device, &c);
		if (r == 0)
			return fd_take(&device);
	}
	return err_sysn(err, r, "loop device for \"%s\"", file);
}
