/*
 * Out of memory at every point: each operation is tried with its first allocation failing, its
 * second, and so on until none fails any more; once with that allocation alone, once with all after
 * it, too. What fails says so and has changed nothing; what works in spite of it is whole; all
 * frames come back.
 */
#include "mm_env.h"

#include "abi/mman.h"
#include "mm/mdl.h"
#include "mm/share.h"

#define AT    0x40000000ul
#define PAGES 600 /* more than a table and a node of 2 MiB have */

static struct mm_context *child; /* shares the pages, or NULL */

struct scenario {
	void (*make)(void);
	int (*attempt)(void); /* 0 or -errno */
	void (*unchanged)(void);
};

static void nothing(void)
{
}

static void check_pages(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(env_read(AT + PG(i)), i % 251);
}

static void unchanged_pages(void)
{
	check_pages(PAGES);
	for (unsigned i = 0; child && i < PAGES; i++)
		assert_int_equal(env_read_in(child, AT + PG(i)), i % 251);
}

static void make_pages(void)
{
	env_map_at(AT, PG(PAGES), RW);
	for (unsigned i = 0; i < PAGES; i++)
		env_write(AT + PG(i), i % 251);
}

static void make_shared_pages(void)
{
	make_pages();
	child = mm_fork_context(ctx);
	assert_false(IS_ERR(child));
}

static void drop_child(void)
{
	if (child)
		mm_put_context(child);
	child = NULL;
}

/* One try; true: no allocation failed. */
static bool try_with(const struct scenario *s, unsigned n, bool all)
{
	uint64_t left;
	int err;

	s->make();
	all ? alloc_fail_from_nth(n) : alloc_fail_nth(n);
	err = s->attempt();
	left = READ_ONCE(alloc_fail_countdown);
	alloc_fail_nth(0);
	env_verify(ctx);
	if (err) {
		assert_int_equal(err, -ENOMEM);
		s->unchanged();
	}
	mm_clear_context(ctx);
	drop_child();
	ctx->brk = ctx->brk_start = 0;
	return all ? (left & UINT32_MAX) > 1 : left > 0;
}

static void with_every_failure(const struct scenario *s)
{
	for (unsigned all = 0; all < 2; all++) {
		unsigned n = 1;

		while (!try_with(s, n, all))
			assert_true(++n < 400);
		assert_true(n > 1);
	}
}

static int unmap_middle(void)
{
	return munmap(ctx, AT + PG(100), PG(300));
}

static void munmap_of_a_middle(void **state)
{
	(void)state;
	with_every_failure(&(struct scenario){make_pages, unmap_middle, unchanged_pages});
	with_every_failure(&(struct scenario){make_shared_pages, unmap_middle, unchanged_pages});
}

static int protect_middle(void)
{
	return vm_protect(ctx, AT + PG(100), PG(300), VM_READ, false);
}

static void rights_unchanged(void)
{
	assert_int_equal(env_write(AT + PG(200), 200), 0);
	unchanged_pages();
}

static void mprotect_of_a_middle(void **state)
{
	(void)state;
	with_every_failure(&(struct scenario){make_pages, protect_middle, rights_unchanged});
}

static int map_over_middle(void)
{
	vaddr_t va;

	return mmap_anonymous(ctx, AT + PG(100), PG(300), VM_READ, MM_MAP_FIXED, &va);
}

static int map_shared_anonymous(void)
{
	struct mm_map_request rq = {
		.kind = MM_AREA_NORMAL, .len = PG(3), .vmflags = RW, .map_flags = MM_MAP_SHARED};
	vaddr_t va;

	return mm_map(ctx, &rq, &va);
}

static int map_physical(void)
{
	struct mm_map_request rq = {
		.kind = MM_AREA_MAP, .len = PG(3), .vmflags = RW, .pa = 0x200000, .name = "window"};
	vaddr_t va;

	return mm_map(ctx, &rq, &va);
}

static void mmap_over_a_middle_and_of_new_objects(void **state)
{
	(void)state;
	with_every_failure(&(struct scenario){make_shared_pages, map_over_middle, unchanged_pages});
	with_every_failure(&(struct scenario){make_pages, map_shared_anonymous, unchanged_pages});
	with_every_failure(&(struct scenario){make_pages, map_physical, unchanged_pages});
}

static int move_and_grow_middle(void)
{
	vaddr_t va;

	return mm_remap(ctx, AT + PG(100), PG(40), PG(90), MREMAP_MAYMOVE, 0, &va);
}

