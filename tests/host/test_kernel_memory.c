/*
 * The kernel's own memory: address ranges, its half of the page table, slabs, objects at their
 * edges.
 */
#include "mm_env.h"

#include "mm/kva.h"
#include "mm/object_pages.h"
#include "pager.h"
#include "pte.h"

static uint64_t before;

static uint64_t settle(void)
{
	kva_drain();
	return env_free_frames();
}

static int begin(void **state)
{
	(void)state;
	before = settle();
	return 0;
}

static int end(void **state)
{
	(void)state;
	alloc_fail_nth(0);
	return settle() == before ? 0 : -1;
}

/*
 * Ranges
 */

static void ranges_of_impossible_sizes_are_refused(void **state)
{
	(void)state;
	assert_null(kva_alloc(0));
	assert_null(kva_alloc(KVA_SIZE / PAGE_SIZE));
	assert_null(kva_alloc(KVA_SIZE / PAGE_SIZE - 1)); /* more than there is beside the stacks */
	kva_free(NULL, 3);
	kva_unmap_device(NULL, 3);
}

/* Freed in any order they join again: in the end a range as large as all is there. */
static void freed_ranges_join_with_both_neighbours(void **state)
{
	static const uint8_t orders[][8] = {{0, 1, 2, 3, 4, 5, 6, 7}, {7, 6, 5, 4, 3, 2, 1, 0},
		{0, 2, 4, 6, 1, 3, 5, 7}, {3, 4, 1, 6, 0, 7, 2, 5}};
	void *p[8], *whole;

	(void)state;
	for (unsigned o = 0; o < ARRAY_SIZE(orders); o++) {
		for (unsigned i = 0; i < 8; i++) {
			p[i] = kva_alloc(3);
			assert_non_null(p[i]);
			assert_int_equal(*(uint64_t *)phys_to_virt(0x1000), 0);
		}
		for (unsigned i = 0; i < 8; i++)
			kva_free(p[orders[o][i]], 3);
		whole = kva_alloc(8 * 4 - 1);
		assert_ptr_equal(whole, p[0]);
		kva_free(whole, 8 * 4 - 1);
	}
}

static void every_allocation_of_a_range_may_fail(void **state)
{
	(void)state;
	for (unsigned n = 1; n < 8; n++) {
		void *p;

		kva_drain(); /* tables go too, so that they have to be made */
		alloc_fail_nth(n);
		p = kva_map_device(0xfee00000, PG(3), VM_CACHE_DISABLED);
		alloc_fail_nth(0);
		kva_unmap_device(p, PG(3));
		kva_drain();
		alloc_fail_nth(n);
		p = kva_stack_alloc();
		alloc_fail_nth(0);
		if (p)
			kva_stack_free(p);
	}
}

static void spare_stacks_are_used_again(void **state)
{
	void *s[40], *t[40];

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		s[i] = kva_stack_alloc();
	for (unsigned i = 0; i < 40; i++)
		kva_stack_free(s[i]);
	for (unsigned i = 0; i < 40; i++) {
		bool known = false;

		t[i] = kva_stack_alloc();
		for (unsigned k = 0; k < 40; k++)
			known |= s[k] == t[i];
		assert_true(known);
	}
	for (unsigned i = 0; i < 40; i++)
		kva_stack_free(t[i]);
	assert_false(kva_is_stack_guard(UINT64_MAX));
}

/*
 * The kernel half
 */

static void runs_of_pages_are_made_whole_or_not_at_all(void **state)
{
	/* Astride two leaf tables, of which the second cannot be had. */
	vaddr_t va = KVA_BASE + (32ul << 20) - PG(2);
	paddr_t pa;

	(void)state;
	alloc_fail_nth(2);
	assert_int_equal(pmap_kernel_map(va, 2, 4, RW), -ENOMEM);
	alloc_fail_nth(1);
	assert_int_equal(pmap_kernel_map(va + PG(2), 2, 4, RW), -ENOMEM);
	alloc_fail_nth(0);
	assert_false(pmap_kernel_query(va, &pa));
	assert_int_equal(pmap_kernel_map(va, 2, 4, RW), 0);
	assert_int_equal(pmap_kernel_trim(va, va + PG(4)), 0); /* both are in use */
	pmap_kernel_unmap(va, 4);
	pmap_kernel_unmap(va, 4); /* nothing is there */
	pmap_kernel_unmap(va + (1ul << 29), 2);
	assert_int_equal(pmap_kernel_trim(va, va + PG(4)), 2);
	/* Outside the kernel half nothing is made. */
	assert_int_equal(pmap_kernel_map(0x10000, 2, 1, RW), -ENOMEM);
}

