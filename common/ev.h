/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim's and foreground commands' loop: epoll, one signalfd, timers kept in a heap and armed as
 * the epoll timeout (no timerfd, no wake-up while nothing is due). Callbacks may add and remove any
 * source, also their own.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "common/err.h"

struct ev;
struct ev_source; /* owned by the loop, freed by ev_remove */
struct ev_timer;

typedef void ev_io_fn(void *user, int fd, uint32_t events);
typedef void ev_signal_fn(void *user, const struct signalfd_siginfo *info);
typedef void ev_timer_fn(void *user);

MUST_CHECK int ev_new(struct ev **ret, struct err *err);
void ev_free(struct ev *ev); /* frees sources and timers, closes no fd of the callers */

/* The fd stays the caller's. events: EPOLLIN etc. -ENOMEM, or -errno of epoll_ctl (EPERM: a regular
 * file, which is always ready). */
MUST_CHECK int ev_add(struct ev *ev, int fd, uint32_t events, ev_io_fn *fn, void *user,
		      struct ev_source **ret);
MUST_CHECK int ev_modify(struct ev_source *source, uint32_t events);
void ev_remove(struct ev_source *source); /* NULL is fine; must come before the fd is closed */

/* Blocks the signals of the set and delivers them here. Once per loop. */
MUST_CHECK int ev_signals(struct ev *ev, const sigset_t *set, ev_signal_fn *fn, void *user);

/* One-shot timer, milliseconds from now (CLOCK_MONOTONIC). */
MUST_CHECK int ev_timer(struct ev *ev, uint64_t ms, ev_timer_fn *fn, void *user,
			struct ev_timer **ret);
/* The same in nanoseconds; rounded up to milliseconds on a kernel before 5.11. */
MUST_CHECK int ev_timer_ns(struct ev *ev, uint64_t ns, ev_timer_fn *fn, void *user,
			   struct ev_timer **ret);
void ev_timer_cancel(struct ev_timer *timer); /* NULL is fine; a fired timer is already gone */

/* Runs until ev_stop; returns its argument. */
int ev_run(struct ev *ev);
/* Handles what is ready now, waiting at most ms (-1: for ever). For tests. */
MUST_CHECK int ev_step(struct ev *ev, int ms);
void ev_stop(struct ev *ev, int result);
