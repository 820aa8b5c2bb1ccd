// SPDX-License-Identifier: Apache-2.0
// Log drivers: parsing, rules of rotation, fan-out.
#include "shim/conmon_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "shim/log_journald.h"

#define PARTIAL_MS 200
#define RECORD_OVERHEAD 46 /* of a line in the file, with its newline */

struct sink {
	struct conmon_log *log;
	struct log_writer *file; /* or: */
	struct log_journald *journal;
	const char *path;           /* of the file */
	size_t ahead[LOG_STREAM_N]; /* bytes taken of those that the others refused */
};

struct conmon_log {
	struct sink sink[CONMON_LOGS_MAX];
	size_t n, n_flushing;
	int64_t total, total_max; /* --log-global-size-max; < 0: none */
	/* Of the bytes that will come again: how many the total limit lets through. */
	size_t allowed[LOG_STREAM_N];
	bool again[LOG_STREAM_N];
	bool full, no_sync;
	void (*on_room)(void *user);
	void *user;
	void (*flushed)(void *user);
	void *flushed_user;
};

static int parse_one(struct conmon_log_spec *spec, struct arena *arena, const char *text,
		     struct err *err)
{
	size_t n = strcspn(text, ":");
	const char *path = text[n] ? text + n + 1 : NULL;
	const char *driver = path ? arena_strndup(arena, text, n) : NULL;

	if (!text[0])
		return err_set(err, EINVAL, "log-path must not be empty");
	if (!driver &&
	    (str_eq(text, "journald") || str_eq(text, "passthrough") || str_eq(text, "none") ||
	     str_eq(text, "off") || str_eq(text, "null") || str_eq(text, "k8s-file")))
		driver = text;
	if (!driver)
		path = text;
	if (driver && (str_eq(driver, "none") || str_eq(driver, "off") || str_eq(driver, "null")))
		return 0;
	if (driver && str_eq(driver, "passthrough")) {
		spec->passthrough = true;
		return 0;
	}
	if (spec->n == CONMON_LOGS_MAX)
		return err_set(err, E2BIG, "more than %d log drivers", CONMON_LOGS_MAX);
	if (driver && str_eq(driver, "journald")) {
		spec->log[spec->n++].driver = CONMON_DRIVER_JOURNALD;
		return 0;
	}
	if (driver && driver[0] && !str_eq(driver, "k8s-file"))
		return err_set(err, EINVAL, "No such log driver %s", driver);
	/* Behind a driver's name the path ends at the next colon, as conmon splits. */
	if (path && driver)
		path = arena_strndup(arena, path, strcspn(path, ":"));
	if (!path || !path[0])
		return err_set(err, EINVAL, "k8s-file requires a filename");
	spec->log[spec->n].driver = CONMON_DRIVER_FILE;
	spec->log[spec->n++].path = path;
	return 0;
}

static bool has_journald(const struct conmon_log_spec *spec)
{
	for (size_t i = 0; i < spec->n; i++)
		if (spec->log[i].driver == CONMON_DRIVER_JOURNALD)
			return true;
	return false;
}

int conmon_log_parse(const struct conmon_options *o, struct arena *arena,
		     struct conmon_log_spec *ret, struct err *err)
{
	int r = 0;

	*ret = (struct conmon_log_spec){ 0 };
	for (size_t i = 0; i < o->log_paths.n && r == 0; i++)
		r = parse_one(ret, arena, o->log_paths.items[i], err);
	if (r < 0)
		return r;
	if (ret->passthrough && ret->n)
		return err_set(err, EINVAL, "passthrough cannot be used with another log driver");
	if (ret->passthrough && o->terminal)
		return err_set(err, EINVAL, "passthrough cannot be used with a terminal");
	if (ret->n && !has_journald(ret)) {
		if (o->log_tag)
			return err_set(err, EINVAL, "k8s-file doesn't support --log-tag");
		if (o->log_labels.n)
			return err_set(err, EINVAL, "k8s-file doesn't support --log-label");
	}
	for (size_t i = 0; i < o->log_labels.n && r == 0; i++)
		r = log_journald_check_label(o->log_labels.items[i], err);
	return r;
}

