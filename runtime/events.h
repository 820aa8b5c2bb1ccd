/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines of `events` and the loop that prints them. The JSON is runc's, member for member; the
 * loop sleeps until the next figures are due, the kernel tells of an OOM, the cgroup goes, or the
 * reader of the output has gone.
 */
#pragma once

#include "common/json.h"
#include "runtime/cgroup.h"
#include "runtime/stats.h"

/* {"type":"stats","id":ID,"data":{...}} and {"type":"oom","id":ID}; without a line feed. */
void events_write_stats(struct json_writer *w, const char *id, const struct stats *stats);
void events_write_oom(struct json_writer *w, const char *id);

/* Go's duration: "5s", "1m30s", "1.5h", "300ms", with a sign; "0". Nanoseconds. -EINVAL, -ERANGE. */
MUST_CHECK int events_parse_duration(const char *text, int64_t *ret_ns);

struct events {
	const char *id;
	const struct cgroup *cgroup;
	const char *clos, *mon; /* of resctrl; NULL: none */
	int pidfd; /* of init; ends the stream where the kernel does not tell of the cgroup's end */
	uint64_t interval_ns;
};
/* One line of figures on standard output. */
MUST_CHECK int events_once(const struct events *events, struct err *err);
/* Figures every interval and a line an OOM, until the cgroup is gone. */
MUST_CHECK int events_stream(const struct events *events, struct err *err);
