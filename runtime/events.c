/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of `events`, and Go's durations. See events.h.
 */
#include "runtime/events.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include "common/fd.h"
#include "common/io.h"
#include "runtime/cgroup_watch.h"

#define NS_PER_S 1000000000ULL

/* ---- durations ---- */

static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
	/* In Go's spelling; the micro sign exists twice in Unicode. Longer names come first. */
	{ "ns", 1 },       { "us", 1000 },    { "\xc2\xb5s", 1000 },  { "\xce\xbcs", 1000 },
	{ "ms", 1000000 }, { "s", NS_PER_S }, { "m", 60 * NS_PER_S }, { "h", 3600 * NS_PER_S },
};

/* "1.5h" at the head of *text, which moves on. */
static int parse_part(const char **text, uint64_t *ret)
{
	size_t whole = strspn(*text, "0123456789"), fraction = 0, unit;
	const char *p = *text + whole, *digits = p + 1;
	uint64_t value = 0, scale;

	if (*p == '.') {
		fraction = strspn(digits, "0123456789");
		p = digits + fraction;
	}
	if (!whole && !fraction)
		return -EINVAL;
	for (unit = 0; unit < ARRAY_COUNT(units); unit++)
		if (str_starts_with(p, units[unit].name))
			break;
	if (unit == ARRAY_COUNT(units))
		return -EINVAL;
	for (size_t i = 0; i < whole; i++)
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)((*text)[i] - '0'), &value))
			return -ERANGE;
	if (__builtin_mul_overflow(value, units[unit].ns, &value))
		return -ERANGE;
	scale = units[unit].ns;
	for (size_t i = 0; i < fraction && scale; i++) {
		/* Below a nanosecond nothing counts; the remainder is carried in tenths. */
		value += scale / 10 * (uint64_t)(digits[i] - '0') +
			 scale % 10 * (uint64_t)(digits[i] - '0') / 10;
		scale /= 10;
	}
	*text = p + strlen(units[unit].name);
	*ret = value;
	return 0;
}

int events_parse_duration(const char *text, int64_t *ret_ns)
{
	bool negative = *text == '-';
	uint64_t total = 0, part;

	if (*text == '-' || *text == '+')
		text++;
	if (str_eq(text, "0")) {
		*ret_ns = 0;
		return 0;
	}
	if (!*text)
		return -EINVAL;
	while (*text) {
		int r = parse_part(&text, &part);

		if (r < 0)
			return r;
		if (__builtin_add_overflow(total, part, &total) || total > INT64_MAX)
			return -ERANGE;
	}
	*ret_ns = negative ? -(int64_t)total : (int64_t)total;
	return 0;
}

/* ---- lines ---- */

static int print(struct json_writer *w, struct err *err)
{
	CLEANUP_STR struct str line = { 0 };
	const char *text;
	size_t n;
	int r;

	text = json_writer_text(w, &n);
	str_add_n(&line, text, n);
	str_add_char(&line, '\n');
	r = io_write_all(STDOUT_FILENO, line.data, line.len);
	return r < 0 ? err_sysn(err, r, "write to standard output") : 0;
}

int events_once(const struct events *events, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new(NULL);
	CLEANUP_ARENA struct arena arena = { 0 };
	struct stats stats;
	int r = stats_read(&arena, events->cgroup, &stats, err);

	if (r >= 0)
		r = stats_read_rdt(&arena, events->clos, events->mon, &stats, err);
	if (r < 0)
		return r;
	events_write_stats(w, events->id, &stats);
	return print(w, err);
}

static int print_ooms(const char *id, uint64_t n, struct err *err)
{
	int r = 0;

	for (; r >= 0 && n; n--) {
		CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new(NULL);

		events_write_oom(w, id);
		r = print(w, err);
	}
	return r;
}

/* ---- the loop ---- */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

enum { FD_WATCH, FD_INIT = FD_WATCH + CGROUP_WATCH_FDS, FD_STDOUT, FD_N };

/* Sleeps until something is ready or `due`. */
static int sleep_until(struct pollfd fds[FD_N], uint64_t due, struct err *err)
{
	uint64_t now = now_ns(), left = due > now ? due - now : 0;
	struct timespec ts = { .tv_sec = (time_t)(left / NS_PER_S),
			       .tv_nsec = (long)(left % NS_PER_S) };

	if (ppoll(fds, FD_N, &ts, NULL) >= 0)
		return 0;
	for (size_t i = 0; i < FD_N; i++)
		fds[i].revents = 0;
	return errno == EINTR ? 0 : err_sys(err, "wait for events");
}

/* 1: the end. */
static int turn(const struct events *events, struct cgroup_watch *watch, uint64_t *due,
		struct err *err)
{
	struct pollfd fds[FD_N] = {
		[FD_INIT] = { .fd = -1 },
		/* Nothing asked for: it wakes only when nobody can read any more. */
		[FD_STDOUT] = { .fd = STDOUT_FILENO },
	};
	uint64_t ooms, now;
	int r, end;

	cgroup_watch_fds(watch, &fds[FD_WATCH]);
	if (!watch->path)
		fds[FD_INIT] = (struct pollfd){ .fd = events->pidfd, .events = POLLIN };
	r = sleep_until(fds, *due, err);
	if (r < 0)
		return r;
	end = watch->path ? cgroup_watch_read(watch, &fds[FD_WATCH], &ooms) : 0;
	if (end < 0)
		return err_sysn(err, end, "read the events of cgroup \"%s\"", watch->path);
	r = watch->path ? print_ooms(events->id, ooms, err) : 0;
	if (r < 0)
		return r;
	if (end || fds[FD_INIT].revents ||
	    (fds[FD_STDOUT].revents & (POLLERR | POLLHUP | POLLNVAL)))
		return 1;
	now = now_ns();
	if (now < *due)
		return 0;
	/* As a ticker: what was missed is not made up for. */
	*due += ((now - *due) / events->interval_ns + 1) * events->interval_ns;
	r = events_once(events, err);
	return r == -ENOENT ? 1 : r;
}

int events_stream(const struct events *events, struct err *err)
{
	CLEANUP_CGROUP_WATCH struct cgroup_watch watch = CGROUP_WATCH_INIT;
	uint64_t due = now_ns() + events->interval_ns;
	int r = cgroup_watch_open(events->cgroup, &watch, err);

	if (r < 0 && r != -ENODATA)
		return r;
	do
		r = turn(events, &watch, &due, err);
	while (r == 0);
	return r < 0 ? r : 0;
}
