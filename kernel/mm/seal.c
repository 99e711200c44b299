/*
 * mseal: what is mapped in a range stays mapped there with its rights, for the life of the address
 * space. The flag is respected where it can be broken: edit_unmap_check (munmap, mmap over it, a
 * shrinking mremap or break), mremap, mprotect, advice that discards; mlock and hints are allowed.
 */
#include "mm/edit.h"
#include "mm/mmap.h"

/* Is every page of [start, end) in a vmap? */
static bool is_whole(struct vmap_edit *e, vaddr_t start, vaddr_t end)
{
	vaddr_t pos = start;
	struct vmap *vm;

	vmap_for_each_in (vm, e->ctx, start, end) {
		if (vm->vaddr > pos)
			return false;
		pos = vmap_end(vm);
	}
	return pos >= end;
}

int mm_seal(struct mm_context *ctx, vaddr_t va, uint64_t len)
{
	vaddr_t end = va + ALIGN_UP(len, PAGE_SIZE);
	struct vmap_edit e;
	struct vmap *vm;
	int err;

	if (va & PAGE_MASK || (len && ALIGN_UP(len, PAGE_SIZE) == 0) || end < va)
		return -EINVAL;
	if (end == va)
		return 0;
	edit_begin(&e, ctx);
	do {
		err = is_whole(&e, va, end) ? 0 : -ENOMEM;
		err = err ?: edit_take(&e, edit_cut_need(&e, va) + edit_cut_need(&e, end), NULL);
	} while (edit_again(&e, &err));
	if (!err) {
		edit_cut(&e, va);
		edit_cut(&e, end);
		vmap_for_each_in (vm, ctx, va, end)
			vmap_set_flags(vm, vm->vmflags | VM_SEALED);
		edit_merge(&e, va, end);
	}
	edit_end(&e);
	return err;
}
