// SPDX-License-Identifier: Apache-2.0
/*
 * The CRI text record: "TIME STREAM TAG CONTENT\n", tag F (the line ends here) or P. Nothing is
 * escaped. Always nine digits of the second: podman's reader parses no other number of them.
 */
#include "shim/log_frame.h"

static size_t cri_record(char *out, const struct log_record *r)
{
	static const char head[LOG_STREAM_N][2][11] = {
		[LOG_STDOUT] = { " stdout P ", " stdout F " },
		[LOG_STDERR] = { " stderr P ", " stderr F " },
	};
	char *p = out;

	memcpy(p, r->time, r->time_len);
	p += r->time_len;
	memcpy(p, head[r->stream][r->full], 10);
	p += 10;
	memcpy(p, r->text, r->len);
	p += r->len;
	*p++ = '\n';
	return (size_t)(p - out);
}

const struct log_format_ops log_cri_ops = {
	.record = cri_record,
	.expand = 1,
	.overhead = 64,
	.look_ahead = 1,
};
