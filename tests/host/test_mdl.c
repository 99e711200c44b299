/* Memory descriptor lists over real address spaces, and kernel ranges: one behaviour a test. */
#include "cmocka_host.h"
#include "hoard.h"
#include "mm/access.h"
#include "mm/buddy.h"
#include "mm/cache.h"
#include "mm/context.h"
#include "mm/kva.h"
#include "mm/mdl.h"
#include "mm/mmap.h"
#include "mm/physmap.h"
#include "mm/reclaim.h"
#include "mm/slab.h"
#include "pager.h"
#include "sched/thread.h"

static struct mm_context *ctx;
static uint64_t before;

static uint64_t settle(void)
{
	slab_reap();
	kva_drain();
	slab_reap();
	buddy_drain();
	return buddy_free_frames();
}

static int begin(void **state)
{
	(void)state;
	before = settle();
	ctx = mm_create_context();
	return IS_ERR(ctx) ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	mm_put_context(ctx);
	return settle() == before ? 0 : -1;
}

static vaddr_t map_anonymous(size_t npages, vm_flags_t rights)
{
	vaddr_t va = 0;

	assert_int_equal(mmap_anonymous(ctx, 0, npages * PAGE_SIZE, rights, 0, &va), 0);
	return va;
}

static void unaligned_runs_cross_pages(void **state)
{
	vaddr_t va = map_anonymous(4, VM_READ | VM_WRITE);
	uint8_t in[5000], out[5000], byte;
	unsigned n = 0;
	mdl_t mdl;

	(void)state;
	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 13);
	assert_int_equal(mm_access(ctx, va + 3000, in, sizeof(in), true, false), 5000);
	assert_int_equal(mdl_from_region(&mdl, NULL, ctx, va + 3000, sizeof(in), false), 0);
	assert_int_equal(mdl.size, sizeof(in));
	assert_int_equal(mdl_read(&mdl, out, sizeof(out), 0), sizeof(out));
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(mdl_read(&mdl, out, 100, 4950), 50);
	assert_memory_equal(in + 4950, out, 50);
	MDL_FOR_EACH (&byte, &mdl)
		assert_int_equal(byte, in[n++]);
	assert_int_equal(n, sizeof(in));
	mdl_deinit(&mdl);
	assert_int_equal(ctx->pins, 0);
}

static void a_write_is_seen_by_the_process(void **state)
{
	vaddr_t va = map_anonymous(3, VM_READ | VM_WRITE);
	char text[] = "through the list", got[sizeof(text)];
	mdl_t mdl;

	(void)state;
	assert_int_equal(
		mdl_from_region(&mdl, NULL, ctx, va + PAGE_SIZE - 5, sizeof(text), true), 0);
	assert_int_equal(ctx->pins, 2);
	assert_int_equal(mdl_write(&mdl, text, sizeof(text), 0), sizeof(text));
	mdl_deinit(&mdl);
	assert_int_equal(
		mm_access(ctx, va + PAGE_SIZE - 5, got, sizeof(got), false, false), sizeof(got));
	assert_string_equal(got, text);
}

static void all_or_nothing(void **state)
{
	vaddr_t va = map_anonymous(2, VM_READ | VM_WRITE);
	mdl_t mdl;

	(void)state;
	assert_int_equal(munmap(ctx, va + PAGE_SIZE, PAGE_SIZE), 0);
	assert_int_equal(mdl_from_region(&mdl, NULL, ctx, va, 2 * PAGE_SIZE, true), -EFAULT);
	assert_int_equal(ctx->pins, 0);
	mdl_init(&mdl, NULL);
	assert_int_equal(mdl_add(&mdl, ctx, va + 10, 100, true), 0);
	assert_int_equal(mdl_add(&mdl, ctx, va + 200, PAGE_SIZE, true), -EFAULT);
	assert_int_equal(mdl.size, 100);
	assert_int_equal(mdl.amount, 1);
	assert_int_equal(ctx->pins, 1);
	mdl_deinit(&mdl);
	assert_int_equal(ctx->pins, 0);
}

