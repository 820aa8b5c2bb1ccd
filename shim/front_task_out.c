// SPDX-License-Identifier: Apache-2.0
// One output of a process: a fifo, a file or a logger's pipe. A reader that is slow gets
// back-pressure. A fifo's reader that is away (EPIPE, EPOLLERR: we keep no read end) gets a spool,
// which comes before anything newer once it is back.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

#include "common/fd.h"
#include "common/log.h"
#include "shim/front_task_io.h"

#define CHUNK (16u << 10)

static void replay(struct front_io_out *o);

static void room(struct front_io_out *o)
{
	struct task_proc *p = o->io->proc;

	if (p->stdio)
		stdio_log_room(p->stdio);
}

static bool has_reader(const struct front_io_out *o)
{
	struct pollfd p = { .fd = o->fd };

	return poll(&p, 1, 0) == 0 || !(p.revents & POLLERR);
}

static void unspool(struct front_io_out *o, size_t n)
{
	/* Not of one that was never used: it may be freed beside the loop. */
	if (!n)
		return;
	front_spool_drop(&o->spool, n);
	o->io->front->spooled -= n;
}

static void close_output(struct front_io_out *o)
{
	front_watch_remove(o);
	ev_remove(TAKE_PTR(o->source));
	o->fd = fd_close(o->fd);
	o->keep = fd_close(o->keep);
	unspool(o, o->spool.len);
}

static void lose(struct front_io_out *o, int code)
{
	log_warning("output of \"%s\" is lost from here on: %s", o->io->id, err_strerror(code));
	close_output(o);
}

/* The reader has gone. False: and is back already. */
static bool leave(struct front_io_out *o)
{
	front_watch_add(o, o->fd);
	/* Between the write and the watch. */
	if (has_reader(o)) {
		front_watch_remove(o);
		return false;
	}
	ev_remove(TAKE_PTR(o->source));
	o->away = true;
	log_debug("nobody reads the output of \"%s\"", o->io->id);
	return true;
}

static void out_ready(void *user, int fd UNUSED, uint32_t events UNUSED)
{
	struct front_io_out *o = user;

	ev_remove(TAKE_PTR(o->source));
	if (o->spool.len)
		replay(o);
	else
		room(o);
}

/* What went to the reader; fewer than n: it has no room, has gone, or all is lost (no fd). */
static size_t write_some(struct front_io_out *o, const char *data, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = write(o->fd, data + done, n - done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno == EAGAIN) {
			/* EPOLLERR comes unasked when the reader goes meanwhile. */
			if (!o->source &&
			    ev_add(o->io->front->ev, o->fd, EPOLLOUT, out_ready, o, &o->source) < 0)
				lose(o, ENOMEM);
			break;
		}
		if (r < 0 && errno == EPIPE && o->fifo) {
			if (leave(o))
				break;
			continue;
		}
		if (r < 0) {
			lose(o, errno);
			break;
		}
		done += (size_t)r;
	}
	o->passed += done;
	return done;
}

static size_t spool_some(struct front_io_out *o, const char *data, size_t n)
{
	size_t limit = FRONT_SPOOLS_MAX - MIN(o->io->front->spooled, (size_t)FRONT_SPOOLS_MAX);
	size_t done = front_spool_put(&o->spool, data, MIN(n, limit));

	o->io->front->spooled += done;
	if (done == n || !o->io->drops)
		return done;
	if (!o->said)
		log_warning("output of \"%s\" is dropped: nobody reads it and %zu bytes wait",
			    o->io->id, o->spool.len);
	o->said = true;
	o->dropped += n - done;
	return n;
}

size_t front_out_put(struct front_io_out *o, const char *data, size_t n)
{
	size_t done = 0;

	if (o->fd >= 0 && !o->away && !o->spool.len)
		done = write_some(o, data, n);
	if (o->fd < 0) { /* said once */
		o->dropped += n - done;
		return n;
	}
	if (done < n && o->away)
		done += spool_some(o, data + done, n - done);
	return done;
}

static void told(struct front_io_out *o)
{
	if (!o->said)
		return;
	log_warning("%llu bytes of output of \"%s\" were dropped while nobody read it",
		    (unsigned long long)o->dropped, o->io->id);
	o->said = false;
}

/* All is in the fifo, and no more will come: the reader's end of file. Should it go before it has
 * read everything, the next one finds the rest. */
static void finish(struct front_io_out *o)
{
	struct front_io *io = o->io;
	int unread = 0;

	told(o);
	if (o->fifo && ioctl(o->fd, FIONREAD, &unread) == 0 && unread > 0) {
		o->keep = fd_open(fd_path(o->fd).s, O_RDONLY | O_NONBLOCK, 0);
		if (o->keep >= 0)
			front_watch_add(o, o->keep);
	}
	ev_remove(TAKE_PTR(o->source));
	o->fd = fd_close(o->fd);
	front_service_eof(io->front, io->proc);
}

static void replay(struct front_io_out *o)
{
	char buf[CHUNK];

	while (o->spool.len) {
		ssize_t n = front_spool_peek(&o->spool, buf, sizeof(buf));
		size_t done = n > 0 ? write_some(o, buf, (size_t)n) : 0;

		if (n <= 0)
			lose(o, n < 0 ? (int)-n : EIO);
		if (o->fd < 0)
			break;
		unspool(o, done);
		if (done < (size_t)n)
			return;
	}
	told(o);
	if (o->fd >= 0 && !o->n_open)
		finish(o);
	else
		room(o);
}

void front_out_end(struct front_io_out *o)
{
	if (o->n_open)
		o->n_open--;
	if (!o->n_open && o->fd >= 0 && !o->away && !o->spool.len)
		finish(o);
	else
		front_service_eof(o->io->front, o->io->proc);
}

bool front_out_is_busy(const struct front_io_out *o)
{
	return o->fd >= 0 && !o->away && o->spool.len;
}

/* After the end a reader has gone: all read, or the rest waits for the next one, whose open waits for
 * a writer. */
static void look_after_end(struct front_io_out *o)
{
	int unread = 0, fd;

	front_watch_remove(o);
	if (ioctl(o->keep, FIONREAD, &unread) == 0 && unread > 0) {
		fd = fd_open(fd_path(o->keep).s, O_WRONLY | O_NONBLOCK, 0);
		o->keep = fd_close(o->keep);
		o->fd = fd < 0 ? -EBADF : fd;
		if (o->fd >= 0 && !leave(o))
			finish(o);
		return;
	}
	o->keep = fd_close(o->keep);
}

void front_out_look(struct front_io_out *o, uint32_t what)
{
	if (o->keep >= 0) {
		if (what & IN_CLOSE)
			look_after_end(o);
		return;
	}
	if (!o->away || !has_reader(o))
		return;
	front_watch_remove(o);
	o->away = false;
	log_debug("the output of \"%s\" has a reader again, %zu bytes wait", o->io->id,
		  o->spool.len);
	replay(o);
}

void front_out_free(struct front_io_out *o)
{
	if (o->spool.len)
		log_info("%zu bytes of output of \"%s\" had no reader", o->spool.len, o->io->id);
	told(o);
	close_output(o);
}
