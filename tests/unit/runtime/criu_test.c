/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What criu is asked, read back from the bytes of the message; what is made of its answers and of
 * its log; what is read of /proc and of descriptors.json.
 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>

#include "common/fd.h"
#include "common/io.h"
#include "runtime/criu.h"
#include "runtime/criu_facts.h"
#include "runtime/criu_plan.h"
#include "runtime/criu_rpc.pb-c.h"

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct arena));
	return 0;
}

static int teardown(void **state)
{
	arena_done(*state);
	free(*state);
	return 0;
}

static void test_words(void **state)
{
	static const struct {
		const char *word;
		int number;
	} modes[] = { { "soft", 3 }, { "full", 4 }, { "strict", 5 }, { "ignore", 0 } };
	struct criu_options options = { 0 };
	struct err err = { 0 };
	int n;

	for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
		assert_int_equal(criu_parse_cgroups_mode(modes[i].word, &n, &err), 0);
		assert_int_equal(n, modes[i].number);
	}
	assert_int_equal(criu_parse_cgroups_mode("Soft", &n, &err), -EINVAL);
	assert_string_equal(
		err.msg,
		"invalid manage-cgroups-mode: \"Soft\" is none of soft, full, strict, ignore");
	assert_int_equal(criu_parse_network_lock("nftables", &n, &err), 0);
	assert_int_equal(n, 2);

	assert_int_equal(criu_parse_page_server(*state, "10.0.0.1:27", &options, &err), 0);
	assert_string_equal(options.page_server_address, "10.0.0.1");
	assert_int_equal(options.page_server_port, 27);
	assert_int_equal(criu_parse_page_server(*state, "[::1]:65535", &options, &err), 0);
	assert_string_equal(options.page_server_address, "::1");
	assert_int_equal(options.page_server_port, 65535);
	static const char *const bad[] = { "", ":1", "host", "host:", "host:65536", "host:x" };

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_int_equal(criu_parse_page_server(*state, bad[i], &options, &err), -EINVAL);
}

static void test_option_rules(void **state UNUSED)
{
	struct criu_options options = { .parent_path = "/abs" };
	struct err err = { 0 };

	assert_int_equal(criu_check_options(&options, CRIU_DUMP, &err), -EINVAL);
	options = (struct criu_options){ .parent_path = "../pre", .lazy_pages = true };
	assert_int_equal(criu_check_options(&options, CRIU_DUMP, &err), -EINVAL);
	assert_int_equal(criu_check_options(&options, CRIU_RESTORE, &err), 0);
	options.page_server_address = "127.0.0.1";
	assert_int_equal(criu_check_options(&options, CRIU_DUMP, &err), 0);
	options.pre_dump = true;
	assert_int_equal(criu_check_options(&options, CRIU_PRE_DUMP, &err), -EINVAL);
}

static void test_namespaces(void **state UNUSED)
{
	struct spec_namespace v[] = {
		{ .flag = CLONE_NEWNET, .path = "/run/netns/a" },
		{ .flag = CLONE_NEWIPC, .path = "/proc/1/ns/ipc" },
		{ .flag = CLONE_NEWPID },
	};
	struct spec spec = { .linux_ = { .namespaces = v, .n_namespaces = 3 } };
	struct err err = { 0 };

	assert_int_equal(criu_ns_of(&spec, CLONE_NEWNET), CRIU_NS_EXTERNAL);
	assert_string_equal(criu_ns_name(CLONE_NEWNET), "extRootNetNS");
	assert_int_equal(criu_ns_of(&spec, CLONE_NEWIPC), CRIU_NS_JOIN);
	assert_int_equal(criu_ns_of(&spec, CLONE_NEWPID), CRIU_NS_OWN);
	assert_int_equal(criu_ns_of(&spec, CLONE_NEWUTS), CRIU_NS_OWN);
	assert_int_equal(criu_check_namespaces(&spec, "restore", &err), 0);
	v[2] = (struct spec_namespace){ .flag = CLONE_NEWUSER, .path = "/proc/1/ns/user" };
	assert_int_equal(criu_check_namespaces(&spec, "restore", &err), -ENOTSUP);
	assert_string_equal(err.msg, "cannot restore a container in an existing user namespace");
}

