/*
 * The edits: map, unmap, protect, remap, advise, brk, stacks, limits; errors as in the man pages.
 */
#include "mm_env.h"

#include "abi/mman.h"

#define AT 0x40000000ul

static int remap(
	vaddr_t old, uint64_t old_len, uint64_t new_len, unsigned flags, vaddr_t to, vaddr_t *out)
{
	return mm_remap(ctx, old, old_len, new_len, flags, to, out);
}

static void adjacent_maps_become_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		env_map_at(AT + PG(i), PG(1), RW);
	assert_int_equal(env_vmaps(), 1);
	env_write(AT + PG(500), 1);
	env_map_at(AT + PG(1000), PG(1), RW);
	env_map_at(AT - PG(1), PG(1), RW);
	assert_int_equal(env_vmaps(), 1);
	assert_int_equal(ctx->total_pages, 1002);
}

static void a_hole_leaves_head_and_tail(void **state)
{
	(void)state;
	env_map_at(AT, PG(10), RW);
	for (unsigned i = 0; i < 10; i++)
		env_write(AT + PG(i), i);
	assert_int_equal(munmap(ctx, AT + PG(4), PG(2)), 0);
	assert_int_equal(env_vmaps(), 2);
	assert_int_equal(env_read(AT + PG(3)), 3);
	assert_int_equal(env_read(AT + PG(4)), -EFAULT);
	assert_int_equal(env_read(AT + PG(6)), 6);
	env_map_at(AT + PG(4), PG(2), RW);
	assert_int_equal(env_vmaps(), 1);
	assert_int_equal(env_read(AT + PG(4)), 0);
}

static void munmap_refuses_bad_ranges_and_passes_over_holes(void **state)
{
	(void)state;
	assert_int_equal(munmap(ctx, AT + 1, PG(1)), -EINVAL);
	assert_int_equal(munmap(ctx, AT, 0), -EINVAL);
	assert_int_equal(munmap(ctx, AT, UINT64_MAX), -EINVAL);
	assert_int_equal(munmap(ctx, AT, UINT64_MAX - 4095), -EINVAL);
	assert_int_equal(munmap(ctx, USER_MAX, PG(1)), -EINVAL);
	assert_int_equal(munmap(ctx, USER_MAX - PG(1), PG(1)), 0);
	assert_int_equal(munmap(ctx, AT, PG(100)), 0);
}

static void mmap_refuses_lengths_that_wrap(void **state)
{
	static const uint64_t lens[] = {
		UINT64_MAX, UINT64_MAX - 4095, 1ul << 63, USER_MAX + 1, USER_MAX};
	vaddr_t va;

	(void)state;
	assert_int_equal(mmap_anonymous(ctx, 0, 0, RW, 0, &va), -EINVAL);
	for (unsigned i = 0; i < ARRAY_SIZE(lens); i++)
		assert_int_equal(mmap_anonymous(ctx, 0, lens[i], RW, 0, &va), -ENOMEM);
	assert_int_equal(mmap_anonymous(ctx, AT + 1, PG(1), RW, MM_MAP_FIXED, &va), -EINVAL);
	assert_int_equal(
		mmap_anonymous(ctx, USER_MAX - PG(1), PG(2), RW, MM_MAP_FIXED, &va), -ENOMEM);
	assert_int_equal(mmap_anonymous(ctx, 0, PG(1), RW, MM_MAP_FIXED, &va), -EPERM);
	assert_int_equal(mmap_anonymous(ctx, 0, PG(1), RW, MM_MAP_FIXED | MM_MAP_LITERAL, &va), 0);
}

static void an_exact_map_never_replaces(void **state)
{
	vaddr_t va;

	(void)state;
	env_map_at(AT, PG(2), RW);
	env_write(AT, 1);
	assert_int_equal(mmap_anonymous(ctx, AT - PG(1), PG(2), RW, MM_MAP_EXACT, &va), -EEXIST);
	assert_int_equal(env_read(AT), 1);
	assert_int_equal(mmap_anonymous(ctx, AT - PG(1), PG(1), RW, MM_MAP_EXACT, &va), 0);
}

