/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands that ask a shim (or, where it is dead, its record and registry): state, wait, exec,
 * attach, kill, resize, reopen-log, delete, list, logs. Never part of the daemon.
 */
#pragma once

#include <stdbool.h>

/* Is it one of these commands? */
bool client_is_command(const char *name);

/* argv[0]: the program, argv[1]: the command. Prints its error, if any. Returns the exit status. */
int client_main(int argc, char **argv);

/* The commands and what they do, a line each, for the program's own help. */
void client_print_commands(void);
