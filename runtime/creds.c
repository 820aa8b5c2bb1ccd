/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials of init. libcap is not used to set them: its cap_t is allocated, and this runs in a
 * child that must not allocate; capset(2) with the kernel's own structures is shorter besides.
 * The raw calls also keep musl's and glibc's "change it in every thread" wrappers out of the way:
 * there is one thread here, and the wrappers signal the others.
 */
#include "runtime/creds.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/str.h"

/* 32-bit machines keep the 16-bit id calls under the old names. */
#ifdef SYS_setresuid32
#define NR_SETRESUID SYS_setresuid32
#define NR_SETRESGID SYS_setresgid32
#define NR_SETGROUPS SYS_setgroups32
#else
#define NR_SETRESUID SYS_setresuid
#define NR_SETRESGID SYS_setresgid
#define NR_SETGROUPS SYS_setgroups
#endif

#define KEY_USER_SEARCH 0x00080000U

struct cap_sets {
	uint64_t effective, permitted, inheritable;
};

static bool has_cap(uint64_t set, int cap)
{
	return set >> cap & 1;
}

static int caps_get(struct cap_sets *ret)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	ret->effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	ret->permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	ret->inheritable = (uint64_t)data[1].inheritable << 32 | data[0].inheritable;
	return 0;
}

static int caps_set(const struct cap_sets *sets)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)sets->effective,
		  .permitted = (uint32_t)sets->permitted,
		  .inheritable = (uint32_t)sets->inheritable },
		{ .effective = (uint32_t)(sets->effective >> 32),
		  .permitted = (uint32_t)(sets->permitted >> 32),
		  .inheritable = (uint32_t)(sets->inheritable >> 32) },
	};

	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int creds_become_root(struct err *err)
{
	/* The group first: once the uid is set, the right to change groups may be gone. */
	if (syscall(NR_SETRESGID, 0, 0, 0) < 0)
		return err_sys(err, "setresgid 0 in the user namespace");
	if (syscall(NR_SETRESUID, 0, 0, 0) < 0)
		return err_sys(err, "setresuid 0 in the user namespace");
	return 0;
}

/* The permission bits of a key from KEYCTL_DESCRIBE: "type;uid;gid;perm;description". */
static int key_permissions(long key, uint32_t *ret)
{
	char text[512], *field = text;
	long n = syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, text, sizeof(text) - 1);

	if (n < 0)
		return -errno;
	text[MIN((size_t)n, sizeof(text) - 1)] = '\0';
	for (int i = 0; i < 3; i++) {
		field = strchr(field, ';');
		if (!field)
			return -EBADMSG;
		field++;
	}

	char *end = strchr(field, ';');

	if (!end)
		return -EBADMSG;
	*end = '\0';
	return parse_u32(field, 16, ret);
}

int creds_join_keyring(const char *name, struct err *err)
{
	long key = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);
	uint32_t permissions = 0;
	int r;

	/* ENOSYS: no keyrings in this kernel; EPERM: a filter around us forbids the call (Docker's
	 * does), so that nothing below can reach the outer keyring either. */
	if (key < 0 && (errno == ENOSYS || errno == EPERM))
		return 0;
	if (key < 0)
		return err_sys(err, "join session keyring \"%s\"", name);

	/* The user's search right lets a later exec join the same keyring by its name. */
	r = key_permissions(key, &permissions);
	if (r < 0)
		return err_sysn(err, r, "read permissions of session keyring \"%s\"", name);
	if (syscall(SYS_keyctl, KEYCTL_SETPERM, key, permissions | KEY_USER_SEARCH) < 0)
		return err_sys(err, "set permissions of session keyring \"%s\"", name);
	return 0;
}

int creds_no_new_privs(const struct plan_creds *plan, struct err *err)
{
	if (plan->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, "set no_new_privs");
	return 0;
}

static int drop_bounding(const struct plan_creds *plan, struct err *err)
{
	for (int cap = 0; cap < 64; cap++) {
		if (has_cap(plan->bounding, cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL) /* beyond the last capability of this kernel */
			return 0;
		/* Without CAP_SETPCAP it is fine only if there is nothing to drop. */
		int saved = errno;

		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 0)
			return err_sysn(err, saved, "drop capability %d from the bounding set",
					cap);
	}
	return 0;
}

