/* madvise, mincore, mlock and its family, msync: results and errors as in the man pages. */
#include "mm_env.h"

#include "abi/mman.h"
#include "pager.h"

#define AT 0x40000000ul

static vaddr_t map_object_at(
	vaddr_t at, struct vm_object *vo, uint64_t pages, vm_flags_t rights, unsigned map_flags)
{
	struct mm_map_request rq = {
		.kind = vo->kind == VMO_FILE ? MM_AREA_FILE : MM_AREA_NORMAL,
		.vaddr = at,
		.len = PG(pages),
		.vmflags = rights,
		.map_flags = map_flags | MM_MAP_FIXED,
		.object = vo,
	};
	vaddr_t va;

	assert_int_equal(mm_map(ctx, &rq, &va), 0);
	return va;
}

static vaddr_t map_window(vaddr_t at)
{
	struct mm_map_request rq = {.kind = MM_AREA_MAP,
		.vaddr = at,
		.len = PG(2),
		.vmflags = RW,
		.map_flags = MM_MAP_FIXED,
		.pa = 0x2000 /* kept back by boot */};
	vaddr_t va;

	assert_int_equal(mm_map(ctx, &rq, &va), 0);
	return va;
}

static void hints_are_taken_for_mapped_memory_only(void **state)
{
	static const int hints[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_MERGEABLE,
		MADV_UNMERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLD, MADV_PAGEOUT,
		MADV_WILLNEED};

	(void)state;
	env_map_at(AT, PG(2), RW);
	env_map_at(AT + PG(3), PG(1), RW);
	for (unsigned i = 0; i < ARRAY_SIZE(hints); i++) {
		assert_int_equal(mm_advise(ctx, AT, PG(2), hints[i]), 0);
		assert_int_equal(mm_advise(ctx, AT, PG(3), hints[i]), -ENOMEM);
		assert_int_equal(mm_advise(ctx, AT, PG(4), hints[i]), -ENOMEM);
		assert_int_equal(mm_advise(ctx, AT + PG(9), PG(1), hints[i]), -ENOMEM);
		assert_int_equal(mm_advise(ctx, AT, 0, hints[i]), 0);
	}
	assert_int_equal(mm_advise(ctx, AT, PG(1), MADV_REMOVE), -EINVAL);
}

static void ranges_that_wrap_are_refused(void **state)
{
	(void)state;
	env_map_at(AT, PG(2), RW);
	assert_int_equal(mm_advise(ctx, AT, UINT64_MAX, MADV_DONTNEED), -EINVAL);
	assert_int_equal(mm_advise(ctx, AT, UINT64_MAX - AT + 1, MADV_DONTNEED), -EINVAL);
	assert_int_equal(mm_advise(ctx, AT, USER_MAX + 1, MADV_DONTNEED), -ENOMEM);
	assert_int_equal(mm_advise(ctx, USER_MAX, PG(1), MADV_DONTNEED), -ENOMEM);
	assert_int_equal(mm_advise(ctx, USER_MAX + PG(1), 0, MADV_COLD), -ENOMEM);
	assert_int_equal(mm_advise(ctx, USER_MAX, PG(1), 4711), -EINVAL);
	assert_int_equal(mm_advise(ctx, AT, 0, 4711), -EINVAL);
	assert_int_equal(mm_advise(ctx, AT, 0, MADV_DONTNEED), 0);
	assert_int_equal(mm_lock_range(ctx, AT, UINT64_MAX, true, false), -EINVAL);
	assert_int_equal(mm_lock_range(ctx, AT, USER_MAX + 1, true, false), -ENOMEM);
	assert_int_equal(mm_lock_range(ctx, USER_MAX, PG(1), true, false), -ENOMEM);
	assert_int_equal(mm_lock_range(ctx, AT, 0, true, false), 0);
	assert_int_equal(mm_sync(ctx, AT, USER_MAX + 1, MS_SYNC), -ENOMEM);
	assert_int_equal(mm_sync(ctx, USER_MAX, PG(1), MS_SYNC), -ENOMEM);
}

