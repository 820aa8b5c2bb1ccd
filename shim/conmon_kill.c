// SPDX-License-Identifier: Apache-2.0
// Process table, marks, signals.
#include "shim/conmon_kill.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/str.h"

#define ROUNDS 64 /* until nobody new has been forked */
#define TAG_MIN (UINT64_C(1) << 61)
#define TAG_RANDOM (TAG_MIN - 1)
#define LIMITS_LINE "Max realtime timeout"

struct table {
	struct conmon_kill_row *rows;
	size_t n, cap;
};

uint64_t conmon_kill_tag(struct rlimit *old)
{
	struct rlimit tagged;
	uint64_t tag = 0;

	if (getrlimit(RLIMIT_RTTIME, old) < 0 || old->rlim_cur != RLIM_INFINITY)
		return 0;
	if (getrandom(&tag, sizeof(tag), GRND_NONBLOCK) != sizeof(tag))
		return 0;
	tag = TAG_MIN | (tag & TAG_RANDOM);
	tagged = (struct rlimit){ (rlim_t)tag, old->rlim_max };
	/* A 32-bit limit holds no tag. */
	if ((uint64_t)tagged.rlim_cur != tag || setrlimit(RLIMIT_RTTIME, &tagged) < 0)
		return 0;
	return tag;
}

void conmon_kill_untag(const struct rlimit *old)
{
	if (setrlimit(RLIMIT_RTTIME, old) < 0)
		log_debug("RLIMIT_RTTIME: %s", err_strerror(errno));
}

int conmon_kill_has_tag(const char *limits, uint64_t tag)
{
	const char *line = strstr(limits, LIMITS_LINE);
	char want[24];
	size_t n;

	if (!tag || !line)
		return 0;
	line += strlen(LIMITS_LINE);
	line += strspn(line, " ");
	snprintf(want, sizeof(want), "%ju", (uintmax_t)tag);
	n = strlen(want);
	return strncmp(line, want, n) == 0 && line[n] == ' ';
}

size_t conmon_kill_mark(struct conmon_kill_row *rows, size_t n, pid_t root)
{
	unsigned long long start = 0;
	size_t marked = 0;
	bool more = true;

	for (size_t i = 0; i < n; i++)
		if (rows[i].pid == root)
			start = rows[i].start;
	while (more) {
		more = false;
		for (size_t i = 0; i < n; i++) {
			struct conmon_kill_row *r = &rows[i];
			/* Nobody older came of it, whatever he holds. */
			bool is = r->pid == root || r->tagged ||
				  (r->start >= start && start > 0 &&
				   (r->session == root || r->holds_pipe));

			for (size_t j = 0; j < n && !is && !r->marked; j++)
				is = rows[j].marked && rows[j].pid == r->ppid;
			if (!is || r->marked)
				continue;
			r->marked = 1;
			marked++;
			more = true;
		}
	}
	return marked;
}

/* "PID (NAME) STATE PPID PGRP SESSION ..."; the name may have blanks and parentheses. */
static bool read_row(pid_t pid, struct conmon_kill_row *row)
{
	char path[48], text[1024], *p, *word;
	uint64_t start = 0;
	int field = 3, v;

	*row = (struct conmon_kill_row){ .pid = pid };
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (io_read_small(AT_FDCWD, path, text, sizeof(text)) < 0)
		return false;
	p = strrchr(text, ')');
	if (!p || p[1] != ' ')
		return false;
	p += 2;
	for (; (word = strsep(&p, " ")); field++) {
		if (field == 4 && parse_int(word, &v) == 0)
			row->ppid = v;
		else if (field == 6 && parse_int(word, &v) == 0)
			row->session = v;
		else if (field == 22 && parse_u64(word, 10, &start) == 0)
			row->start = start;
	}
	return row->start > 0;
}

static int holds_pipe(pid_t pid, const ino_t *pipes, size_t n_pipes)
{
	char path[48], link[64], want[64];
	struct dirent *e;
	int found = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = n_pipes ? opendir(path) : NULL;
	if (!dir)
		return 0;
	while (!found && (e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);

		link[n > 0 ? n : 0] = '\0';
		for (size_t i = 0; i < n_pipes && n > 0; i++) {
			snprintf(want, sizeof(want), "pipe:[%ju]", (uintmax_t)pipes[i]);
			found |= str_eq(link, want);
		}
	}
	closedir(dir);
	return found;
}

static int has_tag(pid_t pid, uint64_t tag)
{
	char path[48], text[4096];

	snprintf(path, sizeof(path), "/proc/%d/limits", pid);
	return tag && io_read_small(AT_FDCWD, path, text, sizeof(text)) >= 0 &&
	       conmon_kill_has_tag(text, tag);
}

static bool add_row(struct table *t, const struct conmon_kill_row *row)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 256;
		void *grown = reallocarray(t->rows, cap, sizeof(*t->rows));

		if (!grown)
			return false;
		t->rows = grown;
		t->cap = cap;
	}
	t->rows[t->n++] = *row;
	return true;
}

static void read_table(struct table *t, const struct conmon_kill_of *of)
{
	struct conmon_kill_row row;
	DIR *dir = opendir("/proc");
	struct dirent *e;
	int pid;

	t->n = 0;
	while (dir && (e = readdir(dir))) {
		if (parse_int(e->d_name, &pid) < 0 || pid <= 1 || pid == getpid() ||
		    !read_row(pid, &row))
			continue;
		row.tagged = has_tag(pid, of->tag);
		row.holds_pipe = !row.tagged && holds_pipe(pid, of->pipes, of->n_pipes);
		if (!add_row(t, &row))
			break;
	}
	if (dir)
		closedir(dir);
}

static void signal_marked(const struct table *t, int sig)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct conmon_kill_row *r = &t->rows[i];
		int fd = r->marked ? proc_open(r->pid, r->start) : -EBADF;

		if (fd >= 0 && proc_signal(fd, sig) < 0)
			log_debug("process %d has ended", r->pid);
		fd_close(fd);
	}
}

void conmon_kill_tree(const struct conmon_kill_of *of)
{
	struct table t = { 0 };
	size_t before = 0, marked;

	/* Stopped first, so that none forks between the look and the kill. */
	for (int i = 0; i < ROUNDS; i++) {
		read_table(&t, of);
		marked = conmon_kill_mark(t.rows, t.n, of->root);
		signal_marked(&t, SIGSTOP);
		if (marked == before)
			break;
		before = marked;
	}
	signal_marked(&t, SIGKILL);
	free(t.rows);
}
