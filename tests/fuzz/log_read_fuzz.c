// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a log file for the reader; and any bytes as a container's output through the framer
 * of both formats, which the reader must give back. First byte: which, and the size of reads.
 */
#include "shim/log_frame.h"
#include "shim/log_read.h"

#include "common/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_any(char *data, size_t size)
{
	enum log_format format;
	struct log_line line;
	bool known = false;

	while (size > 0) {
		char *lf = memchr(data, '\n', size);
		size_t n = lf ? (size_t)(lf - data) : size;

		known = known || log_read_format(data, n, &format);
		if (known && log_read_line(format, data, n, &line) &&
		    (line.text < data || line.text + line.len > data + n || line.time < data ||
		     line.time + line.time_len > data + n))
			abort();
		if (!lf)
			break;
		size -= n + 1;
		data += n + 1;
	}
}

/* Everything that was framed, read back. */
static void read_back(struct log_batch *batch, enum log_format format, struct str *out)
{
	size_t start = 0;

	for (size_t i = 0; i < batch->n_marks; i++) {
		size_t n = batch->marks[i].end - start - 1;
		struct log_line line;

		if (batch->buf[start + n] != '\n' || memchr(batch->buf + start, '\n', n) ||
		    !log_read_line(format, batch->buf + start, n, &line) ||
		    line.stream != LOG_STDOUT || line.len + line.full != batch->marks[i].bytes)
			/* JSON cannot carry what is not UTF-8. */
			if (format == LOG_FORMAT_CRI || !line.text)
				abort();
		str_add_n(out, line.text, line.len);
		if (line.full)
			str_add_char(out, '\n');
		start = batch->marks[i].end;
	}
	batch->len = batch->n_marks = 0;
}

static bool is_utf8(const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t len;

	for (size_t i = 0; i < n; i += len) {
		len = s[i] < 0x80 ? 1 : log_utf8_length(s + i, n - i);
		if (len == 0)
			return false;
	}
	return true;
}

static void round_trip(const char *data, size_t size, enum log_format format, size_t chunk)
{
	static const struct timespec when = { .tv_sec = 1767323045, .tv_nsec = 120000000 };
	CLEANUP_FREE char *buf = malloc(2 * LOG_RECORD_MAX);
	struct log_mark marks[64];
	struct log_batch batch = {
		.buf = buf,
		.cap = 2 * LOG_RECORD_MAX,
		.marks = marks,
		.max_marks = ARRAY_COUNT(marks),
	};
	CLEANUP_STR struct str got = { 0 };
	struct log_framer f;
	size_t off = 0;

	if (!buf)
		return;
	log_framer_init(&f, format);
	while (off < size) {
		size_t n = MIN(chunk, size - off);
		size_t used = log_frame_put(&f, &batch, LOG_STDOUT, data + off, n, &when);

		if (used == 0 && batch.n_marks == 0)
			abort();
		off += used;
		read_back(&batch, format, &got);
	}
	if (!log_frame_eof(&f, &batch, LOG_STDOUT))
		abort();
	read_back(&batch, format, &got);
	log_framer_done(&f);
	if ((format == LOG_FORMAT_CRI || is_utf8(data, size)) &&
	    (got.len != size || (size > 0 && memcmp(got.data, data, size) != 0)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *copy = malloc(size + 1);

	if (!copy || size < 1)
		return 0;
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 1)
		read_any(copy, size - 1);
	else
		round_trip(copy, size - 1, data[0] & 2 ? LOG_FORMAT_CRI : LOG_FORMAT_JSON,
			   (size_t)(data[0] >> 2) * 1000 + 1);
	return 0;
}
