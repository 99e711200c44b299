/* Objects and the page cache on one CPU: one behaviour a test. */
#include "cmocka_host.h"
#include "mm/buddy.h"
#include "mm/cache.h"
#include "mm/context.h"
#include "mm/object_pages.h"
#include "mm/physmap.h"
#include "mm/reclaim.h"
#include "mm/slab.h"
#include "pager.h"

static struct host_pager p;
static uint64_t before;

static uint64_t settle(void)
{
	slab_reap();
	buddy_drain();
	return buddy_free_frames();
}

static int begin(void **state)
{
	(void)state;
	before = settle();
	host_pager_init(&p, 64, 64 * PAGE_SIZE - 100);
	return 0;
}

static int end(void **state)
{
	(void)state;
	host_pager_destroy(&p);
	return settle() == before ? 0 : -1;
}

static struct page *get(pgidx_t idx, unsigned flags)
{
	struct page *pg = NULL;

	assert_int_equal(cache_get(p.vo, idx, flags, &pg), 0);
	assert_true(page_is(pg, PG_VALID));
	return pg;
}

static uint8_t *bytes(struct page *pg)
{
	return page_virt(pg);
}

static void get_reads_the_page_once(void **state)
{
	struct page *pg = get(5, 0), *again;

	(void)state;
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		assert_int_equal(bytes(pg)[i], host_pager_byte(5, i));
	again = get(5, 0);
	assert_ptr_equal(pg, again);
	assert_int_equal(p.fills, 1);
	assert_int_equal(page_pins(pg), 2);
	assert_int_equal(page_shares(pg), 1);
	cache_put(pg);
	cache_put(again);
}

static void read_ahead_is_one_request(void **state)
{
	struct page *pg = get(16, CACHE_READAHEAD);

	(void)state;
	cache_put(pg);
	assert_int_equal(p.fills, 1);
	assert_int_equal(p.pages_in, 16);
	for (unsigned i = 17; i < 32; i++) {
		pg = cache_get_resident(p.vo, i);
		assert_non_null(pg);
		assert_int_equal(bytes(pg)[9], host_pager_byte(i, 9));
		assert_int_equal(page_pins(pg), 1);
		cache_put(pg);
	}
	assert_null(cache_get_resident(p.vo, 32));
}

static void read_ahead_stops_at_the_end_and_at_what_is_there(void **state)
{
	struct page *mid = get(50, 0), *pg = get(48, CACHE_READAHEAD), *last;

	(void)state;
	assert_int_equal(p.pages_in, 3);
	last = get(62, CACHE_READAHEAD);
	assert_int_equal(p.pages_in, 5);
	cache_put(mid);
	cache_put(pg);
	cache_put(last);
}

