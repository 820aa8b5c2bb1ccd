/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seccomp: compiles the profile with libseccomp in the parent (or takes the compiled program from
 * the cache, where it is kept beside its whole canonical source, compared byte by byte), and loads
 * the program in init with one seccomp(2). No libseccomp call in the child.
 */
#pragma once

#include "common/arena.h"
#include "common/err.h"
#include "runtime/plan_process.h"

struct seccomp_program {
	void *filter;       /* struct sock_filter[], in the arena; NULL: no filter */
	size_t n;           /* instructions */
	unsigned int flags; /* SECCOMP_FILTER_FLAG_* for seccomp(2) */
	bool notify;
};

/* Parent. Errors name the syscall, the action or the flag that libseccomp or the kernel refuses. */
MUST_CHECK int seccomp_compile(struct arena *arena, const struct plan_seccomp *plan,
			       struct seccomp_program *ret, struct err *err);
/* Child. Returns the listener fd with notify, else 0. */
MUST_CHECK int seccomp_load_program(const struct seccomp_program *program, struct err *err);

/* Lists for `features`, NULL-terminated. */
const char *const *seccomp_action_words(void);
const char *const *seccomp_operator_words(void);
const char *const *seccomp_arch_words(void);
const char *const *seccomp_flag_words(void);
/* Those of seccomp_flag_words this kernel takes; fills at most n-1 entries and a NULL. */
void seccomp_supported_flags(const char **ret, size_t n);
/* "2.5.4" */
const char *seccomp_library_version(struct arena *arena);
