/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front of a seccomp program: what needs no look at arguments, answered by a binary search over
 * ranges of numbers. libseccomp makes one comparison and one return of every name; adding some 400
 * names to it costs 14 ms, and the kernel needs half a millisecond to take the 1,250 instructions
 * (it also runs them once for every number, for its bitmap of calls that are always allowed). Only
 * what has conditions, or what rules disagree about, is left to libseccomp; its program comes behind
 * and also has the answer to architectures that are not in the filter. For every number that is
 * decided here the answer is the one that libseccomp would give; a test compares all of them.
 *
 * The front also knows newer system calls than the profile does. A profile with the default "fail
 * with EPERM" was written against some kernel. A C library that tries a call of a later kernel and
 * gets EPERM takes it for an answer and fails; with ENOSYS it uses the older call. So, as in runc,
 * numbers above the largest one that the profile names (on that architecture, by any rule) give
 * ENOSYS. This grants nothing: the call is refused either way. Defaults that allow, log, trap, trace
 * or kill stay what the profile says. Names that libseccomp does not know count as newer too.
 *
 *	load the architecture
 *	for each architecture: if it is this one, load the number and search;
 *		each range ends in a return, or in a jump to the program of libseccomp
 *	the program of libseccomp
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>

#include "runtime/seccomp_internal.h"

#define X32_BIT 0x40000000U  /* __X32_SYSCALL_BIT; x32 shares x86_64's architecture otherwise */
#define ARM_BASE 0x000f0000U /* __ARM_NR_BASE: calls of ARM's own, above all others */
#define JUMP_MAX 255
#define LEAF_REUSE_MAX 200

/* What one rule says about one number. */
struct entry {
	uint32_t nr, action;
	bool conditional;
	bool by_member; /* through a member of the socketcall or ipc family, see below */
};

/* All rules together, sorted by number, one a number. */
struct slot {
	uint32_t nr, action;
	bool plain; /* always this action, whatever the arguments */
};

struct front_arch {
	uint32_t token; /* as in seccomp_data */
	struct slot *slots;
	size_t n_slots;
	uint32_t split;    /* where a second row of numbers begins, 0: there is one row */
	int64_t newest[2]; /* the newest named in either row, -1: none */
};

/* A number that a family's member has besides being a sub-function. */
struct direct {
	const char *name;
	int nr;
};

struct seccomp_front {
	const struct spec_seccomp *spec;
	uint32_t default_action;
	bool enosys;
	struct seccomp_archs archs;
	struct direct *direct[SECCOMP_ARCHS_MAX]; /* one list an architecture, NULL: none */
	size_t n_direct[SECCOMP_ARCHS_MAX];
	struct front_arch *v;
	size_t n;
};

/* On some architectures these are also (or only) sub-functions of one call; libseccomp then makes
 * rules about that call's first argument of a rule about the member. */
static const struct family {
	const char *call;
	const char *const *members;
} families[] = {
	{ "socketcall",
	  (const char *const[]){ "accept",      "accept4",    "bind",     "connect",  "getpeername",
				 "getsockname", "getsockopt", "listen",   "recv",     "recvfrom",
				 "recvmmsg",    "recvmsg",    "send",     "sendmmsg", "sendmsg",
				 "sendto",      "setsockopt", "shutdown", "socket",   "socketpair",
				 NULL } },
	{ "ipc", (const char *const[]){ "msgctl", "msgget", "msgrcv", "msgsnd", "semctl", "semget",
					"semop", "semtimedop", "shmat", "shmctl", "shmdt", "shmget",
					NULL } },
};

static const char *family_call(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(families); i++)
		for (const char *const *m = families[i].members; *m; m++)
			if (str_eq(*m, name))
				return families[i].call;
	return NULL;
}

/* libseccomp tells the number of a member by its name only where there is no sub-function of it; but
 * it tells the name of every number. */
