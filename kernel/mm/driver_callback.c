/*
 * Areas whose pages a handler supplies: the vDSO's clock page. The pages are the handler's, which
 * keeps them as long as the area lives.
 */
#include "mm/fault.h"
#include "mm/vmap.h"

static enum vm_fault_result callback_fault(struct fault *f)
{
	struct vmap *vm = f->vm;
	int err = vm->handler(vm->cookie, vm, f->va, f->access == VM_WRITE, &f->page);

	if (err) {
		f->error = err;
		return VMF_FAIL;
	}
	return VMF_MAP;
}

const struct vm_segment_driver driver_callback = {
	.name = "callback",
	.vm_fault = callback_fault,
};
