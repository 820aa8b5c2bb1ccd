// SPDX-License-Identifier: Apache-2.0
// conmon: from main to the monitor.
#include "shim/front_conmon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/str.h"
#include "common/version.h"
#include "shim/conmon_files.h"
#include "shim/conmon_monitor.h"

/* What clients compare: the version of conmon whose interface this is. */
#define INTERFACE_VERSION "2.2.1"

static int fatal(const struct err *err)
{
	fprintf(stderr, "[conmon:e]: %s\n", err->msg);
	return 1;
}

/* The heads of conmon's own lines: options that cannot be read, and those that do not fit together. */
static int misused(const char *head, const struct err *err)
{
	fprintf(stderr, "%s %s\n", head, err->msg);
	return 1;
}

/* A descriptor that the client has handed down by number. */
static int inherited_fd(const char *name, int *ret, struct err *err)
{
	const char *value = getenv(name);
	int fd, r;

	*ret = -EBADF;
	if (!value)
		return 0;
	if (parse_int(value, &fd) < 0 || fd < 0)
		return err_set(err, EINVAL, "unable to parse %s", name);
	r = fd_cloexec(fd, true);
	if (r < 0)
		return err_sysn(err, r, "descriptor %d of %s", fd, name);
	*ret = fd;
	return 0;
}

/* All others above 2: they stay open until the container has ended, as with conmon. */
static int list_inherited(struct conmon_start *s, struct arena *arena, struct err *err)
{
	DIR *dir = opendir("/proc/self/fd");
	int fds[CONMON_FDS_MAX], fd;
	struct dirent *e;

	if (!dir)
		return err_sys(err, "list the open descriptors");
	while ((e = readdir(dir)) && s->n_inherited < CONMON_FDS_MAX) {
		if (parse_int(e->d_name, &fd) < 0 || fd < 3 || fd == dirfd(dir) ||
		    fd == s->sync_fd || fd == s->start_fd || fd == s->attach_fd)
			continue;
		fds[s->n_inherited++] = fd;
	}
	closedir(dir);
	if (s->n_inherited) {
		s->inherited = ARENA_ARRAY(arena, s->n_inherited, int);
		memcpy(s->inherited, fds, s->n_inherited * sizeof(int));
	}
	return 0;
}

static int find_level(const char *name, enum log_level *ret, struct err *err)
{
	static const struct {
		const char *name;
		enum log_level level;
	} levels[] = {
		{ "error", LOG_LEVEL_ERROR },     { "fatal", LOG_LEVEL_ERROR },
		{ "panic", LOG_LEVEL_ERROR },     { "warn", LOG_LEVEL_WARNING },
		{ "warning", LOG_LEVEL_WARNING }, { "info", LOG_LEVEL_INFO },
		{ "debug", LOG_LEVEL_DEBUG },     { "trace", LOG_LEVEL_DEBUG },
	};

	*ret = LOG_LEVEL_WARNING;
	for (size_t i = 0; name && i < ARRAY_COUNT(levels); i++) {
		if (strcasecmp(levels[i].name, name) == 0) {
			*ret = levels[i].level;
			return 0;
		}
	}
	return name ? err_set(err, EINVAL, "No such log level %s", name) : 0;
}

static int open_messages(const struct conmon_options *o, struct err *err)
{
	char ident[sizeof("conmon ") + 20];
	struct log_config c = { .sink = o->syslog ? LOG_SINK_SYSLOG : LOG_SINK_STDERR,
				.ident = ident };
	struct err ignored = { 0 };
	int r = find_level(o->log_level, &c.level, err);

	snprintf(ident, sizeof(ident), "conmon %.20s", o->cid ? o->cid : "");
	if (r < 0)
		return r;
	/* A machine without a syslog socket is no reason not to run. */
	if (log_open(&c, &ignored) < 0) {
		c.sink = LOG_SINK_STDERR;
		return log_open(&c, err);
	}
	return 0;
}