static void dontneed_spares_what_is_locked_or_a_device(void **state)
{
	vaddr_t window = map_window(AT + PG(10));

	(void)state;
	assert_int_equal(mm_advise(ctx, window, PG(1), MADV_DONTNEED), -EINVAL);
	env_map_at(AT, PG(2), RW);
	env_write(AT, 5);
	assert_int_equal(mm_lock_range(ctx, AT, PG(1), true, true), 0);
	assert_int_equal(mm_advise(ctx, AT, PG(2), MADV_DONTNEED), -EINVAL);
	assert_int_equal(mm_advise(ctx, AT, PG(2), MADV_COLD), -EINVAL);
	assert_int_equal(env_read(AT), 5);
	assert_int_equal(mm_advise(ctx, window, PG(1), MADV_DONTNEED_LOCKED), -EINVAL);
	assert_int_equal(mm_advise(ctx, AT, PG(2), MADV_DONTNEED_LOCKED), 0);
	assert_int_equal(env_read(AT), 0);
	env_write(AT, 5);
	assert_int_equal(mm_lock_range(ctx, AT, PG(1), false, false), 0);
	assert_int_equal(mm_advise(ctx, AT, PG(2), MADV_DONTNEED), 0);
	assert_int_equal(env_read(AT), 0);
}

/* A seal guards contents that their owner could not write. */
static void sealed_memory_keeps_its_contents_and_place(void **state)
{
	vaddr_t out;
	struct vm_object *vo = env_file(PG(2));

	(void)state;
	env_map_at(AT, PG(4), RW);
	env_write(AT + PG(1), 5);
	env_map_at(AT + PG(8), PG(1), VM_READ | VM_SEALED);
	map_object_at(AT + PG(20), vo, 1, VM_READ | VM_SEALED, 0);
	assert_int_equal(mm_advise(ctx, AT + PG(8), PG(1), MADV_DONTNEED), -EPERM);
	assert_int_equal(mm_advise(ctx, AT + PG(20), PG(1), MADV_DONTNEED), 0);
	env_map_at(AT + PG(12), PG(1), RW | VM_SEALED);
	assert_int_equal(mm_advise(ctx, AT + PG(12), PG(1), MADV_DONTNEED), 0);
	assert_int_equal(mm_advise(ctx, AT + PG(12), PG(1), MADV_FREE), 0);
	assert_int_equal(munmap(ctx, AT + PG(8), PG(1)), -EPERM);
	assert_int_equal(vm_protect(ctx, AT + PG(8), PG(1), RW, false), -EPERM);
	assert_int_equal(mm_remap(ctx, AT + PG(8), PG(1), PG(2), MREMAP_MAYMOVE, 0, &out), -EPERM);
	assert_int_equal(
		mm_remap(ctx, AT, PG(4), PG(4), MREMAP_MAYMOVE | MREMAP_FIXED, AT + PG(7), &out),
		-EPERM);
	assert_int_equal(mm_free_area(ctx, AT + PG(8)), -EPERM);
	assert_int_equal(env_read(AT + PG(1)), 5);
	mm_clear_context(ctx);
	env_file_end(vo);
}