/* A run from idx on: as long as that, in order, one pin more each; gives it back. */
static void expect_run(pgidx_t idx, unsigned max, unsigned n)
{
	struct page *pages[70];

	assert_int_equal(cache_get_run(p.vo, idx, max, pages), n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(pages[i]->index, idx + i);
		assert_int_equal(bytes(pages[i])[9], host_pager_byte(idx + i, 9));
		assert_int_equal(page_pins(pages[i]), 1);
	}
	cache_put_run(pages, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(page_pins(pages[i]), 0);
}

static void a_run_is_what_lies_side_by_side(void **state)
{
	(void)state;
	expect_run(0, 16, 0);
	for (unsigned i = 2; i < 10; i++)
		if (i != 6)
			cache_put(get(i, 0));
	expect_run(1, 16, 0);
	expect_run(2, 16, 4);
	expect_run(2, 3, 3);
	expect_run(5, 16, 1);
	expect_run(6, 16, 0);
	expect_run(7, 16, 3);
	expect_run(7, 0, 0);
	assert_int_equal(p.fills, 7);
}

static void a_run_stops_at_a_page_that_is_being_filled(void **state)
{
	struct page *pg;

	(void)state;
	cache_put(get(16, CACHE_READAHEAD));
	pg = get(20, 0);
	page_set_flags(pg, PG_BUSY);
	page_clear_flags(pg, PG_VALID);
	cache_put(pg);
	expect_run(16, 16, 4);
	expect_run(20, 16, 0);
	expect_run(21, 16, 11);
	page_set_flags(pg, PG_VALID);
	cache_clear_and_wake(pg, PG_BUSY);
	expect_run(16, 16, 16);
}

/* A page past a smaller size is still there while it is being written. */
static void a_run_stops_at_the_end(void **state)
{
	uint64_t size = p.vo->vo_size;

	(void)state;
	cache_put(get(48, CACHE_READAHEAD));
	expect_run(60, 16, 4);
	expect_run(64, 16, 0);
	expect_run(UINT64_MAX >> PAGE_SHIFT, 16, 0);
	p.vo->vo_size = 50 * PAGE_SIZE + 1;
	expect_run(48, 16, 3);
	expect_run(51, 16, 0);
	p.vo->vo_size = size;
}

static void runs_go_on_in_the_next_node_of_the_tree(void **state)
{
	(void)state;
	host_pager_destroy(&p);
	host_pager_init(&p, 140, 140 * PAGE_SIZE);
	for (unsigned i = 0; i < 140; i += 4)
		cache_put(get(i, CACHE_READAHEAD));
	expect_run(60, 16, 4);
	expect_run(64, 70, 64);
	expect_run(128, 70, 12);
}

static void pages_of_a_run_live_on_when_they_are_cut_off(void **state)
{
	struct page *pages[16];

	(void)state;
	cache_put(get(16, CACHE_READAHEAD));
	assert_int_equal(cache_get_run(p.vo, 16, 16, pages), 16);
	assert_int_equal(cache_drop_clean(p.vo), 0);
	cache_truncate(p.vo, 20 * PAGE_SIZE);
	assert_int_equal(p.vo->npages, 4);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(bytes(pages[i])[9], host_pager_byte(16 + i, 9));
	cache_put_run(pages, 16);
	expect_run(16, 16, 4);
}

static void past_the_size_is_enxio(void **state)
{
	struct page *pg;

	(void)state;
	assert_int_equal(cache_get(p.vo, 64, 0, &pg), -ENXIO);
	assert_int_equal(cache_get(p.vo, UINT64_MAX >> PAGE_SHIFT, 0, &pg), -ENXIO);
	pg = get(63, 0);
	cache_put(pg);
}

static void a_failed_fill_leaves_nothing(void **state)
{
	struct page *pg;

	(void)state;
	p.fail_fill_in = 1;
	assert_int_equal(cache_get(p.vo, 3, CACHE_READAHEAD, &pg), -EIO);
	assert_int_equal(p.vo->npages, 0);
	pg = get(3, 0);
	assert_int_equal(bytes(pg)[1], host_pager_byte(3, 1));
	cache_put(pg);
}

static void nofill_gives_zeros_and_reads_nothing(void **state)
{
	struct page *pg = get(7, CACHE_NOFILL);

	(void)state;
	assert_int_equal(p.fills, 0);
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		assert_int_equal(bytes(pg)[i], 0);
	cache_put(pg);
}

static void dirty_pages_are_written_once_and_counted(void **state)
{
	struct page *pg = get(5, 0);
	struct cache_stat st;

	(void)state;
	bytes(pg)[0] = 0xee;
	cache_mark_dirty(pg);
	cache_mark_dirty(pg);
	cache_stat(&st);
	assert_int_equal(st.dirty, 1);
	assert_int_equal(st.file_pages, 1);
	assert_int_equal(object_count_all(true), 1);
	assert_int_equal(cache_write_back(p.vo, 6, 100), 0);
	assert_int_equal(p.writes, 0);
	assert_int_equal(cache_write_back(p.vo, 0, UINT64_MAX), 0);
	assert_int_equal(p.store[5 * PAGE_SIZE], 0xee);
	assert_false(page_is(pg, PG_DIRTY | PG_WRITING));
	assert_int_equal(object_count_all(true), 0);
	assert_int_equal(cache_sync_all(), 0);
	assert_int_equal(p.writes, 1);
	cache_put(pg);
}

static void neighbours_are_written_by_one_request(void **state)
{
	(void)state;
	for (unsigned i = 8; i < 20; i++) {
		struct page *pg = get(i, 0);

		cache_mark_dirty(pg);
		cache_put(pg);
	}
	cache_put(get(30, 0));
	assert_int_equal(cache_sync_all(), 0);
	assert_int_equal(p.writes, 1);
	assert_int_equal(p.pages_out, 12);
}

static void the_tail_behind_the_end_is_written_as_zeros(void **state)
{
	struct page *pg = get(63, 0);

	(void)state;
	memset(bytes(pg), 0x55, PAGE_SIZE);
	cache_mark_dirty(pg);
	assert_int_equal(cache_write_back(p.vo, 0, UINT64_MAX), 0);
	assert_int_equal(p.store[64 * PAGE_SIZE - 101], 0x55);
	for (unsigned i = 1; i <= 100; i++)
		assert_int_equal(p.store[64 * PAGE_SIZE - i], 0);
	cache_put(pg);
}

static void a_failed_write_keeps_the_page_dirty(void **state)
{
	struct page *pg = get(5, 0);

	(void)state;
	bytes(pg)[0] = 0xee;
	cache_mark_dirty(pg);
	p.fail_write_in = 1;
	assert_int_equal(cache_write_back(p.vo, 0, UINT64_MAX), -EIO);
	assert_true(page_is(pg, PG_DIRTY));
	assert_int_equal(cache_sync_all(), 0);
	assert_int_equal(p.store[5 * PAGE_SIZE], 0xee);
	cache_put(pg);
}

static void truncate_removes_pages_and_zeroes_the_tail(void **state)
{
	struct page *keep = get(9, 0), *gone = get(20, 0);

	(void)state;
	cache_mark_dirty(gone);
	cache_truncate(p.vo, 9 * PAGE_SIZE + 50);
	assert_int_equal(p.vo->npages, 1);
	assert_null(gone->owner);
	assert_int_equal(page_shares(gone), 0);
	cache_mark_dirty(gone); /* nobody's page any more: harmless */
	assert_int_equal(p.vo->ndirty, 0);
	assert_int_equal(bytes(keep)[49], host_pager_byte(9, 49));
	assert_int_equal(bytes(keep)[50], 0);
	assert_int_equal(bytes(keep)[4095], 0);
	cache_put(keep);
	cache_put(gone);
	assert_int_equal(cache_get(p.vo, 10, 0, &gone), -ENXIO);
}

static void growing_clears_what_was_behind_the_old_end(void **state)
{
	struct page *pg = get(63, 0);

	(void)state;
	memset(bytes(pg), 0x55, PAGE_SIZE);
	cache_truncate(p.vo, 70 * PAGE_SIZE);
	assert_int_equal(bytes(pg)[PAGE_SIZE - 101], 0x55);
	assert_int_equal(bytes(pg)[PAGE_SIZE - 100], 0);
	assert_int_equal(p.vo->vo_size, 70 * PAGE_SIZE);
	cache_put(pg);
	cache_truncate(p.vo, 64 * PAGE_SIZE);
}

static void clean_unpinned_pages_can_be_dropped(void **state)
{
	struct page *pinned = get(1, 0), *dirty = get(2, 0);

	(void)state;
	cache_mark_dirty(dirty);
	cache_put(dirty);
	for (unsigned i = 3; i < 10; i++)
		cache_put(get(i, 0));
	assert_int_equal(cache_drop_clean(p.vo), 7);
	assert_int_equal(p.vo->npages, 2);
	cache_put(pinned);
	assert_int_equal(cache_drop_all_clean(), 1);
}

static void a_range_can_be_dropped(void **state)
{
	struct page *pinned;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		cache_put(get(i, 0));
	pinned = get(3, 0);
	cache_mark_dirty(pinned);
	/* Of 2 to 5 the dirty one stays, and the others are not touched. */
	assert_int_equal(cache_drop_range(p.vo, 2, 5), 3);
	assert_int_equal(p.vo->npages, 5);
	assert_null(cache_get_present(p.vo, 2));
	assert_ptr_equal(cache_get_present(p.vo, 3), pinned);
	cache_put(pinned);
	assert_int_equal(cache_write_back(p.vo, 0, 63), 0);
	assert_int_equal(cache_drop_range(p.vo, 3, 3), 0);
	cache_put(pinned);
	assert_int_equal(cache_drop_range(p.vo, 3, 3), 1);
	assert_int_equal(cache_drop_range(p.vo, 100, UINT64_MAX), 0);
	assert_int_equal(cache_drop_clean(p.vo), 4);
}

static uint64_t sweep(uint64_t max, bool spare)
{
	uint64_t left = max;
	bool through = cache_sweep(p.vo, &left, spare);

	assert_int_equal(through, left > 0);
	return max - left;
}

static void reclaim_spares_what_was_used_since_its_last_visit(void **state)
{
	struct page *pg;

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		cache_put(get(i, 0));
	assert_int_equal(sweep(100, true), 8); /* brought in, never used again */
	for (unsigned i = 0; i < 8; i++)
		cache_put(get(i, 0));
	expect_run(3, 1, 1);
	assert_int_equal(sweep(100, true), 7);
	pg = cache_get_resident(p.vo, 3);
	assert_non_null(pg);
	cache_put(pg);
	assert_int_equal(sweep(100, false), 1);
}

/* On from where it stopped, not from the first page again. */
static void the_hand_passes_each_page_once_a_round(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 12; i++)
		cache_put(get(i, 0));
	for (unsigned i = 0; i < 8; i += 4) {
		assert_int_equal(sweep(4, true), 4);
		assert_int_equal(cache_count_resident(p.vo, i, i + 3), 0);
		for (unsigned k = i; k < i + 4; k++)
			cache_put(get(k, 0));
	}
	assert_int_equal(sweep(100, true), 4); /* to the end */
	assert_int_equal(cache_count_resident(p.vo, 8, 11), 0);
	assert_int_equal(sweep(100, true), 8); /* from the start */
}

