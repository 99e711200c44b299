/*
 * The calls below the edits: placement, the paging API, kinds of area, names for areas, device
 * memory, usage: each with its duty as the header gives it, and its errors.
 */
#include "mm_env.h"

#include "abi/mman.h"
#include "mm/dmabuf.h"
#include "mm/kva.h"
#include "mm/tune.h"
#include "mm/usage.h"

#define AT	    0x40000000ul
#define WINDOW	    0x2000ul /* kept back by boot */
#define HUGE	    (2ul << 20)
#define SETTLE(err) assert_int_equal(err, 0)

static int map(const struct mm_map_request *rq)
{
	vaddr_t va;

	return mm_map(ctx, rq, &va);
}

static int pick(struct mm_pick p, vaddr_t *va)
{
	int err;

	rw_write_lock(&ctx->mm_lock);
	err = mm_pick_vaddr_locked(ctx, &p, va);
	rw_write_unlock(&ctx->mm_lock);
	return err;
}

/*
 * Placement
 */

static void sizes_and_places_that_cannot_be_are_refused(void **state)
{
	vaddr_t va;

	(void)state;
	assert_int_equal(pick((struct mm_pick){.npages = 0}, &va), -ENOMEM);
	assert_int_equal(pick((struct mm_pick){.npages = 1ul << 40}, &va), -ENOMEM);
	assert_int_equal(
		pick((struct mm_pick){.npages = 1, .base = AT + 1, .flags = VALLOC_EXACT}, &va),
		-EINVAL);
	assert_int_equal(
		pick((struct mm_pick){.npages = 2, .base = USER_MAX - PG(1), .flags = VALLOC_EXACT},
			&va),
		-EINVAL);
	rw_write_lock(&ctx->mm_lock);
	assert_int_equal(PTR_ERR(mm_get_free_vaddr_locked(ctx, 0, 0, VALLOC_DEFAULT)), -ENOMEM);
	alloc_fail_nth(1);
	assert_int_equal(PTR_ERR(mm_get_free_vaddr_locked(ctx, 1, 0, VALLOC_DEFAULT)), -ENOMEM);
	rw_write_unlock(&ctx->mm_lock);
}

static void a_hint_is_taken_or_the_next_room_above_it(void **state)
{
	vaddr_t va;

	(void)state;
	env_map_at(AT, PG(4), RW);
	env_map_at(AT + PG(6), PG(4), RW);
	assert_int_equal(pick((struct mm_pick){.npages = 2, .base = AT - PG(2)}, &va), 0);
	assert_int_equal(va, AT - PG(2));
	assert_int_equal(pick((struct mm_pick){.npages = 2, .base = AT - PG(2) + 1}, &va), 0);
	assert_int_equal(va, AT + PG(4));
	assert_int_equal(pick((struct mm_pick){.npages = 3, .base = AT + PG(1)}, &va), 0);
	assert_int_equal(va, AT + PG(10));
	/* A hint below the lowest address, and one with no room above it. */
	assert_int_equal(pick((struct mm_pick){.npages = 1, .base = PG(1)}, &va), 0);
	assert_int_equal(va, MM_MMAP_MIN);
	assert_int_equal(pick((struct mm_pick){.npages = 4, .base = USER_MAX - PG(2)}, &va), 0);
	assert_int_equal(va, ctx->mmap_top - PG(4));
	/* An upper border that the hint has passed already. */
	assert_int_equal(
		pick((struct mm_pick){.npages = 1, .base = 1ul << 40, .high = AT}, &va), 0);
	assert_int_equal(va, AT - PG(1));
}

/* All holes above the hint, in the order of addresses: the first that fits is found. */
static void room_above_a_hint_is_the_nearest(void **state)
{
	vaddr_t va;

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		env_map_at(AT + PG(20 * i), PG(20 - i % 13), i % 2 ? RW : VM_READ);
	for (unsigned n = 1; n < 13; n++) {
		for (unsigned from = 0; from < 150; from += 7) {
			unsigned i = from;

			while (i % 13 < n)
				i++;
			assert_int_equal(
				pick((struct mm_pick){.npages = n, .base = AT + PG(20 * from)},
					&va),
				0);
			assert_int_equal(va, AT + PG(20 * i + 20 - i % 13));
		}
	}
}

