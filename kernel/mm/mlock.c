/*
 * mlock and its family, and msync: keep pages resident, write pages back. What is not reclaimed yet
 * stays resident anyway; the flags are what /proc shows, what limits count and what MS_INVALIDATE
 * and MADV_DONTNEED respect.
 */
#include "mm/cache.h"
#include "mm/edit.h"
#include "mm/mmap.h"

#include "abi/mman.h"

/* Would locking [start, end) stay within RLIMIT_MEMLOCK? */
static bool lock_fits(struct vmap_edit *e, vaddr_t start, vaddr_t end)
{
	const struct mm_context *ctx = e->ctx;
	uint64_t more = 0;
	struct vmap *vm;

	vmap_for_each_in (vm, e->ctx, start, end) {
		if (!(vm->vmflags & VM_LOCKED))
			more += (MIN(end, vmap_end(vm)) - MAX(start, vm->vaddr)) >> PAGE_SHIFT;
	}
	return ctx->locked_pages + more <= ctx->limit_memlock >> PAGE_SHIFT;
}

int mm_lock_range(struct mm_context *ctx, vaddr_t va, uint64_t len, bool lock, bool onfault)
{
	vm_flags_t set = lock ? VM_LOCKED | (onfault ? VM_LOCKONFAULT : 0) : 0;
	vaddr_t start = ALIGN_DOWN(va, PAGE_SIZE), end;
	struct vmap_edit e;
	int err;

	if (va + len < va)
		return -EINVAL;
	if (va > USER_MAX || len > USER_MAX - va)
		return -ENOMEM;
	end = ALIGN_UP(va + len, PAGE_SIZE);
	if (len == 0 || start == end)
		return 0;
	edit_begin(&e, ctx);
	if (lock && ctx->limit_memlock == 0)
		err = -EPERM;
	else if (lock && !lock_fits(&e, start, end))
		err = -ENOMEM;
	else
		err = edit_attributes(
			&e, start, end, set, (VM_LOCKED | VM_LOCKONFAULT) & ~set, NULL);
	edit_end(&e);
	if (err || !lock || onfault)
		return err;
	err = mm_populate_range(ctx, start, end - start);
	/* mlock(2): pages that cannot be had are no memory. */
	return err && err != -EINTR ? -ENOMEM : err;
}

int mm_lock_all(struct mm_context *ctx, int flags)
{
	vm_flags_t set = VM_LOCKED | (flags & MCL_ONFAULT ? VM_LOCKONFAULT : 0);
	const vm_flags_t both = VM_LOCKED | VM_LOCKONFAULT;
	struct vmap_edit e;
	struct vmap *vm;
	int err = 0, populated = 0;

	if (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) || flags == MCL_ONFAULT)
		return -EINVAL;
	edit_begin(&e, ctx);
	if (flags && ctx->limit_memlock == 0)
		err = -EPERM;
	else if (flags & MCL_CURRENT && !lock_fits(&e, 0, USER_MAX))
		err = -ENOMEM;
	if (!err) {
		ctx->def_flags = (ctx->def_flags & ~both) | (flags & MCL_FUTURE ? set : 0);
		for (vm = vmap_first(ctx); vm && (!flags || flags & MCL_CURRENT);
			vm = vmap_next(vm))
			vmap_set_flags(vm, (vm->vmflags & ~both) | (flags ? set : 0));
		edit_merge(&e, 0, USER_MAX);
	}
	edit_end(&e);
	/* Pages that cannot be had are no error here (mlockall(2)). */
	if (!err && flags & MCL_CURRENT && !(flags & MCL_ONFAULT))
		populated = mm_populate_range(ctx, 0, USER_MAX);
	(void)populated;
	return err;
}

/* The next shared file range in [*va, end): its object (referenced) and indices. NULL: none. */
static struct vm_object *next_file_range(
	struct mm_context *ctx, vaddr_t *va, vaddr_t end, pgidx_t *first, pgidx_t *last)
{
	struct vm_object *vo = NULL;
	struct vmap *vm;

	rw_read_lock(&ctx->mm_lock);
	vmap_for_each_in (vm, ctx, *va, end) {
		if (vmap_is_private(vm) || !vm->object || vm->object->kind != VMO_FILE)
			continue;
		vo = vm_object_get(vm->object);
		*first = vmap_index(vm, MAX(*va, vm->vaddr));
		*last = vmap_index(vm, MIN(end, vmap_end(vm)) - 1);
		*va = vmap_end(vm);
		break;
	}
	rw_read_unlock(&ctx->mm_lock);
	return vo;
}

/* -ENOMEM: holes; -EBUSY: locked parts, if those forbid it. */
static int sync_check(struct mm_context *ctx, vaddr_t start, vaddr_t end, bool invalidate)
{
	struct vmap *vm;
	vaddr_t pos = start;
	int err = 0;

	rw_read_lock(&ctx->mm_lock);
	vmap_for_each_in (vm, ctx, start, end) {
		if (vm->vaddr > pos)
			err = -ENOMEM;
		pos = vmap_end(vm);
		if (invalidate && vm->vmflags & VM_LOCKED)
			err = -EBUSY;
	}
	rw_read_unlock(&ctx->mm_lock);
	return pos < end && !err ? -ENOMEM : err;
}

int mm_sync(struct mm_context *ctx, vaddr_t va, uint64_t len, int flags)
{
	pgidx_t first, last;
	struct vm_object *vo;
	vaddr_t end;
	int err, werr;

	if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) || va & PAGE_MASK)
		return -EINVAL;
	if ((flags & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC))
		return -EINVAL;
	if (len > USER_MAX || va > USER_MAX - len)
		return -ENOMEM;
	end = ALIGN_UP(va + len, PAGE_SIZE);
	err = sync_check(ctx, va, end, flags & MS_INVALIDATE);
	if (err == -EBUSY || !(flags & MS_SYNC))
		return err;
	while ((vo = next_file_range(ctx, &va, end, &first, &last)) != NULL) {
		werr = cache_write_back(vo, first, last);
		vm_object_put(vo);
		if (werr)
			return werr;
	}
	return err;
}