#define BIG_PAGES 600

static void an_allocation_gets_clean_pages_when_nothing_is_left(void **state)
{
	static struct host_pager big;
	struct list all;
	struct page *pg;

	(void)state;
	host_pager_init(&big, BIG_PAGES, BIG_PAGES * PAGE_SIZE);
	for (unsigned i = 0; i < BIG_PAGES; i++) {
		assert_int_equal(cache_get(big.vo, i, CACHE_READAHEAD, &pg), 0);
		cache_put(pg);
	}
	reclaim_init();
	list_init(&all);
	while ((pg = page_alloc(0, 0)))
		list_add(&all, &pg->link);
	/* All but the small stock that stays whatever happens: one frame in 64. */
	assert_int_equal(big.vo->npages, buddy_total_frames() / 64);
	while (!list_empty(&all))
		page_free(list_entry(list_pop(&all), struct page, link), 0);
	buddy_set_reclaim(NULL);
	host_pager_destroy(&big);
}

static void every_failing_allocation_of_a_get_is_clean(void **state)
{
	unsigned n;

	(void)state;
	for (n = 1; n < 30; n++) {
		struct page *pg = NULL;
		int err;

		settle();
		alloc_fail_nth(n);
		err = cache_get(p.vo, n, CACHE_READAHEAD, &pg);
		alloc_fail_nth(0);
		if (!err)
			cache_put(pg);
		else
			assert_int_equal(err, -ENOMEM);
		cache_discard(p.vo);
	}
}