static int move_over_itself(void)
{
	vaddr_t va;

	return mm_remap(ctx, AT + PG(100), PG(40), PG(40), MREMAP_MAYMOVE | MREMAP_FIXED,
		AT + PG(300), &va);
}

static int move_and_leave(void)
{
	vaddr_t va;

	return mm_remap(
		ctx, AT + PG(100), PG(40), PG(40), MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0, &va);
}

static int shrink(void)
{
	vaddr_t va;

	return mm_remap(ctx, AT + PG(100), PG(100), PG(40), 0, 0, &va);
}

static void mremap_in_all_its_ways(void **state)
{
	static int (*const ways[])(void) = {
		move_and_grow_middle, move_over_itself, move_and_leave, shrink};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++)
		with_every_failure(&(struct scenario){make_shared_pages, ways[i], unchanged_pages});
}

/* mremap that shrinks on its way takes the tail first; that stays done. */
static int shrink_and_move(void)
{
	vaddr_t va;

	return mm_remap(
		ctx, AT, PG(PAGES), PG(20), MREMAP_MAYMOVE | MREMAP_FIXED, AT + PG(2000), &va);
}

static void head_unchanged(void)
{
	check_pages(20);
}

static void mremap_that_shrinks_and_moves(void **state)
{
	(void)state;
	with_every_failure(&(struct scenario){make_shared_pages, shrink_and_move, head_unchanged});
}

static struct page *pinned;

static void make_for_fork(void)
{
	make_pages();
	assert_int_equal(mm_pin_page(ctx, AT + PG(77), VM_WRITE, &pinned), 0);
	assert_int_equal(mm_advise(ctx, AT + PG(10), PG(20), MADV_DONTFORK), 0);
	assert_int_equal(mm_advise(ctx, AT + PG(200), PG(37), MADV_WIPEONFORK), 0);
}

static int fork_and_unpin(void)
{
	child = mm_fork_context(ctx);
	mm_unpin_page(ctx, pinned);
	if (!IS_ERR(child))
		return 0;
	child = ERR_PTR(PTR_ERR(child));
	return PTR_ERR(child);
}

static void parent_unchanged(void)
{
	child = NULL;
	unchanged_pages();
	assert_int_equal(env_write(AT + PG(77), 77), 0);
}

static void fork_with_pins_and_advice(void **state)
{
	(void)state;
	with_every_failure(&(struct scenario){make_for_fork, fork_and_unpin, parent_unchanged});
}

static int write_all(void)
{
	int err = 0;

	for (unsigned i = 0; i < PAGES && !err; i += 40)
		err = env_write(AT + PG(i), i % 251);
	return err;
}

static void make_untouched(void)
{
	env_map_at(AT, PG(PAGES), RW);
}

static int write_ends(void)
{
	return env_write(AT, 0) ?: env_write(AT + PG(599), 599 % 251);
}

static struct vm_object *file;

static void map_file_at(vm_flags_t rights, unsigned map_flags)
{
	struct mm_map_request rq = {.kind = MM_AREA_FILE,
		.vaddr = AT,
		.len = PG(40),
		.vmflags = rights,
		.map_flags = map_flags | MM_MAP_FIXED,
		.object = file};
	vaddr_t va;

	assert_int_equal(mm_map(ctx, &rq, &va), 0);
}

static void make_private_file(void)
{
	cache_discard(file);
	map_file_at(RW, 0);
}

static void make_shared_object(void)
{
	struct mm_map_request rq = {.kind = MM_AREA_NORMAL,
		.vaddr = AT,
		.len = PG(PAGES),
		.vmflags = RW,
		.map_flags = MM_MAP_SHARED | MM_MAP_FIXED};
	vaddr_t va;

	assert_int_equal(mm_map(ctx, &rq, &va), 0);
}

static int write_file_map(void)
{
	int err = env_read(AT + PG(20));

	return err < 0 ? err : env_write(AT + PG(3), 9) ?: env_write(AT + PG(20), 9);
}

static void faults_of_every_kind(void **state)
{
	(void)state;
	with_every_failure(&(struct scenario){make_untouched, write_ends, nothing});
	with_every_failure(&(struct scenario){make_shared_pages, write_all, unchanged_pages});
	with_every_failure(&(struct scenario){make_shared_object, write_ends, nothing});
	file = env_file(PG(40));
	with_every_failure(&(struct scenario){make_private_file, write_file_map, nothing});
	env_file_end(file);
}