int conmon_log_check(const struct conmon_log_spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->n; i++) {
		int fd;

		if (spec->log[i].driver != CONMON_DRIVER_FILE)
			continue;
		fd = fd_open(spec->log[i].path,
			     O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK, 0640);
		if (fd < 0)
			return err_sysn(err, fd, "Failed to open log file %s", spec->log[i].path);
		fd_close(fd);
	}
	return 0;
}

/* Is the directory the list's, or below one of it? An empty list allows all. */
static bool is_allowed(const struct conmon_list *dirs, const char *dir)
{
	char real[PATH_MAX], want[PATH_MAX];

	if (!dirs->n)
		return true;
	if (!realpath(dir, real))
		return false;
	for (size_t i = 0; i < dirs->n; i++) {
		size_t n;

		if (!realpath(dirs->items[i], want))
			continue;
		n = strlen(want);
		if (strncmp(real, want, n) == 0 && (!real[n] || real[n] == '/' || n == 1))
			return true;
	}
	return false;
}

static bool has_dot_dot(const char *path)
{
	for (const char *p = path; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (str_starts_with(p, "..") && (!p[2] || p[2] == '/'))
			return true;
	}
	return false;
}

const char *conmon_log_rotation_refused(const struct conmon_options *o, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;
	char dir[PATH_MAX];
	struct str s = STR_FIXED(dir);
	struct stat st;

	str_add_n(&s, slash ? path : ".", slash && n ? n : 1);
	if (s.overflow)
		return "its path is too long";
	if (has_dot_dot(path))
		return "its path has \"..\"";
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		return "it is a symbolic link";
	if (stat(dir, &st) < 0)
		return "its directory cannot be read";
	if (st.st_mode & S_IWOTH)
		return "everybody can write to its directory";
	if (st.st_uid != geteuid())
		return "its directory belongs to somebody else";
	return is_allowed(&o->log_allow_dirs, dir) ? NULL : "its directory is not allowed";
}

static void file_room(void *user)
{
	struct conmon_log *log = user;

	if (!log->full)
		return;
	log->full = false;
	log->on_room(log->user);
}

static int open_file(struct ev *ev, const struct conmon_options *o, const char *path,
		     struct sink *sink, struct err *err)
{
	struct log_writer_config c = {
		.path = path,
		.format = LOG_FORMAT_CRI,
		.size_max = o->log_size_max > 0 ? (uint64_t)o->log_size_max : 0,
		.keep_newest = !o->log_rotate,
		.local_time = true,
		.partial_ms = PARTIAL_MS,
		.no_sync = true, /* nobody's exit waits for a disk; see conmon_log_free */
	};
	const char *why = o->log_rotate ? conmon_log_rotation_refused(o, path) : NULL;

	if (why && c.size_max) {
		log_warning("log file \"%s\" is not rotated: %s", path, why);
		c.size_max = 0;
	}
	if (o->log_rotate)
		c.files_max = (unsigned int)o->log_max_files + 1;
	sink->path = path;
	return log_writer_new(ev, &c, file_room, sink->log, &sink->file, err);
}

static int open_journal(struct ev *ev, const struct conmon_options *o, struct sink *sink,
			struct err *err)
{
	struct log_journald_config c = {
		.socket = NULL,
		.id = o->cuuid ? o->cuuid : o->cid,
		.name = o->name,
		.tag = o->log_tag,
		.labels = o->log_labels.items,
		.n_labels = o->log_labels.n,
		.no_partial = o->no_partial_message,
		.on_room = file_room,
		.user = sink->log,
	};

	return log_journald_new(ev, &c, &sink->journal, err);
}

int conmon_log_new(struct ev *ev, const struct conmon_options *o,
		   const struct conmon_log_spec *spec, void (*on_room)(void *user), void *user,
		   struct conmon_log **ret, struct err *err)
{
	struct conmon_log *log = calloc(1, sizeof(*log));
	int r = 0;

	if (!log)
		return err_set(err, ENOMEM, "out of memory");
	log->on_room = on_room;
	log->user = user;
	log->total_max = o->log_global_size_max;
	log->no_sync = o->no_sync_log;
	for (size_t i = 0; i < spec->n && r == 0; i++) {
		struct sink *sink = &log->sink[log->n];

		sink->log = log;
		r = spec->log[i].driver == CONMON_DRIVER_FILE
			    ? open_file(ev, o, spec->log[i].path, sink, err)
			    : open_journal(ev, o, sink, err);
		if (r == 0)
			log->n++;
	}
	if (r < 0) {
		conmon_log_free(log, 0);
		return r;
	}
	*ret = log;
	return 0;
}

