/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the unit tests of common/ share: cmocka with the headers it needs before it, and a temporary
 * directory that goes away with all that is in it.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TMPDIR_TEMPLATE "/tmp/thole-unit-XXXXXX"

struct tmpdir {
	char path[sizeof(TMPDIR_TEMPLATE)];
};

static inline int tmpdir_remove_one(const char *path, __attribute__((unused)) const struct stat *st,
				    __attribute__((unused)) int type,
				    __attribute__((unused)) struct FTW *ftw)
{
	return remove(path);
}

static inline struct tmpdir *tmpdir_new(void)
{
	struct tmpdir *dir = malloc(sizeof(*dir));

	assert_non_null(dir);
	memcpy(dir->path, TMPDIR_TEMPLATE, sizeof(dir->path));
	assert_non_null(mkdtemp(dir->path));
	return dir;
}

static inline void tmpdir_free(struct tmpdir *dir)
{
	nftw(dir->path, tmpdir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(dir);
}

/* For cmocka_unit_test_setup_teardown: *state is the struct tmpdir. */
static inline int tmpdir_setup(void **state)
{
	*state = tmpdir_new();
	return 0;
}

static inline int tmpdir_teardown(void **state)
{
	tmpdir_free(*state);
	return 0;
}

#define tmpdir_test(f) cmocka_unit_test_setup_teardown(f, tmpdir_setup, tmpdir_teardown)
