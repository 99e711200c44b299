/*
 * Named objects, and areas that show a whole object: how they are counted, sealed, and how they go.
 */
#include "mm_env.h"

#include "abi/mman.h"
#include "mm/share.h"

#define AT 0x40000000ul

/* What the owner of an object is told. */
static unsigned n_mapped, n_unmapped, n_released;

static void mapped(struct vm_object *vo)
{
	assert_true(rw_write_held(&vo->lock) && vo->vo_nmaps > 0);
	n_mapped++;
}

static void unmapped(struct vm_object *vo)
{
	assert_true(rw_write_held(&vo->lock));
	n_unmapped++;
}

static void released(struct vm_object *vo)
{
	assert_int_equal(vo->vo_nmaps, 0);
	n_released++;
}

static const struct vm_object_ops counted = {
	.mapped = mapped, .unmapped = unmapped, .release = released};
static const struct vm_object_ops other_kind;

static struct vm_object *make(uint64_t len, const struct vm_object_ops *ops)
{
	struct vm_object *vo = vm_object_create("shared", len, VM_RIGHTS);

	assert_false(IS_ERR(vo));
	if (ops)
		vm_object_set_owner(vo, ops, NULL);
	n_mapped = n_unmapped = n_released = 0;
	return vo;
}

static void map_at(struct vm_object *vo, vaddr_t at, vm_flags_t flags)
{
	vaddr_t got;

	assert_int_equal(mm_map_shared_area(ctx, vo, at, flags | VM_USER, false, &got), 0);
	assert_int_equal(got, at);
}

static void a_name_leads_to_its_object_until_it_is_withdrawn(void **state)
{
	struct vm_object *a = make(PG(1), NULL), *b = make(PG(1), NULL);
	char name[8];

	(void)state;
	assert_int_equal(vm_share_publish(a, "m"), 0);
	assert_int_equal(vm_share_publish(b, "m"), -EEXIST);
	for (unsigned i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "%c%u", i & 1 ? 'a' : 'z', i);
		assert_int_equal(vm_share_publish(b, name), 0);
	}
	assert_ptr_equal(vm_share_open("m"), a);
	vm_object_put(a);
	assert_ptr_equal(vm_share_open("z48"), b);
	vm_object_put(b);
	assert_int_equal(PTR_ERR(vm_share_open("z49")), -ENOENT);
	assert_int_equal(vm_share_withdraw("m"), 0);
	assert_int_equal(vm_share_withdraw("m"), -ENOENT);
	assert_int_equal(PTR_ERR(vm_share_open("m")), -ENOENT);
	assert_int_equal(a->refs, 1);
	assert_int_equal(vm_share_publish(b, "m"), 0);
	assert_int_equal(vm_share_withdraw("m"), 0);
	for (unsigned i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "%c%u", i & 1 ? 'a' : 'z', i);
		assert_int_equal(vm_share_withdraw(name), 0);
	}
	assert_int_equal(b->refs, 1);
	vm_object_put(a);
	vm_object_put(b);
}

static void a_name_may_be_the_last_that_holds_an_object(void **state)
{
	char name[VM_OBJECT_NAME_MAX + 1];
	struct vm_object *vo = make(PG(1), &counted);

	(void)state;
	memset(name, 'n', VM_OBJECT_NAME_MAX);
	name[VM_OBJECT_NAME_MAX] = '\0';
	assert_int_equal(vm_share_publish(vo, name), -ENAMETOOLONG);
	alloc_fail_nth(1);
	assert_int_equal(vm_share_publish(vo, "x"), -ENOMEM);
	alloc_fail_nth(0);
	assert_int_equal(vm_share_publish(vo, "x"), 0);
	vm_object_put(vo);
	assert_int_equal(n_released, 0);
	assert_int_equal(vm_share_withdraw("x"), 0);
	assert_int_equal(n_released, 1);
}

static void every_vmap_counts_also_after_split_and_fork(void **state)
{
	struct vm_object *vo = make(PG(4), &counted);
	struct mm_context *child;

	(void)state;
	map_at(vo, AT, RW);
	assert_int_equal(vo->vo_nmaps, 1);
	assert_int_equal(munmap(ctx, AT + PG(1), PG(1)), 0);
	assert_int_equal(vo->vo_nmaps, 2);
	assert_int_equal(n_mapped - n_unmapped, 2);
	child = mm_fork_context(ctx);
	assert_false(IS_ERR(child));
	assert_int_equal(vo->vo_nmaps, 4);
	mm_put_context(child);
	assert_int_equal(vo->vo_nmaps, 2);
	assert_int_equal(n_mapped - n_unmapped, 2);
	vm_object_put(vo);
	assert_int_equal(n_released, 0);
	assert_int_equal(munmap(ctx, AT, PG(4)), 0);
	assert_int_equal(n_mapped, n_unmapped);
	assert_int_equal(n_released, 1);
}