static void large_areas_are_placed_at_2_mib(void **state)
{
	vaddr_t small = env_map(PG(3), RW), large = env_map(3ul << 20, RW);

	(void)state;
	assert_true(small + PG(3) <= ctx->mmap_top);
	assert_int_equal(large % (2ul << 20), 0);
}

static void ten_thousand_areas_are_placed_and_found(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		env_map(PG(1), i % 2 ? RW : VM_READ);
	assert_int_equal(ctx->nvmaps, 10000);
	/* A hole in the middle is found again. */
	assert_int_equal(munmap(ctx, ctx->mmap_top - PG(5000), PG(3)), 0);
	assert_int_equal(env_map(PG(3), VM_READ), ctx->mmap_top - PG(5000));
}

static void mprotect_takes_and_gives_rights_and_keeps_contents(void **state)
{
	(void)state;
	env_map_at(AT, PG(8), RW);
	for (unsigned i = 0; i < 8; i++)
		env_write(AT + PG(i), i);
	assert_int_equal(vm_protect(ctx, AT + PG(2), PG(3), 0, false), 0);
	assert_int_equal(env_vmaps(), 3);
	assert_int_equal(env_read(AT + PG(2)), -EACCES);
	assert_int_equal(vm_protect(ctx, AT + PG(2), PG(3), VM_READ, false), 0);
	assert_int_equal(env_write(AT + PG(2), 9), -EACCES);
	assert_int_equal(env_read(AT + PG(4)), 4);
	assert_int_equal(vm_protect(ctx, AT + PG(2), PG(3), RW, false), 0);
	assert_int_equal(env_vmaps(), 1);
	assert_int_equal(env_write(AT + PG(2), 9), 0);
}

static void mprotect_over_a_hole_changes_what_lies_before_it(void **state)
{
	(void)state;
	env_map_at(AT, PG(2), RW);
	env_map_at(AT + PG(3), PG(2), RW);
	assert_int_equal(vm_protect(ctx, AT, PG(5), VM_READ, false), -ENOMEM);
	assert_int_equal(env_write(AT + PG(1), 1), -EACCES);
	assert_int_equal(env_write(AT + PG(3), 1), 0);
	assert_int_equal(vm_protect(ctx, AT + 1, PG(1), VM_READ, false), -EINVAL);
	assert_int_equal(vm_protect(ctx, AT, 0, VM_READ, false), 0);
	assert_int_equal(vm_protect(ctx, AT, UINT64_MAX, VM_READ, false), -ENOMEM);
	assert_int_equal(vm_protect(ctx, AT, PG(1), VM_READ, true), -EINVAL);
}

static void a_shared_map_of_a_file_that_may_not_be_written_stays_so(void **state)
{
	struct vm_object *vo = env_file(PG(1));
	struct mm_map_request rq = {.kind = MM_AREA_FILE,
		.len = PG(1),
		.vmflags = VM_READ,
		.max_prot = VM_READ | VM_EXEC,
		.map_flags = MM_MAP_SHARED,
		.object = vo};
	vaddr_t va;

	(void)state;
	assert_int_equal(mmap_file(ctx, &rq, &va), 0);
	assert_int_equal(vm_protect(ctx, va, PG(1), RW, false), -EACCES);
	rq.vmflags = RW;
	assert_int_equal(mmap_file(ctx, &rq, &va), -EACCES);
	assert_int_equal(munmap(ctx, ctx->mmap_top - PG(1), PG(1)), 0);
	env_file_end(vo);
}

