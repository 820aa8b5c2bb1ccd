// SPDX-License-Identifier: Apache-2.0
/*
 * Client commands that change something: kill, resize, reopen-log, delete.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/proc.h"
#include "shim/client_private.h"

#define SHIM_END_MS 15000

/* ---- kill ---- */

static int kill_by_shim(struct client *c, const char *exec_id, int sig, bool all, struct err *err)
{
	static const struct ttrpc_method method = { CLIENT_TASK, "Kill", NULL };
	Containerd__Task__V2__KillRequest request = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;

	request.id = (char *)c->key.id;
	request.exec_id = (char *)exec_id;
	request.signal = (uint32_t)sig;
	request.all = all;
	return client_call(c, &method, &request.base, NULL, err);
}

static int kill_directly(struct client *c, int sig, struct err *err)
{
	CLEANUP_FD int fd = client_init_pidfd(c);
	int r = fd < 0 ? fd : proc_signal(fd, sig);

	if (r == -ESRCH)
		return err_set(err, ESRCH, "container \"%s\" is not running", c->key.id);
	return r < 0 ? err_sysn(err, r, "kill process %d of container \"%s\"", (int)c->info.pid,
				c->key.id)
		     : 0;
}

int client_cmd_kill(struct client *c, int argc, char **argv, struct err *err)
{
	const char *exec_id = "";
	bool all = false;
	const struct client_option options[] = {
		{ "all", 'a', NULL, "to all processes of the container", .flag = &all },
		{ "exec-id", 0, "EXEC", "to an exec session", .text = &exec_id },
	};
	int n, r, sig = SIGTERM;

	r = client_options(c, argc, argv, options, ARRAY_COUNT(options), false, &n, err);
	if (r == 0)
		r = client_want_operands(c, n, 1, 2, err);
	if (r < 0)
		return r;
	if (n == 2) {
		sig = parse_signal(argv[2]);
		if (sig < 0)
			return err_set(err, EINVAL, "kill: unknown signal \"%s\"", argv[2]);
	}
	r = client_open(c, argv[1], err);
	if (r < 0)
		return r;
	if (c->alive || exec_id[0])
		return kill_by_shim(c, exec_id, sig, all, err);
	if (all && c->has_info) {
		char text[16];

		snprintf(text, sizeof(text), "%d", sig);
		return client_run_runtime(c, "kill", "--all", text, err);
	}
	return kill_directly(c, sig, err);
}

/* ---- resize ---- */

int client_cmd_resize(struct client *c, int argc, char **argv, struct err *err)
{
	static const struct ttrpc_method method = { CLIENT_TASK, "ResizePty", NULL };
	Containerd__Task__V2__ResizePtyRequest request =
		CONTAINERD__TASK__V2__RESIZE_PTY_REQUEST__INIT;
	const char *exec_id = "";
	const struct client_option options[] = {
		{ "exec-id", 0, "EXEC", "of an exec session", .text = &exec_id },
	};
	int n, r;

	r = client_options(c, argc, argv, options, ARRAY_COUNT(options), false, &n, err);
	if (r == 0)
		r = client_want_operands(c, n, 1, 3, err);
	if (r < 0)
		return r;
	if (n == 1 && !client_term_size(STDIN_FILENO, &request.width, &request.height))
		return err_set(err, ENOTTY, "resize: standard input is no terminal: give a size");
	if (n == 2 || (n == 3 && (parse_u32(argv[2], 10, &request.width) < 0 ||
				  parse_u32(argv[3], 10, &request.height) < 0 ||
				  request.width > 65535 || request.height > 65535)))
		return err_set(err, EINVAL, "resize: a size is COLUMNS ROWS, each 0 to 65535");
	r = client_open(c, argv[1], err);
	if (r < 0)
		return r;
	request.id = (char *)c->key.id;
	request.exec_id = (char *)exec_id;
	return client_call(c, &method, &request.base, NULL, err);
}

/* ---- reopen-log ---- */

int client_cmd_reopen_log(struct client *c, int argc, char **argv, struct err *err)
{
	static const struct ttrpc_method method = { CLIENT_SHIM, "ReopenLog", NULL };
	Thole__Shim__V1__ReopenLogRequest request = THOLE__SHIM__V1__REOPEN_LOG_REQUEST__INIT;
	int r;

	r = client_open_operand(c, argc, argv, err);
	if (r < 0)
		return r;
	request.id = (char *)c->key.id;
	return client_call(c, &method, &request.base, NULL, err);
}

/* ---- delete ---- */

/* The shim ends after its container was deleted. 0, -ETIMEDOUT. */
static int wait_shim_end(int handle)
{
	return proc_await_end(handle, SHIM_END_MS) > 0 ? 0 : -ETIMEDOUT;
}

static int shim_pidfd(const struct client *c)
{
	if (!c->has_info || c->info.shim_pid <= 0)
		return -ESRCH;
	return proc_open(c->info.shim_pid, c->info.shim_start_ticks);
}