static void find_direct(struct arena *arena, struct seccomp_front *front, size_t i)
{
	const int span = 1200, slack = 200; /* "read" is one of the first everywhere */
	uint32_t arch = front->archs.v[i];
	int from = seccomp_syscall_resolve_name_arch(arch, "read") - slack;

	if (seccomp_syscall_resolve_name_arch(arch, "socketcall") < 0 &&
	    seccomp_syscall_resolve_name_arch(arch, "ipc") < 0)
		return;
	front->direct[i] = ARENA_ARRAY(arena, (size_t)span, struct direct);
	for (int nr = MAX(from, 0); nr < from + span; nr++) {
		CLEANUP_FREE char *name = seccomp_syscall_resolve_num_arch(arch, nr);

		if (name && family_call(name))
			front->direct[i][front->n_direct[i]++] =
				(struct direct){ arena_strdup(arena, name), nr };
	}
}

/* The number of a call on archs.v[i], < 0 if it has none. */
static int resolve(const struct seccomp_front *front, size_t i, const char *name)
{
	int nr = seccomp_syscall_resolve_name_arch(front->archs.v[i], name);

	for (size_t k = 0; nr < 0 && k < front->n_direct[i]; k++)
		if (str_eq(front->direct[i][k].name, name))
			nr = front->direct[i][k].nr;
	return nr;
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->nr < y->nr ? -1 : x->nr > y->nr;
}

/* Adds what the name's rule says on the architecture; at most two entries. */
static size_t add_entries(const struct seccomp_front *front, size_t arch, const char *name,
			  const struct entry *rule, struct entry *out)
{
	int nr = resolve(front, arch, name);
	const char *call = family_call(name);
	size_t n = 0;

	if (nr >= 0) {
		out[n] = *rule;
		out[n++].nr = (uint32_t)nr;
	}
	nr = call ? resolve(front, arch, call) : -1;
	if (nr >= 0) {
		out[n] = *rule;
		out[n].by_member = true;
		out[n++].nr = (uint32_t)nr;
	}
	return n;
}

static void note_number(struct front_arch *arch, int nr)
{
	int row = arch->split && nr >= (int64_t)arch->split;

	arch->newest[row] = MAX(arch->newest[row], (int64_t)nr);
}

/* What the rules say about archs.v[index], whose numbers are `arch`'s. */
static size_t collect(const struct seccomp_front *front, const uint32_t *actions, size_t index,
		      struct front_arch *arch, struct entry *out)
{
	const struct spec_seccomp *spec = front->spec;
	size_t n = 0;

	for (size_t i = 0; i < spec->n_rules; i++) {
		const struct spec_seccomp_rule *rule = &spec->rules[i];
		struct entry entry = { .action = actions[i], .conditional = rule->n_args > 0 };

		for (size_t k = 0; k < rule->names.n; k++) {
			note_number(arch, resolve(front, index, rule->names.v[k]));
			/* A rule that repeats the default is none (seccomp.c skips it too). */
			if (entry.action != front->default_action)
				n += add_entries(front, index, rule->names.v[k], &entry, out + n);
		}
	}
	return n;
}

static void make_slots(struct arena *arena, struct front_arch *arch, struct entry *entries,
		       size_t n)
{
	qsort(entries, n, sizeof(*entries), compare_entries);
	arch->slots = ARENA_ARRAY(arena, n, struct slot);
	for (size_t i = 0; i < n;) {
		struct slot *slot = &arch->slots[arch->n_slots++];
		bool own = false, agreed = true;

		*slot = (struct slot){ .nr = entries[i].nr, .action = entries[i].action };
		for (; i < n && entries[i].nr == slot->nr; i++) {
			agreed = agreed && entries[i].action == slot->action;
			if (entries[i].by_member)
				continue;
			own = true;
			agreed = agreed && !entries[i].conditional;
		}
		slot->plain = own && agreed;
	}
}

static struct front_arch *arch_of(struct seccomp_front *front, uint32_t token)
{
	for (size_t i = 0; i < front->n; i++)
		if (front->v[i].token == token)
			return &front->v[i];
	front->v[front->n] = (struct front_arch){ .token = token, .newest = { -1, -1 } };
	if (token == SCMP_ARCH_X86_64)
		front->v[front->n].split = X32_BIT;
	if (token == SCMP_ARCH_ARM)
		front->v[front->n].split = ARM_BASE;
	return &front->v[front->n++];
}