static void counted_areas_are_not_merged_others_are(void **state)
{
	struct vm_object *vo = make(PG(4), &counted), *plain = make(PG(4), NULL);

	(void)state;
	map_at(vo, AT, RW);
	map_at(plain, AT + PG(8), RW);
	assert_int_equal(vm_protect(ctx, AT + PG(1), PG(1), VM_READ, false), 0);
	assert_int_equal(vm_protect(ctx, AT + PG(1), PG(1), RW, false), 0);
	assert_int_equal(vm_protect(ctx, AT + PG(9), PG(1), VM_READ, false), 0);
	assert_int_equal(vm_protect(ctx, AT + PG(9), PG(1), RW, false), 0);
	assert_int_equal(vo->vo_nmaps, 3);
	assert_int_equal(plain->vo_nmaps, 1);
	vm_object_put(vo);
	vm_object_put(plain);
}

static void areas_of_an_opened_object_show_the_same(void **state)
{
	struct vm_object *vo = make(PG(2), NULL), *file = env_file(PG(1));
	vaddr_t a, b, c;

	(void)state;
	assert_int_equal(mm_map_shared_area(ctx, vo, 0, RW, false, &a), 0);
	env_write(a + PG(1), 7);
	assert_int_equal(vm_share_publish(vo, "x"), 0);
	vm_object_put(vo);
	vo = vm_share_open("x");
	assert_int_equal(mm_map_shared_area(ctx, vo, 0, RW, false, &b), 0);
	assert_true(a != b);
	assert_int_equal(env_read(b + PG(1)), 7);
	assert_int_equal(mm_map_shared_area(ctx, file, 0, VM_READ, false, &c), 0);
	assert_int_equal(env_read(c), file_byte(0));
	vm_object_put(vo);
	assert_int_equal(vm_share_withdraw("x"), 0);
	mm_clear_context(ctx);
	env_file_end(file);
}

static void an_area_without_write_never_gets_it(void **state)
{
	struct vm_object *vo = make(PG(1), NULL);

	(void)state;
	map_at(vo, AT, VM_READ);
	assert_int_equal(vo->writable_maps, 0);
	assert_int_equal(vm_protect(ctx, AT, PG(1), RW, false), -EACCES);
	vm_object_put(vo);
}

static void an_area_replaces_only_when_it_is_told_to(void **state)
{
	struct vm_object *vo = make(PG(2), NULL);
	vaddr_t got;

	(void)state;
	env_map_at(AT, PG(3), RW);
	env_write(AT + PG(1), 5);
	assert_int_equal(mm_map_shared_area(ctx, vo, AT, RW, false, &got), -EEXIST);
	assert_int_equal(env_read(AT + PG(1)), 5);
	assert_int_equal(mm_map_shared_area(ctx, vo, AT, RW, true, &got), 0);
	assert_int_equal(env_read(AT + PG(1)), 0);
	vm_object_put(vo);
}

static void all_that_is_left_of_an_area_goes(void **state)
{
	struct vm_object *vo = make(PG(8), &counted), *two = make(PG(8), &counted);
	vaddr_t moved;

	(void)state;
	map_at(vo, AT, RW);
	map_at(vo, AT + PG(8), RW); /* the same object beside it: none of the area */
	assert_int_equal(munmap(ctx, AT, PG(1)), 0);
	assert_int_equal(munmap(ctx, AT + PG(3), PG(2)), 0);
	env_map_at(AT + PG(3), PG(1), RW);
	env_write(AT + PG(3), 9);
	map_at(two, AT + PG(16), RW);
	assert_int_equal(mm_remap(ctx, AT + PG(6), PG(1), PG(1), MREMAP_MAYMOVE | MREMAP_FIXED,
				 AT + PG(32), &moved),
		0);
	assert_int_equal(mm_unmap_shared_area(ctx, AT, &other_kind), -EINVAL);
	assert_int_equal(mm_unmap_shared_area(ctx, AT + 1, &counted), -EINVAL);
	assert_int_equal(mm_unmap_shared_area(ctx, AT + PG(1), &counted), -EINVAL);
	assert_int_equal(mm_unmap_shared_area(ctx, AT, &counted), 0);
	assert_int_equal(env_read(AT + PG(1)), -EFAULT);
	assert_int_equal(env_read(AT + PG(7)), -EFAULT);
	assert_int_equal(env_read(AT + PG(3)), 9);
	assert_int_equal(env_read(AT + PG(8)), 0);
	assert_int_equal(vo->vo_nmaps, 2); /* the other area, and the page that moved */
	assert_int_equal(two->vo_nmaps, 1);
	assert_int_equal(mm_unmap_shared_area(ctx, AT, &counted), -EINVAL);
	vm_object_put(vo);
	vm_object_put(two);
}

