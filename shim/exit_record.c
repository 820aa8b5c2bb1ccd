// SPDX-License-Identifier: Apache-2.0
// The exit record: struct to JSON and back. Formatting allocates nothing.
#include "shim/exit_record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/fd.h"
#include "common/io.h"

void exit_record_set_status(struct exit_record *record, int code, int status)
{
	record->has_status = code == CLD_EXITED || code == CLD_KILLED || code == CLD_DUMPED;
	record->signal = 0;
	record->core_dumped = code == CLD_DUMPED;
	record->seccomp_killed = false;
	if (code == CLD_EXITED) {
		record->exit_code = status;
	} else if (record->has_status) {
		record->exit_code = 128 + status;
		record->signal = status;
		record->seccomp_killed = status == SIGSYS;
	}
}

const char *exit_record_time(const struct timespec *when, char *buf, size_t size)
{
	char text[STR_SECOND_SIZE];

	str_format_second(when->tv_sec, text);
	snprintf(buf, size, "%s.%09uZ", text, (unsigned int)when->tv_nsec % 1000000000);
	return buf;
}

static void add_text(struct str *out, const char *key, const char *text)
{
	str_addf(out, "\"%s\":\"", key);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			str_addf(out, "\\%c", *p);
		else if (*p < 0x20 || *p >= 0x7f)
			str_addf(out, "\\u%04x", *p < 0x80 ? *p : 0xfffd);
		else
			str_add_char(out, (char)*p);
	}
	str_add(out, "\"");
}

static void add_bool(struct str *out, const char *key, bool known, bool value)
{
	str_addf(out, ",\"%s\":%s", key, !known ? "null" : value ? "true" : "false");
}

static void add_number(struct str *out, const char *key, bool known, uint64_t value)
{
	if (known)
		str_addf(out, ",\"%s\":%llu", key, (unsigned long long)value);
	else
		str_addf(out, ",\"%s\":null", key);
}

static void add_time(struct str *out, const char *key, bool known, const struct timespec *when)
{
	char buf[40];

	if (known)
		str_addf(out, ",\"%s\":\"%s\"", key, exit_record_time(when, buf, sizeof(buf)));
	else
		str_addf(out, ",\"%s\":null", key);
}

void exit_record_format(const struct exit_record *r, struct str *out)
{
	str_add(out, "{");
	add_text(out, "id", r->id);
	add_number(out, "pid", r->pid > 0, (uint64_t)r->pid);
	add_number(out, "exit_code", r->has_status, (uint64_t)r->exit_code);
	add_number(out, "signal", r->has_status, (uint64_t)r->signal);
	add_bool(out, "core_dumped", r->has_status, r->core_dumped);
	add_bool(out, "seccomp_killed", r->has_status, r->seccomp_killed);
	add_bool(out, "oom_killed", r->oom_killed >= 0, r->oom_killed > 0);
	add_time(out, "started_at", r->has_started, &r->started_at);
	add_time(out, "finished_at", r->has_finished, &r->finished_at);
	add_number(out, "cpu_time_ns", r->has_cpu_time, r->cpu_time_ns);
	add_number(out, "peak_memory_bytes", r->has_peak_memory, r->peak_memory_bytes);
	add_number(out, "bytes_logged", true, r->bytes_logged);
	add_number(out, "bytes_dropped", true, r->bytes_dropped);
	str_add(out, ",");
	if (r->drop_reason[0])
		add_text(out, "drop_reason", r->drop_reason);
	else
		str_add(out, "\"drop_reason\":null");
	if (r->has_stopped_by)
		str_addf(out, ",\"stopped_by\":{\"pid\":%d,\"uid\":%u,\"signal\":%d}", r->stop_pid,
			 r->stop_uid, r->stop_signal);
	else
		str_add(out, ",\"stopped_by\":null");
	str_add(out, "}\n");
}

