/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docgen MAN-DIR TEXT-DIR COMPLETION-DIR: writes every page and the three completions.
 */
#include "tools/docgen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/fd.h"
#include "common/io.h"

#define TEXT_MAX (1u << 20)

enum docgen_value docgen_value(const struct option *option)
{
	const char *arg = option->arg ? option->arg : "";
	static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789-|";

	if (option->type == OPTION_BOOL)
		return DOCGEN_NONE;
	if (str_eq(arg, "DIR"))
		return DOCGEN_DIR;
	if (str_eq(arg, "PATH") || str_starts_with(arg, "FILE"))
		return DOCGEN_FILE;
	return strchr(arg, '|') && arg[strspn(arg, lower)] == '\0' ? DOCGEN_WORDS : DOCGEN_ANY;
}

void docgen_words(const char *arg, const char *sep, struct str *out)
{
	for (bool first = true; *arg; first = false) {
		size_t n = strcspn(arg, "|");

		if (!first)
			str_add(out, sep);
		str_add_n(out, arg, n);
		arg += n + (arg[n] == '|');
	}
}

void docgen_signals(struct str *out)
{
	for (int sig = 1; sig < 32; sig++) {
		char buf[32];
		const char *name = signal_name(sig, buf, sizeof(buf));

		if (str_starts_with(name, "SIG"))
			str_addf(out, "%s%s", sig > 1 ? " " : "", name + 3);
	}
}

/* Who takes a bundle makes a container: there is no name to offer for it. */
static bool makes_container(const struct command *command)
{
	for (size_t i = 0; i < command->n_options; i++)
		if (str_eq(command->options[i].name, "bundle"))
			return true;
	return false;
}

enum docgen_arg docgen_arg(const struct command *command, int index)
{
	const char *at = command->args_help ? command->args_help : "";

	for (; *at; index--) {
		size_t n = strcspn(at, ">]");

		if (index == 0) {
			if (str_starts_with(at, "<container-id"))
				return makes_container(command) ? DOCGEN_ARG_NONE
								: DOCGEN_ARG_CONTAINER;
			return str_starts_with(at, "[signal") ? DOCGEN_ARG_SIGNAL : DOCGEN_ARG_NONE;
		}
		at += n + (at[n] != '\0');
		at += strspn(at, " .");
	}
	return DOCGEN_ARG_NONE;
}

static int write_file(const char *dir, const char *name, const struct str *text, struct err *err)
{
	char path[4096];
	struct str path_text = STR_FIXED(path);
	CLEANUP_FD int fd = -EBADF;
	int r;

	str_addf(&path_text, "%s/%s", dir, name);
	fd = fd_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (fd < 0)
		return err_sysn(err, fd, "open \"%s\"", path);
	r = io_write_all(fd, text->data, text->len);
	return r < 0 ? err_sysn(err, r, "write \"%s\"", path) : 0;
}

static int write_page(const struct command *command, const char *man, const char *texts,
		      struct err *err)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	CLEANUP_STR struct str page = { 0 };
	const char *name = command ? arena_printf(&arena, "thole-%s", command->name) : "thole";
	const char *path = arena_printf(&arena, "%s/%s.mdoc", texts, name);
	char *text = NULL;
	size_t n;
	int r = io_read_file(AT_FDCWD, path, TEXT_MAX, &arena, &text, &n);

	if (r < 0 && r != -ENOENT)
		return err_sysn(err, r, "read \"%s\"", path);
	docgen_man(command, r < 0 ? "" : text, &page);
	return write_file(man, arena_printf(&arena, "%s.8", name), &page, err);
}

static int write_completions(const char *dir, struct err *err)
{
	static const struct {
		const char *name;
		void (*render)(struct str *out);
	} shells[] = {
		{ "thole.bash", docgen_bash },
		{ "_thole", docgen_zsh },
		{ "thole.fish", docgen_fish },
	};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_COUNT(shells); i++) {
		CLEANUP_STR struct str text = { 0 };

		shells[i].render(&text);
		r = write_file(dir, shells[i].name, &text, err);
	}
	return r;
}

int main(int argc, char **argv)
{
	struct err err = { 0 };
	int r;

	if (argc != 4) {
		fprintf(stderr, "usage: docgen MAN-DIR TEXT-DIR COMPLETION-DIR\n");
		return 2;
	}
	r = write_page(NULL, argv[1], argv[2], &err);
	for (size_t i = 0; r >= 0 && command_table[i]; i++)
		r = write_page(command_table[i], argv[1], argv[2], &err);
	if (r >= 0)
		r = write_completions(argv[3], &err);
	if (r < 0)
		fprintf(stderr, "docgen: %s\n", err.msg);
	return r < 0;
}
