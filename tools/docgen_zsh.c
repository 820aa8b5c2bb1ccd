/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The completions for zsh (_arguments) and fish (complete).
 */
#include "tools/docgen.h"

/* Inside '...' of both shells; `more` are characters that get a backslash (zsh's own separators). */
static void add_quoted(const char *text, const char *more, struct str *out)
{
	for (; *text; text++) {
		if (*text == '\'')
			str_add(out, "'\\''");
		else if (strchr(more, *text))
			str_addf(out, "\\%c", *text);
		else
			str_add_char(out, *text);
	}
}

/* ---- zsh ---- */

static void zsh_spec(const struct option *o, const char *name, struct str *out)
{
	bool value = o->type != OPTION_BOOL;

	str_add(out, " \\\n\t\t'");
	if (o->type == OPTION_STRINGS)
		str_add(out, "*");
	else if (o->alias)
		str_addf(out, "(--%s -%s)", o->name, o->alias);
	str_addf(out, "%s%s%s[", name[1] ? "--" : "-", name, !value ? "" : name[1] ? "=" : "+");
	add_quoted(o->help, "[]:\\", out);
	str_add(out, "]");
	if (value) {
		str_add(out, ":");
		add_quoted(o->arg ? o->arg : "value", "[]:\\", out);
		str_add(out, ":");
		switch (docgen_value(o)) {
		case DOCGEN_FILE:
			str_add(out, "_files");
			break;
		case DOCGEN_DIR:
			str_add(out, "_directories");
			break;
		case DOCGEN_WORDS:
			str_add(out, "(");
			docgen_words(o->arg, " ", out);
			str_add(out, ")");
			break;
		default:
			str_add(out, "( )");
			break;
		}
	}
	str_add(out, "'");
}

static void zsh_specs(const struct option *options, size_t n, struct str *out)
{
	for (size_t i = 0; i < n; i++) {
		if (options[i].hidden)
			continue;
		zsh_spec(&options[i], options[i].name, out);
		if (options[i].alias)
			zsh_spec(&options[i], options[i].alias, out);
	}
	str_add(out, " \\\n\t\t'(- *)'{-h,--help}'[show help]'");
}

static void zsh_command(const struct command *c, struct str *out)
{
	/* -A: no options after the first positional. */
	str_addf(out, "\t%s)\n\t\t_arguments%s", c->name, c->stop_at_positional ? " -A '-*'" : "");
	zsh_specs(c->options, c->n_options, out);
	for (int i = 0; i < 2; i++) {
		enum docgen_arg arg = docgen_arg(c, i);

		if (arg != DOCGEN_ARG_NONE)
			str_addf(out, " \\\n\t\t%d%s", i + 1,
				 arg == DOCGEN_ARG_SIGNAL ? "'::signal:'\"($thole_signals)\""
							  : "':container:_thole_containers'");
	}
	str_add(out, "\n\t\t;;\n");
}

void docgen_zsh(struct str *out)
{
	const struct command *const *c;

	str_add(out,
		"#compdef thole\n# SPDX-License-Identifier: Apache-2.0\n"
		"# Completion of thole for zsh. Rendered by `make man` from the command table.\n\n"
		"_thole_containers() {\n\tlocal -a ids\n"
		"\tids=(${(f)\"$(_call_program containers $thole $thole_root list -q "
		"2>/dev/null)\"})\n\tcompadd -a ids\n}\n\n"
		"_thole() {\n\tlocal curcontext=$curcontext state line thole=$words[1] "
		"thole_signals\n"
		"\tlocal -a thole_commands thole_root\n\ttypeset -A opt_args\n"
		"\tthole_commands=(\n");
	for (c = command_table; *c; c++) {
		str_addf(out, "\t\t'%s:", (*c)->name);
		add_quoted((*c)->help, ":\\", out);
		str_add(out, "'\n");
	}
	str_add(out, "\t\t'help:show help for the program or one command'\n\t)\n\tthole_signals='");
	docgen_signals(out);
	str_add(out, "'\n"
		     "\t_arguments -C -A '-*'");
	zsh_specs(command_globals, command_n_globals, out);
	str_add(out, " \\\n\t\t'(- *)'{-v,--version}'[print the version]' \\\n"
		     "\t\t'1: :->command' \\\n\t\t'*:: :->words' && return\n"
		     "\t(( $+opt_args[--root] )) && thole_root=(--root ${(Q)opt_args[--root]})\n"
		     "\tcase $state in\n\tcommand)\n"
		     "\t\t_describe -t commands command thole_commands\n\t\treturn\n\t\t;;\n"
		     "\twords) ;;\n\t*) return 1 ;;\n\tesac\n\tcase $words[1] in\n");
	for (c = command_table; *c; c++)
		zsh_command(*c, out);
	str_add(out, "\thelp) _describe -t commands command thole_commands ;;\n\tesac\n}\n\n"
		     "_thole \"$@\"\n");
}

/* ---- fish ---- */

