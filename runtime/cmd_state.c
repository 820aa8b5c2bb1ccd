/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole state ID
 */
#include <errno.h>

#include "common/fd.h"
#include "common/io.h"
#include "runtime/command.h"
#include "runtime/state.h"
#include "spec/spec_docs.h"

static int run_state(const struct command_call *call, struct err *err)
{
	CLEANUP_STATE_DIR struct state_dir dir = STATE_DIR_INIT;
	CLEANUP_JSON_WRITER struct json_writer *w = json_writer_new("  ");
	CLEANUP_FD int pidfd = -EBADF;
	struct state state;
	struct spec_state out;
	enum state_status status;
	const char *text;
	size_t n;
	int r;

	r = state_dir_peek(call->arena, call->global->root, call->args[0], &dir, err);
	if (r >= 0)
		r = state_read(call->arena, &dir, &state, err);
	if (r < 0)
		return r;
	status = state_status(&state, &pidfd);
	out = (struct spec_state){
		.id = state.id,
		.status = state_status_name(status),
		.pid = pidfd >= 0 ? state.pid : 0,
		.bundle = state.bundle,
		.rootfs = state.rootfs,
		.created = state.created,
		.annotations = &state.annotations,
		.owner = "", /* as runc's: only `list` tells it */
	};
	spec_state_write(w, &out);
	text = json_writer_text(w, &n);
	r = io_write_all(STDOUT_FILENO, text, n);
	if (r < 0)
		return err_sysn(err, r, "write to standard output");
	return 0;
}

const struct command cmd_state = {
	.name = "state",
	.args_help = "<container-id>",
	.help = "print the state of a container as JSON",
	.min_args = 1,
	.max_args = 1,
	.error_status = 1,
	.run = run_state,
};