struct seccomp_front *seccomp_front_new(struct arena *arena, const struct spec_seccomp *spec,
					const uint32_t *actions, uint32_t default_action,
					const struct seccomp_archs *archs)
{
	struct seccomp_front *front = ARENA_NEW(arena, struct seccomp_front);
	size_t n_names = 0;
	struct entry *entries;

	front->spec = spec;
	front->default_action = default_action;
	front->enosys = str_eq(spec->default_action, "SCMP_ACT_ERRNO") &&
			default_action != SCMP_ACT_ERRNO(ENOSYS);
	front->archs = *archs;
	front->v = ARENA_ARRAY(arena, archs->n, struct front_arch);
	for (size_t i = 0; i < archs->n; i++)
		find_direct(arena, front, i);
	for (size_t i = 0; i < spec->n_rules; i++)
		n_names += spec->rules[i].names.n;
	/* Two entries a name, on at most two architectures that share a token. */
	entries = ARENA_ARRAY(arena, 4 * n_names, struct entry);
	for (size_t i = 0; i < archs->n; i++) {
		bool x32 = archs->v[i] == SCMP_ARCH_X32;
		struct front_arch *arch;
		size_t n;

		arch = arch_of(front, x32 ? (uint32_t)SCMP_ARCH_X86_64 : archs->v[i]);
		if (x32)
			continue; /* taken below, with x86_64 */
		n = collect(front, actions, i, arch, entries);
		for (size_t k = 0; archs->v[i] == SCMP_ARCH_X86_64 && k < archs->n; k++)
			if (archs->v[k] == SCMP_ARCH_X32)
				n += collect(front, actions, k, arch, entries + n);
		make_slots(arena, arch, entries, n);
	}
	return front;
}

static const struct slot *find_slot(const struct seccomp_front *front, uint32_t arch, uint32_t nr)
{
	uint32_t token = arch == SCMP_ARCH_X32 ? (uint32_t)SCMP_ARCH_X86_64 : arch;

	for (size_t i = 0; i < front->n; i++) {
		const struct front_arch *a = &front->v[i];
		size_t lo = 0, hi = a->n_slots;

		if (a->token != token)
			continue;
		while (lo < hi) {
			size_t mid = (lo + hi) / 2;

			if (a->slots[mid].nr < nr)
				lo = mid + 1;
			else
				hi = mid;
		}
		return lo < a->n_slots && a->slots[lo].nr == nr ? &a->slots[lo] : NULL;
	}
	return NULL;
}

bool seccomp_front_covers(const struct seccomp_front *front, const char *name, uint32_t action)
{
	const char *calls[] = { name, family_call(name) };

	for (size_t i = 0; i < front->archs.n; i++) {
		for (size_t k = 0; k < ARRAY_COUNT(calls) && calls[k]; k++) {
			int nr = resolve(front, i, calls[k]);
			const struct slot *slot;

			if (nr < 0)
				continue;
			slot = find_slot(front, front->archs.v[i], (uint32_t)nr);
			if (!slot || !slot->plain || slot->action != action)
				return false;
		}
	}
	return true;
}

/* ---- code: emitted backwards, so that every jump's distance is known ------------------------- */

/* From `start` to the next segment's start all numbers have this answer. */
struct segment {
	uint32_t start;
	bool fall; /* to the program of libseccomp */
	uint32_t action;
};

struct code {
	struct sock_filter *v; /* v[0] is the last instruction of the front */
	size_t n;
	size_t block; /* where the block of the architecture before this one begins (ends) */
};

static void add_segment(struct segment *v, size_t *n, struct segment s)
{
	if (*n && v[*n - 1].start == s.start)
		(*n)--;
	if (*n && v[*n - 1].fall == s.fall && (s.fall || v[*n - 1].action == s.action))
		return;
	v[(*n)++] = s;
}

/* The whole number line, in order. */
static size_t make_segments(const struct seccomp_front *front, const struct front_arch *arch,
			    struct segment *v)
{
	const struct segment unnamed = { .action = front->default_action };
	const struct segment newer = { .fall = !front->enosys, .action = SCMP_ACT_ERRNO(ENOSYS) };
	size_t n = 0, i = 0;