static void congruent_places_are_a_wish(void **state)
{
	vaddr_t va;

	(void)state;
	assert_int_equal(pick((struct mm_pick){.npages = 9, .congruent = PG(77)}, &va), 0);
	assert_int_equal(va % HUGE, PG(77));
	assert_int_equal(
		pick((struct mm_pick){.npages = 9, .base = AT + PG(78), .congruent = PG(77)}, &va),
		0);
	assert_int_equal(va, AT + PG(78));
	env_map_at(AT + PG(78), PG(1), RW);
	assert_int_equal(
		pick((struct mm_pick){.npages = 9, .base = AT + PG(78), .congruent = PG(77)}, &va),
		0);
	assert_int_equal(va, AT + HUGE + PG(77));
	/* Holes that have no such place: any other then. */
	env_map_at(MM_MMAP_MIN, USER_MAX - MM_MMAP_MIN, VM_NORESERVE);
	assert_int_equal(munmap(ctx, AT + PG(100), PG(30)), 0);
	assert_int_equal(pick((struct mm_pick){.npages = 9, .congruent = PG(77)}, &va), 0);
	assert_int_equal(va, AT + PG(121));
	assert_int_equal(
		pick((struct mm_pick){.npages = 9, .base = AT, .congruent = PG(77)}, &va), 0);
	assert_int_equal(va, AT + PG(100));
	assert_int_equal(pick((struct mm_pick){.npages = 31}, &va), -ENOMEM);
	assert_int_equal(pick((struct mm_pick){.npages = 31, .base = AT}, &va), -ENOMEM);
	assert_int_equal(pick((struct mm_pick){.npages = 30, .high = AT + PG(129)}, &va), -ENOMEM);
	assert_int_equal(pick((struct mm_pick){.npages = 29, .high = AT + PG(129)}, &va), 0);
	assert_int_equal(va, AT + PG(100));
}

static void above_the_top_is_used_when_all_below_is_taken(void **state)
{
	vaddr_t va;

	(void)state;
	env_map_at(MM_MMAP_MIN, ctx->mmap_top - MM_MMAP_MIN, VM_NORESERVE);
	assert_int_equal(pick((struct mm_pick){.npages = 5}, &va), 0);
	assert_int_equal(va, USER_MAX - PG(5));
	assert_int_equal(pick((struct mm_pick){.npages = 5, .high = 1ul << 31}, &va), -ENOMEM);
}

static void map_32bit_stays_below_2_gib(void **state)
{
	vaddr_t va;

	(void)state;
	assert_int_equal(mmap_anonymous(ctx, 0, PG(3), RW, MM_MAP_BELOW_4G, &va), 0);
	assert_int_equal(va, (1ul << 31) - PG(3));
}

static void a_free_gap_in_front_of_a_stack_is_its_guard(void **state)
{
	vaddr_t va;

	(void)state;
	env_map_at(MM_MMAP_MIN, USER_MAX - MM_MMAP_MIN, VM_NORESERVE);
	assert_int_equal(munmap(ctx, AT, PG(400)), 0);
	env_map_at(AT + PG(300), PG(100), RW | VM_GROWSDOWN);
	assert_int_equal(pick((struct mm_pick){.npages = 44}, &va), 0);
	assert_int_equal(va, AT);
	assert_int_equal(pick((struct mm_pick){.npages = 45}, &va), -ENOMEM);
	assert_int_equal(pick((struct mm_pick){.npages = 45, .base = AT}, &va), -ENOMEM);
}

/*
 * The paging API
 */

static void pages_are_found_mapped_and_present(void **state)
{
	vaddr_t va = env_map(PG(2), RW);
	paddr_t pa;

	(void)state;
	env_write(va, 3);
	rw_write_lock(&ctx->mm_lock);
	assert_true(mm_get_is_mapped_locked(ctx, va + PG(1)));
	assert_false(mm_get_is_mapped_locked(ctx, va + PG(2)));
	assert_true(mm_get_is_present_locked(ctx, va));
	assert_false(mm_get_is_present_locked(ctx, va + PG(1)));
	rw_write_unlock(&ctx->mm_lock);
	assert_int_equal(mm_get_phys_addr(ctx, va + 77, &pa), 0);
	assert_int_equal(*(uint8_t *)phys_to_virt(pa - 77), 3);
	assert_int_equal(mm_get_phys_addr(ctx, va + PG(1), &pa), -EFAULT);
}

static void kernel_pages_are_mapped_in_the_kernel_half_only(void **state)
{
	vaddr_t va = KVA_BASE + (64ul << 20);
	paddr_t pa;

	(void)state;
	assert_int_equal(mm_map_kernel_pages(ctx, va + 1, 2, 1, VM_READ), -EINVAL);
	assert_int_equal(mm_map_kernel_pages(ctx, AT, 2, 1, VM_READ), -EINVAL);
	assert_int_equal(mm_map_kernel_pages(ctx, va, 2, 2, RW), 0);
	assert_true(pmap_kernel_query(va + PG(1) + 5, &pa));
	assert_int_equal(pa, PG(3) + 5);
	pmap_kernel_unmap(va, 2);
	assert_int_equal(pmap_kernel_trim(va, va + PG(2)) > 0, 1);
}

