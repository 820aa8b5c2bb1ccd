/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One job beside the loop, for what can sleep on a disk (the exit file). A thread with a small
 * stack that ends with the job; the result comes back into the loop.
 */
#pragma once

#include "common/err.h"
#include "common/ev.h"

/* Runs fn(arg) in a thread, then done(user, result) in the loop. Where no thread can be had, both
 * are called at once: late is better than never. */
void worker_run(struct ev *ev, int (*fn)(void *arg), void *arg,
		void (*done)(void *user, int result), void *user);
