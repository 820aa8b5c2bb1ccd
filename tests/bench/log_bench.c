// SPDX-License-Identifier: Apache-2.0
/*
 * Throughput of the log writer: megabytes of lines from a pipe to the file per second of cpu time,
 * the writing child's not counted. Usage: log_bench [MEGABYTES [LINE_LENGTH]].
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "common/ev.h"
#include "common/fd.h"
#include "common/str.h"
#include "shim/log.h"

#define READ_SIZE 65536

struct bench {
	struct ev *ev;
	struct log_writer *w;
	struct ev_source *source;
	char buf[READ_SIZE];
	size_t have, off;
	int fd;
	struct timespec when;
};

static void on_flushed(void *user, int result)
{
	struct bench *b = user;

	ev_stop(b->ev, result < 0);
}

/* Puts what was read; false: has to wait for room. */
static bool drain(struct bench *b)
{
	b->off += log_writer_put(b->w, LOG_STDOUT, b->buf + b->off, b->have - b->off, &b->when);
	return b->off == b->have;
}

static void on_input(void *user, int fd, uint32_t events)
{
	struct bench *b = user;
	ssize_t n;

	(void)events;
	if (!drain(b)) {
		(void)!ev_modify(b->source, 0);
		return;
	}
	n = read(fd, b->buf, sizeof(b->buf));
	clock_gettime(CLOCK_REALTIME, &b->when);
	if (n <= 0) {
		ev_remove(b->source);
		b->source = NULL;
		log_writer_eof(b->w, LOG_STDOUT);
		log_writer_flush(b->w, on_flushed, b);
		return;
	}
	b->have = (size_t)n;
	b->off = 0;
	(void)drain(b);
}

static void on_room(void *user)
{
	struct bench *b = user;

	if (b->source)
		(void)!ev_modify(b->source, EPOLLIN);
}

static pid_t writer(int fd, uint64_t bytes, size_t line)
{
	pid_t pid = fork();
	char *data;
	size_t n = READ_SIZE / line * line;

	if (pid != 0)
		return pid;
	data = malloc(n);
	if (!data)
		_exit(1);
	memset(data, 'x', n);
	for (size_t i = line - 1; i < n; i += line)
		data[i] = '\n';
	for (uint64_t done = 0; done < bytes; done += n)
		if (write(fd, data, n) < 0)
			_exit(1);
	_exit(0);
}

static double run(const char *path, enum log_format format, uint64_t bytes, size_t line)
{
	struct log_writer_config config = { .path = path, .format = format };
	struct bench b = { 0 };
	struct err err = { 0 };
	struct rusage before, after;
	int fds[2], r = -1;
	double cpu = 0;
	pid_t pid;

	unlink(path);
	if (pipe2(fds, O_CLOEXEC) < 0 || ev_new(&b.ev, &err) < 0 ||
	    log_writer_new(b.ev, &config, on_room, &b, &b.w, &err) < 0) {
		fprintf(stderr, "log_bench: %s\n", err.msg);
		return 0;
	}
	pid = writer(fds[1], bytes, line);
	fd_close(fds[1]);
	getrusage(RUSAGE_SELF, &before);
	b.fd = fds[0];
	if (ev_add(b.ev, b.fd, EPOLLIN, on_input, &b, &b.source) == 0)
		r = ev_run(b.ev);
	getrusage(RUSAGE_SELF, &after);
	if (r == 0)
		cpu = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) +
		      (double)(after.ru_stime.tv_sec - before.ru_stime.tv_sec) +
		      (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec) / 1e6 +
		      (double)(after.ru_stime.tv_usec - before.ru_stime.tv_usec) / 1e6;
	printf("%s %4zu-byte lines: %7.1f MB per cpu second (user %.2f s, system %.2f s)\n",
	       format == LOG_FORMAT_CRI ? "cri " : "json", line,
	       cpu > 0 ? (double)bytes / 1e6 / cpu : 0,
	       (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) +
		       (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec) / 1e6,
	       (double)(after.ru_stime.tv_sec - before.ru_stime.tv_sec) +
		       (double)(after.ru_stime.tv_usec - before.ru_stime.tv_usec) / 1e6);
	log_writer_free(b.w, 10000);
	ev_free(b.ev);
	fd_close(fds[0]);
	waitpid(pid, NULL, 0);
	unlink(path);
	return cpu;
}

int main(int argc, char **argv)
{
	const char *dir = getenv("TMPDIR");
	CLEANUP_STR struct str path = { 0 };
	uint64_t megabytes = 200, line = 80;

	if ((argc > 1 && parse_u64(argv[1], 10, &megabytes) < 0) ||
	    (argc > 2 && parse_u64(argv[2], 10, &line) < 0) || line < 1 || line > READ_SIZE) {
		fprintf(stderr, "usage: log_bench [MEGABYTES [LINE_LENGTH]]\n");
		return 2;
	}
	str_addf(&path, "%s/log_bench.%d", dir ? dir : "/tmp", (int)getpid());
	for (int format = 0; format < 2; format++)
		run(path.data, (enum log_format)format, megabytes * 1000000, line);
	return 0;
}
