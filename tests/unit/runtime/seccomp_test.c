/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/common/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/io.h"
#include "runtime/seccomp_internal.h"
#include "spec/spec_read.h"

#define PROFILE "tests/data/seccomp-default.json"
#define X32_BIT 0x40000000U

struct fixture {
	struct tmpdir *tmp;
	struct arena arena;
	struct err err;
	const char *cache;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->tmp = tmpdir_new();
	f->cache = arena_printf(&f->arena, "%s/.cache/seccomp", f->tmp->path);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	tmpdir_free(f->tmp);
	arena_done(&f->arena);
	free(f);
	return 0;
}

static const struct spec_seccomp *read_profile(struct fixture *f, const char *text)
{
	struct spec *spec;
	const char *doc = arena_printf(
		&f->arena,
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},\"process\":{\"cwd\":\"/\","
		"\"args\":[\"x\"],\"user\":{\"uid\":0,\"gid\":0}},\"linux\":{\"seccomp\":%s}}",
		text);

	if (spec_read(&f->arena, doc, strlen(doc), &spec, &f->err) < 0)
		fail_msg("%s", f->err.msg);
	return &spec->linux_.seccomp;
}

static char *default_text(struct fixture *f)
{
	char *text;
	size_t n;

	/* From the top of the tree or from anywhere below build/. */
	for (const char *up = "../../../../"; strlen(up) >= 3; up += 3)
		if (io_read_file(AT_FDCWD, arena_printf(&f->arena, "%s" PROFILE, up), 1 << 20,
				 &f->arena, &text, &n) == 0)
			return text;
	assert_int_equal(io_read_file(AT_FDCWD, PROFILE, 1 << 20, &f->arena, &text, &n), 0);
	return text;
}

