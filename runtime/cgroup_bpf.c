/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules on v2: a small BPF_PROG_TYPE_CGROUP_DEVICE program, built here instruction by
 * instruction, so that neither a compiler nor libbpf is needed.
 */
#include "runtime/cgroup_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "common/fd.h"
#include "common/macros.h"

/*
 * Registers: r1 the context, r2 the type, r3 the access bits not yet decided, r4 type and major as
 * one number, r5 type, major and minor, r6 scratch. One comparison a rule is not for the kernel's
 * run time but for its verifier, which follows both ways of every jump: with a jump for each of
 * type, major and minor the default rules take three times as long to load.
 */
#define INSN(c, d, s, o, i)                                                                        \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define LOAD32(d, field)                                                                           \
	INSN(BPF_LDX | BPF_MEM | BPF_W, d, BPF_REG_1,                                              \
	     (short)offsetof(struct bpf_cgroup_dev_ctx, field), 0)
#define MOV_REG(d, s) INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define MOV_IMM(d, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define AND_IMM(d, i) INSN(BPF_ALU64 | BPF_AND | BPF_K, d, 0, 0, i)
#define OR_REG(d, s) INSN(BPF_ALU64 | BPF_OR | BPF_X, d, s, 0, 0)
#define SHR_IMM(d, i) INSN(BPF_ALU64 | BPF_RSH | BPF_K, d, 0, 0, i)
#define SHL_IMM(d, i) INSN(BPF_ALU64 | BPF_LSH | BPF_K, d, 0, 0, i)
#define JNE_IMM(d, i, o) INSN(BPF_JMP | BPF_JNE | BPF_K, d, 0, o, i)
#define JNE_REG(d, s, o) INSN(BPF_JMP | BPF_JNE | BPF_X, d, s, o, 0)
#define JEQ_IMM(d, i, o) INSN(BPF_JMP | BPF_JEQ | BPF_K, d, 0, o, i)
#define EXIT_INSN INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

/* Linux has 12 bits of major and 20 of minor. */
#define NUMBER_BITS 28
#define HEAD_INSNS 12
#define RULE_INSNS_MAX 18 /* one of type "a" with numbers counts twice */
#define TAIL_INSNS 2
#define ACCESS_ALL (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)
#define ATTACHED_MAX 64

size_t cgroup_bpf_size(size_t n_rules)
{
	return HEAD_INSNS + n_rules * RULE_INSNS_MAX + TAIL_INSNS;
}

static int access_bits(const struct spec_device_rule *r)
{
	return (r->read ? BPF_DEVCG_ACC_READ : 0) | (r->write ? BPF_DEVCG_ACC_WRITE : 0) |
	       (r->mknod ? BPF_DEVCG_ACC_MKNOD : 0);
}

/* Matches everything: no rule before it has a say. */
static bool is_last_word(const struct spec_device_rule *r)
{
	return r->type == 'a' && r->major < 0 && r->minor < 0 && access_bits(r) == ACCESS_ALL;
}

static bool can_match(const struct spec_device_rule *r)
{
	return r->major < 1 << NUMBER_BITS && r->minor < 1 << NUMBER_BITS && access_bits(r);
}

static size_t load_key(uint64_t key, struct bpf_insn *out)
{
	out[0] = INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_6, 0, 0, (int)(uint32_t)key);
	out[1] = INSN(0, 0, 0, 0, (int)(uint32_t)(key >> 32));
	return 2;
}

/* The jumps that leave the rule where it does not match; their offsets come later. */
static size_t build_match(const struct spec_device_rule *r, uint64_t type, struct bpf_insn *out)
{
	uint64_t key = type << NUMBER_BITS | (uint64_t)r->major;
	size_t n = 0;

	if (!type)
		return 0;
	if (r->major >= 0 && r->minor >= 0) {
		n = load_key(key << NUMBER_BITS | (uint64_t)r->minor, out);
		out[n++] = JNE_REG(BPF_REG_5, BPF_REG_6, 0);
	} else if (r->major >= 0) {
		n = load_key(key, out);
		out[n++] = JNE_REG(BPF_REG_4, BPF_REG_6, 0);
	} else {
		out[n++] = JNE_IMM(BPF_REG_2, (int)type, 0);
		if (r->minor >= 0) {
			out[n++] = LOAD32(BPF_REG_6, minor);
			out[n++] = JNE_IMM(BPF_REG_6, (int)r->minor, 0);
		}
	}
	return n;
}