static void many_pages_are_flushed_at_once(void **state)
{
	vaddr_t va = KVA_BASE + (64ul << 20);
	uint64_t whole = softmmu_stat.whole_flushes;

	(void)state;
	assert_int_equal(pmap_kernel_map(va, 2, TLB_BATCH_PAGES + 1, RW), 0);
	pmap_kernel_unmap(va, TLB_BATCH_PAGES + 1);
	assert_true(softmmu_stat.whole_flushes > whole);
	whole = softmmu_stat.whole_flushes;
	assert_int_equal(pmap_kernel_map(va, 2, TLB_BATCH_PAGES, RW), 0);
	pmap_kernel_unmap(va, TLB_BATCH_PAGES);
	assert_int_equal(softmmu_stat.whole_flushes, whole);
	pmap_kernel_trim(va, va + PG(512));
}

/* The direct map has large entries; the query goes no further there. */
static void large_entries_are_found(void **state)
{
	uint64_t *root = phys_to_virt(pmap_kernel_root), *upper;
	vaddr_t va = KVA_BASE + (1ul << 39) + (5ul << 30);
	paddr_t pa;

	(void)state;
	upper = phys_to_virt(root[pt_index(va, 4)] & PTE_ADDR);
	upper[5] = (3ul << 30) | PTE_P | PTE_PS;
	assert_true(pmap_kernel_query(va + 0x123456, &pa));
	assert_int_equal(pa, (3ul << 30) + 0x123456);
	upper[5] = 0;
	assert_false(pmap_kernel_query(va, &pa));
}

static void cache_policies_and_the_global_bit_are_kept(void **state)
{
	static const struct {
		vm_flags_t flags;
		uint64_t bits;
	} cases[] = {{VM_CACHE_DISABLED, PTE_PCD | PTE_PWT}, {VM_WRITE_COMBINE, PTE_PAT},
		{VM_WRITE_THROUGH, PTE_PWT}, {VM_GLOBAL, PTE_G}, {VM_GLOBAL | VM_EXEC, PTE_G}};
	vaddr_t va = KVA_BASE + (64ul << 20);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t e = pmap_kernel_root;

		assert_int_equal(pmap_kernel_map(va, 5, 1, RW | cases[i].flags), 0);
		for (unsigned level = 4; level > 0; level--)
			e = ((uint64_t *)phys_to_virt(e & PTE_ADDR))[pt_index(va, level)];
		assert_int_equal(e & (PTE_PCD | PTE_PWT | PTE_PAT | PTE_G), cases[i].bits);
		assert_int_equal(!!(e & PTE_NX), !(cases[i].flags & VM_EXEC));
		assert_false(e & PTE_U);
		pmap_kernel_unmap(va, 1);
	}
	pmap_kernel_trim(va, va + PG(1));
}

/*
 * Slabs
 */

static void objects_in_later_frames_of_a_slab_are_freed(void **state)
{
	struct slab_cache *c = slab_cache_create("kilo and a half", 1500, 16, NULL);
	struct slab_stat st;
	void *p[40];

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		p[i] = slab_alloc(c, 0);
	for (unsigned i = 0; slab_stat_nth(i, &st); i++) {
		if (!strcmp(st.name, "kilo and a half"))
			assert_true(st.pages_per_slab > 1);
	}
	for (unsigned i = 0; i < 40; i++)
		slab_free(c, p[i]);
	slab_cache_destroy(c);
	/* The name is gone, and the struct is used for the next. */
	for (unsigned i = 0; slab_stat_nth(i, &st); i++)
		assert_string_not_equal(st.name, "kilo and a half");
	assert_ptr_equal(slab_cache_create("next", 64, 64, NULL), c);
	slab_cache_destroy(c);
}

static void sizes_that_are_too_large_or_cannot_be_had_are_null(void **state)
{
	struct page *pages[4];
	char *s;

	(void)state;
	assert_null(kmalloc((PAGE_SIZE << BUDDY_MAX_ORDER) + 1, 0));
	alloc_fail_nth(1);
	assert_null(kmalloc(9000, 0));
	alloc_fail_nth(1);
	assert_null(kstrdup("text", 0));
	s = kstrdup("text", 0);
	assert_string_equal(s, "text");
	kfree(s);
	kfree(NULL);
	alloc_fail_nth(3);
	assert_int_equal(page_alloc_bulk(pages, 4, 0), 2);
	page_free(pages[0], 0);
	page_free(pages[1], 0);
}

static void counters_are_summed_over_the_cpus_that_exist(void **state)
{
	struct cpu *last = cpus[CPU_MAX - 1];
	uint64_t n = mm_stat_get(STAT_FAULTS);

	(void)state;
	cpus[CPU_MAX - 1] = NULL;
	assert_int_equal(mm_stat_get(STAT_FAULTS), n);
	cpus[CPU_MAX - 1] = last;
	assert_string_equal(mm_stat_name(STAT_FAULTS), "pgfault");
}