static void mremap_grows_in_place_moves_and_shrinks(void **state)
{
	vaddr_t va;

	(void)state;
	env_map_at(AT, PG(4), RW);
	for (unsigned i = 0; i < 4; i++)
		env_write(AT + PG(i), i + 1);
	assert_int_equal(remap(AT, PG(4), PG(8), 0, 0, &va), 0);
	assert_int_equal(env_read(AT + PG(7)), 0);
	env_map_at(AT + PG(8), PG(1), VM_READ);
	assert_int_equal(remap(AT, PG(8), PG(16), 0, 0, &va), -ENOMEM);
	assert_int_equal(remap(AT, PG(8), PG(16), MREMAP_MAYMOVE, 0, &va), 0);
	assert_true(va != AT && va % (2ul << 20) == AT % (2ul << 20));
	assert_int_equal(env_read(AT), -EFAULT);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(env_read(va + PG(i)), i + 1);
	assert_int_equal(remap(va, PG(16), PG(2), 0, 0, &va), 0);
	assert_int_equal(env_read(va + PG(1)), 2);
	assert_int_equal(env_read(va + PG(2)), -EFAULT);
}

static void mremap_leaves_nothing_behind_at_the_old_place(void **state)
{
	vaddr_t va;

	(void)state;
	env_map_at(AT, PG(2), RW);
	env_write(AT, 1);
	host_enter_cpu(1);
	env_load(ctx);
	env_read(AT);
	host_enter_cpu(0);
	assert_int_equal(
		remap(AT, PG(2), PG(2), MREMAP_MAYMOVE | MREMAP_FIXED, AT + PG(100), &va), 0);
	host_enter_cpu(1);
	assert_int_equal(env_read(AT), -EFAULT);
	env_load(NULL);
	host_enter_cpu(0);
	assert_int_equal(env_read(AT + PG(100)), 1);
}

static void a_part_that_moves_and_grows_meets_no_slot_of_the_rest(void **state)
{
	vaddr_t va;

	(void)state;
	env_map_at(AT, PG(8), RW);
	for (unsigned i = 0; i < 8; i++)
		env_write(AT + PG(i), i + 1);
	assert_int_equal(
		remap(AT, PG(4), PG(8), MREMAP_MAYMOVE | MREMAP_FIXED, AT + PG(512), &va), 0);
	assert_int_equal(env_read(va + PG(3)), 4);
	assert_int_equal(env_read(va + PG(4)), 0);
	assert_int_equal(env_write(va + PG(4), 99), 0);
	assert_int_equal(env_read(AT + PG(4)), 5);
}

static void dontunmap_leaves_an_empty_range(void **state)
{
	vaddr_t va;

	(void)state;
	env_map_at(AT, PG(2), RW);
	env_write(AT, 1);
	assert_int_equal(remap(AT, PG(2), PG(2), MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0, &va), 0);
	assert_int_equal(env_read(AT), 0);
	assert_int_equal(env_read(va), 1);
}

static void mremap_refuses_what_the_man_page_says(void **state)
{
	vaddr_t va;

	(void)state;
	env_map_at(AT, PG(2), RW);
	assert_int_equal(remap(AT + 1, PG(1), PG(1), 0, 0, &va), -EINVAL);
	assert_int_equal(remap(AT, PG(1), 0, 0, 0, &va), -EINVAL);
	assert_int_equal(remap(AT, PG(1), PG(1), 8, 0, &va), -EINVAL);
	assert_int_equal(remap(AT, PG(1), PG(1), MREMAP_FIXED, AT + PG(9), &va), -EINVAL);
	assert_int_equal(
		remap(AT, PG(2), PG(2), MREMAP_FIXED | MREMAP_MAYMOVE, AT + PG(1), &va), -EINVAL);
	assert_int_equal(remap(AT, PG(3), PG(4), MREMAP_MAYMOVE, 0, &va), -EFAULT);
	assert_int_equal(remap(AT + PG(9), PG(1), PG(1), 0, 0, &va), -EFAULT);
	assert_int_equal(remap(AT, 0, PG(1), MREMAP_MAYMOVE, 0, &va), -EINVAL);
	assert_int_equal(remap(AT, PG(1), UINT64_MAX, MREMAP_MAYMOVE, 0, &va), -EINVAL);
}

