// SPDX-License-Identifier: Apache-2.0
// Lines to the journal: fields, datagrams, a sealed memfd for what no datagram holds.
#include "shim/log_journald.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/sock.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define SHORT_ID 12
#define RETRY_MS 1000

struct line {
	size_t len;
	char data[LOG_JOURNALD_LINE];
};

struct log_journald {
	struct ev *ev;
	struct log_journald_config config;
	int fd;                   /* -EBADF: the journal is away */
	struct ev_source *source; /* waiting for room */
	struct ev_timer *timer;   /* waiting for the journal to come back */
	struct str fields;        /* all that is the same in each datagram */
	struct str message;
	struct line *line[LOG_STREAM_N]; /* NULL: nothing is held */
	bool lost;                       /* told once */
};

int log_journald_check_label(const char *label, struct err *err)
{
	size_t n = strcspn(label, "=");

	if (n == 0 || label[n] != '=' || strchr(label + n + 1, '='))
		return err_set(err, EINVAL,
			       "Container labels must be in format LABEL=VALUE (no = "
			       "present in \"%s\", or more than one)",
			       label);
	if (strspn(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != n)
		return err_set(err, EINVAL,
			       "Container label names must contain only uppercase letters, numbers "
			       "and underscore (in \"%s\")",
			       label);
	return 0;
}

void log_journald_field(struct str *out, const char *key, const char *value, size_t n)
{
	str_add(out, key);
	if (!memchr(value, '\n', n)) {
		str_add_char(out, '=');
		str_add_n(out, value, n);
		str_add_char(out, '\n');
		return;
	}
	str_add_char(out, '\n');
	for (unsigned int shift = 0; shift < 64; shift += 8)
		str_add_char(out, (char)((uint64_t)n >> shift & 0xff)); /* little endian */
	str_add_n(out, value, n);
	str_add_char(out, '\n');
}

static void constant_fields(struct log_journald *j)
{
	const struct log_journald_config *c = &j->config;
	struct str *f = &j->fields;
	const char *ident = c->tag ? c->tag : c->name ? c->name : c->id;
	size_t n = c->tag || c->name ? strlen(ident) : SHORT_ID;

	log_journald_field(f, "CONTAINER_ID_FULL", c->id, strlen(c->id));
	log_journald_field(f, "CONTAINER_ID", c->id, SHORT_ID);
	log_journald_field(f, "SYSLOG_IDENTIFIER", ident, n);
	if (c->tag)
		log_journald_field(f, "CONTAINER_TAG", c->tag, strlen(c->tag));
	if (c->name)
		log_journald_field(f, "CONTAINER_NAME", c->name, strlen(c->name));
	for (size_t i = 0; i < c->n_labels; i++) {
		const char *eq = strchr(c->labels[i], '=');

		str_add_n(f, c->labels[i], (size_t)(eq - c->labels[i]));
		/* The rest of the field is "=value\n" or its binary form; the key is out. */
		log_journald_field(f, "", eq + 1, strlen(eq + 1));
	}
}

static int connect_journal(struct log_journald *j, struct err *err)
{
	const char *path = j->config.socket ? j->config.socket : JOURNAL_SOCKET;
	int fd = sock_connect(path, SOCK_DGRAM, err);
	int r;

	if (fd < 0)
		return fd;
	r = fd_nonblock(fd, true);
	if (r < 0) {
		fd_close(fd);
		return r;
	}
	j->fd = fd;
	return 0;
}

/* Too large for a datagram: the journal takes a sealed memfd instead. */
static int send_memfd(struct log_journald *j)
{
	CLEANUP_FD int fd = memfd_create("journal", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ssize_t n;
	int r;

	if (fd < 0)
		return -errno;
	r = io_write_all(fd, j->message.data, j->message.len);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return -errno;
	n = sock_send(j->fd, "", 0, &fd, 1);
	return n < 0 ? (int)n : 0;
}

static int send_message(struct log_journald *j)
{
	ssize_t n;

	do {
		n = send(j->fd, j->message.data, j->message.len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	return errno == EMSGSIZE || errno == ENOBUFS ? send_memfd(j) : -errno;
}

static void on_room(void *user, int fd UNUSED, uint32_t events UNUSED)
{
	struct log_journald *j = user;

	ev_remove(TAKE_PTR(j->source));
	j->config.on_room(j->config.user);
}

static void try_again(void *user)
{
	struct log_journald *j = user;

	j->timer = NULL;
	j->config.on_room(j->config.user);
}

/* 0: sent (or given up), -EAGAIN: on_room will come. */
static int deliver(struct log_journald *j)
{
	struct err err = { 0 };
	int r = 0;

	if (j->fd < 0)
		r = connect_journal(j, &err);
	if (r == 0)
		r = send_message(j);
	if (r == -EAGAIN && !j->source &&
	    ev_add(j->ev, j->fd, EPOLLOUT, on_room, j, &j->source) == 0)
		return -EAGAIN;
	if (r == -EAGAIN && j->source)
		return -EAGAIN;
	if (r < 0) {
		/* journald has been started anew, or is gone for good: a container cannot wait for
		 * that, but the next line finds a new socket. */
		ev_remove(TAKE_PTR(j->source));
		j->fd = fd_close(j->fd);
		if (connect_journal(j, &err) == 0)
			r = send_message(j);
	}
	if (r == -EAGAIN && !j->timer && ev_timer(j->ev, RETRY_MS, try_again, j, &j->timer) == 0)
		return -EAGAIN;
	if (r < 0 && !j->lost)
		log_error("output is lost, the journal does not take it: %s", err_strerror(-r));
	j->lost = r < 0;
	return 0;
}

/* `full`: the text ends with its newline, which stays in the message. */
static int send_line(struct log_journald *j, enum log_stream stream, const char *text, size_t n)
{
	struct str *m = &j->message;

	str_reset(m);
	log_journald_field(m, "MESSAGE", text, n);
	log_journald_field(m, "PRIORITY", stream == LOG_STDOUT ? "6" : "3", 1);
	if (text[n - 1] != '\n' && !j->config.no_partial)
		log_journald_field(m, "CONTAINER_PARTIAL_MESSAGE", "true", 4);
	str_add_n(m, j->fields.data, j->fields.len);
	return deliver(j);
}

static int send_held(struct log_journald *j, enum log_stream stream)
{
	struct line *line = j->line[stream];
	int r = line && line->len ? send_line(j, stream, line->data, line->len) : 0;

	if (r == 0)
		free(TAKE_PTR(j->line[stream]));
	return r;
}

size_t log_journald_put(struct log_journald *j, enum log_stream stream, const char *data, size_t n)
{
	size_t off = 0;

	if (j->source || j->timer)
		return 0;
	while (off < n) {
		const char *lf = memchr(data + off, '\n', n - off);
		size_t len = lf ? (size_t)(lf - data) - off + 1 : n - off, take;
		struct line *line = j->line[stream];

		if (!line && lf && len <= LOG_JOURNALD_LINE) {
			if (send_line(j, stream, data + off, len) < 0)
				return off;
			off += len;
			continue;
		}
		if (!line)
			line = j->line[stream] = calloc(1, sizeof(*line));
		if (!line) {
			if (ev_timer(j->ev, RETRY_MS, try_again, j, &j->timer) < 0)
				j->timer = NULL;
			return off;
		}
		take = MIN(len, sizeof(line->data) - line->len);
		/* Put back what did not go out: the caller keeps those bytes. */
		memcpy(line->data + line->len, data + off, take);
		line->len += take;
		if (line->data[line->len - 1] == '\n' || line->len == sizeof(line->data)) {
			if (send_held(j, stream) < 0) {
				line->len -= take;
				return off;
			}
		}
		off += take;
	}
	return off;
}

void log_journald_eof(struct log_journald *j, enum log_stream stream)
{
	if (send_held(j, stream) < 0)
		log_debug("the journal is full: the last line waits");
}

int log_journald_new(struct ev *ev, const struct log_journald_config *config,
		     struct log_journald **ret, struct err *err)
{
	struct log_journald *j;
	int r;

	if (strlen(config->id) <= SHORT_ID)
		return err_set(err, EINVAL, "Container ID must be longer than %d characters",
			       SHORT_ID);
	j = calloc(1, sizeof(*j));
	if (!j)
		return err_set(err, ENOMEM, "out of memory");
	j->ev = ev;
	j->config = *config;
	j->fd = -EBADF;
	constant_fields(j);
	r = connect_journal(j, err);
	if (r < 0) {
		log_journald_free(j);
		return r;
	}
	*ret = j;
	return 0;
}

void log_journald_free(struct log_journald *j)
{
	if (!j)
		return;
	for (int s = 0; j->fd >= 0 && s < LOG_STREAM_N; s++) {
		/* Nothing runs any more: now it may wait, for a moment. */
		struct timeval tv = { .tv_sec = 1 };

		if (fd_nonblock(j->fd, false) == 0 &&
		    setsockopt(j->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0)
			log_journald_eof(j, (enum log_stream)s);
	}
	ev_remove(j->source);
	ev_timer_cancel(j->timer);
	fd_close(j->fd);
	for (int s = 0; s < LOG_STREAM_N; s++)
		free(j->line[s]);
	str_done(&j->fields);
	str_done(&j->message);
	free(j);
}
