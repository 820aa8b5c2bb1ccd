/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's own messages: text, JSON (one object a line, as runc's callers parse it), journald
 * or syslog. Owns the one global of the house, the logger. Never exits. Not for container output.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR, LOG_LEVEL_N };

enum log_sink { LOG_SINK_STDERR, LOG_SINK_FILE, LOG_SINK_JOURNALD, LOG_SINK_SYSLOG, LOG_SINK_N };

struct log_config {
	enum log_sink sink;
	enum log_level level; /* messages below it are dropped */
	bool json;            /* {"level","msg","time"}; else time="..." level=... msg="..." */
	const char *path;     /* FILE: opened O_CREAT|O_APPEND|O_CLOEXEC 0644, never truncated */
	const char *ident;    /* journald and syslog identifier */
	off_t size_max; /* FILE: above it the file is started anew (kept as PATH.1); 0: no limit */
};

/* Sets the sink. Errors name the path. Before the first call messages go to stderr as text. */
MUST_CHECK int log_open(const struct log_config *config, struct err *err);

/* One message, one line, one write. Safe after fork (no malloc, no locks). errno is preserved. */
void log_msg(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_debug(...) log_msg(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_msg(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_msg(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...) log_msg(LOG_LEVEL_ERROR, __VA_ARGS__)

/* True if messages go elsewhere than stderr: a failing command then also prints its bare error. */
bool log_is_file(void);

/* The descriptor of a FILE sink, -EBADF otherwise; for close_range and for handing to a child. */
int log_fd(void);

enum log_level log_level_get(void);

/* From here on messages go to fn instead of the sink, until it is NULL again: for who asks what
 * somebody would warn of. */
void log_capture(void (*fn)(void *user, enum log_level level, const char *text), void *user);

/* For callers that read the log of a failing call as one object (podman): from log_hold on, messages
 * below error for a FILE sink are kept back until log_release, which writes them in their order or
 * drops them. Room for LOG_HELD_MAX bytes; what is beyond is dropped. With level debug nothing is
 * held, nor in a child after fork. */
#define LOG_HELD_MAX 8192
void log_hold(void);
void log_release(bool write_them);
