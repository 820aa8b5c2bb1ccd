// SPDX-License-Identifier: Apache-2.0
// Lines of the control fifos.
#include "shim/conmon_ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"

struct fifo {
	int fd;
	struct ev_source *source;
	struct conmon_ctl_parser parser;
	const struct conmon_ctl_fns *fns;
};

struct conmon_ctl {
	struct conmon_ctl_fns fns;
	struct fifo ctl, winsz;
};

/* The decimal numbers of a line. Returns how many, -1 if one is none or out of range. */
static int numbers(char *line, unsigned int *value, int max)
{
	char *word;
	int n = 0;

	while ((word = strsep(&line, " \t\r"))) {
		uint32_t v;

		if (!word[0])
			continue;
		if (n == max || parse_u32(word, 10, &v) < 0 || v > CONMON_CTL_MAX)
			return -1;
		value[n++] = v;
	}
	return n;
}

static void take_line(struct conmon_ctl_parser *p, const struct conmon_ctl_fns *fns)
{
	unsigned int v[3] = { 1, 0, 0 };
	int want = p->winsz ? 2 : 3;

	p->line[p->len] = '\0';
	if (numbers(p->line, p->winsz ? v + 1 : v, want) != want)
		log_warning("control fifo: a line that is no command is ignored");
	else if (v[0] == 1)
		fns->resize(fns->user, v[1], v[2]);
	else if (v[0] == 2)
		fns->reopen(fns->user);
	else
		log_warning("control fifo: command %u is unknown", v[0]);
}

void conmon_ctl_parse(struct conmon_ctl_parser *p, const char *data, size_t n,
		      const struct conmon_ctl_fns *fns)
{
	for (size_t i = 0; i < n; i++) {
		if (data[i] == '\n') {
			if (!p->skip && p->len)
				take_line(p, fns);
			p->len = 0;
			p->skip = false;
		} else if (p->len + 1 < sizeof(p->line)) {
			p->line[p->len++] = data[i] ? data[i] : '?';
		} else {
			p->skip = true;
		}
	}
}

static void ready(void *user, int fd, uint32_t events UNUSED)
{
	struct fifo *f = user;
	char buf[512];
	ssize_t n;

	/* One read a wake-up: what is left wakes us again, and others have their turn. */
	n = read(fd, buf, sizeof(buf));
	if (n > 0)
		conmon_ctl_parse(&f->parser, buf, (size_t)n, f->fns);
}

static int open_fifo(struct ev *ev, struct fifo *f, int dirfd, const char *name)
{
	int r;

	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	if (mkfifoat(dirfd, name, 0660) < 0)
		return -errno;
	/* Also its own writer: there is never an end of file to wake up for. */
	f->fd = fd_openat(dirfd, name, O_RDWR | O_NONBLOCK | O_NOFOLLOW, 0);
	if (f->fd < 0)
		return f->fd;
	r = fchmod(f->fd, 0660) < 0 ? -errno : 0;
	return r < 0 ? r : ev_add(ev, f->fd, EPOLLIN, ready, f, &f->source);
}

int conmon_ctl_new(struct ev *ev, int dirfd, const struct conmon_ctl_fns *fns,
		   struct conmon_ctl **ret, struct err *err)
{
	struct conmon_ctl *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	c->fns = *fns;
	c->ctl = (struct fifo){ .fd = -EBADF, .fns = &c->fns };
	c->winsz = (struct fifo){ .fd = -EBADF, .fns = &c->fns, .parser = { .winsz = true } };
	r = open_fifo(ev, &c->ctl, dirfd, "ctl");
	if (r >= 0)
		r = open_fifo(ev, &c->winsz, dirfd, "winsz");
	if (r < 0) {
		conmon_ctl_free(c);
		return err_sysn(err, r, "make the control fifos in the bundle");
	}
	*ret = c;
	return 0;
}

void conmon_ctl_free(struct conmon_ctl *c)
{
	if (!c)
		return;
	ev_remove(c->ctl.source);
	ev_remove(c->winsz.source);
	fd_close(c->ctl.fd);
	fd_close(c->winsz.fd);
	free(c);
}