/* One rule for one type (0: any); falls through to the next where it does not decide. */
static size_t build_rule(const struct spec_device_rule *r, uint64_t type, struct bpf_insn *out)
{
	size_t n = build_match(r, type, out), matched = n;
	int access = access_bits(r);

	if (access != ACCESS_ALL && r->allow) {
		out[n++] = AND_IMM(BPF_REG_3, ACCESS_ALL & ~access);
		out[n++] = JNE_IMM(BPF_REG_3, 0, 2);
	} else if (access != ACCESS_ALL) {
		out[n++] = MOV_REG(BPF_REG_6, BPF_REG_3);
		out[n++] = AND_IMM(BPF_REG_6, access);
		out[n++] = JEQ_IMM(BPF_REG_6, 0, 2);
	}
	out[n++] = MOV_IMM(BPF_REG_0, r->allow);
	out[n++] = EXIT_INSN;
	for (size_t i = 0; i < matched; i++) {
		if (BPF_CLASS(out[i].code) == BPF_JMP)
			out[i].off = (short)(n - i - 1);
	}
	return n;
}

static size_t build_types(const struct spec_device_rule *r, struct bpf_insn *out)
{
	size_t n = 0;

	if (!can_match(r))
		return 0;
	if (r->type == 'a' && r->major < 0 && r->minor < 0)
		return build_rule(r, 0, out);
	if (r->type != 'c')
		n += build_rule(r, BPF_DEVCG_DEV_BLOCK, out);
	if (r->type != 'b')
		n += build_rule(r, BPF_DEVCG_DEV_CHAR, out + n);
	return n;
}

static size_t build_head(struct bpf_insn *out)
{
	size_t n = 0;

	out[n++] = LOAD32(BPF_REG_2, access_type);
	out[n++] = MOV_REG(BPF_REG_3, BPF_REG_2);
	out[n++] = AND_IMM(BPF_REG_2, 0xffff);
	out[n++] = SHR_IMM(BPF_REG_3, 16);
	out[n++] = MOV_REG(BPF_REG_4, BPF_REG_2);
	out[n++] = SHL_IMM(BPF_REG_4, NUMBER_BITS);
	out[n++] = LOAD32(BPF_REG_6, major);
	out[n++] = OR_REG(BPF_REG_4, BPF_REG_6);
	out[n++] = MOV_REG(BPF_REG_5, BPF_REG_4);
	out[n++] = SHL_IMM(BPF_REG_5, NUMBER_BITS);
	out[n++] = LOAD32(BPF_REG_6, minor);
	out[n++] = OR_REG(BPF_REG_5, BPF_REG_6);
	return n;
}

size_t cgroup_bpf_build(const struct spec_device_rule *rules, size_t n, struct bpf_insn *out)
{
	bool otherwise = false, needed = false;
	size_t first = 0, len = 0;

	for (size_t i = 0; i < n; i++) {
		if (is_last_word(&rules[i])) {
			first = i + 1;
			otherwise = rules[i].allow;
			needed = false;
		} else if (rules[i].allow != otherwise) {
			needed = true;
		}
	}
	if (otherwise && !needed)
		return 0;

	len = build_head(out);
	for (size_t i = n; i > first; i--)
		len += build_types(&rules[i - 1], out + len);
	out[len++] = MOV_IMM(BPF_REG_0, otherwise);
	out[len++] = EXIT_INSN;
	return len;
}

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	int r = (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : r;
}

static int load_once(const struct bpf_insn *insns, size_t n, char *log, size_t log_size)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)insns;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	if (log) {
		attr.log_buf = (uint64_t)(uintptr_t)log;
		attr.log_size = (uint32_t)log_size;
		attr.log_level = 1;
	}
	return sys_bpf(BPF_PROG_LOAD, &attr);
}

