/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runner of step tables. See step.h.
 */
#include "runtime/step.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#include "common/fd.h"
#include "common/str.h"

#define PAGE_BYTES 4096

static uint64_t now_ns(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void name_copy(char *to, const char *name)
{
	size_t n = MIN(strlen(name), (size_t)STEP_NAME_MAX - 1);

	memcpy(to, name, n);
	to[n] = '\0';
}

#ifdef THOLE_TEST
static bool fault_matches(const char *variable, const char *role, const char *name)
{
	const char *want = getenv(variable);
	size_t n = strlen(role);

	return want && strncmp(want, role, n) == 0 && want[n] == ':' && str_eq(want + n + 1, name);
}

static int fault(const char *role, const char *name, struct err *err)
{
	if (fault_matches("FAULT_KILL", role, name)) {
		(void)kill(getpid(), SIGKILL);
		/* The init of a pid namespace is deaf to its own SIGKILL, but not to a trap. */
		__builtin_trap();
	}
	if (fault_matches("FAULT", role, name))
		return err_set(err, EIO, "fault injected at %s:%s", role, name);
	return 0;
}
#else
static int fault(UNUSED const char *role, UNUSED const char *name, UNUSED struct err *err)
{
	return 0;
}
#endif

static void trace(const struct step_run *run, const char *name, uint64_t ns)
{
	char buf[128];
	struct str line = STR_FIXED(buf);

	if (run->note)
		run->note(run->ctx, name, ns);
	if (run->trace_fd < 0)
		return;
	str_addf(&line, "%s %s %llu\n", run->role, name, (unsigned long long)(ns / 1000));
	/* A trace that cannot be written is no reason to fail a container. */
	if (write(run->trace_fd, line.data, line.len) < 0)
		return;
}

static void undo_before(const struct step_run *run, size_t i)
{
	while (i-- > 0) {
		const struct step *step = &run->steps[i];

		if ((step->when & run->when) && step->undo)
			step->undo(run->ctx);
	}
}

int step_run_all(const struct step_run *run, struct err *err)
{
	bool timed = run->trace_fd >= 0 || run->note;

	for (size_t i = 0; i < run->n; i++) {
		const struct step *step = &run->steps[i];
		uint64_t start = 0;
		int r;

		if (!(step->when & run->when))
			continue;
		if (timed)
			start = now_ns();
		r = fault(run->role, step->name, err);
		if (r >= 0)
			r = step->fn(run->ctx, err);
		if (r < 0) {
			struct str name = ((struct str){
				.data = err->step, .cap = sizeof(err->step), .fixed = true });

			/* A step that only passes on what failed in another process keeps that name. */
			if (!err->step[0])
				str_addf(&name, "%s:%s", run->role, step->name);
			undo_before(run, i);
			return r;
		}
		if (run->last)
			name_copy(run->last, step->name);
		if (timed)
			trace(run, step->name, now_ns() - start);
	}
	return 0;
}

void step_undo_all(const struct step_run *run)
{
	undo_before(run, run->n);
}

int step_trace_open(void)
{
	const char *path = getenv("THOLE_TRACE");

	if (!path || !*path)
		return -EBADF;
	return fd_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

char *step_page_new(void)
{
	char *page =
		mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? NULL : page;
}

void step_page_free(char *page)
{
	if (page)
		munmap(page, PAGE_BYTES);
}
