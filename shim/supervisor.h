/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state machine of a container's init and of an exec session: two full tables of one type, and
 * the pure step. It does no I/O and keeps nothing; task.c owns the records and performs the actions.
 *
 * One state-changing call of the runtime is in flight for a process; requests that meet it wait
 * (SUP_QUEUE), kill overtakes. "Doomed" means that whoever asked for the container is gone.
 */
#pragma once

#include <stdint.h>

enum sup_state {
	SUP_NEW,
	SUP_CREATING,
	SUP_CREATED,
	SUP_STARTING,
	SUP_RUNNING,
	SUP_PAUSING,
	SUP_PAUSED,
	SUP_RESUMING,
	SUP_EXITED,
	SUP_DELETING,
	SUP_DELETED,
	SUP_STATE_N
};

enum sup_event {
	SUP_REQ_CREATE,
	SUP_REQ_START,
	SUP_REQ_EXEC, /* registers a session; asked of the init */
	SUP_REQ_KILL,
	SUP_REQ_PAUSE,
	SUP_REQ_RESUME,
	SUP_REQ_UPDATE,
	SUP_REQ_CHECKPOINT,
	SUP_REQ_DELETE,
	SUP_RT_OK,   /* the call in flight has ended well */
	SUP_RT_FAIL, /* ... has failed, or was killed at its deadline */
	SUP_PROC_EXIT,
	SUP_IO_EOF,        /* after the exit: all that the process wrote is with the log */
	SUP_DRAIN_TIMEOUT, /* ... is not, and the exit is due */
	SUP_OOM,
	SUP_FRONT_GONE,
	SUP_EVENT_N
};

/* Performed in this order. */
enum sup_action {
	SUP_IGNORE = 1 << 0,
	SUP_REFUSE = 1 << 1,
	SUP_QUEUE = 1 << 2,
	SUP_CALL = 1 << 3,      /* run the runtime's command of the request */
	SUP_KILL = 1 << 4,      /* the same for kill: beside the call in flight */
	SUP_ADD_EXEC = 1 << 5,  /* register the session */
	SUP_HOLD_EXIT = 1 << 6, /* the exit is taken up after the call in flight */
	SUP_REPLY_OK = 1 << 7,  /* answer the request of the call that has ended */
	SUP_REPLY_FAIL = 1 << 8,
	SUP_EXIT = 1 << 9, /* take the status down and drain the pipes */
	SUP_PUBLISH = 1 << 10,
	SUP_TELL_OOM = 1 << 11,
	SUP_DOOM = 1 << 12,     /* roll back once the call in flight has ended */
	SUP_ROLL_BACK = 1 << 13 /* delete --force and end */
};

struct sup_cell {
	uint32_t actions; /* enum sup_action bits; 0: the cell is missing, a bug */
	enum sup_state next;
	int code; /* SUP_REFUSE: google.rpc code */
	/* SUP_REFUSE: the text clients see. No pointer: that would be a relocation, and with some
	 * hundred of them the tables would be each shim's own memory, not shared. */
	char refusal[56];
};

struct sup_table {
	struct sup_cell cell[SUP_STATE_N][SUP_EVENT_N];
};

extern const struct sup_table sup_init_table, sup_exec_table;

/* The cell for an event in a state. Pure. */
const struct sup_cell *sup_step(const struct sup_table *table, enum sup_state state,
				enum sup_event event);

const char *sup_state_name(enum sup_state state); /* "creating" ... */
const char *sup_event_name(enum sup_event event);