static Thole__Criu__Request *encode(struct arena *arena, const struct criu_request *request)
{
	Thole__Criu__Request *message;
	void *data;
	size_t n;

	criu_encode(arena, request, &data, &n);
	message = thole__criu__request__unpack(NULL, n, data);
	assert_non_null(message);
	return message;
}

static void test_dump(void **state)
{
	struct criu_options options = {
		.leave_running = true,
		.tcp_established = true,
		.parent_path = "../pre",
		.cgroups_mode = 3,
		.empty_ns = CLONE_NEWNET,
		.status_fd = -EBADF,
	};
	struct spec spec = { 0 };
	struct criu_request request;
	Thole__Criu__Request *m;

	criu_plan_common(&options, &spec, CRIU_DUMP, &request);
	request.pid = 77;
	request.images_fd = 5;
	request.work_fd = 6;
	request.freeze_cgroup = "/sys/fs/cgroup/freezer/x";
	criu_pairs_add(*state, &request.mounts, "/run/data", "/var/run/data");
	request.external[request.n_external++] = "net[123]:extRootNetNS";
	m = encode(*state, &request);
	assert_int_equal(m->type, 1);
	assert_int_equal(m->options->images_dir_fd, 5);
	assert_int_equal(m->options->work_dir_fd, 6);
	assert_int_equal(m->options->pid, 77);
	assert_true(m->options->leave_running);
	assert_true(m->options->tcp_established);
	assert_false(m->options->file_locks);
	assert_true(m->options->orphan_pts_master);
	assert_true(m->options->notify_scripts);
	assert_false(m->options->track_memory);
	assert_int_equal(m->options->manage_cgroups_mode, 3);
	assert_int_equal(m->options->empty_ns, CLONE_NEWNET);
	assert_string_equal(m->options->parent_image, "../pre");
	assert_string_equal(m->options->log_file, "dump.log");
	assert_string_equal(m->options->freeze_cgroup, "/sys/fs/cgroup/freezer/x");
	assert_int_equal(m->options->n_external_mounts, 1);
	assert_string_equal(m->options->external_mounts[0]->key, "/run/data");
	assert_string_equal(m->options->external_mounts[0]->value, "/var/run/data");
	assert_int_equal(m->options->n_external, 1);
	assert_false(m->options->has_restore_sibling);
	assert_null(m->options->page_server);
	assert_false(m->options->has_network_lock);
	thole__criu__request__free_unpacked(m, NULL);
}

static void test_pre_dump(void **state)
{
	struct criu_options options = { .pre_dump = true,
					.page_server_address = "h",
					.page_server_port = 9 };
	struct criu_request request;
	struct spec spec = { 0 };
	Thole__Criu__Request *m;

	criu_plan_common(&options, &spec, CRIU_PRE_DUMP, &request);
	m = encode(*state, &request);
	assert_int_equal(m->type, 4);
	/* Whatever was asked for: a pre-dump ends nothing. */
	assert_true(m->options->leave_running);
	assert_true(m->options->track_memory);
	assert_string_equal(m->options->page_server->address, "h");
	assert_int_equal(m->options->page_server->port, 9);
	thole__criu__request__free_unpacked(m, NULL);
}

