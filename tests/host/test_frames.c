/* Frames, buddy, slab, boot memory: one behaviour a test. */
#include "cmocka_host.h"
#include "boot_info.h"
#include "mm/buddy.h"
#include "mm/physmap.h"
#include "mm/slab.h"
#include "mm/stats.h"

#define MEM (64ul << 20)

static uint64_t settle(void)
{
	slab_reap();
	buddy_drain();
	return buddy_free_frames();
}

static void all_free_memory_is_in_the_buddy_after_boot(void **state)
{
	(void)state;
	assert_true(buddy_total_frames() > MEM / PAGE_SIZE * 98 / 100);
	assert_int_equal(page_type(page_from_pfn(0)), PG_RESERVED);
	assert_true(page_is_ram(4096));
	assert_false(page_is_ram(page_array_count));
}

static void blocks_split_and_merge_back(void **state)
{
	uint64_t before = settle(), big = buddy_free_blocks(BUDDY_MAX_ORDER);
	struct page *pg[64];

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		pg[i] = page_alloc(i % 5, 0);
		assert_non_null(pg[i]);
		assert_int_equal(page_pfn(pg[i]) & ((1u << i % 5) - 1), 0);
		assert_int_equal(page_type(pg[i]), PG_KERNEL);
	}
	for (unsigned i = 0; i < 64; i += 2)
		page_free(pg[i], i % 5);
	for (unsigned i = 1; i < 64; i += 2)
		page_free(pg[i], i % 5);
	assert_int_equal(settle(), before);
	assert_int_equal(buddy_free_blocks(BUDDY_MAX_ORDER), big);
}

static void free_count_is_exact_with_per_cpu_lists(void **state)
{
	uint64_t before = settle();
	struct page *pg = page_alloc(0, 0);

	(void)state;
	assert_int_equal(buddy_free_frames(), before - 1);
	page_free(pg, 0);
	assert_int_equal(buddy_free_frames(), before);
}

static void zeroed_frames_read_as_zero_after_reuse(void **state)
{
	struct page *pg = page_alloc(0, 0);

	(void)state;
	memset(page_virt(pg), 0xff, PAGE_SIZE);
	page_free(pg, 0);
	pg = page_alloc(0, ALLOC_ZERO);
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		assert_int_equal(((char *)page_virt(pg))[i], 0);
	page_free(pg, 0);
}

static void double_free_of_a_frame_is_named(void **state)
{
	struct page *pg = page_alloc(0, 0), *big;

	(void)state;
	page_free(pg, 0);
	assert_true(host_panics(page_free(pg, 0), "double free of frame"));
	buddy_drain();
	assert_true(host_panics(page_free(pg, 0), "double free of frame"));
	big = page_alloc(4, 0);
	page_free(big, 4);
	assert_true(host_panics(page_free(big + 5, 0), "double free of frame"));
}

static void free_of_a_frame_in_use_is_named(void **state)
{
	struct page *pg = page_alloc(0, 0);

	(void)state;
	page_share(pg);
	assert_true(host_panics(page_free(pg, 0), "in use"));
	assert_true(page_unshare(pg));
	assert_true(host_panics(page_free(page_from_pfn(0), 0), "in use"));
}

static void write_after_free_is_found(void **state)
{
	struct page *pg = page_alloc(0, 0);
	char *p = page_virt(pg), was;

	(void)state;
	page_free(pg, 0);
	was = p[100];
	p[100] = 1;
	assert_true(host_panics(page_alloc(0, 0), "written after it was freed"));
	p[100] = was;
	if (!HOST_CHECKS)
		return;
	/* The panic took the frame off its list: give it its old state by hand. */
	pg->flags = PG_KERNEL;
	page_free(pg, 0);
}

static void the_last_share_or_pin_frees(void **state)
{
	uint64_t before = settle();
	struct page *pg = page_alloc(0, 0);

	(void)state;
	page_share(pg);
	page_pin(pg);
	assert_false(page_unshare(pg));
	assert_int_equal(page_pins(pg), 1);
	assert_true(page_unpin(pg));
	assert_int_equal(buddy_free_frames(), before);
}

static void exhaustion_is_null_and_everything_comes_back(void **state)
{
	uint64_t before = settle(), n = 0;
	struct list all;
	struct page *pg;

	(void)state;
	list_init(&all);
	while ((pg = page_alloc(0, ALLOC_NORECLAIM))) {
		list_add(&all, &pg->link);
		n++;
	}
	assert_int_equal(n + buddy_free_frames(), before);
	assert_true(buddy_free_frames() <= buddy_reserve_frames());
	assert_null(page_alloc(0, 0));
	while ((pg = page_alloc(0, ALLOC_NORECLAIM | ALLOC_RESERVE))) {
		list_add(&all, &pg->link);
		n++;
	}
	assert_int_equal(n, before);
	while (!list_empty(&all))
		page_free(list_entry(list_pop(&all), struct page, link), 0);
	assert_int_equal(settle(), before);
}

