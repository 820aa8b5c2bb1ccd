/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "common/ev.h"
#include "common/fd.h"

struct fixture {
	struct ev *ev;
	int a[2], b[2]; /* pipes */
	struct ev_source *source_a, *source_b;
	struct ev_timer *timer;
	int calls, signals;
	char order[64];
	size_t n_order;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(ev_new(&f->ev, NULL), 0);
	assert_int_equal(pipe2(f->a, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(f->b, O_CLOEXEC | O_NONBLOCK), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ev_free(f->ev);
	for (int i = 0; i < 2; i++) {
		fd_close(f->a[i]);
		fd_close(f->b[i]);
	}
	free(f);
	return 0;
}

static void on_read(void *user, int fd, uint32_t events)
{
	struct fixture *f = user;
	char c;

	assert_true(events & (EPOLLIN | EPOLLHUP));
	if (read(fd, &c, 1) != 1) {
		ev_stop(f->ev, 42);
		return;
	}
	f->calls++;
}

static void test_io(void **state)
{
	struct fixture *f = *state;
	int file;

	assert_int_equal(ev_step(f->ev, 0), 0);
	assert_int_equal(ev_add(f->ev, f->a[0], EPOLLIN, on_read, f, &f->source_a), 0);
	assert_int_equal(ev_add(f->ev, f->a[0], EPOLLIN, on_read, f, NULL), -EEXIST);
	assert_int_equal(write(f->a[1], "xy", 2), 2);
	assert_int_equal(ev_step(f->ev, -1), 1);
	assert_int_equal(f->calls, 1);
	assert_int_equal(ev_modify(f->source_a, 0), 0);
	assert_int_equal(ev_step(f->ev, 0), 0);
	assert_int_equal(ev_modify(f->source_a, EPOLLIN), 0);
	f->a[1] = fd_close(f->a[1]);
	assert_int_equal(ev_run(f->ev), 42);
	assert_int_equal(f->calls, 2);
	ev_remove(f->source_a);
	ev_remove(NULL);
	assert_int_equal(ev_step(f->ev, 0), 0);
	file = fd_open("/etc/passwd", O_RDONLY, 0);
	assert_int_equal(ev_add(f->ev, file, EPOLLIN, on_read, f, NULL), -EPERM);
	fd_close(file);
	/* a stop before the run counts */
	ev_stop(f->ev, 3);
	assert_int_equal(ev_run(f->ev), 3);
}

/* Removes itself and the other, whichever comes first. */
static void on_remove_all(void *user, int fd, uint32_t events)
{
	struct fixture *f = user;

	(void)fd;
	(void)events;
	f->calls++;
	ev_remove(f->source_a);
	ev_remove(f->source_b);
	/* new ones during the round, on the same descriptors */
	assert_int_equal(ev_add(f->ev, f->a[0], EPOLLIN, on_read, f, &f->source_a), 0);
}

static void test_remove_inside(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ev_add(f->ev, f->a[0], EPOLLIN, on_remove_all, f, &f->source_a), 0);
	assert_int_equal(ev_add(f->ev, f->b[0], EPOLLIN, on_remove_all, f, &f->source_b), 0);
	assert_int_equal(write(f->a[1], "x", 1), 1);
	assert_int_equal(write(f->b[1], "x", 1), 1);
	assert_true(ev_step(f->ev, 0) >= 1);
	assert_int_equal(f->calls, 1);
	assert_int_equal(ev_step(f->ev, 0), 1);
	assert_int_equal(f->calls, 2);
	assert_int_equal(ev_step(f->ev, 0), 0);
}

struct tick {
	struct fixture *f;
	char name;
};

static void on_tick(void *user)
{
	struct tick *tick = user;

	tick->f->order[tick->f->n_order++] = tick->name;
}

static void test_timers(void **state)
{
	struct fixture *f = *state;
	struct tick ticks[10];
	struct ev_timer *timers[10];
	static const uint64_t ms[10] = { 9, 3, 1, 30000, 3, 0, 7, 5, 3, 12 };

	for (int i = 0; i < 10; i++) {
		ticks[i] = (struct tick){ f, (char)('0' + i) };
		assert_int_equal(ev_timer(f->ev, ms[i], on_tick, &ticks[i], &timers[i]), 0);
	}
	ev_timer_cancel(timers[7]);
	ev_timer_cancel(timers[0]);
	ev_timer_cancel(NULL);
	while (f->n_order < 7)
		assert_true(ev_step(f->ev, -1) >= 0);
	assert_string_equal(f->order, "5214869");
	ev_timer_cancel(timers[3]);
	assert_int_equal(ev_step(f->ev, 0), 0);
	/* far away, beyond any clock; freed with the loop */
	assert_int_equal(ev_timer(f->ev, UINT64_MAX, on_tick, &ticks[0], NULL), 0);
	assert_int_equal(ev_step(f->ev, 1), 0);
}

/* Parts of a millisecond, also where the kernel knows no call that waits for them. */
static void test_timers_ns(void **state)
{
	struct fixture *f = *state;
	struct tick a = { f, 'a' }, b = { f, 'b' };

	for (int old = 0; old < 2; old++) {
#ifdef THOLE_TEST
		if (old)
			setenv("THOLE_TEST_ENOSYS", "epoll_pwait2", 1);
#endif
		f->n_order = 0;
		assert_int_equal(ev_timer_ns(f->ev, 400000, on_tick, &b, NULL), 0);
		assert_int_equal(ev_timer_ns(f->ev, 100000, on_tick, &a, NULL), 0);
		while (f->n_order < 2)
			assert_true(ev_step(f->ev, -1) >= 0);
		assert_memory_equal(f->order, "ab", 2);
		assert_int_equal(ev_timer_ns(f->ev, UINT64_MAX, on_tick, &a, NULL), 0);
	}
	unsetenv("THOLE_TEST_ENOSYS");
}

/* Random timers, some cancelled, against the sorted order. */
static void test_timer_heap(void **state)
{
	struct fixture *f = *state;
	struct ev_timer *timers[200];
	struct tick tick = { f, 'x' };
	uint32_t seed = 1;
	int left = 0;

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 200; i++) {
			seed = seed * 1664525u + 1013904223u;
			assert_int_equal(ev_timer(f->ev, 100000 + (seed >> 16) % 1000, on_tick,
						  &tick, &timers[i]),
					 0);
		}
		for (int i = 0; i < 200; i++) {
			int at = i * 7 % 200;

			ev_timer_cancel(timers[at]);
		}
		left += ev_step(f->ev, 0);
	}
	assert_int_equal(left, 0);
}

