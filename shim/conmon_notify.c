// SPDX-License-Identifier: Apache-2.0
// sd_notify datagrams, filtered.
#include "shim/conmon_notify.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/fd.h"
#include "common/log.h"

#define DATAGRAM_MAX 8192
#define NAME "notify/notify.sock"

struct conmon_notify {
	int fd, dirfd, out;
	struct ev_source *source;
	struct sockaddr_un host;
};

static bool passes(const char *line, size_t n)
{
	static const char *const whole[] = { "READY=1", "RELOADING=1", "STOPPING=1", "WATCHDOG=1",
					     "WATCHDOG=trigger" };
	static const char *const begin[] = { "STATUS=", "ERRNO=", "BUSERROR=", "MONOTONIC_USEC=" };

	for (size_t i = 0; i < ARRAY_COUNT(whole); i++)
		if (strlen(whole[i]) == n && memcmp(line, whole[i], n) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_COUNT(begin); i++)
		if (n >= strlen(begin[i]) && memcmp(line, begin[i], strlen(begin[i])) == 0)
			return true;
	return false;
}

void conmon_notify_filter(struct str *out, const char *data, size_t n)
{
	for (size_t at = 0, end; at < n; at = end + 1) {
		for (end = at; end < n && data[end] != '\n' && data[end] != '\r';)
			end++;
		if (!passes(data + at, end - at))
			continue;
		if (out->len)
			str_add_char(out, '\n');
		str_add_n(out, data + at, end - at);
	}
}

static void ready(void *user, int fd, uint32_t events UNUSED)
{
	struct conmon_notify *c = user;
	char in[DATAGRAM_MAX], buf[DATAGRAM_MAX + 1];
	struct str out = STR_FIXED(buf);
	ssize_t n = recv(fd, in, sizeof(in), MSG_DONTWAIT);

	if (n <= 0)
		return;
	conmon_notify_filter(&out, in, (size_t)n);
	if (out.len && sendto(c->out, out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL,
			      (struct sockaddr *)&c->host, sizeof(c->host)) < 0)
		log_warning("relay to \"%s\": %s", c->host.sun_path, err_strerror(errno));
}

static int bind_socket(struct conmon_notify *c)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/" NAME, fd_path(c->dirfd).s);
	if (unlinkat(c->dirfd, NAME, 0) < 0 && errno != ENOENT)
		return -errno;
	c->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	c->out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0 || c->out < 0)
		return -errno;
	if (bind(c->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    fchmodat(c->dirfd, NAME, 0777, 0) < 0) /* the container's user, whoever that is */
		return -errno;
	return 0;
}

int conmon_notify_new(struct ev *ev, int bundle_dirfd, const char *host, struct conmon_notify **ret,
		      struct err *err)
{
	struct conmon_notify *c = calloc(1, sizeof(*c));
	int r = 0;

	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	c->fd = c->out = -EBADF;
	c->dirfd = bundle_dirfd;
	c->host.sun_family = AF_UNIX;
	if (host[0] != '/' || strlen(host) >= sizeof(c->host.sun_path))
		r = err_set(err, EINVAL, "--sdnotify-socket: \"%s\" is no path of a socket", host);
	else
		memcpy(c->host.sun_path, host, strlen(host) + 1);
	if (r == 0) {
		r = bind_socket(c);
		if (r == 0)
			r = ev_add(ev, c->fd, EPOLLIN, ready, c, &c->source);
		if (r < 0)
			err_sysn(err, r, "notify socket \"" NAME "\" in the bundle");
	}
	if (r < 0) {
		conmon_notify_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void conmon_notify_free(struct conmon_notify *c)
{
	if (!c)
		return;
	ev_remove(c->source);
	if (c->fd >= 0)
		(void)unlinkat(c->dirfd, NAME, 0);
	fd_close(c->fd);
	fd_close(c->out);
	free(c);
}
