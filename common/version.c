/* SPDX-License-Identifier: Apache-2.0 */
#include "common/version.h"

#ifndef THOLE_COMMIT
#define THOLE_COMMIT "unknown"
#endif

const char thole_version[] = THOLE_VERSION;
const char thole_commit[] = THOLE_COMMIT;
