/* pmap on the soft MMU: the contract's cases, what a missing flush looks like, a random model. */
#include "cmocka_host.h"
#include "contract.h"
#include "mm/buddy.h"
#include "mm/page.h"
#include "mm/slab.h"
#include "pte.h"
#include "softmmu.h"

static const char *failure;

bool contract_read(vaddr_t va, uint8_t *value)
{
	return softmmu_access(va, value, 1, VM_READ) == MMU_OK;
}

bool contract_write(vaddr_t va, uint8_t value)
{
	return softmmu_access(va, &value, 1, VM_WRITE) == MMU_OK;
}

void contract_fail(const char *expr, const char *file, int line)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, expr);
	failure = expr;
}

static void contract(void **state)
{
	const struct contract_case *c = *state;
	uint64_t before;

	pmap_drain();
	slab_reap();
	buddy_drain();
	before = buddy_free_frames();
	failure = NULL;
	c->fn();
	assert_null(failure);
	pmap_drain();
	assert_int_equal(buddy_free_frames(), before);
}

/* --- the soft MMU itself must notice --- */

static struct pmap pm;

static void enter(vaddr_t va, pfn_t pfn, vm_flags_t rights)
{
	struct pmap_stock st = {0};
	struct pmap_cursor c;
	unsigned flags = PMAP_OPEN_ALLOC | (rights & VM_WRITE ? PMAP_OPEN_WRITE : 0);

	assert_int_equal(pmap_stock_fill(&st), 0);
	assert_int_equal(pmap_open(&c, &pm, va, flags, &st), 0);
	pmap_set(&c, va, pfn, rights);
	pmap_close(&c);
	pmap_stock_drop(&st);
}

static int begin(void **state)
{
	(void)state;
	pmap_load(NULL);
	if (pmap_create(&pm))
		return -1;
	pmap_load(&pm);
	return 0;
}

static int end(void **state)
{
	(void)state;
	pmap_load(NULL);
	pmap_destroy(&pm);
	return 0;
}

static void a_missing_flush_is_seen(void **state)
{
	struct page *pg = page_alloc(0, ALLOC_ZERO);
	struct tlb_batch tb;
	uint8_t v = 1;

	(void)state;
	enter(0x1000, page_pfn(pg), VM_READ | VM_WRITE);
	assert_int_equal(softmmu_access(0x1000, &v, 1, VM_WRITE), MMU_OK);
	tlb_batch_init(&tb, &pm);
	pmap_lower(&pm, 0x1000, 0x2000, &tb);
	/* Not finished: the write still goes through, and the check says so. */
	assert_int_equal(softmmu_access(0x1000, &v, 1, VM_WRITE), MMU_OK);
	assert_true(host_panics(softmmu_verify(&pm), "rights of 0x1000 that were taken away"));
	tlb_batch_finish(&tb);
	softmmu_verify(&pm);
	assert_int_equal(softmmu_access(0x1000, &v, 1, VM_WRITE), MMU_PROTECTION);
	page_free(pg, 0);
}

static void a_table_freed_too_early_is_seen(void **state)
{
	struct page *pg = page_alloc(0, ALLOC_ZERO);
	struct tlb_batch tb;
	struct page *table;
	uint8_t v;

	(void)state;
	enter(0x1000, page_pfn(pg), VM_READ);
	assert_int_equal(softmmu_access(0x1000, &v, 1, VM_READ), MMU_OK);
	tlb_batch_init(&tb, &pm);
	pmap_remove_all(&pm, &tb);
	while ((table = tlb_batch_pop_table(&tb)))
		page_table_free(table);
	assert_true(host_panics(softmmu_access(0x5000, &v, 1, VM_READ), "no page table any more"));
	softmmu_flush_all(); /* or the flush sees it too */
	tlb_batch_finish(&tb);
	page_free(pg, 0);
}

