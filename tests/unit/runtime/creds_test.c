/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials for real, in a user namespace of a forked child: needs no rights, but a kernel (and a
 * sandbox around us) that lets anybody make one; skipped elsewhere.
 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/io.h"
#include "runtime/creds.h"
#include "runtime/netdev.h"

#define CHILD_SKIP 77

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			dprintf(STDERR_FILENO, "%s:%d: %s\n", __FILE__, __LINE__, #condition);     \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

/* The caller becomes root of a user namespace in which only id 0 exists. */
static void enter_userns(int more)
{
	uid_t uid = getuid();
	gid_t gid = getgid();
	char map[64];

	if (unshare(CLONE_NEWUSER | more) < 0)
		_exit(CHILD_SKIP);
	if (io_write_small(AT_FDCWD, "/proc/self/setgroups", "deny") < 0)
		_exit(CHILD_SKIP);
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (io_write_small(AT_FDCWD, "/proc/self/uid_map", map) < 0)
		_exit(CHILD_SKIP);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	if (io_write_small(AT_FDCWD, "/proc/self/gid_map", map) < 0)
		_exit(CHILD_SKIP);
}

static void in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SKIP)
		skip();
	assert_int_equal(status, 0);
}

/* "CapEff" and its kin of /proc/self/status. */
static uint64_t status_set(const char *name)
{
	char text[8192], *line;
	unsigned long long value = 0;

	CHECK(io_read_small(AT_FDCWD, "/proc/self/status", text, sizeof(text)) > 0);
	line = strstr(text, name);
	CHECK(line && sscanf(line + strlen(name), ": %llx", &value) == 1);
	return value;
}

static void child_capabilities(void)
{
	const uint64_t two = 1ULL << CAP_KILL | 1ULL << CAP_NET_RAW;
	struct plan_creds plan = {
		.bounding = two | 1ULL << CAP_CHOWN,
		.permitted = two,
		.effective = 1ULL << CAP_KILL,
		.inheritable = two,
		.ambient = 1ULL << CAP_KILL,
		.has_umask = true,
		.umask = 027,
	};
	struct plan_creds other;
	struct err err = { 0 };

	enter_userns(0);
	CHECK(creds_become_root(&err) == 0);
	/* Nothing is proved before it is done. */
	CHECK(creds_prove(&plan, &err) == -EPERM);
	CHECK(creds_apply(&plan, &err) == 0);
	CHECK(status_set("CapBnd") == plan.bounding);
	CHECK(status_set("CapPrm") == plan.permitted);
	CHECK(status_set("CapEff") == plan.effective);
	CHECK(status_set("CapInh") == plan.inheritable);
	CHECK(status_set("CapAmb") == plan.ambient);
	CHECK(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0) == 0);
	CHECK(umask(0) == 027);
	/* A proof of anything else fails. */
	other = plan;
	other.bounding = two;
	CHECK(creds_prove(&other, &err) == -EPERM);
	CHECK(strstr(err.msg, "capability 0 is still in the bounding set"));
	other = plan;
	other.effective = two;
	CHECK(creds_prove(&other, &err) == -EPERM);
	other = plan;
	other.uid = 1;
	CHECK(creds_prove(&other, &err) == -EPERM);
	CHECK(strstr(err.msg, "uid is 0, not 1"));
	/* What is gone cannot be asked for again. */
	other = plan;
	other.permitted |= 1ULL << CAP_CHOWN;
	CHECK(creds_apply(&other, &err) == -EPERM);
}

static void test_capabilities(void **state)
{
	(void)state;
	in_child(child_capabilities);
}

static void child_ids(void)
{
	const uint32_t gid = 0;
	struct plan_creds plan = { .gids = &gid, .n_gids = 1 };
	struct err err = { 0 };

	enter_userns(0);
	/* Denied, and not to be passed over when groups were asked for. */
	CHECK(creds_apply(&plan, &err) == -EPERM);
	CHECK(strstr(err.msg, "setgroups (1 additional gids)"));
	plan.skip_setgroups = true;
	plan.uid = 5;
	CHECK(creds_apply(&plan, &err) == -EINVAL);
	CHECK(strstr(err.msg, "setresuid 5"));
	plan.uid = 0;
	plan.gid = 6;
	CHECK(creds_apply(&plan, &err) == -EINVAL);
	CHECK(strstr(err.msg, "setresgid 6"));
}

static void test_ids(void **state)
{
	(void)state;
	in_child(child_ids);
}

static void child_no_new_privs(void)
{
	struct plan_creds plan = { 0 };
	struct err err = { 0 };

	CHECK(creds_no_new_privs(&plan, &err) == 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
	plan.no_new_privs = true;
	CHECK(creds_no_new_privs(&plan, &err) == 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static void test_no_new_privs(void **state)
{
	(void)state;
	in_child(child_no_new_privs);
}

static short lo_flags(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0);
	close(fd);
	return request.ifr_flags;
}

static void child_loopback(void)
{
	struct err err = { 0 };

	enter_userns(CLONE_NEWNET);
	CHECK(!(lo_flags() & IFF_UP));
	CHECK(netdev_loopback_up(&err) == 0);
	CHECK(lo_flags() & IFF_UP);
	/* Up already. */
	CHECK(netdev_loopback_up(&err) == 0);
	/* Without the right to: the kernel's answer, with the device's name. */
	struct plan_creds none = { .skip_setgroups = true };
	CHECK(creds_apply(&none, &err) == 0);
	CHECK(netdev_loopback_up(&err) == -EPERM);
	CHECK(strstr(err.msg, "\"lo\" up: operation not permitted"));
}

static void test_loopback(void **state)
{
	(void)state;
	in_child(child_loopback);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_no_new_privs),
		cmocka_unit_test(test_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
