// SPDX-License-Identifier: Apache-2.0
// Opens standard streams by their URIs: fifo, file, logging program.
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/proc.h"
#include "common/str.h"
#include "shim/front_task_io.h"

#define LOGGER_READY_MS 30000
#define LOGGER_ARGS_MAX 64

/* The path after "fifo://", or all of a text without a scheme. NULL: another scheme. */
static const char *fifo_path(const char *uri)
{
	if (str_starts_with(uri, "fifo://"))
		return uri + 7;
	return strstr(uri, "://") ? NULL : uri;
}

bool front_io_is_quick(const char *const uri[3])
{
	for (int i = 0; i < 3; i++)
		if (uri[i] && uri[i][0] && !fifo_path(uri[i]))
			return false;
	return true;
}

/* A reader of our own for a moment: without one the write end could not be opened. */
static int open_fifo(const char *path, struct front_io_out *o, struct err *err)
{
	CLEANUP_FD int reader = -EBADF;
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(err, "open \"%s\"", path);
	if (!S_ISFIFO(st.st_mode)) {
		o->fd = fd_open(path, O_WRONLY | O_NONBLOCK | O_APPEND, 0);
		return o->fd < 0 ? err_sysn(err, o->fd, "open \"%s\"", path) : 0;
	}
	reader = fd_open(path, O_RDONLY | O_NONBLOCK, 0);
	if (reader < 0)
		return err_sysn(err, reader, "open \"%s\"", path);
	/* The same file, whatever the name is now. */
	o->fd = fd_open(fd_path(reader).s, O_WRONLY | O_NONBLOCK, 0);
	o->fifo = true;
	return o->fd < 0 ? err_sysn(err, o->fd, "open \"%s\"", path) : 0;
}

