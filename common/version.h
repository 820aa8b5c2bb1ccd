/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Version and commit of this build, in one object, so that a new commit compiles one file anew.
 */
#pragma once

extern const char thole_version[];
extern const char thole_commit[];
