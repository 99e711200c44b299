/* Page faults: each kind of memory, rights, neighbours, errors, memory that runs out. */
#include "mm_env.h"

#include "mm/access.h"
#include "mm/cow.h"

static vaddr_t map_object(struct vm_object *vo, vm_flags_t rights, unsigned flags, uint64_t len)
{
	struct mm_map_request rq = {
		.kind = vo->kind == VMO_FILE ? MM_AREA_FILE : MM_AREA_NORMAL,
		.len = len,
		.vmflags = rights,
		.map_flags = flags,
		.content = VMAP_FILE,
		.object = vo,
	};
	vaddr_t va;

	assert_int_equal(mm_map(ctx, &rq, &va), 0);
	return va;
}

static void untouched_memory_reads_as_zero_without_a_frame(void **state)
{
	vaddr_t va = env_map(PG(8), RW);
	struct mm_rss rss;

	(void)state;
	assert_int_equal(env_read(va + 5), 0);
	mm_context_rss(ctx, &rss);
	assert_int_equal(rss.anon, 0);
}

static void a_write_after_a_read_of_the_zero_page_stays(void **state)
{
	vaddr_t va = env_map(PG(8), RW);

	(void)state;
	assert_int_equal(env_read(va), 0);
	assert_int_equal(env_write(va, 7), 0);
	assert_int_equal(env_read(va), 7);
	assert_int_equal(env_read(va + 1), 0);
	assert_int_equal(env_read(va + PAGE_SIZE), 0);
}

static void nothing_mapped_is_efault_and_missing_rights_are_eacces(void **state)
{
	vaddr_t ro = env_map(PG(1), VM_READ), none = env_map(PG(1), 0);

	(void)state;
	assert_int_equal(env_read(0x5000), -EFAULT);
	assert_int_equal(env_write(ro, 1), -EACCES);
	assert_int_equal(env_read(none), -EACCES);
	assert_int_equal(mm_handle_fault(ctx, ro, VM_EXEC), -EACCES);
}

static void write_only_memory_can_be_read(void **state)
{
	vaddr_t va = env_map(PG(1), VM_WRITE);

	(void)state;
	assert_int_equal(env_read(va), 0);
	assert_int_equal(env_write(va, 3), 0);
	assert_int_equal(env_read(va), 3);
}

static void dropped_translations_come_back(void **state)
{
	vaddr_t va = env_map(PG(64), RW);
	struct tlb_batch tb;

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(env_write(va + PG(i), i), 0);
	rw_write_lock(&ctx->mm_lock);
	tlb_batch_init(&tb, &ctx->pmap);
	pmap_remove_all(&ctx->pmap, &tb);
	tlb_batch_finish(&tb);
	rw_write_unlock(&ctx->mm_lock);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(env_read(va + PG(i)), i);
}

static void a_read_enters_the_resident_neighbours(void **state)
{
	vaddr_t va = env_map_at(0x40000000, PG(64), RW);
	struct tlb_batch tb;

	(void)state;
	for (unsigned i = 0; i < 32; i++)
		env_write(va + PG(i), i);
	rw_write_lock(&ctx->mm_lock);
	tlb_batch_init(&tb, &ctx->pmap);
	pmap_remove_all(&ctx->pmap, &tb);
	tlb_batch_finish(&tb);
	rw_write_unlock(&ctx->mm_lock);
	env_read(va);
	assert_true(pmap_query(&ctx->pmap, va + PG(31)).present);
	assert_false(pmap_query(&ctx->pmap, va + PG(32)).present);
}

static void a_private_file_shows_the_cache_until_it_is_written(void **state)
{
	struct vm_object *vo = env_file(PG(4));
	vaddr_t priv = map_object(vo, RW, 0, PG(4)),
		shared = map_object(vo, RW, MM_MAP_SHARED, PG(4));

	(void)state;
	assert_int_equal(env_read(priv + 10), file_byte(10));
	assert_int_equal(env_write(shared + 10, 200), 0);
	assert_int_equal(env_read(priv + 10), 200);
	assert_int_equal(env_write(priv + 10, 100), 0);
	assert_int_equal(env_read(shared + 10), 200);
	assert_int_equal(env_write(shared + 10, 201), 0);
	assert_int_equal(env_read(priv + 10), 100);
	assert_int_equal(munmap(ctx, priv, PG(4)), 0);
	assert_int_equal(munmap(ctx, shared, PG(4)), 0);
	env_file_end(vo);
}

