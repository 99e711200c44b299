/* amap: the persistent radix tree by itself. */
#include "mm_env.h"

#include "mm/amap.h"

static struct amap_stock stock;

static int begin(void **state)
{
	(void)state;
	env_frames = env_free_frames();
	return 0;
}

static int end(void **state)
{
	(void)state;
	amap_stock_drop(&stock);
	assert_int_equal(env_free_frames(), env_frames);
	return 0;
}

static struct page *put(struct amap *am, pgidx_t idx)
{
	struct page *pg = page_alloc(0, ALLOC_ZERO);
	struct amap_walk w;

	assert_int_equal(amap_own(am, idx, &stock, &w), 0);
	pg->flags = PG_ANON;
	assert_true(amap_fill(&w, idx, pg));
	return pg;
}

static struct page *look(struct amap *am, pgidx_t idx, bool *exclusive)
{
	struct amap_walk w;

	amap_find(am, idx, &w);
	if (exclusive)
		*exclusive = w.exclusive;
	return w.page;
}

static void wipe(struct amap *am, pgidx_t first, pgidx_t last)
{
	unsigned need[AMAP_CLASSES] = {0};
	struct amap_dead dead = {0};

	amap_wipe_need(am, first, last, need);
	assert_int_equal(amap_stock_reserve(&stock, need, 0), 0);
	amap_wipe(am, first, last, &stock, &dead);
	amap_dead_release(&dead);
}

static void a_page_is_found_where_it_was_put_and_nowhere_else(void **state)
{
	struct amap *am = amap_create(&stock);
	struct page *pg = put(am, 1000);

	(void)state;
	assert_ptr_equal(look(am, 1000, NULL), pg);
	assert_null(look(am, 999, NULL));
	assert_null(look(am, 1000 + (1ul << 34), NULL));
	amap_destroy(am);
}

static void the_root_grows_in_both_directions_and_only_as_needed(void **state)
{
	struct amap *am = amap_create(&stock);

	(void)state;
	put(am, 1ul << 30);
	assert_int_equal(am->root->level, 0);
	put(am, (1ul << 30) + 33);
	assert_int_equal(am->root->level, 1);
	put(am, 5);
	put(am, (1ul << 35) - 1);
	assert_int_equal(am->root->level, AMAP_LEVELS - 1);
	assert_int_equal(amap_resident(am, 0, UINT64_MAX), 4);
	amap_destroy(am);
}

static void a_clone_shares_everything_until_one_writes(void **state)
{
	struct amap *am = amap_create(&stock), *copy;
	struct page *a = put(am, 600), *b = put(am, 601);
	struct amap_walk w;
	bool exclusive;

	(void)state;
	copy = amap_clone(am, &stock);
	assert_ptr_equal(look(copy, 600, &exclusive), a);
	assert_false(exclusive);
	assert_int_equal(page_shares(a), 1);

	assert_int_equal(amap_own(copy, 600, &stock, &w), 0);
	assert_true(w.exclusive);
	assert_int_equal(page_shares(a), 2);
	assert_int_equal(page_shares(b), 2);
	look(am, 600, &exclusive);
	assert_true(exclusive);
	assert_true(w.leaf->stale);
	amap_destroy(copy);
	assert_int_equal(page_shares(a), 1);
	amap_destroy(am);
}

static void a_leaf_beside_the_written_one_stays_shared(void **state)
{
	struct amap *am = amap_create(&stock), *copy;
	struct page *far;
	struct amap_walk w;
	bool exclusive;

	(void)state;
	put(am, 0);
	far = put(am, 40);
	copy = amap_clone(am, &stock);
	assert_int_equal(amap_own(copy, 0, &stock, &w), 0);
	assert_ptr_equal(look(copy, 40, &exclusive), far);
	assert_false(exclusive);
	assert_int_equal(page_shares(far), 1);
	amap_destroy(am);
	look(copy, 40, &exclusive);
	assert_true(exclusive);
	amap_destroy(copy);
}