static void on_again(void *user)
{
	struct fixture *f = user;

	f->calls++;
	assert_int_equal(ev_timer(f->ev, 0, on_again, f, NULL), 0);
}

/* A timer that is always due does not starve descriptors; a wait is no busy loop. */
static void test_timer_fairness(void **state)
{
	struct fixture *f = *state;
	struct timespec a, b;

	assert_int_equal(ev_timer(f->ev, 0, on_again, f, NULL), 0);
	assert_int_equal(ev_step(f->ev, -1), 1);
	assert_int_equal(f->calls, 1);
	assert_int_equal(ev_add(f->ev, f->a[0], EPOLLIN, on_read, f, NULL), 0);
	assert_int_equal(write(f->a[1], "x", 1), 1);
	assert_int_equal(ev_step(f->ev, -1), 2);
	assert_int_equal(f->calls, 3);
	clock_gettime(CLOCK_MONOTONIC, &a);
	ev_free(f->ev);
	assert_int_equal(ev_new(&f->ev, NULL), 0);
	assert_int_equal(ev_step(f->ev, 30), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 >= 29);
}

static void on_signal(void *user, const struct signalfd_siginfo *info)
{
	struct fixture *f = user;

	assert_int_equal(info->ssi_pid, getpid());
	f->signals++;
	f->order[f->n_order++] = info->ssi_signo == SIGUSR1 ? '1' : '2';
}

static void test_signals(void **state)
{
	struct fixture *f = *state;
	sigset_t set, old;

	sigprocmask(SIG_SETMASK, NULL, &old);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	assert_int_equal(ev_signals(f->ev, &set, on_signal, f), 0);
	assert_int_equal(ev_signals(f->ev, &set, on_signal, f), -EBUSY);
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR1);
	assert_int_equal(ev_step(f->ev, 1000), 1);
	assert_string_equal(f->order, "12");
	assert_int_equal(ev_step(f->ev, 0), 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_io),        test(test_remove_inside), test(test_timers),
		test(test_timers_ns), test(test_timer_heap),    test(test_timer_fairness),
		test(test_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
