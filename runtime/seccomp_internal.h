/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What seccomp.c, seccomp_cache.c and seccomp_front.c share; included by nothing else. The cache
 * never fails a container: what cannot be read or written is compiled anew.
 */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/str.h"
#include "runtime/seccomp.h"
#include "spec/spec.h"

#define SECCOMP_ARCHS_MAX 32

/* The architectures of a filter, as libseccomp's tokens; the native one is first. */
struct seccomp_archs {
	uint32_t v[SECCOMP_ARCHS_MAX];
	size_t n;
};

/* Everything the compiled program depends on, in one unambiguous sequence of bytes. */
void seccomp_source(const struct spec_seccomp *spec, struct str *out);

/* 0 and the program's instructions if `dir` holds this very source, else -errno. */
MUST_CHECK int seccomp_cache_load(struct arena *arena, const char *dir, const struct str *source,
				  struct seccomp_program *ret);
/* Keeps at most SECCOMP_CACHE_FILES programs. */
#define SECCOMP_CACHE_FILES 64
void seccomp_cache_store(const char *dir, const struct str *source,
			 const struct seccomp_program *program);

/* What the profile says without a look at arguments, as instructions of our own. `actions` holds one
 * value (SCMP_ACT_*) a rule of the profile. */
struct seccomp_front;
struct seccomp_front *seccomp_front_new(struct arena *arena, const struct spec_seccomp *spec,
					const uint32_t *actions, uint32_t default_action,
					const struct seccomp_archs *archs);
/* True if the front alone answers for that name on every architecture: libseccomp need not know. */
bool seccomp_front_covers(const struct seccomp_front *front, const char *name, uint32_t action);
void seccomp_front_prepend(struct arena *arena, const struct seccomp_front *front,
			   struct seccomp_program *program);

/* Compiles without the cache; without a front only for the test that compares the two. */
MUST_CHECK int seccomp_compile_profile(struct arena *arena, const struct spec_seccomp *spec,
				       bool with_front, struct seccomp_program *ret,
				       struct err *err);
