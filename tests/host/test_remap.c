/* Edges of mremap, brk, mprotect and of the resize that they share: lengths, limits, neighbours. */
#include "mm_env.h"

#include "abi/mman.h"
#include "mm/edit.h"
#include "mm/paging.h"

#define AT	0x40000000ul
#define MOVE_TO (MREMAP_MAYMOVE | MREMAP_FIXED)

static vaddr_t moved;

static int remap(vaddr_t old, uint64_t old_len, uint64_t new_len, unsigned flags, vaddr_t to)
{
	return mm_remap(ctx, old, old_len, new_len, flags, to, &moved);
}

static void lengths_that_wrap_are_refused(void **state)
{
	static const uint64_t lens[] = {
		USER_MAX + 1, UINT64_MAX, UINT64_MAX - PAGE_SIZE + 1, 1ul << 63};

	(void)state;
	env_map_at(AT, PG(2), RW);
	for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
		assert_int_equal(remap(AT, lens[i], PG(1), MREMAP_MAYMOVE, 0), -EINVAL);
		assert_int_equal(remap(AT, PG(1), lens[i], MREMAP_MAYMOVE, 0), -EINVAL);
		assert_int_equal(vm_protect(ctx, AT, lens[i], VM_READ, false), -ENOMEM);
	}
	assert_int_equal(vm_protect(ctx, USER_MAX, PG(1), VM_READ, false), -ENOMEM);
	assert_int_equal(vm_protect(ctx, AT, PG(1), VM_MAYREAD, false), -EINVAL);
	assert_int_equal(remap(USER_MAX, PG(1), PG(1), 0, 0), -EINVAL);
	/* A tail beyond the end of user space. */
	assert_int_equal(remap(AT, USER_MAX - AT + PG(1), PG(1), 0, 0), -EINVAL);
	assert_int_equal(remap(AT, PG(1), PG(2), MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0), -EINVAL);
	assert_int_equal(remap(AT, PG(1), PG(1), MREMAP_DONTUNMAP, 0), -EINVAL);
	assert_int_equal(remap(AT, PG(1), PG(1), MOVE_TO, AT + PG(9) + 1), -EINVAL);
	assert_int_equal(remap(AT, PG(1), PG(2), MOVE_TO, USER_MAX - PG(1)), -EINVAL);
	assert_int_equal(remap(AT, PG(1), PG(2), MOVE_TO, UINT64_MAX - PAGE_MASK), -EINVAL);
	assert_int_equal(remap(AT, PG(1), PG(1), MOVE_TO, PG(1)), -EPERM);
	/* The new place may touch the old one, not more. */
	assert_int_equal(remap(AT, PG(2), PG(2), MOVE_TO, AT - PG(1)), -EINVAL);
	assert_int_equal(remap(AT, PG(2), PG(2), MOVE_TO, AT - PG(2)), 0);
	assert_int_equal(env_vmaps(), 1);
	/* The same length is nothing to do, a part of a page is one. */
	assert_int_equal(remap(moved, PG(2) - 5, PG(1) + 1, 0, 0), 0);
	assert_int_equal(env_vmaps(), 1);
}

static void shared_memory_is_mapped_twice(void **state)
{
	struct mm_map_request rq = {.kind = MM_AREA_NORMAL,
		.vaddr = AT,
		.len = PG(4),
		.vmflags = RW,
		.map_flags = MM_MAP_SHARED | MM_MAP_FIXED};

	(void)state;
	assert_int_equal(mm_map(ctx, &rq, &moved), 0);
	env_write(AT + PG(2), 7);
	assert_int_equal(remap(AT + PG(1), 0, PG(2), MREMAP_MAYMOVE, 0), 0);
	assert_int_equal(env_read(moved + PG(1)), 7);
	assert_int_equal(env_write(moved + PG(1), 8), 0);
	assert_int_equal(env_read(AT + PG(2)), 8);
	env_map_at(2 * AT, PG(4), RW);
	assert_int_equal(remap(AT + PG(1), 0, PG(2), MOVE_TO, 2 * AT + PG(1)), 0);
	assert_int_equal(env_read(2 * AT + PG(2)), 8);
	assert_int_equal(remap(AT, 0, PG(1), 0, 0), -ENOMEM);
	/* Private memory has no second place. */
	assert_int_equal(remap(2 * AT, 0, PG(1), MREMAP_MAYMOVE, 0), -EINVAL);
}

