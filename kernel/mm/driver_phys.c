/*
 * Physical ranges: device windows and reserved RAM, through an in-place object. The frames were
 * never ours; nothing is counted.
 */
#include "mm/buddy.h"
#include "mm/edit.h"
#include "mm/fault.h"
#include "mm/paging.h"
#include "mm/vmap.h"

static struct vmap *phys_alloc_at(
	struct mm_context *ctx, paddr_t pa, size_t npages, vm_flags_t flags)
{
	struct vm_object *vo;
	struct vmap *vm;

	vo = vm_object_create_in_place("phys", pa, (uint64_t)npages << PAGE_SHIFT, VM_RIGHTS);
	if (IS_ERR(vo))
		return ERR_CAST(vo);
	vm = mm_get_free_vaddr_locked(ctx, npages, 0, VALLOC_DEFAULT);
	if (!IS_ERR(vm)) {
		vm->type = VMAP_TYPE_SHARED;
		vm->content = VMAP_DEVICE;
		vm->driver = &driver_phys;
		vmap_set_flags(vm, flags);
		vmap_attach(vm, vo, 0);
	}
	vm_object_put(vo);
	return vm;
}

static enum vm_fault_result phys_fault(struct fault *f)
{
	const struct vm_object *vo = f->vm->object;
	uint64_t off = f->index << PAGE_SHIFT;

	if (off >= vo->vo_size) {
		f->error = -ENXIO;
		return VMF_FAIL;
	}
	f->pfn = (vo->base + off) >> PAGE_SHIFT;
	return VMF_MAP;
}

const struct vm_segment_driver driver_phys = {
	.name = "phys",
	.vm_alloc_at = phys_alloc_at,
	.vm_fault = phys_fault,
};