static struct page *block_of(unsigned order, uint32_t type)
{
	struct page *pg = page_alloc(order, ALLOC_ZERO);

	for (unsigned i = 0; i < 1u << order; i++) {
		WRITE_ONCE(pg[i].flags, type);
		page_share(&pg[i]);
	}
	return pg;
}

static struct vmap *donate(vaddr_t va, struct page *pg, vm_flags_t rights, vmap_type_t type)
{
	struct vmap *vm =
		mm_map_user_pages(ctx, va, page_pfn(pg), 4, rights, VALLOC_EXACT, type, VMAP_DMA);

	return vm;
}

static void frames_that_are_given_belong_to_the_mapping(void **state)
{
	struct page *pg = block_of(2, PG_KERNEL), *other = block_of(2, PG_ANON);
	struct vmap *vm;

	(void)state;
	vm = donate(AT, pg, RW, VMAP_TYPE_PRIVATE);
	assert_int_equal(vm->content, VMAP_DMA);
	rw_write_lock(&ctx->mm_lock);
	assert_true(mm_get_is_present_locked(ctx, AT + PG(3)));
	rw_write_unlock(&ctx->mm_lock);
	assert_int_equal(env_write(AT + PG(2), 5), 0);
	assert_int_equal(*(uint8_t *)page_virt(&pg[2]), 5);
	assert_int_equal(PTR_ERR(donate(AT + PG(3), other, RW, VMAP_TYPE_PRIVATE)), -EEXIST);
	donate(AT + PG(10), other, VM_READ, VMAP_TYPE_PRIVATE);
	assert_int_equal(env_write(AT + PG(10), 1), -EACCES);
	/* No rights: nothing to enter. */
	pg = block_of(2, PG_KERNEL);
	donate(AT + PG(20), pg, 0, VMAP_TYPE_SHARED);
	assert_int_equal(env_read(AT + PG(20)), -EACCES);
	mm_clear_context(ctx);
	pg = block_of(2, PG_KERNEL);
	donate(AT, pg, VM_READ, VMAP_TYPE_SHARED);
	*(uint8_t *)page_virt(&pg[1]) = 9;
	assert_int_equal(env_read(AT + PG(1)), 9);
}

static int replace(vaddr_t va, struct page *pg, vm_flags_t rights)
{
	int err;

	rw_write_lock(&ctx->mm_lock);
	err = mm_replace_page_locked(ctx, va, page_pfn(pg), rights);
	rw_write_unlock(&ctx->mm_lock);
	return err;
}

static void a_page_is_replaced_and_the_old_one_dropped(void **state)
{
	struct page *pg = block_of(0, PG_ANON), *other = block_of(0, PG_ANON);
	struct mm_map_request rq = {
		.kind = MM_AREA_NORMAL, .len = PG(1), .vmflags = RW, .map_flags = MM_MAP_SHARED};
	vaddr_t shared;

	(void)state;
	assert_int_equal(replace(AT, pg, RW), -EINVAL);
	assert_int_equal(mm_map(ctx, &rq, &shared), 0);
	assert_int_equal(replace(shared, pg, RW), -EINVAL);
	env_map_at(AT, PG(2), RW);
	assert_int_equal(replace(AT, pg, RW), 0);
	assert_int_equal(page_shares(pg), 2);
	page_unshare(pg);
	*(uint8_t *)page_virt(pg) = 4;
	*(uint8_t *)page_virt(other) = 6;
	assert_int_equal(env_read(AT), 4);
	assert_int_equal(replace(AT, other, RW), 0);
	page_unshare(other);
	assert_int_equal(env_read(AT), 6);
	assert_int_equal(replace(AT, other, VM_READ), 0);
	assert_int_equal(page_shares(other), 1);
}

static void a_range_is_cloned_into_an_empty_place_only(void **state)
{
	struct mm_context *dst = mm_create_context();
	vaddr_t va = env_map(PG(2), RW), out;
	struct vmap *vm;

	(void)state;
	assert_int_equal(mmap_anonymous(dst, va, PG(1), RW, MM_MAP_FIXED, &out), 0);
	rw_write_lock_pair(&ctx->mm_lock, &dst->mm_lock);
	vm = mm_clone_vmap_locked(vmap_find(ctx, va), dst);
	rw_write_unlock_pair(&ctx->mm_lock, &dst->mm_lock);
	assert_int_equal(PTR_ERR(vm), -EEXIST);
	mm_put_context(dst);
}

