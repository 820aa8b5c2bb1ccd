// SPDX-License-Identifier: Apache-2.0
/* Fields of the journal's protocol, labels, and datagrams to a socket of our own that fills up. */
#include "shim/log_journald.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/fd.h"

static void test_field(void **state UNUSED)
{
	CLEANUP_STR struct str s = { 0 };
	static const char want[] = "A=b\nMESSAGE\n\x04\0\0\0\0\0\0\0one\n\n";

	log_journald_field(&s, "A", "b", 1);
	log_journald_field(&s, "MESSAGE", "one\n", 4);
	assert_int_equal(s.len, sizeof(want) - 1);
	assert_memory_equal(s.data, want, s.len);
}

static void test_label(void **state UNUSED)
{
	struct err err = { 0 };

	assert_int_equal(log_journald_check_label("A_1=value", &err), 0);
	assert_int_equal(log_journald_check_label("A=", &err), 0);
	assert_true(log_journald_check_label("A", &err) < 0);
	assert_true(log_journald_check_label("=v", &err) < 0);
	assert_true(log_journald_check_label("A=b=c", &err) < 0);
	assert_true(log_journald_check_label("a=b", &err) < 0);
}

static void room(void *user)
{
	*(bool *)user = true;
}

/* The reader takes nothing for a while: put takes fewer, on_room tells, and nothing is lost. */
static void test_full(void **state UNUSED)
{
	char dir[] = "/tmp/log_journald_test.XXXXXX", path[64], buf[4096], line[32];
	struct log_journald_config c = { .socket = path, .id = "0123456789abcdef" };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct log_journald *j;
	struct err err = { 0 };
	bool has_room = true;
	int fd, sent = 0, got = 0;
	struct ev *ev;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(fd_nonblock(fd, true), 0);
	assert_int_equal(ev_new(&ev, &err), 0);
	c.on_room = room;
	c.user = &has_room;
	assert_int_equal(log_journald_new(ev, &c, &j, &err), 0);
	while (sent < 2000) {
		int n = snprintf(line, sizeof(line), "line %d\n", sent);

		if (has_room && log_journald_put(j, LOG_STDOUT, line, (size_t)n) == (size_t)n) {
			sent++;
			continue;
		}
		has_room = false;
		while (recv(fd, buf, sizeof(buf), 0) > 0)
			got++;
		assert_true(ev_step(ev, 1000) >= 0);
	}
	assert_true(got > 0);
	while (recv(fd, buf, sizeof(buf), 0) > 0)
		got++;
	assert_int_equal(got, 2000);
	log_journald_free(j);
	ev_free(ev);
	fd_close(fd);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_field),
		cmocka_unit_test(test_label),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
