/*
 * The paging API, after MOS: thin calls over vmap, amap, object and pmap, for the process model,
 * drivers and the mmap layer.
 */
#include "mm/paging.h"

#include "lib/assert.h"
#include "mm/amap.h"
#include "mm/buddy.h"
#include "mm/commit.h"
#include "mm/cow.h"
#include "mm/edit.h"
#include "mm/fault.h"

#define HUGE_SIZE (2ul << 20)

int mm_pick_vaddr_locked(struct mm_context *ctx, const struct mm_pick *pick, vaddr_t *out)
{
	uint64_t len = (uint64_t)pick->npages << PAGE_SHIFT;
	struct vmap_place pl = {.len = len, .align = PAGE_SIZE, .low = MM_MMAP_MIN};
	vaddr_t va = 0;

	if (!pick->npages || pick->npages > USER_MAX >> PAGE_SHIFT)
		return -ENOMEM;
	if (pick->flags & VALLOC_EXACT) {
		if (pick->base & PAGE_MASK || pick->base > USER_MAX - len)
			return -EINVAL;
		if (!vmap_range_is_free(ctx, pick->base, pick->base + len))
			return -EEXIST;
		*out = pick->base;
		return 0;
	}
	if (pick->congruent || len >= HUGE_SIZE) {
		pl.align = HUGE_SIZE;
		pl.phase = pick->congruent & (HUGE_SIZE - 1);
	}
	pl.high = pick->high ? pick->high : USER_MAX;
	if (pick->base) {
		/* The hint itself, else the next room above it. */
		va = ALIGN_UP(MAX(pick->base, MM_MMAP_MIN), PAGE_SIZE);
		if (va < pl.high && len <= pl.high - va && vmap_gap_holds(ctx, va, va + len)) {
			*out = va;
			return 0;
		}
		pl.low = va;
		va = va < pl.high ? vmap_place_up(ctx, &pl) : 0;
		pl.low = MM_MMAP_MIN;
	}
	if (!va) {
		pl.high = MIN(pl.high, ctx->mmap_top);
		va = vmap_place_down(ctx, &pl);
	}
	/* Below the stack all is taken: anywhere. */
	if (!va && !pick->high) {
		pl.high = USER_MAX;
		va = vmap_place_down(ctx, &pl);
	}
	*out = va;
	return va ? 0 : -ENOMEM;
}

void mm_insert_blank_locked(struct mm_context *ctx, struct vmap *vm, vaddr_t va, size_t npages)
{
	vm->vaddr = va;
	vm->npages = npages;
	/* The page number as slot: it is congruent, and what lies side by side continues. */
	vm->amap_off = va >> PAGE_SHIFT;
	vmap_insert(ctx, vm);
}

struct vmap *mm_get_free_vaddr_locked(
	struct mm_context *ctx, size_t npages, vaddr_t base, valloc_flags flags)
{
	struct mm_pick pick = {.npages = npages, .base = base, .flags = flags};
	struct vmap *vm;
	vaddr_t va;
	int err;

	dassert(rw_write_held(&ctx->mm_lock));
	err = mm_pick_vaddr_locked(ctx, &pick, &va);
	if (err)
		return ERR_PTR(err);
	vm = vmap_create(ctx, ALLOC_NORECLAIM);
	if (!vm)
		return ERR_PTR(-ENOMEM);
	mm_insert_blank_locked(ctx, vm, va, npages);
	return vm;
}

int mm_map_kernel_pages(
	struct mm_context *ctx, vaddr_t vaddr, pfn_t pfn, size_t npages, vm_flags_t flags)
{
	(void)ctx; /* one kernel half for all contexts */
	if (vaddr & PAGE_MASK || vaddr < PHYSMAP_BASE)
		return -EINVAL;
	return pmap_kernel_map(vaddr, pfn, npages, flags);
}

