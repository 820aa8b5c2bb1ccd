/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent's preparations before the clone. See prep.h.
 */
#include "runtime/prep.h"

#include <errno.h>
#include <fcntl.h>

#include "common/fd.h"
#include "common/sock.h"
#include "runtime/annotations.h"
#include "runtime/hooks.h"
#include "runtime/tty.h"

void prep_init(struct prep *prep)
{
	*prep = (struct prep){
		.rootfs = { .root = { .fd = -EBADF } },
		.fifos = FIFOS_INIT,
		.console_sock = -EBADF,
		.pidfd_sock = -EBADF,
		.seccomp_sock = -EBADF,
		.hooks_out = -EBADF,
		.hooks_err = -EBADF,
		.stdio_child = { -EBADF, -EBADF, -EBADF },
		.stdio_parent = { -EBADF, -EBADF, -EBADF },
	};
}

void prep_done(struct prep *prep)
{
	rootfs_prep_done(&prep->rootfs);
	ns_close_all(&prep->ns);
	fifos_close(&prep->fifos);
	prep->console_sock = fd_close(prep->console_sock);
	prep->pidfd_sock = fd_close(prep->pidfd_sock);
	prep->seccomp_sock = fd_close(prep->seccomp_sock);
	prep->hooks_out = fd_close(prep->hooks_out);
	prep->hooks_err = fd_close(prep->hooks_err);
	for (int i = 0; i < 3; i++) {
		prep->stdio_child[i] = fd_close(prep->stdio_child[i]);
		prep->stdio_parent[i] = fd_close(prep->stdio_parent[i]);
	}
}

static int open_sockets(const struct plan *plan, const struct prep_request *req, struct prep *prep,
			struct err *err)
{
	const struct spec_seccomp *seccomp = plan->process->seccomp.spec;

	if (req->console_socket) {
		prep->console_sock = tty_connect(req->console_socket, "console socket", err);
		if (prep->console_sock < 0)
			return prep->console_sock;
	}
	if (req->pidfd_socket) {
		prep->pidfd_sock = tty_connect(req->pidfd_socket, "pidfd socket", err);
		if (prep->pidfd_sock < 0)
			return prep->pidfd_sock;
	}
	if (prep->seccomp.notify && seccomp && seccomp->listener_path) {
		prep->seccomp_sock =
			tty_connect(seccomp->listener_path, "linux.seccomp.listenerPath", err);
		if (prep->seccomp_sock < 0)
			return prep->seccomp_sock;
	}
	return 0;
}

/* Pipes, and not our own stdio: the container must not get a descriptor of the caller's terminal
 * (TIOCSTI), and its user must be able to reopen /dev/stdout. */
static int make_pipes(const struct plan *plan, struct prep *prep, struct err *err)
{
	for (int i = 0; i < 3; i++) {
		int fds[2], child = i == 0 ? 0 : 1;

		if (pipe2(fds, O_CLOEXEC) < 0)
			return err_sys(err, "make a pipe for stdio");
		prep->stdio_child[i] = fds[child];
		prep->stdio_parent[i] = fds[!child];
		if (plan->ns.user && plan->ns.uid_maps.n && plan->ns.root_mapped &&
		    fchown(fds[child], plan->ns.root_uid, plan->ns.root_gid) < 0 && errno != EPERM)
			return err_sys(err, "give the stdio pipe to uid %u", plan->ns.root_uid);
	}
	return 0;
}

/* Here, for init's root is another. */
static int open_hook_files(const struct spec *spec, struct prep *prep, struct err *err)
{
	const char *out, *error;

	if (!spec->hooks[HOOK_CREATE_CONTAINER].n && !spec->hooks[HOOK_START_CONTAINER].n)
		return 0;
	annotations_hooks(spec, &out, &error);
	if (out && (prep->hooks_out = hooks_open_file(out, err)) < 0)
		return prep->hooks_out;
	if (error && (prep->hooks_err = hooks_open_file(error, err)) < 0)
		return prep->hooks_err;
	return 0;
}

int prep_open(struct arena *arena, const struct plan *plan, const struct host *host,
	      const struct prep_request *req, struct prep *prep, struct err *err)
{
	int r = 0;

	if (!req->no_seccomp)
		r = seccomp_compile(arena, &plan->process->seccomp, &prep->seccomp, err);
	if (r >= 0)
		r = open_sockets(plan, req, prep, err);
	if (r >= 0 && plan->ns.n_joins)
		r = ns_open_all(&plan->ns, host, &prep->ns, err);
	if (r >= 0)
		prep->helper = prep->ns.helper;
	if (r >= 0 && req->pipes)
		r = make_pipes(plan, prep, err);
	if (r < 0 || !plan->mounts)
		return r;
	r = open_hook_files(plan->spec, prep, err);
	if (r < 0)
		return r;
	/* Callers know these errors as init's, who opened the sources in other runtimes. */
	if (rootfs_prepare(arena, plan->mounts, plan->cgroup, &prep->rootfs, err) < 0)
		return err_wrap(err, "error during container init");
	return 0;
}
