/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles to programs by libseccomp, in the parent; loading, in init.
 */
#include "runtime/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/io.h"
#include "common/log.h"
#include "runtime/seccomp_internal.h"

/* Not in the headers of older distributions. */
#ifndef SECCOMP_FILTER_FLAG_TSYNC_ESRCH /* Linux 5.7 */
#define SECCOMP_FILTER_FLAG_TSYNC_ESRCH (1UL << 4)
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV /* Linux 5.19 */
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* From here on a binary tree beats libseccomp's linear list (runc has the same bound). */
#define TREE_MIN_RULES 32
#define PROGRAM_BYTES_MAX (BPF_MAXINSNS * sizeof(struct sock_filter))

static const char *const action_words[] = {
	"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO",
	"SCMP_ACT_KILL",  "SCMP_ACT_KILL_PROCESS",
	"SCMP_ACT_LOG",   "SCMP_ACT_NOTIFY",
	"SCMP_ACT_TRACE", "SCMP_ACT_KILL_THREAD",
	"SCMP_ACT_TRAP",  NULL,
};

static const struct {
	const char *word;
	enum scmp_compare op;
} operators[] = {
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ }, { "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT }, { "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT }, { "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
};

/* The spec's word and libseccomp's; which of them exist is the library's knowledge. */
static const struct {
	const char *word, *name;
} archs[] = {
	{ "SCMP_ARCH_AARCH64", "aarch64" },
	{ "SCMP_ARCH_ARM", "arm" },
	{ "SCMP_ARCH_LOONGARCH64", "loongarch64" },
	{ "SCMP_ARCH_M68K", "m68k" },
	{ "SCMP_ARCH_MIPS", "mips" },
	{ "SCMP_ARCH_MIPS64", "mips64" },
	{ "SCMP_ARCH_MIPS64N32", "mips64n32" },
	{ "SCMP_ARCH_MIPSEL", "mipsel" },
	{ "SCMP_ARCH_MIPSEL64", "mipsel64" },
	{ "SCMP_ARCH_MIPSEL64N32", "mipsel64n32" },
	{ "SCMP_ARCH_PARISC", "parisc" },
	{ "SCMP_ARCH_PARISC64", "parisc64" },
	{ "SCMP_ARCH_PPC", "ppc" },
	{ "SCMP_ARCH_PPC64", "ppc64" },
	{ "SCMP_ARCH_PPC64LE", "ppc64le" },
	{ "SCMP_ARCH_RISCV64", "riscv64" },
	{ "SCMP_ARCH_S390", "s390" },
	{ "SCMP_ARCH_S390X", "s390x" },
	{ "SCMP_ARCH_SH", "sh" },
	{ "SCMP_ARCH_SHEB", "sheb" },
	{ "SCMP_ARCH_X32", "x32" },
	{ "SCMP_ARCH_X86", "x86" },
	{ "SCMP_ARCH_X86_64", "x86_64" },
};

static const struct {
	const char *word;
	unsigned int probe; /* what a kernel that knows the flag accepts together with it */
} flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
	  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_NEW_LISTENER },
};

const char *const *seccomp_action_words(void)
{
	return action_words;
}

const char *const *seccomp_operator_words(void)
{
	static const char *words[ARRAY_COUNT(operators) + 1];

	for (size_t i = 0; i < ARRAY_COUNT(operators); i++)
		words[i] = operators[i].word;
	return words;
}

const char *const *seccomp_arch_words(void)
{
	static const char *words[ARRAY_COUNT(archs) + 1];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_COUNT(archs); i++)
		if (seccomp_arch_resolve_name(archs[i].name) != 0)
			words[n++] = archs[i].word;
	words[n] = NULL;
	return words;
}

const char *const *seccomp_flag_words(void)
{
	static const char *words[ARRAY_COUNT(flags) + 1];

	for (size_t i = 0; i < ARRAY_COUNT(flags); i++)
		words[i] = flags[i].word;
	return words;
}

