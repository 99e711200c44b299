/*
 * Copy-on-write: clone a vmap for fork, break sharing at the first write.
 *
 * fork shares the whole upper layer by one reference to each amap's root and lowers the rights of
 * the parent's translations at the highest levels of its page table. It costs per mapping, not per
 * page. Snapshot: mm_lock is held for writing from before the first clone until every CPU has
 * acknowledged the flush of the lowered rights. Otherwise a thread of the parent could store
 * through a stale writable entry into a page that the child already counts as its own:
 *
 *	fork (CPU 0)                             parent's thread (CPU 1)
 *	clone the roots: the pages are shared
 *	lower, flush, wait for the answers       store x (stale entry): seen by parent and child,
 *	                                           as if it came before the fork
 *	unlock                                   store y: faults, copies, seen by the parent alone
 *
 * Breaking: own the path (the nodes from the root to the slot), then copy the page if it still has
 * other shares. The old page's share is dropped after the flush: before that our other threads may
 * read it, and the last other sharer would write it in place.
 */
#include "mm/cow.h"

#include "lib/assert.h"
#include "lib/string.h"
#include "mm/amap.h"
#include "mm/buddy.h"
#include "mm/fault_stages.h"
#include "mm/paging.h"
#include "mm/physmap.h"
#include "mm/stats.h"

struct page *cow_zero_page;

void cow_init(void)
{
	cow_zero_page = page_alloc(0, ALLOC_ZERO);
	assert(cow_zero_page);
	page_pin(cow_zero_page);
}

struct vmap *cow_allocate_zeroed_pages(
	struct mm_context *ctx, size_t npages, vaddr_t vaddr, unsigned vaflags, vm_flags_t flags)
{
	struct vmap *vm = mm_get_free_vaddr_locked(ctx, npages, vaddr, vaflags);

	if (!IS_ERR(vm)) {
		vm->content = VMAP_MMAP;
		vmap_set_flags(vm, flags | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC);
	}
	return vm;
}

/*
 * Break sharing
 */

/* Put a copy of the slot's page into the slot. => path exclusive, amap locked (write) */
static int copy_page(struct fault *f)
{
	struct page *old = f->up.page, *pg;
	struct pmap_cursor c;
	int err = fault_take_frame(f, false);

	if (err)
		return err;
	pg = fault_frame_as_anon(f);
	frame_copy(page_virt(pg), page_virt(old));
	err = fault_open(f, &c, true);
	if (!err && pmap_is_entered(&c, f->va))
		err = fault_evict(f, &c);
	if (err)
		return err;
	amap_replace(&f->up, f->slot, pg);
	f->fresh = NULL;
	fault_enter_own(f, &c, pg);
	pmap_close(&c);
	page_unshare(old);
	mm_stat_inc(STAT_FAULT_COPY);
	return fault_finish(f, pg);
}

int mm_resolve_cow_fault(struct fault *f)
{
	struct vm_object *vo = f->vm->object;
	int err;

	fault_lock_amap_exclusive(f);
	if (amap_own(f->amap, f->slot, &f->nodes, &f->up) != 0)
		return fault_again(f, FAULT_WAIT_MEMORY);
	/* The others may have let go of it meanwhile. */
	if (page_shares(f->up.page) == 1)
		return fault_reuse(f);
	/*
	 * Who finds the vmap through its object's list may have taken the old translation away and
	 * not flushed it yet (vmap_wait_for_unmap): copy_page would meet nothing to evict.
	 */
	if (vo)
		rw_read_lock(&vo->lock);
	err = copy_page(f);
	if (vo)
		rw_read_unlock(&vo->lock);
	return err;
}

/*
 * Clone
 */

struct vmap *cow_clone_vmap_locked(struct mm_context *dst_ctx, struct vmap *src)
{
	struct vmap *vm = mm_clone_vmap_locked(src, dst_ctx);