static void a_shared_write_makes_the_page_dirty_and_write_back_lowers_it(void **state)
{
	struct vm_object *vo = env_file(PG(2));
	vaddr_t va = map_object(vo, RW, MM_MAP_SHARED, PG(2));

	(void)state;
	env_read(va);
	assert_false(pmap_query(&ctx->pmap, va).rights & VM_WRITE);
	env_write(va, 1);
	assert_int_equal(vo->ndirty, 1);
	assert_int_equal(cache_write_back(vo, 0, UINT64_MAX), 0);
	assert_int_equal(vo->ndirty, 0);
	assert_false(pmap_query(&ctx->pmap, va).rights & VM_WRITE);
	env_write(va, 2);
	assert_int_equal(vo->ndirty, 1);
	assert_int_equal(munmap(ctx, va, PG(2)), 0);
	env_file_end(vo);
}

static void past_the_end_of_a_file_is_a_bus_error(void **state)
{
	struct vm_object *vo = env_file(PG(2) + 100);
	vaddr_t priv = map_object(vo, RW, 0, PG(8)),
		shared = map_object(vo, RW, MM_MAP_SHARED, PG(8));

	(void)state;
	assert_int_equal(env_read(priv + PG(2) + 99), file_byte(PG(2) + 99));
	assert_int_equal(env_read(priv + PG(2) + 100), 0);
	assert_int_equal(env_read(priv + PG(3)), -ENXIO);
	assert_int_equal(env_write(shared + PG(3), 1), -ENXIO);
	assert_int_equal(munmap(ctx, priv, PG(8)), 0);
	assert_int_equal(munmap(ctx, shared, PG(8)), 0);
	env_file_end(vo);
}

static void truncate_takes_private_copies_too(void **state)
{
	struct vm_object *vo = env_file(PG(4));
	vaddr_t va = map_object(vo, RW, 0, PG(4));

	(void)state;
	env_write(va + PG(3), 77);
	env_write(va, 78);
	cache_truncate(vo, PG(1));
	assert_int_equal(env_read(va + PG(3)), -ENXIO);
	assert_int_equal(env_read(va), 78);
	cache_truncate(vo, PG(4));
	assert_int_equal(env_read(va + PG(3)), file_byte(PG(3)));
	assert_int_equal(munmap(ctx, va, PG(4)), 0);
	env_file_end(vo);
}

/* The tail of an image must not reach the page cache. */
static void an_image_reads_zero_behind_its_length_and_leaves_the_cache_alone(void **state)
{
	struct vm_object *vo = env_file(PG(3));
	struct mm_map_request rq = {
		.kind = MM_AREA_IMAGE,
		.len = PG(4),
		.vmflags = RW,
		.content = VMAP_IMAGE,
		.object = vo,
		.file_len = PG(1) + 50,
	};
	struct page *pg;
	vaddr_t va;

	(void)state;
	assert_int_equal(mm_map(ctx, &rq, &va), 0);
	assert_int_equal(env_read(va + PG(1) + 49), file_byte(PG(1) + 49));
	assert_int_equal(env_read(va + PG(1) + 50), 0);
	assert_int_equal(env_write(va + PG(1) + 60, 9), 0);
	assert_int_equal(env_read(va + PG(3)), 0);
	assert_int_equal(cache_get(vo, 1, 0, &pg), 0);
	assert_int_equal(((uint8_t *)page_virt(pg))[50], file_byte(PG(1) + 50));
	assert_int_equal(((uint8_t *)page_virt(pg))[60], file_byte(PG(1) + 60));
	cache_put(pg);
	assert_int_equal(munmap(ctx, va, PG(4)), 0);
	env_file_end(vo);
}

/* A program that runs from tmpfs. */
static void an_image_of_a_zero_object_has_a_length_too(void **state)
{
	struct vm_object *vo = vm_object_create("tmpfs", PG(2), VM_RIGHTS);
	vaddr_t shared = map_object(vo, RW, MM_MAP_SHARED, PG(2)), va;
	struct mm_map_request rq = {
		.kind = MM_AREA_IMAGE,
		.len = PG(4),
		.vmflags = RW,
		.content = VMAP_IMAGE,
		.object = vo,
		.file_len = PG(1) + 50,
	};

	(void)state;
	assert_int_equal(env_write(shared + PG(1) + 49, 5), 0);
	assert_int_equal(env_write(shared + PG(1) + 50, 6), 0);
	assert_int_equal(mm_map(ctx, &rq, &va), 0);
	assert_int_equal(env_read(va + PG(1) + 49), 5);
	assert_int_equal(env_read(va + PG(1) + 50), 0);
	assert_int_equal(env_write(va + PG(1) + 60, 9), 0);
	assert_int_equal(env_read(shared + PG(1) + 60), 0);
	assert_int_equal(env_read(va + PG(2)), 0);
	assert_int_equal(env_write(va + PG(3), 7), 0);
	assert_int_equal(env_read(va + PG(3)), 7);
	vm_object_put(vo);
}

