// SPDX-License-Identifier: Apache-2.0
// `delete`: what a shim that died has left is taken away, and what is known of the container told.
// `-info`: what this shim and its runtime are.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/json.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/sock.h"
#include "common/str.h"
#include "common/version.h"
#include "shim/exit_record.h"
#include "shim/front_task_private.h"
#include "shim/options.pb-c.h"
#include "shim/task.pb-c.h"
#include "shim/ttrpc.h"

#define RECORD_MAX (64u << 10)
#define RUNTIME_MS 3000
#define FEATURES_MAX (1u << 20)
#define FEATURES_TYPE "types.containerd.io/opencontainers/runtime-spec/1/features/Features"

/* A runtime's command, waited for in a loop of its own. */
struct run {
	struct ev *ev;
	int result;
};

static void run_done(void *user, unsigned int number UNUSED, int result, const char *message)
{
	struct run *run = user;

	run->result = result;
	if (result < 0 && !strstr(message, "does not exist"))
		fprintf(stderr, "runtime: %s\n", message);
	ev_stop(run->ev, 0);
}

static void on_child(void *user, const struct signalfd_siginfo *info UNUSED)
{
	reaper_sweep(*(struct reaper **)user);
}

static int run_command(struct runtime *rt, const struct runtime_request *q, struct err *err)
{
	struct run run = { 0 };
	struct reaper *reaper = NULL;
	struct runtime_call *call;
	sigset_t set;
	int r = ev_new(&run.ev, err);

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	if (r >= 0)
		r = ev_signals(run.ev, &set, on_child, &reaper);
	if (r >= 0)
		r = reaper_new(run.ev, &reaper, err);
	if (r < 0)
		return r;
	rt->ev = run.ev;
	rt->reaper = reaper;
	r = runtime_call_start(rt, q, run_done, &run, &call, err);
	if (r >= 0) {
		(void)ev_run(run.ev);
		r = run.result;
	}
	reaper_free(reaper);
	ev_free(run.ev);
	return r;
}

static void force_delete(const struct registry_info *i, const char *dir, const char *id)
{
	const char *args[] = { "--force", id };
	struct runtime_request q = {
		.command = "delete",
		.args = args,
		.n_args = ARRAY_COUNT(args),
		.stdio = { -EBADF, -EBADF, -EBADF },
		.captures = true,
		.ms = RUNTIME_MS,
	};
	struct runtime rt = {
		.path = i->runtime,
		.root = i->runtime_root,
		.args = i->runtime_args,
		.n_args = i->n_runtime_args,
		.dir = dir,
	};
	struct err err = { 0 };
	int pidfd;

	if (run_command(&rt, &q, &err) < 0 && err.msg[0])
		fprintf(stderr, "%s\n", err.msg);
	/* A runtime that failed: at least nothing runs on. */
	if (i->pid <= 0 || !i->start_ticks)
		return;
	pidfd = proc_open(i->pid, i->start_ticks);
	if (pidfd < 0)
		return;
	if (proc_signal(pidfd, SIGKILL) < 0)
		fprintf(stderr, "process %d cannot be killed\n", i->pid);
	fd_close(pidfd);
}

/* The real end, if the shim had seen it. */
static void read_record(int dirfd, struct arena *arena,
			Containerd__Task__V2__DeleteResponse *answer)
{
	struct exit_record record;
	struct json *json;
	char *data;
	size_t n;

	if (io_read_file(dirfd, REGISTRY_RECORD, RECORD_MAX, arena, &data, &n) < 0 ||
	    json_parse(arena, data, n, &json, NULL) < 0 || exit_record_parse(json, &record) < 0)
		return;
	if (record.has_status)
		answer->exit_status = (uint32_t)record.exit_code;
	if (!record.has_finished)
		return;
	answer->exited_at->seconds = record.finished_at.tv_sec;
	answer->exited_at->nanos = (int32_t)record.finished_at.tv_nsec;
}

/* Its shim may live: another container of the pod whose connection was lost. Then it is its own. */
static void remove_socket(const char *path)
{
	CLEANUP_FD int lock = -EBADF;
	struct err err = { 0 };
	char full[PATH_MAX];
	int fd;

	if (!realpath(path, full))
		return;
	lock = front_socket_lock(full);
	if (lock < 0)
		return;
	fd = sock_connect(full, SOCK_STREAM, &err);
	if (fd == -ECONNREFUSED)
		(void)unlink(full);
	else
		fd_close(fd);
}

