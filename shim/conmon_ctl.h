/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fifos `ctl` and `winsz` in the bundle: "1 ROWS COLUMNS" resizes the terminal, "2 0 0" reopens
 * the logs, on winsz "ROWS COLUMNS" resizes. The parser is pure: bytes in, commands out, in pieces of
 * any size.
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"
#include "common/ev.h"

struct conmon_ctl_parser { /* zeroed: ready */
	bool winsz;        /* lines have no type: they all resize */
	bool skip;         /* a line too long: thrown away up to its end */
	size_t len;
	char line[200];
};

struct conmon_ctl_fns {
	void (*resize)(void *user, unsigned int rows, unsigned int columns);
	void (*reopen)(void *user);
	void *user;
};

#define CONMON_CTL_MAX 1000 /* rows and columns, as conmon 2.2 */

void conmon_ctl_parse(struct conmon_ctl_parser *p, const char *data, size_t n,
		      const struct conmon_ctl_fns *fns);

struct conmon_ctl;

/* Makes both fifos (0660) below the directory, taking the place of older ones. */
MUST_CHECK int conmon_ctl_new(struct ev *ev, int dirfd, const struct conmon_ctl_fns *fns,
			      struct conmon_ctl **ret, struct err *err);
void conmon_ctl_free(struct conmon_ctl *ctl); /* NULL is fine; the fifos stay */