/* The text with the first `from` replaced. */
static const char *replaced(struct fixture *f, const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	assert_non_null(at);
	return arena_printf(&f->arena, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static int compile(struct fixture *f, const struct spec_seccomp *spec, bool front,
		   struct seccomp_program *ret)
{
	*ret = (struct seccomp_program){ 0 };
	f->err = (struct err){ 0 };
	return seccomp_compile_profile(&f->arena, spec, front, ret, &f->err);
}

/* The kernel's answer to a call: an interpreter of the few instructions that filters use. */
static uint32_t answer(const struct seccomp_program *program, const struct seccomp_data *data)
{
	const struct sock_filter *v = program->filter;
	uint32_t a = 0;

	for (size_t pc = 0; pc < program->n; pc++) {
		const struct sock_filter *i = &v[pc];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(i->k + 4 <= sizeof(*data) && i->k % 4 == 0);
			memcpy(&a, (const char *)data + i->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			fail_msg("instruction %#x", i->code);
		}
	}
	fail_msg("the program has no end");
	return 0;
}

static uint32_t answer_to(const struct seccomp_program *program, uint32_t arch, uint32_t nr,
			  uint64_t arg0)
{
	struct seccomp_data data = { .nr = (int)nr, .arch = arch, .args = { arg0 } };

	return answer(program, &data);
}

static const uint64_t args0[] = { 0,          1,          2,          3,          4,
				  5,          9,          16,         17,         18,
				  40,         0x8,        0x20000,    0x20008,    0x12345,
				  0xffffffff, 0x7e020000, 0x10000000, 1ULL << 32, UINT64_MAX };
static const struct {
	uint32_t from, to;
} numbers[] = {
	{ 0, 700 },
	{ 4000, 4700 },
	{ 5000, 5700 },
	{ 6000, 6700 },
	{ 0xf0000, 0xf0010 },
	{ X32_BIT, X32_BIT + 700 },
	{ UINT32_MAX - 3, UINT32_MAX },
};

static void assert_same(const struct seccomp_program *a, const struct seccomp_program *b,
			uint32_t arch)
{
	for (size_t i = 0; i < ARRAY_COUNT(numbers); i++)
		for (uint64_t nr = numbers[i].from; nr <= numbers[i].to; nr++)
			for (size_t k = 0; k < ARRAY_COUNT(args0); k++) {
				uint32_t x = answer_to(a, arch, (uint32_t)nr, args0[k]);
				uint32_t y = answer_to(b, arch, (uint32_t)nr, args0[k]);

				if (x != y)
					fail_msg("arch %#x nr %#x arg %#llx: %#x, libseccomp %#x",
						 arch, (uint32_t)nr, (unsigned long long)args0[k],
						 x, y);
			}
}

/* With the front the program answers as libseccomp's own does. */
static void check_equal(struct fixture *f, const char *text)
{
	static const char *const arch_names[] = { "x86_64",  "x86",     "x32",      "arm",
						  "aarch64", "mipsel",  "mipsel64", "mipsel64n32",
						  "ppc64le", "riscv64", "s390x",    "s390",
						  "mips",    "ppc",     "ppc64",    "loongarch64" };
	const struct spec_seccomp *spec = read_profile(f, text);
	struct seccomp_program with, without;

	if (compile(f, spec, true, &with) < 0 || compile(f, spec, false, &without) < 0)
		fail_msg("%s", f->err.msg);
	for (size_t i = 0; i < ARRAY_COUNT(arch_names); i++) {
		uint32_t token = seccomp_arch_resolve_name(arch_names[i]);

		/* x32 is x86_64 for the kernel. */
		if (token != 0 && token != SCMP_ARCH_X32)
			assert_same(&with, &without, token);
	}
}

static void test_front_default_profile(void **state)
{
	struct fixture *f = *state;
	/* With ENOSYS as the default there is no other answer for newer calls. */
	const char *text =
		replaced(f, default_text(f), "\"defaultErrnoRet\": 1", "\"defaultErrnoRet\": 38");

	check_equal(f, text);
	check_equal(f, replaced(f, text, "\"SCMP_ARCH_X32\"", "\"SCMP_ARCH_X86\""));
	check_equal(f, replaced(f, text, "\"SCMP_ARCH_X32\"",
				"\"SCMP_ARCH_ARM\", \"SCMP_ARCH_AARCH64\""));
	check_equal(f, replaced(f, text, "\"SCMP_ARCH_X32\"",
				"\"SCMP_ARCH_MIPSEL\", \"SCMP_ARCH_PPC64LE\", "
				"\"SCMP_ARCH_MIPSEL64N32\", \"SCMP_ARCH_RISCV64\""));
}

#define RULE(names, action) "{\"names\":[" names "],\"action\":\"SCMP_ACT_" action "\"}"
#define RULE_ERRNO(names, code)                                                                    \
	"{\"names\":[" names "],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":" code "}"
#define RULE_IF(names, action, index, op, value)                                                   \
	"{\"names\":[" names "],\"action\":\"SCMP_ACT_" action "\",\"args\":[{\"index\":" index    \
	",\"op\":\"SCMP_CMP_" op "\",\"value\":" value "}]}"
#define PROFILE_OF(dflt, rules)                                                                    \
	"{\"defaultAction\":\"SCMP_ACT_" dflt "\",\"architectures\":[\"SCMP_ARCH_X86_64\","        \
	"\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\",\"SCMP_ARCH_AARCH64\"],\"syscalls\":[" rules "]}"

static void test_front_odd_profiles(void **state)
{
	static const char *const profiles[] = {
		PROFILE_OF("KILL", RULE("\"read\"", "ALLOW")),
		PROFILE_OF("ALLOW", RULE("\"read\"", "ALLOW")),
		PROFILE_OF("ALLOW", RULE("\"mkdir\",\"chmod\"",
					 "KILL_PROCESS") "," RULE_ERRNO("\"mount\"", "7")),
		/* conditions only, and beside an unconditional rule of the same and another action */
		PROFILE_OF("LOG", RULE_IF("\"socket\",\"read\"", "ALLOW", "0", "LE", "4")),
		PROFILE_OF("KILL", RULE_IF("\"read\"", "ALLOW", "0", "EQ", "4") "," RULE("\"read\"",
											 "ALLOW")),
		PROFILE_OF("KILL", RULE("\"read\"", "ALLOW") "," RULE_IF("\"read\"", "LOG", "0",
									 "EQ", "4")),
		/* the families: the members alone, the call alone, agreeing, disagreeing */
		PROFILE_OF("KILL", RULE("\"socket\",\"bind\",\"semop\"", "ALLOW")),
		PROFILE_OF("KILL", RULE("\"socketcall\",\"ipc\"", "ALLOW")),
		PROFILE_OF("KILL",
			   RULE("\"socketcall\",\"ipc\",\"socket\",\"bind\",\"shmat\"", "ALLOW")),
		PROFILE_OF("KILL", RULE("\"socketcall\"", "ALLOW") "," RULE("\"bind\"", "LOG")),
		PROFILE_OF("KILL", RULE("\"bind\"", "LOG") "," RULE("\"socketcall\"", "ALLOW")),
		PROFILE_OF("KILL", RULE("\"socketcall\",\"bind\"", "ALLOW") "," RULE_IF(
					   "\"socket\"", "ALLOW", "0", "NE", "40")),
		PROFILE_OF("KILL", RULE("\"socketcall\"", "ALLOW") "," RULE_IF("\"socket\"", "LOG",
									       "0", "EQ", "2")),
		PROFILE_OF("KILL", RULE("\"socket\"", "ALLOW") "," RULE_IF(
					   "\"socketcall\"", "ALLOW", "0", "EQ", "3")),
		/* names of other architectures, unknown names, and nothing */
		PROFILE_OF("KILL",
			   RULE("\"arm_fadvise64_64\",\"no_such_call\",\"mmap2\"", "ALLOW")),
		PROFILE_OF("KILL", RULE("\"no_such_call\"", "ALLOW")),
		"{\"defaultAction\":\"SCMP_ACT_TRAP\"}",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_COUNT(profiles); i++)
		check_equal(f, profiles[i]);
}

static const char *native_word(void)
{
	switch (seccomp_arch_native()) {
	case SCMP_ARCH_X86_64:
		return "SCMP_ARCH_X86_64";
	case SCMP_ARCH_AARCH64:
		return "SCMP_ARCH_AARCH64";
	default:
		return NULL;
	}
}

static void test_newer_calls(void **state)
{
	struct fixture *f = *state;
	const uint32_t enosys = SCMP_ACT_ERRNO(ENOSYS), arch = seccomp_arch_native();
	uint32_t newest = (uint32_t)seccomp_syscall_resolve_name("openat2"), newest_arm;
	struct seccomp_program p;

	assert_int_equal(compile(f,
				 read_profile(f, PROFILE_OF("ERRNO", RULE("\"openat2\"", "ALLOW"))),
				 true, &p),
			 0);
	assert_int_equal(answer_to(&p, arch, newest, 0), SCMP_ACT_ALLOW);
	assert_int_equal(answer_to(&p, arch, newest - 1, 0), SCMP_ACT_ERRNO(EPERM));
	assert_int_equal(answer_to(&p, arch, newest + 1, 0), enosys);
	assert_int_equal(answer_to(&p, arch, 100000, 0), enosys);
	if (arch == SCMP_ARCH_X86_64) {
		assert_int_equal(answer_to(&p, arch, X32_BIT | newest, 0), SCMP_ACT_ALLOW);
		assert_int_equal(answer_to(&p, arch, X32_BIT | (newest + 200), 0), enosys);
		assert_int_equal(answer_to(&p, arch, X32_BIT | 1, 0), SCMP_ACT_ERRNO(EPERM));
	}
	/* ARM's own calls have numbers far above: they do not make everything below known. */
	assert_int_equal(
		compile(f,
			read_profile(f, replaced(f,
						 PROFILE_OF("ERRNO", RULE("\"openat2\",\"set_tls\"",
									  "ALLOW")),
						 "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM")),
			true, &p),
		0);
	newest_arm = (uint32_t)seccomp_syscall_resolve_name_arch(SCMP_ARCH_ARM, "openat2");
	assert_int_equal(answer_to(&p, SCMP_ARCH_ARM, newest_arm, 0), SCMP_ACT_ALLOW);
	assert_int_equal(answer_to(&p, SCMP_ARCH_ARM, newest_arm + 1, 0), enosys);
	assert_int_equal(answer_to(&p, SCMP_ARCH_ARM, 0xf0005, 0), SCMP_ACT_ALLOW);
	assert_int_equal(answer_to(&p, SCMP_ARCH_ARM, 0xf0002, 0), SCMP_ACT_ERRNO(EPERM));
	assert_int_equal(answer_to(&p, SCMP_ARCH_ARM, 0xf0006, 0), enosys);
	/* Only where the profile says "fail". */
	assert_int_equal(compile(f,
				 read_profile(f, PROFILE_OF("KILL", RULE("\"openat2\"", "ALLOW"))),
				 true, &p),
			 0);
	assert_int_equal(answer_to(&p, arch, newest + 1, 0), SCMP_ACT_KILL_THREAD);
	/* Named in a rule that says what the default says: known all the same. */
	assert_int_equal(compile(f,
				 read_profile(f, PROFILE_OF("ERRNO", RULE("\"openat2\"", "ERRNO"))),
				 true, &p),
			 0);
	assert_int_equal(answer_to(&p, arch, newest, 0), SCMP_ACT_ERRNO(EPERM));
	assert_int_equal(answer_to(&p, arch, newest + 1, 0), enosys);
}

static void test_default_profile_is_small(void **state)
{
	struct fixture *f = *state;
	struct seccomp_program p;

	assert_int_equal(compile(f, read_profile(f, default_text(f)), true, &p), 0);
	/* The kernel runs through all of it for every call's number when it takes the program. */
	assert_in_range(p.n, 50, 400);
}

static void test_operators(void **state)
{
	static const struct {
		const char *op;
		uint64_t yes, no;
	} rows[] = {
		{ "NE", 7, 8 },          { "LT", 7, 8 },
		{ "LE", 8, 9 },          { "EQ", 8, (1ULL << 32) + 8 },
		{ "GE", 1ULL << 32, 7 }, { "GT", 9, 8 },
	};
	struct fixture *f = *state;
	uint32_t arch = seccomp_arch_native();
	uint32_t nr = (uint32_t)seccomp_syscall_resolve_name("close");
	struct seccomp_program p;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		const char *text = arena_printf(
			&f->arena,
			PROFILE_OF("KILL", RULE_IF("\"close\"", "ALLOW", "0", "%s", "8")),
			rows[i].op);

		assert_int_equal(compile(f, read_profile(f, text), true, &p), 0);
		assert_int_equal(answer_to(&p, arch, nr, rows[i].yes), SCMP_ACT_ALLOW);
		assert_int_equal(answer_to(&p, arch, nr, rows[i].no), SCMP_ACT_KILL_THREAD);
	}
	/* value is the mask, valueTwo what remains; and twice the same argument means "or" */
	assert_int_equal(
		compile(f,
			read_profile(f, PROFILE_OF("KILL",
						   "{\"names\":[\"close\"],\"action\":\"SCMP_ACT_"
						   "ALLOW\",\"args\":[{\"index\":0,\"op\":\"SCMP_"
						   "CMP_MASKED_EQ\",\"value\":240,\"valueTwo\":16}"
						   ",{\"index\":0,\"op\":\"SCMP_CMP_EQ\",\"value\":"
						   "5}]}")),
			true, &p),
		0);
	assert_int_equal(answer_to(&p, arch, nr, 0x1f), SCMP_ACT_ALLOW);
	assert_int_equal(answer_to(&p, arch, nr, 5), SCMP_ACT_ALLOW);
	assert_int_equal(answer_to(&p, arch, nr, 0x2f), SCMP_ACT_KILL_THREAD);
}

