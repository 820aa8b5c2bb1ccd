// SPDX-License-Identifier: Apache-2.0
// Stats and Pids: the container's cgroup, remembered from when its init was alive.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/str.h"
#include "shim/front_task_private.h"
#include "shim/oom.h"
#include "shim/options.pb-c.h"
#include "shim/task.pb-c.h"
#include "shim/ttrpc.h"

#define PIDS_MAX 4096
#define DETAILS_TYPE "containerd.runc.v1.ProcessDetails"

static const char *cgroup_dir(struct front_container *c, const char *controller)
{
	char path[PATH_MAX];
	size_t n;

	if (oom_cgroup_path(task_init(c->task)->pid, controller, "", path, sizeof(path)) < 0)
		return NULL;
	n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	return arena_strdup(&c->arena, path);
}

void front_stats_remember(struct front_container *c)
{
	if (c->cgroup_known)
		return;
	c->cgroup_known = true;
	for (int i = 0; i < METRICS_V1_N; i++) {
		c->cgroup_v1[i] = cgroup_dir(c, metrics_controllers[i]);
		c->has_v1 = c->has_v1 || c->cgroup_v1[i];
	}
	c->cgroup_v2 = cgroup_dir(c, NULL);
}

void front_stats(struct server_call *call, struct front_container *c)
{
	Containerd__Task__V2__StatsResponse r = CONTAINERD__TASK__V2__STATS_RESPONSE__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct pbw w = { .data = malloc(METRICS_MAX), .cap = METRICS_MAX };
	int e = -ENOENT;

	if (!w.data) {
		server_error(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	if (c->has_v1)
		e = metrics_v1(c->cgroup_v1, &w);
	else if (c->cgroup_v2)
		e = metrics_v2(c->cgroup_v2, &w);
	if (e == -ENOENT) {
		server_error(call, TTRPC_NOT_FOUND, "cgroup does not exist: not found");
	} else if (e < 0) {
		server_error(call, TTRPC_UNKNOWN, "metrics: %s", err_strerror(-e));
	} else {
		any.type_url = (char *)(c->has_v1 ? METRICS_V1_TYPE : METRICS_V2_TYPE);
		any.value = (ProtobufCBinaryData){ w.len, w.data };
		r.stats = &any;
		service_reply_message(call, &r.base);
	}
	free(w.data);
}

/* ---- pids ---- */

struct pids {
	Containerd__Task__V2__ProcessInfo info[PIDS_MAX], *list[PIDS_MAX];
	Google__Protobuf__Any any[PIDS_MAX];
	char text[PIDS_MAX * 8];
	size_t n;
};

static ssize_t read_procs(const struct front_container *c, char *buf, size_t size)
{
	static const enum metrics_v1 order[] = { METRICS_PIDS, METRICS_MEMORY, METRICS_CPU };
	const char *dir = c->has_v1 ? NULL : c->cgroup_v2;
	char path[PATH_MAX];
	CLEANUP_FD int fd = -EBADF;
	ssize_t n;

	for (size_t i = 0; !dir && i < ARRAY_COUNT(order); i++)
		dir = c->cgroup_v1[order[i]];
	if (!dir || snprintf(path, sizeof(path), "%s/cgroup.procs", dir) >= (int)sizeof(path))
		return -ENOENT;
	fd = fd_open(path, O_RDONLY, 0);
	n = fd < 0 ? fd : read(fd, buf, size - 1);
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

/* The session's id, packed into an Any; false: it is none, or there is no memory. */
static bool details_of(struct front_container *c, pid_t pid, Google__Protobuf__Any *ret)
{
	Thole__Options__ProcessDetails m = THOLE__OPTIONS__PROCESS_DETAILS__INIT;
	const struct task_proc *p = task_find_pid(c->task, pid);

	if (!p || !p->exec_id)
		return false;
	google__protobuf__any__init(ret);
	m.exec_id = p->exec_id;
	ret->value.len = protobuf_c_message_get_packed_size(&m.base);
	ret->value.data = malloc(ret->value.len);
	if (!ret->value.data)
		return false;
	protobuf_c_message_pack(&m.base, ret->value.data);
	ret->type_url = (char *)DETAILS_TYPE;
	return true;
}

void front_pids(struct server_call *call, struct front_container *c)
{
	Containerd__Task__V2__PidsResponse r = CONTAINERD__TASK__V2__PIDS_RESPONSE__INIT;
	struct pids *s = calloc(1, sizeof(*s));

	if (!s) {
		server_error(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	if (read_procs(c, s->text, sizeof(s->text)) < 0)
		s->text[0] = '\0';
	for (char *w = s->text, *end; *w && s->n < PIDS_MAX; w = end) {
		Containerd__Task__V2__ProcessInfo *info = &s->info[s->n];
		int pid;

		end = w + strcspn(w, "\n");
		if (*end)
			*end++ = '\0';
		if (parse_int(w, &pid) < 0)
			continue;
		containerd__task__v2__process_info__init(info);
		info->pid = (uint32_t)pid;
		if (details_of(c, pid, &s->any[s->n]))
			info->info = &s->any[s->n];
		s->list[s->n++] = info;
	}
	r.processes = s->list;
	r.n_processes = s->n;
	service_reply_message(call, &r.base);
	for (size_t i = 0; i < s->n; i++)
		if (s->info[i].info)
			free(s->any[i].value.data);
	free(s);
}
