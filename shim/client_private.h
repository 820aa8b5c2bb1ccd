/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the client commands (client*.c) only: options, one container as a client sees it, calls
 * to its shim.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/json.h"
#include "shim/exit_record.h"
#include "shim/registry.h"
#include "shim/shim.pb-c.h"
#include "shim/task.pb-c.h"
#include "shim/ttrpc_client.h"

/* Above the shim's own limit of a runtime's call: its answer says more than ours would. */
#define CLIENT_CALL_MS 185000
#define CLIENT_VIEW_MS 30000
#define CLIENT_TASK "containerd.task.v2.Task"
#define CLIENT_SHIM "thole.shim.v1.Shim"
#define CLIENT_UNKNOWN 255 /* exit status where nobody can know it, and of failures of our own */

struct client_list {
	const char **items;
	size_t n;
};

/* One of flag, text and list is set; value names the argument in the help. */
struct client_option {
	const char *name;
	char letter; /* 0: none */
	const char *value;
	const char *help;
	bool *flag;
	const char **text;
	struct client_list *list; /* items: room for argc */
};

struct client {
	const char *command;
	struct registry_key key;
	struct arena arena;
	int dirfd;
	bool has_info; /* false: the daemon died before it wrote one */
	struct registry_info info;
	bool alive; /* the shim answers: rpc is connected */
	struct ttrpc_client rpc;
};

struct client_command {
	const char *name, *usage, *help;
	/* Returns the exit status or -errno; argv[0] is the command. */
	int (*run)(struct client *c, int argc, char **argv, struct err *err);
	int failure; /* exit status of an error */
};

/* Reads the options of a command, also --root, --namespace and --help, and moves the operands to
 * argv[1...]; *ret_n says how many. stop: all behind the first operand are operands. Returns 0,
 * -EINVAL with its text, -ECANCELED after the help was printed. */
MUST_CHECK int client_options(struct client *c, int argc, char **argv,
			      const struct client_option *options, size_t n_options, bool stop,
			      int *ret_n, struct err *err);
MUST_CHECK int client_want_operands(const struct client *c, int n, int min, int max,
				    struct err *err);

/* Looks the container up and connects to its shim. -ENOENT: there is none of that id. */
MUST_CHECK int client_open(struct client *c, const char *id, struct err *err);
/* The same for a command with no options of its own and no other operand. */
MUST_CHECK int client_open_operand(struct client *c, int argc, char **argv, struct err *err);
void client_close(struct client *c);
/* One more connection. */
MUST_CHECK int client_connect(const struct client *c, struct ttrpc_client *ret, struct err *err);
/* The error for what only a living shim can do. */
int client_dead(const struct client *c, struct err *err);

/* A call of the task service or of our own; ret may be NULL. */
MUST_CHECK int client_call(struct client *c, const struct ttrpc_method *method,
			   const ProtobufCMessage *request, ProtobufCMessage **ret,
			   struct err *err);

/* The exit record; the JSON lives in the client's arena. -ENOENT: there is none. */
MUST_CHECK int client_record(struct client *c, struct exit_record *ret, struct json **ret_json,
			     struct err *err);
/* A pidfd of the container's init by pid and start time; -ESRCH: it has ended. */
MUST_CHECK int client_init_pidfd(const struct client *c);
/* Runs the container's runtime: COMMAND [FLAG] ID [LAST]; flag and last may be NULL. Its error text on
 * failure. */
MUST_CHECK int client_run_runtime(struct client *c, const char *command, const char *flag,
				  const char *last, struct err *err);

/* What the shim says, or what can be seen without it. */
struct client_view {
	const char *status; /* "created", "running", "paused", "stopped", ... */
	pid_t pid;          /* 0 when it has ended */
};
MUST_CHECK int client_view(struct client *c, int ms, struct client_view *ret, struct err *err);

/* A terminal in raw mode; restored by client_term_restore, which may be called always. */
struct client_term {
	int fd;
	bool raw;
	struct termios saved, mode;
};
MUST_CHECK int client_term_raw(struct client_term *term, int fd, struct err *err);
/* Raw mode once more, after we were stopped and continued by a shell. */
void client_term_again(struct client_term *term);
void client_term_restore(struct client_term *term);
bool client_term_size(int fd, uint32_t *width, uint32_t *height);

/* "ctrl-p,ctrl-q", "a", "ctrl-@": at most sizeof(keys) bytes; "" switches it off. */
struct client_keys {
	char keys[16];
	size_t n, matched;
};
#define CLIENT_KEYS_DEFAULT "ctrl-p,ctrl-q"
MUST_CHECK int client_keys_parse(struct client_keys *k, const char *text, struct err *err);
/* Passes input on into `out` but for the keys; true: they have been seen. */
bool client_keys_filter(struct client_keys *k, const char *data, size_t n, struct str *out);

/* The input and output of a process of the container until it ends or the user detaches. */
struct client_session {
	struct client *c;
	const char *exec_id; /* "": the init */
	bool with_stdin, terminal, forward;
	const char *detach_keys;
	/* Called once the stream is there and before any output is read; NULL: nothing to do. */
	int (*start)(struct client *c, const char *exec_id, struct err *err);
};
/* Returns the exit status, 0 after detaching, -errno. */
MUST_CHECK int client_session_run(const struct client_session *session, struct err *err);

int client_cmd_state(struct client *c, int argc, char **argv, struct err *err);
int client_cmd_wait(struct client *c, int argc, char **argv, struct err *err);
int client_cmd_exec(struct client *c, int argc, char **argv, struct err *err);
int client_cmd_attach(struct client *c, int argc, char **argv, struct err *err);
int client_cmd_kill(struct client *c, int argc, char **argv, struct err *err);
int client_cmd_resize(struct client *c, int argc, char **argv, struct err *err);
int client_cmd_reopen_log(struct client *c, int argc, char **argv, struct err *err);
int client_cmd_delete(struct client *c, int argc, char **argv, struct err *err);
int client_cmd_list(struct client *c, int argc, char **argv, struct err *err);
int client_cmd_logs(struct client *c, int argc, char **argv, struct err *err);

/* client_logs_raw.c */
struct client_raw_log {
	const char *path;
	uint64_t tail; /* lines; UINT64_MAX: all */
	bool follow, escape;
	bool (*ended)(void *user); /* the container; looked at when wait_fd is readable */
	void *user;
	int wait_fd;
};
/* A file of bytes. 0 or -errno. */
MUST_CHECK int client_raw_log_print(const struct client_raw_log *log);
/* -ENOENT with the words for a container whose output is in no file. */
MUST_CHECK int client_logs_elsewhere(const struct client *c, struct err *err);
