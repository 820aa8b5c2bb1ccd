/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/tmpdir.h"

#include <sys/wait.h>

#include "common/arena.h"

static void test_alloc(void **state)
{
	static const char zero[100001];
	struct arena arena = { 0 };
	size_t sizes[] = { 0, 1, 15, 16, 17, 1000, 40000, 100000, 8 };
	char *p[200], *first = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(p); i++) {
		size_t n = sizes[i % ARRAY_COUNT(sizes)];

		p[i] = arena_alloc(&arena, n);
		assert_int_equal((uintptr_t)p[i] % 16, 0);
		assert_memory_equal(p[i], zero, n);
		memset(p[i], (int)i, n);
		first = first ? first : p[i];
	}
	/* none was given twice */
	for (size_t i = 0; i < ARRAY_COUNT(p); i++)
		for (size_t at = 0; at < sizes[i % ARRAY_COUNT(sizes)]; at++)
			assert_int_equal((unsigned char)p[i][at], i);
	assert_true(arena.used > 200 / 9 * 140000);
	arena_done(&arena);
	assert_null(arena.head);
	assert_int_equal(arena.used, 0);
	assert_non_null(arena_alloc(&arena, 1));
	arena_done(&arena);
}

static void test_strings(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	char *p;

	(void)state;
	assert_string_equal(arena_strdup(&arena, ""), "");
	assert_string_equal(arena_strdup(&arena, "abc"), "abc");
	assert_string_equal(arena_strndup(&arena, "abcdef", 3), "abc");
	assert_string_equal(arena_printf(&arena, "%s-%d", "x", 5), "x-5");
	p = arena_printf(&arena, "%01000d", 5);
	assert_int_equal(strlen(p), 1000);
	assert_int_equal(p[999], '5');
}

static void test_array(void **state)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	uint64_t *a = ARENA_ARRAY(&arena, 10, uint64_t);
	int status;
	pid_t pid;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(a[i], 0);
	assert_non_null(arena_array(&arena, 0, 8));
	/* An overflow ends the program, with status 1. */
	pid = fork();
	if (pid == 0) {
		fclose(stderr);
		close(STDERR_FILENO);
		arena_array(&arena, SIZE_MAX / 4, 8);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
