/* Inside of objects: what object.c, cache.c, writeback.c and reclaim.c share. */
#ifndef MM_OBJECT_PAGES_H
#define MM_OBJECT_PAGES_H

#include "mm/object.h"

/*
 * Put pg at idx with one share (the slot's), type OBJECT and the given state bits. 0, -EEXIST or
 * -ENOMEM (pg is the caller's still). => object locked (write)
 */
int __must_check object_insert_locked(
	struct vm_object *vo, pgidx_t idx, struct page *pg, uint32_t state);
/* Take pg out and drop the slot's share: the frame lives on while it is pinned. Its translations
 * are gone already. => object locked (write); not BUSY, not WRITING */
void object_remove_locked(struct vm_object *vo, struct page *pg);
/* The first resident page at or after *idx; sets *idx. => object locked */
struct page *object_next_locked(struct vm_object *vo, pgidx_t *idx);
/* The same among dirty pages. */
struct page *object_next_dirty_locked(struct vm_object *vo, pgidx_t *idx);
/* Number of pages that the size covers. => object locked, or as a hint */
static inline pgidx_t object_end(const struct vm_object *vo)
{
	return page_count(READ_ONCE(vo->vo_size));
}

/*
 * DIRTY and the mark together. dirty: false when it was so already. clean: false when it was clean.
 */
bool object_mark_dirty(struct vm_object *vo, struct page *pg);
bool object_mark_clean(struct vm_object *vo, struct page *pg);

/*
 * File objects in a circle: the next one after the hand with a reference, NULL: there is none.
 * dirty: of the list of those with dirty pages.
 */
struct vm_object *object_next_of_all(bool dirty);
uint64_t object_count_all(bool dirty);
/*
 * The object where reclaim's hand is, with a reference; NULL: there is none. The hand goes on to
 * the next.
 */
struct vm_object *object_at_hand(void);
void object_pass_by(struct vm_object *vo);
/* Reclaim's hand spares the page the next time that it comes by. */
static inline void object_mark_used(struct page *pg)
{
	if (!page_is(pg, PG_REFERENCED))
		page_set_flags(pg, PG_REFERENCED);
}

/* Pages by what they are for (meminfo). */
enum object_class { OBJECT_FILE, OBJECT_SHMEM, OBJECT_DEVICE, OBJECT_CLASSES };
uint64_t object_pages_of(enum object_class class);
uint64_t object_dirty_total(void);

/* cache.c: the wait queues, at start. */
void cache_wait_init(void);
/* cache.c: a state bit goes: wake those who wait for it. */
void cache_clear_and_wake(struct page *pg, uint32_t bits);
/*
 * cache.c: reclaim's hand goes on in vo from where it stopped and drops clean pages, counted down
 * in *max; spare: but for those that were used since it last came by. True: it is through with vo;
 * false: *max came to zero, or there is more to look at than is done at once.
 * => no lock of rank 60 or above
 */
bool cache_sweep(struct vm_object *vo, uint64_t *max, bool spare);
/* writeback.c: a page became dirty; kicks the flusher when there are too many. */
void writeback_notify(void);
uint64_t writeback_pages(void);
/*
 * writeback.c: let the flusher work, and wait until pages have been written, by whomever. False: it
 * had a whole round from now on, nobody writes, and nothing came of it. => no lock of rank 33 or
 * above
 */
bool writeback_wait_progress(void);

#endif