static void a_sealed_part_keeps_the_whole_area(void **state)
{
	struct vm_object *vo = make(PG(4), &counted);
	struct vmap *vm;

	(void)state;
	map_at(vo, AT, RW);
	assert_int_equal(munmap(ctx, AT + PG(1), PG(1)), 0);
	rw_write_lock(&ctx->mm_lock);
	vm = vmap_find(ctx, AT + PG(2));
	vmap_set_flags(vm, vm->vmflags | VM_SEALED);
	rw_write_unlock(&ctx->mm_lock);
	assert_int_equal(mm_unmap_shared_area(ctx, AT, &counted), -EPERM);
	assert_int_equal(vo->vo_nmaps, 2);
	vm_object_put(vo);
}

static void who_is_denied_writes_is_mapped_for_reading_only(void **state)
{
	struct vm_object *vo = make(PG(2), NULL);
	struct mm_context *child;
	vaddr_t va;

	(void)state;
	map_at(vo, AT, RW);
	assert_int_equal(vm_object_deny_write(vo), -EBUSY);
	assert_int_equal(vm_protect(ctx, AT, PG(2), VM_READ, false), 0);
	assert_int_equal(vm_object_deny_write(vo), -EBUSY);
	child = mm_fork_context(ctx);
	assert_int_equal(munmap(ctx, AT, PG(2)), 0);
	assert_int_equal(vm_object_deny_write(vo), -EBUSY);
	mm_put_context(child);
	assert_int_equal(vm_object_claim_write(vo), 0);
	assert_int_equal(vm_object_deny_write(vo), -EBUSY);
	vm_object_unclaim_write(vo);
	assert_int_equal(vo->writable_maps, 0);
	assert_int_equal(vm_object_deny_write(vo), 0);
	assert_int_equal(vm_object_claim_write(vo), -EPERM);
	assert_int_equal(mm_map_shared_area(ctx, vo, AT, RW, false, &va), -EPERM);
	assert_int_equal(vo->refs, 1);
	map_at(vo, AT, VM_READ);
	assert_int_equal(vm_protect(ctx, AT, PG(1), RW, false), -EACCES);
	vm_object_put(vo);
}

static void a_page_that_io_works_on_is_not_sealed(void **state)
{
	struct vm_object *vo = make(PG(2), NULL);
	struct page *pg;

	(void)state;
	assert_int_equal(cache_get(vo, 1, 0, &pg), 0);
	assert_int_equal(vm_object_deny_write(vo), -EBUSY);
	cache_put(pg);
	assert_int_equal(vm_object_deny_write(vo), 0);
	vm_object_put(vo);
}

