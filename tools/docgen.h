/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renders the command table of runtime/command.h: man pages and completions. A build tool; no part
 * of the programs. What a page says beyond the table (description, examples, files) is in
 * docs/man/text/NAME.mdoc.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "common/str.h"
#include "runtime/command.h"

/* What may stand for an option's argument, told by its word in the table. */
enum docgen_value { DOCGEN_NONE, DOCGEN_ANY, DOCGEN_FILE, DOCGEN_DIR, DOCGEN_WORDS };
enum docgen_value docgen_value(const struct option *option);
/* Appends the words of "table|json", separated by `sep`. */
void docgen_words(const char *arg, const char *sep, struct str *out);

/* A page: the one of the program (command NULL) or of one command. `text`: the fragment, or "". */
void docgen_man(const struct command *command, const char *text, struct str *out);

void docgen_bash(struct str *out);
void docgen_zsh(struct str *out);
void docgen_fish(struct str *out);

/* Positionals as the completions know them: "<container-id> [signal]". */
enum docgen_arg { DOCGEN_ARG_NONE, DOCGEN_ARG_CONTAINER, DOCGEN_ARG_SIGNAL };
enum docgen_arg docgen_arg(const struct command *command, int index);
/* The names that `kill` takes, without SIG, separated by spaces. */
void docgen_signals(struct str *out);
