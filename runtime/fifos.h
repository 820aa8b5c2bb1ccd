/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two fifos of a created container: exec.fifo, from which init reads the byte of `start`, and
 * report.fifo, to which it writes EXECING or FAIL; and the anonymous pipe that stands for the
 * second where creator and starter are one process.
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"

#define FIFO_EXEC "exec.fifo"
#define FIFO_REPORT "report.fifo"

struct fifos {
	int exec_fd;    /* init's end, O_RDWR; -EBADF for run and exec */
	int report_fd;  /* init's end for writing */
	int report_own; /* run, exec: a read end init keeps, so that write never gets SIGPIPE */
	int report_in;  /* run, exec: the parent's end */
};
#define FIFOS_INIT                                                                                 \
	{                                                                                          \
		.exec_fd = -EBADF, .report_fd = -EBADF, .report_own = -EBADF, .report_in = -EBADF  \
	}

/* Makes both below the state directory and opens them O_RDWR. */
MUST_CHECK int fifos_make(int dir_fd, struct fifos *ret, struct err *err);
MUST_CHECK int fifos_make_pipe(struct fifos *ret, struct err *err);
void fifos_close(struct fifos *f);

/* start: hands the byte over. *ret_report is report.fifo for reading (non-blocking). -ENXIO: nobody
 * waits at exec.fifo. */
MUST_CHECK int fifos_start(int dir_fd, int *ret_report, struct err *err);
/* After the start both names go. */
void fifos_unlink(int dir_fd);