/* Put the caller's frames into vm's upper layer: each slot takes over a share. */
static int donate_private(struct vmap *vm, pfn_t pfn)
{
	struct amap_stock st = {0};
	struct amap_walk w;
	int err = 0;

	vm->amap = amap_create(&st);
	if (!vm->amap)
		return -ENOMEM;
	for (size_t i = 0; i < vm->npages && !err; i++)
		err = amap_own(vm->amap, vm->amap_off + i, &st, &w);
	for (size_t i = 0; i < vm->npages && !err; i++) {
		struct page *pg = page_from_pfn(pfn + i);

		/* The paths are there: nothing fails any more. */
		err = amap_own(vm->amap, vm->amap_off + i, &st, &w);
		assert(!err);
		amap_fill(&w, vm->amap_off + i, pg);
		page_unshare(pg);
		/* A frame of the vDSO is so since the first program. */
		if (page_type(pg) == PG_ANON)
			continue;
		pg->owner = NULL;
		WRITE_ONCE(pg->flags, PG_ANON);
	}
	return err;
}

/* The same for a zero object's indices. On failure the caller has all its shares as before. */
static int donate_shared(struct vmap *vm, pfn_t pfn)
{
	struct vm_object *vo;
	size_t done = 0;
	int err = 0;

	vo = vm_object_create("pages", (uint64_t)vm->npages << PAGE_SHIFT, VM_RIGHTS);
	if (IS_ERR(vo))
		return PTR_ERR(vo);
	rw_write_lock(&vo->lock);
	for (; done < vm->npages && !err; done++) {
		struct page *pg = page_from_pfn(pfn + done), *stock = pg;

		/* The object takes a share of its own; a pin keeps the frame between. */
		page_pin(pg);
		page_unshare(pg);
		WRITE_ONCE(pg->flags, PG_KERNEL);
		if (!vm_object_insert_page_locked(vo, done, &stock))
			err = -ENOMEM;
	}
	rw_write_unlock(&vo->lock);
	if (!err)
		vmap_attach(vm, vo, 0);
	vm_object_put(vo);
	while (done--) {
		if (err)
			page_share(page_from_pfn(pfn + done));
		page_unpin(page_from_pfn(pfn + done));
	}
	return err;
}

/* Enter all pages of vm. */
static int enter_all(struct mm_context *ctx, struct vmap *vm)
{
	vaddr_t va, end = vmap_end(vm);
	int err = 0;

	for (va = vm->vaddr; va < end && !err; va += PAGE_SIZE)
		err = mm_handle_fault(ctx, va, vm->vmflags & VM_WRITE ? VM_WRITE : VM_READ);
	return err;
}

struct vmap *mm_map_user_pages(struct mm_context *ctx, vaddr_t vaddr, pfn_t pfn, size_t npages,
	vm_flags_t flags, valloc_flags vaflags, vmap_type_t type, vmap_content_t content)
{
	struct vmap_edit e;
	struct vmap *vm;
	int err;

	edit_begin(&e, ctx);
	/* No rights, and so in no count, before the frames are there. */
	vm = cow_allocate_zeroed_pages(ctx, npages, vaddr, vaflags, 0);
	if (IS_ERR(vm))
		goto out;
	vm->type = type;
	vm->content = content;
	err = type == VMAP_TYPE_PRIVATE ? donate_private(vm, pfn) : donate_shared(vm, pfn);
	vmap_set_flags(vm, flags);
	if (err) {
		edit_unmap(&e, vm->vaddr, vmap_end(vm));
		vm = ERR_PTR(err);
	}
out:
	edit_end(&e);
	if (!IS_ERR(vm) && flags & VM_RIGHTS && enter_all(ctx, vm) != 0)
		return vm; /* the page table is a cache: a fault will do it */
	return vm;
}

