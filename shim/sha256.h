/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4) of a short text, for names that are derived from others. Not for secrets.
 */
#pragma once

#include <stddef.h>

#define SHA256_HEX 65

/* Lower-case hex and its NUL into `hex`. */
void sha256_hex(const void *data, size_t n, char hex[SHA256_HEX]);