static void a_driver_makes_the_backing_of_its_kind(void **state)
{
	struct mm_map_request window = {
		.kind = MM_AREA_MAP, .vaddr = AT, .len = PG(2), .vmflags = RW, .pa = WINDOW};
	struct vm_object *vo;
	vaddr_t va;

	(void)state;
	vo = driver_phys.vm_alloc_at("window", WINDOW, PG(2));
	assert_false(IS_ERR(vo));
	assert_true(vo->kind == VMO_PHYS && vo->vo_flags & VMO_IN_PLACE && vo->base == WINDOW);
	vm_object_put(vo);
	assert_null(driver_anon.vm_alloc(PG(2), VMAP_TYPE_PRIVATE, RW));
	vo = driver_anon.vm_alloc(PG(2), VMAP_TYPE_SHARED, RW);
	assert_false(IS_ERR(vo));
	assert_true(vo->kind == VMO_ZERO && vo->vo_size == PG(2));
	assert_int_equal(vo->charged, 2);
	vm_object_put(vo);
	/* Files and handlers are brought, not made. */
	assert_true(!driver_file.vm_alloc && !driver_callback.vm_alloc && !driver_file.vm_alloc_at);
	alloc_fail_nth(1);
	assert_int_equal(PTR_ERR(driver_phys.vm_alloc_at("window", WINDOW, PG(2))), -ENOMEM);
	alloc_fail_nth(1);
	assert_int_equal(PTR_ERR(driver_anon.vm_alloc(PG(2), VMAP_TYPE_SHARED, RW)), -ENOMEM);

	assert_int_equal(mm_map(ctx, &window, &va), 0);
	assert_int_equal(env_read(va), 0);
	/* What cannot grow says so. */
	assert_int_equal(
		mm_remap(ctx, va, PG(2), PG(3), MREMAP_MAYMOVE, 0, &(vaddr_t){0}), -EFAULT);
	assert_int_equal(mm_remap(ctx, va, PG(2), PG(1), 0, 0, &(vaddr_t){0}), 0);
}

/*
 * Kinds of area
 */

static int no_page(void *cookie, struct vmap *vm, vaddr_t va, bool write, struct page **out)
{
	(void)cookie;
	(void)vm;
	(void)va;
	(void)write;
	(void)out;
	return -EFAULT;
}

static void requests_that_make_no_sense_are_refused(void **state)
{
	struct vm_object *phys = vm_object_create_in_place("phys", WINDOW, PG(4), VM_RIGHTS);
	struct vm_object *ro = vm_object_create("ro", PG(4), VM_READ);
	vaddr_t va;

	(void)state;
	assert_int_equal(map(&(struct mm_map_request){.kind = MM_AREA_FILE, .len = 1}), -EINVAL);
	assert_int_equal(map(&(struct mm_map_request){.kind = MM_AREA_IMAGE, .len = 1}), -EINVAL);
	assert_int_equal(
		map(&(struct mm_map_request){.kind = MM_AREA_CALLBACK, .len = 1}), -EINVAL);
	assert_int_equal(
		map(&(struct mm_map_request){.kind = MM_AREA_NORMAL, .len = 1, .offset = 5}),
		-EINVAL);
	assert_int_equal(map(&(struct mm_map_request){.kind = MM_AREA_FILE,
				 .len = PG(1),
				 .object = ro,
				 .offset = ALIGN_DOWN(INT64_MAX, PAGE_SIZE)}),
		-EOVERFLOW);
	/* A physical range has no private side; an object's rights are a ceiling. */
	assert_int_equal(
		map(&(struct mm_map_request){
			.kind = MM_AREA_FILE, .len = PG(1), .vmflags = RW, .object = phys}),
		-EINVAL);
	assert_int_equal(map(&(struct mm_map_request){.kind = MM_AREA_NORMAL,
				 .len = PG(1),
				 .vmflags = RW,
				 .object = ro,
				 .map_flags = MM_MAP_SHARED}),
		-EACCES);
	assert_int_equal(map(&(struct mm_map_request){.kind = MM_AREA_NORMAL,
				 .len = PG(1),
				 .vmflags = VM_EXEC,
				 .max_prot = VM_READ}),
		-EACCES);
	assert_int_equal(
		mm_map_callback(ctx, &(struct mm_map_request){.len = PG(1), .vmflags = VM_READ},
			no_page, NULL, &va),
		0);
	assert_int_equal(env_read(va), -EFAULT);
	vm_object_put(phys);
	vm_object_put(ro);
}