void seccomp_supported_flags(const char **ret, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_COUNT(flags) && count + 1 < n; i++) {
		/* The flags are looked at before the program: EFAULT says that they are known. */
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags[i].probe, NULL) < 0 &&
		    errno == EFAULT)
			ret[count++] = flags[i].word;
	}
	if (n)
		ret[count] = NULL;
}

const char *seccomp_library_version(struct arena *arena)
{
	const struct scmp_version *v = seccomp_version();

	return arena_printf(arena, "%u.%u.%u", v->major, v->minor, v->micro);
}

/* The action's value; `path` is where it stands in the configuration. */
static int action_value(const char *word, bool has_code, uint32_t code, const char *path,
			uint32_t *ret, struct err *err)
{
	static const struct {
		const char *word;
		uint32_t value;
	} plain[] = {
		{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
		{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
		{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
		{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
		{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
		{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
		{ "SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY },
	};
	bool is_errno = str_eq(word, "SCMP_ACT_ERRNO");

	if (is_errno || str_eq(word, "SCMP_ACT_TRACE")) {
		uint32_t value = has_code ? code : EPERM;

		if (value > UINT16_MAX)
			return err_set(err, ERANGE, "%s: error number %u is out of range", path,
				       value);
		*ret = is_errno ? SCMP_ACT_ERRNO(value) : SCMP_ACT_TRACE(value);
		return 0;
	}
	if (has_code)
		return err_set(err, EINVAL, "%s: action %s takes no error number", path, word);
	for (size_t i = 0; i < ARRAY_COUNT(plain); i++)
		if (str_eq(word, plain[i].word)) {
			*ret = plain[i].value;
			return 0;
		}
	return err_set(err, EINVAL, "%s: unknown action \"%s\"", path, word);
}

static int add_archs(scmp_filter_ctx ctx, const struct spec_seccomp *spec,
		     struct seccomp_archs *ret, struct err *err)
{
	/* The native one is always in: without it the container's own program would be killed. */
	ret->v[ret->n++] = seccomp_arch_native();
	for (size_t i = 0; i < spec->architectures.n; i++) {
		const char *word = spec->architectures.v[i];
		size_t row = 0;
		uint32_t token;
		int r;

		while (row < ARRAY_COUNT(archs) && !str_eq(archs[row].word, word))
			row++;
		token = row < ARRAY_COUNT(archs) ? seccomp_arch_resolve_name(archs[row].name) : 0;
		if (token == 0)
			return err_set(err, EINVAL,
				       "linux.seccomp.architectures[%zu]: \"%s\" is not known to "
				       "libseccomp",
				       i, word);
		r = seccomp_arch_add(ctx, token);
		if (r == -EEXIST)
			continue;
		if (r < 0 || ret->n == SECCOMP_ARCHS_MAX)
			return err_sysn(err, r < 0 ? r : E2BIG,
					"linux.seccomp.architectures[%zu]: add \"%s\"", i, word);
		ret->v[ret->n++] = token;
	}
	return 0;
}

static int argument_value(const struct spec_seccomp_arg *arg, const char *path,
			  struct scmp_arg_cmp *ret, struct err *err)
{
	for (size_t i = 0; i < ARRAY_COUNT(operators); i++) {
		if (!str_eq(arg->op, operators[i].word))
			continue;
		*ret = (struct scmp_arg_cmp){
			.arg = arg->index,
			.op = operators[i].op,
			.datum_a = arg->value, /* MASKED_EQ: the mask */
			.datum_b = arg->value_two,
		};
		return 0;
	}
	return err_set(err, EINVAL, "%s: unknown operator \"%s\"", path, arg->op);
}

/* One rule for one call. Conditions are and-ed; where an argument occurs twice (which one rule of
 * the kernel's language cannot say) each condition is a rule of its own, or-ed, as runc has it. */
static int add_call(scmp_filter_ctx ctx, uint32_t action, int nr, const struct scmp_arg_cmp *args,
		    size_t n_args)
{
	unsigned int seen = 0;
	bool repeated = false;
	int r = 0;

	for (size_t i = 0; i < n_args; i++) {
		repeated = repeated || seen >> args[i].arg & 1;
		seen |= 1U << args[i].arg;
	}
	if (!repeated)
		r = seccomp_rule_add_array(ctx, action, nr, (unsigned int)n_args, args);
	for (size_t i = 0; repeated && i < n_args && (r == 0 || r == -EEXIST); i++)
		r = seccomp_rule_add_array(ctx, action, nr, 1, &args[i]);
	return r == -EEXIST ? 0 : r;
}

/* A profile on its way to a program. */
struct compiler {
	const struct spec_seccomp *spec;
	scmp_filter_ctx ctx;
	uint32_t default_action, *actions; /* one a rule */
	struct seccomp_archs archs;
	const struct seccomp_front *front; /* NULL: libseccomp does everything */
	size_t n_added;
};

static void release_compiler(struct compiler *c)
{
	if (c->ctx)
		seccomp_release(c->ctx);
}

static void rule_path(size_t index, char *buf, size_t size)
{
	snprintf(buf, size, "linux.seccomp.syscalls[%zu]", index);
}

static int read_actions(struct arena *arena, struct compiler *c, struct err *err)
{
	const struct spec_seccomp *spec = c->spec;
	int r = action_value(spec->default_action, spec->has_default_errno_ret,
			     spec->default_errno_ret, "linux.seccomp.defaultAction",
			     &c->default_action, err);

	c->actions = ARENA_ARRAY(arena, spec->n_rules, uint32_t);
	for (size_t i = 0; i < spec->n_rules && r >= 0; i++) {
		const struct spec_seccomp_rule *rule = &spec->rules[i];
		char path[64];

		rule_path(i, path, sizeof(path));
		r = action_value(rule->action, rule->has_errno_ret, rule->errno_ret, path,
				 &c->actions[i], err);
	}
	return r;
}

static int read_arguments(const struct spec_seccomp_rule *rule, const char *path,
			  struct scmp_arg_cmp *ret, size_t room, struct err *err)
{
	if (rule->n_args > room)
		return err_set(err, E2BIG, "%s: more than %zu args", path, room);
	for (size_t i = 0; i < rule->n_args; i++) {
		int r;

		if (rule->args[i].index > 5)
			return err_set(err, EINVAL, "%s: argument index %u", path,
				       rule->args[i].index);
		r = argument_value(&rule->args[i], path, &ret[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_rule(struct compiler *c, size_t index, struct err *err)
{
	const struct spec_seccomp_rule *rule = &c->spec->rules[index];
	uint32_t action = c->actions[index];
	struct scmp_arg_cmp args[64] = { 0 };
	char path[64];
	int r;

	rule_path(index, path, sizeof(path));
	r = read_arguments(rule, path, args, ARRAY_COUNT(args), err);
	if (r < 0)
		return r;
	/* The default says it already; libseccomp refuses such rules. */
	if (action == c->default_action)
		return 0;
	for (size_t i = 0; i < rule->names.n; i++) {
		const char *name = rule->names.v[i];
		int nr = seccomp_syscall_resolve_name(name);

		if (nr == __NR_SCMP_ERROR) {
			log_debug("%s: libseccomp does not know the syscall \"%s\"", path, name);
			continue;
		}
		if (c->front && seccomp_front_covers(c->front, name, action))
			continue;
		r = add_call(c->ctx, action, nr, args, rule->n_args);
		if (r < 0)
			return err_sysn(err, r, "%s: syscall \"%s\" with %s", path, name,
					rule->action);
		c->n_added++;
	}
	return 0;
}

static int export_program(struct arena *arena, scmp_filter_ctx ctx, struct seccomp_program *ret,
			  struct err *err)
{
	CLEANUP_FD int fd = memfd_create("seccomp", MFD_CLOEXEC);
	char *data;
	size_t n;
	int r;

	if (fd < 0)
		return err_sys(err, "memfd_create for the seccomp program");
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return err_sysn(err, r, "compile the seccomp profile");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "seek in the seccomp program");
	r = io_read_fd(fd, 16 * PROGRAM_BYTES_MAX, arena, &data, &n);
	if (r < 0)
		return err_sysn(err, r, "read the seccomp program");
	ret->filter = data;
	ret->n = n / sizeof(struct sock_filter);
	return 0;
}

int seccomp_compile_profile(struct arena *arena, const struct spec_seccomp *spec, bool with_front,
			    struct seccomp_program *ret, struct err *err)
{
	CLEANUP(release_compiler) struct compiler c = { .spec = spec };
	int r = read_actions(arena, &c, err);

	if (r < 0)
		return r;
	c.ctx = seccomp_init(c.default_action);
	if (!c.ctx)
		return err_set(err, EINVAL,
			       "linux.seccomp.defaultAction: libseccomp or the kernel refuses %s",
			       spec->default_action);
	r = add_archs(c.ctx, spec, &c.archs, err);
	if (r < 0)
		return r;
	if (with_front)
		c.front = seccomp_front_new(arena, spec, c.actions, c.default_action, &c.archs);
	for (size_t i = 0; i < spec->n_rules; i++) {
		r = add_rule(&c, i, err);
		if (r < 0)
			return r;
	}
	/* A hint: an old library without it makes a slower program. */
	if (c.n_added > TREE_MIN_RULES)
		(void)seccomp_attr_set(c.ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	r = export_program(arena, c.ctx, ret, err);
	if (r < 0)
		return r;
	if (c.front)
		seccomp_front_prepend(arena, c.front, ret);
	if (ret->n == 0 || ret->n > BPF_MAXINSNS)
		return err_set(
			err, E2BIG,
			"linux.seccomp: the profile makes %zu instructions, the kernel takes "
			"1 to %d",
			ret->n, BPF_MAXINSNS);
	return 0;
}

int seccomp_compile(struct arena *arena, const struct plan_seccomp *plan,
		    struct seccomp_program *ret, struct err *err)
{
	CLEANUP_STR struct str source = { 0 };
	struct seccomp_program program = { .flags = plan->flags, .notify = plan->has_notify };
	int r;

	if (!plan->spec) {
		*ret = (struct seccomp_program){ 0 };
		return 0;
	}
	if (plan->cache_dir) {
		seccomp_source(plan->spec, &source);
		if (seccomp_cache_load(arena, plan->cache_dir, &source, &program) == 0) {
			*ret = program;
			return 0;
		}
	}
	r = seccomp_compile_profile(arena, plan->spec, true, &program, err);
	if (r < 0)
		return r;
	if (plan->cache_dir)
		seccomp_cache_store(plan->cache_dir, &source, &program);
	*ret = program;
	return 0;
}

int seccomp_load_program(const struct seccomp_program *program, struct err *err)
{
	struct sock_fprog prog = {
		.len = (unsigned short)program->n,
		.filter = program->filter,
	};
	unsigned int f = program->flags;
	long r;

	if (!program->filter)
		return 0;
	if (program->notify) {
		f |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
		/* Both report by the return value; this makes TSYNC's report an errno. */
		if (f & SECCOMP_FILTER_FLAG_TSYNC)
			f |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
	}
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, f, &prog);
	if (r < 0)
		return err_sys(err, "load seccomp filter (%zu instructions, flags %#x)", program->n,
			       f);
	if (r > 0 && !program->notify)
		return err_set(err, EBUSY, "load seccomp filter: thread %ld has another one", r);
	return (int)r;
}
