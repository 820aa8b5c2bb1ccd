/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that no file may make, given to the compiler by -include. The headers that declare them
 * come first; after that the names themselves are errors. strtol and its kin are missing here
 * because <linux/bpf.h> uses these names; tests/lint looks for them.
 */
#pragma once

#include <alloca.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>

/* Some are macros in some configurations. */
#undef strcpy
#undef stpcpy
#undef strcat
#undef sprintf
#undef vsprintf
#undef gets
#undef strtok
#undef atoi
#undef atol
#undef atoll
#undef atof
#undef alloca
#undef system

#pragma GCC poison strcpy stpcpy strcat sprintf vsprintf gets
#pragma GCC poison strtok atoi atol atoll atof alloca system
