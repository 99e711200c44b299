/*
 * cache: a page's life inside an object, up to write-back (writeback.c).
 *
 * A page that is not there is put into the tree BUSY first, under the object's lock, and filled
 * with nothing locked; others who want it find it BUSY and sleep on one of a few wait queues, by
 * the page's number. A fill that fails takes the page out again: each of the waiters tries anew and
 * gets the error of its own attempt. PG_WAITERS says that somebody sleeps:
 *
 *	sleeper				who clears the bit
 *	queue itself			clear BUSY and WAITERS at once, see what was
 *	set WAITERS			WAITERS was set: wake the queue
 *	test BUSY: set -> sleep
 *
 * Both act on one word, so either the sleeper sees BUSY clear or the other sees WAITERS.
 *
 * Whoever wants a page to stay takes a pin under the object's lock; removal looks at the pins under
 * the lock for writing.
 */
#include "mm/cache.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/object_pages.h"
#include "mm/physmap.h"
#include "mm/reclaim.h"
#include "mm/stats.h"
#include "mm/vmap.h"
#include "sync/waitqueue.h"

#define WAIT_QUEUES   64
#define READAHEAD_MAX 16
#define SWEEP_LOOKS   64 /* pages that the hand looks at under one hold of the object's lock */

static struct waitqueue wait_queues[WAIT_QUEUES];

void cache_wait_init(void)
{
	for (unsigned i = 0; i < WAIT_QUEUES; i++)
		waitqueue_init(&wait_queues[i]);
}

/* --- waiting --------------------------------------------------------------------------------- */

static struct waitqueue *queue_of(const struct page *pg)
{
	return &wait_queues[page_pfn(pg) * 0x9e3779b97f4a7c15ull >> 58];
}
_Static_assert(WAIT_QUEUES == 64, "the hash keeps six bits");

static bool bits_clear(struct page *pg, uint32_t bits)
{
	page_set_flags(pg, PG_WAITERS);
	return !page_is(pg, bits);
}

void cache_clear_and_wake(struct page *pg, uint32_t bits)
{
	if (page_clear_flags(pg, bits | PG_WAITERS) & PG_WAITERS)
		wake_all(queue_of(pg));
}

int cache_wait(struct page *pg, uint32_t bits)
{
	if (!page_is(pg, bits))
		return 0;
	rank_assert_none_from(RANK_CONTEXT);
	return wait_event_killable(queue_of(pg), bits_clear(pg, bits));
}

void cache_wait_always(struct page *pg, uint32_t bits)
{
	rank_assert_none_from(RANK_CONTEXT);
	if (page_is(pg, bits))
		wait_event(queue_of(pg), bits_clear(pg, bits));
}

/* --- get ------------------------------------------------------------------------------------- */

/*
 * A frame for a page of vo. Metadata are read with locks of the file system held: there the
 * allocator must not wait for anybody, but clean pages may still be dropped, and the reserve is
 * there for the last of them.
 */
static struct page *frame_for(struct vm_object *vo, unsigned flags)
{
	struct page *pg;

	if (!(vo->vo_flags & VMO_DEVICE_META))
		return page_alloc(0, flags);
	flags |= ALLOC_NORECLAIM;
	do
		pg = page_alloc(0, flags);
	while (!pg && reclaim_clean(READAHEAD_MAX));
	return pg ? pg : page_alloc(0, flags | ALLOC_RESERVE);
}

/*
 * A page did not come in for want of memory where nobody could wait for it: a node of the object's
 * tree or, for the contents of a file, metadata of its file system. Have that memory, if this
 * caller may wait. => nothing locked
 */
static int wait_for_memory(struct vm_object *vo)
{
	if (vo->vo_flags & VMO_DEVICE_META)
		return reclaim_clean(READAHEAD_MAX) ? 0 : -ENOMEM;
	return buddy_refill_reserve();
}