static void a_private_map_of_what_may_not_be_written_may(void **state)
{
	struct vm_object *ro = vm_object_create("ro", PG(4), VM_READ);
	vaddr_t va;

	(void)state;
	SETTLE(mm_map(ctx,
		&(struct mm_map_request){
			.kind = MM_AREA_NORMAL, .len = PG(1), .vmflags = RW, .object = ro},
		&va));
	assert_int_equal(env_write(va, 2), 0);
	assert_int_equal(vm_protect(ctx, va, PG(1), RW | VM_EXEC, false), -EACCES);
	vm_object_put(ro);
}

static void past_the_end_of_a_window_is_a_bus_error(void **state)
{
	struct vm_object *phys = vm_object_create_in_place("phys", WINDOW, PG(1), VM_RIGHTS);
	vaddr_t va;

	(void)state;
	SETTLE(mm_map(ctx,
		&(struct mm_map_request){.kind = MM_AREA_NORMAL,
			.len = PG(2),
			.vmflags = RW,
			.map_flags = MM_MAP_SHARED,
			.object = phys},
		&va));
	assert_int_equal(env_read(va), 0);
	assert_int_equal(env_read(va + PG(1)), -ENXIO);
	vm_object_put(phys);
}

static unsigned files_got;

static void file_get(void *file)
{
	files_got++;
	*(unsigned *)file += 1;
}

static void file_put(void *file)
{
	*(unsigned *)file -= 1;
}

static const struct vmap_file_ops file_ops = {.get = file_get, .put = file_put};

/* What differs in one attribute stays apart. */
static void neighbours_merge_only_when_they_are_alike(void **state)
{
	struct vm_object *vo = env_file(PG(100));
	unsigned file_a = 0, file_b = 0, cookie;
	struct mm_map_request base = {.kind = MM_AREA_FILE,
		.vaddr = AT,
		.len = PG(1),
		.vmflags = VM_READ,
		.map_flags = MM_MAP_FIXED | MM_MAP_SHARED,
		.content = VMAP_FILE,
		.object = vo,
		.file = &file_a,
		.name = "a"};
	struct mm_map_request other[7];

	(void)state;
	vmap_set_file_ops(&file_ops);
	for (unsigned i = 0; i < ARRAY_SIZE(other); i++) {
		other[i] = base;
		other[i].vaddr += PG(1);
		other[i].offset = PG(1);
	}
	other[0].offset = PG(2);
	other[1].file = &file_b;
	other[2].content = VMAP_MMAP;
	other[3].name = "b";
	other[4].cookie = &cookie;
	other[5].handler = no_page;
	other[6].vmflags = RW;
	for (unsigned i = 0; i < ARRAY_SIZE(other); i++) {
		SETTLE(map(&base));
		SETTLE(map(&other[i]));
		assert_int_equal(env_vmaps(), 2);
		assert_int_equal(munmap(ctx, AT, PG(2)), 0);
	}
	other[0].offset = PG(1);
	SETTLE(map(&base));
	SETTLE(map(&other[0]));
	assert_int_equal(env_vmaps(), 1);
	assert_int_equal(file_a, 1);
	assert_int_equal(munmap(ctx, AT, PG(2)), 0);
	assert_int_equal(file_a + file_b, 0);
	assert_int_equal(files_got, 16);
	env_file_end(vo);
}

static void images_are_cut_and_joined_with_their_length(void **state)
{
	struct vm_object *vo = env_file(PG(8));
	struct mm_map_request rq = {.kind = MM_AREA_IMAGE,
		.vaddr = AT,
		.len = PG(6),
		.vmflags = RW,
		.map_flags = MM_MAP_FIXED,
		.object = vo,
		.file_len = PG(3) + 100};

	(void)state;
	SETTLE(map(&rq));
	assert_int_equal(env_read(AT + PG(3) + 99), file_byte(PG(3) + 99));
	assert_int_equal(env_read(AT + PG(3) + 100), 0);
	assert_int_equal(vm_protect(ctx, AT + PG(2), PG(1), VM_READ, false), 0);
	assert_int_equal(vm_protect(ctx, AT + PG(5), PG(1), VM_READ, false), 0);
	assert_int_equal(vmap_find(ctx, AT + PG(3))->file_len, PG(0) + 100);
	assert_int_equal(vmap_find(ctx, AT + PG(5))->file_len, 0);
	assert_int_equal(env_read(AT + PG(5)), 0);
	assert_int_equal(env_read(AT + PG(2)), file_byte(PG(2)));
	assert_int_equal(vm_protect(ctx, AT, PG(6), RW, false), 0);
	assert_int_equal(env_vmaps(), 1);
	/* Moved up to two of its pages with the end of the file between. */
	assert_int_equal(mm_remap(ctx, AT + PG(2), PG(2), PG(2), MREMAP_MAYMOVE | MREMAP_FIXED,
				 AT + PG(64), &(vaddr_t){0}),
		0);
	assert_int_equal(env_read(AT + PG(64)), file_byte(PG(2)));
	assert_int_equal(env_read(AT + PG(65) + 100), 0);
	assert_int_equal(munmap(ctx, AT, PG(100)), 0);
	env_file_end(vo);
}

