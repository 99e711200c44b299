/*
 * Out of memory: what the memory system knows about it. Which process is ended is decided above
 * (proc/oom_kill.c).
 */
#ifndef MM_OOM_H
#define MM_OOM_H

#include "mm/context.h"

/* Who ends something when nothing can be reclaimed: registered by the process layer. 0: try again;
 * -ENOMEM: there is nothing to end; -EINTR: the caller itself is being ended. May sleep. */
typedef int (*mm_oom_fn)(void);
void mm_set_oom_handler(mm_oom_fn fn);
/* Nothing is left for this thread: have something ended. Results as above; -ENOMEM when nobody is
 * registered. => nothing of rank 33 or above held */
int __must_check mm_out_of_memory(void);

#define OOM_SCORE_PAGE 2u /* what a page counts that goes with its process */

/* How much the end of ctx would free, as a figure to compare: its private pages, those that others
 * have too by half, its part of shared memory, its page tables and vmaps. Takes mm_lock (read).
 * => nothing of rank 40 or above */
uint64_t mm_oom_score(struct mm_context *ctx);
/*
 * Give the private memory of a context back at once, before its threads have come to their end:
 * they have got SIGKILL, and from now on every fault in ctx fails with -EINTR. Allocates nothing.
 * => nothing held
 */
void mm_oom_reap(struct mm_context *ctx);
/*
 * Wait until all memory of a reaped context is gone (=> ctx held); until all contexts that are
 * being taken down just now are gone. False: it took too long, which is so many looks 100 ms apart,
 * or there is none. A machine that stands still for a while, as a virtual one does when its host is
 * busy, does not wait meanwhile: that is one look, however long it was. => nothing held
 */
#define OOM_LOOKS 100
bool mm_oom_wait_gone(struct mm_context *ctx, unsigned looks);
bool mm_oom_wait_leaving(unsigned looks);
/* context.c: a context is being taken down; it is gone. */
void mm_oom_note_leaving(void);
void mm_oom_note_gone(void);
void mm_oom_init(void);

#endif