static void a_fatal_signal_ends_the_wait(void **state)
{
	struct page *pg = get(4, 0);

	(void)state;
	page_set_flags(pg, PG_WRITING);
	host_set_killed(true);
	assert_int_equal(cache_wait(pg, PG_WRITING), -EINTR);
	host_set_killed(false);
	cache_clear_and_wake(pg, PG_WRITING);
	assert_int_equal(cache_wait(pg, PG_WRITING), 0);
	cache_put(pg);
}

static int get_page_1(struct page **pg)
{
	return cache_get(p.vo, 1, 0, pg);
}

static void locks_that_forbid_waiting_are_named(void **state)
{
	struct page *pg;

	(void)state;
	if (!HOST_CHECKS)
		return;
	rw_read_lock(&p.vo->lock);
	assert_true(host_panics(get_page_1(&pg), "lock rank"));
	p.vo->lock.state = 0;
}

/* --- zero and in-place objects --- */

static void zero_objects_fill_at_first_touch(void **state)
{
	struct vm_object *vo = vm_object_create("shm", 10 * PAGE_SIZE, VM_RIGHTS);
	struct page *pg, *stock = page_alloc(0, ALLOC_ZERO), *first = stock;

	(void)state;
	rw_write_lock(&vo->lock);
	assert_null(vm_object_get_page(vo, 0));
	pg = vm_object_alloc_page(vo, 3 * PAGE_SIZE + 5, 0);
	assert_non_null(pg);
	assert_ptr_equal(vm_object_alloc_page(vo, 3 * PAGE_SIZE, 0), pg);
	assert_null(vm_object_alloc_page(vo, 10 * PAGE_SIZE, 0));
	assert_null(vm_object_alloc_page(vo, 0, 1));
	assert_ptr_equal(vm_object_insert_page_locked(vo, 3, &stock), pg);
	assert_ptr_equal(stock, first);
	assert_ptr_equal(vm_object_insert_page_locked(vo, 4, &stock), first);
	assert_null(stock);
	rw_write_unlock(&vo->lock);
	assert_int_equal(cache_get(vo, 3, 0, &pg), 0);
	cache_mark_dirty(pg);
	assert_false(page_is(pg, PG_DIRTY));
	cache_put(pg);
	assert_int_equal(cache_drop_clean(vo), 0);
	vm_object_put(vo);
}

