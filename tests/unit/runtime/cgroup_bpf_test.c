/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device program, run by a small interpreter and compared with what the rules mean: for each
 * access bit the last matching rule decides, and what no rule matches is denied.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "runtime/cgroup_backend.h"

#define INSNS_MAX 1024

struct request {
	int type; /* BPF_DEVCG_DEV_* */
	unsigned int access, major, minor;
};

static bool meaning(const struct spec_device_rule *rules, size_t n, const struct request *q)
{
	for (unsigned int bit = 1; bit <= 4; bit <<= 1) {
		bool allowed = false;

		if (!(q->access & bit))
			continue;
		for (size_t i = 0; i < n; i++) {
			const struct spec_device_rule *r = &rules[i];
			bool has = bit == BPF_DEVCG_ACC_READ    ? r->read
				   : bit == BPF_DEVCG_ACC_WRITE ? r->write
								: r->mknod;
			char type = q->type == BPF_DEVCG_DEV_BLOCK ? 'b' : 'c';

			if (has && (r->type == 'a' || r->type == type) &&
			    (r->major < 0 || r->major == q->major) &&
			    (r->minor < 0 || r->minor == q->minor))
				allowed = r->allow;
		}
		if (!allowed)
			return false;
	}
	return true;
}

/* As much of the instruction set as the builder uses; anything else fails the test. */
static bool run(const struct bpf_insn *insns, size_t n, const struct request *q)
{
	const uint32_t ctx[3] = { q->access << 16 | (unsigned int)q->type, q->major, q->minor };
	uint64_t reg[11] = { 0 };
	size_t pc = 0;

	for (size_t steps = 0; steps <= n; steps++) {
		const struct bpf_insn *i = &insns[pc];
		uint64_t *d = &reg[i->dst_reg];

		assert_true(pc < n);
		pc++;
		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			assert_int_equal(i->src_reg, 1);
			*d = ctx[i->off / 4];
			break;
		case BPF_LD | BPF_DW | BPF_IMM:
			*d = (uint32_t)i->imm | (uint64_t)(uint32_t)insns[pc].imm << 32;
			pc++;
			break;
		case BPF_ALU64 | BPF_MOV | BPF_X:
			*d = reg[i->src_reg];
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			*d = (uint64_t)(int64_t)i->imm;
			break;
		case BPF_ALU64 | BPF_AND | BPF_K:
			*d &= (uint64_t)(int64_t)i->imm;
			break;
		case BPF_ALU64 | BPF_OR | BPF_X:
			*d |= reg[i->src_reg];
			break;
		case BPF_ALU64 | BPF_RSH | BPF_K:
			*d >>= i->imm;
			break;
		case BPF_ALU64 | BPF_LSH | BPF_K:
			*d <<= i->imm;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
			pc += *d != (uint64_t)(int64_t)i->imm ? (size_t)i->off : 0;
			break;
		case BPF_JMP | BPF_JNE | BPF_X:
			pc += *d != reg[i->src_reg] ? (size_t)i->off : 0;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += *d == (uint64_t)(int64_t)i->imm ? (size_t)i->off : 0;
			break;
		case BPF_JMP | BPF_EXIT:
			return reg[0] != 0;
		default:
			fail_msg("instruction %zu: unknown code 0x%x", pc - 1, i->code);
		}
	}
	fail_msg("the program does not end");
	return false;
}

static void compare(const struct spec_device_rule *rules, size_t n)
{
	static const unsigned int numbers[] = { 0, 1, 3, 5, 136, 200, 0xfffff };
	struct bpf_insn insns[INSNS_MAX];
	size_t len;

	assert_true(cgroup_bpf_size(n) <= INSNS_MAX);
	len = cgroup_bpf_build(rules, n, insns);
	assert_true(len <= cgroup_bpf_size(n));
	for (size_t i = 0; i < 2 * 7 * ARRAY_COUNT(numbers) * ARRAY_COUNT(numbers); i++) {
		struct request q = { .type = i % 2 ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK,
				     .access = 1 + i / 2 % 7,
				     .major = numbers[i / 14 % ARRAY_COUNT(numbers)],
				     .minor = numbers[i / 14 / ARRAY_COUNT(numbers)] };
		bool wanted = meaning(rules, n, &q);
		bool got = len == 0 || run(insns, len, &q);

		if (got != wanted)
			fail_msg("type %d access %u %u:%u: %d instead of %d", q.type, q.access,
				 q.major, q.minor, got, wanted);
	}
}

static void test_fixed(void **state)
{
	const struct spec_device_rule rules[] = {
		{ true, 'a', -1, -1, true, true, true },
		{ false, 'a', -1, -1, true, true, true },
		{ true, 'c', 1, 3, true, true, true },
		{ true, 'c', 136, -1, true, true, false },
		{ false, 'c', 1, 3, false, true, false },
		{ true, 'b', -1, 5, true, false, false },
		{ true, 'a', 200, 200, true, true, true },
		{ true, 'c', 1LL << 31, 1, true, true, true },
		{ true, 'c', 5, 0xfffff, true, true, true },
		{ false, 'a', -1, -1, false, false, true },
		{ false, 'c', 1, 1, false, false, false },
	};

	(void)state;
	for (size_t n = 0; n <= ARRAY_COUNT(rules); n++)
		compare(rules, n);
}

static void test_no_program(void **state)
{
	const struct spec_device_rule rules[] = {
		{ true, 'c', 1, 3, true, true, true },
		{ true, 'a', -1, -1, true, true, true },
		{ true, 'c', 1, 3, true, true, true },
		{ false, 'c', 1, 5, true, true, true },
	};
	struct bpf_insn insns[INSNS_MAX];

	(void)state;
	assert_int_equal(cgroup_bpf_build(rules, 3, insns), 0);
	assert_int_not_equal(cgroup_bpf_build(rules, 4, insns), 0);
	assert_int_not_equal(cgroup_bpf_build(rules, 0, insns), 0); /* nothing is allowed */
}

/* Random lists, with small numbers so that rules meet. The seed is fixed: failures repeat. */
static void test_random(void **state)
{
	static const int64_t numbers[] = { -1, -1, 0, 1, 3, 5, 136 };
	uint32_t seed = 20251105;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct spec_device_rule rules[12];
		size_t n;

		seed = seed * 1664525 + 1013904223;
		n = (seed >> 16) % (ARRAY_COUNT(rules) + 1);
		for (size_t i = 0; i < n; i++) {
			uint32_t x;

			seed = seed * 1664525 + 1013904223;
			x = seed >> 8;
			rules[i] = (struct spec_device_rule){ .allow = x & 1,
							      .type = "abcbc"[x / 2 % 5],
							      .major = numbers[x / 16 % 7],
							      .minor = numbers[x / 128 % 7],
							      .read = x >> 12 & 1,
							      .write = x >> 13 & 1,
							      .mknod = x >> 14 & 1 };
		}
		compare(rules, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_no_program),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