static int set_groups(const struct plan_creds *plan, struct err *err)
{
	struct cap_sets own = { 0 };
	int saved;

	if (plan->skip_setgroups)
		return 0;
	if (syscall(NR_SETGROUPS, plan->n_gids, plan->gids) == 0)
		return 0;
	saved = errno;
	/* EPERM with CAP_SETGID means that the user namespace says "deny" in /proc/PID/setgroups:
	 * then nobody in it can drop a group, which is what "deny" is for. */
	if (saved == EPERM && plan->n_gids == 0 &&
	    (getgroups(0, NULL) == 0 ||
	     (caps_get(&own) == 0 && has_cap(own.effective, CAP_SETGID))))
		return 0;
	return err_sysn(err, saved, "setgroups (%zu additional gids)", plan->n_gids);
}

static int set_ambient(uint64_t ambient, struct err *err)
{
	/* Kernels before 4.3 have no ambient set. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 &&
	    (errno != EINVAL || ambient))
		return err_sys(err, "clear the ambient capabilities");
	for (int cap = 0; cap < 64; cap++)
		if (has_cap(ambient, cap) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return err_sys(err, "raise ambient capability %d", cap);
	return 0;
}

int creds_apply(const struct plan_creds *plan, struct err *err)
{
	struct cap_sets sets = {
		.effective = plan->effective,
		.permitted = plan->permitted,
		.inheritable = plan->inheritable,
	};
	int r;

	/* While CAP_SETPCAP is still here. */
	r = drop_bounding(plan, err);
	if (r < 0)
		return r;
	/* The permitted set must outlive the change of uid; capset then takes what was asked. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(err, "set keepcaps");
	/* Groups need CAP_SETGID, which the change of uid takes from the effective set. */
	r = set_groups(plan, err);
	if (r < 0)
		return r;
	if (syscall(NR_SETRESGID, plan->gid, plan->gid, plan->gid) < 0)
		return err_sys(err, "setresgid %u", plan->gid);
	if (syscall(NR_SETRESUID, plan->uid, plan->uid, plan->uid) < 0)
		return err_sys(err, "setresuid %u", plan->uid);
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return err_sys(err, "clear keepcaps");
	r = caps_set(&sets);
	if (r < 0)
		return err_sysn(err, r, "capset effective %#llx permitted %#llx inheritable %#llx",
				(unsigned long long)sets.effective,
				(unsigned long long)sets.permitted,
				(unsigned long long)sets.inheritable);
	r = set_ambient(plan->ambient, err);
	if (r < 0)
		return r;
	if (plan->has_umask)
		umask((mode_t)plan->umask);
	return creds_prove(plan, err);
}

static int prove_ids(const struct plan_creds *plan, struct err *err)
{
	uid_t uid[3] = { 0 };
	gid_t gid[3] = { 0 };

	if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0)
		return err_sys(err, "read back the process ids");
	for (int i = 0; i < 3; i++) {
		if (uid[i] != plan->uid)
			return err_set(err, EPERM, "uid is %u, not %u", uid[i], plan->uid);
		if (gid[i] != plan->gid)
			return err_set(err, EPERM, "gid is %u, not %u", gid[i], plan->gid);
	}
	return 0;
}

static int prove_caps(const struct plan_creds *plan, struct err *err)
{
	struct cap_sets own = { 0 };
	int r = caps_get(&own);

	if (r < 0)
		return err_sysn(err, r, "read back the capabilities");
	if (own.effective != plan->effective || own.permitted != plan->permitted ||
	    own.inheritable != plan->inheritable)
		return err_set(err, EPERM,
			       "capabilities are effective %#llx permitted %#llx inheritable %#llx",
			       (unsigned long long)own.effective, (unsigned long long)own.permitted,
			       (unsigned long long)own.inheritable);
	for (int cap = 0; cap < 64; cap++)
		if (!has_cap(plan->bounding, cap) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			return err_set(err, EPERM, "capability %d is still in the bounding set",
				       cap);
	return 0;
}

/* What was given up must not come back by asking for it, unless the capability to ask was granted. */
static int prove_no_way_back(const struct plan_creds *plan, struct err *err)
{
	if (plan->uid != 0 && !has_cap(plan->effective, CAP_SETUID) &&
	    syscall(NR_SETRESUID, -1, 0, -1) == 0)
		return err_set(err, EPERM, "uid 0 could be regained");
	if (plan->gid != 0 && !has_cap(plan->effective, CAP_SETGID) &&
	    syscall(NR_SETRESGID, -1, 0, -1) == 0)
		return err_set(err, EPERM, "gid 0 could be regained");
	return 0;
}

int creds_prove(const struct plan_creds *plan, struct err *err)
{
	int r = prove_ids(plan, err);

	if (r >= 0)
		r = prove_caps(plan, err);
	if (r >= 0)
		r = prove_no_way_back(plan, err);
	if (r < 0)
		return err_wrap(err, "credentials are not what was asked for");
	return 0;
}
