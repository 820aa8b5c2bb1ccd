// SPDX-License-Identifier: Apache-2.0
/*
 * `logs`: prints a container's log and follows it through rotation. While nothing happens nothing
 * runs: inotify tells of writes and new files, the shim's answer to Wait of the end.
 *
 * On a terminal control bytes are shown escaped, so that what a container printed cannot move the
 * cursor or ask the terminal anything. Not so for a container that had a terminal itself (its
 * output is meant for one) and with --raw.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/resource.h>

#include "common/fd.h"
#include "common/io.h"
#include "shim/client_private.h"
#include "shim/log_frame.h"
#include "shim/log_reader.h"

#define SETTLE_MS 50
#define SETTLE_TRIES 20
#define FLUSH_BYTES ((size_t)64 << 10)

struct printer {
	struct str out;
	enum log_stream stream;    /* of what is in out */
	bool inside[LOG_STREAM_N]; /* the next record goes on with a line */
	bool timestamps, escape[LOG_STREAM_N];
};

struct logs {
	struct client *c;
	const char *path;
	struct log_filter filter;
	struct printer printer;
	bool follow;
	uint64_t tail; /* UINT64_MAX: all */

	/* The current file, and the one before it, to which a writer may still write until it is
	 * told to reopen. */
	struct log_reader reader, old;
	int inotify, watch, old_watch;
	struct ttrpc_client wait;
	bool waiting;
};

/* ---- printing ---- */

static int print_flush(struct printer *p)
{
	int fd = p->stream == LOG_STDERR ? STDERR_FILENO : STDOUT_FILENO;
	int r = p->out.len > 0 ? io_write_all(fd, p->out.data, p->out.len) : 0;

	str_reset(&p->out);
	return r;
}