static void an_empty_table_is_flushed_before_it_goes(void **state)
{
	struct page *pg = page_alloc(0, ALLOC_ZERO);
	struct tlb_batch tb;
	uint8_t v;

	(void)state;
	enter(0x1000, page_pfn(pg), VM_READ);
	tlb_batch_init(&tb, &pm);
	pmap_remove(&pm, 0x1000, 0x2000, &tb);
	tlb_batch_finish(&tb);
	/* This walk ends at an absent leaf, but the upper entries are cached now. */
	assert_int_equal(softmmu_access(0x1000, &v, 1, VM_READ), MMU_NOT_PRESENT);
	softmmu_walk_only(0x5000);
	pmap_free_tables(&pm, 0, 1ul << 30, &tb);
	tlb_batch_finish(&tb);
	assert_int_equal(softmmu_access(0x5000, &v, 1, VM_READ), MMU_NOT_PRESENT);
	page_free(pg, 0);
}

static void entering_and_raising_need_no_flush(void **state)
{
	struct page *pg = page_alloc(0, ALLOC_ZERO);
	uint64_t before = softmmu_stat.shootdowns;
	uint8_t v = 3;

	(void)state;
	assert_int_equal(softmmu_access(0x1000, &v, 1, VM_READ), MMU_NOT_PRESENT);
	enter(0x1000, page_pfn(pg), VM_READ);
	assert_int_equal(softmmu_access(0x1000, &v, 1, VM_READ), MMU_OK);
	assert_int_equal(softmmu_access(0x1000, &v, 1, VM_WRITE), MMU_PROTECTION);
	enter(0x1000, page_pfn(pg), VM_READ | VM_WRITE);
	assert_int_equal(softmmu_access(0x1000, &v, 1, VM_WRITE), MMU_OK);
	assert_int_equal(softmmu_stat.shootdowns, before);
	page_free(pg, 0);
}

static void another_frame_under_a_live_entry_is_refused(void **state)
{
	(void)state;
	enter(0x1000, 500, VM_READ);
	assert_true(host_panics(enter(0x1000, 501, VM_READ), "assertion"));
}

static void a_few_pages_are_flushed_one_by_one(void **state)
{
	struct tlb_batch tb;
	uint64_t pages = softmmu_stat.page_flushes, whole = softmmu_stat.whole_flushes;

	(void)state;
	for (unsigned i = 0; i < TLB_BATCH_PAGES; i++)
		enter(i * PAGE_SIZE, 100 + i, VM_READ);
	tlb_batch_init(&tb, &pm);
	assert_int_equal(pmap_remove(&pm, 0, USER_MAX, &tb), TLB_BATCH_PAGES);
	tlb_batch_finish(&tb);
	assert_int_equal(softmmu_stat.page_flushes, pages + TLB_BATCH_PAGES);
	assert_int_equal(softmmu_stat.whole_flushes, whole);
	for (unsigned i = 0; i <= TLB_BATCH_PAGES; i++)
		enter(i * PAGE_SIZE, 100 + i, VM_READ);
	pmap_remove(&pm, 0, USER_MAX, &tb);
	tlb_batch_finish(&tb);
	assert_int_equal(softmmu_stat.whole_flushes, whole + 1);
}

static void cache_policies_and_nx_are_kept(void **state)
{
	static const vm_flags_t kinds[] = {
		0, VM_WRITE_THROUGH, VM_CACHE_DISABLED, VM_WRITE_COMBINE};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		vm_flags_t want = VM_READ | VM_USER | VM_EXEC | kinds[i];

		enter(i * PAGE_SIZE, 7, want);
		assert_int_equal(pmap_query(&pm, i * PAGE_SIZE).rights, want);
	}
}

static void walk_visit(void *cookie, vaddr_t va, struct pmap_entry e)
{
	vaddr_t **next = cookie;

	assert_true(e.present);
	assert_int_equal(va, *(*next)++);
}

static void walk_visits_all_in_order(void **state)
{
	vaddr_t vas[] = {0, 0x3000, 0x200000, 0x40000000, 0x8000000000, 0x7fffffffe000}, *p = vas;

	(void)state;
	for (unsigned i = ARRAY_SIZE(vas); i-- > 0;)
		enter(vas[i], i, VM_READ);
	pmap_walk(&pm, walk_visit, &p);
	assert_ptr_equal(p, vas + ARRAY_SIZE(vas));
}

