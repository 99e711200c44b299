/*
 * The areas that grow by themselves: the heap behind brk, and stacks.
 */
#include "mm/commit.h"
#include "mm/edit.h"
#include "mm/mmap.h"
#include "mm/paging.h"

#define HEAP_FLAGS (VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC)

/* Unmap [end, old_end) of the heap. 0 or -errno. */
static int brk_shrink(struct vmap_edit *e, vaddr_t end, vaddr_t old_end)
{
	int err;

	do {
		unsigned nvmaps = 0, need[AMAP_CLASSES] = {0};

		err = edit_unmap_check(e, end, old_end, &nvmaps, need);
		if (!err)
			err = edit_take(e, nvmaps, need);
	} while (edit_again(e, &err));
	if (!err)
		edit_unmap(e, end, old_end);
	return err;
}

/* The heap that ends at old_end and can go on there; NULL: a new vmap has to. */
static struct vmap *heap_to_grow(struct mm_context *ctx, vaddr_t old_end, vm_flags_t flags)
{
	struct vmap *heap = old_end > ctx->brk_start ? vmap_find(ctx, old_end - 1) : NULL;

	if (!heap || heap->content != VMAP_HEAP || heap->vmflags != flags ||
		vmap_end(heap) != old_end || !amap_may_grow(heap->amap))
		return NULL;
	return heap;
}

/* Make the heap reach from old_end to end: by the vmap that is there, or a new one. */
static int brk_grow(struct vmap_edit *e, vaddr_t old_end, vaddr_t end)
{
	struct mm_context *ctx = e->ctx;
	uint64_t pages = (end - old_end) >> PAGE_SHIFT;
	struct vmap *heap;
	vm_flags_t flags;
	int err;

	do {
		flags = HEAP_FLAGS | ctx->def_flags;
		if (flags & VM_LOCKED &&
			ctx->locked_pages + pages > ctx->limit_memlock >> PAGE_SHIFT)
			return -EAGAIN;
		heap = heap_to_grow(ctx, old_end, flags);
		if (heap)
			return heap->driver->vm_resize(e, heap, heap->npages + pages);
		if (!vmap_gap_holds(ctx, old_end, end) ||
			!edit_within_limits(e, pages, 0, VM_WRITE, true))
			return -ENOMEM;
		err = edit_charge(e, pages) ?: edit_take(e, 1, NULL);
	} while (edit_again(e, &err));
	if (err)
		return err;
	heap = edit_take_vmap(e);
	heap->content = VMAP_HEAP;
	heap->vmflags = flags;
	mm_insert_blank_locked(ctx, heap, old_end, pages);
	edit_give_charge(e, heap, pages);
	vmap_merge(e, heap);
	edit_touch(e, old_end, end);
	return 0;
}

vaddr_t mm_brk(struct mm_context *ctx, vaddr_t new_brk)
{
	struct vmap_edit e;
	vaddr_t old_end, end, result, grown = 0;
	int err = 0;

	edit_begin(&e, ctx);
	if (new_brk < ctx->brk_start || new_brk > USER_MAX - PAGE_SIZE ||
		new_brk - ctx->brk_start > ctx->limit_data)
		goto out;
	old_end = ALIGN_UP(ctx->brk, PAGE_SIZE);
	end = ALIGN_UP(new_brk, PAGE_SIZE);
	if (end < old_end) {
		err = brk_shrink(&e, end, old_end);
	} else if (end > old_end) {
		err = brk_grow(&e, old_end, end);
		grown = ctx->def_flags & VM_LOCKED ? end - old_end : 0;
	}
	if (!err)
		ctx->brk = new_brk;
out:
	result = ctx->brk;
	edit_end(&e);
	if (!err && grown)
		err = mm_populate_range(ctx, end - grown, grown);
	return result;
}

int mm_grow_stack(struct mm_context *ctx, vaddr_t va)
{
	struct vmap *vm, *prev;
	struct vmap_edit e;
	vaddr_t low;
	uint64_t more;
	int err = -EFAULT;

	va = ALIGN_DOWN(va, PAGE_SIZE);
	edit_begin(&e, ctx);
	if (mm_get_is_mapped_locked(ctx, va)) {
		err = 0; /* another thread was faster */
		goto out;
	}
	vm = vmap_find_after(ctx, va);
	if (!vm || !(vm->vmflags & VM_GROWSDOWN))
		goto out;
	prev = vmap_prev(vm);
	/* The guard gap, unless what lies below is a guard itself or a part of the same stack. */
	low = MM_MMAP_MIN;
	if (prev && prev->vmflags & VM_RIGHTS && !(prev->vmflags & VM_GROWSDOWN))
		low = vmap_end(prev) + (STACK_GUARD_PAGES << PAGE_SHIFT);
	else if (prev)
		low = vmap_end(prev);
	more = (vm->vaddr - va) >> PAGE_SHIFT;
	if (va < low || vmap_end(vm) - va > ctx->limit_stack ||
		!edit_within_limits(&e, more, 0, vm->vmflags, true))
		goto out;
	if (vm->vmflags & VM_LOCKED && ctx->locked_pages + more > ctx->limit_memlock >> PAGE_SHIFT)
		goto out;
	if (!amap_may_grow(vm->amap))
		goto out;
	if (edit_charge(&e, commit_counts(vm->vmflags, vmap_is_private(vm)) ? more : 0) != 0)
		goto out;
	vmap_set_start(vm, va);
	edit_give_charge(&e, vm, more);
	edit_touch(&e, va, vmap_end(vm));
	err = 0;
out:
	edit_end(&e);
	return err;
}
