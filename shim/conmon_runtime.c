// SPDX-License-Identifier: Apache-2.0
// argv and environment of the runtime.
#include "shim/conmon_runtime.h"

#include <errno.h>
#include <signal.h>

#include "common/proc.h"
#include "common/str.h"

#define FIXED_ARGS 24
#define LISTEN_PID "LISTEN_PID="

struct args {
	const char **argv;
	size_t n;
};

static void add(struct args *a, const char *arg)
{
	a->argv[a->n++] = arg;
}

static void add_list(struct args *a, const struct conmon_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		add(a, list->items[i]);
}

static void add_exec(struct args *a, const struct conmon_command *c)
{
	add(a, "exec");
	add(a, "--pid-file");
	add(a, c->pid_file);
	add(a, "--process");
	add(a, c->o->process_spec);
	add(a, "--detach");
}

static void add_create(struct args *a, const struct conmon_command *c)
{
	const struct conmon_options *o = c->o;

	add(a, o->restore ? "restore" : "create");
	add(a, "--bundle");
	add(a, c->bundle);
	add(a, "--pid-file");
	add(a, c->pid_file);
	if (o->no_pivot)
		add(a, "--no-pivot");
	if (o->no_new_keyring)
		add(a, "--no-new-keyring");
	if (o->restore) {
		add(a, "--detach");
		add(a, "--image-path");
		add(a, o->restore);
		add(a, "--work-path");
		add(a, c->bundle);
	}
}

const char **conmon_command_argv(const struct conmon_command *c, struct arena *arena)
{
	const struct conmon_options *o = c->o;
	struct args a = { .argv = ARENA_ARRAY(arena,
					      FIXED_ARGS + o->runtime_args.n + o->runtime_opts.n,
					      const char *) };

	add(&a, o->runtime);
	if (o->systemd_cgroup && !o->exec)
		add(&a, "--systemd-cgroup");
	add_list(&a, &o->runtime_args);
	if (o->exec)
		add_exec(&a, c);
	else
		add_create(&a, c);
	add_list(&a, &o->runtime_opts);
	if (c->console) {
		add(&a, "--console-socket");
		add(&a, c->console);
	}
	add(&a, o->cid);
	add(&a, NULL);
	return a.argv;
}

/* The caller's environment with room for the runtime's pid in LISTEN_PID, if that is to change. */
static int environment(const struct conmon_spawn *spawn, bool always, struct arena *arena,
		       char ***ret_env, char **ret_pid)
{
	const char *value = getenv("LISTEN_PID");
	size_t n = 0;
	char **env;
	int pid;

	*ret_env = NULL;
	*ret_pid = NULL;
	if (!value)
		return 0;
	if (parse_int(value, &pid) < 0 || pid <= 0)
		return -EINVAL;
	if (pid != spawn->monitor && !always)
		return 0;
	while (environ[n])
		n++;
	env = ARENA_ARRAY(arena, n + 1, char *);
	for (size_t i = 0; i < n; i++) {
		env[i] = environ[i];
		if (!str_starts_with(env[i], LISTEN_PID))
			continue;
		env[i] = arena_strdup(arena, LISTEN_PID "000000000000");
		*ret_pid = env[i] + strlen(LISTEN_PID);
	}
	*ret_env = env;
	return 0;
}

pid_t conmon_command_spawn(const struct conmon_command *c, const struct conmon_spawn *spawn,
			   int *ret_pidfd, struct err *err)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct proc_fd_map map[3] = { { spawn->stdio[0], 0 },
				      { spawn->stdio[1], 1 },
				      { spawn->stdio[2], 2 } };
	struct proc_spawn ps = {
		.path = c->o->runtime,
		.argv = (char *const *)conmon_command_argv(c, &arena),
		.cwd_fd = -1,
		.fds = map,
		.n_fds = spawn->inherit ? 0 : ARRAY_COUNT(map),
		.death_signal = SIGKILL,
		.oom_score_adj = spawn->oom_score_adj,
	};
	char **env;

	if (environment(spawn, c->o->replace_listen_pid, &arena, &env, &ps.pid_text) < 0)
		return err_set(err, EINVAL, "LISTEN_PID is not a positive number");
	ps.envp = env;
	return proc_spawn(&ps, ret_pidfd, err);
}