static void a_map_of_a_file_is_of_its_kind(void **state)
{
	struct vm_object *vo = env_file(PG(1));
	vaddr_t a, b;

	(void)state;
	SETTLE(mmap_file(
		ctx, &(struct mm_map_request){.len = 100, .vmflags = VM_READ, .object = vo}, &a));
	assert_int_equal(vmap_find(ctx, a)->content, VMAP_FILE);
	SETTLE(mmap_file(ctx,
		&(struct mm_map_request){.kind = MM_AREA_IMAGE,
			.len = 100,
			.file_len = 50,
			.content = VMAP_IMAGE,
			.vmflags = VM_READ,
			.object = vo},
		&b));
	assert_int_equal(vmap_find(ctx, b)->content, VMAP_IMAGE);
	assert_int_equal(env_read(b + 49), file_byte(49));
	assert_int_equal(env_read(b + 50), 0);
	mm_clear_context(ctx);
	env_file_end(vo);
}

static void the_number_of_areas_has_a_limit(void **state)
{
	unsigned old = mm_tune.max_map_count;
	vaddr_t va;

	(void)state;
	mm_tune.max_map_count = 2;
	env_map_at(AT, PG(1), RW);
	env_map_at(AT + PG(2), PG(1), RW);
	assert_int_equal(mmap_anonymous(ctx, 0, PG(1), RW, 0, &va), -ENOMEM);
	mm_tune.max_map_count = old;
}

static void a_whole_area_is_freed_by_any_address_in_it(void **state)
{
	vaddr_t va;

	(void)state;
	assert_int_equal(mm_free_area(ctx, AT), -EINVAL);
	SETTLE(mm_reserve(ctx, 0, PG(10), 0, &va));
	assert_int_equal(env_read(va), -EACCES);
	assert_int_equal(mm_free_area(ctx, va + PG(9)), 0);
	assert_int_equal(env_vmaps(), 0);
}

static void populate_makes_what_is_mapped_resident(void **state)
{
	(void)state;
	env_map_at(AT, PG(2), RW);
	env_map_at(AT + PG(4), PG(2), VM_READ);
	env_map_at(AT + PG(6), PG(2), 0);
	assert_int_equal(mm_populate_range(ctx, AT + PG(1), PG(2)), 0);
	assert_false(pmap_query(&ctx->pmap, AT).present);
	assert_true(pmap_query(&ctx->pmap, AT + PG(1)).present);
	assert_int_equal(mm_populate_range(ctx, AT, PG(100)), 0);
	assert_true(pmap_query(&ctx->pmap, AT + PG(5)).present);
	assert_false(pmap_query(&ctx->pmap, AT + PG(6)).present);
	host_set_killed(true);
	env_map_at(2 * AT, PG(2), RW);
	alloc_fail_nth(1);
	assert_int_equal(mm_populate_range(ctx, 2 * AT, PG(2)), -EINTR);
	host_set_killed(false);
}

/*
 * Devices, usage
 */

static void device_memory_is_in_one_piece(void **state)
{
	uint64_t before;
	paddr_t pa, got;
	void *p, *q;

	(void)state;
	p = dmabuf_allocate(100, VM_CACHE_DISABLED, &pa); /* makes tables that stay for a while */
	dmabuf_free(p, 100, VM_CACHE_DISABLED, pa);
	before = env_free_frames();
	assert_null(dmabuf_allocate(0, 0, &pa));
	assert_null(dmabuf_allocate(1ul << 40, 0, &pa));
	p = dmabuf_allocate(3 * PAGE_SIZE, 0, &pa);
	assert_ptr_equal(p, phys_to_virt(pa));
	dmabuf_free(p, 3 * PAGE_SIZE, 0, pa);
	q = dmabuf_allocate(3 * PAGE_SIZE, VM_CACHE_DISABLED, &pa);
	assert_true(pmap_kernel_query((vaddr_t)q + 2 * PAGE_SIZE, &got));
	assert_int_equal(got, pa + 2 * PAGE_SIZE);
	dmabuf_free(q, 3 * PAGE_SIZE, VM_CACHE_DISABLED, pa);
	dmabuf_free(NULL, 5, 0, 0);
	for (unsigned n = 1; n < 3; n++) {
		alloc_fail_nth(n);
		assert_null(dmabuf_allocate(100, VM_WRITE_COMBINE, &pa));
		alloc_fail_nth(0);
	}
	assert_int_equal(env_free_frames(), before);
	kva_drain();
}

