/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The services on the shim's socket: containerd's task service (under its v2 and v3 names, the
 * messages are the same) and our own. They translate messages into task requests and back.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "shim/events.h"
#include "shim/log.h"
#include "shim/server.h"
#include "shim/task.h"
#include "shim/wellknown.pb-c.h"

struct service_waiter;

struct service_task { /* a container; strings stay its owner's */
	struct service_task *next;
	struct task *task;
	struct log_writer *log; /* NULL: its output goes elsewhere */
	const char *id, *bundle, *log_path, *log_format;
	const char *record; /* path of the exit record */
	int dirfd;          /* the registry directory */
};

struct service {
	struct service_task *tasks;
	struct service_waiter *waiters;
	bool any_uri;             /* the front end opens the URIs of exec sessions */
	unsigned int last_update; /* numbers the files of updates */
};

/* The services; user of their methods is a struct service. */
extern const struct server_service service_list[];
extern const size_t service_list_n;

#define SERVICE_TASK_METHODS 15
extern const struct server_method service_task_methods[SERVICE_TASK_METHODS];
extern const struct server_method service_shim_methods[];
extern const size_t service_task_methods_n, service_shim_methods_n;

/* event_fn; user is the struct service: answers those that wait for an exit. */
void service_on_event(void *user, const struct event *event);
/* Answers all that still wait: the shim ends. */
void service_stop(struct service *service);

/* The process a message is about; NULL: the call has been answered. */
struct task_proc *service_find(struct service *service, struct server_call *call, const char *id,
			       const char *exec_id);
/* The container of that id; NULL: none. */
struct service_task *service_task_by_id(struct service *service, const char *id);
/* ... of a process that service_find has found. */
struct service_task *service_task_of(struct service *service, const struct task_proc *proc);
/* Asks for the start and answers the call. */
void service_start(struct service *service, struct server_call *call, struct task_proc *proc);
/* One method of service_task_methods. */
server_method_fn *service_task_method(const char *name);
/* As Go has it: of no time the year 1. Returns `to`. */
Google__Protobuf__Timestamp *service_time(Google__Protobuf__Timestamp *to,
					  const struct timespec *from);
/* Packs a message as the call's answer. */
void service_reply_message(struct server_call *call, const ProtobufCMessage *message);
/* Delete's answer: how a process that has just been deleted had ended. */
void service_reply_delete(struct server_call *call, const struct task_proc *proc);
/* Answers those that wait for any process of a container that goes away. */
void service_release_task(struct service *service, const struct task *task);
/* Answers those that wait for this process, which goes away. */
void service_release(struct service *service, const struct task_proc *proc);