static void the_kernel_half_is_shared(void **state)
{
	struct page *pg = page_alloc(1, ALLOC_ZERO);
	uint64_t before;
	uint8_t v = 9;
	paddr_t pa;

	(void)state;
	assert_int_equal(pmap_kernel_map(KVA_BASE, page_pfn(pg), 2, VM_READ | VM_WRITE), 0);
	assert_int_equal(softmmu_access_kernel(KVA_BASE + 5000, &v, 1, VM_WRITE), MMU_OK);
	assert_int_equal(((uint8_t *)page_virt(pg))[5000], 9);
	assert_int_equal(softmmu_access(KVA_BASE, &v, 1, VM_READ), MMU_PROTECTION);
	assert_true(pmap_kernel_query(KVA_BASE + 5000, &pa));
	assert_int_equal(pa, page_phys(pg) + 5000);
	before = softmmu_stat.shootdowns;
	pmap_kernel_unmap(KVA_BASE, 2);
	assert_int_equal(softmmu_stat.shootdowns, before + 1);
	assert_false(pmap_kernel_query(KVA_BASE, &pa));
	assert_int_equal(softmmu_access_kernel(KVA_BASE, &v, 1, VM_READ), MMU_NOT_PRESENT);
	page_free(pg, 1);
}

static void create_and_open_survive_no_memory(void **state)
{
	struct pmap other;
	struct pmap_stock st = {0};

	(void)state;
	pmap_drain();
	alloc_fail_nth(1);
	assert_int_equal(pmap_create(&other), -ENOMEM);
	alloc_fail_nth(2);
	assert_int_equal(pmap_stock_fill(&st), -ENOMEM);
	assert_int_equal(st.n, 1);
	pmap_stock_drop(&st);
}

static void nothing_of_a_dead_table_is_seen_in_the_next(void **state)
{
	const vaddr_t places[] = {0x400000, 0x7fff00000000, USER_MAX - PAGE_SIZE};
	struct page *pg = page_alloc(0, 0);
	paddr_t root;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
		enter(places[i], page_pfn(pg), VM_READ | VM_WRITE);
	pmap_load(NULL);
	root = pm.root;
	pmap_destroy(&pm);
	assert_int_equal(pmap_create(&pm), 0);
	/* The same frame: kept for the next one, with its kernel half. */
	assert_int_equal(pm.root, root);
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
		assert_false(pmap_query(&pm, places[i]).present);
	assert_memory_equal((uint64_t *)phys_to_virt(root) + 256,
		(uint64_t *)phys_to_virt(pmap_kernel_root) + 256, PAGE_SIZE / 2);
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(((uint64_t *)phys_to_virt(root))[i], 0);
	pmap_load(&pm);
	enter(places[0], page_pfn(pg), VM_READ);
	assert_true(pmap_query(&pm, places[0]).present);
	page_free(pg, 0);
}

/* --- random operations against a model --- */

#define SLOTS 512 /* pages of the model: 64 in each of 8 places */

static struct {
	bool present, write, exec;
	pfn_t pfn;
} model[SLOTS];

static vaddr_t slot_va(unsigned i)
{
	/* Astride a 2 MiB, a 1 GiB and a 512 GiB border, and far apart. */
	static const vaddr_t place[8] = {0, 0x1e0000, 0x3ffe0000, 0x7fffe00000, 0x8000000000,
		0x123400000, 0x555555400000, 0x7fffffe00000};

	return place[i / 64] + (i % 64) * PAGE_SIZE;
}

static void model_check(void)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		struct pmap_entry e = pmap_query(&pm, slot_va(i));

		assert_int_equal(e.present, model[i].present);
		if (!e.present)
			continue;
		assert_int_equal(e.pfn, model[i].pfn);
		assert_int_equal(!!(e.rights & VM_WRITE), model[i].write);
		assert_int_equal(!!(e.rights & VM_EXEC), model[i].exec);
	}
	softmmu_verify(&pm);
}

/* Frames that are ours: one that is free may not be cached by any MMU. */
#define FRAMES 200
static pfn_t frames[FRAMES];

static void model_enter(struct host_rng *r)
{
	unsigned i = host_rand(r) % SLOTS;
	vm_flags_t rights =
		VM_READ | (host_rand(r) & 1 ? VM_WRITE : 0) | (host_rand(r) & 1 ? VM_EXEC : 0);

	if (!model[i].present)
		model[i].pfn = frames[host_rand(r) % FRAMES],
		model[i].write = model[i].exec = false;
	model[i].present = true;
	model[i].write |= !!(rights & VM_WRITE);
	model[i].exec |= !!(rights & VM_EXEC);
	enter(slot_va(i), model[i].pfn, rights);
}