	/* Locks on memory are not inherited (mlock(2)). */
	if (!IS_ERR(vm))
		vmap_set_flags(vm, vm->vmflags & ~(VM_LOCKED | VM_LOCKONFAULT));
	return vm;
}

/*
 * fork
 */

static void copy_settings(struct mm_context *dst, const struct mm_context *src)
{
	dst->mmap_top = src->mmap_top;
	dst->brk_start = src->brk_start;
	dst->brk = src->brk;
	dst->stack_top = src->stack_top;
	dst->limit_as = src->limit_as;
	dst->limit_data = src->limit_data;
	dst->limit_stack = src->limit_stack;
	dst->limit_memlock = src->limit_memlock;
	dst->code_start = src->code_start;
	dst->code_end = src->code_end;
	dst->data_start = src->data_start;
	dst->data_end = src->data_end;
	dst->arg_start = src->arg_start;
	dst->arg_end = src->arg_end;
	dst->env_start = src->env_start;
	dst->env_end = src->env_end;
	dst->auxv_len = src->auxv_len;
	memcpy(dst->auxv, src->auxv, sizeof(dst->auxv));
}

/*
 * The child's handles hold whole trees: take out of them what the child does not get. Those slots
 * belong to no vmap of the child.
 */
static int drop_not_inherited(struct mm_context *src, struct amap_dead *dead)
{
	struct amap_stock st = {0};
	int err = 0;

	for (struct vmap *vm = vmap_first(src); vm && !err; vm = vmap_next(vm)) {
		unsigned need[AMAP_CLASSES] = {0};
		pgidx_t last = vm->amap_off + vm->npages - 1;

		if (!(vm->vmflags & (VM_DONTFORK | VM_WIPEONFORK)) || !vm->amap || !vm->amap->clone)
			continue;
		amap_wipe_need(vm->amap->clone, vm->amap_off, last, need);
		err = amap_stock_reserve(&st, need, ALLOC_NORECLAIM);
		if (!err)
			amap_wipe(vm->amap->clone, vm->amap_off, last, &st, dead);
	}
	amap_stock_drop(&st);
	return err;
}

/* Clone every vmap. => both contexts locked (write) */
static int clone_all(struct mm_context *dst, struct mm_context *src)
{
	struct amap_dead dead = {0};
	struct vmap *vm, *copy;
	vm_flags_t seen = 0;
	int err = 0;

	for (vm = vmap_first(src); vm && !err; vm = vmap_next(vm)) {
		seen |= vm->vmflags;
		if (vm->vmflags & VM_DONTFORK)
			continue;
		copy = cow_clone_vmap_locked(dst, vm);
		if (IS_ERR(copy))
			err = PTR_ERR(copy);
	}
	if (!err && seen & (VM_DONTFORK | VM_WIPEONFORK))
		err = drop_not_inherited(src, &dead);
	for (vm = vmap_first(src); vm; vm = vmap_next(vm)) {
		if (vm->amap)
			vm->amap->clone = NULL;
	}
	amap_dead_release(&dead);
	return err;
}

/*
 * Lower the runs of private vmaps and the gaps between them, as high up in the table as they reach.
 * A vmap without private pages has no writable translation. Runs are cut where a gap is wider than
 * an entry of the root: what lies in it need not be looked at.
 */
static void lower_private(struct mm_context *ctx)
{
	vaddr_t low = 0, start = 0, end = 0;
	struct tlb_batch tb;

	tlb_batch_init(&tb, &ctx->pmap);
	for (struct vmap *vm = vmap_first(ctx); vm; vm = vmap_next(vm)) {
		if (!vmap_is_private(vm) || vm->vaddr > end) {
			pmap_lower(&ctx->pmap, start, MIN(end, vm->vaddr), &tb);
			start = end = MAX(low, ALIGN_DOWN(vm->vaddr, PMAP_ROOT_SPAN));
		}
		if (!vmap_is_private(vm))
			low = start = end = vmap_end(vm);
		else if (vm->amap)
			end = ALIGN_UP(vmap_end(vm), PMAP_ROOT_SPAN);
	}
	pmap_lower(&ctx->pmap, start, end, &tb);
	tlb_batch_finish(&tb);
}