/* The bundle and the pid file, absolute. */
static int find_paths(struct conmon_start *s, struct arena *arena, struct err *err)
{
	const struct conmon_options *o = s->o;
	char cwd[PATH_MAX];

	if (!getcwd(cwd, sizeof(cwd)))
		return err_sys(err, "current directory");
	if (o->bundle && o->bundle[0] != '/')
		s->bundle = arena_printf(arena, "%s/%s", cwd, o->bundle);
	else if (o->bundle || !o->exec)
		s->bundle = arena_strdup(arena, o->bundle ? o->bundle : cwd);
	s->pid_file = o->container_pidfile ? o->container_pidfile
					   : arena_printf(arena, "%s/pidfile-%s", cwd, o->cid);
	if (access(o->runtime, X_OK) < 0)
		return err_sys(err, "Runtime path %s is not valid", o->runtime);
	return 0;
}

static int check(struct conmon_start *s, struct conmon_log_spec *logs, struct arena *arena,
		 struct err *err)
{
	int r = open_messages(s->o, err);

	if (r == 0)
		r = find_paths(s, arena, err);
	if (r == 0)
		r = conmon_log_parse(s->o, arena, logs, err);
	if (r == 0)
		r = inherited_fd("_OCI_SYNCPIPE", &s->sync_fd, err);
	if (r == 0)
		r = inherited_fd("_OCI_STARTPIPE", &s->start_fd, err);
	if (r == 0 && s->o->exec_attach)
		r = inherited_fd("_OCI_ATTACHPIPE", &s->attach_fd, err);
	if (r == 0 && s->o->exec_attach && s->attach_fd < 0)
		r = err_set(err, EINVAL, "--exec-attach was given without _OCI_ATTACHPIPE");
	if (r == 0)
		r = list_inherited(s, arena, err);
	return r == 0 ? conmon_log_check(logs, err) : r;
}

/* The client moves us into a cgroup first. Whatever it writes, and its end, let us go on. */
static void wait_for_start(struct conmon_start *s)
{
	char buf[8192];
	ssize_t n;

	if (s->start_fd < 0)
		return;
	do {
		n = read(s->start_fd, buf, sizeof(buf));
	} while (n < 0 && errno == EINTR);
	if (!s->o->exec_attach)
		s->start_fd = fd_close(s->start_fd);
}

static void detach(bool passthrough)
{
	CLEANUP_FD int null = fd_open("/dev/null", O_RDWR, 0);

	(void)setsid();
	for (int fd = 0; null >= 0 && !passthrough && fd < 3; fd++)
		if (dup2(null, fd) < 0)
			log_debug("cannot give up descriptor %d", fd);
}

/* In the parent: returns its exit status; in the child: -1. */
static int fork_away(const struct conmon_options *o)
{
	pid_t pid;
	int r;

	if (o->sync)
		return -1;
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		fprintf(stderr, "[conmon:e]: Failed to fork the monitor: %s\n",
			err_strerror(errno));
		return 1;
	}
	if (pid == 0)
		return -1;
	r = o->conmon_pidfile ? conmon_files_pid(o->conmon_pidfile, pid) : 0;
	if (r < 0) {
		fprintf(stderr, "[conmon:e]: Failed to write %s: %s\n", o->conmon_pidfile,
			err_strerror(-r));
		kill(pid, SIGKILL);
		return 1;
	}
	return 0;
}

static int show_version(void)
{
	printf("conmon version " INTERFACE_VERSION "-thole\ncommit: %s\n", thole_commit);
	return 0;
}

int front_conmon_main(int argc, char **argv)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct conmon_log_spec logs = { 0 };
	struct conmon_options o;
	struct conmon_start s = {
		.o = &o, .logs = &logs, .sync_fd = -EBADF, .start_fd = -EBADF, .attach_fd = -EBADF
	};
	struct err err = { 0 };
	int status;

	umask(022);
	tzset();
	if (conmon_options_parse(argc, argv, &arena, &o, &err) < 0)
		return misused("conmon:", &err);
	if (o.help) {
		conmon_options_help(stdout);
		return 0;
	}
	if (o.version)
		return show_version();
	if (conmon_options_check(&o, &err) < 0)
		return misused(o.cid ? "[conmon:e]" : "conmon:", &err);
	if (check(&s, &logs, &arena, &err) < 0)
		return fatal(&err);
	signal(SIGPIPE, SIG_IGN);
	wait_for_start(&s);
	status = fork_away(&o);
	if (status >= 0)
		return status;
	detach(logs.passthrough);
	return conmon_monitor_run(&s);
}
