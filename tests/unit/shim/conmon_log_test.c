// SPDX-License-Identifier: Apache-2.0
/* --log-path, the rules of rotation, and output into several files with a total limit. */
#include "shim/conmon_log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <sys/stat.h>

#include "common/io.h"
#include "common/str.h"

static int parse(struct conmon_options *o, struct conmon_log_spec *spec, struct arena *arena,
		 struct err *err, const char *path)
{
	o->log_paths.items = &path;
	o->log_paths.n = 1;
	return conmon_log_parse(o, arena, spec, err);
}

static void test_paths(void **state UNUSED)
{
	static const struct {
		const char *text, *path, *error;
		enum conmon_driver driver;
		size_t n;
	} vectors[] = {
		{ "/var/x", "/var/x", NULL, CONMON_DRIVER_FILE, 1 },
		{ ":/var/x", "/var/x", NULL, CONMON_DRIVER_FILE, 1 },
		{ "k8s-file:/a:b", "/a", NULL, CONMON_DRIVER_FILE, 1 },
		{ "journald", NULL, NULL, CONMON_DRIVER_JOURNALD, 1 },
		{ "journald:x", NULL, NULL, CONMON_DRIVER_JOURNALD, 1 },
		{ "none", NULL, NULL, 0, 0 },
		{ "off:", NULL, NULL, 0, 0 },
		{ "null", NULL, NULL, 0, 0 },
		{ "passthrough", NULL, NULL, 0, 0 },
		{ "", NULL, "log-path must not be empty", 0, 0 },
		{ "k8s-file:", NULL, "k8s-file requires a filename", 0, 0 },
		{ "k8s-file", NULL, "k8s-file requires a filename", 0, 0 },
		{ "syslog:x", NULL, "No such log driver syslog", 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
		CLEANUP_ARENA struct arena arena = { 0 };
		struct conmon_options o = { 0 };
		struct conmon_log_spec spec;
		struct err err = { 0 };
		int r = parse(&o, &spec, &arena, &err, vectors[i].text);

		assert_int_equal(r < 0, vectors[i].error != NULL);
		if (r < 0) {
			assert_string_equal(err.msg, vectors[i].error);
			continue;
		}
		assert_int_equal(spec.n, vectors[i].n);
		assert_int_equal(spec.passthrough, str_starts_with(vectors[i].text, "pass"));
		if (spec.n)
			assert_int_equal(spec.log[0].driver, vectors[i].driver);
		if (vectors[i].path)
			assert_string_equal(spec.log[0].path, vectors[i].path);
	}
}

static void test_tag_needs_journald(void **state UNUSED)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	struct conmon_options o = { .log_tag = "t" };
	struct conmon_log_spec spec;
	struct err err = { 0 };

	assert_true(parse(&o, &spec, &arena, &err, "/x") < 0);
	assert_string_equal(err.msg, "k8s-file doesn't support --log-tag");
	assert_int_equal(parse(&o, &spec, &arena, &err, "journald"), 0);
}

static void test_rotation(void **state UNUSED)
{
	char dir[] = "/tmp/conmon_log_test.XXXXXX", path[64], link[64];
	const char *allowed[] = { dir };
	struct conmon_options o = { 0 };

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(link, sizeof(link), "%s/link", dir);
	assert_int_equal(symlink(path, link), 0);
	assert_null(conmon_log_rotation_refused(&o, path));
	assert_non_null(conmon_log_rotation_refused(&o, link));
	o.log_allow_dirs = (struct conmon_list){ allowed, 1 };
	assert_null(conmon_log_rotation_refused(&o, path));
	assert_non_null(conmon_log_rotation_refused(&o, "/var/log/x"));
	assert_int_equal(chmod(dir, 0777), 0);
	assert_non_null(conmon_log_rotation_refused(&o, path));
	snprintf(path, sizeof(path), "%s/../log", dir);
	assert_non_null(conmon_log_rotation_refused(&o, path));
	unlink(link);
	rmdir(dir);
}

static void room(void *user UNUSED)
{
}

static void flushed(void *user)
{
	ev_stop(user, 0);
}

/* Both files get every byte, up to the total limit and no further. */
static void test_several(void **state UNUSED)
{
	CLEANUP_ARENA struct arena arena = { 0 };
	char dir[] = "/tmp/conmon_log_test.XXXXXX", a[64], b[64], *text;
	struct conmon_options o = { .log_size_max = -1, .log_global_size_max = 200 };
	struct conmon_log_spec spec = { .n = 2 };
	struct conmon_log *log;
	struct err err = { 0 };
	struct ev *ev;
	size_t n;

	assert_non_null(mkdtemp(dir));
	snprintf(a, sizeof(a), "%s/a", dir);
	snprintf(b, sizeof(b), "%s/b", dir);
	spec.log[0].path = a;
	spec.log[1].path = b;
	assert_int_equal(conmon_log_check(&spec, &err), 0);
	assert_int_equal(ev_new(&ev, &err), 0);
	assert_int_equal(conmon_log_new(ev, &o, &spec, room, NULL, &log, &err), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(conmon_log_put(log, LOG_STDOUT, "0123456789012345678\n", 20), 20);
	conmon_log_flush(log, flushed, ev);
	ev_run(ev);
	conmon_log_free(log, 1000);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(io_read_file(AT_FDCWD, i ? b : a, 10000, &arena, &text, &n), 0);
		assert_int_equal(n, 4 * 65); /* the fourth crosses 200 */
		assert_memory_equal(text + 29, "+00:00 stdout F 0123", 20);
	}
	ev_free(ev);
	unlink(a);
	unlink(b);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_tag_needs_journald),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_several),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