static void test_foreign_architecture(void **state)
{
	struct fixture *f = *state;
	const char *word = native_word();
	struct seccomp_program p;

	if (!word)
		skip();
	assert_int_equal(
		compile(f,
			read_profile(f,
				     arena_printf(&f->arena,
						  "{\"defaultAction\":\"SCMP_ACT_ALLOW\","
						  "\"architectures\":[\"%s\"],\"syscalls\":[" RULE(
							  "\"mkdirat\"", "ERRNO") "]}",
						  word)),
			true, &p),
		0);
	assert_int_equal(answer_to(&p, SCMP_ARCH_RISCV64, 1, 0), SCMP_ACT_KILL_THREAD);
	assert_int_equal(answer_to(&p, seccomp_arch_native(), 1, 0), SCMP_ACT_ALLOW);
}

static void test_errors(void **state)
{
	struct fixture *f = *state;
	struct spec_seccomp spec = { .given = true, .default_action = "SCMP_ACT_ALLOW" };
	char *arch = (char *)"SCMP_ARCH_VAX";
	struct seccomp_program p;

	spec.architectures = (struct spec_strings){ &arch, 1 };
	assert_int_equal(compile(f, &spec, true, &p), -EINVAL);
	assert_non_null(strstr(f->err.msg, "architectures[0]: \"SCMP_ARCH_VAX\""));
	spec.architectures.n = 0;
	spec.has_default_errno_ret = true;
	assert_int_equal(compile(f, &spec, true, &p), -EINVAL);
	assert_non_null(strstr(f->err.msg, "SCMP_ACT_ALLOW takes no error number"));
	spec.default_action = "SCMP_ACT_ERRNO";
	spec.default_errno_ret = 70000;
	assert_int_equal(compile(f, &spec, true, &p), -ERANGE);
}

