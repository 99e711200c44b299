/*
 * A page's life inside an object: get (filled, pinned), dirty, write back, truncate. States:
 *
 *	absent -> BUSY -> VALID <-> VALID|DIRTY -> VALID|WRITING(|DIRTY) -> VALID
 *	               `> removed again when the fill fails
 *
 * Nobody waits for BUSY or WRITING with a lock of rank 35 or above held (37 for device metadata),
 * nor with any mm lock.
 */
#ifndef MM_CACHE_H
#define MM_CACHE_H

#include "mm/object.h"

/* cache_get, NOFILL: the caller overwrites the whole page, so a new page is zeroed instead of read.
 * READAHEAD: fill a few more pages with the same request. */
#define CACHE_NOFILL	0x1u
#define CACHE_READAHEAD 0x2u

/*
 * The page at index idx, VALID and pinned. 0, -ENXIO (past the size), -EIO, -ENOMEM, -EINTR (fatal
 * signal while waiting). May sleep. => no mm lock held
 */
int __must_check cache_get(struct vm_object *vo, pgidx_t idx, unsigned flags, struct page **out);
/* Resident and VALID, pinned, or NULL. Does not sleep on I/O. */
struct page *cache_get_resident(struct vm_object *vo, pgidx_t idx);
/*
 * The pages from idx on that are resident, VALID and inside the size, pinned, up to the first that
 * is not, `max` at most, and as far as one node of the tree holds them. Returns how many; 0: the
 * first one is not there. Does not sleep on I/O.
 */
unsigned cache_get_run(struct vm_object *vo, pgidx_t idx, unsigned max, struct page **pages);
/* The page if it is there, VALID and pinned, or NULL; waits for one that is being filled. => as
 * cache_get */
struct page *cache_get_present(struct vm_object *vo, pgidx_t idx);
/* How many pages of [first, last] are there. */
uint64_t cache_count_resident(struct vm_object *vo, pgidx_t first, pgidx_t last);
void cache_put(struct page *pg); /* drop the pin */
void cache_put_run(struct page *const *pages, unsigned n);
/* => pinned. Queues the object for the flusher. */
void cache_mark_dirty(struct page *pg);
/* Wait until the page is not BUSY/WRITING. => pinned, no mm lock held. 0 or -EINTR (killable) */
int __must_check cache_wait(struct page *pg, uint32_t bits);
/* The same whatever happens (a fatal signal ends no truncate). */
void cache_wait_always(struct page *pg, uint32_t bits);

/*
 * New size. Shrinking removes pages and translations past the end, zeroes the tail of the last
 * page, visits the private vmaps and drops their slots past the end, and waits for BUSY and
 * WRITING. => the inode's lock held, no mm lock
 */
void cache_truncate(struct vm_object *vo, uint64_t new_size);
/*
 * Write the dirty pages of [first, last] and wait for them. Returns the first error. => no lock of
 * rank 33 or above
 */
int __must_check cache_write_back(struct vm_object *vo, pgidx_t first, pgidx_t last);
/* Somebody made pages dirty: wait while there are too many of them. Ends early for who is being
 * killed. => no lock of rank 33 or above */
void writeback_throttle(void);
/* Remove clean, unpinned, unmapped (their translations are dropped) pages; returns frames freed. */
uint64_t cache_drop_clean(struct vm_object *vo);
/* The same for the pages [first, last]. */
uint64_t cache_drop_range(struct vm_object *vo, pgidx_t first, pgidx_t last);
/* All objects: sync(2), drop_caches. */
int cache_sync_all(void);
uint64_t cache_drop_all_clean(void);
/*
 * A zero object's bytes [from, to) become a hole: whole pages go, with their translations, and
 * parts of pages are zeroed. What private mappings have copied stays theirs. 0, -EPERM
 * (vm_object_deny_holes).
 * => no mm lock, nothing of rank 33 or above
 */
int __must_check cache_punch(struct vm_object *vo, uint64_t from, uint64_t to);
/* Forget everything without writing (unlinked inode, unmount after sync). => no mapping is left */
void cache_discard(struct vm_object *vo);
/* Starts the flusher thread. */
void cache_init(void);
/* Totals for meminfo: pages of file objects, of zero objects, dirty, under write-back. */
struct cache_stat {
	uint64_t file_pages, shmem_pages, dirty, writeback, device_pages;
};
void cache_stat(struct cache_stat *st);

#endif