/* The page if it is there, pinned, whatever its state. => object locked */
static struct page *find_pinned(struct vm_object *vo, pgidx_t idx)
{
	struct page *pg = radix_get(&vo->vo_pages, idx);

	if (pg)
		page_pin(pg);
	return pg;
}

/* A run of pages that are being brought in together. */
struct fill {
	struct vm_object *vo;
	unsigned n;
	struct page *pages[READAHEAD_MAX];
};

/*
 * Insert a frame at idx and, for read-ahead, frames at the next free indices, all BUSY and pinned.
 * 0: go on with f. -EEXIST: somebody was faster. => nothing locked
 */
static int fill_begin(struct fill *f, pgidx_t idx, unsigned want, uint32_t state)
{
	struct vm_object *vo = f->vo;
	struct page *frames[READAHEAD_MAX];
	unsigned got = 0;
	int err = 0;

	frames[0] = frame_for(vo, state & PG_VALID ? ALLOC_ZERO : 0);
	if (!frames[0])
		return -ENOMEM;
	for (got = 1; got < want; got++) {
		frames[got] = page_alloc(0, ALLOC_NORECLAIM);
		if (!frames[got])
			break;
	}
	rw_write_lock(&vo->lock);
	for (f->n = 0; f->n < got; f->n++) {
		pgidx_t at = idx + f->n;

		err = at < object_end(vo) ? object_insert_locked(vo, at, frames[f->n], state)
					  : -ENXIO;
		if (err)
			break;
		page_pin(frames[f->n]);
		f->pages[f->n] = frames[f->n];
	}
	rw_write_unlock(&vo->lock);
	for (unsigned i = f->n; i < got; i++)
		page_free(frames[i], 0);
	return f->n ? 0 : err;
}

/* Take the pages of a failed fill out again. */
static void fill_undo(struct fill *f)
{
	rw_write_lock(&f->vo->lock);
	for (unsigned i = 0; i < f->n; i++) {
		struct page *pg = f->pages[i];

		page_set_flags(pg, PG_ERROR);
		cache_clear_and_wake(pg, PG_BUSY);
		object_remove_locked(f->vo, pg);
	}
	rw_write_unlock(&f->vo->lock);
}

/* Fill from the backing store, then let everybody at the pages; the first one stays pinned. */
static int fill_run(struct fill *f, struct page **out)
{
	int err = f->vo->ops->fill(f->vo, f->pages, f->n);

	if (err)
		fill_undo(f);
	for (unsigned i = 0; i < f->n; i++) {
		if (!err) {
			page_set_flags(f->pages[i], PG_VALID);
			cache_clear_and_wake(f->pages[i], PG_BUSY);
		}
		if (err || i > 0)
			page_unpin(f->pages[i]);
	}
	if (err)
		return err;
	mm_stat_add(STAT_PAGE_IN, f->n);
	*out = f->pages[0];
	return 0;
}

/* A page of zeros at idx, pinned, if that takes no reclaim. => nothing locked */
static struct page *alloc_zeros(struct vm_object *vo, pgidx_t idx)
{
	struct page *pg;

	rw_write_lock(&vo->lock);
	pg = vm_object_alloc_page(vo, idx << PAGE_SHIFT, 0);
	if (pg)
		page_pin(pg);
	rw_write_unlock(&vo->lock);
	return pg;
}

static int bring_in(struct vm_object *vo, pgidx_t idx, unsigned flags, struct page **out)
{
	struct fill f = {.vo = vo};
	unsigned want = flags & CACHE_READAHEAD ? READAHEAD_MAX : 1;
	int err;

	if (vo->kind == VMO_ZERO) {
		*out = alloc_zeros(vo, idx);
		if (*out)
			return 0;
	}
	if (vo->kind == VMO_ZERO || (flags & CACHE_NOFILL)) {
		err = fill_begin(&f, idx, 1, PG_VALID);
		if (!err)
			*out = f.pages[0];
		return err;
	}
	/* One request reads up to the next multiple of its length. */
	want = MIN(want, (unsigned)(READAHEAD_MAX - idx % READAHEAD_MAX));
	err = fill_begin(&f, idx, want, PG_BUSY);
	return err ? err : fill_run(&f, out);
}

