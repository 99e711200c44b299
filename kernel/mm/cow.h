/* Copy-on-write: demand-zero ranges, clone for fork, breaking of sharing. */
#ifndef MM_COW_H
#define MM_COW_H

#include "mm/vmap.h"

void cow_init(void);
/* Reads of untouched anonymous memory see this frame. It has no owner and is never freed. */
extern struct page *cow_zero_page;

/* A demand-zero private range. ERR_PTR on failure. => mm_lock held for writing */
struct vmap *cow_allocate_zeroed_pages(
	struct mm_context *ctx, size_t npages, vaddr_t vaddr, unsigned vaflags, vm_flags_t flags);
/* The same range in dst, contents as of now, copied when either side writes. => both mm_locks
 * (write), src's vmaps kept from faulting */
struct vmap *cow_clone_vmap_locked(struct mm_context *dst_ctx, struct vmap *src);
/* Give the vmap of f its own page for f's address: in place for the sole owner, else a copy. Called
 * by the fault's act stage. */
int __must_check mm_resolve_cow_fault(struct fault *f);

#endif