static void put_escaped(struct str *out, const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t len;

	for (size_t i = 0; i < n; i += len) {
		len = 1;
		if (s[i] >= 0x80)
			len = log_utf8_length(s + i, n - i);
		/* U+0080 to U+009F are control characters too. */
		if (len == 2 && s[i] == 0xc2 && s[i + 1] < 0xa0)
			str_addf(out, "\\x%02x", s[i + 1]);
		else if (len == 0 || (s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f)
			str_addf(out, "\\x%02x", s[i]);
		else
			str_add_n(out, text + i, len);
		len = MAX(len, (size_t)1);
	}
}

static int print_line(struct printer *p, const struct log_line *line)
{
	bool escape = p->escape[line->stream];
	size_t len = line->len;
	int r = 0;

	if (p->stream != line->stream)
		r = print_flush(p);
	p->stream = line->stream;
	if (p->timestamps && !p->inside[line->stream]) {
		str_add_n(&p->out, line->time, line->time_len);
		str_add_char(&p->out, ' ');
	}
	/* The CR of a CR LF is part of the line's end. */
	if (escape && line->full && len > 0 && line->text[len - 1] == '\r')
		len--;
	if (escape)
		put_escaped(&p->out, line->text, len);
	else
		str_add_n(&p->out, line->text, len);
	if (line->full)
		str_add_char(&p->out, '\n');
	p->inside[line->stream] = !line->full;
	if (r == 0 && p->out.len >= FLUSH_BYTES)
		r = print_flush(p);
	return r;
}

/* All whole records that are there. */
static int print_reader(struct logs *l, struct log_reader *reader)
{
	struct log_line line;
	int r;

	while ((r = log_reader_next(reader, &l->filter, &line)) > 0) {
		r = print_line(&l->printer, &line);
		if (r < 0)
			return r;
	}
	return r;
}

/* ---- what is there ---- */

static bool is_known(const struct log_reader *files, unsigned int n, const struct log_reader *file)
{
	for (unsigned int i = 0; i < n; i++)
		if (files[i].fd >= 0 && files[i].ino == file->ino && files[i].dev == file->dev)
			return true;
	return false;
}

/* Opens the current file, then older ones until they have the lines that are wanted. From the
 * newest on: a rotation meanwhile can then only show a file twice, which is seen. */
static int open_files(struct logs *l, struct log_reader *files, unsigned int *ret_n)
{
	uint64_t want = l->tail;
	unsigned int n = 0, missing = 0;
	int64_t found;
	int r;

	for (unsigned int i = 0; i < LOG_ROTATED_MAX && missing < 2; i++) {
		r = log_reader_open(&files[n], l->path, i);
		/* While a rotation is under way, or was cut short, one number has no file. */
		missing = r == -ENOENT ? missing + 1 : 0;
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		n++;
		*ret_n = n;
		if (is_known(files, n - 1, &files[n - 1])) {
			log_reader_close(&files[n - 1]);
			continue;
		}
		if (l->tail == UINT64_MAX)
			continue;
		found = log_reader_tail(&files[n - 1], &l->filter, want);
		if (found < 0)
			return (int)found;
		want -= (uint64_t)found;
		if (want == 0)
			break;
	}
	*ret_n = n;
	return 0;
}

/* Prints the files, oldest first; the newest stays open as l->reader. */
static int print_files(struct logs *l)
{
	CLEANUP_FREE struct log_reader *files = calloc(LOG_ROTATED_MAX, sizeof(*files));
	struct rlimit limit;
	unsigned int n = 0;
	int r;

	if (!files)
		return -ENOMEM;
	/* Rotation that keeps everything makes many. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)!setrlimit(RLIMIT_NOFILE, &limit);
	}
	r = open_files(l, files, &n);
	for (unsigned int i = n; i > 0; i--) {
		if (r == 0 && files[i - 1].fd >= 0)
			r = print_reader(l, &files[i - 1]);
		if (i > 1 || r < 0)
			log_reader_close(&files[i - 1]);
	}
	if (r == 0 && n > 0)
		l->reader = files[0];
	return r;
}

/* ---- following ---- */

static int watch_file(struct logs *l, const struct log_reader *reader)
{
	int r = inotify_add_watch(l->inotify, fd_path(reader->fd).s, IN_MODIFY);

	return r < 0 ? -errno : r;
}

static int watch_start(struct logs *l)
{
	char dir[PATH_MAX];
	struct str s = STR_FIXED(dir);
	const char *slash = strrchr(l->path, '/');

	str_add_n(&s, l->path, slash ? (size_t)(slash - l->path) + 1 : 0);
	str_add(&s, ".");
	l->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (l->inotify < 0 || s.overflow)
		return l->inotify < 0 ? -errno : -ENAMETOOLONG;
	if (inotify_add_watch(l->inotify, dir, IN_CREATE | IN_MOVED_TO) < 0)
		return -errno;
	return 0;
}

/* Goes on to the newest file, printing those between. */
static int advance(struct logs *l)
{
	struct log_reader next;
	int r;

	while ((r = l->reader.fd >= 0 ? log_reader_successor(&l->reader, l->path, &next)
				      : log_reader_open(&next, l->path, 0) == 0) > 0) {
		/* Its last lines may have come since we were at its end. */
		r = l->reader.fd >= 0 ? print_reader(l, &l->reader) : 0;
		if (l->old.fd >= 0 && l->old_watch >= 0)
			(void)!inotify_rm_watch(l->inotify, l->old_watch);
		log_reader_close(&l->old);
		l->old = l->reader;
		l->old_watch = l->watch;
		l->reader = next;
		l->watch = watch_file(l, &l->reader);
		if (r == 0)
			r = print_reader(l, &l->reader);
		if (r < 0)
			return r;
	}
	return r;
}

static int print_new(struct logs *l)
{
	int r = l->old.fd >= 0 ? print_reader(l, &l->old) : 0;

	if (r == 0 && l->reader.fd >= 0)
		r = print_reader(l, &l->reader);
	if (r == 0)
		r = advance(l);
	if (r == 0)
		r = print_flush(&l->printer);
	return r;
}

static void begin_wait(struct logs *l)
{
	static const struct ttrpc_method method = { CLIENT_TASK, "Wait", NULL };
	Containerd__Task__V2__WaitRequest request = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
	struct err ignored;

	/* Nobody writes the log of a dead shim. */
	if (!l->c->alive || client_connect(l->c, &l->wait, &ignored) < 0)
		return;
	request.id = (char *)l->c->key.id;
	ttrpc_client_begin(&l->wait, &method, &request.base, 0);
	l->waiting = ttrpc_client_flush(&l->wait) == 0;
}

/* An answer, whatever it says, or the end of the connection: nothing more will be written. */
static bool has_ended(struct logs *l)
{
	struct ttrpc_frame frame;

	return !l->waiting || ttrpc_client_next(&l->wait, &frame) != 0;
}

static uint64_t ask_pending(struct logs *l)
{
	static const struct ttrpc_method method = { CLIENT_SHIM, "Logs",
						    &thole__shim__v1__logs_response__descriptor };
	Thole__Shim__V1__LogsRequest request = THOLE__SHIM__V1__LOGS_REQUEST__INIT;
	ProtobufCMessage *message = NULL;
	struct err ignored;
	uint64_t pending;

	request.id = (char *)l->c->key.id;
	if (client_call(l->c, &method, &request.base, &message, &ignored) < 0)
		return 0;
	pending = ((Thole__Shim__V1__LogsResponse *)message)->pending;
	protobuf_c_message_free_unpacked(message, NULL);
	return pending;
}

/* An exit does not wait for a slow disk: its last lines may still be on their way. As long as some
 * arrive; what a grandchild leaves unfinished never does. */
static int settle(struct logs *l)
{
	uint64_t before = UINT64_MAX, pending;
	unsigned int idle = 0;
	int r = 0;

	while (r == 0 && idle < SETTLE_TRIES && (pending = ask_pending(l)) > 0) {
		idle = pending == before ? idle + 1 : 0;
		before = pending;
		poll(NULL, 0, SETTLE_MS);
		r = print_new(l);
	}
	return r < 0 ? r : print_new(l);
}

static void drain_inotify(const struct logs *l)
{
	char buf[4096];

	while (read(l->inotify, buf, sizeof(buf)) > 0)
		;
}

static int follow(struct logs *l)
{
	int r;

	for (;;) {
		/* Asked before the last look at the file, so that nothing is missed. */
		bool ended = has_ended(l);
		struct pollfd p[2] = {
			{ .fd = l->inotify, .events = POLLIN },
			{ .fd = l->wait.fd, .events = POLLIN },
		};

		drain_inotify(l);
		r = print_new(l);
		if (r < 0)
			return r;
		if (ended)
			return settle(l);
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return -errno;
	}
}

static int run_logs(struct logs *l)
{
	int r = 0;

	/* Watched before it is read: what is written meanwhile is an event. */
	if (l->follow) {
		begin_wait(l);
		r = watch_start(l);
	}
	if (r == 0)
		r = print_files(l);
	if (r == 0 && l->reader.fd < 0 && !l->follow)
		return -ENOENT;
	if (r == 0 && l->follow) {
		l->watch = l->reader.fd >= 0 ? watch_file(l, &l->reader) : -1;
		r = follow(l);
	}
	if (r == 0)
		r = print_flush(&l->printer);
	return r;
}

static bool raw_ended(void *user)
{
	return has_ended(user);
}

/* A plain file: its lines have neither stream nor time. */
static int run_raw(struct logs *l, struct err *err)
{
	struct client_raw_log raw = {
		.path = l->path,
		.tail = l->tail,
		.follow = l->follow,
		.escape = l->printer.escape[LOG_STDOUT],
		.ended = raw_ended,
		.user = l,
	};

	if (l->printer.timestamps || !l->filter.streams[LOG_STDOUT] ||
	    !l->filter.streams[LOG_STDERR])
		return err_set(err, EINVAL,
			       "the log \"%s\" is a plain file: its lines have neither stream nor "
			       "time",
			       l->path);
	if (l->follow)
		begin_wait(l);
	raw.wait_fd = l->wait.fd;
	return client_raw_log_print(&raw);
}

static int parse_logs(struct logs *l, const char *tail, const char *stream, struct err *err)
{
	l->tail = UINT64_MAX;
	l->filter.streams[LOG_STDOUT] = !stream || str_eq(stream, "stdout");
	l->filter.streams[LOG_STDERR] = !stream || str_eq(stream, "stderr");
	if (!l->filter.streams[LOG_STDOUT] && !l->filter.streams[LOG_STDERR])
		return err_set(err, EINVAL, "logs: stream \"%s\" is neither stdout nor stderr",
			       stream);
	if (tail && !str_eq(tail, "all") && parse_u64(tail, 10, &l->tail) < 0)
		return err_set(err, EINVAL, "logs: --tail \"%s\" is not a number", tail);
	return 0;
}

int client_cmd_logs(struct client *c, int argc, char **argv, struct err *err)
{
	struct logs l = { .c = c, .inotify = -EBADF, .watch = -1, .old_watch = -1 };
	const char *tail = NULL, *stream = NULL;
	bool raw = false;
	const struct client_option options[] = {
		{ "follow", 'f', NULL, "go on until the container ends", .flag = &l.follow },
		{ "tail", 'n', "N", "only the last N lines", .text = &tail },
		{ "stream", 0, "stdout|stderr", "only this stream", .text = &stream },
		{ "timestamps", 't', NULL, "print when each line was written",
		  .flag = &l.printer.timestamps },
		{ "raw", 0, NULL, "do not escape control bytes on a terminal", .flag = &raw },
	};
	int n, r;

	l.reader.fd = l.old.fd = l.wait.fd = -EBADF;
	r = client_options(c, argc, argv, options, ARRAY_COUNT(options), false, &n, err);
	if (r == 0)
		r = client_want_operands(c, n, 1, 1, err);
	if (r == 0)
		r = parse_logs(&l, tail, stream, err);
	if (r == 0)
		r = client_open(c, argv[1], err);
	if (r < 0)
		return r;
	if (!c->has_info)
		return err_set(err, ENOENT, "the log of container \"%s\" is not known", c->key.id);
	r = client_logs_elsewhere(c, err);
	if (r < 0)
		return r;
	l.path = c->info.log_path;
	raw |= c->info.terminal;
	l.printer.escape[LOG_STDOUT] = !raw && isatty(STDOUT_FILENO);
	l.printer.escape[LOG_STDERR] = !raw && isatty(STDERR_FILENO);
	r = str_eq(c->info.log_format, "raw") ? run_raw(&l, err) : run_logs(&l);
	log_reader_close(&l.reader);
	log_reader_close(&l.old);
	ttrpc_client_done(&l.wait);
	fd_close(l.inotify);
	str_done(&l.printer.out);
	if (r == -EPIPE)
		return 0;
	if (r < 0 && err->msg[0])
		return r;
	return r < 0 ? err_sysn(err, r, "log \"%s\"", l.path) : 0;
}