static void as_much_as_can_be_had(void **state)
{
	vaddr_t va = map_anonymous(4, VM_READ | VM_WRITE), high;
	mdl_t mdl;

	(void)state;
	assert_int_equal(munmap(ctx, va + 2 * PAGE_SIZE, PAGE_SIZE), 0);
	mdl_init(&mdl, NULL);
	assert_int_equal(
		mdl_add_some(&mdl, ctx, va + 100, 3 * PAGE_SIZE, true), 2 * PAGE_SIZE - 100);
	assert_int_equal(ctx->pins, 2);
	assert_int_equal(mdl.size, 2 * PAGE_SIZE - 100);
	/* Nothing at all: the list is as it was. */
	assert_int_equal(mdl_add_some(&mdl, ctx, va + 2 * PAGE_SIZE, 10, true), -EFAULT);
	assert_int_equal(mdl.size, 2 * PAGE_SIZE - 100);
	mdl_deinit(&mdl);
	assert_int_equal(ctx->pins, 0);
	mdl_init(&mdl, NULL);
	assert_int_equal(mdl_add_some(&mdl, ctx, va + 2 * PAGE_SIZE, 10, true), -EFAULT);
	assert_null(mdl.ctx);
	assert_int_equal(mdl_add_some(&mdl, ctx, va, 0, true), -EINVAL);
	assert_int_equal(mdl_add_some(&mdl, ctx, UINT64_MAX, 2, true), -EOVERFLOW);
	assert_int_equal(
		mmap_anonymous(ctx, USER_MAX - PAGE_SIZE, PAGE_SIZE, VM_READ, MM_MAP_EXACT, &high),
		0);
	assert_int_equal(mdl_add_some(&mdl, ctx, high + 4000, 1ul << 40, false), PAGE_SIZE - 4000);
	mdl_deinit(&mdl);
}

static void runs_are_walked_in_order(void **state)
{
	vaddr_t va = map_anonymous(3, VM_READ | VM_WRITE);
	uint8_t in[9000], *at;
	size_t n, total = 0;
	mdl_t mdl;

	(void)state;
	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 31);
	assert_int_equal(mm_access(ctx, va + 77, in, sizeof(in), true, false), sizeof(in));
	assert_int_equal(mdl_from_region(&mdl, NULL, ctx, va + 77, sizeof(in), false), 0);
	mdl_iter_t iter = MDL_ITER_CREATE(&mdl);

	while ((at = mdl_iter_run(&iter, 1000, &n))) {
		assert_in_range(n, 1, 1000);
		assert_memory_equal(at, in + total, n);
		total += n;
	}
	assert_int_equal(total, sizeof(in));
	assert_int_equal(mdl_read(&mdl, in, 10, sizeof(in)), 0);
	assert_int_equal(mdl_read(&mdl, in, 10, sizeof(in) + 5000), 0);
	mdl_deinit(&mdl);
}

static void bad_ranges_are_refused(void **state)
{
	vaddr_t ro = map_anonymous(1, VM_READ);
	mdl_t mdl;

	(void)state;
	mdl_init(&mdl, NULL);
	assert_int_equal(mdl_add(&mdl, ctx, ro, 0, false), -EINVAL);
	assert_int_equal(mdl_add(&mdl, ctx, ro, UINT64_MAX - 5, false), -EOVERFLOW);
	assert_int_equal(mdl_add(&mdl, ctx, USER_MAX - 5, 10, false), -EFAULT);
	assert_int_equal(mdl_add(&mdl, ctx, ro, 10, true), -EFAULT);
	assert_int_equal(mdl_add(&mdl, ctx, ro, 10, false), 0);
	mdl_deinit(&mdl);
	mdl_deinit(NULL);
}

static void the_list_outlives_the_mapping(void **state)
{
	vaddr_t va = map_anonymous(2, VM_READ | VM_WRITE);
	uint8_t v = 0x42, got = 0;
	mdl_t mdl;

	(void)state;
	assert_int_equal(mm_access(ctx, va, &v, 1, true, false), 1);
	assert_int_equal(mdl_from_region(&mdl, NULL, ctx, va, 2 * PAGE_SIZE, true), 0);
	assert_int_equal(munmap(ctx, va, 2 * PAGE_SIZE), 0);
	assert_int_equal(mdl_read(&mdl, &got, 1, 0), 1);
	assert_int_equal(got, 0x42);
	mdl_deinit(&mdl);
	assert_int_equal(ctx->pins, 0);
}

static void the_list_outlives_the_context(void **state)
{
	struct mm_context *other = mm_create_context(), *mine = ctx;
	mdl_t mdl;
	vaddr_t va;

	(void)state;
	ctx = other;
	va = map_anonymous(1, VM_READ | VM_WRITE);
	assert_int_equal(mdl_from_region(&mdl, NULL, other, va, 100, true), 0);
	mm_put_context(other);
	assert_int_equal(mdl_write(&mdl, "x", 1, 0), 1);
	mdl_deinit(&mdl);
	ctx = mine;
}

