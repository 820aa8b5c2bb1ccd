// SPDX-License-Identifier: Apache-2.0
/*
 * Log files as lines, from either end; see log_reader.h.
 */
#include "shim/log_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/str.h"
#include "shim/log_frame.h"

#define BLOCK ((size_t)64 << 10)
#define GAP_TRIES 50
#define GAP_SLEEP_US 1000
/* Others may write longer records than we do; above this a line is skipped. */
#define LINE_MAX_BYTES ((size_t)1 << 20)

static int path_of(const char *path, unsigned int n, char *buf, size_t size)
{
	struct str s = { .data = buf, .cap = size, .fixed = true };

	str_add(&s, path);
	if (n > 0)
		str_addf(&s, ".%u", n);
	return s.overflow ? -ENAMETOOLONG : 0;
}

int log_reader_open(struct log_reader *reader, const char *path, unsigned int n)
{
	CLEANUP_FD int fd = -EBADF;
	char buf[PATH_MAX];
	struct stat st;
	int r = path_of(path, n, buf, sizeof(buf));

	if (r < 0)
		return r;
	fd = fd_open(buf, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*reader = (struct log_reader){ .fd = fd_take(&fd), .dev = st.st_dev, .ino = st.st_ino };
	return 0;
}

void log_reader_close(struct log_reader *reader)
{
	fd_close(reader->fd);
	free(reader->buf);
	*reader = (struct log_reader){ .fd = -EBADF };
}

static int grow(struct log_reader *reader)
{
	size_t cap = MIN(MAX(reader->cap * 2, BLOCK), LINE_MAX_BYTES);
	char *bigger;

	if (cap <= reader->cap)
		return 0;
	bigger = realloc(reader->buf, cap);
	if (!bigger)
		return -ENOMEM;
	reader->buf = bigger;
	reader->cap = cap;
	return 0;
}

/* Reads more behind what is in the buffer. 1, 0: end of file, -errno. */
static int fill(struct log_reader *reader)
{
	struct stat st;
	ssize_t n;
	int r;

	if (reader->off > 0) {
		memmove(reader->buf, reader->buf + reader->off, reader->len - reader->off);
		reader->len -= reader->off;
		reader->off = 0;
	}
	if (reader->len == LINE_MAX_BYTES) {
		reader->skip = true;
		reader->len = 0;
	}
	if (reader->cap - reader->len < BLOCK) {
		r = grow(reader);
		if (r < 0)
			return r;
	}
	n = pread(reader->fd, reader->buf + reader->len, reader->cap - reader->len, reader->next);
	if (n < 0)
		return -errno;
	reader->next += n;
	reader->len += (size_t)n;
	if (n > 0)
		return 1;
	/* Truncated by somebody: from the start again. */
	if (fstat(reader->fd, &st) == 0 && st.st_size < reader->next) {
		reader->next = 0;
		reader->len = 0;
		reader->skip = false;
		return st.st_size > 0;
	}
	return 0;
}

/* The next line without its \n. 1, 0, -errno. */
static int next_line(struct log_reader *reader, char **ret, size_t *ret_len)
{
	size_t seen = 0;

	for (;;) {
		char *start = reader->buf + reader->off;
		size_t left = reader->len - reader->off;
		char *end = left > seen ? memchr(start + seen, '\n', left - seen) : NULL;
		int r;

		if (end) {
			reader->off += (size_t)(end - start) + 1;
			if (reader->skip) {
				reader->skip = false;
				seen = 0;
				continue;
			}
			*ret = start;
			*ret_len = (size_t)(end - start);
			return 1;
		}
		seen = left == LINE_MAX_BYTES ? 0 : left;
		r = fill(reader);
		if (r <= 0)
			return r;
		if (reader->len < seen)
			seen = 0;
	}
}

int log_reader_next(struct log_reader *reader, const struct log_filter *filter,
		    struct log_line *ret)
{
	size_t n;
	char *line;
	int r;

	while ((r = next_line(reader, &line, &n)) > 0) {
		if (!reader->format_known) {
			reader->format_known = log_read_format(line, n, &reader->format);
			if (!reader->format_known)
				continue;
		}
		if (log_read_line(reader->format, line, n, ret) && filter->streams[ret->stream])
			return 1;
	}
	return r;
}

/* ---- from the end ---- */

struct backwards {
	const struct log_reader *reader;
	char *block; /* bytes from `start` on */
	off_t start;
	size_t len;
};

/* Offset behind the last \n before `end`; 0: there is none before it. -errno. */
static off_t line_start(struct backwards *b, off_t end)
{
	while (end > 0) {
		const char *lf;

		if (end <= b->start || end > b->start + (off_t)b->len) {
			ssize_t n;

			b->start = end - MIN(end, (off_t)BLOCK);
			n = pread(b->reader->fd, b->block, (size_t)(end - b->start), b->start);
			if (n < 0)
				return -errno;
			b->len = (size_t)n;
			if (b->start + n < end)
				return 0; /* truncated meanwhile */
		}
		lf = memrchr(b->block, '\n', (size_t)(end - b->start));
		if (lf)
			return b->start + (lf - b->block) + 1;
		end = b->start;
	}
	return 0;
}

/* Does the line [start, end) count? A line of the container counts where it ends. */
static bool counts(const struct log_reader *reader, const struct log_filter *filter, off_t start,
		   off_t end, bool *last)
{
	CLEANUP_FREE char *line = NULL;
	size_t n = (size_t)(end - start);
	struct log_line record;
	bool is_last;

	if (n > LINE_MAX_BYTES || !(line = malloc(n + 1)) ||
	    pread(reader->fd, line, n, start) != (ssize_t)n ||
	    !log_read_line(reader->format, line, n, &record) || !filter->streams[record.stream])
		return false;
	/* One that is not finished yet counts as well. */
	is_last = last[record.stream];
	last[record.stream] = false;
	return record.full || is_last;
}

/* The first line tells the format. */
static int learn_format(struct log_reader *reader)
{
	char head[64];
	ssize_t n = pread(reader->fd, head, sizeof(head), 0);

	if (n < 0)
		return -errno;
	reader->format_known = log_read_format(head, (size_t)n, &reader->format);
	return 0;
}

int64_t log_reader_tail(struct log_reader *reader, const struct log_filter *filter, uint64_t want)
{
	CLEANUP_FREE char *block = malloc(BLOCK);
	struct backwards b = { .reader = reader, .block = block };
	bool last[LOG_STREAM_N] = { true, true };
	uint64_t found = 0;
	struct stat st;
	off_t end, start;
	int r;

	if (!block)
		return -ENOMEM;
	r = learn_format(reader);
	if (r < 0)
		return r;
	if (fstat(reader->fd, &st) < 0)
		return -errno;
	reader->next = 0;
	if (!reader->format_known)
		return 0;
	/* Behind the last whole line: what comes after it is torn, or being written. */
	end = line_start(&b, st.st_size);
	while (end > 0) {
		start = line_start(&b, end - 1);
		if (start < 0)
			return start;
		if (counts(reader, filter, start, end - 1, last)) {
			if (found == want) {
				reader->next = end;
				break;
			}
			found++;
		}
		end = start;
	}
	return end < 0 ? end : (int64_t)found;
}

/* ---- rotation ---- */

static bool is_same(const struct log_reader *reader, const struct stat *st)
{
	return st->st_dev == reader->dev && st->st_ino == reader->ino;
}

/* The number of the reader's file among the rotated ones, 0: it has none. *ret_newest_gone: the
 * highest number of a file that was written after the reader's. */
static unsigned int number_of(const struct log_reader *reader, const char *path,
			      unsigned int *ret_after)
{
	struct stat ours, st;
	char buf[PATH_MAX];

	*ret_after = 0;
	if (fstat(reader->fd, &ours) < 0)
		return 0;
	/* A rotation under way leaves one number without a file. */
	for (unsigned int n = 1, missing = 0; n < LOG_ROTATED_MAX && missing < 2; n++) {
		if (path_of(path, n, buf, sizeof(buf)) < 0)
			return 0;
		missing = stat(buf, &st) < 0 ? missing + 1 : 0;
		if (missing > 0)
			continue;
		if (is_same(reader, &st))
			return n;
		if (st.st_mtim.tv_sec > ours.st_mtim.tv_sec ||
		    (st.st_mtim.tv_sec == ours.st_mtim.tv_sec &&
		     st.st_mtim.tv_nsec > ours.st_mtim.tv_nsec))
			*ret_after = n;
	}
	return 0;
}

int log_reader_successor(const struct log_reader *reader, const char *path, struct log_reader *ret)
{
	/* A rotation while we look moves the numbers: then once more. */
	for (int i = 0; i < 2 * GAP_TRIES; i++) {
		struct log_reader next = { .fd = -EBADF };
		unsigned int after, number, again;
		struct stat st;
		int r;

		if (stat(path, &st) < 0)
			return errno == ENOENT ? 0 : -errno;
		if (is_same(reader, &st))
			return 0;
		number = number_of(reader, path, &after);
		/* Not there any more, or under a name that is not ours (kubelet's have a date): go on
		 * with the oldest that is newer. */
		r = log_reader_open(&next, path, number > 0 ? number - 1 : after);
		/* A rotation that was cut short has left a gap for good. */
		if (r == -ENOENT && number > 1 && i > GAP_TRIES)
			r = log_reader_open(&next, path, number - 2);
		if (r < 0 && r != -ENOENT)
			return r;
		if (r < 0)
			usleep(GAP_SLEEP_US);
		if (r == 0 && number_of(reader, path, &again) == number &&
		    (number > 0 || again == after) &&
		    !(next.ino == reader->ino && next.dev == reader->dev)) {
			*ret = next;
			return 1;
		}
		if (r == 0)
			log_reader_close(&next);
	}
	return 0;
}
