/*
 * Physical ranges: device windows and reserved RAM, through an in-place object. The frames were
 * never ours; nothing is counted.
 */
#include "mm/fault.h"
#include "mm/vmap.h"

static struct vm_object *phys_alloc_at(const char *name, paddr_t pa, uint64_t len)
{
	return vm_object_create_in_place(name, pa, len, VM_RIGHTS);
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
	.vm_free = vmap_free_backing,
	.vm_fault = phys_fault,
};