static void limits_stop_growth(void **state)
{
	(void)state;
	env_map_at(AT, PG(4), RW);
	ctx->limit_as = PG(5);
	assert_int_equal(remap(AT, PG(4), PG(6), MREMAP_MAYMOVE, 0), -ENOMEM);
	assert_int_equal(remap(AT, PG(4), PG(6), MOVE_TO, 2 * AT), -ENOMEM);
	assert_int_equal(remap(AT, PG(4), PG(5), 0, 0), 0);
	assert_int_equal(remap(AT, PG(5), PG(5), MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0), -ENOMEM);
	ctx->limit_as = UINT64_MAX;
	ctx->limit_data = PG(6);
	assert_int_equal(remap(AT, PG(5), PG(7), MREMAP_MAYMOVE, 0), -ENOMEM);
	assert_int_equal(remap(AT, PG(5), PG(6), MREMAP_MAYMOVE, 0), 0);
	ctx->brk_start = ctx->brk = 2 * AT;
	assert_int_equal(mm_brk(ctx, 2 * AT + PG(1)), 2 * AT);
	ctx->limit_data = UINT64_MAX;
	ctx->limit_memlock = PG(7);
	assert_int_equal(mm_lock_range(ctx, AT, PG(6), true, true), 0);
	assert_int_equal(remap(AT, PG(6), PG(8), MOVE_TO, 3 * AT), -EAGAIN);
	assert_int_equal(remap(AT, PG(6), PG(7), 0, 0), 0);
	assert_int_equal(ctx->locked_pages, 7);
}

/* No hole is large enough for what cannot grow in its place. */
static void no_room_is_no_memory(void **state)
{
	(void)state;
	env_map_at(MM_MMAP_MIN, USER_MAX - MM_MMAP_MIN, VM_NORESERVE);
	env_map_at(AT, PG(4), RW);
	assert_int_equal(munmap(ctx, 2 * AT, PG(9)), 0);
	env_write(AT, 3);
	assert_int_equal(remap(AT, PG(4), PG(10), MREMAP_MAYMOVE, 0), -ENOMEM);
	assert_int_equal(remap(AT, PG(4), PG(5), 0, 0), -ENOMEM);
	assert_int_equal(env_read(AT), 3);
	assert_int_equal(remap(AT, PG(4), PG(9), MREMAP_MAYMOVE, 0), 0);
	assert_int_equal(moved, 2 * AT);
	assert_int_equal(env_read(moved), 3);
}

static void a_middle_grows_by_moving_only(void **state)
{
	(void)state;
	env_map_at(AT, PG(8), RW);
	for (unsigned i = 0; i < 8; i++)
		env_write(AT + PG(i), i + 1);
	assert_int_equal(remap(AT + PG(2), PG(2), PG(3), 0, 0), -ENOMEM);
	assert_int_equal(remap(AT + PG(2), PG(2), PG(3), MREMAP_MAYMOVE, 0), 0);
	assert_int_equal(env_read(moved + PG(1)), 4);
	assert_int_equal(env_read(moved + PG(2)), 0);
	assert_int_equal(env_read(AT + PG(4)), 5);
	assert_int_equal(env_read(AT + PG(3)), -EFAULT);
	/* The same pages at one place more: what moved away twice keeps its slots apart. */
	assert_int_equal(remap(AT + PG(4), PG(2), PG(2), MOVE_TO, 2 * AT), 0);
	assert_int_equal(remap(2 * AT, PG(2), PG(6), MREMAP_MAYMOVE, 0), 0);
	assert_int_equal(env_read(moved + PG(1)), 6);
	assert_int_equal(env_read(moved + PG(2)), 0);
	assert_int_equal(env_read(AT + PG(6)), 7);
}