static void a_hole_takes_pages_and_translations_and_spares_copies(void **state)
{
	struct vm_object *vo = make(PG(8), NULL);
	struct mm_map_request own = {.kind = MM_AREA_FILE,
		.vaddr = AT + PG(16),
		.len = PG(8),
		.vmflags = RW,
		.map_flags = MM_MAP_EXACT,
		.object = vo};
	vaddr_t va;

	(void)state;
	map_at(vo, AT, RW);
	assert_int_equal(mm_map(ctx, &own, &va), 0);
	for (unsigned i = 0; i < 8; i++)
		env_write(AT + PG(i) + 50, 1);
	env_write(va + PG(3), 9);
	assert_int_equal(env_read(va + PG(4) + 50), 1);
	assert_int_equal(cache_count_resident(vo, 0, 7), 8);
	assert_int_equal(cache_punch(vo, PG(1) + 50, PG(6) + 50), 0);
	assert_int_equal(cache_count_resident(vo, 0, 7), 4);
	assert_int_equal(cache_count_resident(vo, 2, 5), 0);
	assert_int_equal(env_read(AT + PG(1) + 50), 0);
	assert_int_equal(env_read(AT + PG(6) + 50), 1);
	assert_int_equal(env_read(AT + PG(3) + 50), 0);
	assert_int_equal(env_read(va + PG(3)), 9);
	assert_int_equal(env_read(va + PG(3) + 50), 1);
	assert_int_equal(env_read(va + PG(4) + 50), 0);
	assert_int_equal(cache_punch(vo, PG(6) + 40, PG(6) + 51), 0);
	assert_int_equal(env_read(AT + PG(6) + 50), 0);
	assert_int_equal(cache_punch(vo, 0, PG(100)), 0);
	assert_int_equal(cache_count_resident(vo, 0, UINT64_MAX), 0);
	env_write(AT, 3);
	assert_int_equal(mm_advise(ctx, AT, PG(1), MADV_REMOVE), 0);
	assert_int_equal(cache_count_resident(vo, 0, UINT64_MAX), 0);
	assert_int_equal(mm_advise(ctx, va, PG(1), MADV_REMOVE), -EACCES);
	env_write(AT, 3);
	vm_object_deny_holes(vo);
	assert_int_equal(cache_punch(vo, 0, PG(1)), -EPERM);
	assert_int_equal(mm_advise(ctx, AT, PG(1), MADV_REMOVE), -EPERM);
	assert_int_equal(env_read(AT), 3);
	vm_object_put(vo);
}

static void a_sealed_range_keeps_its_place_and_its_neighbours_do_not(void **state)
{
	(void)state;
	env_map_at(AT, PG(6), RW);
	env_write(AT + PG(2), 2);
	assert_int_equal(munmap(ctx, AT + PG(5), PG(1)), 0);
	assert_int_equal(mm_seal(ctx, AT + 1, PG(1)), -EINVAL);
	assert_int_equal(mm_seal(ctx, AT, UINT64_MAX), -EINVAL);
	assert_int_equal(mm_seal(ctx, AT, -PG(1)), -EINVAL);
	assert_int_equal(mm_seal(ctx, AT, PG(6)), -ENOMEM);
	assert_int_equal(env_vmaps(), 1);
	assert_int_equal(mm_seal(ctx, AT, 0), 0);
	assert_int_equal(mm_seal(ctx, AT + PG(1), PG(1)), 0);
	assert_int_equal(mm_seal(ctx, AT + PG(2), PG(1) + 1), 0);
	assert_int_equal(env_vmaps(), 3);
	assert_int_equal(munmap(ctx, AT, PG(5)), -EPERM);
	assert_int_equal(vm_protect(ctx, AT, PG(5), VM_READ, false), -EPERM);
	assert_int_equal(env_read(AT + PG(2)), 2);
	assert_int_equal(munmap(ctx, AT, PG(1)), 0);
	assert_int_equal(munmap(ctx, AT + PG(4), PG(1)), 0);
	assert_int_equal(env_vmaps(), 1);
}

static void sealing_without_memory_changes_nothing(void **state)
{
	int err = -ENOMEM;

	(void)state;
	env_map_at(AT, PG(6), RW);
	for (unsigned n = 1; err; n++) {
		alloc_fail_nth(n);
		err = mm_seal(ctx, AT + PG(1), PG(2));
		alloc_fail_nth(0);
		assert_true(err == 0 || err == -ENOMEM);
		assert_int_equal(env_vmaps(), err ? 1 : 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(a_name_leads_to_its_object_until_it_is_withdrawn),
		env_test(a_name_may_be_the_last_that_holds_an_object),
		env_test(every_vmap_counts_also_after_split_and_fork),
		env_test(counted_areas_are_not_merged_others_are),
		env_test(areas_of_an_opened_object_show_the_same),
		env_test(an_area_without_write_never_gets_it),
		env_test(an_area_replaces_only_when_it_is_told_to),
		env_test(all_that_is_left_of_an_area_goes),
		env_test(a_sealed_part_keeps_the_whole_area),
		env_test(who_is_denied_writes_is_mapped_for_reading_only),
		env_test(a_page_that_io_works_on_is_not_sealed),
		env_test(a_hole_takes_pages_and_translations_and_spares_copies),
		env_test(a_sealed_range_keeps_its_place_and_its_neighbours_do_not),
		env_test(sealing_without_memory_changes_nothing),
	};

	return cmocka_run_group_tests_name("share", tests, env_machine, NULL);
}