struct pinned_search {
	pgidx_t idx;
	struct page *page; /* NULL: no more */
};

static bool is_pinned(void *cookie, pgidx_t idx, struct page *pg)
{
	struct pinned_search *ps = cookie;

	if (page_pins(pg) == 0)
		return true;
	ps->idx = idx;
	ps->page = pg;
	return false;
}

/* Give the child its own copy of a page that I/O of the parent goes on with. */
static int copy_pinned_page(struct vmap *vm, const struct pinned_search *ps)
{
	vaddr_t va = vm->vaddr + ((ps->idx - vm->amap_off) << PAGE_SHIFT);
	struct page *pg = page_alloc(0, ALLOC_NORECLAIM);
	int err;

	if (!pg)
		return -ENOMEM;
	frame_copy(page_virt(pg), page_virt(ps->page));
	pg->owner = NULL;
	pg->index = 0;
	WRITE_ONCE(pg->flags, PG_ANON);
	err = mm_replace_page_locked(vm->ctx, va, page_pfn(pg), vm->vmflags);
	if (err)
		page_free(pg, 0);
	return err;
}

static int copy_pinned(struct mm_context *dst)
{
	int err = 0;

	for (struct vmap *vm = vmap_first(dst); vm && !err; vm = vmap_next(vm)) {
		struct pinned_search ps = {.idx = vm->amap_off};
		pgidx_t last = vm->amap_off + vm->npages - 1;

		while (vm->amap && !err && ps.idx <= last) {
			ps.page = NULL;
			amap_visit(vm->amap, ps.idx, last, is_pinned, &ps);
			if (!ps.page)
				break;
			err = copy_pinned_page(vm, &ps);
			ps.idx++;
		}
	}
	return err;
}

static int fork_into(struct mm_context *dst, struct mm_context *src)
{
	int err;

	rw_write_lock_pair(&src->mm_lock, &dst->mm_lock);
	copy_settings(dst, src);
	err = src->dying ? -EINTR : clone_all(dst, src);
	/* Also after a failure: until the child is gone its pages are shared. */
	lower_private(src);
	/* Copies belong to the same moment as what is shared: no thread stores any more. */
	if (!err && READ_ONCE(src->pins))
		err = copy_pinned(dst);
	rw_write_unlock_pair(&src->mm_lock, &dst->mm_lock);
	return err;
}

/* Memory for n mappings, with nothing held: what was freed again is found by the next try. */
static int reclaim_for(struct mm_context *ctx, uint64_t n)
{
	static const unsigned some[AMAP_CLASSES] = {4, 4, 4};
	struct amap_stock st = {0};
	struct vmap *list = NULL, *vm;
	int err = amap_stock_reserve(&st, some, 0);

	for (; n && !err; n--) {
		vm = vmap_create(ctx, 0);
		if (!vm) {
			err = -ENOMEM;
			break;
		}
		vm->next = list;
		list = vm;
	}
	while ((vm = list) != NULL) {
		list = vm->next;
		vmap_free(vm);
	}
	amap_stock_drop(&st);
	return err;
}

struct mm_context *mm_fork_context(struct mm_context *src)
{
	for (unsigned tries = 0; tries < 2; tries++) {
		struct mm_context *dst = mm_create_context();
		int err;

		if (IS_ERR(dst))
			return dst;
		err = fork_into(dst, src);
		if (!err) {
			mm_stat_inc(STAT_FORK);
			return dst;
		}
		mm_put_context(dst);
		if (err != -ENOMEM || reclaim_for(src, READ_ONCE(src->nvmaps)) != 0)
			return ERR_PTR(err);
	}
	return ERR_PTR(-ENOMEM);
}