static int spare_name(const char *path, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%s.spare", path);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int exit_record_reserve(int dirfd, const char *path)
{
	CLEANUP_FD int fd = -EBADF;
	char spare[PATH_MAX];
	int r;

	r = spare_name(path, spare, sizeof(spare));
	if (r == 0)
		r = fd = fd_openat(dirfd, spare, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
	if (r < 0)
		return r;
	return -posix_fallocate(fd, 0, EXIT_RECORD_MAX);
}

static int write_spare(int dirfd, const char *path, const struct str *text)
{
	CLEANUP_FD int fd = -EBADF;
	char spare[PATH_MAX];
	int r;

	r = spare_name(path, spare, sizeof(spare));
	if (r == 0)
		r = fd = fd_openat(dirfd, spare, O_WRONLY | O_NOFOLLOW, 0);
	if (r >= 0)
		r = io_write_all(fd, text->data, text->len);
	if (r < 0)
		return r;
	if (ftruncate(fd, (off_t)text->len) < 0 || fchmod(fd, 0644) < 0 ||
	    renameat(dirfd, spare, dirfd, path) < 0)
		return -errno;
	return 0;
}

int exit_record_write(const struct exit_record *record, int dirfd, const char *path)
{
	char buf[EXIT_RECORD_MAX];
	struct str out = STR_FIXED(buf);
	int r;

	exit_record_format(record, &out);
	if (out.overflow)
		return -EOVERFLOW;
	r = io_replace_file(dirfd, path, out.data, out.len, 0644);
	if (r == -ENOSPC || r == -EDQUOT)
		r = write_spare(dirfd, path, &out) == 0 ? 0 : r;
	return r;
}

static bool get_number(const struct json *object, const char *key, uint64_t *ret)
{
	const struct json *v = json_get(object, key);

	return v && json_to_u64(v, ret) == 0;
}

static int get_int(const struct json *object, const char *key)
{
	uint64_t v;

	return get_number(object, key, &v) && v <= 0x7fffffff ? (int)v : 0;
}

static bool get_bool(const struct json *object, const char *key, bool *ret)
{
	const struct json *v = json_get(object, key);

	if (!v || v->type != JSON_BOOL)
		return false;
	*ret = v->boolean;
	return true;
}

static bool get_time(const struct json *object, const char *key, struct timespec *ret)
{
	const char *text = json_str(object, key);
	unsigned int nsec = 0;
	struct tm tm = { 0 };
	char z = 0;

	if (!text || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%9u%c", &tm.tm_year, &tm.tm_mon,
			    &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &nsec, &z) != 8)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	ret->tv_sec = timegm(&tm);
	ret->tv_nsec = (long)nsec;
	return z == 'Z';
}

static void copy_text(char *to, size_t size, const char *from)
{
	struct str out = { .data = to, .cap = size, .fixed = true };

	if (from)
		str_add(&out, from);
}

int exit_record_parse(const struct json *object, struct exit_record *ret)
{
	struct exit_record r = { .oom_killed = -1 };
	const struct json *stop = json_get(object, "stopped_by");
	const char *id = json_str(object, "id");
	uint64_t uid;
	bool oom;

	if (!object || object->type != JSON_OBJECT || !id)
		return -EINVAL;
	copy_text(r.id, sizeof(r.id), id);
	r.pid = get_int(object, "pid");
	r.has_status = json_get(object, "exit_code") != NULL;
	r.exit_code = get_int(object, "exit_code");
	r.signal = get_int(object, "signal");
	(void)get_bool(object, "core_dumped", &r.core_dumped);
	(void)get_bool(object, "seccomp_killed", &r.seccomp_killed);
	if (get_bool(object, "oom_killed", &oom))
		r.oom_killed = oom;
	r.has_started = get_time(object, "started_at", &r.started_at);
	r.has_finished = get_time(object, "finished_at", &r.finished_at);
	r.has_cpu_time = get_number(object, "cpu_time_ns", &r.cpu_time_ns);
	r.has_peak_memory = get_number(object, "peak_memory_bytes", &r.peak_memory_bytes);
	(void)get_number(object, "bytes_logged", &r.bytes_logged);
	(void)get_number(object, "bytes_dropped", &r.bytes_dropped);
	copy_text(r.drop_reason, sizeof(r.drop_reason), json_str(object, "drop_reason"));
	r.has_stopped_by = stop != NULL;
	r.stop_pid = get_int(stop, "pid");
	if (get_number(stop, "uid", &uid))
		r.stop_uid = (uid_t)uid;
	r.stop_signal = get_int(stop, "signal");
	*ret = r;
	return 0;
}