int cache_get(struct vm_object *vo, pgidx_t idx, unsigned flags, struct page **out)
{
	rank_assert_none_from(vo->vo_flags & VMO_DEVICE_META ? RANK_DEV_PAGE_BUSY : RANK_PAGE_BUSY);
	if (vo->kind != VMO_FILE && vo->kind != VMO_ZERO)
		return -ENXIO;
	for (;;) {
		struct page *pg = NULL;
		bool outside;
		int err;

		rw_read_lock(&vo->lock);
		outside = idx >= object_end(vo);
		if (!outside)
			pg = find_pinned(vo, idx);
		rw_read_unlock(&vo->lock);
		if (outside)
			return -ENXIO;
		if (pg) {
			err = cache_wait(pg, PG_BUSY);
			if (!err && page_is(pg, PG_VALID)) {
				object_mark_used(pg);
				*out = pg;
				return 0;
			}
			page_unpin(pg);
		} else {
			err = bring_in(vo, idx, flags, out);
			if (!err)
				return 0;
			if (err == -ENOMEM)
				err = wait_for_memory(vo);
			if (err == -EEXIST)
				err = 0;
		}
		if (err)
			return err;
	}
}

unsigned cache_get_run(struct vm_object *vo, pgidx_t idx, unsigned max, struct page **pages)
{
	void *const *slots;
	unsigned n;
	pgidx_t end;

	rw_read_lock(&vo->lock);
	end = object_end(vo);
	max = idx < end ? (unsigned)MIN(max, end - idx) : 0;
	slots = radix_slots(&vo->vo_pages, idx, &max);
	for (n = 0; n < max; n++) {
		struct page *pg = slots[n];

		if (!pg || !page_is(pg, PG_VALID))
			break;
		page_pin(pg);
		object_mark_used(pg);
		pages[n] = pg;
	}
	rw_read_unlock(&vo->lock);
	return n;
}

struct page *cache_get_resident(struct vm_object *vo, pgidx_t idx)
{
	struct page *pg;

	return cache_get_run(vo, idx, 1, &pg) ? pg : NULL;
}

struct page *cache_get_present(struct vm_object *vo, pgidx_t idx)
{
	for (;;) {
		struct page *pg;

		rw_read_lock(&vo->lock);
		pg = find_pinned(vo, idx);
		rw_read_unlock(&vo->lock);
		if (!pg)
			return NULL;
		cache_wait_always(pg, PG_BUSY);
		if (page_is(pg, PG_VALID))
			return pg;
		page_unpin(pg); /* its fill failed: it is out again */
	}
}

uint64_t cache_count_resident(struct vm_object *vo, pgidx_t first, pgidx_t last)
{
	uint64_t n = 0;

	rw_read_lock(&vo->lock);
	for (pgidx_t idx = first; object_next_locked(vo, &idx) && idx <= last; idx++)
		n++;
	rw_read_unlock(&vo->lock);
	return n;
}

void cache_put(struct page *pg)
{
	page_unpin(pg);
}

void cache_put_run(struct page *const *pages, unsigned n)
{
	page_unpin_all(pages, n);
}

void cache_mark_dirty(struct page *pg)
{
	struct vm_object *vo;
	bool now = false;

	if (page_is(pg, PG_DIRTY) || page_type(pg) != PG_OBJECT)
		return;
	page_lock(pg);
	vo = pg->owner;
	/* Truncated meanwhile, or memory that has no backing store: nothing to remember. */
	if (vo && vo->kind == VMO_FILE)
		now = object_mark_dirty(vo, pg);
	page_unlock(pg);
	if (now)
		writeback_notify();
}

/* --- truncate, discard ----------------------------------------------------------------------- */

