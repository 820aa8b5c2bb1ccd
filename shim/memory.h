/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a monitor has no more need of once it idles: the private memory of one that waits is the
 * product.
 */
#pragma once

/* Gives back the stack that was used below the caller's frame and the free parts of the heap. Call it
 * from the loop's own depth, not from deeper than it usually gets. */
void memory_give_back(void);