static void usage_tells_own_from_shared(void **state)
{
	struct vm_object *vo = env_file(PG(8));
	struct mm_map_request rq = {.kind = MM_AREA_FILE,
		.vaddr = AT,
		.len = PG(4),
		.vmflags = RW,
		.map_flags = MM_MAP_FIXED,
		.object = vo};
	struct mm_usage u = {0};
	struct mm_page_info info;
	struct mm_context *child;
	struct mm_rss rss;

	(void)state;
	SETTLE(map(&rq));
	env_write(AT, 1);
	env_write(AT + PG(1), 1);
	env_read(AT + PG(2));
	SETTLE(mm_lock_range(ctx, AT, PG(4), true, true));
	child = mm_fork_context(ctx);
	env_write(AT, 2);
	rw_write_lock(&ctx->mm_lock);
	mm_vmap_usage_locked(vmap_find(ctx, AT), &u);
	rw_write_unlock(&ctx->mm_lock);
	assert_int_equal(u.size, 4);
	assert_int_equal(u.anonymous, 2);
	assert_int_equal(u.private_dirty, 1);
	assert_int_equal(u.shared_dirty, 1);
	assert_int_equal(u.rss, 4);
	assert_int_equal(u.shared_clean, 2); /* parent and child map the file */
	assert_int_equal(u.locked, 4);
	assert_int_equal(u.pss, PAGE_SIZE + 3 * PAGE_SIZE / 2);
	rw_read_lock(&ctx->mm_lock);
	mm_page_info_locked(ctx, AT, &info);
	assert_int_equal(info.flags, MM_PAGE_PRESENT | MM_PAGE_EXCLUSIVE);
	mm_page_info_locked(ctx, AT + PG(1), &info);
	assert_int_equal(info.flags, MM_PAGE_PRESENT);
	mm_page_info_locked(ctx, AT + PG(2), &info);
	assert_int_equal(info.flags, MM_PAGE_PRESENT | MM_PAGE_FILE);
	mm_page_info_locked(ctx, AT + PG(9), &info);
	assert_int_equal(info.flags, 0);
	rw_read_unlock(&ctx->mm_lock);
	mm_context_rss(ctx, &rss);
	assert_int_equal(rss.anon, 2);
	assert_int_equal(rss.file, 2);
	assert_int_equal(ctx->peak_rss, 4);
	mm_put_context(child);
	mm_clear_context(ctx);
	mm_context_rss(ctx, &rss);
	assert_int_equal(rss.anon + rss.file + rss.shmem, 0);
	assert_int_equal(ctx->peak_rss, 4);
	env_file_end(vo);
}