int mm_replace_page_locked(struct mm_context *ctx, vaddr_t vaddr, pfn_t pfn, vm_flags_t flags)
{
	struct vmap *vm = vmap_find(ctx, vaddr);
	struct amap_stock st = {0};
	struct page *pg = page_from_pfn(pfn), *old;
	struct tlb_batch tb;
	struct amap_walk w;
	int err;

	dassert(rw_write_held(&ctx->mm_lock));
	if (!vm || !vmap_is_private(vm))
		return -EINVAL;
	if (!vm->amap)
		vm->amap = amap_create(&st);
	if (!vm->amap)
		return -ENOMEM;
	err = amap_own(vm->amap, vmap_slot(vm, vaddr), &st, &w);
	if (err)
		return err;
	tlb_batch_init(&tb, &ctx->pmap);
	pmap_remove(&ctx->pmap, vaddr, vaddr + PAGE_SIZE, &tb);
	tlb_batch_finish(&tb);
	old = w.page;
	if (old != pg && old)
		page_unshare(amap_replace(&w, vmap_slot(vm, vaddr), pg));
	else if (!old)
		amap_fill(&w, vmap_slot(vm, vaddr), pg);
	mm_flag_pages_locked(ctx, vaddr, 1, flags);
	return 0;
}

struct vmap *mm_clone_vmap_locked(struct vmap *src, struct mm_context *dst_ctx)
{
	struct amap_stock st = {0};
	struct vmap *vm;

	if (!vmap_range_is_free(dst_ctx, src->vaddr, vmap_end(src)))
		return ERR_PTR(-EEXIST);
	if (commit_charge(src->charged) != 0)
		return ERR_PTR(-ENOMEM);
	vm = vmap_create(dst_ctx, ALLOC_NORECLAIM);
	if (!vm)
		goto no_memory;
	if (src->amap && !(src->vmflags & VM_WIPEONFORK)) {
		struct amap *am = src->amap;

		if (!am->clone)
			am->clone = amap_clone(am, &st);
		else
			am->clone->refs++;
		if (!am->clone) {
			vmap_free(vm);
			goto no_memory;
		}
		vmap_copy(vm, src);
		vm->amap = am->clone;
	} else {
		vmap_copy(vm, src);
	}
	vm->charged = src->charged;
	if (vm->object)
		vmap_relink(vm);
	vmap_insert(dst_ctx, vm);
	return vm;
no_memory:
	commit_uncharge(src->charged);
	return ERR_PTR(-ENOMEM);
}

bool mm_get_is_mapped_locked(struct mm_context *ctx, vaddr_t vaddr)
{
	return vmap_find(ctx, vaddr) != NULL;
}

bool mm_get_is_present_locked(struct mm_context *ctx, vaddr_t vaddr)
{
	return pmap_query(&ctx->pmap, vaddr).present;
}

void mm_flag_pages_locked(struct mm_context *ctx, vaddr_t vaddr, size_t npages, vm_flags_t flags)
{
	struct tlb_batch tb;

	dassert(rw_write_held(&ctx->mm_lock));
	tlb_batch_init(&tb, &ctx->pmap);
	pmap_protect(&ctx->pmap, vaddr, vaddr + ((uint64_t)npages << PAGE_SHIFT), flags, &tb);
	tlb_batch_finish(&tb);
}

int mm_get_phys_addr_locked(struct mm_context *ctx, vaddr_t vaddr, paddr_t *pa)
{
	struct pmap_entry e = pmap_query(&ctx->pmap, vaddr);

	if (!e.present)
		return -EFAULT;
	*pa = (e.pfn << PAGE_SHIFT) + (vaddr & PAGE_MASK);
	return 0;
}

int mm_get_phys_addr(struct mm_context *ctx, vaddr_t vaddr, paddr_t *pa)
{
	int err;

	rw_read_lock(&ctx->mm_lock);
	err = mm_get_phys_addr_locked(ctx, vaddr, pa);
	rw_read_unlock(&ctx->mm_lock);
	return err;
}