static void test_restore(void **state)
{
	struct criu_options options = { .lsm_profile = "apparmor:x", .network_lock = 2 };
	struct spec_pair annotations[] = { { "org.criu.config", "/etc/criu/x.conf" } };
	struct spec spec = { .annotations = { .v = annotations, .n = 1 } };
	struct criu_request request;
	Thole__Criu__Request *m;

	criu_plan_common(&options, &spec, CRIU_RESTORE, &request);
	request.root = "/run/thole/root";
	for (int i = 0; i < 40; i++)
		criu_pairs_add(*state, &request.cgroups, "memory", "/a");
	request.fds[request.n_fds++] = (struct criu_fd){ "pipe:[1]", 9 };
	m = encode(*state, &request);
	assert_int_equal(m->type, 2);
	assert_true(m->options->restore_sibling);
	assert_false(m->options->has_pid);
	assert_false(m->options->has_leave_running);
	assert_string_equal(m->options->root, "/run/thole/root");
	assert_string_equal(m->options->log_file, "restore.log");
	assert_string_equal(m->options->config_file, "/etc/criu/x.conf");
	assert_string_equal(m->options->lsm_profile, "apparmor:x");
	assert_int_equal(m->options->network_lock, 2);
	assert_int_equal(m->options->n_cgroup_roots, 40);
	assert_string_equal(m->options->cgroup_roots[39]->controller, "memory");
	assert_int_equal(m->options->n_inherited_fds, 1);
	assert_string_equal(m->options->inherited_fds[0]->key, "pipe:[1]");
	assert_int_equal(m->options->inherited_fds[0]->fd, 9);
	thole__criu__request__free_unpacked(m, NULL);
}

static void decode(const Thole__Criu__Response *m, struct criu_event *ret, int want)
{
	unsigned char buf[4096];
	size_t n = thole__criu__response__pack(m, buf);

	assert_int_equal(criu_decode(buf, n, ret), want);
}

static void test_answers(void **state UNUSED)
{
	Thole__Criu__Response m = THOLE__CRIU__RESPONSE__INIT;
	Thole__Criu__Notification notification = THOLE__CRIU__NOTIFICATION__INIT;
	Thole__Criu__Restored restored = THOLE__CRIU__RESTORED__INIT;
	char script[100] = "setup-namespaces";
	struct criu_event event;

	m.type = CRIU_NOTIFY;
	m.success = 1;
	notification.script = script;
	notification.has_pid = 1;
	notification.pid = 12;
	m.notification = &notification;
	decode(&m, &event, 0);
	assert_int_equal(event.kind, CRIU_EVENT_NOTIFY);
	assert_string_equal(event.script, "setup-namespaces");
	assert_int_equal(event.pid, 12);
	assert_int_equal(event.fd, -EBADF);
	memset(script, 'x', sizeof(script) - 1);
	decode(&m, &event, 0); /* cut, and so no script that is known */
	assert_int_equal(strlen(event.script), sizeof(event.script) - 1);
	m.notification = NULL;
	decode(&m, &event, -EBADMSG);

	m.type = CRIU_RESTORE;
	restored.pid = 99;
	m.restored = &restored;
	m.success = 0;
	m.has_error_number = 1;
	m.error_number = EEXIST;
	decode(&m, &event, 0);
	assert_int_equal(event.kind, CRIU_EVENT_END);
	assert_false(event.success);
	assert_int_equal(event.error_number, EEXIST);
	assert_int_equal(event.pid, 99);
	assert_int_equal(criu_decode("\xff\xff", 2, &event), -EBADMSG);
	assert_int_equal(criu_decode("", 0, &event), -EBADMSG);
}

static void check_log(const char *text, const char *want)
{
	CLEANUP_STR struct str out = { 0 };

	criu_log_errors(text, strlen(text), &out);
	assert_string_equal(out.data ? out.data : "", want);
}

static void test_log(void **state UNUSED)
{
	check_log("", "");
	check_log("(00.1) all is well\n", "");
	check_log(
		"(00.000001) Error (criu/x.c:1): first\n(00.2) Warn (criu/x.c:1): no\n"
		"(00.3) Error (criu/y.c:2):  second\n(00.4) Error (criu/z.c:3): Dumping FAILED.\n",
		"first; second");
	check_log(
		"Error (a.c:1): one\nError (a.c:1): two\nError (a.c:1): three\nError (a.c:1): four",
		"two; three; four");
	/* What a process of the container could have been called. */
	check_log("(00.1) comm Error (a.c:1): never said by criu at such a place\n", "");
	check_log("Error (a.c:1): bad \x1b[31m name\n", "bad  [31m name");
	check_log("(0.1) Error (criu/util.c:1): rlimit: Can't setup RLIMIT_NOFILE for self: x\n",
		  "");
}

