/* What a vmap's memory consists of: for /proc/PID/smaps and pagemap. */
#ifndef MM_USAGE_H
#define MM_USAGE_H

#include "mm/vmap.h"

/* Pages, pss in 4096ths of a page (bytes). */
struct mm_usage {
	uint64_t size, rss, pss, anonymous, locked;
	uint64_t shared_clean, shared_dirty, private_clean, private_dirty;
};

/*
 * Add the usage of vm to *u: its private pages, resident or not in the page table, and the pages of
 * its object that the page table shows. A page that more than one place holds is shared; each of
 * its holders gets its part of pss, as far as the number of holders is known. => mm_lock (read)
 */
void mm_vmap_usage_locked(struct vmap *vm, struct mm_usage *u);

/* One page, as /proc/PID/pagemap tells it. */
#define MM_PAGE_PRESENT	  0x1u /* pfn is valid */
#define MM_PAGE_FILE	  0x2u /* of a file or shared memory */
#define MM_PAGE_EXCLUSIVE 0x4u /* only this mapping has it */
struct mm_page_info {
	unsigned flags;
	pfn_t pfn;
};
/* What va shows, from the layers. => mm_lock (read) */
void mm_page_info_locked(struct mm_context *ctx, vaddr_t va, struct mm_page_info *info);

#endif
