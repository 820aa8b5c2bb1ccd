/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exit record: what is known of a container's end, as a struct and as one line of JSON. Pure
 * but for exit_record_write; writing needs no memory (the buffer is the caller's), so that it works
 * when the machine has none left. A has_* flag that is false, or -1, is null in the JSON: unknown.
 *
 * Keys: id pid exit_code signal core_dumped seccomp_killed oom_killed started_at finished_at
 * cpu_time_ns peak_memory_bytes bytes_logged bytes_dropped drop_reason stopped_by{pid uid signal}.
 * A signalled process has exit_code 128 + signal; signal is 0 for one that exited by itself.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "common/err.h"
#include "common/json.h"
#include "common/str.h"

#define EXIT_RECORD_MAX 2048

struct exit_record {
	char id[256];
	pid_t pid;
	bool has_status; /* false: exit_code, signal, core_dumped, seccomp_killed are null */
	int exit_code, signal;
	bool core_dumped, seccomp_killed;
	int oom_killed; /* 1, 0, or -1: unknown */
	bool has_started, has_finished;
	struct timespec started_at, finished_at; /* CLOCK_REALTIME */
	bool has_cpu_time, has_peak_memory;
	uint64_t cpu_time_ns;       /* of the cgroup; else of init and what it waited for */
	uint64_t peak_memory_bytes; /* of the cgroup; else the largest resident set of those */
	uint64_t bytes_logged, bytes_dropped;
	char drop_reason[96]; /* "": null */
	bool has_stopped_by;
	pid_t stop_pid;
	uid_t stop_uid;
	int stop_signal;
};

/* Fills the status fields from waitid's siginfo (si_code, si_status). */
void exit_record_set_status(struct exit_record *record, int code, int status);

/* One JSON object and a newline into `out` (may be fixed; EXIT_RECORD_MAX is always enough). */
void exit_record_format(const struct exit_record *record, struct str *out);

/* Reads what exit_record_format wrote. 0 or -EINVAL. */
MUST_CHECK int exit_record_parse(const struct json *object, struct exit_record *ret);

/* Formats and writes atomically (rename), 0644, no fsync. 0 or -errno. */
MUST_CHECK int exit_record_write(const struct exit_record *record, int dirfd, const char *path);

/* Sets the space for a record aside beside `path`, for exit_record_write to take when the disk is
 * full. 0 or -errno. */
MUST_CHECK int exit_record_reserve(int dirfd, const char *path);

/* RFC 3339 with nanoseconds, UTC, "Z". buf: at least 36 bytes. Returns buf. */
const char *exit_record_time(const struct timespec *when, char *buf, size_t size);
