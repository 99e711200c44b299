/* The page cache from several CPUs, over a pager that is late in any order, and fails. */
#include "cmocka_host.h"
#include <sched.h>
#include "mm/buddy.h"
#include "mm/cache.h"
#include "mm/context.h"
#include "mm/physmap.h"
#include "mm/slab.h"
#include "pager.h"

#define CPUS   4
#define NPAGES 64

static struct host_pager p;
static struct page *seen[CPU_MAX];

static void get_page_9(void *arg)
{
	struct page *pg = NULL;

	(void)arg;
	mt_must(cache_get(p.vo, 9, 0, &pg) == 0);
	mt_must(((uint8_t *)page_virt(pg))[77] == host_pager_byte(9, 77));
	seen[cpu_id()] = pg;
	cache_put(pg);
}

static void several_threads_ask_for_one_page(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		host_pager_init(&p, NPAGES, NPAGES * PAGE_SIZE);
		p.delay_us = 2000;
		host_run_cpus(1, CPUS, get_page_9, NULL);
		assert_int_equal(p.fills, 1);
		for (unsigned i = 2; i <= CPUS; i++)
			assert_ptr_equal(seen[i], seen[1]);
		host_pager_destroy(&p);
	}
}

static uint32_t errors;

static void get_may_fail(void *arg)
{
	struct page *pg;

	(void)arg;
	switch (cache_get(p.vo, 9, CACHE_READAHEAD, &pg)) {
	case 0:
		mt_must(((uint8_t *)page_virt(pg))[5] == host_pager_byte(9, 5));
		cache_put(pg);
		break;
	case -EIO:
		__atomic_fetch_add(&errors, 1, __ATOMIC_RELAXED);
		break;
	default:
		abort();
	}
}

static void one_failed_fill_is_one_error(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		host_pager_init(&p, NPAGES, NPAGES * PAGE_SIZE);
		p.delay_us = 1000;
		p.fail_fill_in = 1;
		errors = 0;
		host_run_cpus(1, CPUS, get_may_fail, NULL);
		assert_int_equal(errors, 1);
		host_pager_destroy(&p);
	}
}

/* Each CPU counts up in its own word of every page; another writes back all the time. */
#define ROUNDS 150
static uint32_t done;