static int compile_cached(struct fixture *f, const struct spec_seccomp *spec,
			  struct seccomp_program *ret)
{
	struct plan_seccomp plan = { .spec = spec, .cache_dir = f->cache, .flags = 4 };

	return seccomp_compile(&f->arena, &plan, ret, &f->err);
}

/* The only file of the cache. */
static const char *cached_file(struct fixture *f, int *ret_count)
{
	char command[256], line[256] = "";
	FILE *list;

	snprintf(command, sizeof(command), "ls -1 '%s'", f->cache);
	list = popen(command, "r");
	assert_non_null(list);
	*ret_count = 0;
	while (fscanf(list, "%255s", line) == 1)
		++*ret_count;
	pclose(list);
	return arena_printf(&f->arena, "%s/%s", f->cache, line);
}

static void assert_same_program(const struct seccomp_program *a, const struct seccomp_program *b)
{
	assert_int_equal(a->n, b->n);
	assert_memory_equal(a->filter, b->filter, a->n * sizeof(struct sock_filter));
}

static void test_cache(void **state)
{
	struct fixture *f = *state;
	const struct spec_seccomp *spec = read_profile(f, default_text(f));
	CLEANUP_STR struct str source = { 0 };
	struct seccomp_program first, second, direct = { 0 };
	struct stat st;
	int count;

	seccomp_source(spec, &source);
	assert_int_equal(seccomp_cache_load(&f->arena, f->cache, &source, &direct), -ENOENT);
	assert_int_equal(compile_cached(f, spec, &first), 0);
	assert_int_equal(first.flags, 4);
	assert_int_equal(stat(cached_file(f, &count), &st), 0);
	assert_int_equal(count, 1);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(f->cache, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(seccomp_cache_load(&f->arena, f->cache, &source, &direct), 0);
	assert_same_program(&first, &direct);
	assert_int_equal(compile_cached(f, spec, &second), 0);
	assert_same_program(&first, &second);
	assert_int_equal(second.flags, 4);
}

static void test_cache_damaged(void **state)
{
	struct fixture *f = *state;
	const struct spec_seccomp *spec = read_profile(f, default_text(f));
	CLEANUP_STR struct str source = { 0 };
	struct seccomp_program good, p;
	const char *file;
	char *data;
	size_t n;
	int count;

	seccomp_source(spec, &source);
	assert_int_equal(compile_cached(f, spec, &good), 0);
	file = cached_file(f, &count);
	assert_int_equal(io_read_file(AT_FDCWD, file, 1 << 20, &f->arena, &data, &n), 0);
	for (size_t i = 0; i < n; i += 97) {
		data[i] ^= 0x10;
		assert_int_equal(io_replace_file(AT_FDCWD, file, data, n, 0600), 0);
		assert_true(seccomp_cache_load(&f->arena, f->cache, &source, &p) < 0);
		data[i] ^= 0x10;
	}
	for (size_t len = 0; len < n; len += 131) {
		assert_int_equal(io_replace_file(AT_FDCWD, file, data, len, 0600), 0);
		assert_true(seccomp_cache_load(&f->arena, f->cache, &source, &p) < 0);
	}
	/* and is made anew */
	assert_int_equal(compile_cached(f, spec, &p), 0);
	assert_same_program(&good, &p);
	assert_int_equal(seccomp_cache_load(&f->arena, f->cache, &source, &p), 0);
	assert_same_program(&good, &p);
	/* Nobody else's file, no link, no other profile. */
	assert_int_equal(chmod(file, 0620), 0);
	assert_int_equal(seccomp_cache_load(&f->arena, f->cache, &source, &p), -EPERM);
	assert_int_equal(chmod(file, 0600), 0);
	assert_int_equal(chmod(f->cache, 0770), 0);
	assert_int_equal(seccomp_cache_load(&f->arena, f->cache, &source, &p), -EPERM);
	assert_int_equal(chmod(f->cache, 0700), 0);
	source.data[source.len - 1] ^= 1;
	assert_true(seccomp_cache_load(&f->arena, f->cache, &source, &p) < 0);
}

static void test_cache_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct seccomp_program p;
	int count;

	for (int i = 0; i < SECCOMP_CACHE_FILES + 5; i++) {
		const char *text = arena_printf(
			&f->arena, PROFILE_OF("ALLOW", RULE_ERRNO("\"mkdir\"", "%d")), i + 1);

		assert_int_equal(compile_cached(f, read_profile(f, text), &p), 0);
	}
	(void)cached_file(f, &count);
	assert_int_equal(count, SECCOMP_CACHE_FILES);
}

