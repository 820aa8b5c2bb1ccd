/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.seccomp: words are checked here and translated by the code that builds the filter. Names of
 * system calls are not checked: profiles list calls of newer kernels and other architectures.
 */
#include <stdio.h>

#include "spec/spec_table.h"

#define ERRNO_MAX 4095  /* MAX_ERRNO: the kernel caps what SECCOMP_RET_ERRNO returns */
#define TRACE_MAX 65535 /* SECCOMP_RET_DATA */

static const struct spec_word action_words[] = {
	{ "SCMP_ACT_KILL", 0 },  { "SCMP_ACT_KILL_PROCESS", 0 },  { "SCMP_ACT_KILL_THREAD", 0 },
	{ "SCMP_ACT_TRAP", 0 },  { "SCMP_ACT_ERRNO", ERRNO_MAX }, { "SCMP_ACT_TRACE", TRACE_MAX },
	{ "SCMP_ACT_ALLOW", 0 }, { "SCMP_ACT_LOG", 0 },           { "SCMP_ACT_NOTIFY", 0 },
}; /* value: the highest errnoRet, 0 if the action has none */
static const struct spec_words action_list = SPEC_WORDS(action_words);

static const struct spec_word op_words[] = {
	{ "SCMP_CMP_NE", 0 },        { "SCMP_CMP_LT", 0 }, { "SCMP_CMP_LE", 0 },
	{ "SCMP_CMP_EQ", 0 },        { "SCMP_CMP_GE", 0 }, { "SCMP_CMP_GT", 0 },
	{ "SCMP_CMP_MASKED_EQ", 0 },
};
static const struct spec_words op_list = SPEC_WORDS(op_words);

static const struct spec_word arch_words[] = {
	{ "SCMP_ARCH_X86", 0 },      { "SCMP_ARCH_X86_64", 0 },      { "SCMP_ARCH_X32", 0 },
	{ "SCMP_ARCH_ARM", 0 },      { "SCMP_ARCH_AARCH64", 0 },     { "SCMP_ARCH_MIPS", 0 },
	{ "SCMP_ARCH_MIPS64", 0 },   { "SCMP_ARCH_MIPS64N32", 0 },   { "SCMP_ARCH_MIPSEL", 0 },
	{ "SCMP_ARCH_MIPSEL64", 0 }, { "SCMP_ARCH_MIPSEL64N32", 0 }, { "SCMP_ARCH_PPC", 0 },
	{ "SCMP_ARCH_PPC64", 0 },    { "SCMP_ARCH_PPC64LE", 0 },     { "SCMP_ARCH_S390", 0 },
	{ "SCMP_ARCH_S390X", 0 },    { "SCMP_ARCH_PARISC", 0 },      { "SCMP_ARCH_PARISC64", 0 },
	{ "SCMP_ARCH_RISCV64", 0 },  { "SCMP_ARCH_LOONGARCH64", 0 }, { "SCMP_ARCH_M68K", 0 },
	{ "SCMP_ARCH_SH", 0 },       { "SCMP_ARCH_SHEB", 0 },
};
static const struct spec_words arch_list = SPEC_WORDS(arch_words);

static const struct spec_word flag_words[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", 0 },
	{ "SECCOMP_FILTER_FLAG_LOG", 0 },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", 0 },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 0 },
};
static const struct spec_words flag_list = SPEC_WORDS(flag_words);

/* "If the action does not support errno, the runtime MUST generate an error." */
static int check_errno(struct spec_reader *r, const char *name, const char *action, uint32_t value)
{
	int64_t max = 0;
	char text[16];

	for (size_t i = 0; i < ARRAY_COUNT(action_words); i++)
		if (str_eq(action_words[i].word, action))
			max = action_words[i].value;
	if (max == 0)
		return spec_fail_member(r, name, action, "not supported by action");
	if (value <= max)
		return 0;
	snprintf(text, sizeof(text), "%u", value);
	return spec_fail_member(r, name, text, "out of range 0..%d", (int)max);
}

/* ---- syscalls ---- */