static uint64_t reclaim_calls;
static struct list hoard;
static uint64_t give_back(uint64_t want)
{
	uint64_t n = 0;

	(void)want;
	reclaim_calls++;
	while (!list_empty(&hoard) && n < 8) {
		page_free(list_entry(list_pop(&hoard), struct page, link), 0);
		n++;
	}
	return n;
}

static void reclaim_is_asked_when_nothing_is_left(void **state)
{
	struct page *pg;

	(void)state;
	list_init(&hoard);
	while ((pg = page_alloc(0, ALLOC_NORECLAIM)))
		list_add(&hoard, &pg->link);
	buddy_set_reclaim(give_back);
	pg = page_alloc(0, 0);
	assert_non_null(pg);
	assert_true(reclaim_calls > 0);
	page_free(pg, 0);
	while (give_back(8))
		;
	buddy_set_reclaim(NULL);
}

static void the_nth_allocation_fails_once(void **state)
{
	struct page *a, *b;

	(void)state;
	alloc_fail_nth(2);
	a = page_alloc(0, 0);
	b = page_alloc(0, 0);
	assert_non_null(a);
	assert_null(b);
	b = page_alloc(0, 0);
	assert_non_null(b);
	page_free(a, 0);
	page_free(b, 0);
}

static void dma32_and_bulk(void **state)
{
	struct page *pg[40], *low = page_alloc(2, ALLOC_DMA32);

	(void)state;
	assert_true(page_phys(low) < 1ul << 32);
	page_free(low, 2);
	assert_int_equal(page_alloc_bulk(pg, 40, ALLOC_ZERO), 40);
	for (unsigned i = 0; i < 40; i++)
		page_free(pg[i], 0);
}

static void reserved_memory_can_be_given_back(void **state)
{
	uint64_t before = settle();

	(void)state;
	assert_int_equal(page_type(page_from_pfn(3)), PG_RESERVED);
	page_release_reserved(0x1000, 0xf000);
	assert_int_equal(buddy_free_frames(), before + 15);
	assert_int_equal(page_type(page_from_pfn(3)), PG_FREE);
}

/* --- slab --- */

static void objects_are_aligned_and_distinct(void **state)
{
	uint64_t before = settle();
	void *p[400];

	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		size_t size = 1 + i * 13 % 3000;

		p[i] = kmalloc(size, 0);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % 16, 0);
		if ((size & (size - 1)) == 0)
			assert_int_equal(virt_to_phys(p[i]) % MAX(size, (size_t)16), 0);
		memset(p[i], (int)i, size);
	}
	for (unsigned i = 0; i < 400; i++) {
		size_t size = 1 + i * 13 % 3000;

		for (size_t k = 0; k < size; k++)
			assert_int_equal(((unsigned char *)p[i])[k], i & 0xff);
		kfree(p[i]);
	}
	kfree(NULL);
	assert_int_equal(settle(), before);
}

static void large_kmalloc_is_whole_frames(void **state)
{
	uint64_t before = settle();
	char *p = kmalloc(70000, ALLOC_ZERO);

	(void)state;
	assert_int_equal(virt_to_phys(p) % PAGE_SIZE, 0);
	assert_int_equal(p[69999], 0);
	assert_int_equal(buddy_free_frames(), before - 32);
	kfree(p);
	assert_null(kmalloc(PAGE_SIZE << (BUDDY_MAX_ORDER + 1), 0));
	assert_int_equal(settle(), before);
}

static void ctor_magic(void *obj)
{
	*(uint64_t *)obj = 0x1234;
}

static void constructed_state_survives_free(void **state)
{
	struct slab_cache *c = slab_cache_create("ctor", 40, 8, ctor_magic);
	uint64_t *p[500];

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 500; i++) {
			p[i] = slab_alloc(c, 0);
			assert_int_equal(*p[i], 0x1234);
		}
		for (unsigned i = 0; i < 500; i++)
			slab_free(c, p[i]);
	}
	slab_cache_destroy(c);
}

