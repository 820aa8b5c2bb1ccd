/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option parser and the help texts; both read only the tables of command.h.
 */
#include "runtime/command.h"

#include <errno.h>

struct value_list {
	const char **v; /* NULL-terminated */
	size_t n;
};

struct option_values {
	const struct option *options;
	size_t n;
	struct value_list *lists; /* one an option, in the table's order */
};

static const char *const bool_true[] = { "1", "t", "T", "TRUE", "true", "True" };
static const char *const bool_false[] = { "0", "f", "F", "FALSE", "false", "False" };

bool command_parse_bool(const char *text, bool *ret)
{
	for (size_t i = 0; i < ARRAY_COUNT(bool_true); i++) {
		if (str_eq(text, bool_true[i])) {
			*ret = true;
			return true;
		}
		if (str_eq(text, bool_false[i])) {
			*ret = false;
			return true;
		}
	}
	return false;
}

static const struct value_list *values_find(const struct option_values *v, const char *name)
{
	for (size_t i = 0; i < v->n; i++)
		if (str_eq(v->options[i].name, name))
			return &v->lists[i];
	/* A name that is not in the command's table is a mistake in the command. */
	abort();
}

const char *option_string(const struct option_values *v, const char *name)
{
	const struct value_list *list = values_find(v, name);

	return list->n ? list->v[list->n - 1] : NULL;
}

bool option_bool(const struct option_values *v, const char *name)
{
	const char *text = option_string(v, name);
	bool value = false;

	return text && command_parse_bool(text, &value) && value;
}

bool option_given(const struct option_values *v, const char *name)
{
	return values_find(v, name)->n > 0;
}

const char *const *option_strings(const struct option_values *v, const char *name)
{
	static const char *const none[] = { NULL };
	const struct value_list *list = values_find(v, name);

	return list->n ? list->v : none;
}

static int invalid_value(const char *text, const char *name, struct err *err)
{
	return err_set(err, EINVAL, "invalid value \"%s\" for flag -%s: parse error", text, name);
}

int option_int(const struct option_values *v, const char *name, int fallback, int *ret,
	       struct err *err)
{
	const char *text = option_string(v, name);

	if (!text) {
		*ret = fallback;
		return 0;
	}
	if (parse_int(text, ret) < 0)
		return invalid_value(text, name, err);
	return 0;
}

/* The row whose name or alias is the n bytes at `word`; -1 if there is none. */
static int option_find(const struct command_parse *parse, const char *word, size_t n)
{
	for (size_t i = 0; i < parse->n_options; i++) {
		const struct option *o = &parse->options[i];

		if (strlen(o->name) == n && memcmp(o->name, word, n) == 0)
			return (int)i;
		if (o->alias && strlen(o->alias) == n && memcmp(o->alias, word, n) == 0)
			return (int)i;
	}
	return -1;
}

static bool is_help(const char *word, size_t n)
{
	return (n == 1 && word[0] == 'h') || (n == 4 && memcmp(word, "help", 4) == 0);
}

static int check_value(const struct option *option, const char *text, struct err *err)
{
	bool b;
	int i;

	if (option->type == OPTION_BOOL && !command_parse_bool(text, &b))
		return err_set(err, EINVAL, "invalid boolean value \"%s\" for -%s: parse error",
			       text, option->name);
	if (option->type == OPTION_INT && parse_int(text, &i) < 0)
		return invalid_value(text, option->name, err);
	return 0;
}

/* Takes the option at argv[*index]; *index moves to the last word it used. */
static int parse_option(struct command_parse *parse, size_t *index, struct err *err)
{
	const char *word = parse->argv[*index], *text, *equals;
	size_t n;
	int row;

	word += word[1] == '-' ? 2 : 1;
	equals = strchr(word, '=');
	n = equals ? (size_t)(equals - word) : strlen(word);
	if (n == 0 || word[0] == '-')
		return err_set(err, EINVAL, "bad flag syntax: %s", parse->argv[*index]);

	row = option_find(parse, word, n);
	if (row < 0 && is_help(word, n)) {
		parse->help = true;
		return 0;
	}
	if (row < 0)
		return err_set(err, EINVAL, "flag provided but not defined: -%.*s", (int)n, word);

	const struct option *option = &parse->options[row];

	if (equals)
		text = equals + 1;
	else if (option->type == OPTION_BOOL)
		text = "true";
	else if (parse->argv[*index + 1])
		text = parse->argv[++*index];
	else
		return err_set(err, EINVAL, "flag needs an argument: -%.*s", (int)n, word);

	int r = check_value(option, text, err);
	if (r < 0)
		return r;

	struct value_list *list = &parse->values->lists[row];
	if (option->type != OPTION_STRINGS)
		list->n = 0; /* the last one wins, as in every flag parser */
	list->v[list->n++] = text;
	return 0;
}