static void take_away(const struct front_args *args, struct arena *arena,
		      Containerd__Task__V2__DeleteResponse *answer)
{
	struct registry_key key = { NULL, args->ns, args->id };
	CLEANUP_FD int dirfd = -EBADF;
	struct registry_info info;
	struct err err = { 0 };
	char dir[PATH_MAX];

	dirfd = registry_open(&key, &err);
	if (dirfd < 0 || registry_path(&key, NULL, dir, sizeof(dir)) < 0)
		return; /* deleted in good order */
	if (registry_info_read(dirfd, arena, &info, &err) == 0) {
		answer->pid = (uint32_t)info.pid;
		read_record(dirfd, arena, answer);
		force_delete(&info, dir, args->id);
	}
	remove_socket(arena_printf(arena, "%s/%s", dir, REGISTRY_SOCKET));
	if (registry_remove(&key, &err) < 0)
		fprintf(stderr, "%s\n", err.msg);
}

static const char *bundle_of(const struct front_args *args, struct arena *arena)
{
	char cwd[PATH_MAX], *slash;

	if (args->bundle[0])
		return args->bundle;
	if (!getcwd(cwd, sizeof(cwd)))
		return NULL;
	slash = strrchr(cwd, '/');
	return arena_printf(arena, "%.*s/%s", (int)(slash - cwd), cwd, args->id);
}

static int print_message(const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *buf = malloc(n + 1);
	int r;

	if (!buf)
		return 1;
	protobuf_c_message_pack(m, buf);
	r = io_write_all(STDOUT_FILENO, buf, n);
	free(buf);
	return r < 0;
}

int front_task_delete(const struct front_args *args)
{
	Containerd__Task__V2__DeleteResponse answer = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
	Google__Protobuf__Timestamp when = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	CLEANUP_ARENA struct arena arena = { 0 };
	struct err err = { 0 };
	const char *bundle;

	if (registry_check_id(args->id, &err) < 0 || registry_check_id(args->ns, &err) < 0) {
		fprintf(stderr, "containerd-shim-thole-v2: %s\n", err.msg);
		return 1;
	}
	when.seconds = time(NULL);
	answer.exit_status = 128 + SIGKILL;
	answer.exited_at = &when;
	take_away(args, &arena, &answer);
	bundle = bundle_of(args, &arena);
	if (bundle && front_unmount_all(bundle, &err) < 0)
		fprintf(stderr, "%s\n", err.msg);
	return print_message(&answer.base);
}

/* ---- -info ---- */

/* What `RUNTIME features` prints; NULL: nothing that is an object. */
static char *read_features(const char *runtime, struct arena *arena, size_t *ret_len)
{
	CLEANUP_FD int rd = -EBADF;
	CLEANUP_FD int wr = -EBADF;
	CLEANUP_PID pid_t pid = -1;
	char *argv[] = { (char *)runtime, (char *)"features", NULL };
	char *data = NULL;
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return NULL;
	rd = p[0];
	wr = p[1];
	struct proc_fd_map map[] = { { -1, 0 }, { wr, 1 }, { -1, 2 } };
	struct proc_spawn ps = {
		.path = runtime, .argv = argv, .cwd_fd = -1, .fds = map, .n_fds = ARRAY_COUNT(map)
	};
	struct err err = { 0 };

	pid = proc_spawn(&ps, NULL, &err);
	wr = fd_close(wr);
	if (pid < 0 || io_read_fd(rd, FEATURES_MAX, arena, &data, ret_len) < 0)
		return NULL;
	return *ret_len && data[0] == '{' ? data : NULL;
}

int front_task_info(const char *name)
{
	Thole__Options__RuntimeInfo info = THOLE__OPTIONS__RUNTIME_INFO__INIT;
	Thole__Options__RuntimeVersion version = THOLE__OPTIONS__RUNTIME_VERSION__INIT;
	Google__Protobuf__Any features = GOOGLE__PROTOBUF__ANY__INIT;
	CLEANUP_ARENA struct arena arena = { 0 };
	Google__Protobuf__Any *options = NULL;
	struct front_options_runc o = { 0 };
	struct err err = { 0 };
	const char *runtime;
	char *data;
	size_t n;
	int r = front_read_stdin(&arena, &data, &n, &err);

	if (r == 0 && n) {
		options = google__protobuf__any__unpack(NULL, n, (const uint8_t *)data);
		if (!options)
			r = err_set(&err, EINVAL, "standard input is no runtime options");
	}
	if (r == 0 && options)
		r = front_options_parse(options->type_url, options->value.data, options->value.len,
					&arena, &o, &err);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", name, err.msg);
		return 1;
	}
	version.version = (char *)thole_version;
	version.revision = (char *)thole_commit;
	info.name = (char *)name;
	info.version = &version;
	info.options = options;
	runtime = front_runtime_find(&o, &arena);
	data = runtime ? read_features(runtime, &arena, &n) : NULL;
	if (data) {
		features.type_url = (char *)FEATURES_TYPE;
		features.value = (ProtobufCBinaryData){ n, (uint8_t *)data };
		info.features = &features;
	}
	r = print_message(&info.base);
	if (options)
		google__protobuf__any__free_unpacked(options, NULL);
	return r;
}