static const struct spec_field arg_rows[] = {
	SPEC_ROW(struct spec_seccomp_arg, "index", NUMBER, spec_field_u32, index, .max = 5,
		 .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_seccomp_arg, "value", NUMBER, spec_field_u64, value,
		 .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_seccomp_arg, "valueTwo", NUMBER, spec_field_u64, value_two),
	SPEC_ROW(struct spec_seccomp_arg, "op", STRING, spec_field_word_text, op, .arg = &op_list,
		 .flags = SPEC_REQUIRED),
};
static const struct spec_table arg_table = SPEC_TABLE(arg_rows);
static const struct spec_list arg_entries = { &arg_table, sizeof(struct spec_seccomp_arg) };

static int finish_rule(struct spec_reader *r, void *base, uint64_t seen)
{
	const struct spec_seccomp_rule *rule = base;

	(void)seen;
	for (size_t i = 0; i < rule->names.n; i++)
		if (rule->names.v[i][0] == '\0')
			return spec_fail_member(r, "names", NULL, "empty name");
	if (!rule->has_errno_ret)
		return 0;
	return check_errno(r, "errnoRet", rule->action, rule->errno_ret);
}

static const struct spec_field rule_rows[] = {
	SPEC_ROW(struct spec_seccomp_rule, "names", ARRAY, spec_field_strings, names,
		 .flags = SPEC_REQUIRED | SPEC_NONEMPTY | SPEC_ONE_LINE),
	SPEC_ROW(struct spec_seccomp_rule, "action", STRING, spec_field_word_text, action,
		 .arg = &action_list, .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_seccomp_rule, "errnoRet", NUMBER, spec_field_u32, errno_ret,
		 .has = offsetof(struct spec_seccomp_rule, has_errno_ret)),
	SPEC_ROW_LIST(struct spec_seccomp_rule, "args", ARRAY, spec_field_list, args, n_args,
		      .max = 64, .arg = &arg_entries),
};
static const struct spec_table rule_table = SPEC_TABLE(rule_rows, .finish = finish_rule);
static const struct spec_list rule_entries = { &rule_table, sizeof(struct spec_seccomp_rule) };

/* ---- seccomp ---- */

static int finish_seccomp(struct spec_reader *r, void *base, uint64_t seen)
{
	struct spec_seccomp *seccomp = base;

	(void)seen;
	if (seccomp->listener_metadata && !seccomp->listener_path)
		return spec_fail_member(r, "listenerMetadata", NULL,
					"must not be set without listenerPath");
	if (!seccomp->has_default_errno_ret)
		return 0;
	return check_errno(r, "defaultErrnoRet", seccomp->default_action,
			   seccomp->default_errno_ret);
}

static const struct spec_field seccomp_rows[] = {
	SPEC_ROW(struct spec_seccomp, "defaultAction", STRING, spec_field_word_text, default_action,
		 .arg = &action_list, .flags = SPEC_REQUIRED),
	SPEC_ROW(struct spec_seccomp, "defaultErrnoRet", NUMBER, spec_field_u32, default_errno_ret,
		 .has = offsetof(struct spec_seccomp, has_default_errno_ret)),
	SPEC_ROW(struct spec_seccomp, "architectures", ARRAY, spec_field_word_list, architectures,
		 .arg = &arch_list, .max = 64),
	SPEC_ROW(struct spec_seccomp, "flags", ARRAY, spec_field_word_list, flags,
		 .arg = &flag_list, .max = 64, .has = offsetof(struct spec_seccomp, has_flags)),
	SPEC_ROW(struct spec_seccomp, "listenerPath", STRING, spec_field_string, listener_path,
		 .max = PATH_MAX - 1),
	SPEC_ROW(struct spec_seccomp, "listenerMetadata", STRING, spec_field_string,
		 listener_metadata),
	SPEC_ROW_LIST(struct spec_seccomp, "syscalls", ARRAY, spec_field_list, rules, n_rules,
		      .arg = &rule_entries),
};

const struct spec_table spec_table_seccomp = SPEC_TABLE(seccomp_rows, .finish = finish_seccomp);
