/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ordered sequences as tables of named steps. Runs the rows, times them, records the name of the
 * last completed one where another process can see it, undoes completed rows in reverse order when
 * one fails, and notes the failed row in err.step as "role:name". Allocates nothing.
 *
 * Builds with -DTHOLE_TEST obey FAULT=role:name (the row fails instead of running) and
 * FAULT_KILL=role:name (the process kills itself there).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

#define STEP_NAME_MAX 40

typedef int step_fn(void *ctx, struct err *err);
typedef void step_undo_fn(void *ctx);

struct step {
	const char *name;
	step_fn *fn;
	step_undo_fn *undo; /* NULL: nothing to undo */
	unsigned int when;  /* runs if a bit is set in step_run.when too */
};

struct step_run {
	const char *role; /* "parent", "init", ... */
	const struct step *steps;
	size_t n;
	unsigned int when;
	void *ctx;
	char *last;   /* STEP_NAME_MAX bytes, usually in a shared page; may be NULL */
	int trace_fd; /* gets "role name microseconds\n" a step; < 0: none */
	/* Told after each step when not NULL (for --debug). */
	void (*note)(void *ctx, const char *name, uint64_t ns);
};

/* 0, or the failed row's -errno with err filled and its step named. */
MUST_CHECK int step_run_all(const struct step_run *run, struct err *err);

/* Undoes every row that matches, in reverse order, as if the row after the last had failed. */
void step_undo_all(const struct step_run *run);

/* THOLE_TRACE: a file that start traces are appended to. The descriptor or -EBADF. */
int step_trace_open(void);

/* A page shared with the children cloned later; NULL without memory. */
char *step_page_new(void);
void step_page_free(char *page);
