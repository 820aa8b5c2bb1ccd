/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thole spec [-b DIR] [--rootless]
 */
#include <errno.h>
#include <fcntl.h>

#include "common/fd.h"
#include "common/io.h"
#include "runtime/command.h"
#include "runtime/host.h"
#include "spec/spec_docs.h"

#define CONFIG_FILE "config.json"

static int run_spec(const struct command_call *call, struct err *err)
{
	const char *bundle = option_string(call->options, "bundle");
	const char *file = option_string(call->options, "config");
	struct spec_default_options defaults = {
		.rootless = option_bool(call->options, "rootless"),
		.euid = geteuid(),
		.egid = getegid(),
	};
	CLEANUP_STR struct str text = { 0 };
	CLEANUP_FD int dir = -EBADF, fd = -EBADF;
	struct host host;
	int r;

	r = host_probe(call->arena, &host, err);
	if (r < 0)
		return r;
	defaults.cgroup_namespace = host.layout == HOST_CGROUP_V2;
	if (!bundle || !*bundle)
		bundle = ".";
	dir = fd_open(bundle, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return err_sysn(err, dir, "chdir %s", bundle);
	spec_default_write(&text, &defaults);

	if (!file || !*file)
		file = CONFIG_FILE;
	fd = fd_openat(dir, file, O_WRONLY | O_CREAT | O_EXCL, 0666);
	if (fd == -EEXIST)
		return err_set(err, EEXIST, "File %s exists. Remove it first", file);
	if (fd < 0)
		return err_sysn(err, fd, "open %s", file);
	r = io_write_all(fd, text.data, text.len);
	if (r < 0) {
		(void)unlinkat(dir, file, 0);
		return err_sysn(err, r, "write %s", file);
	}
	return 0;
}

static const struct option options[] = {
	{ .name = "bundle",
	  .alias = "b",
	  .type = OPTION_STRING,
	  .arg = "DIR",
	  .help = "bundle directory (default: the current one)" },
	{ .name = "config",
	  .alias = "f",
	  .type = OPTION_STRING,
	  .arg = "FILE",
	  .help = "write it to this file (default: config.json in the bundle)" },
	{ .name = "rootless",
	  .type = OPTION_BOOL,
	  .help = "a configuration for a caller without privileges" },
};

const struct command cmd_spec = {
	.name = "spec",
	.args_help = "",
	.help = "write a default configuration, config.json",
	.options = options,
	.n_options = ARRAY_COUNT(options),
	.max_args = 0,
	.error_status = 1,
	.run = run_spec,
};