static void free_and_wipe_on_fork_are_for_private_memory_without_a_file(void **state)
{
	struct vm_object *vo = env_file(PG(2));
	vaddr_t window = map_window(AT + PG(10));

	(void)state;
	map_object_at(AT, vo, 2, RW, 0);
	assert_int_equal(mm_advise(ctx, AT, PG(1), MADV_FREE), -EINVAL);
	assert_int_equal(mm_advise(ctx, AT, PG(1), MADV_WIPEONFORK), -EINVAL);
	map_object_at(AT, vo, 2, RW, MM_MAP_SHARED);
	assert_int_equal(mm_advise(ctx, AT, PG(1), MADV_FREE), -EINVAL);
	assert_int_equal(mm_advise(ctx, AT, PG(1), MADV_WIPEONFORK), -EINVAL);
	assert_int_equal(mm_advise(ctx, window, PG(1), MADV_DOFORK), -EINVAL);
	assert_int_equal(mm_advise(ctx, window, PG(1), MADV_DONTFORK), 0);
	assert_int_equal(mm_advise(ctx, AT, PG(2), MADV_DONTDUMP), 0);
	assert_true(vmap_find(ctx, AT)->vmflags & VM_DONTDUMP);
	assert_int_equal(mm_advise(ctx, AT, PG(2), MADV_DODUMP), 0);
	assert_false(vmap_find(ctx, AT)->vmflags & VM_DONTDUMP);
	assert_int_equal(munmap(ctx, AT, PG(2)), 0);
	env_file_end(vo);
}

static void willneed_reads_files_and_hides_errors(void **state)
{
	static struct host_pager p;

	(void)state;
	host_pager_init(&p, 40, PG(40));
	env_map_at(AT - PG(4), PG(4), RW);
	map_object_at(AT, p.vo, 40, VM_READ, 0);
	assert_int_equal(mm_advise(ctx, AT - PG(2), PG(10), MADV_WILLNEED), 0);
	assert_int_equal(p.pages_in, 16);
	assert_int_equal(env_read(AT + PG(7)), host_pager_byte(7, 0));
	assert_int_equal(p.fills, 1);
	p.fail_fill_in = 1;
	assert_int_equal(mm_advise(ctx, AT + PG(20), PG(20), MADV_WILLNEED), 0);
	assert_int_equal(p.pages_in, 16);
	assert_int_equal(munmap(ctx, AT, PG(40)), 0);
	host_pager_destroy(&p);
}

static void populate_says_why_not(void **state)
{
	static struct host_pager p;

	(void)state;
	host_pager_init(&p, 4, PG(2));
	map_object_at(AT, p.vo, 4, VM_READ, 0);
	assert_int_equal(mm_advise(ctx, AT, PG(2), MADV_POPULATE_READ), 0);
	assert_true(pmap_query(&ctx->pmap, AT + PG(1)).present);
	assert_int_equal(mm_advise(ctx, AT, PG(3), MADV_POPULATE_READ), -EFAULT);
	assert_int_equal(mm_advise(ctx, AT, PG(1), MADV_POPULATE_WRITE), -EINVAL);
	assert_int_equal(mm_advise(ctx, AT + PG(4), PG(1), MADV_POPULATE_READ), -ENOMEM);
	cache_drop_clean(p.vo);
	p.fail_fill_in = 1;
	assert_int_equal(mm_advise(ctx, AT, PG(1), MADV_POPULATE_READ), -EFAULT);
	host_set_killed(true);
	cache_drop_clean(p.vo);
	assert_int_equal(mm_advise(ctx, AT, PG(1), MADV_POPULATE_READ), -EINTR);
	host_set_killed(false);
	assert_int_equal(munmap(ctx, AT, PG(4)), 0);
	host_pager_destroy(&p);
}

static int keep_vec(void *cookie, const uint8_t *vec, size_t n)
{
	memcpy(cookie, vec, n);
	return 0;
}

static int refuse_vec(void *cookie, const uint8_t *vec, size_t n)
{
	(void)cookie;
	(void)vec;
	(void)n;
	return -EFAULT;
}