static void many_segments_and_chains(void **state)
{
	struct page *pg[40];
	mdl_t *a = kzalloc(sizeof(*a), 0), *b = kzalloc(sizeof(*b), 0);
	uint8_t buf[40] = {0};

	(void)state;
	mdl_init(a, NULL);
	mdl_init(b, a);
	for (unsigned i = 0; i < 40; i++) {
		pg[i] = page_alloc(0, ALLOC_ZERO);
		page_pin(pg[i]);
		*(uint8_t *)page_virt(pg[i]) = (uint8_t)i;
		assert_int_equal(mdl_add_page(i < 20 ? a : b, pg[i], 0, 1), 0);
		page_unpin(pg[i]);
	}
	assert_int_equal(a->size + b->size, 40);
	assert_int_equal(mdl_read(a, buf, 40, 0), 20);
	assert_int_equal(mdl_read(b, buf + 20, 40, 0), 20);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(buf[i], i);
	mdl_free_chain(a, (void (*)(mdl_t *))kfree);
}

static void neighbouring_frames_are_one_segment(void **state)
{
	struct page *pg = page_alloc(2, ALLOC_ZERO);
	mdl_t mdl;

	(void)state;
	mdl_init(&mdl, NULL);
	for (unsigned i = 0; i < 4; i++) {
		page_share(&pg[i]);
		assert_int_equal(mdl_add_page(&mdl, &pg[i], i ? 0 : 100,
					 (uint32_t)PAGE_SIZE - (i ? 0 : 100)),
			0);
	}
	assert_int_equal(mdl.amount, 1);
	assert_int_equal(mdl.size, 4 * PAGE_SIZE - 100);
	mdl_deinit(&mdl);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(page_pins(&pg[i]), 0);
		assert_true(page_unshare(&pg[i]));
	}
}

static void a_write_list_marks_file_pages_dirty(void **state)
{
	static struct host_pager p;
	struct page *pg;
	mdl_t mdl;

	(void)state;
	host_pager_init(&p, 4, 4 * PAGE_SIZE);
	assert_int_equal(cache_get(p.vo, 1, 0, &pg), 0);
	mdl_init(&mdl, NULL);
	mdl.write = true;
	assert_int_equal(mdl_add_page(&mdl, pg, 0, 512), 0);
	cache_put(pg);
	mdl_write(&mdl, "new", 3, 0);
	mdl_deinit(&mdl);
	assert_int_equal(p.vo->ndirty, 1);
	assert_int_equal(cache_sync_all(), 0);
	assert_memory_equal(p.store + PAGE_SIZE, "new", 3);
	host_pager_destroy(&p);
}

/*
 * Block I/O lists frames that are BUSY or under write-back: what reclaim waits for could be these.
 */
static bool asked;

static uint64_t note_asked(uint64_t want)
{
	(void)want;
	asked = true;
	return 0;
}

static void a_list_of_frames_never_waits_for_memory(void **state)
{
	struct page *pg = page_alloc(0, 0);
	unsigned n = 0;
	mdl_t mdl;

	(void)state;
	mdl_init(&mdl, NULL);
	hoard_all(ALLOC_RESERVE);
	asked = false;
	buddy_set_reclaim(note_asked);
	while (mdl_add_page(&mdl, pg, 0, 512) == 0)
		n++;
	assert_false(asked);
	/* What it has is as it was. */
	assert_int_equal(mdl.amount, n);
	assert_true(n >= MDL_SEGS_SMALL_MAX);
	assert_int_equal(page_pins(pg), n);
	buddy_set_reclaim(NULL);
	hoard_give_all();
	mdl_deinit(&mdl); /* the page's only holder */
}

static void every_failing_allocation_leaves_no_pin(void **state)
{
	vaddr_t va = map_anonymous(8, VM_READ | VM_WRITE);

	(void)state;
	for (unsigned n = 1; n < 40; n++) {
		mdl_t mdl;
		int err;

		alloc_fail_nth(n);
		err = mdl_from_region(&mdl, NULL, ctx, va, 8 * PAGE_SIZE, true);
		alloc_fail_nth(0);
		if (!err)
			mdl_deinit(&mdl);
		else
			assert_int_equal(err, -ENOMEM);
		assert_int_equal(ctx->pins, 0);
		assert_int_equal(munmap(ctx, va, 8 * PAGE_SIZE), 0);
		va = map_anonymous(8, VM_READ | VM_WRITE);
	}
}