static int wait_exit(struct client *c, struct err *err)
{
	static const struct ttrpc_method method = { CLIENT_TASK, "Wait", NULL };
	Containerd__Task__V2__WaitRequest request = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;

	request.id = (char *)c->key.id;
	return client_call(c, &method, &request.base, NULL, err);
}

static int resume(struct client *c, struct err *err)
{
	static const struct ttrpc_method method = { CLIENT_TASK, "Resume", NULL };
	Containerd__Task__V2__ResumeRequest request = CONTAINERD__TASK__V2__RESUME_REQUEST__INIT;

	request.id = (char *)c->key.id;
	return client_call(c, &method, &request.base, NULL, err);
}

/* Ends what is running. */
static int force_exit(struct client *c, struct err *err)
{
	struct client_view view;
	int r;

	r = client_view(c, CLIENT_VIEW_MS, &view, err);
	if (r < 0)
		return r;
	if (!c->alive)
		return err_set(err, ECONNRESET, "the shim has died");
	if (str_eq(view.status, "stopped") || str_eq(view.status, "created"))
		return 0;
	r = kill_by_shim(c, "", SIGKILL, true, err);
	/* Some runtimes know no --all; and it may have ended by itself meanwhile. */
	if (r < 0 && r != -ENOENT && r != -ECONNRESET)
		r = kill_by_shim(c, "", SIGKILL, false, err);
	if (r < 0 && r != -ENOENT)
		return r;
	/* A frozen process does not die on cgroup v1. */
	if (str_eq(view.status, "paused") || str_eq(view.status, "pausing")) {
		struct err ignored;

		(void)!resume(c, &ignored);
	}
	return wait_exit(c, err);
}

static int delete_by_shim(struct client *c, bool force, struct err *err)
{
	static const struct ttrpc_method method = { CLIENT_TASK, "Delete", NULL };
	Containerd__Task__V2__DeleteRequest request = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;
	CLEANUP_FD int pidfd = shim_pidfd(c);
	int r = 0;

	if (force)
		r = force_exit(c, err);
	if (r < 0)
		return r;
	request.id = (char *)c->key.id;
	r = client_call(c, &method, &request.base, NULL, err);
	/* NOT_FOUND: somebody else has just deleted it; the shim is about to end. */
	if (r < 0 && r != -ENOENT && r != -ECONNRESET)
		return r;
	if (pidfd >= 0 && wait_shim_end(pidfd) < 0)
		return err_set(err, ETIMEDOUT,
			       "container \"%s\" is deleted, but its shim (pid %d) does not end",
			       c->key.id, (int)c->info.shim_pid);
	return 0;
}

/* A shim that lives but does not answer must not lose its directory: it is hung, or just starting. */
static int end_silent_shim(struct client *c, bool force, struct err *err)
{
	CLEANUP_FD int pidfd = shim_pidfd(c);

	if (pidfd < 0)
		return 0;
	if (!force)
		return err_set(err, EBUSY, "the shim of container \"%s\" (pid %d) does not answer",
			       c->key.id, (int)c->info.shim_pid);
	if (proc_signal(pidfd, SIGKILL) < 0 || wait_shim_end(pidfd) < 0)
		return err_set(err, EBUSY, "the shim of container \"%s\" (pid %d) does not end",
			       c->key.id, (int)c->info.shim_pid);
	return 0;
}

static bool is_running(const struct client *c)
{
	CLEANUP_FD int fd = client_init_pidfd(c);

	return fd >= 0;
}

static int delete_without_shim(struct client *c, bool force, struct err *err)
{
	int r;

	r = end_silent_shim(c, force, err);
	if (r < 0 || !c->has_info)
		return r;
	if (is_running(c) && !force)
		return err_set(err, EBUSY,
			       "container \"%s\" is running without its shim: use --force",
			       c->key.id);
	/* The runtime's delete --force succeeds where there is nothing left. */
	r = client_run_runtime(c, "delete", "--force", NULL, err);
	if (r < 0 && (is_running(c) || !force))
		return r;
	if (r < 0)
		fprintf(stderr, "thole-shim: warning: %s\n", err->msg);
	return 0;
}

int client_cmd_delete(struct client *c, int argc, char **argv, struct err *err)
{
	bool force = false;
	const struct client_option options[] = {
		{ "force", 'f', NULL, "end it first if it is running; no error if it is unknown",
		  .flag = &force },
	};
	int n, r;

	r = client_options(c, argc, argv, options, ARRAY_COUNT(options), false, &n, err);
	if (r == 0)
		r = client_want_operands(c, n, 1, 1, err);
	if (r < 0)
		return r;
	r = client_open(c, argv[1], err);
	if (r == -ENOENT && force)
		return 0;
	if (r < 0)
		return r;
	if (c->alive) {
		r = delete_by_shim(c, force, err);
		/* A shim removes its directory itself, and by now the name may be another's. What is
		 * still there is of one that died under our hands. */
		if (r < 0 ? r != -ECONNRESET : faccessat(c->dirfd, REGISTRY_INFO, F_OK, 0) < 0)
			return r;
	}
	r = delete_without_shim(c, force, err);
	return r < 0 ? r : registry_remove(&c->key, err);
}
