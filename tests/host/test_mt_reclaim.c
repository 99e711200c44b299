/* Several CPUs look for clean pages at once. */
#include "mt_env.h"

#include "mm/reclaim.h"
#include "pager.h"

#define CPUS	4
#define OTHERS	300  /* objects that have nothing to give */
#define BIG	1400 /* pages of the one that has */
#define PER_CPU 60   /* calls; all together want less than may be dropped */

static struct host_pager big, others[OTHERS];
static struct mt_barrier gate;
static uint32_t in_vain;

static void ask_for_one_each(void *arg)
{
	(void)arg;
	mt_meet(&gate, CPUS);
	for (unsigned i = 0; i < PER_CPU; i++) {
		if (!reclaim_clean(1))
			__atomic_fetch_add(&in_vain, 1, __ATOMIC_RELAXED);
	}
}

static void nobody_passes_by_the_pages_that_are_there(void **state)
{
	struct page *pg;

	(void)state;
	for (unsigned i = 0; i < OTHERS; i++)
		host_pager_init(&others[i], 1, PAGE_SIZE);
	host_pager_init(&big, BIG, PG(BIG));
	for (unsigned i = 0; i < BIG; i++) {
		assert_int_equal(cache_get(big.vo, i, CACHE_READAHEAD, &pg), 0);
		cache_put(pg);
	}
	in_vain = 0;
	mt_run(CPUS, ask_for_one_each, NULL);
	assert_int_equal(in_vain, 0);
	assert_true(big.vo->npages <= BIG - CPUS * PER_CPU);
	host_pager_destroy(&big);
	for (unsigned i = 0; i < OTHERS; i++)
		host_pager_destroy(&others[i]);
}

static int machine(void **state)
{
	env_machine(state);
	reclaim_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(nobody_passes_by_the_pages_that_are_there),
	};

	return cmocka_run_group_tests_name("mt_reclaim", tests, machine, NULL);
}
