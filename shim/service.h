/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The services on the shim's socket: containerd's task service (under its v2 and v3 names, the
 * messages are the same) and our own. They translate messages into task requests and back.
 */
#pragma once

#include "shim/events.h"
#include "shim/log.h"
#include "shim/server.h"
#include "shim/task.h"

struct service_waiter;

struct service {
	struct task *task;
	struct log_writer *log;
	const char *id, *bundle, *log_path, *log_format;
	const char *record; /* path of the exit record */
	int dirfd;          /* the registry directory */
	struct service_waiter *waiters;
	unsigned int last_update;
};

/* The services; user of their methods is a struct service. */
extern const struct server_service service_list[];
extern const size_t service_list_n;

extern const struct server_method service_task_methods[], service_shim_methods[];
extern const size_t service_task_methods_n, service_shim_methods_n;

/* event_fn; user is the struct service: answers those that wait for an exit. */
void service_on_event(void *user, const struct event *event);
/* Answers all that still wait: the shim ends. */
void service_stop(struct service *service);

/* The process a message is about; NULL: the call has been answered. */
struct task_proc *service_find(struct service *service, struct server_call *call, const char *id,
			       const char *exec_id);
