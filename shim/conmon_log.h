/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conmon's log drivers: `--log-path DRIVER:PATH` into sinks (files in CRI format, the journal), and
 * one stream of output into all of them, each at its own pace but none losing a byte.
 */
#pragma once

#include <stdbool.h>

#include "common/err.h"
#include "common/ev.h"
#include "shim/conmon_options.h"
#include "shim/log.h"

enum conmon_driver {
	CONMON_DRIVER_FILE,
	CONMON_DRIVER_JOURNALD,
	CONMON_DRIVER_PASSTHROUGH,
	CONMON_DRIVER_NONE
};

#define CONMON_LOGS_MAX 8

struct conmon_log_spec {
	struct {
		enum conmon_driver driver;
		const char *path; /* FILE */
	} log[CONMON_LOGS_MAX];
	size_t n; /* without those that log nothing */
	bool passthrough;
};

/* Reads every --log-path and checks the options that go with them. Pure. */
MUST_CHECK int conmon_log_parse(const struct conmon_options *o, struct arena *arena,
				struct conmon_log_spec *ret, struct err *err);

/* Makes the log files, so that what is wrong with them is told before anything runs. */
MUST_CHECK int conmon_log_check(const struct conmon_log_spec *spec, struct err *err);

/* NULL: the file may be rotated; else why not. */
const char *conmon_log_rotation_refused(const struct conmon_options *o, const char *path);

struct conmon_log;

MUST_CHECK int conmon_log_new(struct ev *ev, const struct conmon_options *o,
			      const struct conmon_log_spec *spec, void (*on_room)(void *user),
			      void *user, struct conmon_log **ret, struct err *err);
/* Writes out what is left, waiting at most timeout_ms for the worker; unless --no-sync-log the files
 * are then synced to the disk, however long that takes: nothing waits for this process any more. */
void conmon_log_free(struct conmon_log *log, unsigned int timeout_ms);

/* As log_writer_put. The refused bytes have to come again, first. */
size_t conmon_log_put(struct conmon_log *log, enum log_stream stream, const char *data, size_t n);
void conmon_log_eof(struct conmon_log *log, enum log_stream stream);
void conmon_log_reopen(struct conmon_log *log);
/* done(user) is called once all bytes so far are in the files (not yet on the disk). */
void conmon_log_flush(struct conmon_log *log, void (*done)(void *user), void *user);
