// SPDX-License-Identifier: Apache-2.0
// The two state tables and the step. The refusal texts are those that containerd's clients know.
#include "shim/supervisor.h"

#include <assert.h>

#include "shim/ttrpc.h"

/* clang-format off */
#define NO(state, rpc, text) { SUP_REFUSE, state, rpc, text }
#define UNK TTRPC_UNKNOWN
#define PRE TTRPC_FAILED_PRECONDITION
#define NOTFOUND TTRPC_NOT_FOUND
#define MUST_CREATE "container must be created: failed precondition"
#define GONE "container not created: not found"
#define FINISHED "process already finished: not found"

const struct sup_table sup_init_table = { {
	[SUP_NEW] = {
		[SUP_REQ_CREATE] = { SUP_CALL, SUP_CREATING },
		[SUP_REQ_START] = NO(SUP_NEW, PRE, MUST_CREATE),
		[SUP_REQ_EXEC] = NO(SUP_NEW, PRE, MUST_CREATE),
		[SUP_REQ_KILL] = NO(SUP_NEW, PRE, MUST_CREATE),
		[SUP_REQ_PAUSE] = NO(SUP_NEW, PRE, MUST_CREATE),
		[SUP_REQ_RESUME] = NO(SUP_NEW, PRE, MUST_CREATE),
		[SUP_REQ_UPDATE] = NO(SUP_NEW, PRE, MUST_CREATE),
		[SUP_REQ_CHECKPOINT] = NO(SUP_NEW, PRE, MUST_CREATE),
		[SUP_REQ_DELETE] = NO(SUP_NEW, PRE, MUST_CREATE),
		[SUP_RT_OK] = { SUP_IGNORE, SUP_NEW },
		[SUP_RT_FAIL] = { SUP_IGNORE, SUP_NEW },
		[SUP_PROC_EXIT] = { SUP_IGNORE, SUP_NEW },
		[SUP_IO_EOF] = { SUP_IGNORE, SUP_NEW },
		[SUP_DRAIN_TIMEOUT] = { SUP_IGNORE, SUP_NEW },
		[SUP_OOM] = { SUP_IGNORE, SUP_NEW },
		[SUP_FRONT_GONE] = { SUP_ROLL_BACK, SUP_DELETED },
	},
	[SUP_CREATING] = {
		[SUP_REQ_CREATE] = NO(SUP_CREATING, TTRPC_ALREADY_EXISTS, "task already exists"),
		[SUP_REQ_START] = { SUP_QUEUE, SUP_CREATING },
		[SUP_REQ_EXEC] = NO(SUP_CREATING, PRE, MUST_CREATE),
		/* There is no process yet that a signal could reach. */
		[SUP_REQ_KILL] = NO(SUP_CREATING, PRE, MUST_CREATE),
		[SUP_REQ_PAUSE] = { SUP_QUEUE, SUP_CREATING },
		[SUP_REQ_RESUME] = { SUP_QUEUE, SUP_CREATING },
		[SUP_REQ_UPDATE] = { SUP_QUEUE, SUP_CREATING },
		[SUP_REQ_CHECKPOINT] = { SUP_QUEUE, SUP_CREATING },
		[SUP_REQ_DELETE] = { SUP_QUEUE, SUP_CREATING },
		[SUP_RT_OK] = { SUP_REPLY_OK, SUP_CREATED },
		/* delete --force: a runtime killed at its deadline has left things behind. */
		[SUP_RT_FAIL] = { SUP_REPLY_FAIL | SUP_ROLL_BACK, SUP_DELETING },
		[SUP_PROC_EXIT] = { SUP_HOLD_EXIT, SUP_CREATING },
		[SUP_IO_EOF] = { SUP_IGNORE, SUP_CREATING },
		[SUP_DRAIN_TIMEOUT] = { SUP_IGNORE, SUP_CREATING },
		[SUP_OOM] = { SUP_TELL_OOM, SUP_CREATING },
		[SUP_FRONT_GONE] = { SUP_DOOM, SUP_CREATING },
	},
	[SUP_CREATED] = {
		[SUP_REQ_CREATE] = NO(SUP_CREATED, TTRPC_ALREADY_EXISTS, "task already exists"),
		[SUP_REQ_START] = { SUP_CALL, SUP_STARTING },
		[SUP_REQ_EXEC] = { SUP_ADD_EXEC, SUP_CREATED },
		[SUP_REQ_KILL] = { SUP_KILL, SUP_CREATED },
		[SUP_REQ_PAUSE] = NO(SUP_CREATED, UNK, "cannot pause task in created state"),
		[SUP_REQ_RESUME] = NO(SUP_CREATED, UNK, "cannot resume task in created state"),
		[SUP_REQ_UPDATE] = { SUP_CALL, SUP_CREATED },
		[SUP_REQ_CHECKPOINT] = NO(SUP_CREATED, UNK,
					  "cannot checkpoint a task in created state"),
		[SUP_REQ_DELETE] = { SUP_CALL, SUP_DELETING },
		[SUP_RT_OK] = { SUP_REPLY_OK, SUP_CREATED },     /* an update */
		[SUP_RT_FAIL] = { SUP_REPLY_FAIL, SUP_CREATED },
		[SUP_PROC_EXIT] = { SUP_EXIT, SUP_EXITED },
		[SUP_IO_EOF] = { SUP_IGNORE, SUP_CREATED },
		[SUP_DRAIN_TIMEOUT] = { SUP_IGNORE, SUP_CREATED },
		[SUP_OOM] = { SUP_TELL_OOM, SUP_CREATED },
		[SUP_FRONT_GONE] = { SUP_ROLL_BACK, SUP_DELETING },
	},
	[SUP_STARTING] = {
		[SUP_REQ_CREATE] = NO(SUP_STARTING, TTRPC_ALREADY_EXISTS, "task already exists"),
		[SUP_REQ_START] = NO(SUP_STARTING, UNK, "cannot start a running process"),
		[SUP_REQ_EXEC] = { SUP_ADD_EXEC, SUP_STARTING },
		[SUP_REQ_KILL] = { SUP_KILL, SUP_STARTING },
		[SUP_REQ_PAUSE] = { SUP_QUEUE, SUP_STARTING },
		[SUP_REQ_RESUME] = { SUP_QUEUE, SUP_STARTING },
		[SUP_REQ_UPDATE] = { SUP_QUEUE, SUP_STARTING },
		[SUP_REQ_CHECKPOINT] = { SUP_QUEUE, SUP_STARTING },
		[SUP_REQ_DELETE] = { SUP_QUEUE, SUP_STARTING },
		[SUP_RT_OK] = { SUP_REPLY_OK, SUP_RUNNING },
		[SUP_RT_FAIL] = { SUP_REPLY_FAIL, SUP_CREATED },
		/* Nobody may hear of the exit before the start. */
		[SUP_PROC_EXIT] = { SUP_HOLD_EXIT, SUP_STARTING },
		[SUP_IO_EOF] = { SUP_IGNORE, SUP_STARTING },
		[SUP_DRAIN_TIMEOUT] = { SUP_IGNORE, SUP_STARTING },
		[SUP_OOM] = { SUP_TELL_OOM, SUP_STARTING },
		[SUP_FRONT_GONE] = { SUP_DOOM, SUP_STARTING },
	},
	[SUP_RUNNING] = {
		[SUP_REQ_CREATE] = NO(SUP_RUNNING, TTRPC_ALREADY_EXISTS, "task already exists"),
		[SUP_REQ_START] = NO(SUP_RUNNING, UNK, "cannot start a running process"),
		[SUP_REQ_EXEC] = { SUP_ADD_EXEC, SUP_RUNNING },
		[SUP_REQ_KILL] = { SUP_KILL, SUP_RUNNING },
		[SUP_REQ_PAUSE] = { SUP_CALL, SUP_PAUSING },
		[SUP_REQ_RESUME] = NO(SUP_RUNNING, UNK, "cannot resume a running process"),
		[SUP_REQ_UPDATE] = { SUP_CALL, SUP_RUNNING },
		[SUP_REQ_CHECKPOINT] = { SUP_CALL, SUP_RUNNING },
		[SUP_REQ_DELETE] = NO(SUP_RUNNING, PRE, "cannot delete a running process"),
		[SUP_RT_OK] = { SUP_REPLY_OK, SUP_RUNNING },
		[SUP_RT_FAIL] = { SUP_REPLY_FAIL, SUP_RUNNING },
		[SUP_PROC_EXIT] = { SUP_EXIT, SUP_EXITED },
		[SUP_IO_EOF] = { SUP_IGNORE, SUP_RUNNING },
		[SUP_DRAIN_TIMEOUT] = { SUP_IGNORE, SUP_RUNNING },
		[SUP_OOM] = { SUP_TELL_OOM, SUP_RUNNING },
		[SUP_FRONT_GONE] = { SUP_ROLL_BACK, SUP_DELETING },
	},
	[SUP_PAUSING] = {
		[SUP_REQ_CREATE] = NO(SUP_PAUSING, TTRPC_ALREADY_EXISTS, "task already exists"),
		[SUP_REQ_START] = NO(SUP_PAUSING, UNK, "cannot start a running process"),
		[SUP_REQ_EXEC] = NO(SUP_PAUSING, UNK, "cannot exec in a paused state"),
		[SUP_REQ_KILL] = { SUP_KILL, SUP_PAUSING },
		[SUP_REQ_PAUSE] = { SUP_QUEUE, SUP_PAUSING },
		[SUP_REQ_RESUME] = { SUP_QUEUE, SUP_PAUSING },
		[SUP_REQ_UPDATE] = { SUP_QUEUE, SUP_PAUSING },
		[SUP_REQ_CHECKPOINT] = { SUP_QUEUE, SUP_PAUSING },
		[SUP_REQ_DELETE] = { SUP_QUEUE, SUP_PAUSING },
		[SUP_RT_OK] = { SUP_REPLY_OK, SUP_PAUSED },
		[SUP_RT_FAIL] = { SUP_REPLY_FAIL, SUP_RUNNING },
		[SUP_PROC_EXIT] = { SUP_EXIT, SUP_EXITED },
		[SUP_IO_EOF] = { SUP_IGNORE, SUP_PAUSING },
		[SUP_DRAIN_TIMEOUT] = { SUP_IGNORE, SUP_PAUSING },
		[SUP_OOM] = { SUP_TELL_OOM, SUP_PAUSING },
		[SUP_FRONT_GONE] = { SUP_DOOM, SUP_PAUSING },
	},
	[SUP_PAUSED] = {
		[SUP_REQ_CREATE] = NO(SUP_PAUSED, TTRPC_ALREADY_EXISTS, "task already exists"),
		[SUP_REQ_START] = NO(SUP_PAUSED, UNK, "cannot start a paused process"),
		[SUP_REQ_EXEC] = NO(SUP_PAUSED, UNK, "cannot exec in a paused state"),
		[SUP_REQ_KILL] = { SUP_KILL, SUP_PAUSED },
		[SUP_REQ_PAUSE] = NO(SUP_PAUSED, UNK, "cannot pause a paused container"),
		[SUP_REQ_RESUME] = { SUP_CALL, SUP_RESUMING },
		[SUP_REQ_UPDATE] = { SUP_CALL, SUP_PAUSED },
		[SUP_REQ_CHECKPOINT] = { SUP_CALL, SUP_PAUSED },
		[SUP_REQ_DELETE] = NO(SUP_PAUSED, PRE, "cannot delete a paused process"),
		[SUP_RT_OK] = { SUP_REPLY_OK, SUP_PAUSED },
		[SUP_RT_FAIL] = { SUP_REPLY_FAIL, SUP_PAUSED },
		[SUP_PROC_EXIT] = { SUP_EXIT, SUP_EXITED },
		[SUP_IO_EOF] = { SUP_IGNORE, SUP_PAUSED },
		[SUP_DRAIN_TIMEOUT] = { SUP_IGNORE, SUP_PAUSED },
		[SUP_OOM] = { SUP_TELL_OOM, SUP_PAUSED },
		[SUP_FRONT_GONE] = { SUP_ROLL_BACK, SUP_DELETING },
	},
	[SUP_RESUMING] = {
		[SUP_REQ_CREATE] = NO(SUP_RESUMING, TTRPC_ALREADY_EXISTS, "task already exists"),
		[SUP_REQ_START] = NO(SUP_RESUMING, UNK, "cannot start a running process"),
		[SUP_REQ_EXEC] = NO(SUP_RESUMING, UNK, "cannot exec in a paused state"),
		[SUP_REQ_KILL] = { SUP_KILL, SUP_RESUMING },
		[SUP_REQ_PAUSE] = { SUP_QUEUE, SUP_RESUMING },
		[SUP_REQ_RESUME] = { SUP_QUEUE, SUP_RESUMING },
		[SUP_REQ_UPDATE] = { SUP_QUEUE, SUP_RESUMING },
		[SUP_REQ_CHECKPOINT] = { SUP_QUEUE, SUP_RESUMING },
		[SUP_REQ_DELETE] = { SUP_QUEUE, SUP_RESUMING },
		[SUP_RT_OK] = { SUP_REPLY_OK, SUP_RUNNING },
		[SUP_RT_FAIL] = { SUP_REPLY_FAIL, SUP_PAUSED },
		[SUP_PROC_EXIT] = { SUP_EXIT, SUP_EXITED },
		[SUP_IO_EOF] = { SUP_IGNORE, SUP_RESUMING },
		[SUP_DRAIN_TIMEOUT] = { SUP_IGNORE, SUP_RESUMING },
		[SUP_OOM] = { SUP_TELL_OOM, SUP_RESUMING },
		[SUP_FRONT_GONE] = { SUP_DOOM, SUP_RESUMING },
	},
	[SUP_EXITED] = {
		[SUP_REQ_CREATE] = NO(SUP_EXITED, TTRPC_ALREADY_EXISTS, "task already exists"),
		[SUP_REQ_START] = NO(SUP_EXITED, UNK, "cannot start a stopped process"),
		[SUP_REQ_EXEC] = NO(SUP_EXITED, UNK, "cannot exec in a stopped state"),
		[SUP_REQ_KILL] = NO(SUP_EXITED, NOTFOUND, FINISHED),
		[SUP_REQ_PAUSE] = NO(SUP_EXITED, UNK, "cannot pause a stopped container"),
		[SUP_REQ_RESUME] = NO(SUP_EXITED, UNK, "cannot resume a stopped container"),
		[SUP_REQ_UPDATE] = NO(SUP_EXITED, UNK, "cannot update a stopped container"),
		[SUP_REQ_CHECKPOINT] = NO(SUP_EXITED, UNK, "cannot checkpoint a stopped container"),
		[SUP_REQ_DELETE] = { SUP_CALL, SUP_DELETING },
		/* A pause, an update or a start that was under way when the init died. */
		[SUP_RT_OK] = { SUP_REPLY_OK, SUP_EXITED },
		[SUP_RT_FAIL] = { SUP_REPLY_FAIL, SUP_EXITED },
		[SUP_PROC_EXIT] = { SUP_IGNORE, SUP_EXITED },
		[SUP_IO_EOF] = { SUP_PUBLISH, SUP_EXITED },
		[SUP_DRAIN_TIMEOUT] = { SUP_PUBLISH, SUP_EXITED },
		[SUP_OOM] = { SUP_TELL_OOM, SUP_EXITED },
		[SUP_FRONT_GONE] = { SUP_ROLL_BACK, SUP_DELETING },
	},
	[SUP_DELETING] = {
		[SUP_REQ_CREATE] = NO(SUP_DELETING, TTRPC_ALREADY_EXISTS, "task already exists"),
		[SUP_REQ_START] = NO(SUP_DELETING, UNK, "cannot start a deleted process"),
		[SUP_REQ_EXEC] = NO(SUP_DELETING, UNK, "cannot exec in a deleted state"),
		[SUP_REQ_KILL] = NO(SUP_DELETING, NOTFOUND, FINISHED),
		[SUP_REQ_PAUSE] = NO(SUP_DELETING, UNK, "cannot pause a deleted container"),
		[SUP_REQ_RESUME] = NO(SUP_DELETING, UNK, "cannot resume a deleted container"),
		[SUP_REQ_UPDATE] = NO(SUP_DELETING, UNK, "cannot update a deleted container"),
		[SUP_REQ_CHECKPOINT] = NO(SUP_DELETING, UNK,
					  "cannot checkpoint a deleted container"),
		[SUP_REQ_DELETE] = { SUP_QUEUE, SUP_DELETING },
		[SUP_RT_OK] = { SUP_REPLY_OK, SUP_DELETED },
		/* task.c goes back to where the delete came from (created or exited). */
		[SUP_RT_FAIL] = { SUP_REPLY_FAIL, SUP_EXITED },
		[SUP_PROC_EXIT] = { SUP_EXIT, SUP_DELETING },
		[SUP_IO_EOF] = { SUP_PUBLISH, SUP_DELETING },
		[SUP_DRAIN_TIMEOUT] = { SUP_PUBLISH, SUP_DELETING },
		[SUP_OOM] = { SUP_TELL_OOM, SUP_DELETING },
		[SUP_FRONT_GONE] = { SUP_DOOM, SUP_DELETING },
	},
	[SUP_DELETED] = {
		[SUP_REQ_CREATE] = NO(SUP_DELETED, NOTFOUND, GONE),
		[SUP_REQ_START] = NO(SUP_DELETED, NOTFOUND, GONE),
		[SUP_REQ_EXEC] = NO(SUP_DELETED, NOTFOUND, GONE),
		[SUP_REQ_KILL] = NO(SUP_DELETED, NOTFOUND, GONE),
		[SUP_REQ_PAUSE] = NO(SUP_DELETED, NOTFOUND, GONE),
		[SUP_REQ_RESUME] = NO(SUP_DELETED, NOTFOUND, GONE),
		[SUP_REQ_UPDATE] = NO(SUP_DELETED, NOTFOUND, GONE),
		[SUP_REQ_CHECKPOINT] = NO(SUP_DELETED, NOTFOUND, GONE),
		[SUP_REQ_DELETE] = NO(SUP_DELETED, NOTFOUND, GONE),
		[SUP_RT_OK] = { SUP_IGNORE, SUP_DELETED },
		[SUP_RT_FAIL] = { SUP_IGNORE, SUP_DELETED },
		/* Reaped after the runtime's delete had returned. */
		[SUP_PROC_EXIT] = { SUP_EXIT, SUP_DELETED },
		[SUP_IO_EOF] = { SUP_PUBLISH, SUP_DELETED },
		[SUP_DRAIN_TIMEOUT] = { SUP_PUBLISH, SUP_DELETED },
		[SUP_OOM] = { SUP_TELL_OOM, SUP_DELETED },
		[SUP_FRONT_GONE] = { SUP_IGNORE, SUP_DELETED },
	},
} };

