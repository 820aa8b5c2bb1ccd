/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts about the caller and the kernel, except the cgroup layout (host_cgroup.c).
 */
#include "runtime/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "common/io.h"
#include "common/str.h"

/* Cuts the next blank-separated word off *text; NULL at the end. */
static char *next_word(char **text)
{
	char *word = *text + strspn(*text, " \t\n");
	size_t n = strcspn(word, " \t\n");

	if (n == 0)
		return NULL;
	*text = word[n] ? word + n + 1 : word + n;
	word[n] = '\0';
	return word;
}

static bool probe_user_ns(void)
{
	char map[128], *rest = map;
	uint64_t numbers[3] = { 0 };

	if (io_read_small(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map)) <= 0)
		return false;
	for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
		const char *word = next_word(&rest);

		if (!word || parse_u64(word, 10, &numbers[i]) < 0)
			return true;
	}
	return next_word(&rest) || numbers[0] != 0 || numbers[1] != 0 || numbers[2] != UINT32_MAX;
}

bool host_in_user_ns(void)
{
	static enum { UNASKED, INSIDE, OUTSIDE } known;

	/* main asks, and host_probe again; the program changes no user namespace of its own. */
	if (known == UNASKED)
		known = probe_user_ns() ? INSIDE : OUTSIDE;
	return known == INSIDE;
}

/* The kernel answers EINVAL for bits that it does not know: six questions cost less than opening
 * /proc/sys/kernel/cap_last_cap. */
static int probe_last_cap(void)
{
	int known = 0, unknown = 64;

	while (unknown - known > 1) {
		int middle = (known + unknown) / 2;

		if (prctl(PR_CAPBSET_READ, middle, 0, 0, 0) < 0)
			unknown = middle;
		else
			known = middle;
	}
	return known;
}

static uint64_t probe_own_caps(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

static bool probe_apparmor(void)
{
	char text[8];

	return io_read_small(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", text,
			     sizeof(text)) > 0 &&
	       text[0] == 'Y';
}

int host_probe(struct arena *arena, struct host *ret, struct err *err)
{
	struct host host = {
		.euid = geteuid(),
		.egid = getegid(),
		.in_user_ns = host_in_user_ns(),
		.apparmor = probe_apparmor(),
		.selinux = access("/sys/fs/selinux/enforce", F_OK) == 0,
		.last_cap = probe_last_cap(),
		.own_caps = probe_own_caps(),
	};
	int r = host_probe_cgroups(arena, &host, err);

	if (r < 0)
		return r;
	*ret = host;
	return 0;
}