static void in_place_objects_own_no_frames(void **state)
{
	struct vm_object *vo =
		vm_object_create_in_place("fb", 0x100000, 4 * PAGE_SIZE, VM_READ | VM_WRITE);
	struct page *pg;

	(void)state;
	rw_read_lock(&vo->lock);
	assert_int_equal(page_pfn(vm_object_get_page(vo, PAGE_SIZE)), 0x101);
	assert_null(vm_object_get_page(vo, 4 * PAGE_SIZE));
	rw_read_unlock(&vo->lock);
	assert_int_equal(cache_get(vo, 0, 0, &pg), -ENXIO);
	vm_object_put(vo);
}

int main(void)
{
	struct CMUnitTest tests[64];
	unsigned n = 0;

	host_machine_start(64ul << 20, 1);
	mm_init();
#define WITH_PAGER(fn) \
	tests[n++] = (struct CMUnitTest)cmocka_unit_test_setup_teardown(fn, begin, end)
	WITH_PAGER(get_reads_the_page_once);
	WITH_PAGER(read_ahead_is_one_request);
	WITH_PAGER(read_ahead_stops_at_the_end_and_at_what_is_there);
	WITH_PAGER(a_run_is_what_lies_side_by_side);
	WITH_PAGER(a_run_stops_at_a_page_that_is_being_filled);
	WITH_PAGER(a_run_stops_at_the_end);
	WITH_PAGER(runs_go_on_in_the_next_node_of_the_tree);
	WITH_PAGER(pages_of_a_run_live_on_when_they_are_cut_off);
	WITH_PAGER(past_the_size_is_enxio);
	WITH_PAGER(a_failed_fill_leaves_nothing);
	WITH_PAGER(nofill_gives_zeros_and_reads_nothing);
	WITH_PAGER(dirty_pages_are_written_once_and_counted);
	WITH_PAGER(neighbours_are_written_by_one_request);
	WITH_PAGER(the_tail_behind_the_end_is_written_as_zeros);
	WITH_PAGER(a_failed_write_keeps_the_page_dirty);
	WITH_PAGER(truncate_removes_pages_and_zeroes_the_tail);
	WITH_PAGER(growing_clears_what_was_behind_the_old_end);
	WITH_PAGER(clean_unpinned_pages_can_be_dropped);
	WITH_PAGER(a_range_can_be_dropped);
	WITH_PAGER(reclaim_spares_what_was_used_since_its_last_visit);
	WITH_PAGER(the_hand_passes_each_page_once_a_round);
	WITH_PAGER(an_allocation_gets_clean_pages_when_nothing_is_left);
	WITH_PAGER(every_failing_allocation_of_a_get_is_clean);
	WITH_PAGER(a_fatal_signal_ends_the_wait);
	WITH_PAGER(zero_objects_fill_at_first_touch);
	WITH_PAGER(in_place_objects_own_no_frames);
	WITH_PAGER(locks_that_forbid_waiting_are_named);
	return _cmocka_run_group_tests("cache", tests, n, NULL, NULL);
}