static void test_mounts(void **state)
{
	struct criu_mounts mounts;

	assert_int_equal(
		criu_parse_mounts(
			*state,
			"51 52 254:0 /r / rw,relatime - ext4 /dev/vda rw\n"
			"106 51 0:56 / /with\\040space rw shared:1 master:2 - proc proc rw\n",
			&mounts),
		0);
	assert_int_equal(mounts.n, 2);
	assert_int_equal(mounts.v[0].id, 51);
	assert_int_equal(mounts.v[0].major, 254);
	assert_string_equal(mounts.v[1].point, "/with space");
	assert_string_equal(mounts.v[1].type, "proc");
	assert_ptr_equal(criu_mount_by_id(&mounts, 106), &mounts.v[1]);
	assert_null(criu_mount_by_id(&mounts, 1));
	static const char *const bad[] = { "x", "51 52 254 /r / rw - ext4 d rw\n",
					   "51 52 254:0 /r rel rw - ext4 d rw\n",
					   "51 52 254:0 /r / rw ext4\n",
					   "51 52 254:0 /r / rw -\n" };

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_int_equal(criu_parse_mounts(*state, bad[i], &mounts), -EBADMSG);
	assert_int_equal(criu_parse_mounts(*state, "", &mounts), 0);
	assert_int_equal(mounts.n, 0);
}

static void put(int dir, const char *text)
{
	assert_int_equal(io_replace_file(dir, "descriptors.json", text, strlen(text), 0600), 0);
}

static void test_descriptors(void **state)
{
	struct tmpdir *tmp = tmpdir_new();
	CLEANUP_FD int dir = fd_open(tmp->path, O_RDONLY | O_DIRECTORY, 0);
	struct criu_stdio in = { .name = { "pipe:[1]", "file[18:3]", "/dev/pts/0" },
				 .null = { false, true, false } };
	struct criu_stdio out;
	struct err err = { 0 };

	assert_int_equal(criu_read_descriptors(*state, dir, &out, &err), 0);
	assert_string_equal(out.name[0], "");
	assert_int_equal(criu_write_descriptors(dir, &in, &err), 0);
	assert_int_equal(criu_read_descriptors(*state, dir, &out, &err), 0);
	assert_string_equal(out.name[0], "pipe:[1]");
	assert_string_equal(out.name[1], "file[18:3]");
	assert_true(out.null[1]);
	assert_false(out.null[0]);
	assert_string_equal(out.name[2], "");

	/* As runc writes it, and what somebody made up. */
	put(dir, "[\"/dev/null\",\"pipe:[7]\",\"pipe:[8]\"]");
	assert_int_equal(criu_read_descriptors(*state, dir, &out, &err), 0);
	assert_string_equal(out.name[0], "");
	assert_string_equal(out.name[2], "pipe:[8]");
	put(dir, "[1, null, \"extRootNetNS\", \"pipe:[1]\", \"pipe:[2]\"]");
	assert_int_equal(criu_read_descriptors(*state, dir, &out, &err), 0);
	for (int i = 0; i < 3; i++)
		assert_string_equal(out.name[i], "");
	put(dir, "{}");
	assert_int_equal(criu_read_descriptors(*state, dir, &out, &err), -EINVAL);
	put(dir, "[");
	assert_true(criu_read_descriptors(*state, dir, &out, &err) < 0);
	tmpdir_free(tmp);
}

static void test_print(void **state)
{
	CLEANUP_STR struct str out = { 0 };
	struct criu_options options = { .file_locks = true, .cgroups_mode = 4 };
	struct criu_request request;
	struct spec spec = { 0 };

	criu_plan_common(&options, &spec, CRIU_RESTORE, &request);
	request.root = "/r";
	criu_pairs_add(*state, &request.mounts, "/data", "/r/m1");
	criu_request_print(&request, &out);
	assert_string_equal(out.data, "criu restore log=restore.log\nflags file-locks\n"
				      "cgroups-mode 4\nroot /r\nmount /data = /r/m1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_words, setup, teardown),
		cmocka_unit_test_setup_teardown(test_option_rules, setup, teardown),
		cmocka_unit_test_setup_teardown(test_namespaces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dump, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pre_dump, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restore, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_log, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mounts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_print, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