static void fish_option(const char *condition, const struct option *o, struct str *out)
{
	if (o->hidden)
		return;
	str_addf(out, "complete -c thole -n '%s'", condition);
	str_addf(out, " -l %s", o->name);
	if (o->alias)
		str_addf(out, " -%c %s", o->alias[1] ? 'o' : 's', o->alias);
	switch (docgen_value(o)) {
	case DOCGEN_NONE:
		break;
	case DOCGEN_FILE:
		str_add(out, " -r -F");
		break;
	case DOCGEN_DIR:
		str_add(out, " -x -a '(__fish_complete_directories)'");
		break;
	case DOCGEN_WORDS:
		str_add(out, " -x -a '");
		docgen_words(o->arg, " ", out);
		str_add(out, "'");
		break;
	default:
		str_add(out, " -x");
	}
	str_add(out, " -d '");
	for (const char *t = o->help; *t; t++) {
		if (*t == '\'' || *t == '\\')
			str_add_char(out, '\\');
		str_add_char(out, *t);
	}
	str_add(out, "'\n");
}

static void fish_command(const struct command *c, struct str *out)
{
	CLEANUP_STR struct str condition = { 0 }, options = { 0 };

	str_addf(&condition, "__thole_command_is %s", c->name);
	str_addf(out, "complete -c thole -n '__thole_command_is' -a %s -d '", c->name);
	for (const char *t = c->help; *t; t++) {
		if (*t == '\'' || *t == '\\')
			str_add_char(out, '\\');
		str_add_char(out, *t);
	}
	str_add(out, "'\n");
	/* Index 0: what follows the first positional is another program's. */
	str_addf(&options, "%s%s", condition.data, c->stop_at_positional ? " 0" : "");
	for (size_t i = 0; i < c->n_options; i++)
		fish_option(options.data, &c->options[i], out);
	str_addf(out, "complete -c thole -n '%s' -s h -l help -d 'show help'\n", options.data);
	for (int i = 0; i < 2; i++) {
		enum docgen_arg arg = docgen_arg(c, i);

		if (arg != DOCGEN_ARG_NONE)
			str_addf(out, "complete -c thole -n '%s %d' -a '(%s)'\n", condition.data, i,
				 arg == DOCGEN_ARG_SIGNAL ? "string split \" \" $__thole_signals"
							  : "__thole_containers");
	}
}

/* Which command the words name: global options and their values come before it. */
static void fish_functions(struct str *out)
{
	str_add(out, "function __thole_words # the command and its positionals, options left out\n"
		     "\tset -l words (commandline -opc)[2..-1]\n\tset -l skip 0\n"
		     "\tfor word in $words\n\t\tif test $skip = 1\n\t\t\tset skip 0\n"
		     "\t\t\tcontinue\n\t\tend\n\t\tswitch $word\n\t\t\tcase ");
	for (size_t i = 0; i < command_n_globals; i++)
		if (command_globals[i].type != OPTION_BOOL)
			str_addf(out, "--%s ", command_globals[i].name);
	for (const struct command *const *c = command_table; *c; c++)
		for (size_t i = 0; i < (*c)->n_options; i++)
			if ((*c)->options[i].type != OPTION_BOOL)
				str_addf(out, "--%s ", (*c)->options[i].name);
	str_add(out,
		"\n\t\t\t\tset skip 1\n\t\t\tcase '-*'\n\t\t\tcase '*'\n\t\t\t\techo $word\n"
		"\t\tend\n\tend\nend\n\n"
		"function __thole_command_is # [COMMAND [INDEX]]: none yet; that one; and so many "
		"positionals\n"
		"\tset -l words (__thole_words)\n"
		"\ttest (count $argv) = 0; and begin; test (count $words) = 0; return; end\n"
		"\ttest \"$words[1]\" = $argv[1]; or return 1\n"
		"\ttest (count $argv) = 1; or test (count $words) = (math $argv[2] + 1)\nend\n\n"
		"function __thole_containers\n"
		"\tset -l words (commandline -opc)\n\tset -l root\n"
		"\tset -l at (contains -i -- --root $words); and set root --root "
		"$words[(math $at + 1)]\n"
		"\tfor word in $words\n\t\tstring match -q -- '--root=*' $word; and set root "
		"$word\n\tend\n"
		"\tcommand -q $words[1]; and $words[1] $root list -q 2>/dev/null\nend\n\n");
}

void docgen_fish(struct str *out)
{
	str_add(out, "# SPDX-License-Identifier: Apache-2.0\n# Completion of thole for fish. "
		     "Rendered by `make man` from the command table.\n\n");
	fish_functions(out);
	str_add(out, "set -g __thole_signals '");
	docgen_signals(out);
	str_add(out, "'\n\ncomplete -c thole -f\n");
	for (size_t i = 0; i < command_n_globals; i++)
		fish_option("__thole_command_is", &command_globals[i], out);
	str_add(out, "complete -c thole -n __thole_command_is -s h -l help -d 'show help'\n"
		     "complete -c thole -n __thole_command_is -s v -l version -d 'print the "
		     "version'\n");
	for (size_t i = 0; command_table[i]; i++)
		fish_command(command_table[i], out);
	str_add(out, "complete -c thole -n __thole_command_is -a help -d 'show help'\n"
		     "complete -c thole -n '__thole_command_is help 0' -a '");
	for (size_t i = 0; command_table[i]; i++)
		str_addf(out, "%s%s", i ? " " : "", command_table[i]->name);
	str_add(out, "'\n");
}