/* --- kernel ranges --- */

static void kernel_ranges_are_apart_and_reused(void **state)
{
	vaddr_t a = (vaddr_t)kva_alloc(3), b = (vaddr_t)kva_alloc(1), c;
	paddr_t pa;

	(void)state;
	assert_true(a && b);
	assert_true(b >= a + 4 * PAGE_SIZE || a >= b + 2 * PAGE_SIZE);
	assert_true(pmap_kernel_query(a, &pa));
	assert_false(pmap_kernel_query(a - 1, &pa));
	assert_false(pmap_kernel_query(a + 3 * PAGE_SIZE, &pa));
	kva_free((void *)a, 3);
	c = (vaddr_t)kva_alloc(3);
	assert_int_equal(c, a);
	kva_free((void *)b, 1);
	kva_free((void *)c, 3);
}

static void device_windows_keep_the_offset(void **state)
{
	char *p = kva_map_device(0xfee00123, 5000, VM_CACHE_DISABLED);
	paddr_t pa;

	(void)state;
	assert_int_equal((vaddr_t)p & PAGE_MASK, 0x123);
	assert_true(pmap_kernel_query((vaddr_t)p + 4096, &pa));
	assert_int_equal(pa, 0xfee01123);
	kva_unmap_device(p, 5000);
	assert_false(pmap_kernel_query((vaddr_t)p, &pa));
}

static void stack_guards_are_known(void **state)
{
	void *s[12];

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		s[i] = kva_stack_alloc();
		assert_non_null(s[i]);
		assert_true(kva_is_stack_guard((vaddr_t)s[i] - 1));
		assert_false(kva_is_stack_guard((vaddr_t)s[i]));
		assert_false(
			kva_is_stack_guard((vaddr_t)s[i] + KERNEL_STACK_PAGES * PAGE_SIZE - 1));
	}
	assert_false(kva_is_stack_guard(KVA_BASE));
	for (unsigned i = 0; i < 12; i++) /* more than a CPU keeps */
		kva_stack_free(s[i]);
	/* The page tables that mapped nothing else go with them. */
	assert_true(kva_drain() >= 12 * KERNEL_STACK_PAGES);
	assert_int_equal(kva_drain(), 0);
}

static void kernel_ranges_survive_failing_allocations(void **state)
{
	(void)state;
	for (unsigned n = 1; n < 12; n++) {
		void *p;

		alloc_fail_nth(n);
		p = kva_alloc(4);
		alloc_fail_nth(0);
		kva_free(p, 4);
	}
}

int main(void)
{
	struct CMUnitTest tests[32];
	unsigned n = 0;
	void *warm;

	host_machine_start(64ul << 20, 1);
	kva_init();
	mm_init();
	warm = kva_alloc(1); /* tables of the kernel half are made once and stay */
	kva_free(warm, 1);
	warm = kva_stack_alloc();
	kva_stack_free(warm);
#define WITH_CONTEXT(fn) \
	tests[n++] = (struct CMUnitTest)cmocka_unit_test_setup_teardown(fn, begin, end)
	WITH_CONTEXT(unaligned_runs_cross_pages);
	WITH_CONTEXT(a_write_is_seen_by_the_process);
	WITH_CONTEXT(all_or_nothing);
	WITH_CONTEXT(as_much_as_can_be_had);
	WITH_CONTEXT(runs_are_walked_in_order);
	WITH_CONTEXT(bad_ranges_are_refused);
	WITH_CONTEXT(the_list_outlives_the_mapping);
	WITH_CONTEXT(the_list_outlives_the_context);
	WITH_CONTEXT(many_segments_and_chains);
	WITH_CONTEXT(neighbouring_frames_are_one_segment);
	WITH_CONTEXT(a_write_list_marks_file_pages_dirty);
	WITH_CONTEXT(a_list_of_frames_never_waits_for_memory);
	WITH_CONTEXT(every_failing_allocation_leaves_no_pin);
	WITH_CONTEXT(kernel_ranges_are_apart_and_reused);
	WITH_CONTEXT(device_windows_keep_the_offset);
	WITH_CONTEXT(stack_guards_are_known);
	WITH_CONTEXT(kernel_ranges_survive_failing_allocations);
	return _cmocka_run_group_tests("mdl", tests, n, NULL, NULL);
}