static int open_outputs(struct front_io *io, const char *const uri[3], struct err *err)
{
	int n = io->terminal ? 1 : 2;

	for (int i = 0; i < n; i++) {
		const char *path = uri[1 + i] ? fifo_path(uri[1 + i]) : NULL;
		int r = 0;

		if (!uri[1 + i] || !uri[1 + i][0])
			continue;
		if (!path)
			return err_set(err, EINVAL, "unknown STDIO scheme in \"%s\"", uri[1 + i]);
		if (i == 1 && uri[1] && str_eq(uri[1], uri[2])) {
			io->to[1] = &io->out[0];
		} else {
			r = open_fifo(path, &io->out[i], err);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int open_input(struct front_io *io, const char *uri, struct err *err)
{
	const char *path = uri ? fifo_path(uri) : NULL;
	struct stat st;

	if (!uri || !uri[0])
		return 0;
	if (!path)
		return err_set(err, EINVAL, "unknown STDIO scheme in \"%s\"", uri);
	io->in_fd = fd_open(path, O_RDONLY | O_NONBLOCK, 0);
	if (io->in_fd < 0)
		return err_sysn(err, io->in_fd, "open \"%s\"", path);
	if (fstat(io->in_fd, &st) == 0 && S_ISFIFO(st.st_mode)) {
		io->in_keep = fd_open(path, O_WRONLY | O_NONBLOCK, 0);
		if (io->in_keep < 0)
			return err_sysn(err, io->in_keep, "open \"%s\"", path);
	}
	return 0;
}

/* %XX in place, and in a query + for a blank. */
static void unescape(char *s, bool query)
{
	char *to = s;

	for (; *s; s++) {
		char hex[3] = { s[0] == '%' ? s[1] : 0, s[0] == '%' && s[1] ? s[2] : 0, 0 };
		uint32_t v;

		if (hex[0] && hex[1] && parse_u32(hex, 16, &v) == 0 && v) {
			*to++ = (char)v;
			s += 2;
		} else {
			*to++ = query && *s == '+' ? ' ' : *s;
		}
	}
	*to = '\0';
}

void front_uri_path(char *text)
{
	text[strcspn(text, "?#")] = '\0';
	unescape(text, false);
}

static int open_file(struct front_io *io, const char *rest, struct err *err)
{
	char path[PATH_MAX], dir[PATH_MAX];

	if (rest[0] != '/' || strlen(rest) >= sizeof(path))
		return err_set(err, EINVAL, "\"file://%s\" names no absolute path", rest);
	memcpy(path, rest, strlen(rest) + 1);
	front_uri_path(path);
	memcpy(dir, path, strlen(path) + 1);
	for (char *p = strchr(dir + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(dir, 0755) < 0 && errno != EEXIST)
			return err_sys(err, "mkdir \"%s\"", dir);
		*p = '/';
	}
	io->to[1] = &io->out[0];
	io->out[0].fd = fd_open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0644);
	return io->out[0].fd < 0 ? err_sysn(err, io->out[0].fd, "open \"%s\"", path) : 0;
}

/* ---- a logging program ---- */

static bool has_key(char *const *argv, size_t n, const char *key)
{
	for (size_t i = 1; i < n; i += 2)
		if (str_eq(argv[i], key))
			return true;
	return false;
}

/* Cuts "PATH?key=value&..." into argv: the path, and each key once with its first value. */
static void logger_args(char *text, char **argv)
{
	static char none[] = "";
	char *query;
	size_t n = 0;

	text[strcspn(text, "#")] = '\0';
	query = strchr(text, '?');
	if (query)
		*query++ = '\0';
	unescape(text, false);
	argv[n++] = text;
	for (char *pair; query && n + 2 < LOGGER_ARGS_MAX && (pair = strsep(&query, "&"));) {
		char *value = strchr(pair, '=');

		if (!*pair)
			continue;
		if (value)
			*value++ = '\0';
		unescape(pair, true);
		if (value)
			unescape(value, true);
		if (has_key(argv, n, pair))
			continue;
		argv[n++] = pair;
		argv[n++] = value ? value : none;
	}
	argv[n] = NULL;
}

struct logger_pipes {
	int out[2], err[2], ready[2];
};

static int make_pipes(struct logger_pipes *p)
{
	if (pipe2(p->out, O_CLOEXEC) < 0 || pipe2(p->err, O_CLOEXEC) < 0 ||
	    pipe2(p->ready, O_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/* Closed without a word is ready for binary, and a crash for binary-v2. */
static int await_ready(int fd, bool v2, struct err *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;
	int n;

	do {
		n = poll(&p, 1, LOGGER_READY_MS);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return err_set(err, ETIMEDOUT, "logging binary did not call ready in time");
	if (read(fd, &byte, 1) == 1 || !v2)
		return 0;
	return err_set(err, EPIPE,
		       "logging binary did not call ready (it may have crashed or "
		       "exited prematurely)");
}

static int spawn_logger(struct front_io *io, const struct front_io_config *c, char *text,
			const struct logger_pipes *p, struct err *err)
{
	CLEANUP_FREE char *id = NULL, *ns = NULL;
	char *argv[LOGGER_ARGS_MAX + 1], *envp[3] = { NULL };
	struct proc_fd_map map[] = { { -1, 0 },        { -1, 1 },        { -1, 2 },
				     { p->out[0], 3 }, { p->err[0], 4 }, { p->ready[1], 5 } };
	struct proc_spawn ps = {
		.argv = argv,
		.envp = envp,
		.cwd_fd = -1,
		.fds = map,
		.n_fds = ARRAY_COUNT(map),
		.new_group = true,
	};
	int r;

	if (asprintf(&id, "CONTAINER_ID=%s", c->id) < 0)
		id = NULL;
	if (asprintf(&ns, "CONTAINER_NAMESPACE=%s", c->ns) < 0)
		ns = NULL;
	if (!id || !ns)
		return err_set(err, ENOMEM, "out of memory");
	envp[0] = id;
	envp[1] = ns;
	logger_args(text, argv);
	ps.path = argv[0];
	if (ps.path[0] != '/')
		return err_set(err, EINVAL, "logging binary \"%s\": not an absolute path", ps.path);
	r = proc_spawn(&ps, &io->logger, err);
	return r < 0 ? err_wrap(err, "logging binary") : 0;
}

static int open_logger(struct front_io *io, const struct front_io_config *c, const char *rest,
		       bool v2, struct err *err)
{
	struct logger_pipes p = { { -EBADF, -EBADF }, { -EBADF, -EBADF }, { -EBADF, -EBADF } };
	CLEANUP_FREE char *text = strdup(rest);
	int r = text ? make_pipes(&p) : -ENOMEM;

	if (r < 0)
		r = err_sysn(err, r, "pipes of the logging binary");
	else
		r = spawn_logger(io, c, text, &p, err);
	fd_close(p.out[0]);
	fd_close(p.err[0]);
	fd_close(p.ready[1]);
	io->out[LOG_STDOUT].fd = p.out[1];
	io->out[LOG_STDERR].fd = p.err[1];
	if (r >= 0)
		r = await_ready(p.ready[0], v2, err);
	fd_close(p.ready[0]);
	if (r >= 0 && (fd_nonblock(p.out[1], true) < 0 || fd_nonblock(p.err[1], true) < 0))
		r = err_sys(err, "pipes of the logging binary");
	return r;
}

int front_io_open(const struct front_io_config *c, struct front_io **ret, struct err *err)
{
	struct front_io *io = calloc(1, sizeof(*io));
	const char *out = c->uri[1] ? c->uri[1] : "";
	int r;

	if (!io)
		return err_set(err, ENOMEM, "out of memory");
	io->front = c->front;
	io->terminal = c->terminal;
	io->in_fd = io->in_keep = io->logger = -EBADF;
	for (int i = 0; i < LOG_STREAM_N; i++)
		io->out[i] = (struct front_io_out){
			.io = io, .fd = -EBADF, .keep = -EBADF, .watch = -1
		};
	io->to[0] = &io->out[0];
	io->to[1] = &io->out[1];
	io->drops = c->spool->drops;
	io->id = strdup(c->id);
	io->dir = strdup(c->dir);
	for (int i = 0; i < LOG_STREAM_N; i++)
		front_spool_init(&io->out[i].spool, io->dir, c->spool->size);
	r = io->id && io->dir ? open_input(io, c->uri[0], err)
			      : err_set(err, ENOMEM, "out of memory");
	if (r == 0 && str_starts_with(out, "file://"))
		r = open_file(io, out + 7, err);
	else if (r == 0 && str_starts_with(out, "binary://"))
		r = open_logger(io, c, out + 9, false, err);
	else if (r == 0 && str_starts_with(out, "binary-v2://"))
		r = open_logger(io, c, out + 12, true, err);
	else if (r == 0)
		r = open_outputs(io, c->uri, err);
	if (r < 0) {
		/* Beside the loop: nothing of it may be touched, and no logger has to be waited for. */
		if (io->logger >= 0)
			io->logger = fd_close(io->logger);
		front_io_free(io);
		return r;
	}
	*ret = io;
	return 0;
}
