// SPDX-License-Identifier: Apache-2.0
/*
 * Lines, pieces and times of log records; see log_frame.h.
 */
#include "shim/log_frame.h"

#include <stdio.h>

#include "common/str.h"

void log_framer_init(struct log_framer *f, enum log_format format)
{
	*f = (struct log_framer){ .ops = format == LOG_FORMAT_CRI ? &log_cri_ops : &log_json_ops };
}

void log_framer_done(struct log_framer *f)
{
	for (size_t i = 0; i < ARRAY_COUNT(f->pending); i++)
		free(f->pending[i].data);
	*f = (struct log_framer){ .ops = f->ops };
}

void log_framer_trim(struct log_framer *f)
{
	for (size_t i = 0; i < ARRAY_COUNT(f->pending); i++) {
		struct log_pending *pending = &f->pending[i];

		if (pending->len > 0)
			continue;
		free(pending->data);
		pending->data = NULL;
		pending->cap = 0;
	}
}

static void put_digits(char *out, unsigned int value, int width)
{
	while (width > 0) {
		out[--width] = (char)('0' + value % 10);
		value /= 10;
	}
}

/* "+02:00" of local time at that second; the day and hour it is there go to f->second. */
static int64_t local_second(struct log_framer *f, int64_t second)
{
	time_t t = (time_t)second;
	struct tm tm = { 0 };
	long minutes;

	if (!localtime_r(&t, &tm))
		tm.tm_gmtoff = 0;
	minutes = labs(tm.tm_gmtoff) / 60;
	memcpy(f->zone, tm.tm_gmtoff < 0 ? "-00:00" : "+00:00", 7);
	put_digits(f->zone + 1, (unsigned int)(minutes / 60), 2);
	put_digits(f->zone + 4, (unsigned int)(minutes % 60), 2);
	return second + tm.tm_gmtoff;
}

size_t log_frame_time(struct log_framer *f, const struct timespec *when, char *buf)
{
	size_t n = 19;

	if (!f->second_valid || f->second != when->tv_sec) {
		str_format_second(f->local_time ? local_second(f, when->tv_sec) : when->tv_sec,
				  f->second_text);
		f->second = when->tv_sec;
		f->second_valid = true;
	}
	memcpy(buf, f->second_text, 19);
	buf[n] = '.';
	put_digits(buf + 20, (unsigned int)when->tv_nsec, 9);
	n = 29;
	if (f->ops->trim_zeros) {
		while (buf[n - 1] == '0')
			n--;
		if (buf[n - 1] == '.')
			n--;
	}
	if (f->local_time) {
		memcpy(buf + n, f->zone, sizeof(f->zone));
		return n + sizeof(f->zone) - 1;
	}
	buf[n++] = 'Z';
	buf[n] = '\0';
	return n;
}

/* One stream's bytes on their way into one batch; the time is formatted once. */
struct frame {
	struct log_framer *f;
	struct log_batch *batch;
	struct log_pending *pending;
	enum log_stream stream;
	const struct timespec *when;
	char time[LOG_TIME_MAX];
	size_t time_len;
};

static void frame_init(struct frame *fr, const struct timespec *when)
{
	fr->pending = &fr->f->pending[fr->stream];
	fr->when = when;
	fr->time_len = log_frame_time(fr->f, when, fr->time);
}

static bool has_room(const struct log_framer *f, const struct log_batch *batch, size_t len)
{
	return batch->n_marks < batch->max_marks &&
	       batch->cap - batch->len >= f->ops->expand * len + f->ops->overhead;
}

/* Room was checked. */
static void emit(struct frame *fr, const char *text, size_t len, bool full)
{
	struct log_pending *pending = fr->pending;
	struct log_batch *batch = fr->batch;
	struct log_record r = {
		.stream = fr->stream,
		.text = text,
		.len = len,
		.full = full,
		.time = fr->time,
		.time_len = fr->time_len,
	};
	char first[LOG_TIME_MAX];

	if (fr->f->ops->first_time && pending->continued) {
		r.time_len = log_frame_time(fr->f, &pending->first, first);
		r.time = first;
	} else if (!pending->continued) {
		pending->first = *fr->when;
	}
	pending->continued = !full;
	batch->len += fr->f->ops->record(batch->buf + batch->len, &r);
	batch->marks[batch->n_marks++] = (struct log_mark){
		.end = (uint32_t)batch->len,
		.bytes = (uint32_t)(len + (full ? 1 : 0)),
	};
}