static void scattered_memory_does_not_grow_over_its_own_slots(void **state)
{
	(void)state;
	env_map_at(AT, PG(8), RW | VM_GROWSDOWN);
	for (unsigned i = 0; i < 8; i++)
		env_write(AT + PG(i), i + 1);
	/* Its head moves away: the rest has the head's slots below it, and must not grow there. */
	assert_int_equal(remap(AT, PG(4), PG(4), MOVE_TO, 2 * AT), 0);
	assert_int_equal(env_write(AT + PG(3), 9), -EFAULT);
	assert_int_equal(env_read(2 * AT + PG(3)), 4);
	assert_int_equal(env_read(AT + PG(4)), 5);
}

static int resize(struct vmap *vm, size_t npages)
{
	struct vmap_edit e;
	int err;

	edit_begin(&e, ctx);
	err = vm->driver->vm_resize(&e, vm, npages);
	edit_end(&e);
	return err;
}

/*
 * A child moves a whole leaf of what it has from fork into a handle of its own: the parent has the
 * leaf alone again, but not the pages. A write elsewhere in the table must not bring back its right
 * to write them.
 */
static void pages_that_a_child_moves_stay_shared(void **state)
{
	const vaddr_t at = 0x40000000, to = 0x60000000;
	struct mm_context *parent = ctx, *child;

	(void)state;
	env_map_at(at, PG(2 * AMAP_LEAF_SLOTS), RW);
	for (unsigned i = 0; i < 2 * AMAP_LEAF_SLOTS; i++)
		assert_int_equal(env_write(at + PG(i), 1), 0);
	child = mm_fork_context(parent);
	assert_false(IS_ERR(child));
	ctx = child;
	env_load(child);
	assert_int_equal(mm_remap(child, at, PG(AMAP_LEAF_SLOTS), PG(AMAP_LEAF_SLOTS + 1),
				 MREMAP_MAYMOVE | MREMAP_FIXED, to, &moved),
		0);
	assert_int_equal(munmap(child, at, PG(2 * AMAP_LEAF_SLOTS)), 0);
	ctx = parent;
	env_load(parent);
	assert_int_equal(env_write(at + PG(AMAP_LEAF_SLOTS + 8), 2), 0);
	env_verify(parent);
	assert_int_equal(env_write(at + PG(3), 2), 0);
	assert_int_equal(env_read_in(child, to + PG(3)), 1);
	assert_int_equal(env_read(at + PG(3)), 2);
	mm_put_context(child);
}

static void an_area_is_resized_in_its_place(void **state)
{
	struct vmap *vm;

	(void)state;
	env_map_at(AT, PG(4), RW);
	env_map_at(AT + PG(8), PG(1), VM_READ);
	env_write(AT + PG(3), 5);
	vm = vmap_find(ctx, AT);
	assert_int_equal(resize(vm, 9), -ENOMEM);
	assert_int_equal(resize(vm, USER_MAX / PAGE_SIZE), -ENOMEM);
	assert_int_equal(resize(vm, 1ul << 52), -ENOMEM);
	assert_int_equal(resize(vm, 8), 0);
	assert_int_equal(resize(vm, 8), 0);
	assert_int_equal(env_read(AT + PG(7)), 0);
	ctx->limit_as = PG(9);
	assert_int_equal(munmap(ctx, AT + PG(8), PG(1)), 0);
	assert_int_equal(resize(vm, 10), -ENOMEM);
}

static void the_break_stays_in_the_user_range(void **state)
{
	(void)state;
	ctx->brk_start = ctx->brk = AT;
	assert_int_equal(mm_brk(ctx, AT - 1), AT);
	assert_int_equal(mm_brk(ctx, USER_MAX), AT);
	assert_int_equal(mm_brk(ctx, UINT64_MAX), AT);
	assert_int_equal(mm_brk(ctx, AT + 5), AT + 5);
	assert_int_equal(mm_brk(ctx, AT + 9), AT + 9); /* the same page */
	assert_int_equal(env_vmaps(), 1);
	ctx->limit_as = PG(3);
	assert_int_equal(mm_brk(ctx, AT + PG(4)), AT + 9);
	assert_int_equal(mm_brk(ctx, AT), AT);
	assert_int_equal(env_vmaps(), 0);
	/* A seal on the heap holds it where it is. */
	ctx->limit_as = UINT64_MAX;
	assert_int_equal(mm_brk(ctx, AT + PG(4)), AT + PG(4));
	rw_write_lock(&ctx->mm_lock);
	vmap_set_flags(vmap_find(ctx, AT), vmap_find(ctx, AT)->vmflags | VM_SEALED);
	rw_write_unlock(&ctx->mm_lock);
	assert_int_equal(mm_brk(ctx, AT + PG(1)), AT + PG(4));
}

