// SPDX-License-Identifier: Apache-2.0
/* The detach keys: what they parse to, and that no other input is lost or kept back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "shim/client_private.h"

static void test_parse(void **state)
{
	static const struct {
		const char *text, *keys; /* keys NULL: refused */
	} rows[] = {
		{ "ctrl-p,ctrl-q", "\x10\x11" },
		{ "", "" },
		{ "a", "a" },
		{ "a,b,c", "abc" },
		{ "ctrl-[,ctrl-_", "\x1b\x1f" },
		{ ",", "," },
		{ "ctrl-", NULL },
		{ "ctrl-1", NULL },
		{ "alt-x", NULL },
		{ "a,", NULL },
		{ "a,bc", NULL },
		{ "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct client_keys k;
		struct err err = { 0 };
		int r = client_keys_parse(&k, rows[i].text, &err);

		if (!rows[i].keys) {
			assert_int_equal(r, -EINVAL);
			assert_non_null(strstr(err.msg, rows[i].text));
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(k.n, strlen(rows[i].keys));
		assert_memory_equal(k.keys, rows[i].keys, k.n);
	}
}

/* Input in any chunks: out is what is passed on before the keys (or all that cannot begin them). */
static void test_filter(void **state)
{
	static const struct {
		const char *keys, *in, *out;
		bool detached;
	} rows[] = {
		{ "ctrl-p,ctrl-q", "abc", "abc", false },
		{ "ctrl-p,ctrl-q", "a\x10\x11", "a", true },
		{ "ctrl-p,ctrl-q", "a\x10x", "a\x10x", false },
		{ "ctrl-p,ctrl-q", "\x10\x10\x11", "\x10", true },
		{ "ctrl-p,ctrl-q", "x\x10", "x", false },
		{ "a,a,b", "aaab", "a", true },
		{ "a,b,a,c", "ababac", "ab", true },
		{ "a,b,a,c", "abab", "ab", false },
		{ "", "\x10\x11", "\x10\x11", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		for (size_t chunk = 1; chunk <= 8; chunk++) {
			CLEANUP_STR struct str out = { 0 };
			struct client_keys k;
			bool detached = false;
			size_t n = strlen(rows[i].in);

			assert_int_equal(client_keys_parse(&k, rows[i].keys, NULL), 0);
			for (size_t off = 0; off < n && !detached; off += chunk)
				detached = client_keys_filter(&k, rows[i].in + off,
							      MIN(chunk, n - off), &out);
			assert_int_equal(detached, rows[i].detached);
			assert_string_equal(out.data ? out.data : "", rows[i].out);
		}
}

static void test_not_a_terminal(void **state)
{
	struct client_term term = { .fd = -EBADF };
	uint32_t width, height;
	struct err err;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(client_term_raw(&term, fds[0], &err), 0);
	assert_false(term.raw);
	client_term_restore(&term);
	assert_false(client_term_size(fds[0], &width, &height));
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_not_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