static struct option_values *values_new(struct arena *arena, const struct command_parse *parse,
					size_t n_words)
{
	struct option_values *v = ARENA_NEW(arena, struct option_values);

	v->options = parse->options;
	v->n = parse->n_options;
	v->lists = ARENA_ARRAY(arena, v->n, struct value_list);
	for (size_t i = 0; i < v->n; i++) {
		size_t room = v->options[i].type == OPTION_STRINGS ? n_words : 1;

		v->lists[i].v = ARENA_ARRAY(arena, room + 1, const char *);
	}
	return v;
}

int command_parse(struct arena *arena, struct command_parse *parse, struct err *err)
{
	size_t n_words = 0;
	char **args;

	while (parse->argv[n_words])
		n_words++;
	args = ARENA_ARRAY(arena, n_words + 1, char *);
	parse->values = values_new(arena, parse, n_words);
	parse->args = args;
	parse->n_args = 0;
	parse->help = false;

	bool flags_end = false;

	for (size_t i = 0; i < n_words && !parse->help; i++) {
		char *word = parse->argv[i];

		if (!flags_end && str_eq(word, "--")) {
			flags_end = true;
			continue;
		}
		if (flags_end || word[0] != '-' || !word[1]) {
			args[parse->n_args++] = word;
			flags_end = flags_end || parse->stop_at_positional;
			continue;
		}
		int r = parse_option(parse, &i, err);
		if (r < 0)
			return r;
	}
	return 0;
}

const struct command *command_find(const struct command *const *table, const char *name)
{
	for (; *table; table++)
		if (str_eq((*table)->name, name))
			return *table;
	return NULL;
}

int command_check_args(const struct command *command, const char *argv0, int n_args,
		       struct err *err)
{
	const char *rule;
	int bound;

	if (command->min_args == command->max_args && n_args != command->min_args) {
		rule = "exactly";
		bound = command->min_args;
	} else if (n_args < command->min_args) {
		rule = "a minimum of";
		bound = command->min_args;
	} else if (command->max_args >= 0 && n_args > command->max_args) {
		rule = "a maximum of";
		bound = command->max_args;
	} else {
		return 0;
	}
	return err_set(err, EINVAL, "%s: \"%s\" requires %s %d argument(s)", argv0, command->name,
		       rule, bound);
}

/* "--bundle value, -b value": the left column of an option's help line. */
static void help_flag(const char *name, const struct option *option, struct str *out)
{
	str_add(out, name[1] ? "--" : "-");
	str_add(out, name);
	if (option->type != OPTION_BOOL)
		str_addf(out, " %s", option->arg ? option->arg : "value");
}

#define HELP_COLUMN 36

static void help_line(const char *left, const char *help, struct str *out)
{
	if (strlen(left) > HELP_COLUMN)
		str_addf(out, "   %s\n   %*s %s\n", left, HELP_COLUMN, "", help);
	else
		str_addf(out, "   %-*s %s\n", HELP_COLUMN, left, help);
}

static void help_options(const struct option *options, size_t n, struct str *out)
{
	for (size_t i = 0; i < n; i++) {
		char left[128] = "";
		struct str column = STR_FIXED(left);

		if (options[i].hidden)
			continue;
		help_flag(options[i].name, &options[i], &column);
		if (options[i].alias) {
			str_add(&column, ", ");
			help_flag(options[i].alias, &options[i], &column);
		}
		help_line(left, options[i].help, out);
	}
	help_line("--help, -h", "show help", out);
}

void command_help(const struct command *command, struct str *out)
{
	str_addf(out, "NAME:\n   thole %s - %s\n\n", command->name, command->help);
	str_addf(out, "USAGE:\n   thole %s [command options] %s\n\n", command->name,
		 command->args_help ? command->args_help : "");
	str_add(out, "OPTIONS:\n");
	help_options(command->options, command->n_options, out);
}

void command_help_all(const struct command *const *table, const struct option *globals,
		      size_t n_globals, struct str *out)
{
	str_add(out, "NAME:\n   thole - Open Container Initiative runtime\n\n");
	str_add(out, "USAGE:\n   thole [global options] command [command options] "
		     "[arguments...]\n\n");
	str_add(out, "COMMANDS:\n");
	for (; *table; table++)
		str_addf(out, "   %-12s %s\n", (*table)->name, (*table)->help);
	str_addf(out, "   %-12s %s\n\n", "help", "show help for the program or one command");
	str_add(out, "GLOBAL OPTIONS:\n");
	help_options(globals, n_globals, out);
	help_line("--version, -v", "print the version", out);
}
