/* The invariants of the memory system (docs/vm.md lists them), checked on demand. A broken one
 * is a panic that names it. */
#ifndef MM_VERIFY_H
#define MM_VERIFY_H

#include "mm/vmap.h"

/*
 * The vmaps of ctx that touch [start, end), and their neighbours: order, gaps, layers, lists.
 * => mm_lock (write)
 */
void mm_verify_vmaps(struct mm_context *ctx, vaddr_t start, vaddr_t end);
/* Everything that one context shows by itself: all vmaps, counters, every translation. => mm_lock
 * (write), no other CPU edits the objects */
void mm_verify_context(struct mm_context *ctx);
/*
 * Counts across contexts: each amap node's parents, each page's shares. ctxs and vos are all
 * contexts and all objects that there are. => nothing runs; may allocate
 */
void mm_verify_counts(
	struct mm_context **ctxs, unsigned nctxs, struct vm_object **vos, unsigned nvos);

#endif