/* An exec session begins registered (created); it is not paused by itself and has no update. */
#define NEVER "process does not exist: not found"
#define EXEC_NEVER(state)                                      \
	{                                                      \
		[SUP_REQ_CREATE] = NO(state, NOTFOUND, NEVER), \
		[SUP_REQ_START] = NO(state, NOTFOUND, NEVER),  \
		[SUP_REQ_EXEC] = NO(state, NOTFOUND, NEVER),   \
		[SUP_REQ_KILL] = NO(state, NOTFOUND, NEVER),   \
		[SUP_REQ_PAUSE] = NO(state, NOTFOUND, NEVER),  \
		[SUP_REQ_RESUME] = NO(state, NOTFOUND, NEVER), \
		[SUP_REQ_UPDATE] = NO(state, NOTFOUND, NEVER), \
		[SUP_REQ_CHECKPOINT] = NO(state, NOTFOUND, NEVER), \
		[SUP_REQ_DELETE] = NO(state, NOTFOUND, NEVER), \
		[SUP_RT_OK] = { SUP_IGNORE, state },           \
		[SUP_RT_FAIL] = { SUP_IGNORE, state },         \
		[SUP_PROC_EXIT] = { SUP_IGNORE, state },       \
		[SUP_IO_EOF] = { SUP_IGNORE, state },          \
		[SUP_DRAIN_TIMEOUT] = { SUP_IGNORE, state },   \
		[SUP_OOM] = { SUP_IGNORE, state },             \
		[SUP_FRONT_GONE] = { SUP_IGNORE, state },      \
	}