static void dontneed_makes_zeros_of_private_memory(void **state)
{
	(void)state;
	env_map_at(AT, PG(3), RW);
	env_write(AT + PG(1), 5);
	assert_int_equal(mm_advise(ctx, AT, PG(3), MADV_DONTNEED), 0);
	assert_int_equal(env_read(AT + PG(1)), 0);
	assert_int_equal(mm_advise(ctx, AT, PG(4), MADV_DONTNEED), -ENOMEM);
	assert_int_equal(mm_advise(ctx, AT + 1, PG(1), MADV_DONTNEED), -EINVAL);
	assert_int_equal(mm_advise(ctx, AT, PG(1), 4711), -EINVAL);
	assert_int_equal(mm_lock_range(ctx, AT, PG(1), true, false), 0);
	assert_int_equal(mm_advise(ctx, AT, PG(1), MADV_DONTNEED), -EINVAL);
}

static void the_break_grows_and_shrinks_and_stops_at_what_is_there(void **state)
{
	(void)state;
	ctx->brk_start = ctx->brk = AT + 100;
	assert_int_equal(mm_brk(ctx, 0), AT + 100);
	assert_int_equal(mm_brk(ctx, AT + PG(3)), AT + PG(3));
	env_write(AT + PG(2), 7);
	env_map_at(AT + PG(10), PG(1), VM_READ);
	assert_int_equal(mm_brk(ctx, AT + PG(11)), AT + PG(3));
	assert_int_equal(mm_brk(ctx, AT + PG(1)), AT + PG(1));
	assert_int_equal(env_read(AT + PG(2)), -EFAULT);
	assert_int_equal(mm_brk(ctx, AT + PG(4)), AT + PG(4));
	assert_int_equal(env_read(AT + PG(2)), 0);
	ctx->limit_data = PG(4);
	assert_int_equal(mm_brk(ctx, AT + PG(9)), AT + PG(4));
}

static void a_stack_grows_to_its_limit_and_keeps_the_guard_gap(void **state)
{
	(void)state;
	ctx->limit_stack = PG(2000);
	env_map_at(AT, PG(4), RW | VM_GROWSDOWN);
	env_write(AT, 1);
	assert_int_equal(env_write(AT - PG(100), 2), 0);
	assert_int_equal(env_read(AT - PG(50)), 0);
	assert_int_equal(env_read(AT), 1);
	env_map_at(AT - PG(1000), PG(1), RW);
	assert_int_equal(env_write(AT - PG(999) + PG(255), 1), -EFAULT);
	assert_int_equal(env_write(AT - PG(999) + PG(256), 1), 0);
	/* Nothing is placed in the gap by itself. */
	assert_true(env_map(PG(700), RW) > AT);
	ctx->limit_stack = PG(4);
	env_map_at(2 * AT, PG(4), RW | VM_GROWSDOWN);
	assert_int_equal(env_write(2 * AT - 1, 1), -EFAULT);
}

static void limits_are_kept(void **state)
{
	vaddr_t va;

	(void)state;
	ctx->limit_as = PG(10);
	assert_int_equal(mmap_anonymous(ctx, AT, PG(8), VM_READ, MM_MAP_FIXED, &va), 0);
	assert_int_equal(mmap_anonymous(ctx, 0, PG(3), VM_READ, 0, &va), -ENOMEM);
	assert_int_equal(mmap_anonymous(ctx, AT, PG(10), VM_READ, MM_MAP_FIXED, &va), 0);
	ctx->limit_as = UINT64_MAX;
	ctx->limit_data = PG(4);
	assert_int_equal(mmap_anonymous(ctx, 0, PG(5), RW, 0, &va), -ENOMEM);
	assert_int_equal(vm_protect(ctx, AT, PG(5), RW, false), -ENOMEM);
	ctx->limit_memlock = PG(2);
	assert_int_equal(mm_lock_range(ctx, AT, PG(3), true, false), -ENOMEM);
	assert_int_equal(mm_lock_range(ctx, AT, PG(2), true, false), 0);
	assert_int_equal(mmap_anonymous(ctx, 0, PG(1), VM_READ | VM_LOCKED, 0, &va), -EAGAIN);
}

