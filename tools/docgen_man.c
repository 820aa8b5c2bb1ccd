/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One man page, in mdoc. The fragment's text before its first section is the description; its
 * sections follow the options.
 */
#include <ctype.h>
#include <stdio.h>

#include "tools/docgen.h"

#define PAGE_DATE "November 22, 2026"

/* Running text: no line that begins as a request, no escape. */
static void add_text(const char *text, struct str *out)
{
	if (*text == '.' || *text == '\'')
		str_add(out, "\\&");
	for (; *text; text++) {
		if (*text == '\\')
			str_add(out, "\\e");
		else if (*text == '-')
			str_add(out, "\\-");
		else
			str_add_char(out, *text);
	}
}

/* A help line as a sentence. */
static void add_sentence(const char *help, struct str *out)
{
	size_t start = out->len, n = strlen(help);

	if (n == 0)
		return;
	add_text(help, out);
	if (out->data[start] != '\\')
		out->data[start] = (char)toupper((unsigned char)out->data[start]);
	str_add(out, help[n - 1] == '.' ? "\n" : ".\n");
}

static void add_flag(const char *name, const struct option *option, struct str *out)
{
	str_addf(out, "Fl %s%s", name[1] ? "Fl " : "", name);
	if (option->type != OPTION_BOOL)
		str_addf(out, " Ar \"%s\"", option->arg ? option->arg : "value");
}

static void add_options(const struct option *options, size_t n, bool program, struct str *out)
{
	str_add(out, ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < n; i++) {
		if (options[i].hidden)
			continue;
		str_add(out, ".It ");
		add_flag(options[i].name, &options[i], out);
		if (options[i].alias) {
			str_add(out, " , ");
			add_flag(options[i].alias, &options[i], out);
		}
		str_add(out, "\n");
		add_sentence(options[i].help, out);
		if (options[i].type == OPTION_STRINGS)
			str_add(out, "May be repeated.\n");
	}
	str_add(out, ".It Fl Fl help , Fl h\nShow help.\n");
	if (program)
		str_add(out, ".It Fl Fl version , Fl v\n"
			     "Print the version, the commit, the version of the specification and "
			     "that of\nlibseccomp.\n");
	str_add(out, ".El\n");
}

/* "<container-id> [signal]" as macros, one a line. */
static void add_args(const char *args, struct str *out)
{
	for (; args && *args; args++) {
		size_t n = strcspn(args, ">]");

		if (*args == '<')
			str_addf(out, ".Ar %.*s\n", (int)n - 1, args + 1);
		else if (*args == '[')
			str_addf(out, ".Op Ar %.*s\n", (int)n - 1, args + 1);
		else
			continue;
		args += n;
		if (!*args)
			break;
	}
}

static void add_head(const char *name, const char *help, struct str *out)
{
	str_add(out, ".\\\" SPDX-License-Identifier: Apache-2.0\n");
	str_add(out, ".\\\" Rendered by `make man` from the command table and docs/man/text.\n");
	str_add(out, ".Dd " PAGE_DATE "\n.Dt ");
	for (const char *c = name; *c; c++)
		str_add_char(out, (char)toupper((unsigned char)*c));
	str_addf(out, " 8\n.Os\n.Sh NAME\n.Nm %s\n.Nd ", name);
	add_text(help, out);
	str_add(out, "\n.Sh SYNOPSIS\n.Nm thole\n.Op Ar global options\n");
}

/* Where the fragment's first section begins. */
static const char *find_sections(const char *text)
{
	const char *at = str_starts_with(text, ".Sh ") ? text : strstr(text, "\n.Sh ");

	if (!at)
		return text + strlen(text);
	return *at == '\n' ? at + 1 : at;
}

/* The fragment but for its comments, which are its own. */
static void add_fragment(const char *text, size_t n, struct str *out)
{
	for (const char *end = text + n; text < end;) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));
		const char *next = eol ? eol + 1 : end;

		if (!str_starts_with(text, ".\\\""))
			str_add_n(out, text, (size_t)(next - text));
		text = next;
	}
}

static void add_commands(struct str *out)
{
	str_add(out, ".Sh COMMANDS\n.Bl -tag -width Ds\n");
	for (size_t i = 0; command_table[i]; i++) {
		str_addf(out, ".It Xr thole-%s 8\n", command_table[i]->name);
		add_sentence(command_table[i]->help, out);
	}
	str_add(out, ".It Cm help Op Ar command\nShow help for the program or one command.\n.El\n");
}

static void page_of_command(const struct command *command, const char *text, struct str *out)
{
	const char *sections = find_sections(text);
	char name[128];

	snprintf(name, sizeof(name), "thole-%s", command->name);
	add_head(name, command->help, out);
	str_addf(out, ".Cm %s\n.Op Ar options\n", command->name);
	add_args(command->args_help, out);
	str_add(out, ".Sh DESCRIPTION\n");
	if (sections == text)
		add_sentence(command->help, out);
	add_fragment(text, (size_t)(sections - text), out);
	str_add(out, ".Sh OPTIONS\n");
	add_options(command->options, command->n_options, false, out);
	if (!strstr(sections, ".Sh EXIT STATUS"))
		str_addf(out, ".Sh EXIT STATUS\n0 on success, %d on failure.\n",
			 command->error_status);
	add_fragment(sections, strlen(sections), out);
	str_add(out, ".Sh SEE ALSO\n.Xr thole 8\n");
}

void docgen_man(const struct command *command, const char *text, struct str *out)
{
	const char *sections = find_sections(text);

	if (command) {
		page_of_command(command, text, out);
		return;
	}
	add_head("thole", "run containers from OCI bundles", out);
	str_add(out, ".Ar command\n.Op Ar options\n.Op Ar arguments\n.Sh DESCRIPTION\n");
	add_fragment(text, (size_t)(sections - text), out);
	str_add(out, ".Ss Global options\n");
	add_options(command_globals, command_n_globals, true, out);
	add_commands(out);
	add_fragment(sections, strlen(sections), out);
}
