/*
 * writeback: dirty pages to their backing store; the flusher.
 *
 * A run of consecutive dirty pages is written by one request. Under the object's lock each page
 * gets WRITING and loses DIRTY, all shared mappings lose their right to write it, with the flush
 * acknowledged; what lies behind the end of the file is cleared. Then, with nothing locked, the
 * owner writes. A write that comes meanwhile makes the page DIRTY again and is written next time.
 *
 *	DIRTY -> WRITING -> (written) -> clean
 *	            `> (failed) -> DIRTY again, the error goes to who asked
 *
 * The flusher is one thread: it writes everything that is dirty some seconds after the first page
 * became so, at once when there is too much of it, and sleeps without a timer when all is clean.
 * Who makes pages dirty faster than that waits for it (writeback_throttle).
 */
#include "klog.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/cache.h"
#include "mm/object_pages.h"
#include "mm/reclaim.h"
#include "mm/stats.h"
#include "mm/tune.h"
#include "sched/clock.h"
#include "sched/sched.h"
#include "sync/waitqueue.h"

#define RUN_MAX	       32
#define PROGRESS_LOOKS 100 /* a disk that writes nothing for so many is not waited for */

static uint64_t writing_pages; /* (a) */
static uint64_t runs;	       /* (a) being gathered or written, and not counted yet */
static struct waitqueue flusher_queue, progress_queue;
static struct thread *flusher; /* NULL: not started */
static bool flusher_idle;      /* (a) it waits for the first dirty page */
static bool flush_now;	       /* (a) somebody cannot wait for the delay */
static uint64_t half_rounds;   /* (a) rounds of the flusher begun and ended: odd within one */

uint64_t writeback_pages(void)
{
	return READ_ONCE(writing_pages);
}

/* --- one object ------------------------------------------------------------------------------ */

struct run {
	struct vm_object *vo;
	pgidx_t first;
	unsigned n;
	struct page *pages[RUN_MAX];
};

static void run_add_locked(struct run *r, struct page *pg)
{
	page_pin(pg);
	page_set_flags(pg, PG_WRITING);
	/* First: at no time is it in neither count (unwritten). */
	__atomic_fetch_add(&r->vo->nwriting, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&writing_pages, 1, __ATOMIC_SEQ_CST);
	object_mark_clean(r->vo, pg);
	r->pages[r->n++] = pg;
}

/* The tail of the file's last page reads as zero in the file system. */
static void run_clear_tail_locked(struct run *r)
{
	struct page *pg = r->pages[r->n - 1];
	uint64_t size = r->vo->vo_size;
	size_t tail = size & PAGE_MASK;

	if (tail && pg->index == size >> PAGE_SHIFT)
		memset((char *)page_virt(pg) + tail, 0, PAGE_SIZE - tail);
}

/*
 * Gather the next run of [*idx, last]; *idx moves behind it. A page that is being written already
 * is returned in *busy, pinned, and ends the run. => nothing locked; on return r->n may be 0
 */
static void run_gather(struct run *r, pgidx_t *idx, pgidx_t last, struct page **busy)
{
	struct vm_object *vo = r->vo;

	*busy = NULL;
	r->n = 0;
	rw_write_lock(&vo->lock);
	while (r->n < RUN_MAX) {
		pgidx_t at = *idx;
		struct page *pg = object_next_dirty_locked(vo, &at);

		if (!pg || at > last) {
			if (!r->n)
				*idx = UINT64_MAX;
			break;
		}
		if (r->n && at != r->pages[r->n - 1]->index + 1)
			break;
		if (page_is(pg, PG_WRITING)) {
			if (!r->n) {
				page_pin(pg);
				*busy = pg;
			}
			break;
		}
		run_add_locked(r, pg);
		*idx = at + 1;
	}
	if (r->n) {
		r->first = r->pages[0]->index;
		vm_object_unmap_locked(vo, r->pages[0]->index, r->pages[r->n - 1]->index, true);
		run_clear_tail_locked(r);
	}
	rw_write_unlock(&vo->lock);
}

