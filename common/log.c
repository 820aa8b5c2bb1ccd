/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the logger, the one global of the house. A message is built on the stack and leaves in one
 * write(2) or one datagram, so that lines of several processes never mix.
 */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "common/fd.h"
#include "common/str.h"

/* A byte grows to at most six ("\u0001"), so that no line is ever cut inside an escape. */
#define LOG_TEXT_MAX 3072
#define LOG_LINE_MAX (6 * LOG_TEXT_MAX + 256)

static struct {
	enum log_sink sink;
	enum log_level level;
	bool json;
	int fd;
	pid_t owner; /* who may rotate: a child would do it below its parent's feet */
	off_t size_max;
	char ident[64];
	char path[PATH_MAX];
	void (*capture)(void *user, enum log_level level, const char *text);
	void *capture_user;
	bool holding;
	size_t held_len;
	char held[LOG_HELD_MAX]; /* whole lines */
} logger = { .sink = LOG_SINK_STDERR, .level = LOG_LEVEL_INFO, .fd = -EBADF };

static const struct {
	const char *name;
	int priority; /* of syslog(3) */
} levels[LOG_LEVEL_N] = {
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_WARNING] = { "warning", 4 },
	[LOG_LEVEL_ERROR] = { "error", 3 },
};

static int open_file(const char *path)
{
	return fd_open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY, 0644);
}

/* Connected, so that a later chroot or pivot_root cannot lead the messages elsewhere. */
static int open_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLEANUP_FD int fd = -EBADF;
	int raw;

	raw = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (raw < 0)
		return -errno;
	fd = fd_dup(raw);
	fd_close(raw);
	if (fd < 0)
		return fd;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return fd_take(&fd);
}

static const char *socket_path(void)
{
	return logger.sink == LOG_SINK_JOURNALD ? "/run/systemd/journal/socket" : "/dev/log";
}

/* An absolute copy of the path: the program may change its directory before the file is rotated. */
static int keep_path(const char *path)
{
	size_t n = 0;

	if (path[0] != '/') {
		if (!getcwd(logger.path, sizeof(logger.path) - 1))
			return -errno;
		n = strlen(logger.path);
		logger.path[n++] = '/';
	}
	if (strlen(path) >= sizeof(logger.path) - n)
		return -ENAMETOOLONG;
	memcpy(logger.path + n, path, strlen(path) + 1);
	return 0;
}

int log_open(const struct log_config *config, struct err *err)
{
	int fd = -EBADF, r;

	if (config->sink == LOG_SINK_FILE) {
		fd = open_file(config->path);
		if (fd < 0)
			return err_sysn(err, fd, "open log file \"%s\"", config->path);
		r = keep_path(config->path);
		if (r < 0) {
			fd_close(fd);
			return err_sysn(err, r, "open log file \"%s\"", config->path);
		}
	}
	fd_close(logger.fd);
	logger.sink = config->sink;
	logger.level = config->level;
	logger.json = config->json;
	logger.size_max = config->size_max;
	logger.owner = getpid();
	logger.fd = fd;
	snprintf(logger.ident, sizeof(logger.ident), "%s", config->ident ? config->ident : "thole");
	if (config->sink == LOG_SINK_JOURNALD || config->sink == LOG_SINK_SYSLOG)
		logger.fd = open_socket(socket_path());
	return 0;
}

void log_capture(void (*fn)(void *user, enum log_level level, const char *text), void *user)
{
	logger.capture = fn;
	logger.capture_user = user;
}

bool log_is_file(void)
{
	return logger.sink != LOG_SINK_STDERR;
}

int log_fd(void)
{
	return logger.sink == LOG_SINK_FILE ? logger.fd : -EBADF;
}

enum log_level log_level_get(void)
{
	return logger.level;
}

static void add_time(struct str *line)
{
	char text[STR_SECOND_SIZE];
	struct timespec now = { 0 };

	clock_gettime(CLOCK_REALTIME, &now);
	str_format_second(now.tv_sec, text);
	str_addf(line, "%sZ", text);
}

static void add_json_rune(struct str *line, const char *text, size_t len, uint32_t rune)
{
	if (rune == '"' || rune == '\\') {
		str_add_char(line, '\\');
		str_add_n(line, text, len);
	} else if (rune == '\n') {
		str_add(line, "\\n");
	} else if (rune == '\t') {
		str_add(line, "\\t");
	} else if (rune == '\r') {
		str_add(line, "\\r");
	} else if (rune < 0x20 || rune == 0x7f) {
		str_addf(line, "\\u%04x", (unsigned int)rune);
	} else {
		str_add_n(line, text, len);
	}
}

static void add_json_string(struct str *line, const char *text)
{
	size_t left = strlen(text), len;
	uint32_t rune;

	str_add_char(line, '"');
	for (; left > 0; text += len, left -= len) {
		len = utf8_decode(text, left, &rune);
		if (len > 0) {
			add_json_rune(line, text, len, rune);
		} else {
			len = 1;
			str_add(line, "\xef\xbf\xbd");
		}
	}
	str_add_char(line, '"');
}