static void test_sources_differ(void **state)
{
	/* Pairs whose texts, put one behind the other, would be the same. */
	static const char *const profiles[] = {
		PROFILE_OF("KILL", RULE("\"read\",\"write\"", "ALLOW")),
		PROFILE_OF("KILL", RULE("\"readwrite\"", "ALLOW")),
		PROFILE_OF("KILL", RULE("\"read\"", "ALLOW") "," RULE("\"write\"", "ALLOW")),
		PROFILE_OF("KILL", RULE_ERRNO("\"read\"", "0")),
		PROFILE_OF("KILL", RULE("\"read\"", "ERRNO")),
		PROFILE_OF("KILL", RULE_IF("\"read\"", "ALLOW", "0", "EQ", "1")),
		PROFILE_OF("KILL", RULE_IF("\"read\"", "ALLOW", "1", "EQ", "0")),
	};
	struct fixture *f = *state;
	struct str sources[ARRAY_COUNT(profiles)] = { 0 };

	for (size_t i = 0; i < ARRAY_COUNT(profiles); i++) {
		seccomp_source(read_profile(f, profiles[i]), &sources[i]);
		for (size_t k = 0; k < i; k++)
			assert_false(sources[k].len == sources[i].len &&
				     memcmp(sources[k].data, sources[i].data, sources[i].len) == 0);
	}
	for (size_t i = 0; i < ARRAY_COUNT(profiles); i++)
		str_done(&sources[i]);
}

