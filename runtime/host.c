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

bool host_in_user_ns(void)
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

static int probe_last_cap(void)
{
	char text[16];
	int value;

	if (io_read_small(AT_FDCWD, "/proc/sys/kernel/cap_last_cap", text, sizeof(text)) > 0 &&
	    parse_int(text, &value) == 0 && value >= 0 && value < 64)
		return value;
	/* Without /proc: the kernel answers EINVAL for the first bit it does not know. */
	for (value = 0; value < 63; value++)
		if (prctl(PR_CAPBSET_READ, value + 1, 0, 0, 0) < 0)
			break;
	return value;
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