static void a_stack_grows_next_to_its_own_guard_and_parts(void **state)
{
	(void)state;
	/* A guard without rights right below it is as good as a gap. */
	env_map_at(AT, PG(4), RW | VM_GROWSDOWN);
	env_map_at(AT - PG(8), PG(2), 0);
	assert_int_equal(env_write(AT - PG(6), 1), 0);
	assert_int_equal(env_write(AT - PG(7), 1), -EACCES);
	/* So is a part of the same stack. */
	env_map_at(2 * AT, PG(4), RW | VM_GROWSDOWN);
	env_map_at(2 * AT - PG(4), PG(1), RW | VM_GROWSDOWN | VM_DONTDUMP);
	assert_int_equal(env_write(2 * AT - PG(1), 1), 0);
	assert_int_equal(vmap_find(ctx, 2 * AT)->vaddr, 2 * AT - PG(1));
}

static void mprotect_grows_down_means_the_whole_stack(void **state)
{
	(void)state;
	env_map_at(AT, PG(8), RW | VM_GROWSDOWN);
	env_map_at(2 * AT, PG(8), RW);
	assert_int_equal(vm_protect(ctx, AT + PG(4), PG(1), VM_READ, true), 0);
	assert_int_equal(env_write(AT, 1), -EACCES);
	assert_int_equal(env_write(AT + PG(5), 1), 0);
	assert_int_equal(vm_protect(ctx, 2 * AT, PG(1), VM_READ, true), -EINVAL);
	assert_int_equal(vm_protect(ctx, 3 * AT, PG(1), VM_READ, true), -ENOMEM);
	/*
	 * What is turned on is an attribute of its own, and the gap in front of it is a guard then.
	 */
	assert_int_equal(vmap_find(ctx, AT)->gap_before, AT - 256 * PAGE_SIZE);
	rw_write_lock(&ctx->mm_lock);
	vmap_set_flags(vmap_find(ctx, AT), RW | VM_MAYREAD | VM_MAYWRITE);
	rw_write_unlock(&ctx->mm_lock);
	assert_int_equal(vmap_find(ctx, AT)->gap_before, AT);
}

static void a_shared_stack_of_an_object_grows_with_its_offset(void **state)
{
	struct vm_object *vo = vm_object_create("zero", PG(100), VM_RIGHTS);
	struct mm_map_request rq = {.kind = MM_AREA_NORMAL,
		.vaddr = AT,
		.len = PG(4),
		.vmflags = RW | VM_GROWSDOWN,
		.map_flags = MM_MAP_SHARED | MM_MAP_FIXED,
		.object = vo,
		.offset = PG(50)};

	(void)state;
	assert_int_equal(mm_map(ctx, &rq, &moved), 0);
	assert_int_equal(env_write(AT - PG(2), 1), 0);
	assert_int_equal(vmap_find(ctx, AT)->offset, PG(48));
	vm_object_put(vo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(lengths_that_wrap_are_refused),
		env_test(shared_memory_is_mapped_twice),
		env_test(limits_stop_growth),
		env_test(no_room_is_no_memory),
		env_test(a_middle_grows_by_moving_only),
		env_test(scattered_memory_does_not_grow_over_its_own_slots),
		env_test(pages_that_a_child_moves_stay_shared),
		env_test(an_area_is_resized_in_its_place),
		env_test(the_break_stays_in_the_user_range),
		env_test(a_stack_grows_next_to_its_own_guard_and_parts),
		env_test(mprotect_grows_down_means_the_whole_stack),
		env_test(a_shared_stack_of_an_object_grows_with_its_offset),
	};

	return cmocka_run_group_tests_name("remap", tests, env_machine, NULL);
}
