/* Frames back from what can be had again: clean pages of files, caches of the kernel itself. */
#ifndef MM_RECLAIM_H
#define MM_RECLAIM_H

#include "lib/base.h"

/* Registers with the buddy. */
void reclaim_init(void);
/* Drop about `want` clean file pages; returns how many frames came free. Waits for no I/O.
 * => nothing of rank 55 or above held */
uint64_t reclaim_clean(uint64_t want);
/*
 * Caches above mm (names of files): fn gives up what it can and returns the number of things freed.
 * Called with nothing of rank 33 or above held. At most RECLAIM_SHRINKERS of them.
 */
#define RECLAIM_SHRINKERS 4
void reclaim_add_shrinker(uint64_t (*fn)(void));

#endif