static void model_range(struct host_rng *r)
{
	unsigned a = host_rand(r) % SLOTS, n = 1 + host_rand(r) % (host_rand(r) & 1 ? 4 : 200);
	vaddr_t start = slot_va(a), stop = start + n * PAGE_SIZE;
	unsigned op = host_rand(r) % 4;
	struct tlb_batch tb;

	if (host_rand(r) % 8 == 0) {
		start = ALIGN_DOWN(start, 1ul << (21 + 9 * (host_rand(r) % 3)));
		stop = start + (1ul << (21 + 9 * (host_rand(r) % 3)));
	}
	stop = MIN(stop, USER_MAX);
	tlb_batch_init(&tb, &pm);
	if (op == 0)
		pmap_remove(&pm, start, stop, &tb);
	else if (op == 1)
		pmap_protect(&pm, start, stop, VM_READ | VM_WRITE, &tb);
	else
		pmap_lower(&pm, start, stop, &tb);
	if (op == 0 && host_rand(r) % 2)
		pmap_free_tables(&pm, start, stop, &tb);
	tlb_batch_finish(&tb);
	for (unsigned i = 0; i < SLOTS; i++) {
		if (slot_va(i) < start || slot_va(i) >= stop)
			continue;
		if (op == 0)
			model[i].present = false;
		else if (op == 1)
			model[i].exec = false;
		else
			model[i].write = false;
	}
}

static void random_operations_agree_with_a_model(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FRAMES; i++) {
		struct page *pg = page_alloc(0, 0);

		assert_non_null(pg);
		frames[i] = page_pfn(pg);
	}
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct host_rng r = {seed * 0x9e3779b97f4a7c15ull};
		struct tlb_batch tb;

		memset(model, 0, sizeof(model));
		softmmu_set_forget(seed % 3 ? 50 : 0, seed);
		for (unsigned step = 0; step < 600; step++) {
			uint8_t v;

			if (host_rand(&r) % 3)
				model_enter(&r);
			else
				model_range(&r);
			for (unsigned k = 0; k < 8; k++) {
				unsigned i = host_rand(&r) % SLOTS;
				enum mmu_result res = softmmu_access(slot_va(i), &v, 1, VM_READ);

				assert_int_equal(res == MMU_OK, model[i].present);
				res = softmmu_access(slot_va(i), &v, 1, VM_WRITE);
				assert_int_equal(res == MMU_OK, model[i].present && model[i].write);
			}
			if (step % 16 == 0)
				model_check();
		}
		tlb_batch_init(&tb, &pm);
		pmap_remove_all(&pm, &tb);
		tlb_batch_finish(&tb);
		assert_int_equal(pm.tables, 1);
	}
	softmmu_set_forget(0, 1);
	for (unsigned i = 0; i < FRAMES; i++)
		page_free(page_from_pfn(frames[i]), 0);
}

int main(void)
{
	struct CMUnitTest tests[64];
	unsigned n = 0;

	host_machine_start(64ul << 20, 1);
	for (unsigned i = 0; i < contract_count; i++)
		tests[n++] = (struct CMUnitTest){
			contract_cases[i].name, contract, NULL, NULL, (void *)&contract_cases[i]};
#define WITH_PMAP(fn) \
	tests[n++] = (struct CMUnitTest)cmocka_unit_test_setup_teardown(fn, begin, end)
	WITH_PMAP(a_missing_flush_is_seen);
	WITH_PMAP(a_table_freed_too_early_is_seen);
	WITH_PMAP(an_empty_table_is_flushed_before_it_goes);
	WITH_PMAP(entering_and_raising_need_no_flush);
	WITH_PMAP(a_few_pages_are_flushed_one_by_one);
	WITH_PMAP(cache_policies_and_nx_are_kept);
	WITH_PMAP(walk_visits_all_in_order);
	WITH_PMAP(the_kernel_half_is_shared);
	WITH_PMAP(create_and_open_survive_no_memory);
	WITH_PMAP(nothing_of_a_dead_table_is_seen_in_the_next);
	WITH_PMAP(random_operations_agree_with_a_model);
	WITH_PMAP(another_frame_under_a_live_entry_is_refused);
	return _cmocka_run_group_tests("pmap", tests, n, NULL, NULL);
}
