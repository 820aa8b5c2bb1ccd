/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of spec/ share: JSON written with single quotes, reading it, and catching the
 * logger's messages in a file.
 */
#pragma once

/* cmocka.h wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/io.h"
#include "common/log.h"
#include "spec/spec_read.h"

#define DATA_DIR "tests/unit/spec/data/"

/* 'text' with every single quote made a double one, in the arena. */
UNUSED static char *json_text(struct arena *arena, const char *text)
{
	char *copy = arena_strdup(arena, text);

	for (char *c = copy; *c; c++)
		if (*c == '\'')
			*c = '"';
	return copy;
}

UNUSED static int read_json(struct arena *arena, const char *text, struct spec **ret,
			    struct err *err)
{
	const char *json = json_text(arena, text);

	memset(err, 0, sizeof(*err));
	*ret = NULL;
	return spec_read(arena, json, strlen(json), ret, err);
}

UNUSED static struct spec *must_read(struct arena *arena, const char *text)
{
	struct spec *spec;
	struct err err;

	if (read_json(arena, text, &spec, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return spec;
}

UNUSED static struct spec *must_read_file(struct arena *arena, const char *path)
{
	struct spec *spec = NULL;
	struct err err = { 0 };

	if (spec_read_file(arena, AT_FDCWD, path, &spec, NULL, NULL, &err) < 0)
		fail_msg("%s: %s", path, err.msg);
	return spec;
}

/* err's text must be `want`, in which double quotes are written as single ones too. */
UNUSED static void assert_error(const struct err *err, const char *want)
{
	char got[sizeof(err->msg)];

	snprintf(got, sizeof(got), "%s", err->msg);
	for (char *c = got; *c; c++)
		if (*c == '"')
			*c = '\'';
	assert_string_equal(got, want);
}

/* From log_begin on, messages of that level and above are caught; log_end returns them. */
static char log_path[64];

UNUSED static void log_begin(enum log_level level)
{
	struct log_config config = { .sink = LOG_SINK_FILE, .level = level, .path = log_path };
	struct err err = { 0 };
	int fd;

	snprintf(log_path, sizeof(log_path), "/tmp/thole-test-spec-XXXXXX");
	fd = mkstemp(log_path);
	assert_true(fd >= 0);
	close(fd);
	if (log_open(&config, &err) < 0)
		fail_msg("%s", err.msg);
}

UNUSED static char *log_end(struct arena *arena)
{
	struct log_config config = { .sink = LOG_SINK_STDERR, .level = LOG_LEVEL_WARNING };
	struct err err = { 0 };
	size_t len = 0;
	char *text = NULL;

	assert_int_equal(io_read_file(AT_FDCWD, log_path, 1 << 20, arena, &text, &len), 0);
	assert_int_equal(unlink(log_path), 0);
	if (log_open(&config, &err) < 0)
		fail_msg("%s", err.msg);
	return text;
}

UNUSED static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}