static int load(const struct bpf_insn *insns, size_t n, struct err *err)
{
	char log[1024] = "";
	int fd = load_once(insns, n, NULL, 0);

	if (fd == -EPERM) {
		/* Before 5.11 programs count as locked memory. For this one call only: the limit
		 * is inherited by the container. */
		const struct rlimit more = { RLIM_INFINITY, RLIM_INFINITY };
		struct rlimit old;

		if (getrlimit(RLIMIT_MEMLOCK, &old) == 0 && setrlimit(RLIMIT_MEMLOCK, &more) == 0) {
			fd = load_once(insns, n, NULL, 0);
			if (setrlimit(RLIMIT_MEMLOCK, &old) < 0) {
				if (fd >= 0)
					fd_close(fd);
				return err_sys(err, "restore the memlock limit");
			}
		}
	}
	if (fd >= 0 || fd == -EPERM)
		return fd < 0 ? err_sysn(err, fd, "load the device program") : fd;
	if (load_once(insns, n, log, sizeof(log)) >= 0 || !*log)
		return err_sysn(err, fd, "load the device program");
	return err_sysn(err, fd, "load the device program: %s", log);
}

/* Programs that were left on a directory that existed before us. */
static int detach_others(int dirfd, const uint32_t *ids, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		CLEANUP_FD int fd = -EBADF;
		union bpf_attr attr;
		int r;

		memset(&attr, 0, sizeof(attr));
		attr.prog_id = ids[i];
		fd = sys_bpf(BPF_PROG_GET_FD_BY_ID, &attr);
		if (fd < 0)
			return fd;
		memset(&attr, 0, sizeof(attr));
		attr.target_fd = (uint32_t)dirfd;
		attr.attach_bpf_fd = (uint32_t)fd;
		attr.attach_type = BPF_CGROUP_DEVICE;
		r = sys_bpf(BPF_PROG_DETACH, &attr);
		if (r < 0)
			return r;
	}
	return 0;
}

static int attach(int dirfd, int prog)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)dirfd;
	attr.attach_bpf_fd = (uint32_t)prog;
	attr.attach_type = BPF_CGROUP_DEVICE;
	/* Ours and those of every ancestor and of a nested runtime must all agree. */
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	return sys_bpf(BPF_PROG_ATTACH, &attr);
}

int cgroup_bpf_attach(const char *path, const struct spec_device_rule *rules, size_t n,
		      bool replace, struct err *err)
{
	CLEANUP_FREE struct bpf_insn *insns =
		reallocarray(NULL, cgroup_bpf_size(n), sizeof(*insns));
	CLEANUP_FD int dirfd = -EBADF, prog = -EBADF;
	uint32_t ids[ATTACHED_MAX] = { 0 };
	union bpf_attr query;
	size_t len;
	int r;

	if (!insns)
		return err_set(err, ENOMEM, "out of memory");
	len = cgroup_bpf_build(rules, n, insns);
	if (!len && !replace)
		return 0;
	dirfd = fd_open(path, O_RDONLY | O_DIRECTORY, 0);
	if (dirfd < 0)
		return err_sysn(err, dirfd, "open \"%s\"", path);

	memset(&query, 0, sizeof(query));
	if (replace) {
		query.query.target_fd = (uint32_t)dirfd;
		query.query.attach_type = BPF_CGROUP_DEVICE;
		query.query.prog_ids = (uint64_t)(uintptr_t)ids;
		query.query.prog_cnt = ATTACHED_MAX;
		r = sys_bpf(BPF_PROG_QUERY, &query);
		if (r < 0)
			return err_sysn(err, r, "query the device programs of \"%s\"", path);
	}
	if (len) {
		prog = load(insns, len, err);
		if (prog < 0)
			return prog;
		r = attach(dirfd, prog);
		if (r < 0)
			return err_sysn(err, r, "attach the device program to \"%s\"", path);
	}
	/* Only now: at no time is the cgroup without rules. */
	r = detach_others(dirfd, ids, replace ? query.query.prog_cnt : 0);
	return r < 0 ? err_sysn(err, r, "detach the old device program of \"%s\"", path) : 0;
}