static void shared_anonymous_memory_is_one_for_all_its_maps(void **state)
{
	struct vm_object *vo = vm_object_create("shm", PG(4), VM_RIGHTS);
	vaddr_t a = map_object(vo, RW, MM_MAP_SHARED, PG(4)),
		b = map_object(vo, RW, MM_MAP_SHARED, PG(4));

	(void)state;
	assert_int_equal(env_read(b), 0);
	env_write(a + 3, 42);
	assert_int_equal(env_read(b + 3), 42);
	vm_object_put(vo);
}

static void a_physical_range_shows_its_frames(void **state)
{
	struct page *pg = page_alloc(0, ALLOC_ZERO);
	struct mm_map_request rq = {
		.kind = MM_AREA_MAP,
		.len = PAGE_SIZE,
		.vmflags = RW,
		.content = VMAP_DEVICE,
		.pa = page_phys(pg),
	};
	vaddr_t va;

	(void)state;
	assert_int_equal(mm_map(ctx, &rq, &va), 0);
	env_write(va + 9, 5);
	assert_int_equal(((uint8_t *)page_virt(pg))[9], 5);
	assert_int_equal(munmap(ctx, va, PAGE_SIZE), 0);
	page_free(pg, 0);
}

static int give_page(void *cookie, struct vmap *vm, vaddr_t va, bool write, struct page **out)
{
	(void)vm;
	if (write || va & PG(1))
		return -EFAULT;
	*out = cookie;
	return 0;
}

static void a_callback_supplies_its_pages(void **state)
{
	struct page *pg = page_alloc(0, ALLOC_ZERO);
	struct mm_map_request rq = {
		.kind = MM_AREA_CALLBACK,
		.vaddr = 0x40000000,
		.len = PG(2),
		.vmflags = VM_READ,
		.handler = give_page,
		.cookie = pg,
	};
	vaddr_t va;

	(void)state;
	memset(page_virt(pg), 3, PAGE_SIZE);
	assert_int_equal(mm_map(ctx, &rq, &va), 0);
	assert_int_equal(env_read(va), 3);
	assert_int_equal(env_read(va + PG(1)), -EFAULT);
	assert_int_equal(munmap(ctx, va, PG(2)), 0);
	page_free(pg, 0);
}

static void every_allocation_of_a_fault_may_fail(void **state)
{
	vaddr_t va = env_map(PG(4), RW);

	(void)state;
	for (unsigned n = 1;; n++) {
		int err;

		assert_true(n < 50);
		alloc_fail_nth(n);
		err = env_write(va, 9);
		alloc_fail_nth(0);
		if (!err)
			break;
		assert_int_equal(err, -ENOMEM);
	}
	assert_int_equal(env_read(va), 9);
}

/*
 * What only lies below is nobody's own: reading all of a sparse area through pins takes no memory.
 */
static void a_pin_for_reading_leaves_the_lower_layer(void **state)
{
	struct vm_object *vo = env_file(PG(1));
	vaddr_t zero = env_map(PG(2), RW), file = map_object(vo, RW, 0, PG(1));
	struct page *pg, *own;

	(void)state;
	assert_int_equal(mm_pin_page(ctx, zero, VM_READ, &pg), 0);
	assert_ptr_equal(pg, cow_zero_page);
	mm_unpin_page(ctx, pg);
	assert_int_equal(mm_pin_page(ctx, file, VM_READ, &pg), 0);
	assert_ptr_equal(pg->owner, vo);
	assert_int_equal(ctx->pins, 0);
	/* A write leaves the page that is pinned. */
	assert_int_equal(env_write(file, 77), 0);
	assert_int_equal(((uint8_t *)page_virt(pg))[0], file_byte(0));
	assert_int_equal(mm_pin_page(ctx, file, VM_READ, &own), 0);
	assert_int_equal(((uint8_t *)page_virt(own))[0], 77);
	assert_int_equal(ctx->pins, 1);
	mm_unpin_page(ctx, own);
	mm_unpin_page(ctx, pg);
	assert_int_equal(munmap(ctx, zero, PG(2)), 0);
	assert_int_equal(munmap(ctx, file, PG(1)), 0);
	env_file_end(vo);
}