/* The kernel takes the program and does what it says. Needs no rights: no_new_privs. */
static void test_load(void **state)
{
	struct fixture *f = *state;
	const struct spec_seccomp *spec = read_profile(f, default_text(f));
	struct plan_seccomp plan = { .spec = spec };
	struct seccomp_program p;
	int status;
	pid_t pid;

	assert_int_equal(seccomp_compile(&f->arena, &plan, &p, &f->err), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
			_exit(10);
		if (seccomp_load_program(&p, &f->err) != 0)
			_exit(f->err.code == ENOSYS || f->err.code == EINVAL ? 77 : 11);
		errno = 0;
		if (syscall(SYS_unshare, 0) != -1 || errno != EPERM)
			_exit(12);
		if (syscall(100000) != -1 || errno != ENOSYS)
			_exit(13);
		if (syscall(SYS_getppid) <= 0)
			_exit(14);
		syscall(SYS_exit_group, 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip(); /* qemu-user has no seccomp filters */
	assert_int_equal(status, 0);
}

static void test_words(void **state)
{
	struct fixture *f = *state;
	const char *flags[8];
	size_t n = 0;

	for (const char *const *w = seccomp_action_words(); *w; w++)
		n++;
	assert_int_equal(n, 9);
	for (n = 0; seccomp_operator_words()[n]; n++)
		;
	assert_int_equal(n, 7);
	for (n = 0; seccomp_arch_words()[n]; n++)
		assert_true(str_starts_with(seccomp_arch_words()[n], "SCMP_ARCH_"));
	assert_in_range(n, 15, 23);
	memset(flags, 0xff, sizeof(flags));
	seccomp_supported_flags(flags, 2);
	assert_true(!flags[0] || !flags[1]);
	seccomp_supported_flags(flags, ARRAY_COUNT(flags));
	assert_int_equal(seccomp_library_version(&f->arena)[0], '2');
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_front_default_profile),
		TEST(test_front_odd_profiles),
		TEST(test_newer_calls),
		TEST(test_default_profile_is_small),
		TEST(test_operators),
		TEST(test_foreign_architecture),
		TEST(test_errors),
		TEST(test_cache),
		TEST(test_cache_damaged),
		TEST(test_cache_is_bounded),
		TEST(test_sources_differ),
		TEST(test_load),
		TEST(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