static void make_heap(void)
{
	ctx->brk_start = ctx->brk = AT;
	assert_int_equal(mm_brk(ctx, AT + PG(10)), AT + PG(10));
	for (unsigned i = 0; i < 10; i++)
		env_write(AT + PG(i), i);
	env_map_at(AT + PG(30), PG(1), VM_READ);
}

static int heap_grows(void)
{
	return mm_brk(ctx, AT + PG(20)) == AT + PG(20) ? 0 : -ENOMEM;
}

static int heap_shrinks(void)
{
	return mm_brk(ctx, AT + PG(3)) == AT + PG(3) ? 0 : -ENOMEM;
}

static void heap_unchanged(void)
{
	assert_int_equal(ctx->brk, AT + PG(10));
	check_pages(10);
	assert_int_equal(env_read(AT + PG(10)), -EFAULT);
}

static void make_shared_heap(void)
{
	make_heap();
	child = mm_fork_context(ctx);
}

static void make_empty_heap(void)
{
	ctx->brk_start = ctx->brk = AT;
}

static void empty_heap_unchanged(void)
{
	assert_int_equal(ctx->brk, AT);
	assert_int_equal(env_read(AT), -EFAULT);
}

static void the_break(void **state)
{
	(void)state;
	with_every_failure(&(struct scenario){make_empty_heap, heap_grows, empty_heap_unchanged});
	/* A heap that is there grows without any memory. */
	assert_false(try_with(&(struct scenario){make_heap, heap_grows, heap_unchanged}, 1, true));
	with_every_failure(&(struct scenario){make_shared_heap, heap_shrinks, heap_unchanged});
}

static int map_populated(void)
{
	vaddr_t va;

	return mmap_anonymous(ctx, AT, PG(3), RW, MM_MAP_FIXED | MM_MAP_POPULATE, &va);
}

static void nothing_is_mapped(void)
{
	assert_int_equal(env_vmaps(), 0);
}

static int populate_advice(void)
{
	return mm_advise(ctx, AT, PG(3), MADV_POPULATE_WRITE);
}

static int lock_some(void)
{
	return mm_lock_range(ctx, AT + PG(2), PG(3), true, false);
}

static int lock_everything(void)
{
	int err = mm_lock_all(ctx, MCL_CURRENT | MCL_FUTURE);

	ctx->def_flags = 0;
	return err;
}

static int grow_a_locked_map(void)
{
	vaddr_t va;

	return mm_remap(ctx, AT, PG(9), PG(12), 0, 0, &va);
}

static void make_a_few(void)
{
	env_map_at(AT, PG(9), RW);
}

static void make_locked(void)
{
	make_a_few();
	assert_int_equal(mm_lock_range(ctx, AT, PG(9), true, true), 0);
}

/* What cannot be made resident now is no failure of mmap, mremap and mlockall. */
static void populate_and_mlock(void **state)
{
	(void)state;
	with_every_failure(&(struct scenario){nothing, map_populated, nothing_is_mapped});
	with_every_failure(&(struct scenario){make_a_few, populate_advice, nothing});
	with_every_failure(&(struct scenario){make_a_few, lock_some, nothing});
	with_every_failure(&(struct scenario){make_a_few, lock_everything, nothing});
	with_every_failure(&(struct scenario){make_locked, grow_a_locked_map, nothing});
}

static int dontneed_middle(void)
{
	return mm_advise(ctx, AT + PG(100), PG(300), MADV_DONTNEED);
}

static int dontfork_middle(void)
{
	return mm_advise(ctx, AT + PG(100), PG(300), MADV_DONTFORK);
}

static void advice(void **state)
{
	(void)state;
	with_every_failure(&(struct scenario){make_shared_pages, dontneed_middle, unchanged_pages});
	with_every_failure(&(struct scenario){make_pages, dontfork_middle, unchanged_pages});
}

static int make_list(void)
{
	mdl_t mdl;
	int err = mdl_from_region(&mdl, NULL, ctx, AT + 100, PG(20), true);

	if (!err)
		mdl_deinit(&mdl);
	assert_int_equal(ctx->pins, 0);
	return err;
}

static void memory_descriptor_lists(void **state)
{
	(void)state;
	with_every_failure(&(struct scenario){make_shared_pages, make_list, unchanged_pages});
}

static int publish(void)
{
	int err = vm_share_publish(vmap_find(ctx, AT)->object, "area");

	if (!err)
		assert_int_equal(vm_share_withdraw("area"), 0);
	return err;
}