	for (int row = 0; row < (arch->split ? 2 : 1); row++) {
		struct segment s = { .start = row ? arch->split : 0, .fall = true };

		/* Nothing is named: the filter is not about these numbers. */
		if (arch->newest[row] < 0) {
			add_segment(v, &n, s);
			continue;
		}
		s = unnamed;
		s.start = row ? arch->split : 0;
		add_segment(v, &n, s);
		for (; i < arch->n_slots && arch->slots[i].nr <= arch->newest[row]; i++) {
			const struct slot *slot = &arch->slots[i];

			add_segment(v, &n,
				    (struct segment){ slot->nr, !slot->plain, slot->action });
			s = unnamed;
			s.start = slot->nr + 1;
			add_segment(v, &n, s);
		}
		s = newer;
		s.start = (uint32_t)arch->newest[row] + 1;
		add_segment(v, &n, s);
	}
	return n;
}

static size_t emit(struct code *code, uint16_t op, uint32_t k)
{
	code->v[code->n] = (struct sock_filter){ .code = op, .k = k };
	return code->n++;
}

/* An unconditional jump to what was emitted as number `target`. */
static size_t emit_jump(struct code *code, size_t target)
{
	return emit(code, BPF_JMP | BPF_JA, (uint32_t)(code->n - target - 1));
}

static size_t emit_leaf(struct code *code, const struct segment *s)
{
	/* The return that an earlier leaf made, if it is near. */
	for (size_t i = code->n; !s->fall && i-- > 0 && code->n - i < LEAF_REUSE_MAX;)
		if (code->v[i].code == (BPF_RET | BPF_K) && code->v[i].k == s->action)
			return i;
	if (s->fall) /* over all that was emitted */
		return emit(code, BPF_JMP | BPF_JA, (uint32_t)code->n);
	return emit(code, BPF_RET | BPF_K, s->action);
}

/* Returns the entry of a search over the n segments. */
static size_t emit_search(struct code *code, const struct segment *v, size_t n)
{
	size_t mid = n / 2, right, left;

	if (n == 1)
		return emit_leaf(code, v);
	right = emit_search(code, v + mid, n - mid);
	left = emit_search(code, v, mid);
	if (code->n - right > JUMP_MAX)
		right = emit_jump(code, right);
	if (code->n - left > JUMP_MAX)
		left = emit_jump(code, left);

	size_t node = emit(code, BPF_JMP | BPF_JGE | BPF_K, v[mid].start);

	code->v[node].jt = (uint8_t)(node - right - 1);
	code->v[node].jf = (uint8_t)(node - left - 1);
	return node;
}

static void emit_arch(struct code *code, const struct front_arch *arch, const struct segment *v,
		      size_t n)
{
	size_t entry = emit_search(code, v, n);

	if (entry != code->n - 1)
		emit_jump(code, entry);
	emit(code, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	/* Over the block, to the next one or to the program of libseccomp. */
	emit(code, BPF_JMP | BPF_JA, (uint32_t)(code->n - code->block));
	emit(code, BPF_JMP | BPF_JEQ | BPF_K, arch->token);
	code->v[code->n - 1].jt = 1;
	code->block = code->n;
}

void seccomp_front_prepend(struct arena *arena, const struct seccomp_front *front,
			   struct seccomp_program *program)
{
	struct code code = { 0 };
	struct sock_filter *out;
	size_t room = 1;

	for (size_t i = 0; i < front->n; i++)
		room += 8 * front->v[i].n_slots + 64;
	code.v = ARENA_ARRAY(arena, room, struct sock_filter);
	/* The first architecture, the native one, is emitted last and so tried first. */
	for (size_t i = front->n; i-- > 0;) {
		const struct front_arch *arch = &front->v[i];
		struct segment *v = ARENA_ARRAY(arena, 2 * arch->n_slots + 8, struct segment);
		size_t n = make_segments(front, arch, v);

		if (n > 1)
			emit_arch(&code, arch, v, n);
	}
	if (code.n == 0)
		return;
	emit(&code, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));

	out = ARENA_ARRAY(arena, code.n + program->n, struct sock_filter);
	for (size_t i = 0; i < code.n; i++)
		out[i] = code.v[code.n - 1 - i];
	memcpy(out + code.n, program->filter, program->n * sizeof(*out));
	program->filter = out;
	program->n += code.n;
}
