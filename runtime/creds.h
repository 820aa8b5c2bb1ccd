/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials: the only caller of setres[ug]id, setgroups, capset and prctl on privileges. All of it
 * runs in init (or the exec child), does not allocate, and is proved after it is done.
 */
#pragma once

#include "common/err.h"
#include "runtime/plan_process.h"

/* In a new user namespace: become its root, before anything else is made there. */
MUST_CHECK int creds_become_root(struct err *err);
/* New session keyring; tolerates kernels and filters without keyrings. */
MUST_CHECK int creds_join_keyring(const char *name, struct err *err);
MUST_CHECK int creds_no_new_privs(const struct plan_creds *plan, struct err *err);
/* Drops the bounding set and sets groups, gid, uid, capabilities, ambient; then proves that nothing
 * can be regained. */
MUST_CHECK int creds_apply(const struct plan_creds *plan, struct err *err);
MUST_CHECK int creds_prove(const struct plan_creds *plan, struct err *err);