static void named_areas(void **state)
{
	(void)state;
	with_every_failure(&(struct scenario){make_shared_object, publish, nothing});
}

static vmap_type_t donated_type;

static int donate_pages(void)
{
	struct page *block;
	struct vmap *vm;
	uint64_t left;

	block = page_alloc(2, ALLOC_ZERO);
	if (!block)
		return -ENOMEM;
	for (unsigned i = 0; i < 4; i++)
		page_share(&block[i]);
	vm = mm_map_user_pages(
		ctx, AT, page_pfn(block), 4, RW, VALLOC_EXACT, donated_type, VMAP_DMA);
	for (unsigned i = 0; IS_ERR(vm) && i < 4; i++)
		page_unshare(&block[i]);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	/* The page table is a cache: without memory for it the pages are there all the same. */
	left = alloc_fail_countdown;
	alloc_fail_nth(0);
	assert_int_equal(env_write(AT + PG(3), 7), 0);
	assert_int_equal(*(uint8_t *)page_virt(&block[3]), 7);
	alloc_fail_countdown = left;
	return 0;
}

static void donated_frames(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		donated_type = i ? VMAP_TYPE_SHARED : VMAP_TYPE_PRIVATE;
		with_every_failure(&(struct scenario){nothing, donate_pages, nothing_is_mapped});
	}
}

static int replace_page(void)
{
	struct page *pg = page_alloc(0, ALLOC_ZERO);
	int err;

	if (!pg)
		return -ENOMEM;
	WRITE_ONCE(pg->flags, PG_ANON);
	page_pin(pg);
	rw_write_lock(&ctx->mm_lock);
	err = mm_replace_page_locked(ctx, AT + PG(5), page_pfn(pg), RW);
	rw_write_unlock(&ctx->mm_lock);
	page_unpin(pg);
	return err;
}

static void a_replaced_page(void **state)
{
	(void)state;
	with_every_failure(&(struct scenario){make_untouched, replace_page, nothing});
	with_every_failure(&(struct scenario){make_shared_pages, replace_page, unchanged_pages});
}

/* The halves of what was one vmap share its nodes: to free one may copy some. */
static void make_halves(void)
{
	make_shared_pages();
	assert_int_equal(vm_protect(ctx, AT, PG(50), VM_READ, false), 0);
}

static int free_area(void)
{
	return mm_free_area(ctx, AT + PG(3));
}

static void a_whole_area(void **state)
{
	(void)state;
	with_every_failure(&(struct scenario){make_halves, free_area, unchanged_pages});
}

/* truncate answers nothing: without memory the private copies stay, and nobody sees them. */
static void make_written_file(void)
{
	cache_truncate(file, PG(40));
	map_file_at(RW, 0);
	for (unsigned i = 0; i < 40; i++)
		env_write(AT + PG(i), i);
	child = mm_fork_context(ctx);
}

static int truncate_file(void)
{
	cache_truncate(file, PG(7));
	for (unsigned i = 0; i < 7; i++)
		assert_true(env_read(AT + PG(i)) == (int)i || env_read(AT + PG(i)) == -ENOMEM);
	for (unsigned i = 7; i < 40; i++)
		assert_int_equal(env_read(AT + PG(i)), -ENXIO);
	return 0;
}

static void truncate_over_private_copies(void **state)
{
	(void)state;
	file = env_file(PG(40));
	with_every_failure(&(struct scenario){make_written_file, truncate_file, nothing});
	env_file_end(file);
}

static int make_context(void)
{
	struct mm_context *c = mm_create_context();

	if (IS_ERR(c))
		return PTR_ERR(c);
	mm_put_context(c);
	return 0;
}

static void a_context(void **state)
{
	(void)state;
	with_every_failure(&(struct scenario){nothing, make_context, nothing});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(munmap_of_a_middle),
		env_test(mprotect_of_a_middle),
		env_test(mmap_over_a_middle_and_of_new_objects),
		env_test(mremap_in_all_its_ways),
		env_test(mremap_that_shrinks_and_moves),
		env_test(fork_with_pins_and_advice),
		env_test(faults_of_every_kind),
		env_test(the_break),
		env_test(populate_and_mlock),
		env_test(advice),
		env_test(memory_descriptor_lists),
		env_test(named_areas),
		env_test(donated_frames),
		env_test(a_replaced_page),
		env_test(a_whole_area),
		env_test(truncate_over_private_copies),
		env_test(a_context),
	};

	return cmocka_run_group_tests_name("no memory", tests, env_machine, NULL);
}
