// SPDX-License-Identifier: Apache-2.0
// When a stream is busy, and what that changes.
#include "shim/pace.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>

#include "common/log.h"
#include "common/macros.h"

#define BUSY_CHUNK (256u << 10) /* the pipe's size too */
#define BUSY_BYTES (48u << 10)  /* of one wake-up: the pipe was full, or nearly so */
#define BUSY_TURNS 32           /* within */
#define BUSY_WITHIN 16000000ULL /* ns */
#define REST_FIRST 250000ULL    /* ns; then as long as fills a good part of the pipe, within */
#define REST_MIN 125000ULL
#define REST_MAX 4000000ULL
#define PIPE_DEFAULT (64u << 10) /* what pipe(2) makes */
#define QUIET_MS 1000

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

void pace_init(struct pace *p, struct ev *ev)
{
	*p = (struct pace){ .ev = ev, .fd = -EBADF };
	p->buf = p->small;
	p->size = sizeof(p->small);
}

static void buffer_free(struct pace *p)
{
	if (p->size == BUSY_CHUNK)
		munmap(p->buf, p->size);
	else if (p->buf != p->small)
		free(p->buf);
	p->buf = p->small;
	p->size = sizeof(p->small);
}

void pace_get(struct pace *p)
{
	size_t want = p->busy ? BUSY_CHUNK : PACE_CHUNK;
	void *buf;

	if (p->size >= want)
		return;
	buf = p->busy ? mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
		      : malloc(want);
	if (!buf || buf == MAP_FAILED)
		return;
	buffer_free(p);
	p->buf = buf;
	p->size = want;
}

void pace_put(struct pace *p)
{
	if (!p->busy)
		buffer_free(p);
}

/* The pipe's pages are the kernel's, and there is a limit of them for each user. */
static void pipe_back(struct pace *p)
{
	if (p->fd >= 0 && fcntl(p->fd, F_SETPIPE_SZ, PIPE_DEFAULT) < 0)
		log_debug("a pipe stays large");
	p->fd = -EBADF;
}

static void quiet(void *user)
{
	struct pace *p = user;

	p->quiet = NULL;
	if (p->was_busy && ev_timer(p->ev, QUIET_MS, quiet, p, &p->quiet) == 0) {
		p->was_busy = false;
		return;
	}
	p->quiet = NULL;
	p->busy = p->was_busy = false;
	pipe_back(p);
	/* A buffer with bytes that wait for room goes with pace_put. */
}

void pace_free(struct pace *p)
{
	ev_timer_cancel(TAKE_PTR(p->quiet));
	p->fd = -EBADF;
	p->busy = false;
	buffer_free(p);
}

ssize_t pace_read(struct pace *p, int fd)
{
	ssize_t n, more;

	do {
		n = read(fd, p->buf, p->size);
	} while (n < 0 && errno == EINTR);
	while (p->busy && n > 0 && (size_t)n < p->size &&
	       (more = read(fd, p->buf + n, p->size - (size_t)n)) > 0)
		n += more;
	return n;
}

static bool is_busy(struct pace *p, size_t n)
{
	uint64_t now;

	if (n >= BUSY_BYTES)
		return true;
	if (p->turns++ % BUSY_TURNS)
		return false;
	now = now_ns();
	n = now - p->since < BUSY_WITHIN;
	p->since = now;
	return n;
}

static void set_busy(struct pace *p, int fd)
{
	int size = fcntl(fd, F_SETPIPE_SZ, BUSY_CHUNK);

	if (size > 0)
		p->fd = fd;
	else
		size = fcntl(fd, F_GETPIPE_SZ);
	p->pipe = size > 0 ? (size_t)size : 4096;
	p->rest = REST_FIRST;
	p->busy = true;
}

uint64_t pace_turn(struct pace *p, int fd, size_t n)
{
	if (is_busy(p, n)) {
		p->was_busy = true;
		if (!p->quiet && ev_timer(p->ev, QUIET_MS, quiet, p, &p->quiet) < 0) {
			p->quiet = NULL;
			return 0;
		}
		if (!p->busy && fd >= 0)
			set_busy(p, fd);
	}
	if (!p->busy || fd < 0)
		return 0;
	/* A full pipe makes the writer wait; a nearly empty one was not worth the wake-up. */
	if (n > p->pipe / 4 * 3)
		p->rest = MAX(p->rest / 2, REST_MIN);
	else if (n < p->pipe / 4)
		p->rest = MIN(p->rest * 2, REST_MAX);
	return p->rest;
}