static void count_up(void)
{
	struct host_rng r = {cpu_id() * 999 + 5};

	for (unsigned n = 0; n < ROUNDS; n++) {
		pgidx_t idx = host_rand(&r) % NPAGES;
		struct page *pg;
		uint32_t *w;

		mt_must(cache_get(p.vo, idx, CACHE_READAHEAD, &pg) == 0);
		w = (uint32_t *)page_virt(pg) + 100 + cpu_id();
		__atomic_store_n(w, __atomic_load_n(w, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
		cache_mark_dirty(pg);
		cache_put(pg);
	}
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
}

/* Once more when the others are done: every page has been written then, or tried. */
static void write_and_drop(void)
{
	bool last;

	do {
		last = __atomic_load_n(&done, __ATOMIC_SEQ_CST) == CPUS - 1;
		(void)!cache_write_back(p.vo, 0, UINT64_MAX);
		cache_drop_clean(p.vo);
		(void)!cache_sync_all();
	} while (!last);
}

static void counters_or_writer(void *arg)
{
	(void)arg;
	if (cpu_id() == CPUS)
		write_and_drop();
	else
		count_up();
}

static uint64_t counted(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < NPAGES; i++) {
		const uint32_t *was = (uint32_t *)(p.store + i * PAGE_SIZE);

		for (unsigned c = 1; c < CPUS; c++) {
			uint32_t start;
			uint8_t *b = (uint8_t *)&start;

			for (unsigned k = 0; k < 4; k++)
				b[k] = host_pager_byte(i, (100 + c) * 4 + k);
			sum += was[100 + c] - start;
		}
	}
	return sum;
}

static void no_write_is_lost_between_write_back_and_drop(void **state)
{
	(void)state;
	for (unsigned failing = 0; failing < 2; failing++) {
		host_pager_init(&p, NPAGES, NPAGES * PAGE_SIZE);
		p.delay_us = 50;
		/* No more than 32 pages go in one write: there is a second. */
		p.fail_write_in = failing ? 2 : 0;
		done = 0;
		host_run_cpus(1, CPUS, counters_or_writer, NULL);
		assert_int_equal(p.fail_write_in, 0);
		assert_int_equal(cache_write_back(p.vo, 0, UINT64_MAX), 0);
		assert_int_equal(p.vo->ndirty, 0);
		assert_int_equal(counted(), (CPUS - 1) * ROUNDS);
		host_pager_destroy(&p);
	}
}

static void get_run(pgidx_t idx)
{
	struct page *pages[16];
	unsigned n = cache_get_run(p.vo, idx, 16, pages);

	for (unsigned i = 0; i < n; i++)
		assert_true(page_is(pages[i], PG_VALID) && page_pins(pages[i]));
	cache_put_run(pages, n);
}

static void get_or_truncate(void *arg)
{
	struct host_rng r = {cpu_id() * 31 + 3};

	(void)arg;
	for (unsigned n = 0; n < 60; n++) {
		struct page *pg;

		if (cpu_id() == 1) {
			cache_truncate(p.vo, host_rand(&r) % (NPAGES * PAGE_SIZE));
			rw_read_lock(&p.vo->lock);
			mt_must(p.vo->npages <= page_count(p.vo->vo_size));
			rw_read_unlock(&p.vo->lock);
			cache_truncate(p.vo, NPAGES * PAGE_SIZE);
			continue;
		}
		if (cpu_id() == 2)
			(void)!cache_write_back(p.vo, 0, UINT64_MAX);
		get_run(host_rand(&r) % NPAGES);
		if (cache_get(p.vo, host_rand(&r) % NPAGES, CACHE_READAHEAD, &pg))
			continue;
		cache_mark_dirty(pg);
		cache_put(pg);
	}
}

static void truncate_waits_for_fills_and_writes(void **state)
{
	(void)state;
	host_pager_init(&p, NPAGES, NPAGES * PAGE_SIZE);
	p.delay_us = 300;
	host_run_cpus(1, CPUS, get_or_truncate, NULL);
	cache_truncate(p.vo, 0);
	assert_int_equal(p.vo->npages, 0);
	assert_int_equal(p.vo->ndirty, 0);
	host_pager_destroy(&p);
}

#define MANY_PAGES 400

static void the_flusher_writes_when_memory_is_short(void **state)
{
	struct list all;
	struct page *pg;

	(void)state;
	cache_init();
	host_pager_init(&p, MANY_PAGES, MANY_PAGES * PAGE_SIZE);
	for (unsigned i = 0; i < MANY_PAGES; i++) {
		assert_int_equal(cache_get(p.vo, i, 0, &pg), 0);
		((uint8_t *)page_virt(pg))[0] = 0xab;
		cache_mark_dirty(pg);
		cache_put(pg);
	}
	list_init(&all);
	while ((pg = page_alloc(0, 0)))
		list_add(&all, &pg->link);
	/* Only the small stock of clean pages is left: one frame in 64. */
	assert_int_equal(p.vo->npages, buddy_total_frames() / 64);
	assert_int_equal(p.vo->ndirty, 0);
	for (unsigned i = 0; i < MANY_PAGES; i++)
		assert_int_equal(p.store[i * PAGE_SIZE], 0xab);
	while (!list_empty(&all))
		page_free(list_entry(list_pop(&all), struct page, link), 0);
	/* It may still hold the object. */
	while (!host_sleeps(HOST_KTHREAD_CPU))
		sched_yield();
	host_pager_destroy(&p);
}

static uint64_t free_at_start;

static int leak_check(void **state)
{
	(void)state;
	slab_reap();
	buddy_drain();
	return buddy_free_frames() == free_at_start ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(several_threads_ask_for_one_page, leak_check),
		cmocka_unit_test_teardown(one_failed_fill_is_one_error, leak_check),
		cmocka_unit_test_teardown(no_write_is_lost_between_write_back_and_drop, leak_check),
		cmocka_unit_test_teardown(truncate_waits_for_fills_and_writes, leak_check),
		cmocka_unit_test_teardown(the_flusher_writes_when_memory_is_short, leak_check),
	};

	host_machine_start(32ul << 20, CPUS + 1);
	mm_init();
	slab_reap();
	buddy_drain();
	free_at_start = buddy_free_frames();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