static int keep_vec(void *cookie, const uint8_t *vec, size_t n)
{
	memcpy(cookie, vec, n);
	return 0;
}

static void mincore_tells_touched_pages(void **state)
{
	uint8_t vec[4] = {9, 9, 9, 9};

	(void)state;
	env_map_at(AT, PG(4), RW);
	env_write(AT + PG(2), 1);
	assert_int_equal(mm_incore(ctx, AT, PG(4), keep_vec, vec), 0);
	assert_int_equal(vec[1], 0);
	assert_int_equal(vec[2], 1);
	assert_int_equal(mm_incore(ctx, AT + PG(3), PG(2), keep_vec, vec), -ENOMEM);
	assert_int_equal(mm_incore(ctx, AT + 1, PG(2), keep_vec, vec), -EINVAL);
}

static void every_allocation_of_an_edit_may_fail(void **state)
{
	vaddr_t out;

	(void)state;
	for (unsigned n = 1; n < 30; n++) {
		env_map_at(AT, PG(40), RW);
		for (unsigned i = 0; i < 40; i++)
			env_write(AT + PG(i), i);
		alloc_fail_nth(n);
		switch (n % 3) {
		case 0:
			if (munmap(ctx, AT + PG(3), PG(5)) == 0)
				break;
			assert_int_equal(env_read(AT + PG(4)), 4);
			break;
		case 1:
			if (vm_protect(ctx, AT + PG(3), PG(5), VM_READ, false) == 0)
				break;
			assert_int_equal(env_write(AT + PG(4), 4), 0);
			break;
		default:
			if (remap(AT + PG(3), PG(5), PG(90), MREMAP_MAYMOVE, 0, &out) == 0)
				break;
			assert_int_equal(env_read(AT + PG(4)), 4);
		}
		alloc_fail_nth(0);
		env_verify(ctx);
		assert_int_equal(env_read(AT + PG(20)), 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(adjacent_maps_become_one),
		env_test(a_hole_leaves_head_and_tail),
		env_test(munmap_refuses_bad_ranges_and_passes_over_holes),
		env_test(mmap_refuses_lengths_that_wrap),
		env_test(an_exact_map_never_replaces),
		env_test(large_areas_are_placed_at_2_mib),
		env_test(ten_thousand_areas_are_placed_and_found),
		env_test(mprotect_takes_and_gives_rights_and_keeps_contents),
		env_test(mprotect_over_a_hole_changes_what_lies_before_it),
		env_test(a_shared_map_of_a_file_that_may_not_be_written_stays_so),
		env_test(mremap_grows_in_place_moves_and_shrinks),
		env_test(mremap_leaves_nothing_behind_at_the_old_place),
		env_test(a_part_that_moves_and_grows_meets_no_slot_of_the_rest),
		env_test(dontunmap_leaves_an_empty_range),
		env_test(mremap_refuses_what_the_man_page_says),
		env_test(dontneed_makes_zeros_of_private_memory),
		env_test(the_break_grows_and_shrinks_and_stops_at_what_is_there),
		env_test(a_stack_grows_to_its_limit_and_keeps_the_guard_gap),
		env_test(limits_are_kept),
		env_test(mincore_tells_touched_pages),
		env_test(every_allocation_of_an_edit_may_fail),
	};

	return cmocka_run_group_tests_name("mmap", tests, env_machine, NULL);
}
