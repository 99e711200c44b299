/*
 * Pages of files, from the page cache. Shared: the cache's own pages, writable once they count as
 * dirty. Private: the cache's pages for reading, a copy for writing. An image is a private file
 * with a length, after which it reads as zeros: the page that the length cuts is copied even for
 * reading, so that the cache's page keeps what the file has there.
 *
 * Nothing is waited for here: a page that is absent or still being filled is the fault's to wait
 * for.
 */
#include "mm/edit.h"
#include "mm/fault.h"
#include "mm/object_pages.h"
#include "mm/vmap.h"

/*
 * May the cache's page be written through a shared mapping now? Else the file system prepares it.
 */
static enum vm_fault_result file_fault_write(struct fault *f)
{
	const struct vm_object *vo = f->vm->object;

	if (page_is(f->page, PG_DIRTY) || !vo->ops->make_writable)
		return VMF_MAP;
	if (f->pinned == f->page && f->made_writable)
		return VMF_MAP;
	if (f->pinned != f->page) {
		page_pin(f->page);
		if (f->pinned)
			page_unpin(f->pinned);
		f->pinned = f->page;
	}
	f->made_writable = false;
	f->wait = FAULT_WAIT_WRITABLE;
	return VMF_WAIT;
}

static enum vm_fault_result file_fault(struct fault *f)
{
	struct vm_object *vo = f->vm->object;
	uint64_t off = f->index << PAGE_SHIFT, bytes = fault_object_bytes(f);

	if (bytes == 0)
		return fault_wants_own(f) ? VMF_COPY : VMF_MAP_RO;
	if (off >= vo->vo_size) {
		f->error = -ENXIO;
		return VMF_FAIL;
	}
	f->page = vm_object_get_page(vo, off);
	if (!f->page || !page_is(f->page, PG_VALID) || page_is(f->page, PG_BUSY)) {
		f->wait = FAULT_WAIT_PAGE;
		return VMF_WAIT;
	}
	object_mark_used(f->page);
	f->copy_len = bytes;
	if (vmap_is_private(f->vm))
		return fault_wants_own(f) || bytes < PAGE_SIZE ? VMF_COPY : VMF_MAP_RO;
	return f->access == VM_WRITE ? file_fault_write(f) : VMF_MAP;
}

const struct vm_segment_driver driver_file = {
	.name = "file",
	.vm_free = vmap_free_backing,
	.vm_resize = edit_resize,
	.vm_fault = file_fault,
};
