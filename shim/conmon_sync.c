// SPDX-License-Identifier: Apache-2.0
// The sync pipe's lines.
#include "shim/conmon_sync.h"

#include <errno.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/log.h"

#define END "\"}\n"

/* The escaped byte; at most 6 and the NUL. */
static const char *escape(unsigned char c, char buf[8])
{
	static const char plain[] = "\"\\/\b\f\n\r\t", letter[] = "\"\\/bfnrt";
	const char *at = c ? strchr(plain, c) : NULL;

	if (at)
		snprintf(buf, 8, "\\%c", letter[at - plain]);
	else if (c < 0x20 || c == 0x7f)
		snprintf(buf, 8, "\\u%04x", c);
	else
		snprintf(buf, 8, "%c", c);
	return buf;
}

size_t conmon_sync_format(char *buf, const char *key, int n, const char *message)
{
	struct str s = { .data = buf, .cap = CONMON_SYNC_MAX, .fixed = true };
	char one[8];

	str_addf(&s, "{\"%s\": %d", key, n);
	if (!message || !message[0]) {
		str_add(&s, "}\n");
		return s.len;
	}
	str_add(&s, ", \"message\": \"");
	for (const char *p = message; *p; p++) {
		size_t len = strlen(escape((unsigned char)*p, one));

		if (s.len + len + sizeof(END) > CONMON_SYNC_MAX)
			break;
		str_add_n(&s, one, len);
	}
	str_add(&s, END);
	return s.len;
}

void conmon_sync_send(int *fd, const char *key, int n, const char *message)
{
	char buf[CONMON_SYNC_MAX];
	size_t len = conmon_sync_format(buf, key, n, message);
	ssize_t r;

	if (*fd < 0)
		return;
	do {
		r = write(*fd, buf, len); /* one write: a packet is one line */
	} while (r < 0 && errno == EINTR);
	if (r == (ssize_t)len)
		return;
	if (r >= 0 || errno != EPIPE)
		log_warning("tell the client: %s", r < 0 ? err_strerror(errno) : "cut short");
	*fd = fd_close(*fd);
}