static void mincore_asks_the_layers(void **state)
{
	static struct host_pager p;
	struct page *pg;
	uint8_t vec[8] = {0};

	(void)state;
	host_pager_init(&p, 8, PG(8));
	map_object_at(AT, p.vo, 4, RW, 0);
	map_window(AT + PG(4));
	assert_int_equal(cache_get(p.vo, 2, 0, &pg), 0);
	cache_put(pg);
	assert_int_equal(mm_incore(ctx, AT, PG(6), keep_vec, vec), 0);
	assert_int_equal(vec[0], 0);
	assert_int_equal(mm_incore(ctx, AT, PG(4), keep_vec, vec), 0);
	assert_memory_equal(vec, "\0\0\1\0", 4);
	assert_int_equal(env_write(AT + PG(3), 1), 0);
	assert_int_equal(mm_incore(ctx, AT, PG(4), keep_vec, vec), 0);
	assert_int_equal(vec[3], 1);
	assert_int_equal(env_read(AT + PG(4)), 0);
	assert_int_equal(mm_incore(ctx, AT + PG(4), PG(2), keep_vec, vec), 0);
	assert_memory_equal(vec, "\1\0", 2);
	assert_int_equal(mm_incore(ctx, AT, PG(2), refuse_vec, NULL), -EFAULT);
	assert_int_equal(mm_incore(ctx, AT, USER_MAX + 1, keep_vec, vec), -ENOMEM);
	assert_int_equal(mm_incore(ctx, USER_MAX, PG(1), keep_vec, vec), -ENOMEM);
	assert_int_equal(mm_incore(ctx, AT, 0, keep_vec, vec), 0);
	assert_int_equal(munmap(ctx, AT, PG(6)), 0);
	host_pager_destroy(&p);
}

static void mlock_makes_pages_resident_and_counts_them(void **state)
{
	(void)state;
	env_map_at(AT, PG(8), RW);
	env_map_at(AT + PG(8), PG(2), VM_READ);
	env_map_at(AT + PG(10), PG(2), 0);
	assert_int_equal(mm_lock_range(ctx, AT + 100, PG(3), true, false), 0);
	assert_int_equal(ctx->locked_pages, 4);
	assert_true(pmap_query(&ctx->pmap, AT + PG(3)).present);
	assert_false(pmap_query(&ctx->pmap, AT + PG(4)).present);
	/* Only when it is touched, from now on. */
	assert_int_equal(mm_lock_range(ctx, AT + PG(2), PG(4), true, true), 0);
	assert_int_equal(ctx->locked_pages, 6);
	assert_false(pmap_query(&ctx->pmap, AT + PG(5)).present);
	assert_int_equal(mm_lock_range(ctx, AT + PG(8), PG(4), true, false), 0);
	assert_true(pmap_query(&ctx->pmap, AT + PG(9)).present);
	assert_int_equal(mm_lock_range(ctx, AT, PG(20), true, false), -ENOMEM);
	assert_int_equal(mm_lock_range(ctx, AT, PG(12), false, false), 0);
	assert_int_equal(ctx->locked_pages, 0);
	assert_int_equal(env_vmaps(), 3);
	ctx->limit_memlock = 0;
	assert_int_equal(mm_lock_range(ctx, AT, PG(1), true, false), -EPERM);
	assert_int_equal(mm_lock_range(ctx, AT, PG(1), false, false), 0);
	ctx->limit_memlock = PG(3);
	assert_int_equal(mm_lock_range(ctx, AT, PG(2), true, false), 0);
	assert_int_equal(mm_lock_range(ctx, AT, PG(3), true, false), 0);
	assert_int_equal(mm_lock_range(ctx, AT, PG(4), true, false), -ENOMEM);
}

static void pages_that_cannot_be_had_are_no_memory_for_mlock(void **state)
{
	struct vm_object *vo = env_file(PG(1));

	(void)state;
	map_object_at(AT, vo, 2, VM_READ, 0);
	assert_int_equal(mm_lock_range(ctx, AT, PG(2), true, false), -ENOMEM);
	/* mlockall does not say so. */
	assert_int_equal(mm_lock_all(ctx, MCL_CURRENT), 0);
	assert_int_equal(munmap(ctx, AT, PG(2)), 0);
	env_file_end(vo);
}

