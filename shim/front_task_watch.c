// SPDX-License-Identifier: Apache-2.0
// Readers that are away: an inotify instance while there is one, none otherwise (a user's instances
// are few and there is a shim for every pod).
#include <errno.h>
#include <sys/inotify.h>

#include "common/fd.h"
#include "common/log.h"
#include "shim/front_task_io.h"

#define EVENTS_BYTES 4096

/* One at a time, from the start: a look may add and remove others. */
static void look_at_poked(struct front *f)
{
	struct front_io_out *o = f->watch.first;

	while (o) {
		uint32_t what = o->poked;

		o->poked = 0;
		if (!what) {
			o = o->next_watched;
			continue;
		}
		front_out_look(o, what & ~(uint32_t)IN_IGNORED);
		o = f->watch.first;
	}
}

static void on_events(void *user, int fd, uint32_t events UNUSED)
{
	struct front *f = user;
	_Alignas(struct inotify_event) char buf[EVENTS_BYTES];
	ssize_t n = read(fd, buf, sizeof(buf));

	for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= n;) {
		const struct inotify_event *e = (const void *)(buf + at);

		at += (ssize_t)(sizeof(*e) + e->len);
		/* IN_IGNORED stands for "it may be anything": never 0. */
		for (struct front_io_out *o = f->watch.first; o; o = o->next_watched)
			if (e->wd == o->watch)
				o->poked |= e->mask;
			else if (e->mask & IN_Q_OVERFLOW)
				o->poked |= IN_IGNORED;
	}
	look_at_poked(f);
}

void front_watch_kick(struct front *f)
{
	for (struct front_io_out *o = f->watch.first; o; o = o->next_watched)
		o->poked |= IN_IGNORED;
	look_at_poked(f);
}

static int make_instance(struct front *f)
{
	int r;

	if (f->watch.source)
		return 0;
	f->watch.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (f->watch.fd < 0)
		return -errno;
	r = ev_add(f->ev, f->watch.fd, EPOLLIN, on_events, f, &f->watch.source);
	if (r < 0)
		f->watch.fd = fd_close(f->watch.fd);
	return r;
}

void front_watch_add(struct front_io_out *o, int fd)
{
	struct front *f = o->io->front;
	int r = make_instance(f);

	if (r == 0) {
		/* By the descriptor: the name may be another file's by now. */
		o->watch = inotify_add_watch(f->watch.fd, fd_path(fd).s, IN_OPEN | IN_CLOSE);
		r = o->watch < 0 ? -errno : 0;
	}
	if (r < 0) {
		o->watch = -1;
		log_info("the readers of \"%s\" are looked for when the daemon calls: %s",
			 o->io->id, err_strerror(-r));
	}
	o->poked = 0;
	o->watched = true;
	o->next_watched = f->watch.first;
	f->watch.first = o;
}

void front_watch_remove(struct front_io_out *o)
{
	struct front *f = o->io->front;
	struct front_io_out **at = &f->watch.first;
	bool shared = false;

	if (!o->watched)
		return;
	while (*at != o)
		at = &(*at)->next_watched;
	*at = o->next_watched;
	o->watched = false;
	/* Two processes with the same fifo have one number. */
	for (const struct front_io_out *other = f->watch.first; other; other = other->next_watched)
		shared = shared || other->watch == o->watch;
	if (o->watch >= 0 && !shared && inotify_rm_watch(f->watch.fd, o->watch) < 0)
		log_debug("the fifo of \"%s\" is gone", o->io->id);
	o->watch = -1;
	if (f->watch.first || !f->watch.source)
		return;
	ev_remove(TAKE_PTR(f->watch.source));
	f->watch.fd = fd_close(f->watch.fd);
}
