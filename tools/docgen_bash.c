/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The completion for bash: tables as case statements, and one function that walks the words. It
 * needs nothing of the bash-completion package.
 */
#include "tools/docgen.h"

static const char program[] =
	"\n"
	"_thole_containers() {\n"
	"\t\"${COMP_WORDS[0]}\" ${1:+--root \"$1\"} list -q 2>/dev/null\n"
	"}\n"
	"\n"
	"_thole_values() { # KIND\n"
	"\tcase $1 in\n"
	"\t@any | '') ;;\n"
	"\t@file) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") && compopt -o filenames ;;\n"
	"\t@dir) mapfile -t COMPREPLY < <(compgen -d -- \"$cur\") && compopt -o filenames ;;\n"
	"\t@container) mapfile -t COMPREPLY < <(compgen -W \"$(_thole_containers \"$root\")\" -- "
	"\"$cur\") ;;\n"
	"\t*) mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\") ;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"_thole() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	"\tlocal command=global root='' positionals=0 i word value\n"
	"\tCOMPREPLY=()\n"
	"\t# Bash splits --flag=value at the equals sign.\n"
	"\tif [ \"$cur\" = = ]; then\n"
	"\t\tcur=''\n"
	"\telif [ \"$prev\" = = ] && [ \"$COMP_CWORD\" -ge 2 ]; then\n"
	"\t\tprev=${COMP_WORDS[COMP_CWORD - 2]}\n"
	"\tfi\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tcase $word in\n"
	"\t\t=) ;;\n"
	"\t\t-*)\n"
	"\t\t\t[ -n \"$(_thole_value \"$command\" \"$word\")\" ] || continue\n"
	"\t\t\t[ \"${COMP_WORDS[i + 1]}\" != = ] || i=$((i + 1))\n"
	"\t\t\tvalue=${COMP_WORDS[i + 1]}\n"
	"\t\t\t[ \"$word\" != --root ] || root=$value\n"
	"\t\t\ti=$((i + 1))\n"
	"\t\t\t;;\n"
	"\t\t*)\n"
	"\t\t\tif [ \"$command\" = global ]; then\n"
	"\t\t\t\tcommand=$word\n"
	"\t\t\telse\n"
	"\t\t\t\tpositionals=$((positionals + 1))\n"
	"\t\t\t\t_thole_stops \"$command\" && break\n"
	"\t\t\tfi\n"
	"\t\t\t;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\tif [ $i -lt \"$COMP_CWORD\" ]; then # beyond the words that are ours\n"
	"\t\t_thole_values \"$(_thole_positional \"$command\" $((COMP_CWORD - i)))\"\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tcase $prev in\n"
	"\t-*)\n"
	"\t\tvalue=$(_thole_value \"$command\" \"$prev\")\n"
	"\t\tif [ -n \"$value\" ]; then\n"
	"\t\t\t_thole_values \"$value\"\n"
	"\t\t\treturn\n"
	"\t\tfi\n"
	"\t\t;;\n"
	"\tesac\n"
	"\tcase $cur in\n"
	"\t-*) mapfile -t COMPREPLY < <(compgen -W \"$(_thole_options \"$command\")\" -- \"$cur\") "
	";;\n"
	"\t*)\n"
	"\t\tif [ \"$command\" = global ]; then\n"
	"\t\t\t_thole_values \"$_thole_commands help\"\n"
	"\t\telse\n"
	"\t\t\t_thole_values \"$(_thole_positional \"$command\" \"$positionals\")\"\n"
	"\t\tfi\n"
	"\t\t;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"complete -F _thole thole\n";

static void add_options(const char *name, const struct option *options, size_t n, struct str *out)
{
	str_addf(out, "\t%s) echo '", name);
	for (size_t i = 0; i < n; i++)
		if (!options[i].hidden)
			str_addf(out, "--%s ", options[i].name);
	str_addf(out, "--help%s' ;;\n", str_eq(name, "global") ? " --version" : "");
}

static void add_values(const char *name, const struct option *options, size_t n, struct str *out)
{
	for (size_t i = 0; i < n; i++) {
		const struct option *o = &options[i];

		if (docgen_value(o) == DOCGEN_NONE)
			continue;
		str_addf(out, "\t'%s --%s' | '%s -%s'", name, o->name, name, o->name);
		if (o->alias)
			str_addf(out, " | '%s -%s'", name, o->alias);
		str_add(out, ") echo '");
		if (docgen_value(o) == DOCGEN_WORDS)
			docgen_words(o->arg, " ", out);
		else
			str_add(out, docgen_value(o) == DOCGEN_FILE  ? "@file"
				     : docgen_value(o) == DOCGEN_DIR ? "@dir"
								     : "@any");
		str_add(out, "' ;;\n");
	}
}

static void add_positionals(const struct command *command, struct str *out)
{
	for (int i = 0; i < 2; i++) {
		enum docgen_arg arg = docgen_arg(command, i);

		if (arg != DOCGEN_ARG_NONE)
			str_addf(out, "\t'%s %d') echo %s ;;\n", command->name, i,
				 arg == DOCGEN_ARG_SIGNAL ? "\"$_thole_signals\"" : "@container");
	}
}

void docgen_bash(struct str *out)
{
	const struct command *const *c;

	str_add(out, "# shellcheck shell=bash\n# SPDX-License-Identifier: Apache-2.0\n"
		     "# Completion of thole for bash. Rendered by `make man` from the command "
		     "table.\n\n_thole_commands='");
	for (c = command_table; *c; c++)
		str_addf(out, "%s%s", c == command_table ? "" : " ", (*c)->name);
	str_add(out, "'\n_thole_signals='");
	docgen_signals(out);
	str_add(out, "'\n\n_thole_options() { # COMMAND\n\tcase $1 in\n");
	add_options("global", command_globals, command_n_globals, out);
	for (c = command_table; *c; c++)
		add_options((*c)->name, (*c)->options, (*c)->n_options, out);
	str_add(out, "\tesac\n}\n\n_thole_value() { # COMMAND FLAG: what its value is; nothing: it "
		     "has none\n\tcase \"$1 $2\" in\n");
	add_values("global", command_globals, command_n_globals, out);
	for (c = command_table; *c; c++)
		add_values((*c)->name, (*c)->options, (*c)->n_options, out);
	str_add(out, "\tesac\n}\n\n_thole_positional() { # COMMAND INDEX\n\tcase \"$1 $2\" in\n"
		     "\t'help 0') echo \"$_thole_commands\" ;;\n");
	for (c = command_table; *c; c++)
		add_positionals(*c, out);
	str_add(out, "\tesac\n}\n\n_thole_stops() { # COMMAND: its flags end at the first "
		     "positional\n\tcase $1 in\n\t");
	for (c = command_table; *c; c++)
		if ((*c)->stop_at_positional)
			str_addf(out, "%s | ", (*c)->name);
	str_add(out, "help) ;;\n\t*) return 1 ;;\n\tesac\n}\n");
	str_add(out, program);
}
