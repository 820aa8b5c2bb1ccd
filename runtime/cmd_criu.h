/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the command lines of checkpoint and restore have in common.
 */
#pragma once

#include "common/err.h"
#include "runtime/command.h"
#include "runtime/criu_plan.h"

/* clang-format off */
#define CMD_CRIU_OPTIONS                                                                           \
	{ .name = "image-path", .type = OPTION_STRING, .arg = "DIR",                               \
	  .help = "directory of the images (default: checkpoint)" },                               \
	{ .name = "work-path", .type = OPTION_STRING, .arg = "DIR",                                \
	  .help = "directory of criu's log and work files (default: that of the images)" },        \
	{ .name = "tcp-established", .type = OPTION_BOOL,                                          \
	  .help = "keep open TCP connections" },                                                   \
	{ .name = "ext-unix-sk", .type = OPTION_BOOL,                                              \
	  .help = "allow unix sockets whose other end is outside" },                               \
	{ .name = "shell-job", .type = OPTION_BOOL,                                                \
	  .help = "allow a terminal that is the caller's" },                                       \
	{ .name = "lazy-pages", .type = OPTION_BOOL,                                               \
	  .help = "move memory on demand (userfaultfd)" },                                         \
	{ .name = "file-locks", .type = OPTION_BOOL, .help = "keep file locks" },                  \
	{ .name = "manage-cgroups-mode", .type = OPTION_STRING, .arg = "soft|full|strict|ignore", \
	  .help = "what of the cgroups is saved (default soft)" },                                 \
	{ .name = "empty-ns", .type = OPTION_STRINGS, .arg = "NAMESPACE",                          \
	  .help = "make the namespace without its content (network)" },                            \
	{ .name = "auto-dedup", .type = OPTION_BOOL,                                               \
	  .help = "drop pages from the images that are not needed any more" },                     \
	{ .name = "network-lock", .type = OPTION_STRING, .arg = "iptables|nftables|skip", \
	  .help = "how connections are held" }
/* clang-format on */

/* Fills the options that both have; the directories are made if missing (make_directories) and
 * criu is looked up. */
MUST_CHECK int cmd_criu_options(const struct command_call *call, enum criu_type type,
				struct criu_options *ret, struct err *err);
