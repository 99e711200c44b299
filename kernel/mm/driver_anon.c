/*
 * Memory that starts as zeros. Private: the upper layer alone, or over a zero object (a private map
 * of a memfd or tmpfs file, or a program that runs from one: an image with a length). Shared: a
 * zero object, whose pages appear when they are touched.
 */
#include "mm/commit.h"
#include "mm/edit.h"
#include "mm/fault.h"
#include "mm/vmap.h"

/* Private memory needs none: its pages are its upper layer. */
static struct vm_object *anon_alloc(uint64_t len, vmap_type_t type, vm_flags_t flags)
{
	struct vm_object *vo;
	int err;

	if (type == VMAP_TYPE_PRIVATE)
		return NULL;
	vo = vm_object_create("anon", len, VM_RIGHTS);
	if (IS_ERR(vo) || !commit_counts(VM_WRITE | flags, true))
		return vo;
	err = vm_object_charge(vo);
	if (err) {
		vm_object_put(vo);
		return ERR_PTR(err);
	}
	return vo;
}

/*
 * Have the object's page, made now if nobody touched it yet: also for a private mapping, which
 * shows what others store into the object until it has its own copy.
 */
static enum vm_fault_result object_page(struct fault *f)
{
	struct vm_object *vo = f->vm->object;

	f->page = vm_object_get_page(vo, (uint64_t)f->index << PAGE_SHIFT);
	if (f->page)
		return VMF_MAP;
	if (!f->object_exclusive) {
		f->wait = FAULT_WAIT_INSERT;
		return VMF_WAIT;
	}
	if (fault_take_frame(f, true) != 0)
		return VMF_WAIT;
	f->page = vm_object_insert_page_locked(vo, f->index, &f->fresh);
	if (f->page)
		return VMF_MAP;
	/* A file system without room for the page is a bus error, as on Linux. */
	if (vm_object_is_full(vo)) {
		f->error = -EIO;
		return VMF_FAIL;
	}
	/* A node of the object's tree. */
	f->wait = FAULT_WAIT_RESERVE;
	return VMF_WAIT;
}

static enum vm_fault_result anon_fault(struct fault *f)
{
	const struct vm_object *vo = f->vm->object;
	uint64_t bytes = fault_object_bytes(f);
	enum vm_fault_result res;

	if (!vo || bytes == 0)
		return fault_wants_own(f) ? VMF_COPY : VMF_MAP_RO;
	if ((uint64_t)f->index << PAGE_SHIFT >= vo->vo_size) {
		f->error = -ENXIO;
		return VMF_FAIL;
	}
	res = object_page(f);
	if (res == VMF_WAIT || !vmap_is_private(f->vm))
		return res;
	f->copy_len = (uint32_t)bytes;
	return fault_wants_own(f) || bytes < PAGE_SIZE ? VMF_COPY : VMF_MAP_RO;
}

const struct vm_segment_driver driver_anon = {
	.name = "anon",
	.vm_alloc = anon_alloc,
	.vm_free = vmap_free_backing,
	.vm_resize = edit_resize,
	.vm_fault = anon_fault,
};