static void build_json(struct str *line, enum log_level level, const char *text)
{
	str_addf(line, "{\"level\":\"%s\",\"msg\":", levels[level].name);
	add_json_string(line, text);
	str_add(line, ",\"time\":\"");
	add_time(line);
	str_add(line, "\"}\n");
}

static void build_text(struct str *line, enum log_level level, const char *text)
{
	str_add(line, "time=\"");
	add_time(line);
	str_addf(line, "\" level=%s msg=", levels[level].name);
	str_add_quoted(line, text);
	str_add_char(line, '\n');
}

/* The native protocol: a field with a line feed in it is sent with its length, little-endian. */
static void build_journald(struct str *line, enum log_level level, const char *text)
{
	uint64_t n = strlen(text);

	str_addf(line, "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nSYSLOG_PID=%d\nMESSAGE\n",
		 levels[level].priority, logger.ident, (int)getpid());
	for (int i = 0; i < 8; i++)
		str_add_char(line, (char)(n >> (8 * i) & 0xff));
	str_add_n(line, text, n);
	str_add_char(line, '\n');
}

static void build_syslog(struct str *line, enum log_level level, const char *text)
{
	const int facility_daemon = 3 << 3;

	/* No time stamp: the receiver's is as good, and ours would need the time zone. */
	str_addf(line, "<%d>%s[%d]: %s", facility_daemon | levels[level].priority, logger.ident,
		 (int)getpid(), text);
}

/* Starts the file anew when the line would lead it above its limit. */
static void rotate(size_t coming)
{
	char old[PATH_MAX + 2];
	struct stat st;
	int fd;

	if (logger.size_max <= 0 || logger.owner != getpid() || fstat(logger.fd, &st) < 0 ||
	    !S_ISREG(st.st_mode) || st.st_size == 0 ||
	    st.st_size + (off_t)coming <= logger.size_max)
		return;
	snprintf(old, sizeof(old), "%s.1", logger.path);
	if (rename(logger.path, old) < 0 && errno != ENOENT)
		return;
	fd = open_file(logger.path);
	if (fd < 0)
		return;
	fd_close(logger.fd);
	logger.fd = fd;
}

static void send_datagram(const struct str *line)
{
	for (int i = 0; i < 2; i++) {
		/* Never waits: a stuck log service must not stop a container. */
		if (logger.fd >= 0 &&
		    send(logger.fd, line->data, line->len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return;
		/* The service was restarted, or was not there yet. A child keeps its hands off:
		 * for it the path may name something of the container's. */
		if (logger.owner != getpid() || (logger.fd >= 0 && errno != ECONNREFUSED &&
						 errno != ENOTCONN && errno != ECONNRESET))
			return;
		fd_close(logger.fd);
		logger.fd = open_socket(socket_path());
	}
}

static void write_line(int fd, const struct str *line)
{
	ssize_t r;

	do
		r = write(fd, line->data, line->len);
	while (r < 0 && errno == EINTR);
}

/* True if the line needs no writing now. */
static bool hold_line(enum log_level level, const struct str *line)
{
	if (!logger.holding || level >= LOG_LEVEL_ERROR || logger.owner != getpid())
		return false;
	if (line->len <= sizeof(logger.held) - logger.held_len) {
		memcpy(logger.held + logger.held_len, line->data, line->len);
		logger.held_len += line->len;
	}
	return true;
}

void log_hold(void)
{
	logger.holding = logger.sink == LOG_SINK_FILE && logger.level > LOG_LEVEL_DEBUG;
}

void log_release(bool write_them)
{
	struct str lines = { .data = logger.held, .len = logger.held_len };

	if (write_them && lines.len && logger.owner == getpid()) {
		rotate(lines.len);
		write_line(logger.fd, &lines);
	}
	logger.holding = false;
	logger.held_len = 0;
}

static void deliver(enum log_level level, const char *text)
{
	char buf[LOG_LINE_MAX];
	struct str line = STR_FIXED(buf);

	switch (logger.sink) {
	case LOG_SINK_JOURNALD:
		build_journald(&line, level, text);
		send_datagram(&line);
		return;
	case LOG_SINK_SYSLOG:
		build_syslog(&line, level, text);
		send_datagram(&line);
		return;
	default:
		if (logger.json)
			build_json(&line, level, text);
		else
			build_text(&line, level, text);
	}
	if (hold_line(level, &line))
		return;
	if (logger.sink == LOG_SINK_FILE)
		rotate(line.len);
	write_line(logger.sink == LOG_SINK_FILE ? logger.fd : STDERR_FILENO, &line);
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	char text[LOG_TEXT_MAX];
	int saved = errno;
	va_list args;
	size_t end;
	int n;

	if (level < logger.level)
		return;
	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n >= (int)sizeof(text)) {
		end = sizeof(text) - 4;
		while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
			end--;
		memcpy(text + end, "...", 4);
	}
	if (n >= 0 && logger.capture)
		logger.capture(logger.capture_user, level, text);
	else if (n >= 0)
		deliver(level, text);
	errno = saved;
}