static void a_wipe_of_a_shared_tree_leaves_the_other_owner_everything(void **state)
{
	struct amap *am = amap_create(&stock), *copy;

	(void)state;
	for (pgidx_t i = 0; i < 2000; i += 7)
		put(am, i);
	copy = amap_clone(am, &stock);
	wipe(copy, 100, 1500);
	for (pgidx_t i = 0; i < 2000; i += 7) {
		assert_non_null(look(am, i, NULL));
		assert_int_equal(look(copy, i, NULL) != NULL, i < 100 || i > 1500);
	}
	amap_destroy(am);
	amap_destroy(copy);
}

static void a_wipe_asks_for_at_most_two_paths(void **state)
{
	struct amap *am = amap_create(&stock), *copy;
	unsigned need[AMAP_CLASSES] = {0};

	(void)state;
	for (pgidx_t i = 0; i < 70000; i += 16)
		put(am, i);
	amap_wipe_need(am, 100, 60000, need);
	assert_int_equal(need[0] + need[1] + need[2], 0);
	copy = amap_clone(am, &stock);
	amap_wipe_need(copy, 100, 60000, need);
	assert_true(need[0] <= 2 && need[1] <= 2 && need[2] <= 3);
	amap_destroy(am);
	amap_destroy(copy);
}

static void a_whole_wipe_drops_the_root_and_needs_nothing(void **state)
{
	struct amap *am = amap_create(&stock), *copy;
	unsigned need[AMAP_CLASSES] = {0};

	(void)state;
	put(am, 3);
	put(am, 300);
	copy = amap_clone(am, &stock);
	amap_wipe_need(copy, 0, 511, need);
	assert_int_equal(need[0] + need[1] + need[2], 0);
	wipe(copy, 0, 511);
	assert_null(copy->root);
	amap_destroy(am);
	amap_destroy(copy);
}

static void purity_asks_for_one_parent_and_no_stale_leaf(void **state)
{
	struct amap *am = amap_create(&stock), *copy;
	struct amap_walk w;

	(void)state;
	put(am, 3);
	put(am, 300);
	assert_true(amap_is_pure(am, 0, 511));
	copy = amap_clone(am, &stock);
	assert_false(amap_is_pure(am, 0, 511));
	amap_destroy(copy);
	assert_true(amap_is_pure(am, 0, 511));

	copy = amap_clone(am, &stock);
	assert_int_equal(amap_own(copy, 3, &stock, &w), 0);
	amap_destroy(copy);
	assert_false(amap_is_pure(am, 0, 511));
	assert_true(amap_is_pure(am, 256, 511));
	amap_clear_stale(am, 0, 511);
	assert_true(amap_is_pure(am, 0, 511));
	amap_destroy(am);
}

static void owning_without_memory_changes_no_meaning(void **state)
{
	struct amap *am = amap_create(&stock), *copy;
	struct page *pg = put(am, 70000);
	struct amap_walk w;

	(void)state;
	put(am, 0);
	copy = amap_clone(am, &stock);
	for (unsigned n = 1; n < 20; n++) {
		int err;

		alloc_fail_nth(n);
		err = amap_own(copy, 70000, &stock, &w);
		alloc_fail_nth(0);
		assert_ptr_equal(look(am, 70000, NULL), pg);
		assert_ptr_equal(look(copy, 70000, NULL), pg);
		if (!err)
			break;
		assert_int_equal(err, -ENOMEM);
	}
	amap_destroy(am);
	amap_destroy(copy);
}

#define amap_test(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		amap_test(a_page_is_found_where_it_was_put_and_nowhere_else),
		amap_test(the_root_grows_in_both_directions_and_only_as_needed),
		amap_test(a_clone_shares_everything_until_one_writes),
		amap_test(a_leaf_beside_the_written_one_stays_shared),
		amap_test(a_wipe_of_a_shared_tree_leaves_the_other_owner_everything),
		amap_test(a_wipe_asks_for_at_most_two_paths),
		amap_test(a_whole_wipe_drops_the_root_and_needs_nothing),
		amap_test(purity_asks_for_one_parent_and_no_stale_leaf),
		amap_test(owning_without_memory_changes_no_meaning),
	};

	return cmocka_run_group_tests_name("amap", tests, env_machine, NULL);
}