/* All kernel memory that was there at first has its frame back when shares and pins have gone. */
static void a_foreign_frame_is_not_freed(void **state)
{
	struct page *pg = page_alloc(0, 0);
	uint64_t now;

	(void)state;
	page_set_flags(pg, PG_FOREIGN);
	page_share(pg);
	now = buddy_free_frames();
	assert_true(page_unshare(pg));
	assert_int_equal(buddy_free_frames(), now);
	page_clear_flags(pg, PG_FOREIGN);
	page_free(pg, 0);
}

/*
 * Objects
 */

static unsigned released;

static void release(struct vm_object *vo)
{
	(void)vo;
	released++;
}

static void an_object_that_goes_takes_its_dirty_pages_along(void **state)
{
	struct vm_object_ops ops = env_file_ops;
	struct vm_object *vo;
	struct page *pg;

	(void)state;
	ops.release = release;
	vo = vm_object_create_file("file", PG(4), &ops, NULL);
	assert_int_equal(cache_get(vo, 1, 0, &pg), 0);
	cache_mark_dirty(pg);
	cache_put(pg);
	assert_int_equal(object_dirty_total(), 1);
	vm_object_put(vo);
	assert_int_equal(released, 1);
	assert_int_equal(object_dirty_total(), 0);
	assert_int_equal(object_count_all(true), 0);
}

static void pages_are_made_in_zero_objects_only(void **state)
{
	struct vm_object *file = env_file(PG(2)),
			 *phys = vm_object_create_in_place("far", 1ul << 40, PG(2), VM_RIGHTS),
			 *zero = vm_object_create("zero", PG(2), VM_RIGHTS);
	struct page *stock = page_alloc(0, ALLOC_ZERO), *pg;

	(void)state;
	rw_write_lock(&file->lock);
	assert_null(vm_object_alloc_page(file, 0, 0));
	assert_null(vm_object_insert_page_locked(file, 0, &stock));
	rw_write_unlock(&file->lock);
	rw_write_lock(&phys->lock);
	assert_null(vm_object_alloc_page(phys, 0, 0));
	assert_null(vm_object_get_page(phys, 0)); /* no RAM: no descriptor */
	rw_write_unlock(&phys->lock);
	rw_write_lock(&zero->lock);
	assert_null(vm_object_insert_page_locked(zero, 2, &stock));
	alloc_fail_nth(1);
	assert_null(vm_object_alloc_page(zero, 0, 0));
	alloc_fail_nth(1); /* the node of the tree */
	assert_null(vm_object_insert_page_locked(zero, 1, &stock));
	alloc_fail_nth(0);
	pg = vm_object_insert_page_locked(zero, 1, &stock);
	assert_non_null(pg);
	assert_ptr_equal(vm_object_get_page(zero, PAGE_SIZE), pg);
	rw_write_unlock(&zero->lock);
	vm_object_put(zero);
	vm_object_put(phys);
	env_file_end(file);
}

static void a_page_that_was_never_filled_is_not_resident(void **state)
{
	static struct host_pager p;
	struct page *pg;

	(void)state;
	host_pager_init(&p, 4, PG(4));
	p.fail_fill_in = 1;
	assert_int_equal(cache_get(p.vo, 1, 0, &pg), -EIO);
	assert_null(cache_get_resident(p.vo, 1));
	host_pager_destroy(&p);
}

int main(void)
{
#define memory_test(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
	const struct CMUnitTest tests[] = {
		memory_test(ranges_of_impossible_sizes_are_refused),
		memory_test(freed_ranges_join_with_both_neighbours),
		memory_test(every_allocation_of_a_range_may_fail),
		memory_test(spare_stacks_are_used_again),
		memory_test(runs_of_pages_are_made_whole_or_not_at_all),
		memory_test(many_pages_are_flushed_at_once),
		memory_test(large_entries_are_found),
		memory_test(cache_policies_and_the_global_bit_are_kept),
		memory_test(objects_in_later_frames_of_a_slab_are_freed),
		memory_test(sizes_that_are_too_large_or_cannot_be_had_are_null),
		memory_test(counters_are_summed_over_the_cpus_that_exist),
		memory_test(a_foreign_frame_is_not_freed),
		memory_test(an_object_that_goes_takes_its_dirty_pages_along),
		memory_test(pages_are_made_in_zero_objects_only),
		memory_test(a_page_that_was_never_filled_is_not_resident),
	};

	host_machine_start(64ul << 20, 2);
	mm_init();
	kva_init();
	/* Tables above the leaves are made once and stay, and the structs of caches. */
	kva_stack_free(kva_stack_alloc());
	kva_free(kva_alloc(1), 1);
	slab_cache_destroy(slab_cache_create("first", 64, 64, NULL));
	return cmocka_run_group_tests_name("kernel memory", tests, NULL, NULL);
}