static int run_write(struct run *r)
{
	int err = r->vo->ops->write(r->vo, r->pages, r->n);

	for (unsigned i = 0; i < r->n; i++) {
		if (err)
			cache_mark_dirty(r->pages[i]);
		cache_clear_and_wake(r->pages[i], PG_WRITING);
		page_unpin(r->pages[i]);
	}
	__atomic_fetch_sub(&r->vo->nwriting, r->n, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&writing_pages, r->n, __ATOMIC_RELAXED);
	if (!err)
		mm_stat_add(STAT_PAGE_OUT, r->n);
	return err;
}

/*
 * Wait for what others have under write-back in [first, last]. True: some of it is dirty
 * afterwards, as after a write that failed: the error went to who wrote.
 */
static bool wait_for_writing(struct vm_object *vo, pgidx_t first, pgidx_t last)
{
	bool dirty = false;
	pgidx_t idx = first;

	while (READ_ONCE(vo->nwriting)) {
		struct page *pg;

		rw_read_lock(&vo->lock);
		while ((pg = object_next_locked(vo, &idx)) && idx <= last &&
			!page_is(pg, PG_WRITING))
			idx++;
		if (pg && idx <= last)
			page_pin(pg);
		else
			pg = NULL;
		rw_read_unlock(&vo->lock);
		if (!pg)
			break;
		cache_wait_always(pg, PG_WRITING);
		dirty |= page_is(pg, PG_DIRTY);
		page_unpin(pg);
	}
	return dirty;
}

/* Write the dirty pages of [first, last], each once; the first error. */
static int write_dirty(struct vm_object *vo, pgidx_t first, pgidx_t last)
{
	struct run r = {.vo = vo};
	pgidx_t idx = first;
	int err = 0;

	while (READ_ONCE(vo->ndirty) && idx != UINT64_MAX && idx <= last) {
		struct page *busy;
		int e = 0;

		if (READ_ONCE(vo->vo_flags) & VMO_UNLINKED)
			break;
		/* Around all of it: what is no longer dirty is clean, or there is a run. */
		__atomic_fetch_add(&runs, 1, __ATOMIC_SEQ_CST);
		run_gather(&r, &idx, last, &busy);
		if (r.n)
			e = run_write(&r);
		/*
		 * For metadata, which are read under locks of the file system: here they can be
		 * waited for.
		 */
		if (e == -ENOMEM && !(vo->vo_flags & VMO_DEVICE_META) &&
			buddy_refill_reserve() == 0) {
			idx = r.first;
			e = 0;
		}
		__atomic_fetch_sub(&runs, 1, __ATOMIC_SEQ_CST);
		wake_all(&progress_queue);
		if (busy) {
			cache_wait_always(busy, PG_WRITING);
			page_unpin(busy);
		}
		if (e && !err)
			err = e;
		cond_resched();
	}
	return err;
}

int cache_write_back(struct vm_object *vo, pgidx_t first, pgidx_t last)
{
	int err;

	if (vo->kind != VMO_FILE || !vo->ops->write)
		return 0;
	rank_assert_none_from(vo->vo_flags & VMO_DEVICE_META ? RANK_DEV_PAGE_BUSY : RANK_PAGE_BUSY);
	err = write_dirty(vo, first, last);
	/*
	 * Once more, to have the error ourselves; not until all is clean, for others go on writing.
	 */
	if (wait_for_writing(vo, first, last) && !err) {
		err = write_dirty(vo, first, last);
		(void)wait_for_writing(vo, first, last);
	}
	return err;
}

/* --- all objects ----------------------------------------------------------------------------- */

int cache_sync_all(void)
{
	int err = 0;

	/* Those that are dirty now, each once; what becomes dirty meanwhile is the next call's. */
	for (uint64_t n = object_count_all(true); n; n--) {
		struct vm_object *vo = object_next_of_all(true);
		int e;

		if (!vo)
			break;
		e = cache_write_back(vo, 0, UINT64_MAX);
		if (e && !err)
			err = e;
		vm_object_put(vo);
	}
	return err;
}

/* More than that percentage of memory? */
static bool exceeds(uint64_t pages, unsigned percent)
{
	return pages > buddy_total_frames() * percent / 100;
}

/*
 * Pages that are dirty or under way, in that order: none is missed that goes from one to the other.
 */
static uint64_t unwritten(void)
{
	uint64_t dirty = object_dirty_total();

	return dirty + __atomic_load_n(&writing_pages, __ATOMIC_SEQ_CST);
}

