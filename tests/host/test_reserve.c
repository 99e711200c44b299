/*
 * The last frames: who gets them, that they are put back first, and that who is refused one with
 * something locked comes to its memory all the same.
 */
#include "mm_env.h"

#include "hoard.h"
#include "mm/reclaim.h"
#include "pager.h"

#define AT  0x40000000ul
#define BIG 1200 /* more pages than the stock of clean ones that stays */

static struct host_pager clean;

/* A machine full of clean pages of a file. */
static int begin(void **state)
{
	struct page *pg;

	env_begin(state);
	buddy_drain();
	host_pager_init(&clean, BIG, PG(BIG));
	for (unsigned i = 0; i < BIG; i++) {
		assert_int_equal(cache_get(clean.vo, i, CACHE_READAHEAD, &pg), 0);
		cache_put(pg);
	}
	return 0;
}

static int end(void **state)
{
	host_set_step(NULL);
	hoard_give_all();
	host_pager_destroy(&clean);
	return env_end(state);
}

static void the_reserve_has_bounds(void **state)
{
	uint64_t old = buddy_reserve_frames();

	(void)state;
	assert_int_equal(buddy_set_reserve(15), -EINVAL);
	assert_int_equal(buddy_set_reserve(buddy_total_frames() / 4 + 1), -EINVAL);
	assert_int_equal(buddy_set_reserve(100), 0);
	assert_int_equal(buddy_reserve_frames(), 100);
	assert_int_equal(buddy_set_reserve(old), 0);
}

static void who_takes_from_the_reserve_takes_one_frame(void **state)
{
	struct page *pg;

	(void)state;
	hoard_all(0);
	assert_int_equal(buddy_free_frames(), buddy_reserve_frames());
	pg = page_alloc(0, ALLOC_NORECLAIM | ALLOC_RESERVE);
	assert_non_null(pg);
	assert_null(page_alloc(0, ALLOC_NORECLAIM));
	assert_int_equal(buddy_free_frames(), buddy_reserve_frames() - 1);
	page_free(pg, 0);
}

static void the_reserve_is_filled_before_anybody_else_is_served(void **state)
{
	struct page *pg;

	(void)state;
	hoard_all(ALLOC_RESERVE);
	pg = page_alloc(0, 0);
	assert_non_null(pg);
	hoard_all(0);
	assert_int_equal(buddy_free_frames(), buddy_reserve_frames());
	page_free(pg, 0);
	hoard_all(ALLOC_RESERVE);
	assert_int_equal(buddy_refill_reserve(), 0);
	hoard_all(0);
	assert_int_equal(buddy_free_frames(), buddy_reserve_frames());
	/* Whole already, and no frame beyond it: one more has to be found for the answer. */
	assert_int_equal(buddy_refill_reserve(), 0);
	hoard_all(ALLOC_RESERVE);
	while (cache_drop_all_clean())
		hoard_all(ALLOC_RESERVE);
	assert_int_equal(buddy_refill_reserve(), -ENOMEM);
}

/*
 * Metadata are read with the file system's locks held: their frame comes from clean pages at most,
 * and from the reserve.
 */
static void metadata_get_clean_pages_and_the_reserve_only(void **state)
{
	static struct host_pager meta;
	struct page *pg;

	(void)state;
	host_pager_init(&meta, 16, PG(16));
	meta.vo->vo_flags |= VMO_DEVICE_META;
	hoard_all(ALLOC_RESERVE);
	assert_int_equal(cache_get(meta.vo, 2, 0, &pg), 0);
	cache_put(pg);
	assert_true(clean.vo->npages < BIG);
	hoard_all(0);
	while (cache_drop_all_clean())
		hoard_all(0);
	assert_int_equal(cache_get(meta.vo, 3, 0, &pg), 0);
	cache_put(pg);
	assert_true(buddy_free_frames() < buddy_reserve_frames());
	/* None is left: an error. */
	do
		hoard_all(ALLOC_RESERVE);
	while (cache_drop_all_clean());
	assert_int_equal(cache_get(meta.vo, 4, 0, &pg), -ENOMEM);
	hoard_give_all();
	host_pager_destroy(&meta);
}

/*
 * Somebody takes all frames, down to the last, as soon as a page is being put into the object: no
 * node of its tree can be had there.
 */

static struct vm_object *target;
static unsigned taken;

static void take_when_locked(void)
{
	if (taken || !rw_write_held(&target->lock))
		return;
	taken++;
	hoard_now(ALLOC_RESERVE);
}

static void take_while_inserting_into(struct vm_object *vo)
{
	target = vo;
	taken = 0;
	host_set_step(take_when_locked);
}

static void a_page_comes_in_although_no_node_can_be_had_under_the_lock(void **state)
{
	static struct host_pager p;
	struct page *pg;
	int err;

	(void)state;
	host_pager_init(&p, 100000, PG(100000));
	for (unsigned far = 64; far < 100000; far *= 16) {
		hoard_all(ALLOC_RESERVE);
		take_while_inserting_into(p.vo);
		err = cache_get(p.vo, far, 0, &pg);
		host_set_step(NULL);
		assert_int_equal(err, 0);
		assert_int_equal(taken, 1);
		cache_put(pg);
	}
	hoard_give_all();
	host_pager_destroy(&p);
}

static void nor_is_a_fault_in_shared_memory_refused_for_it(void **state)
{
	struct mm_map_request rq = {.kind = MM_AREA_NORMAL,
		.vaddr = AT,
		.len = PG(8000),
		.vmflags = RW,
		.map_flags = MM_MAP_SHARED | MM_MAP_FIXED};
	vaddr_t va;
	int err;

	(void)state;
	assert_int_equal(mm_map(ctx, &rq, &va), 0);
	for (unsigned far = 64; far < 8000; far *= 16) {
		hoard_all(ALLOC_RESERVE);
		take_while_inserting_into(vmap_find(ctx, AT)->object);
		err = env_write(AT + PG(far), 1);
		host_set_step(NULL);
		assert_int_equal(err, 0);
		assert_int_equal(taken, 1);
	}
	hoard_give_all();
	assert_int_equal(munmap(ctx, AT, PG(8000)), 0);
}

#define reserve_test(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

static int machine(void **state)
{
	env_machine(state);
	reclaim_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		reserve_test(the_reserve_has_bounds),
		reserve_test(who_takes_from_the_reserve_takes_one_frame),
		reserve_test(the_reserve_is_filled_before_anybody_else_is_served),
		reserve_test(metadata_get_clean_pages_and_the_reserve_only),
		reserve_test(a_page_comes_in_although_no_node_can_be_had_under_the_lock),
		reserve_test(nor_is_a_fault_in_shared_memory_refused_for_it),
	};

	return cmocka_run_group_tests_name("reserve", tests, machine, NULL);
}