#define EXEC_NO_CONTAINER(state)                                                             \
	[SUP_REQ_CREATE] = NO(state, TTRPC_UNIMPLEMENTED, "an exec session cannot be created twice"), \
	[SUP_REQ_EXEC] = NO(state, TTRPC_UNIMPLEMENTED, "cannot exec in an exec session"),   \
	[SUP_REQ_PAUSE] = NO(state, TTRPC_UNIMPLEMENTED, "cannot pause an exec session"),    \
	[SUP_REQ_RESUME] = NO(state, TTRPC_UNIMPLEMENTED, "cannot resume an exec session"),  \
	[SUP_REQ_UPDATE] = NO(state, TTRPC_UNIMPLEMENTED, "cannot update an exec session"),  \
	[SUP_REQ_CHECKPOINT] = NO(state, TTRPC_UNIMPLEMENTED,                                \
				  "cannot checkpoint an exec session"),                      \
	[SUP_OOM] = { SUP_IGNORE, state },                                                   \
	[SUP_FRONT_GONE] = { SUP_IGNORE, state }

const struct sup_table sup_exec_table = { {
	[SUP_NEW] = EXEC_NEVER(SUP_NEW),
	[SUP_CREATING] = EXEC_NEVER(SUP_CREATING),
	[SUP_CREATED] = {
		EXEC_NO_CONTAINER(SUP_CREATED),
		[SUP_REQ_START] = { SUP_CALL, SUP_STARTING },
		[SUP_REQ_KILL] = NO(SUP_CREATED, PRE, "process not created: failed precondition"),
		[SUP_REQ_DELETE] = { SUP_REPLY_OK, SUP_DELETED },
		[SUP_RT_OK] = { SUP_IGNORE, SUP_CREATED },
		[SUP_RT_FAIL] = { SUP_IGNORE, SUP_CREATED },
		[SUP_PROC_EXIT] = { SUP_IGNORE, SUP_CREATED },
		[SUP_IO_EOF] = { SUP_IGNORE, SUP_CREATED },
		[SUP_DRAIN_TIMEOUT] = { SUP_IGNORE, SUP_CREATED },
	},
	[SUP_STARTING] = {
		EXEC_NO_CONTAINER(SUP_STARTING),
		[SUP_REQ_START] = NO(SUP_STARTING, UNK, "cannot start a running process"),
		[SUP_REQ_KILL] = { SUP_QUEUE, SUP_STARTING },
		[SUP_REQ_DELETE] = { SUP_QUEUE, SUP_STARTING },
		[SUP_RT_OK] = { SUP_REPLY_OK, SUP_RUNNING },
		/* Whoever waits for it is released; the record stays until Delete. */
		[SUP_RT_FAIL] = { SUP_REPLY_FAIL | SUP_PUBLISH, SUP_EXITED },
		[SUP_PROC_EXIT] = { SUP_HOLD_EXIT, SUP_STARTING },
		[SUP_IO_EOF] = { SUP_IGNORE, SUP_STARTING },
		[SUP_DRAIN_TIMEOUT] = { SUP_IGNORE, SUP_STARTING },
	},
	[SUP_RUNNING] = {
		EXEC_NO_CONTAINER(SUP_RUNNING),
		[SUP_REQ_START] = NO(SUP_RUNNING, UNK, "cannot start a running process"),
		[SUP_REQ_KILL] = { SUP_KILL, SUP_RUNNING },
		[SUP_REQ_DELETE] = NO(SUP_RUNNING, PRE, "cannot delete a running process"),
		[SUP_RT_OK] = { SUP_IGNORE, SUP_RUNNING },
		[SUP_RT_FAIL] = { SUP_IGNORE, SUP_RUNNING },
		[SUP_PROC_EXIT] = { SUP_EXIT, SUP_EXITED },
		[SUP_IO_EOF] = { SUP_IGNORE, SUP_RUNNING },
		[SUP_DRAIN_TIMEOUT] = { SUP_IGNORE, SUP_RUNNING },
	},
	[SUP_PAUSING] = EXEC_NEVER(SUP_PAUSING),
	[SUP_PAUSED] = EXEC_NEVER(SUP_PAUSED),
	[SUP_RESUMING] = EXEC_NEVER(SUP_RESUMING),
	[SUP_EXITED] = {
		EXEC_NO_CONTAINER(SUP_EXITED),
		[SUP_REQ_START] = NO(SUP_EXITED, UNK, "cannot start a stopped process"),
		[SUP_REQ_KILL] = NO(SUP_EXITED, NOTFOUND, FINISHED),
		[SUP_REQ_DELETE] = { SUP_REPLY_OK | SUP_PUBLISH, SUP_DELETED },
		[SUP_RT_OK] = { SUP_IGNORE, SUP_EXITED },
		[SUP_RT_FAIL] = { SUP_IGNORE, SUP_EXITED },
		[SUP_PROC_EXIT] = { SUP_IGNORE, SUP_EXITED },
		[SUP_IO_EOF] = { SUP_PUBLISH, SUP_EXITED },
		[SUP_DRAIN_TIMEOUT] = { SUP_PUBLISH, SUP_EXITED },
	},
	[SUP_DELETING] = EXEC_NEVER(SUP_DELETING),
	[SUP_DELETED] = EXEC_NEVER(SUP_DELETED),
} };
/* clang-format on */

