/*
 * The paging API, after MOS: what the process model, drivers and the mmap layer call instead of the
 * page table.
 */
#ifndef MM_PAGING_H
#define MM_PAGING_H

#include "mm/vmap.h"

/* Placement. */
typedef enum {
	VALLOC_DEFAULT = 0, /* at or above the hint (0: from mmap_top downwards) */
	VALLOC_EXACT = 1,   /* there or -EEXIST; never overwrites */
} valloc_flags;

/*
 * Find and insert an unmapped range of npages. Returns a vmap with vaddr and npages set and nothing
 * else, or ERR_PTR(-ENOMEM, -EEXIST, -EINVAL). Ranges of 2 MiB and more are placed at 2 MiB
 * multiples. O(log n).
 * => mm_lock held for writing
 */
struct vmap *mm_get_free_vaddr_locked(
	struct mm_context *ctx, size_t npages, vaddr_t base, valloc_flags flags);
/* Lowest address that is handed out by itself (Linux's mmap_min_addr). */
#define MM_MMAP_MIN 0x10000ul

/* Where a range may go, for constructors that bring their own vmap. */
struct mm_pick {
	size_t npages;
	vaddr_t base; /* as above */
	valloc_flags flags;
	vaddr_t high;	   /* the range ends at or below; 0: anywhere */
	vaddr_t congruent; /* prefer an address congruent to this modulo 2 MiB; 0: no wish */
};
/* 0 and *out, -ENOMEM, -EEXIST, -EINVAL. => mm_lock held for writing */
int __must_check mm_pick_vaddr_locked(
	struct mm_context *ctx, const struct mm_pick *pick, vaddr_t *out);
/* Enter a blank vmap at a range that is free. => mm_lock held for writing */
void mm_insert_blank_locked(struct mm_context *ctx, struct vmap *vm, vaddr_t va, size_t npages);
/*
 * Map a run of frames in the kernel half, which all contexts share (ctx may be NULL); no count
 * changes. flags: rights and cache policy. 0, -ENOMEM, -EINVAL (not in the kernel half).
 * => the caller owns the addresses, nothing is mapped there; no lock of rank 75 or above
 */
int __must_check mm_map_kernel_pages(
	struct mm_context *ctx, vaddr_t vaddr, pfn_t pfn, size_t npages, vm_flags_t flags);
/*
 * Reserve a range and map the given frames eagerly; the caller's references (shares) are donated.
 * ERR_PTR on failure.
 * => no mm lock held
 */
struct vmap *mm_map_user_pages(struct mm_context *ctx, vaddr_t vaddr, pfn_t pfn, size_t npages,
	vm_flags_t flags, valloc_flags vaflags, vmap_type_t type, vmap_content_t content);
/*
 * Swap the private page at vaddr for another: reference the new, drop the old after the flush; same
 * frame = refresh the rights. 0, -EINVAL (no private memory there), -ENOMEM: nothing has changed.
 * => mm_lock held for writing, which keeps faults out; never reclaims
 */
int __must_check mm_replace_page_locked(
	struct mm_context *ctx, vaddr_t vaddr, pfn_t pfn, vm_flags_t flags);
/*
 * The same range in dst with shared backing and references; dst must be empty there (-EEXIST).
 * => both locks (write)
 */
struct vmap *mm_clone_vmap_locked(struct vmap *src, struct mm_context *dst_ctx);
/* Is vaddr inside a vmap; is a translation present (whose page may be taken away at any time: a
 * hint). => mm_lock (read) */
bool mm_get_is_mapped_locked(struct mm_context *ctx, vaddr_t vaddr);
bool mm_get_is_present_locked(struct mm_context *ctx, vaddr_t vaddr);
/* Change the rights of present pages (lowering only what flags lacks) and flush. => mm_lock held
 * for writing */
void mm_flag_pages_locked(struct mm_context *ctx, vaddr_t vaddr, size_t npages, vm_flags_t flags);
/*
 * Physical address with page offset: 0 or -EFAULT when nothing is present. The first: => mm_lock;
 * the second takes it (read).
 */
int __must_check mm_get_phys_addr_locked(struct mm_context *ctx, vaddr_t vaddr, paddr_t *pa);
int __must_check mm_get_phys_addr(struct mm_context *ctx, vaddr_t vaddr, paddr_t *pa);

#endif