/* Bytes [from, to) of the page become zero if it is resident. => object locked (write) */
static void zero_part_locked(struct vm_object *vo, pgidx_t idx, size_t from, size_t to)
{
	struct page *pg = radix_get(&vo->vo_pages, idx);

	if (pg && from < to && page_is(pg, PG_VALID))
		memset((char *)page_virt(pg) + from, 0, to - from);
}

/* The same from a byte inside the page to its end. */
static void zero_tail_locked(struct vm_object *vo, pgidx_t idx, size_t from)
{
	if (from)
		zero_part_locked(vo, idx, from, PAGE_SIZE);
}

/*
 * Remove the pages from `first` on that nobody fills or writes now; returns one of the others,
 * pinned, or NULL. => object locked (write), translations gone
 */
static struct page *remove_from_locked(struct vm_object *vo, pgidx_t first)
{
	struct page *pg, *in_use = NULL;

	for (pgidx_t idx = first; (pg = object_next_locked(vo, &idx)); idx++) {
		if (!page_is(pg, PG_BUSY | PG_WRITING)) {
			object_remove_locked(vo, pg);
		} else if (!in_use) {
			in_use = pg;
			page_pin(pg);
		}
	}
	return in_use;
}

/* Remove the pages from `first` on, waiting for BUSY and WRITING. => no mm lock held */
static void remove_from(struct vm_object *vo, pgidx_t first)
{
	for (;;) {
		struct page *pg;

		rw_write_lock(&vo->lock);
		pg = remove_from_locked(vo, first);
		rw_write_unlock(&vo->lock);
		if (!pg)
			return;
		cache_wait_always(pg, PG_BUSY | PG_WRITING);
		page_unpin(pg);
	}
}

void cache_truncate(struct vm_object *vo, uint64_t new_size)
{
	uint64_t old_size = vo->vo_size;
	pgidx_t first = page_count(new_size);
	struct page *in_use;

	rank_assert_none_from(RANK_PAGE_BUSY);
	rw_write_lock(&vo->lock);
	WRITE_ONCE(vo->vo_size, new_size);
	if (new_size >= old_size) {
		/* What a mapping wrote behind the old end does not become part of the file. */
		zero_tail_locked(vo, old_size >> PAGE_SHIFT, old_size & PAGE_MASK);
		rw_write_unlock(&vo->lock);
		return;
	}
	zero_tail_locked(vo, new_size >> PAGE_SHIFT, new_size & PAGE_MASK);
	vm_object_unmap_locked(vo, first, UINT64_MAX, false);
	in_use = remove_from_locked(vo, first);
	rw_write_unlock(&vo->lock);
	vmap_drop_private_past(vo, first);
	if (!in_use)
		return;
	cache_wait_always(in_use, PG_BUSY | PG_WRITING);
	page_unpin(in_use);
	remove_from(vo, first);
}

/* => object locked (write), not inside one page */
static void punch_locked(struct vm_object *vo, uint64_t from, uint64_t to)
{
	pgidx_t first = page_count(from), end = to >> PAGE_SHIFT;
	struct page *pg;

	zero_tail_locked(vo, from >> PAGE_SHIFT, from & PAGE_MASK);
	zero_part_locked(vo, end, 0, to & PAGE_MASK);
	if (first < end)
		vm_object_unmap_locked(vo, first, end - 1, false);
	for (pgidx_t idx = first; (pg = object_next_locked(vo, &idx)) && idx < end; idx++)
		object_remove_locked(vo, pg);
}

int cache_punch(struct vm_object *vo, uint64_t from, uint64_t to)
{
	int err = 0;

	assert(vo->kind == VMO_ZERO);
	rank_assert_none_from(RANK_PAGE_BUSY);
	rw_write_lock(&vo->lock);
	if (vo->vo_flags & VMO_NO_HOLES)
		err = -EPERM;
	else if (page_count(from) > to >> PAGE_SHIFT)
		zero_part_locked(vo, to >> PAGE_SHIFT, from & PAGE_MASK, to & PAGE_MASK);
	else
		punch_locked(vo, from, to);
	rw_write_unlock(&vo->lock);
	return err;
}

