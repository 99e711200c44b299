/*
 * Free frames by order (0 .. BUDDY_MAX_ORDER), in front of it per-CPU lists of single frames.
 * Source: Knowlton, "A fast storage allocator", CACM 1965; the per-CPU lists after Bonwick's
 * magazines.
 */
#ifndef MM_BUDDY_H
#define MM_BUDDY_H

#include "mm/page.h"

struct cpu;

#define BUDDY_MAX_ORDER 10 /* 4 MiB */

#define ALLOC_ZERO	0x1u  /* the frames read as zero */
#define ALLOC_NORECLAIM 0x2u  /* fail rather than reclaim: under locks, in interrupts */
#define ALLOC_DMA32	0x4u  /* below 4 GiB */
#define ALLOC_RESERVE	0x8u  /* may dip into the last frames (write-back, OOM victim) */
#define ALLOC_ZONES	0x10u /* pass over the CPU's lists (buddy.c only) */

/*
 * 2^order frames, with pins 0, shares 0, type PG_KERNEL. NULL: none left.
 * Without ALLOC_NORECLAIM it may reclaim, have a process ended when nothing can be reclaimed (order
 * 0), and sleep: => nothing of rank 33 or above held.
 */
struct page *page_alloc(unsigned order, unsigned flags);
/* n single frames into pages[]; returns how many it got. For stocks and read-ahead. */
unsigned page_alloc_bulk(struct page **pages, unsigned n, unsigned flags);
/* Any context. The frames have no shares and no pins. */
void page_free(struct page *pg, unsigned order);

/* The same for a single frame that reads as zero: kept for who asks for one. */
void page_free_zeroed(struct page *pg);

/* Exact number of free frames, per-CPU lists included. */
uint64_t buddy_free_frames(void);
uint64_t buddy_total_frames(void);
uint64_t buddy_free_blocks(unsigned order);
/* Give all per-CPU lists back (cpu_call). => nothing held */
void buddy_drain(void);
/* Frames kept back from ordinary allocations. set: 0, or -EINVAL for more than a quarter of all. */
uint64_t buddy_reserve_frames(void);
int buddy_set_reserve(uint64_t frames);
/*
 * Let the reserve be whole again: for who was refused ALLOC_NORECLAIM | ALLOC_RESERVE with
 * something locked, before it tries anew. 0; -ENOMEM; -EINTR: the caller is being ended. Waits as
 * page_alloc.
 * => nothing of rank 33 or above held
 */
int buddy_refill_reserve(void);
void buddy_init_cpu(struct cpu *c);
/* page.c only: hand a range to the buddy at boot. */
void buddy_add_range(pfn_t first, pfn_t end);

/*
 * Who frees memory when none is left: registered by reclaim; returns the number of frames it freed.
 * => nothing of rank 33 or above held
 */
typedef uint64_t (*reclaim_fn)(uint64_t want);
void buddy_set_reclaim(reclaim_fn fn);
/*
 * Debug and tests: make the N-th allocation from now on (frames and slab objects alike) fail, or
 * that and all after it; 0 = off.
 */
void alloc_fail_nth(uint64_t n);
void alloc_fail_from_nth(uint64_t n);
extern uint64_t alloc_fail_countdown;
bool alloc_fail_count(void);
static inline bool alloc_should_fail(void)
{
	return unlikely(READ_ONCE(alloc_fail_countdown)) && alloc_fail_count();
}

#endif