static void mlockall_is_for_now_for_later_or_both(void **state)
{
	vaddr_t va;

	(void)state;
	env_map_at(AT, PG(2), RW);
	env_map_at(AT + PG(4), PG(2), VM_READ);
	assert_int_equal(mm_lock_all(ctx, 8), -EINVAL);
	assert_int_equal(mm_lock_all(ctx, MCL_ONFAULT), -EINVAL);
	assert_int_equal(mm_lock_all(ctx, MCL_CURRENT), 0);
	assert_int_equal(ctx->locked_pages, 4);
	assert_true(pmap_query(&ctx->pmap, AT + PG(5)).present);
	env_map_at(AT + PG(8), PG(2), RW);
	assert_int_equal(ctx->locked_pages, 4);
	assert_int_equal(mm_lock_all(ctx, MCL_FUTURE), 0);
	env_map_at(AT + PG(12), PG(2), RW);
	assert_true(pmap_query(&ctx->pmap, AT + PG(13)).present);
	assert_int_equal(ctx->locked_pages, 6);
	ctx->brk_start = ctx->brk = 2 * AT;
	assert_int_equal(mm_brk(ctx, 2 * AT + PG(3)), 2 * AT + PG(3));
	assert_int_equal(ctx->locked_pages, 9);
	assert_true(pmap_query(&ctx->pmap, 2 * AT + PG(2)).present);
	ctx->limit_memlock = PG(10);
	assert_int_equal(mm_brk(ctx, 2 * AT + PG(9)), 2 * AT + PG(3));
	assert_int_equal(mm_remap(ctx, AT + PG(12), PG(2), PG(4), 0, 0, &va), -EAGAIN);
	assert_int_equal(mm_remap(ctx, AT + PG(12), PG(2), PG(4), MREMAP_MAYMOVE, 0, &va), -EAGAIN);
	assert_int_equal(mm_remap(ctx, AT + PG(12), PG(2), PG(3), 0, 0, &va), 0);
	assert_true(pmap_query(&ctx->pmap, AT + PG(14)).present);
	ctx->limit_memlock = PG(4);
	assert_int_equal(mm_lock_all(ctx, MCL_CURRENT), -ENOMEM);
	ctx->limit_memlock = 0;
	assert_int_equal(mm_lock_all(ctx, MCL_FUTURE), -EPERM);
	assert_int_equal(mm_lock_all(ctx, 0), 0);
	assert_int_equal(ctx->locked_pages, 0);
	assert_int_equal(ctx->def_flags, 0);
	ctx->limit_memlock = UINT64_MAX;
	assert_int_equal(mm_lock_all(ctx, MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT), 0);
	env_map_at(AT + PG(20), PG(1), RW);
	assert_false(pmap_query(&ctx->pmap, AT + PG(20)).present);
}

static void a_locked_stack_grows_within_the_limit(void **state)
{
	(void)state;
	env_map_at(AT, PG(2), RW | VM_GROWSDOWN);
	assert_int_equal(mm_lock_range(ctx, AT, PG(2), true, true), 0);
	ctx->limit_memlock = PG(4);
	assert_int_equal(env_write(AT - PG(3), 1), -EFAULT);
	assert_int_equal(env_write(AT - PG(2), 1), 0);
	assert_int_equal(ctx->locked_pages, 4);
	ctx->limit_as = PG(5);
	ctx->limit_memlock = UINT64_MAX;
	assert_int_equal(env_write(AT - PG(4), 1), -EFAULT);
	assert_int_equal(env_write(AT - PG(3), 1), 0);
	/* Nothing below it grows up, and what is there needs no growth. */
	assert_int_equal(mm_grow_stack(ctx, AT), 0);
	assert_int_equal(mm_grow_stack(ctx, AT + PG(100)), -EFAULT);
	ctx->limit_as = UINT64_MAX;
	env_map_at(AT + PG(8), PG(1), RW);
	assert_int_equal(mm_grow_stack(ctx, AT + PG(5)), -EFAULT);
}