static void a_pin_for_reading_makes_the_page_our_own(void **state)
{
	vaddr_t va = env_map(PG(2), RW);
	struct mm_context *child;
	struct page *pg;

	(void)state;
	assert_int_equal(env_write(va, 54), 0);
	child = mm_fork_context(ctx);
	assert_false(IS_ERR(child));
	assert_int_equal(mm_pin_page(ctx, va, VM_READ, &pg), 0);
	assert_int_equal(page_shares(pg), 1);
	assert_int_equal(ctx->pins, 1);
	mm_put_context(child);
	((uint8_t *)page_virt(pg))[0] = 55;
	assert_int_equal(env_read(va), 55);
	/* The frame outlives its mapping as long as it is pinned. */
	assert_int_equal(munmap(ctx, va, PG(2)), 0);
	assert_int_equal(((uint8_t *)page_virt(pg))[0], 55);
	mm_unpin_page(ctx, pg);
	assert_int_equal(ctx->pins, 0);
}

static void forced_writes_go_to_private_copies_only(void **state)
{
	struct vm_object *vo = env_file(PG(1));
	vaddr_t priv = map_object(vo, VM_READ, 0, PG(1)),
		shared = map_object(vo, VM_READ, MM_MAP_SHARED, PG(1));
	uint8_t b = 250;

	(void)state;
	assert_int_equal(mm_access(ctx, priv, &b, 1, true, false), -EFAULT);
	assert_int_equal(mm_access(ctx, shared, &b, 1, true, true), -EFAULT);
	assert_int_equal(mm_access(ctx, priv, &b, 1, true, true), 1);
	assert_int_equal(env_read(priv), 250);
	assert_int_equal(env_read(shared), file_byte(0));
	assert_int_equal(env_write(priv, 1), -EACCES);
	assert_int_equal(munmap(ctx, priv, PG(1)), 0);
	assert_int_equal(munmap(ctx, shared, PG(1)), 0);
	env_file_end(vo);
}

static void futex_keys_name_the_memory(void **state)
{
	struct vm_object *vo = vm_object_create("shm", PG(2), VM_RIGHTS);
	vaddr_t a = map_object(vo, RW, MM_MAP_SHARED, PG(2)),
		b = map_object(vo, RW, MM_MAP_SHARED, PG(2));
	vaddr_t p = env_map(PG(1), RW);
	struct futex_key ka, kb;

	(void)state;
	assert_int_equal(futex_get_key(ctx, a + 8, true, &ka), 0);
	assert_int_equal(futex_get_key(ctx, b + 8, true, &kb), 0);
	assert_true(ka.a == kb.a && ka.b == kb.b && ka.object == vo);
	futex_put_key(&ka);
	futex_put_key(&kb);
	assert_int_equal(futex_get_key(ctx, p + 4, true, &ka), 0);
	assert_int_equal(futex_get_key(ctx, p + 4, false, &kb), 0);
	assert_true(ka.a == kb.a && ka.b == kb.b && !ka.object);
	assert_int_equal(futex_get_key(ctx, p + 2, false, &ka), -EINVAL);
	assert_int_equal(futex_get_key(ctx, 0x1000, true, &ka), -EFAULT);
	vm_object_put(vo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(untouched_memory_reads_as_zero_without_a_frame),
		env_test(a_write_after_a_read_of_the_zero_page_stays),
		env_test(nothing_mapped_is_efault_and_missing_rights_are_eacces),
		env_test(write_only_memory_can_be_read),
		env_test(dropped_translations_come_back),
		env_test(a_read_enters_the_resident_neighbours),
		env_test(a_private_file_shows_the_cache_until_it_is_written),
		env_test(a_shared_write_makes_the_page_dirty_and_write_back_lowers_it),
		env_test(past_the_end_of_a_file_is_a_bus_error),
		env_test(truncate_takes_private_copies_too),
		env_test(an_image_reads_zero_behind_its_length_and_leaves_the_cache_alone),
		env_test(an_image_of_a_zero_object_has_a_length_too),
		env_test(shared_anonymous_memory_is_one_for_all_its_maps),
		env_test(a_physical_range_shows_its_frames),
		env_test(a_callback_supplies_its_pages),
		env_test(every_allocation_of_a_fault_may_fail),
		env_test(a_pin_for_reading_leaves_the_lower_layer),
		env_test(a_pin_for_reading_makes_the_page_our_own),
		env_test(forced_writes_go_to_private_copies_only),
		env_test(futex_keys_name_the_memory),
	};

	return cmocka_run_group_tests_name("fault", tests, env_machine, NULL);
}
