// SPDX-License-Identifier: Apache-2.0
// `start`: the pod's shim, or the one that is there already; its address on standard output.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"
#include "shim/front_task.h"
#include "shim/oom.h"
#include "shim/options.pb-c.h"

#define READY_MS 10000

#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE 62
#define PR_SCHED_CORE_CREATE 1
#endif
#define SCHED_CORE_GROUP 2 /* the scope: our process group, which is our own */

static int make_dirs(const char *path, struct err *err)
{
	char buf[FRONT_TASK_ADDRESS_MAX];

	if (snprintf(buf, sizeof(buf), "%s", path) >= (int)sizeof(buf))
		return err_set(err, ENAMETOOLONG, "\"%s\"", path);
	for (char *p = strchr(buf + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		/* The last one is the sockets' own directory. */
		if (mkdir(buf, strchr(p + 1, '/') ? 0711 : 0700) < 0 && errno != EEXIST)
			return err_sys(err, "mkdir \"%s\"", buf);
		*p = '/';
	}
	return 0;
}

int front_socket_lock(const char *path)
{
	char dir[FRONT_TASK_ADDRESS_MAX];
	CLEANUP_FD int fd = -EBADF;

	if (snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path) >=
	    (int)sizeof(dir))
		return -ENAMETOOLONG;
	fd = fd_open(dir[0] ? dir : "/", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	return fd_take(&fd);
}

static bool is_alive(const struct sockaddr_un *addr)
{
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* EAGAIN: a full backlog is somebody's. */
	return fd >= 0 &&
	       (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN);
}

/* The listening socket; -EEXIST: a shim lives there. */
static int listen_at(const char *path, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLEANUP_FD int fd = -EBADF;
	CLEANUP_FD int lock = -EBADF;
	int r = make_dirs(path, err);

	if (r < 0)
		return r;
	lock = front_socket_lock(path);
	if (lock < 0)
		return err_sysn(err, lock, "lock the directory of \"%s\"", path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(err, "socket");
	for (int i = 0; i < 2; i++) {
		mode_t old = umask(0177);

		r = bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
		umask(old);
		if (r == 0)
			break;
		if (r == -EADDRINUSE && is_alive(&addr))
			return err_set(err, EEXIST, "a shim listens on \"%s\"", path);
		if (r != -EADDRINUSE || (unlink(path) < 0 && errno != ENOENT))
			return err_sysn(err, r, "listen on \"%s\"", path);
	}
	if (r < 0 || listen(fd, SOMAXCONN) < 0)
		return err_sys(err, "listen on \"%s\"", path);
	return fd_take(&fd);
}

static int answer(const struct front_boot *boot, const char *address, struct err *err)
{
	Thole__Options__BootstrapResult m = THOLE__OPTIONS__BOOTSTRAP_RESULT__INIT;
	uint8_t buf[FRONT_TASK_ADDRESS_MAX + 64];
	size_t n = strlen(address);
	int r;

	/* In the bundle, which is the current directory: how a restarted daemon finds us. */
	r = io_replace_file(AT_FDCWD, "address", address, n, 0600);
	if (r < 0)
		return err_sysn(err, r, "write \"address\"");
	if (boot->structured) {
		m.version = 3;
		m.address = (char *)address;
		m.protocol = (char *)"ttrpc";
		n = protobuf_c_message_pack(&m.base, buf);
		r = io_write_all(STDOUT_FILENO, buf, n);
	} else {
		r = io_write_all(STDOUT_FILENO, address, n);
	}
	return r < 0 ? err_sysn(err, r, "print the address") : 0;
}

/* The kernel shall take the shim before the daemon, and the containers before both. */
static void adjust_oom_score(pid_t child)
{
	char path[64], text[16];
	int score;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", getppid());
	if (io_read_small(AT_FDCWD, path, text, sizeof(text)) < 0 || parse_int(text, &score) < 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", child);
	snprintf(text, sizeof(text), "%d", MIN(score + 1, 1000));
	/* In a user namespace, or without the right to lower it: it stays as it is. */
	if (io_write_small(AT_FDCWD, path, text) < 0)
		return;
}

/* The shim and its containers share a core with nobody else's threads. Linux 5.14. */
static int sched_core(struct err *err)
{
	const char *wanted = getenv("SCHED_CORE");

	if (!wanted || !wanted[0])
		return 0;
	if (prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, SCHED_CORE_GROUP, 0) < 0)
		return err_sys(err, "enable sched core support");
	return 0;
}

static int launch(const struct front_daemon_config *config, const char *shim_cgroup,
		  int listen_fd_consume, struct err *err)
{
	CLEANUP_FD int listener = listen_fd_consume;
	CLEANUP_FD int ours = -EBADF;
	CLEANUP_FD int theirs = -EBADF;
	struct pollfd ready = { .events = POLLIN };
	int p[2];
	char byte;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	ours = p[0];
	theirs = p[1];
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return err_sys(err, "fork");
	if (pid == 0) {
		struct err e = { 0 };

		if (shim_cgroup && shim_cgroup[0] && oom_enter_cgroup(shim_cgroup, &e) < 0)
			_exit(1);
		_exit(front_task_daemon(config, fd_take(&listener), fd_take(&theirs)));
	}
	theirs = fd_close(theirs);
	adjust_oom_score(pid);
	ready.fd = ours;
	if (poll(&ready, 1, READY_MS) == 1 && read(ours, &byte, 1) == 1)
		return 0;
	(void)unlink(config->socket);
	return err_set(err, EIO, "the shim died before it listened");
}

static int start(const struct front_args *args, struct arena *arena, struct err *err)
{
	struct front_daemon_config config = { .args = args };
	struct front_options_runc options = { 0 };
	char address[FRONT_TASK_ADDRESS_MAX];
	struct front_boot boot = { 0 };
	struct front_spec spec;
	char *data;
	size_t n;
	int r;

	if (!args->id[0] || !args->ns[0])
		return err_set(err, EINVAL, "-id and -namespace are needed");
	r = front_read_stdin(arena, &data, &n, err);
	if (r == 0)
		r = front_boot_parse(data, n, args, arena, &boot, err);
	if (r == 0)
		r = front_options_parse(boot.options_type, boot.options, boot.options_len, arena,
					&options, err);
	if (r < 0)
		return r;
	front_spec_read(".", arena, &spec);
	if (args->socket[0])
		r = snprintf(address, sizeof(address), "unix://%s", args->socket) >= 113 ? -1 : 0;
	else
		r = front_socket_address(boot.socket_dir ? boot.socket_dir : FRONT_TASK_SOCKETS,
					 args, spec.group ? spec.group : args->id, address,
					 sizeof(address));
	if (r < 0)
		return err_set(err, ENAMETOOLONG, "the socket's path is too long");
	config.socket = address + strlen("unix://");
	config.ttrpc_address = boot.ttrpc_address ? boot.ttrpc_address : getenv("TTRPC_ADDRESS");
	r = listen_at(config.socket, err);
	if (r >= 0 && sched_core(err) < 0) {
		(void)unlink(config.socket);
		fd_close(r);
		return -ENOTSUP;
	}
	if (r >= 0)
		r = launch(&config, options.shim_cgroup, r, err);
	else if (r == -EEXIST)
		r = 0;
	return r < 0 ? r : answer(&boot, address, err);
}

int front_task_start(const struct front_args *args)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct err err = { 0 };

	if (start(args, &arena, &err) >= 0)
		return 0;
	fprintf(stderr, "containerd-shim-thole-v2: %s\n", err.msg);
	return 1;
}