static void dirty(vaddr_t va, uint8_t b)
{
	assert_int_equal(env_write(va, b), 0);
}

static void msync_writes_shared_files_and_no_others(void **state)
{
	static struct host_pager p;

	(void)state;
	host_pager_init(&p, 16, PG(16));
	map_object_at(AT, p.vo, 4, RW, MM_MAP_SHARED);
	map_object_at(AT + PG(4), p.vo, 4, RW, 0);
	env_map_at(AT + PG(8), PG(2), RW);
	map_object_at(AT + PG(10), p.vo, 16, RW, MM_MAP_SHARED);
	dirty(AT, 1);
	dirty(AT + PG(2), 2);
	dirty(AT + PG(4), 3);
	dirty(AT + PG(8), 4);
	dirty(AT + PG(20), 5);
	assert_int_equal(mm_sync(ctx, AT, PG(26), MS_ASYNC), 0);
	assert_int_equal(mm_sync(ctx, AT, PG(26), 0), 0);
	assert_int_equal(p.writes, 0);
	assert_int_equal(mm_sync(ctx, AT + PG(1), PG(10), MS_SYNC), 0);
	assert_int_equal(p.pages_out, 2);
	assert_int_equal(p.store[PG(2)], 2);
	assert_int_equal(mm_sync(ctx, AT, PG(30), MS_SYNC), -ENOMEM);
	assert_int_equal(p.store[PG(10)], 5);
	assert_int_equal(p.store[0], 1);
	dirty(AT, 7);
	p.fail_write_in = 1;
	assert_int_equal(mm_sync(ctx, AT, PG(1), MS_SYNC), -EIO);
	assert_int_equal(mm_sync(ctx, AT, PG(1), MS_SYNC), 0);
	assert_int_equal(p.store[0], 7);
	mm_clear_context(ctx);
	host_pager_destroy(&p);
}

static void msync_refuses_what_the_man_page_says(void **state)
{
	(void)state;
	env_map_at(AT, PG(2), RW);
	env_map_at(AT + PG(3), PG(1), RW);
	assert_int_equal(mm_sync(ctx, AT + 1, PG(1), MS_SYNC), -EINVAL);
	assert_int_equal(mm_sync(ctx, AT, PG(1), MS_SYNC | MS_ASYNC), -EINVAL);
	assert_int_equal(mm_sync(ctx, AT, PG(1), 64), -EINVAL);
	assert_int_equal(mm_sync(ctx, AT, PG(4), MS_ASYNC), -ENOMEM);
	assert_int_equal(mm_lock_range(ctx, AT, PG(1), true, false), 0);
	assert_int_equal(mm_sync(ctx, AT, PG(2), MS_INVALIDATE | MS_SYNC), -EBUSY);
	assert_int_equal(mm_sync(ctx, AT + PG(1), PG(1), MS_INVALIDATE | MS_SYNC), 0);
	assert_int_equal(mm_sync(ctx, AT, 0, MS_SYNC), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(hints_are_taken_for_mapped_memory_only),
		env_test(ranges_that_wrap_are_refused),
		env_test(dontneed_spares_what_is_locked_or_a_device),
		env_test(sealed_memory_keeps_its_contents_and_place),
		env_test(free_and_wipe_on_fork_are_for_private_memory_without_a_file),
		env_test(willneed_reads_files_and_hides_errors),
		env_test(populate_says_why_not),
		env_test(mincore_asks_the_layers),
		env_test(mlock_makes_pages_resident_and_counts_them),
		env_test(pages_that_cannot_be_had_are_no_memory_for_mlock),
		env_test(mlockall_is_for_now_for_later_or_both),
		env_test(a_locked_stack_grows_within_the_limit),
		env_test(msync_writes_shared_files_and_no_others),
		env_test(msync_refuses_what_the_man_page_says),
	};

	return cmocka_run_group_tests_name("advice", tests, env_machine, NULL);
}
