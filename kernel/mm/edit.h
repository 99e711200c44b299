/*
 * An edit of an address space: what map, unmap, protect, remap and advise have in common. edit.c
 * has the phases.
 */
#ifndef MM_EDIT_H
#define MM_EDIT_H

#include "mm/amap.h"
#include "mm/vmap.h"

struct vmap_edit {
	struct mm_context *ctx;
	struct vmap *vmaps; /* stock of blank vmaps */
	unsigned nvmaps;
	struct amap_stock nodes;
	uint64_t charge;     /* pages charged and given to no vmap yet */
	unsigned want_vmaps; /* what the last edit_take was short of */
	unsigned want_nodes[AMAP_CLASSES];
	/* How mm_lock is held (edit.c): edit_begin, edit_begin_shared, or opened by edit_open. */
	enum { EDIT_EXCLUSIVE, EDIT_SHARED, EDIT_OPEN } mode;
	struct vmap *locked;		/* EDIT_OPEN: a vmap whose faults still wait, or NULL */
	struct vmap *dead, **dead_tail; /* unlinked, in order of address */
	struct amap_dead dead_amaps;
#ifdef QUIRE_DEBUG
	vaddr_t low, high; /* what was touched */
#endif
};

#define EDIT_AGAIN 1 /* an edit's memory has to be fetched with nothing held */

/* Take ctx's lock for writing and begin. => nothing of rank 40 or above */
void edit_begin(struct vmap_edit *e, struct mm_context *ctx);
/* The same for reading: for who changes no vmap, but drops what some show (edit_discard). */
void edit_begin_shared(struct vmap_edit *e, struct mm_context *ctx);
/*
 * Vmaps, layers and page table are as they shall be; what is left is a flush that has to ask other
 * CPUs (tlb_batch_asks_others), and the release of what was unlinked. Faults of the context go on
 * from here, but for those in vm (NULL: no vmap is concerned any more), which wait for edit_end.
 * => begun by edit_begin; afterwards nothing that needs mm_lock for writing
 */
void edit_open(struct vmap_edit *e, struct vmap *vm);
/*
 * Drop what [from, to) of vm shows: translations, then private pages, for which the stock has what
 * edit_discard_need added. May leave slots when there are no nodes for the cut (stocked: false).
 * => any mode but EDIT_OPEN; vm is locked for writing here
 */
void edit_discard(struct vmap_edit *e, struct vmap *vm, vaddr_t from, vaddr_t to, bool stocked);
void edit_discard_need(struct vmap *vm, vaddr_t from, vaddr_t to, unsigned need[AMAP_CLASSES]);
/* The ways taken when there is something to take, or to fetch. */
int __must_check edit_take_more(
	struct vmap_edit *e, unsigned nvmaps, const unsigned need[AMAP_CLASSES]);
bool edit_fill_stock(struct vmap_edit *e, int *err);

/*
 * The second phase: have nvmaps blank vmaps and the nodes (NULL: none) in stock. 0, or EDIT_AGAIN:
 * nothing may have changed so far; leave by edit_again and check everything anew.
 * => begun, in either way, and not opened; does not sleep for memory
 */
static inline int __must_check edit_take(
	struct vmap_edit *e, unsigned nvmaps, const unsigned need[AMAP_CLASSES])
{
	if (e->nvmaps >= nvmaps && (!need || !(need[0] | need[1] | need[2])))
		return 0;
	return edit_take_more(e, nvmaps, need);
}
/*
 * After check and take: with *err == EDIT_AGAIN unlock, fill the stock with nothing held, lock
 * again and return true, or false with *err = -ENOMEM. Any other *err: false.
 */
static inline bool edit_again(struct vmap_edit *e, int *err)
{
	return unlikely(*err == EDIT_AGAIN) && edit_fill_stock(e, err);
}

/* [start, end) was changed: debug builds verify it at the end. */
static inline void edit_touch(struct vmap_edit *e, vaddr_t start, vaddr_t end)
{
#ifdef QUIRE_DEBUG
	e->low = e->high ? MIN(e->low, start) : start;
	e->high = MAX(e->high, end);
#else
	(void)e;
	(void)start;
	(void)end;
#endif
}

/*
 * Also of the second phase: have exactly that many pages charged to the commit limit. 0 or -ENOMEM.
 * What is not given to a vmap by edit_give_charge goes back at the end.
 */
int __must_check edit_charge(struct vmap_edit *e, uint64_t pages);
static inline void edit_give_charge(struct vmap_edit *e, struct vmap *vm, uint64_t pages)
{
	pages = MIN(pages, e->charge);
	vm->charged += pages;
	e->charge -= pages;
}

/* A blank vmap of the stock: there is one. */
struct vmap *edit_take_vmap(struct vmap_edit *e);
/* Unlock and release what died. */
void edit_end(struct vmap_edit *e);

/* What unmapping a range takes; adds to nvmaps and need. -EPERM: a part is sealed. */
int __must_check edit_unmap_check(struct vmap_edit *e, vaddr_t start, vaddr_t end, unsigned *nvmaps,
	unsigned need[AMAP_CLASSES]);
/* Unmap, with what the check asked for in stock: cannot fail. */
void edit_unmap(struct vmap_edit *e, vaddr_t start, vaddr_t end);
/* The same as the last step of the edit: faults elsewhere do not wait for the flush (edit_open). */
void edit_unmap_last(struct vmap_edit *e, vaddr_t start, vaddr_t end);
/* Free the page tables that only [start, end) used, which is free now and has no translations. */
void edit_free_tables(struct vmap_edit *e, vaddr_t start, vaddr_t end);
/* Vmaps that a cut at va takes: 0 or 1. */
unsigned edit_cut_need(struct vmap_edit *e, vaddr_t va);
/* Split the vmap that has va inside it, so that a vmap starts at va. */
void edit_cut(struct vmap_edit *e, vaddr_t va);

/*
 * vm_resize of the kinds that can: grow into free space behind (-ENOMEM: taken, or a limit), or
 * unmap the tail; npages 0: all. Shrinking needs the stock that edit_unmap_check asked for.
 */
int __must_check edit_resize(struct vmap_edit *e, struct vmap *vm, size_t npages);

/* Join all that can be joined from the vmap before start to the one behind end. */
void edit_merge(struct vmap_edit *e, vaddr_t start, vaddr_t end);

/*
 * Set and clear attributes of all vmaps in [start, end), cut at both ends, joined afterwards. May
 * wait for memory: => begun, nothing else taken. 0; -ENOMEM: there are holes (the rest is done), or
 * no memory (nothing is done). allowed (NULL: all) may refuse a vmap with -errno before anything is
 * changed.
 */
int __must_check edit_attributes(struct vmap_edit *e, vaddr_t start, vaddr_t end, vm_flags_t set,
	vm_flags_t clear, int (*allowed)(const struct vmap *vm));

/* Would pages more fit RLIMIT_AS and, for private writable memory, RLIMIT_DATA? minus: pages that
 * the same edit unmaps. */
bool edit_within_limits(const struct vmap_edit *e, uint64_t pages, uint64_t minus, vm_flags_t flags,
	bool is_private);
/* Pages of [start, end) that lie in vmaps. */
uint64_t edit_pages_in(struct vmap_edit *e, vaddr_t start, vaddr_t end);

#endif
