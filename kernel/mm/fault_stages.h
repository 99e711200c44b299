/* What the stages of a fault offer each other: fault.c, fault_upper.c, fault_lower.c, cow.c. */
#ifndef MM_FAULT_STAGES_H
#define MM_FAULT_STAGES_H

#include "mm/fault.h"

/* The upper layer has a page for the fault. => layers locked */
int __must_check fault_upper(struct fault *f);
/* It has none: ask the driver. => vmap locked, amap too if there is one */
int __must_check fault_lower(struct fault *f);
/* Enter or raise a translation; a forced access to memory without any right leaves none. */
void fault_enter(struct pmap_cursor *c, vaddr_t va, pfn_t pfn, vm_flags_t rights);
/* f->fresh, about to become a private page. */
struct page *fault_frame_as_anon(struct fault *f);
/* Lock the upper layer for writing; what was found there has to be looked at again. */
void fault_lock_amap_exclusive(struct fault *f);
/*
 * Take the present translation of the fault's page away, on all CPUs, and stand in the table again:
 * no other fault may enter the page meanwhile. 0; FAULT_AGAIN: the cursor is closed.
 */
int __must_check fault_evict(struct fault *f, struct pmap_cursor *c);
/* Enter a page of ours, which the slot holds, with all the vmap's rights. */
void fault_enter_own(struct fault *f, struct pmap_cursor *c, struct page *pg);
/* The slot's page is ours alone: raise it in place, and its neighbours. */
int __must_check fault_reuse(struct fault *f);
/* The last stage: pin pg (NULL: no page but a bare frame), if that was asked for. */
int __must_check fault_finish(struct fault *f, struct page *pg);
/*
 * Stand in the leaf table of the fault's address; own: the levels above let a page of ours be
 * written, if the vmap may be. 0 or FAULT_AGAIN. => layers locked; closed by pmap_close
 */
int __must_check fault_open(struct fault *f, struct pmap_cursor *c, bool own);
/* The rights that a translation of the vmap may have. */
vm_flags_t fault_rights(const struct fault *f);

#endif
