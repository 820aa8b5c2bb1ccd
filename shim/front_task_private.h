/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the parts of containerd's front end that live in the daemon (see front_task.h). Nobody
 * else includes it.
 */
#pragma once

#include "shim/front_task.h"
#include "shim/metrics.h"
#include "shim/registry.h"
#include "shim/service.h"

#define FRONT_DRAIN_MS 10000         /* what a Delete waits for the output's readers */
#define FRONT_SPOOLS_MAX (64u << 20) /* bytes of all spools of a pod */

struct front_io_out;

struct front_publisher;
struct front_container;

struct front {                  /* the daemon */
	struct service service; /* first: the user of the service's methods */
	const char *ns, *socket;
	const char *ttrpc_address; /* "" or NULL: events go nowhere */
	struct ev *ev;
	struct reaper *reaper;
	struct events events;
	struct server *server;
	struct front_publisher *publisher;
	struct front_container *containers;
	struct front_container *leaving; /* deleted, but for their mounts */
	bool stopping;
	struct ev_timer *idle; /* memory is given back then */
	size_t spooled;        /* bytes in spools */
	struct {               /* fifos whose readers are away */
		int fd;
		struct ev_source *source;
		struct front_io_out *first;
	} watch;
};

struct front_mount { /* strings live in the container's arena */
	const char *type, *source, *target;
	const char **options;
	size_t n_options;
};

struct front_container {
	struct front_container *next;
	struct front *front;
	struct arena arena; /* owns the strings below */
	const char *id, *bundle;
	const char *dir, *record; /* the registry directory, the exit record in it */
	int dirfd;
	struct registry_key key;
	struct front_options_runc options;
	const char *uri[3];
	struct front_mount *mounts;
	size_t n_mounts;
	const char *checkpoint;        /* "": none; the images that it is restored from */
	bool terminal, kill_all, told; /* told: the daemon has heard of its creation */
	bool waits; /* not prepared yet: an earlier one of the same bundle may be leaving */
	const char *runtime_args[3], *create_args[TASK_CREATE_ARGS_MAX];
	struct runtime runtime;
	struct task *task;
	struct service_task served;
	struct front_io *io;      /* opened, not yet the init's */
	struct server_call *call; /* Create or Delete, answered when all is done */
	struct front_late *late;  /* Deletes that came after that one */
	int code;                 /* Create: why it failed */
	char *text;
	struct err err; /* of the preparation, made beside the loop */
	uint64_t start_ticks;
	bool cgroup_known, has_v1;
	const char *cgroup_v1[METRICS_V1_N], *cgroup_v2; /* directories, NULL: none */
};

/* front_task_container.c */
struct front_create { /* of the message, alive during the call */
	const char *id, *bundle;
	bool terminal;
	const char *uri[3];
	const char *checkpoint; /* "": none */
	const struct front_mount *mounts;
	size_t n_mounts;
	const char *options_type;
	const void *options;
	size_t options_len;
};
/* Answers the call when the container is there, or everything of it is gone again. */
void front_container_create(struct front *front, struct server_call *call,
			    const struct front_create *create);
struct front_container *front_container_find(struct front *front, const char *id);
/* True if a container of that id is about to go: the call, another Delete, is answered after the one
 * that takes it away. A daemon that hears "not found" closes its connection. */
MUST_CHECK bool front_container_await(struct front *front, const char *id,
				      struct server_call *call);
void front_container_info(struct front_container *c); /* the registry's info file, anew */

/* Its init is there: what is remembered of it, and its input may come. */
void front_container_born(struct front_container *c);

/* front_task_checkpoint.c */
server_method_fn front_service_checkpoint;
/* Start of a container that comes from a checkpoint. */
void front_restore_start(struct server_call *call, struct front_container *c);
/* Where criu may leave its logs: the options' directory, else one of the container's own. */
const char *front_criu_work(struct front_container *c);

/* front_task_service.c */
extern const struct server_service *front_services(size_t *ret_n);

/* Unpacks into `m`, or answers and returns from the handler. The generated functions have a type
 * each, so this cannot be a function. */
#define UNPACK(m, type, fn)                                                                        \
	type *m = fn(NULL, n, payload);                                                            \
	if (!m) {                                                                                  \
		server_error(call, TTRPC_INVALID_ARGUMENT, "unmarshal request error: " #fn);       \
		return;                                                                            \
	}

/* front_task_remove.c */
server_method_fn front_service_delete;
/* The container goes away: Deletes of its sessions that wait are answered. */
void front_service_forget(const struct task *task);
/* An output stream has ended: a Delete may be waiting for it. */
void front_service_eof(struct front *front, struct task_proc *proc);

/* front_task_io.c: fifos, files and loggers of a process's standard streams. */
struct front_io;
struct front_io_config {
	struct front *front;
	const char *uri[3]; /* NULL or "": none */
	bool terminal;
	const char *id, *ns; /* what a logger is told */
	const char *dir;     /* where output waits for an absent reader */
	const struct front_options_spool *spool;
};
/* May sleep: runs beside the loop unless front_io_is_quick. Touches nothing of the loop. */
MUST_CHECK int front_io_open(const struct front_io_config *config, struct front_io **ret,
			     struct err *err);
bool front_io_is_quick(const char *const uri[3]);
/* What follows the scheme of a file's URI, made the file's name in place. */
void front_uri_path(char *text);
void front_io_free(struct front_io *io); /* NULL is fine */
/* It becomes the process's sink. */
void front_io_give(struct front_io *io_consume, struct task_proc *proc);
/* The process is there: its input may come. NULL is fine. */
void front_io_start_input(struct task_proc *proc);
/* A reader is there and has not got everything. */
bool front_io_is_busy(const struct task_proc *proc);
/* Readers may be back. */
void front_watch_kick(struct front *front);
/* CloseIO. False: the process has no input of ours. */
bool front_io_close_input(struct task_proc *proc);

/* front_task_mount.c; both may sleep. */
MUST_CHECK int front_mount_all(const char *bundle, const struct front_mount *mounts, size_t n,
			       struct err *err);
/* Everything mounted on <bundle>/rootfs and below, the deepest first. */
MUST_CHECK int front_unmount_all(const char *bundle, struct err *err);

/* front_task_publish.c: the queue of events for the daemon. */
MUST_CHECK int front_publisher_new(struct front *front, struct front_publisher **ret);
void front_publisher_free(struct front_publisher *p);
void front_publisher_event(void *user, const struct event *event); /* event_fn; the front */
void front_publisher_kick(struct front_publisher *p);              /* the daemon seems to be back */
/* Calls fn once nothing waits any more, or after ms. */
void front_publisher_when_idle(struct front_publisher *p, unsigned int ms, void (*fn)(void *user),
			       void *user);

/* front_task_stats.c */
void front_stats_remember(struct front_container *c); /* its init is there */
void front_stats(struct server_call *call, struct front_container *c);
void front_pids(struct server_call *call, struct front_container *c);