static bool hold(struct log_pending *pending, const char *data, size_t n)
{
	size_t need = pending->len + n, cap = MAX(pending->cap, (size_t)256);
	char *bigger;

	while (cap < need)
		cap *= 2;
	if (cap > pending->cap) {
		bigger = realloc(pending->data, cap);
		if (!bigger)
			return false;
		pending->data = bigger;
		pending->cap = cap;
	}
	if (n > 0)
		memcpy(pending->data + pending->len, data, n);
	pending->len = need;
	return true;
}

/* Bytes at the end of the piece that begin a UTF-8 sequence which the piece cuts off. */
static size_t utf8_cut(const char *text, size_t len)
{
	for (size_t back = 1; back <= 3 && back < len; back++) {
		unsigned char c = (unsigned char)text[len - back];
		size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;

		if ((c & 0xc0) == 0x80)
			continue;
		return need > back ? back : 0;
	}
	return 0;
}

/* What is held plus data[0..n) is one piece. Returns the bytes of `data` that went out or are
 * held, -1: no room in the batch. */
static ssize_t put_piece(struct frame *fr, const char *data, size_t n, bool full)
{
	struct log_pending *pending = fr->pending;
	bool keep = fr->f->ops->keep_utf8 && !full;
	size_t cut;

	if (!has_room(fr->f, fr->batch, pending->len + n))
		return -1;
	if (pending->len == 0) {
		cut = keep ? utf8_cut(data, n) : 0;
		emit(fr, data, n - cut, full);
		return (ssize_t)(n - cut);
	}
	if (!hold(pending, data, n)) {
		size_t held = pending->len;

		emit(fr, pending->data, held, false);
		pending->len = 0;
		return 0;
	}
	cut = keep ? utf8_cut(pending->data, pending->len) : 0;
	emit(fr, pending->data, pending->len - cut, full);
	memmove(pending->data, pending->data + pending->len - cut, cut);
	pending->len = cut;
	return (ssize_t)n;
}

size_t log_frame_put(struct log_framer *f, struct log_batch *batch, enum log_stream stream,
		     const char *data, size_t n, const struct timespec *when)
{
	struct frame fr = { .f = f, .batch = batch, .stream = stream };
	size_t off = 0;

	frame_init(&fr, when);
	while (off < n) {
		const char *p = data + off;
		size_t left = n - off, room = LOG_PIECE_MAX - fr.pending->len;
		const char *lf = memchr(p, '\n', MIN(left, room + f->ops->look_ahead));
		size_t len = lf ? (size_t)(lf - p) : MIN(left, room);
		ssize_t taken;

		if (!lf && left < room + f->ops->look_ahead) {
			if (hold(fr.pending, p, left)) {
				fr.pending->last = *when;
				return n;
			}
			/* No memory to hold it: it goes out as a piece. */
		}
		taken = put_piece(&fr, p, len, lf != NULL);
		if (taken < 0)
			return off;
		off += (size_t)taken + (lf && (size_t)taken == len && !fr.pending->continued);
	}
	return n;
}

bool log_frame_flush(struct log_framer *f, struct log_batch *batch, enum log_stream stream)
{
	struct frame fr = { .f = f, .batch = batch, .stream = stream };
	struct log_pending *pending = &f->pending[stream];

	if (pending->len == 0)
		return true;
	if (!has_room(f, batch, pending->len))
		return false;
	frame_init(&fr, &pending->last);
	emit(&fr, pending->data, pending->len, false);
	pending->len = 0;
	return true;
}

bool log_frame_eof(struct log_framer *f, struct log_batch *batch, enum log_stream stream)
{
	if (!log_frame_flush(f, batch, stream))
		return false;
	f->pending[stream].continued = false;
	return true;
}

void log_frame_marker(struct log_framer *f, struct log_batch *batch, uint64_t lost,
		      const char *reason)
{
	struct log_pending *pending = &f->pending[LOG_STDERR], saved = *pending;
	struct frame fr = { .f = f, .batch = batch, .stream = LOG_STDERR };
	struct timespec now;
	char text[160];
	int n;

	n = snprintf(text, sizeof(text), "thole-shim: %llu bytes lost: %.95s",
		     (unsigned long long)lost, reason);
	clock_gettime(CLOCK_REALTIME, &now);
	frame_init(&fr, &now);
	/* A record of its own: it neither continues nor ends a line of the container. */
	pending->continued = false;
	emit(&fr, text, MIN((size_t)n, sizeof(text) - 1), true);
	*pending = saved;
	batch->marks[batch->n_marks - 1].bytes = 0;
	batch->marker = true;
}
