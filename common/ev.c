/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop. Sources removed while events are handed out are freed only afterwards, because the
 * kernel's answer may still name them.
 */
#include "common/ev.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <time.h>

#include "common/fd.h"
#include "common/sys.h"

#define EVENTS_AT_ONCE 32
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

struct ev_source {
	struct ev *ev;
	struct ev_source *prev, *next; /* of ev->sources, then of ev->dead */
	int fd;
	bool removed;
	ev_io_fn *fn;
	void *user;
};

struct ev_timer {
	struct ev *ev;
	uint64_t due, seq; /* ns of CLOCK_MONOTONIC; order of creation */
	size_t at;         /* in the heap */
	ev_timer_fn *fn;
	void *user;
};

struct ev {
	int epoll_fd, signal_fd;
	struct ev_source *sources, *dead;
	struct ev_timer **heap;
	size_t n_timers, cap_timers;
	uint64_t seq;
	ev_signal_fn *signal_fn;
	void *signal_user;
	bool stopped, dispatching, no_pwait2;
	int result;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

int ev_new(struct ev **ret, struct err *err)
{
	CLEANUP_FD int fd = epoll_create1(EPOLL_CLOEXEC);
	struct ev *ev;

	if (fd < 0)
		return err_sys(err, "epoll_create1");
	ev = calloc(1, sizeof(*ev));
	if (!ev)
		return err_sysn(err, ENOMEM, "event loop");
	ev->epoll_fd = fd_take(&fd);
	ev->signal_fd = -EBADF;
	*ret = ev;
	return 0;
}

static void free_list(struct ev_source *source)
{
	struct ev_source *next;

	for (; source; source = next) {
		next = source->next;
		free(source);
	}
}

void ev_free(struct ev *ev)
{
	if (!ev)
		return;
	fd_close(ev->signal_fd);
	fd_close(ev->epoll_fd);
	free_list(ev->sources);
	free_list(ev->dead);
	for (size_t i = 0; i < ev->n_timers; i++)
		free(ev->heap[i]);
	free(ev->heap);
	free(ev);
}

int ev_add(struct ev *ev, int fd, uint32_t events, ev_io_fn *fn, void *user, struct ev_source **ret)
{
	struct ev_source *source = calloc(1, sizeof(*source));
	struct epoll_event event = { .events = events, .data.ptr = source };
	int r;

	if (!source)
		return -ENOMEM;
	if (epoll_ctl(ev->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		r = -errno;
		free(source);
		return r;
	}
	source->ev = ev;
	source->fd = fd;
	source->fn = fn;
	source->user = user;
	source->next = ev->sources;
	if (source->next)
		source->next->prev = source;
	ev->sources = source;
	if (ret)
		*ret = source;
	return 0;
}

int ev_modify(struct ev_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return epoll_ctl(source->ev->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) < 0 ? -errno : 0;
}

void ev_remove(struct ev_source *source)
{
	struct ev *ev;

	if (!source)
		return;
	ev = source->ev;
	epoll_ctl(ev->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	if (source->next)
		source->next->prev = source->prev;
	if (source->prev)
		source->prev->next = source->next;
	else
		ev->sources = source->next;
	if (!ev->dispatching) {
		free(source);
		return;
	}
	source->removed = true;
	source->next = ev->dead;
	ev->dead = source;
}

static void on_signal(void *user, int fd, UNUSED uint32_t events)
{
	struct signalfd_siginfo info;
	struct ev *ev = user;
	ssize_t n;

	while (!ev->stopped) {
		n = read(fd, &info, sizeof(info));
		if (n == (ssize_t)sizeof(info))
			ev->signal_fn(ev->signal_user, &info);
		else if (n >= 0 || errno != EINTR)
			return;
	}
}

int ev_signals(struct ev *ev, const sigset_t *set, ev_signal_fn *fn, void *user)
{
	CLEANUP_FD int fd = -EBADF;
	sigset_t old;
	int r;

	if (ev->signal_fd >= 0)
		return -EBUSY;
	if (sigprocmask(SIG_BLOCK, set, &old) < 0)
		return -errno;
	fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	r = fd < 0 ? -errno : ev_add(ev, fd, EPOLLIN, on_signal, ev, NULL);
	if (r < 0) {
		sigprocmask(SIG_SETMASK, &old, NULL);
		return r;
	}
	ev->signal_fn = fn;
	ev->signal_user = user;
	ev->signal_fd = fd_take(&fd);
	return 0;
}

static bool is_before(const struct ev_timer *a, const struct ev_timer *b)
{
	return a->due != b->due ? a->due < b->due : a->seq < b->seq;
}

static void heap_put(struct ev *ev, size_t at, struct ev_timer *timer)
{
	ev->heap[at] = timer;
	timer->at = at;
}

/* Puts the timer where it belongs, beginning at `at`, a free place. */
static void heap_settle(struct ev *ev, size_t at, struct ev_timer *timer)
{
	size_t child;

	for (; at > 0 && is_before(timer, ev->heap[(at - 1) / 2]); at = (at - 1) / 2)
		heap_put(ev, at, ev->heap[(at - 1) / 2]);
	for (; (child = 2 * at + 1) < ev->n_timers; at = child) {
		if (child + 1 < ev->n_timers && is_before(ev->heap[child + 1], ev->heap[child]))
			child++;
		if (!is_before(ev->heap[child], timer))
			break;
		heap_put(ev, at, ev->heap[child]);
	}
	heap_put(ev, at, timer);
}

int ev_timer(struct ev *ev, uint64_t ms, ev_timer_fn *fn, void *user, struct ev_timer **ret)
{
	return ev_timer_ns(ev, ms > UINT64_MAX / NS_PER_MS ? UINT64_MAX : ms * NS_PER_MS, fn, user,
			   ret);
}

int ev_timer_ns(struct ev *ev, uint64_t ns, ev_timer_fn *fn, void *user, struct ev_timer **ret)
{
	struct ev_timer **heap, *timer;
	uint64_t now = now_ns();
	size_t cap;

	if (ev->n_timers == ev->cap_timers) {
		cap = MAX(ev->cap_timers * 2, (size_t)8);
		heap = reallocarray(ev->heap, cap, sizeof(struct ev_timer *));
		if (!heap)
			return -ENOMEM;
		ev->heap = heap;
		ev->cap_timers = cap;
	}
	timer = calloc(1, sizeof(*timer));
	if (!timer)
		return -ENOMEM;
	timer->ev = ev;
	timer->due = ns > UINT64_MAX - now ? UINT64_MAX : now + ns;
	timer->seq = ev->seq++;
	timer->fn = fn;
	timer->user = user;
	ev->n_timers++;
	heap_settle(ev, ev->n_timers - 1, timer);
	if (ret)
		*ret = timer;
	return 0;
}

static void heap_remove(struct ev *ev, struct ev_timer *timer)
{
	struct ev_timer *last = ev->heap[--ev->n_timers];

	ev->heap[ev->n_timers] = NULL;
	if (last != timer)
		heap_settle(ev, timer->at, last);
}

void ev_timer_cancel(struct ev_timer *timer)
{
	if (!timer)
		return;
	heap_remove(timer->ev, timer);
	free(timer);
}

/* Those due now; what the callbacks add waits for the next round, so that descriptors get theirs. */
static int run_timers(struct ev *ev)
{
	uint64_t now = now_ns(), seq = ev->seq;
	struct ev_timer timer, *first;
	int n = 0;

	while (!ev->stopped && ev->n_timers > 0) {
		first = ev->heap[0];
		if (first->due > now || first->seq >= seq)
			break;
		heap_remove(ev, first);
		timer = *first;
		free(first);
		timer.fn(timer.user);
		n++;
	}
	return n;
}

/* Nanoseconds until the first timer, at most `most`, -1: none. */
static int64_t wait_ns(const struct ev *ev, int64_t most)
{
	uint64_t now, ns;

	if (ev->n_timers == 0)
		return most;
	now = now_ns();
	if (ev->heap[0]->due <= now)
		return 0;
	ns = MIN(ev->heap[0]->due - now, (uint64_t)INT64_MAX);
	return most >= 0 ? MIN(most, (int64_t)ns) : (int64_t)ns;
}

static int wait_events(struct ev *ev, struct epoll_event *events, int64_t ns)
{
	struct timespec ts = { .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };
	int64_t ms = ns < 0 ? -1 : MIN(ns / NS_PER_MS + !!(ns % NS_PER_MS), (int64_t)INT_MAX);
	int r;

	/* Only where less than a millisecond counts; the older call is every kernel's. */
	if (ns > 0 && ns < 10 * NS_PER_MS && !ev->no_pwait2) {
		r = sys_epoll_pwait2(ev->epoll_fd, events, EVENTS_AT_ONCE, &ts);
		if (r != -ENOSYS && r != -EPERM)
			return r;
		ev->no_pwait2 = true;
	}
	r = epoll_wait(ev->epoll_fd, events, EVENTS_AT_ONCE, (int)ms);
	return r < 0 ? -errno : r;
}

static void dispatch(struct ev *ev, const struct epoll_event *events, int n)
{
	struct ev_source *source;

	ev->dispatching = true;
	for (int i = 0; i < n && !ev->stopped; i++) {
		source = events[i].data.ptr;
		if (!source->removed)
			source->fn(source->user, source->fd, events[i].events);
	}
	ev->dispatching = false;
	free_list(ev->dead);
	ev->dead = NULL;
}

int ev_step(struct ev *ev, int ms)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int n;

	n = wait_events(ev, events, wait_ns(ev, ms < 0 ? -1 : ms * NS_PER_MS));
	if (n < 0 && n != -EINTR)
		return n;
	n = MAX(n, 0);
	dispatch(ev, events, n);
	return n + run_timers(ev);
}

int ev_run(struct ev *ev)
{
	int r;

	while (!ev->stopped) {
		r = ev_step(ev, -1);
		if (r < 0)
			return r;
	}
	ev->stopped = false;
	return ev->result;
}

void ev_stop(struct ev *ev, int result)
{
	ev->stopped = true;
	ev->result = result;
}
