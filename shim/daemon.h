/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim's long-lived process for one container of the shim's own command line: sets up, creates
 * and starts, reports, serves, ends after the delete. Undoes all of it when any step before the
 * report fails or the launcher dies.
 */
#pragma once

#include "shim/front_cli.h"

/* In the forked child. Returns its exit status. */
int daemon_run(const struct front_options *options, int report_fd_consume);
