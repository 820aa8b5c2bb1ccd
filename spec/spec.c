/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Look-ups in a spec, and the names of the capabilities.
 */
#include "spec/spec.h"

#include <linux/capability.h>

#include "common/macros.h"
#include "spec/spec_read.h"

const char *spec_annotation(const struct spec *spec, const char *key)
{
	for (size_t i = 0; i < spec->annotations.n; i++)
		if (str_eq(spec->annotations.v[i].key, key))
			return spec->annotations.v[i].value;
	return NULL;
}

const struct spec_namespace *spec_namespace(const struct spec *spec, uint64_t flag)
{
	for (size_t i = 0; i < spec->linux_.n_namespaces; i++)
		if (spec->linux_.namespaces[i].flag == flag)
			return &spec->linux_.namespaces[i];
	return NULL;
}

/* By number, so that a header older than a capability cannot shift the rest. */
static const char *const capability_names[] = {
	[0] = "CAP_CHOWN",
	[1] = "CAP_DAC_OVERRIDE",
	[2] = "CAP_DAC_READ_SEARCH",
	[3] = "CAP_FOWNER",
	[4] = "CAP_FSETID",
	[5] = "CAP_KILL",
	[6] = "CAP_SETGID",
	[7] = "CAP_SETUID",
	[8] = "CAP_SETPCAP",
	[9] = "CAP_LINUX_IMMUTABLE",
	[10] = "CAP_NET_BIND_SERVICE",
	[11] = "CAP_NET_BROADCAST",
	[12] = "CAP_NET_ADMIN",
	[13] = "CAP_NET_RAW",
	[14] = "CAP_IPC_LOCK",
	[15] = "CAP_IPC_OWNER",
	[16] = "CAP_SYS_MODULE",
	[17] = "CAP_SYS_RAWIO",
	[18] = "CAP_SYS_CHROOT",
	[19] = "CAP_SYS_PTRACE",
	[20] = "CAP_SYS_PACCT",
	[21] = "CAP_SYS_ADMIN",
	[22] = "CAP_SYS_BOOT",
	[23] = "CAP_SYS_NICE",
	[24] = "CAP_SYS_RESOURCE",
	[25] = "CAP_SYS_TIME",
	[26] = "CAP_SYS_TTY_CONFIG",
	[27] = "CAP_MKNOD",
	[28] = "CAP_LEASE",
	[29] = "CAP_AUDIT_WRITE",
	[30] = "CAP_AUDIT_CONTROL",
	[31] = "CAP_SETFCAP",
	[32] = "CAP_MAC_OVERRIDE",
	[33] = "CAP_MAC_ADMIN",
	[34] = "CAP_SYSLOG",
	[35] = "CAP_WAKE_ALARM",
	[36] = "CAP_BLOCK_SUSPEND",
	[37] = "CAP_AUDIT_READ",
	[38] = "CAP_PERFMON",
	[39] = "CAP_BPF",
	[40] = "CAP_CHECKPOINT_RESTORE",
};

_Static_assert(CAP_KILL == 5 && CAP_SYS_ADMIN == 21 && CAP_AUDIT_READ == 37,
	       "capability numbers are those of the kernel");

int spec_capability(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(capability_names); i++)
		if (str_eq(capability_names[i], name))
			return (int)i;
	return -1;
}

const char *spec_capability_name(int cap)
{
	if (cap < 0 || (size_t)cap >= ARRAY_COUNT(capability_names))
		return NULL;
	return capability_names[cap];
}