static void usage_of_shared_memory_and_of_windows(void **state)
{
	struct mm_map_request shm = {.kind = MM_AREA_NORMAL,
		.vaddr = AT,
		.len = PG(2),
		.vmflags = RW,
		.map_flags = MM_MAP_SHARED | MM_MAP_FIXED};
	struct mm_map_request window = {.kind = MM_AREA_MAP,
		.vaddr = 2 * AT,
		.len = PG(1),
		.vmflags = RW,
		.map_flags = MM_MAP_FIXED,
		.pa = WINDOW};
	struct vm_object *vo = env_file(PG(1));
	struct mm_map_request file = {.kind = MM_AREA_FILE,
		.vaddr = 3 * AT,
		.len = PG(1),
		.vmflags = RW,
		.map_flags = MM_MAP_SHARED | MM_MAP_FIXED,
		.object = vo};
	struct mm_page_info info;
	struct mm_usage u = {0};
	struct mm_rss rss;

	(void)state;
	SETTLE(map(&shm));
	SETTLE(map(&window));
	SETTLE(map(&file));
	env_map_at(4 * AT, PG(1), RW);
	env_read(4 * AT);
	env_write(AT, 1);
	env_read(2 * AT);
	env_write(3 * AT, 1);
	rw_read_lock(&ctx->mm_lock);
	mm_vmap_usage_locked(vmap_find(ctx, AT), &u);
	assert_int_equal(u.private_dirty, 1);
	mm_vmap_usage_locked(vmap_find(ctx, 2 * AT), &u);
	assert_int_equal(u.rss, 1);
	mm_vmap_usage_locked(vmap_find(ctx, 3 * AT), &u);
	assert_int_equal(u.private_dirty, 2);
	mm_page_info_locked(ctx, 4 * AT, &info);
	assert_int_equal(info.flags, MM_PAGE_PRESENT);
	u = (struct mm_usage){0};
	mm_page_info_locked(ctx, AT + PG(1), &info);
	assert_int_equal(info.flags, 0);
	rw_read_unlock(&ctx->mm_lock);
	mm_context_rss(ctx, &rss);
	assert_int_equal(rss.shmem, 1);
	assert_int_equal(rss.file, 1);
	/* Clean after write-back; mapped twice it is nobody's own. */
	assert_int_equal(cache_write_back(vo, 0, UINT64_MAX), 0);
	rw_read_lock(&ctx->mm_lock);
	mm_vmap_usage_locked(vmap_find(ctx, 3 * AT), &u);
	rw_read_unlock(&ctx->mm_lock);
	assert_int_equal(u.private_clean, 1);
	shm.object = vm_object_get(vmap_find(ctx, AT)->object);
	shm.vaddr = 5 * AT;
	SETTLE(map(&shm));
	vm_object_put(shm.object);
	rw_read_lock(&ctx->mm_lock);
	mm_vmap_usage_locked(vmap_find(ctx, AT), &u);
	rw_read_unlock(&ctx->mm_lock);
	assert_int_equal(u.shared_dirty, 1);
	mm_clear_context(ctx);
	env_file_end(vo);
}

static void futex_keys_of_what_is_no_memory(void **state)
{
	struct mm_map_request callback = {
		.kind = MM_AREA_CALLBACK, .len = PG(1), .vmflags = VM_READ, .handler = no_page};
	struct futex_key key;
	vaddr_t va, none = env_map(PG(1), 0);
	uint8_t b;

	(void)state;
	SETTLE(mm_map(ctx, &callback, &va));
	assert_int_equal(futex_get_key(ctx, va, true, &key), 0);
	assert_null(key.object);
	assert_int_equal(futex_get_key(ctx, none, true, &key), -EFAULT);
	assert_int_equal(mm_access(ctx, USER_MAX, &b, 1, false, false), -EFAULT);
	assert_int_equal(mm_access(ctx, USER_MAX, &b, 0, false, false), 0);
}

static int env_kva_machine(void **state)
{
	env_machine(state);
	kva_init();
	kva_free(kva_alloc(1), 1); /* tables of the kernel half */
	kva_drain();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(sizes_and_places_that_cannot_be_are_refused),
		env_test(a_hint_is_taken_or_the_next_room_above_it),
		env_test(room_above_a_hint_is_the_nearest),
		env_test(congruent_places_are_a_wish),
		env_test(above_the_top_is_used_when_all_below_is_taken),
		env_test(map_32bit_stays_below_2_gib),
		env_test(a_free_gap_in_front_of_a_stack_is_its_guard),
		env_test(pages_are_found_mapped_and_present),
		env_test(kernel_pages_are_mapped_in_the_kernel_half_only),
		env_test(frames_that_are_given_belong_to_the_mapping),
		env_test(a_page_is_replaced_and_the_old_one_dropped),
		env_test(a_range_is_cloned_into_an_empty_place_only),
		env_test(a_driver_makes_the_backing_of_its_kind),
		env_test(requests_that_make_no_sense_are_refused),
		env_test(a_private_map_of_what_may_not_be_written_may),
		env_test(past_the_end_of_a_window_is_a_bus_error),
		env_test(neighbours_merge_only_when_they_are_alike),
		env_test(images_are_cut_and_joined_with_their_length),
		env_test(a_map_of_a_file_is_of_its_kind),
		env_test(the_number_of_areas_has_a_limit),
		env_test(a_whole_area_is_freed_by_any_address_in_it),
		env_test(populate_makes_what_is_mapped_resident),
		env_test(device_memory_is_in_one_piece),
		env_test(usage_tells_own_from_shared),
		env_test(usage_of_shared_memory_and_of_windows),
		env_test(futex_keys_of_what_is_no_memory),
	};

	return cmocka_run_group_tests_name("paging", tests, env_kva_machine, NULL);
}