void cache_discard(struct vm_object *vo)
{
	assert(list_empty(&vo->vo_mappings));
	remove_from(vo, 0);
}

/* --- drop clean pages ------------------------------------------------------------------------ */

/* Is the page inside a mapping whose pages must stay (mlock)? => object locked */
static bool is_locked_in(const struct vm_object *vo, pgidx_t idx)
{
	struct vmap *vm;

	list_for_each_entry (vm, &vo->vo_mappings, object_link) {
		pgidx_t base = vm->offset >> PAGE_SHIFT;

		if (READ_ONCE(vm->vmflags) & VM_LOCKED && idx >= base && idx - base < vm->npages)
			return true;
	}
	return false;
}

static bool may_drop(const struct vm_object *vo, struct page *pg)
{
	if (page_is(pg, PG_DIRTY | PG_BUSY | PG_WRITING) || page_pins(pg) || page_shares(pg) != 1)
		return false;
	return list_empty(&vo->vo_mappings) || !is_locked_in(vo, pg->index);
}

/*
 * Drop the page if it may go; spare: not if it was used since the last look. The entries of page
 * tables do not say that (pte.h), so translations are taken away here: a page that has none at the
 * next look, and no PG_REFERENCED from a fault or a read, was not used. => object locked (write)
 */
static bool drop_page(struct vm_object *vo, struct page *pg, bool spare)
{
	bool used = false;

	if (!may_drop(vo, pg))
		return false;
	if (spare)
		used = page_clear_flags(pg, PG_REFERENCED) & PG_REFERENCED;
	/* A page is dirty before it is writable anywhere: still clean. */
	if (!list_empty(&vo->vo_mappings) &&
		vm_object_unmap_locked(vo, pg->index, pg->index, false))
		used |= spare;
	if (used)
		return false;
	object_remove_locked(vo, pg);
	return true;
}

bool cache_sweep(struct vm_object *vo, uint64_t *max, bool spare)
{
	unsigned looks = SWEEP_LOOKS;
	struct page *pg = NULL;
	pgidx_t idx;

	if (vo->kind != VMO_FILE)
		return true;
	rw_write_lock(&vo->lock);
	for (idx = vo->hand; *max && (pg = object_next_locked(vo, &idx)) && looks; idx++, looks--)
		*max -= drop_page(vo, pg, spare);
	vo->hand = pg ? idx : 0;
	rw_write_unlock(&vo->lock);
	return !pg;
}

uint64_t cache_drop_range(struct vm_object *vo, pgidx_t first, pgidx_t last)
{
	uint64_t dropped = 0;
	struct page *pg;

	if (vo->kind != VMO_FILE)
		return 0;
	rw_write_lock(&vo->lock);
	for (pgidx_t idx = first; (pg = object_next_locked(vo, &idx)) && idx <= last; idx++)
		dropped += drop_page(vo, pg, false);
	rw_write_unlock(&vo->lock);
	return dropped;
}

uint64_t cache_drop_clean(struct vm_object *vo)
{
	return cache_drop_range(vo, 0, UINT64_MAX);
}

uint64_t cache_drop_all_clean(void)
{
	uint64_t dropped = 0;

	for (uint64_t n = object_count_all(false); n; n--) {
		struct vm_object *vo = object_next_of_all(false);

		if (!vo)
			break;
		dropped += cache_drop_clean(vo);
		vm_object_put(vo);
	}
	return dropped;
}

void cache_stat(struct cache_stat *st)
{
	st->file_pages = object_pages_of(OBJECT_FILE);
	st->shmem_pages = object_pages_of(OBJECT_SHMEM);
	st->device_pages = object_pages_of(OBJECT_DEVICE);
	st->dirty = object_dirty_total();
	st->writeback = writeback_pages();
}