/* For the flusher: what others write already it can do nothing about. */
static bool too_much(void)
{
	return exceeds(object_dirty_total(), READ_ONCE(mm_tune.dirty_background_ratio));
}

/* A delay of 0: not before it is asked for, or there is too much. */
static uint64_t flush_deadline(void)
{
	uint64_t delay = READ_ONCE(mm_tune.dirty_writeback_centisecs);

	return delay ? clock_monotonic_ns() + delay * (NSEC_PER_SEC / 100) : WAIT_FOREVER;
}

/*
 * failed: the last round left pages that it could not write. The next is not due before the delay,
 * or a device that does not answer would keep the flusher, and the log, busy.
 */
static bool flusher_must_run(bool failed)
{
	return __atomic_load_n(&flush_now, __ATOMIC_SEQ_CST) || (!failed && too_much());
}

void writeback_notify(void)
{
	if (!flusher)
		return;
	/* The flusher sets idle, then looks for dirty pages; here it is the other way round. */
	if (__atomic_load_n(&flusher_idle, __ATOMIC_SEQ_CST) || too_much())
		wake_one(&flusher_queue);
}

static void flusher_main(void *arg)
{
	bool failed = false;

	(void)arg;
	for (;;) {
		__atomic_store_n(&flusher_idle, true, __ATOMIC_SEQ_CST);
		wait_event(&flusher_queue, object_dirty_total() > 0 || flusher_must_run(failed));
		__atomic_store_n(&flusher_idle, false, __ATOMIC_SEQ_CST);
		(void)wait_event_mode(&flusher_queue, flusher_must_run(failed),
			WAIT_UNINTERRUPTIBLE, flush_deadline());
		__atomic_store_n(&flush_now, false, __ATOMIC_SEQ_CST);
		__atomic_fetch_add(&half_rounds, 1, __ATOMIC_SEQ_CST);
		failed = cache_sync_all() != 0;
		if (failed)
			klog_err("flusher: some pages could not be written");
		__atomic_fetch_add(&half_rounds, 1, __ATOMIC_SEQ_CST);
		wake_all(&progress_queue);
	}
}

static bool has_written_since(uint64_t written)
{
	return mm_stat_get(STAT_PAGE_OUT) != written;
}

/* The flusher has done what it can, and nobody else writes. */
static bool nothing_comes(uint64_t end)
{
	return __atomic_load_n(&half_rounds, __ATOMIC_SEQ_CST) >= end &&
	       __atomic_load_n(&runs, __ATOMIC_SEQ_CST) == 0;
}

/*
 * Only a whole round that begins from now on tells that nothing can be written: the one under way
 * may be past what has become dirty. It is told by half_rounds, and flush_now is not lost:
 *
 *	who waits			flusher
 *	read half_rounds		flush_now = false
 *	flush_now = true		half_rounds++
 *
 * Odd here: the flusher had cleared flush_now before, and begins again. Even: its next round is
 * awaited, whoever asked for it.
 */
bool writeback_wait_progress(void)
{
	uint64_t written = mm_stat_get(STAT_PAGE_OUT);
	uint64_t end = (__atomic_load_n(&half_rounds, __ATOMIC_SEQ_CST) + 3) & ~1ull;
	int err;

	if (!flusher || thread_current() == flusher)
		return false;
	if (object_dirty_total() == 0 && __atomic_load_n(&runs, __ATOMIC_SEQ_CST) == 0)
		return false;
	__atomic_store_n(&flush_now, true, __ATOMIC_SEQ_CST);
	wake_one(&flusher_queue);
	err = wait_event_looks(&progress_queue, has_written_since(written) || nothing_comes(end),
		WAIT_KILLABLE, PROGRESS_LOOKS);
	return err == 0 && has_written_since(written);
}

void writeback_throttle(void)
{
	while (unlikely(exceeds(unwritten(), READ_ONCE(mm_tune.dirty_ratio)))) {
		/* What cannot be written is not waited for. */
		if (!writeback_wait_progress())
			break;
	}
}

void cache_init(void)
{
	struct thread *t;

	waitqueue_init(&flusher_queue);
	waitqueue_init(&progress_queue);
	reclaim_init();
	t = thread_create_kernel("flusher", flusher_main, NULL);
	assert(!IS_ERR(t));
	flusher = t;
}