const struct sup_cell *sup_step(const struct sup_table *table, enum sup_state state,
				enum sup_event event)
{
	assert(state < SUP_STATE_N && event < SUP_EVENT_N);
	return &table->cell[state][event];
}

const char *sup_state_name(enum sup_state state)
{
	static const char *const names[SUP_STATE_N] = {
		[SUP_NEW] = "new",           [SUP_CREATING] = "creating", [SUP_CREATED] = "created",
		[SUP_STARTING] = "starting", [SUP_RUNNING] = "running",   [SUP_PAUSING] = "pausing",
		[SUP_PAUSED] = "paused",     [SUP_RESUMING] = "resuming", [SUP_EXITED] = "stopped",
		[SUP_DELETING] = "deleting", [SUP_DELETED] = "deleted",
	};

	return names[state];
}

const char *sup_event_name(enum sup_event event)
{
	static const char *const names[SUP_EVENT_N] = {
		[SUP_REQ_CREATE] = "create",
		[SUP_REQ_START] = "start",
		[SUP_REQ_EXEC] = "exec",
		[SUP_REQ_KILL] = "kill",
		[SUP_REQ_PAUSE] = "pause",
		[SUP_REQ_RESUME] = "resume",
		[SUP_REQ_UPDATE] = "update",
		[SUP_REQ_CHECKPOINT] = "checkpoint",
		[SUP_REQ_DELETE] = "delete",
		[SUP_RT_OK] = "runtime done",
		[SUP_RT_FAIL] = "runtime failed",
		[SUP_PROC_EXIT] = "process exit",
		[SUP_IO_EOF] = "drained",
		[SUP_DRAIN_TIMEOUT] = "drain timeout",
		[SUP_OOM] = "oom",
		[SUP_FRONT_GONE] = "front gone",
	};

	return names[event];
}
