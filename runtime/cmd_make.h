/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the command lines of create and run have in common.
 */
#pragma once

#include "common/err.h"
#include "runtime/command.h"
#include "runtime/container.h"

/* clang-format off */
#define CMD_MAKE_OPTIONS                                                                           \
	{ .name = "bundle", .alias = "b", .type = OPTION_STRING, .arg = "DIR",                     \
	  .help = "root of the bundle (default: the current directory)" },                         \
	{ .name = "config", .alias = "f", .type = OPTION_STRING, .arg = "FILE",                    \
	  .help = "the configuration (default: config.json in the bundle)" },                      \
	{ .name = "console-socket", .type = OPTION_STRING, .arg = "PATH",                          \
	  .help = "socket that gets the master of the container's terminal" },                     \
	{ .name = "pidfd-socket", .type = OPTION_STRING, .arg = "PATH",                            \
	  .help = "socket that gets a pidfd of the container's init" },                            \
	{ .name = "pid-file", .type = OPTION_STRING, .arg = "FILE",                                \
	  .help = "file to write the pid of the container's init to" },                            \
	{ .name = "no-pivot", .type = OPTION_BOOL,                                                 \
	  .help = "do not use pivot_root (for a root file system in a ramdisk)" },                 \
	{ .name = "no-new-keyring", .type = OPTION_BOOL,                                           \
	  .help = "keep the caller's session keyring" },                                           \
	{ .name = "preserve-fds", .type = OPTION_INT, .arg = "N",                                  \
	  .help = "pass N more descriptors, from 3 on, to the container" }
/* clang-format on */

/* What restore has too: the bundle, which is entered, and the files beside it. */
MUST_CHECK int cmd_enter_bundle(const struct command_call *call, struct container_create *req,
				struct err *err);
/* Fills the request and enters the bundle; relative paths are taken from where the caller was. */
MUST_CHECK int cmd_make_request(const struct command_call *call, struct container_create *req,
				struct err *err);

/* The service manager's socket that NOTIFY_SOCKET names, NULL: none, or none that we can send to. */
const char *cmd_notify_socket(void);

/* Absolute form of a path option, NULL if it is not given. */
const char *cmd_path(const struct command_call *call, const char *name);