static void sync_file(const char *path)
{
	int fd = fd_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

	if (fd >= 0 && fdatasync(fd) < 0 && errno != EINVAL && errno != EROFS)
		log_warning("sync \"%s\": %s", path, err_strerror(errno));
	fd_close(fd);
}

void conmon_log_free(struct conmon_log *log, unsigned int timeout_ms)
{
	if (!log)
		return;
	for (size_t i = 0; i < log->n; i++) {
		log_writer_free(log->sink[i].file, timeout_ms);
		log_journald_free(log->sink[i].journal);
		if (log->sink[i].file && !log->no_sync)
			sync_file(log->sink[i].path);
	}
	free(log);
}

static size_t sink_put(struct sink *sink, enum log_stream stream, const char *data, size_t n,
		       const struct timespec *now)
{
	return sink->file ? log_writer_put(sink->file, stream, data, n, now)
			  : log_journald_put(sink->journal, stream, data, n);
}

/* How many of the bytes the total limit lets through, counting whole lines as they are stored. */
static size_t below_total(struct conmon_log *log, const char *data, size_t n)
{
	size_t off = 0;

	while (off < n && log->total < log->total_max) {
		const char *lf = memchr(data + off, '\n', n - off);
		size_t len = lf ? (size_t)(lf - data) - off + 1 : n - off;

		log->total += (int64_t)len + RECORD_OVERHEAD - (lf ? 1 : 0);
		off += len;
	}
	return off;
}

size_t conmon_log_put(struct conmon_log *log, enum log_stream stream, const char *data, size_t n)
{
	struct timespec now;
	size_t least = n, allowed = n;

	clock_gettime(CLOCK_REALTIME, &now);
	if (log->again[stream])
		allowed = log->allowed[stream];
	else if (log->total_max >= 0)
		allowed = below_total(log, data, n);
	for (size_t i = 0; i < log->n; i++) {
		struct sink *sink = &log->sink[i];
		size_t *ahead = &sink->ahead[stream];

		if (*ahead < allowed)
			*ahead += sink_put(sink, stream, data + *ahead, allowed - *ahead, &now);
		least = MIN(least, *ahead >= allowed ? n : *ahead);
	}
	for (size_t i = 0; i < log->n; i++)
		log->sink[i].ahead[stream] -= MIN(log->sink[i].ahead[stream], least);
	log->again[stream] = least < n;
	log->allowed[stream] = allowed - MIN(allowed, least);
	log->full |= least < n;
	return least;
}

void conmon_log_eof(struct conmon_log *log, enum log_stream stream)
{
	for (size_t i = 0; i < log->n; i++) {
		if (log->sink[i].file)
			log_writer_eof(log->sink[i].file, stream);
		else
			log_journald_eof(log->sink[i].journal, stream);
	}
}

static void reopened(void *user UNUSED, int result)
{
	if (result < 0)
		log_error("reopen the log: %s", err_strerror(-result));
}

void conmon_log_reopen(struct conmon_log *log)
{
	for (size_t i = 0; i < log->n; i++)
		if (log->sink[i].file)
			log_writer_reopen(log->sink[i].file, reopened, log);
}

static void one_flushed(void *user, int result)
{
	struct conmon_log *log = user;

	if (result < 0)
		log_warning("flush the log: %s", err_strerror(-result));
	if (--log->n_flushing == 0)
		log->flushed(log->flushed_user);
}

void conmon_log_flush(struct conmon_log *log, void (*done)(void *user), void *user)
{
	log->flushed = done;
	log->flushed_user = user;
	log->n_flushing = 1; /* our own, so that the last one comes after the loop */
	for (size_t i = 0; i < log->n; i++) {
		if (!log->sink[i].file)
			continue;
		log->n_flushing++;
		log_writer_flush(log->sink[i].file, one_flushed, log);
	}
	one_flushed(log, 0);
}
