// SPDX-License-Identifier: Apache-2.0
// Records of /dev/kmsg that tell of OOM kills.
#include "shim/oom_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/fd.h"
#include "common/str.h"

/* The kernel's own limit of a record, its dictionary included. */
#define RECORD_MAX 8192
/* More than any log's buffer holds: reading ends even if somebody writes without end. */
#define RECORDS_MAX 100000

/* "6,1234,5678900,-;text": facility times 8 plus severity first. What a process writes into the log
 * never has the kernel's facility. */
static const char *kernel_text(const char *record)
{
	const char *text = strchr(record, ';');

	return text && record[0] >= '0' && record[0] <= '7' && record[1] == ',' ? text + 1 : NULL;
}

/* "oom-kill:constraint=...,oom_memcg=A,task_memcg=B,task=NAME,pid=N,uid=N". The names are the
 * container's to choose, commas included; what follows the last of them is the kernel's alone. */
bool oom_log_is_kill(const char *record, pid_t pid, const char *path)
{
	const char *text = kernel_text(record), *at = NULL, *group;
	char victim[40];
	size_t n;

	if (!text || strncmp(text, "oom-kill:", strlen("oom-kill:")) != 0)
		return false;
	snprintf(victim, sizeof(victim), ",pid=%d,uid=", (int)pid);
	for (const char *p = strstr(text, ",pid="); p; p = strstr(p + 1, ",pid="))
		at = p;
	n = strlen(victim);
	if (!at || strncmp(at, victim, n) != 0)
		return false;
	at += n + strspn(at + n, "0123456789");
	if (*at && *at != '\n')
		return false;
	/* Of an earlier process of that number this is not the cgroup. */
	group = strstr(text, ",task_memcg=");
	if (!group)
		return false;
	group += strlen(",task_memcg=");
	n = strlen(path);
	return strncmp(group, path, n) == 0 && (group[n] == ',' || group[n] == '/');
}

bool oom_log_has_kill(pid_t pid, const char *path)
{
	CLEANUP_FD int fd = fd_open("/dev/kmsg", O_RDONLY | O_NONBLOCK, 0);
	char record[RECORD_MAX + 1];

	if (fd < 0)
		return false;
	for (unsigned int i = 0; i < RECORDS_MAX; i++) {
		ssize_t n = read(fd, record, RECORD_MAX);

		/* Overwritten while we read: the next is one that is there. */
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (n <= 0)
			return false;
		record[n] = '\0';
		if (oom_log_is_kill(record, pid, path))
			return true;
	}
	return false;
}