static void slab_misuse_is_named(void **state)
{
	struct slab_cache *c = slab_cache_create("misuse", 48, 8, NULL);
	char *p = slab_alloc(c, 0), *q = slab_alloc(c, 0), was;

	(void)state;
	slab_free(c, p);
	assert_true(host_panics(slab_free(c, p), "slab misuse: double free"));
	q[48]++;
	assert_true(host_panics(slab_free(c, q), "written behind its end"));
	q[48]--;
	was = p[20];
	p[20] = 1;
	assert_true(host_panics(slab_alloc(c, 0), "written after it was freed"));
	p[20] = was;
	slab_free(c, q);
	p = kmalloc(64, 0);
	kfree(p);
	assert_true(host_panics(kfree(p), "double free"));
	p = kmalloc(9000, 0);
	kfree(p);
	assert_true(host_panics(kfree(p), "double free"));
	assert_true(host_panics(kfree(phys_to_virt(0)), "no kmalloc memory"));
}

static void slab_statistics_count(void **state)
{
	struct slab_cache *c = slab_cache_create("counted", 100, 8, NULL);
	struct slab_stat st;
	void *p[10];
	unsigned i = 0;

	(void)state;
	for (unsigned k = 0; k < 10; k++)
		p[k] = slab_alloc(c, ALLOC_ZERO);
	while (slab_stat_nth(i, &st) && strcmp(st.name, "counted"))
		i++;
	assert_string_equal(st.name, "counted");
	assert_int_equal(st.in_use, 10);
	for (unsigned k = 0; k < 10; k++)
		slab_free(c, p[k]);
	slab_stat_nth(i, &st);
	assert_int_equal(st.in_use, 0);
	slab_cache_destroy(c);
}

/* Free frames that do not lie together do for objects whose slabs have several. */
static void slabs_are_small_where_memory_is_in_pieces(void **state)
{
	struct slab_cache *c = slab_cache_create("pieces", 2064, 8, NULL);
	struct list all, odd;
	struct page *pg;
	void *p[9];

	(void)state;
	(void)settle();
	list_init(&all);
	list_init(&odd);
	while ((pg = page_alloc(0, ALLOC_NORECLAIM | ALLOC_RESERVE)))
		list_add(page_pfn(pg) & 1 ? &odd : &all, &pg->link);
	for (uint64_t i = 0; i < 2 * buddy_reserve_frames(); i++)
		page_free(list_entry(list_pop(&odd), struct page, link), 0);
	buddy_drain();
	assert_null(page_alloc(1, ALLOC_NORECLAIM));
	for (unsigned k = 0; k < ARRAY_SIZE(p); k++) {
		p[k] = slab_alloc(c, ALLOC_ZERO | ALLOC_NORECLAIM);
		assert_non_null(p[k]);
	}
	while (!list_empty(&odd))
		page_free(list_entry(list_pop(&odd), struct page, link), 0);
	while (!list_empty(&all))
		page_free(list_entry(list_pop(&all), struct page, link), 0);
	/* Large ones again, beside the small. */
	for (unsigned k = 0; k < ARRAY_SIZE(p); k++) {
		void *more = slab_alloc(c, ALLOC_ZERO);

		assert_non_null(more);
		slab_free(c, p[k]);
		p[k] = more;
	}
	for (unsigned k = 0; k < ARRAY_SIZE(p); k++)
		slab_free(c, p[k]);
	slab_cache_destroy(c);
}

static void slab_survives_failing_allocations(void **state)
{
	uint64_t before = settle();

	(void)state;
	for (unsigned n = 1; n < 6; n++) {
		void *p;

		settle();
		alloc_fail_nth(n);
		p = kmalloc(512, 0);
		alloc_fail_nth(0);
		kfree(p);
	}
	assert_int_equal(settle(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_free_memory_is_in_the_buddy_after_boot),
		cmocka_unit_test(blocks_split_and_merge_back),
		cmocka_unit_test(free_count_is_exact_with_per_cpu_lists),
		cmocka_unit_test(zeroed_frames_read_as_zero_after_reuse),
		cmocka_unit_test(double_free_of_a_frame_is_named),
		cmocka_unit_test(free_of_a_frame_in_use_is_named),
		cmocka_unit_test(write_after_free_is_found),
		cmocka_unit_test(the_last_share_or_pin_frees),
		cmocka_unit_test(exhaustion_is_null_and_everything_comes_back),
		cmocka_unit_test(reclaim_is_asked_when_nothing_is_left),
		cmocka_unit_test(the_nth_allocation_fails_once),
		cmocka_unit_test(dma32_and_bulk),
		cmocka_unit_test(objects_are_aligned_and_distinct),
		cmocka_unit_test(large_kmalloc_is_whole_frames),
		cmocka_unit_test(constructed_state_survives_free),
		cmocka_unit_test(slab_statistics_count),
		cmocka_unit_test(slabs_are_small_where_memory_is_in_pieces),
		cmocka_unit_test(slab_survives_failing_allocations),
		cmocka_unit_test(slab_misuse_is_named),
		cmocka_unit_test(reserved_memory_can_be_given_back),
	};

	host_machine_start(MEM, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
