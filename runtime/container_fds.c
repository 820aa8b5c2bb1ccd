/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inherited descriptors. See container_fds.h.
 */
#include "runtime/container_fds.h"

#include <errno.h>
#include <fcntl.h>

#include "common/fd.h"
#include "common/str.h"

#define FDS_MAX 4096

static unsigned int listen_fds(void)
{
	const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	uint32_t n, p;

	if (!fds || !pid || parse_u32(pid, 10, &p) < 0 || (pid_t)p != getpid() ||
	    parse_u32(fds, 10, &n) < 0 || n > FDS_MAX)
		return 0;
	return n;
}

int container_fds(int preserve, bool listen, struct plan_input *in, struct err *err)
{
	int r;

	if (preserve < 0 || preserve > FDS_MAX)
		return err_set(err, EINVAL, "--preserve-fds: %d is not possible", preserve);
	in->listen_fds = listen ? listen_fds() : 0;
	in->preserve_fds = (unsigned int)preserve;
	for (int i = 0; i < preserve; i++) {
		int fd = 3 + (int)in->listen_fds + i;
		int flags = fcntl(fd, F_GETFD);

		/* What came over our execve cannot be close-on-exec: that one is our own. */
		if (flags >= 0 && !(flags & FD_CLOEXEC))
			continue;
		return err_set(err, EBADF,
			       "unable to stat preserved-fd %d (of %d): stat /proc/self/fd/%d: %s",
			       i, preserve, fd, err_strerror(ENOENT));
	}
	/* What else the caller left open is nobody's business: not the hooks' either. */
	r = fd_cloexec_from(3 + (int)in->listen_fds + preserve);
	return r < 0 ? err_sysn(err, r, "close descriptors") : 0;
}
