/*
 * The lower layer's part of a fault: the driver finds the page, one place maps it or copies it into
 * the slot. A page of the lower layer is entered for a private vmap only while its slot is seen
 * empty under the leaf table's lock (fault.c, Topmost page).
 */
#include "mm/fault_stages.h"

#include "lib/string.h"
#include "mm/cache.h"
#include "mm/cow.h"
#include "mm/object_pages.h"
#include "mm/physmap.h"
#include "mm/stats.h"

#define TABLE_SPAN   (AMAP_TABLE_SLOTS * PAGE_SIZE)
#define AROUND_PAGES 16 /* entered together at a read, aligned */

/* Is the slot still empty? => leaf table locked */
static bool slot_is_empty(struct fault *f)
{
	struct amap_walk again;

	if (!vmap_is_private(f->vm))
		return true;
	if (!f->amap)
		return LOAD_ACQUIRE(f->vm->amap) == NULL;
	if (f->up.leaf)
		return amap_leaf_page(f->up.leaf, f->slot) == NULL;
	amap_find(f->amap, f->slot, &again);
	return again.page == NULL;
}

static bool is_file(const struct vmap *vm)
{
	return vm->object && vm->object->kind == VMO_FILE;
}

/* What a translation of a page of the lower layer may grant, below a table of these rights. */
static vm_flags_t lower_rights(const struct fault *f, const struct page *pg, vm_flags_t above)
{
	vm_flags_t rights = fault_rights(f);

	if (vmap_is_private(f->vm) || !(above & VM_WRITE))
		return rights & ~VM_WRITE;
	/* W in a shared file mapping means: counted as dirty. */
	if (is_file(f->vm) && !page_is(pg, PG_DIRTY))
		return rights & ~VM_WRITE;
	return rights;
}

static bool slot_is_empty_at(struct fault *f, vaddr_t va)
{
	struct amap_walk w;

	if (!f->amap)
		return true;
	amap_find(f->amap, vmap_slot(f->vm, va), &w);
	return w.page == NULL;
}

/* Enter the resident pages around the fault that are whole pages of the object. */
static void enter_neighbours(struct fault *f, struct pmap_cursor *c)
{
	struct vmap *vm = f->vm;
	uint64_t back = (f->index % AROUND_PAGES) << PAGE_SHIFT;
	vaddr_t low = MAX(vm->vaddr, c->base), high = MIN(vmap_end(vm), c->base + TABLE_SPAN);
	vaddr_t va = f->va - MIN(back, f->va - low);
	vaddr_t end = f->va - back + AROUND_PAGES * PAGE_SIZE;

	if (vm->file_len != UINT64_MAX)
		high = MIN(high, vm->vaddr + ALIGN_DOWN(vm->file_len, PAGE_SIZE));
	/*
	 * Pages past the end may still be in the object: a truncate that has removed their
	 * translations waits until they are read or written.
	 */
	high = MIN(high, f->va + ((object_end(vm->object) - f->index) << PAGE_SHIFT));
	for (end = MIN(end, high); va < end; va += PAGE_SIZE) {
		struct page *pg;

		if (va == f->va || pmap_is_entered(c, va))
			continue;
		pg = vm_object_get_page(vm->object, vm->offset + (va - vm->vaddr));
		if (!pg || !page_is(pg, PG_VALID) || page_is(pg, PG_BUSY | PG_ERROR))
			continue;
		if (!slot_is_empty_at(f, va))
			continue;
		fault_enter(c, va, page_pfn(pg), lower_rights(f, pg, c->above));
		mm_stat_inc(STAT_FAULT_AROUND);
	}
}

/* Enter what the driver found. */
static int map_lower(struct fault *f, struct page *pg, pfn_t pfn, bool writable)
{
	struct pmap_cursor c;
	vm_flags_t rights;
	int err = fault_open(f, &c, f->access == VM_WRITE);

	if (err)
		return err;
	if (!slot_is_empty(f)) {
		pmap_close(&c);
		return fault_again(f, FAULT_WAIT_NONE);
	}
	rights = lower_rights(f, pg, c.above);
	fault_enter(&c, f->va, pfn, writable ? rights : rights & ~VM_WRITE);
	if (f->access != VM_WRITE && f->page && f->vm->object)
		enter_neighbours(f, &c);
	pmap_close(&c);
	return fault_finish(f, pg);
}

/* Fill the empty slot with a frame that has the content of f->page. */
static int fill_upper(struct fault *f)
{
	struct page *pg;
	struct pmap_cursor c;
	int err;

	if (!f->up.leaf || !f->up.exclusive) {
		f->want_own = true;
		return fault_again(f, FAULT_WAIT_NONE);
	}
	err = fault_take_frame(f, !f->page);
	if (err)
		return err;
	pg = fault_frame_as_anon(f);
	if (f->page && f->copy_len == PAGE_SIZE) {
		frame_copy(page_virt(pg), page_virt(f->page));
	} else if (f->page) {
		memcpy(page_virt(pg), page_virt(f->page), f->copy_len);
		memset((char *)page_virt(pg) + f->copy_len, 0, PAGE_SIZE - f->copy_len);
	}
	err = fault_open(f, &c, true);
	if (!err && pmap_is_entered(&c, f->va))
		err = fault_evict(f, &c);
	if (err)
		return err;
	if (!amap_fill(&f->up, f->slot, pg)) {
		pmap_close(&c);
		return fault_again(f, FAULT_WAIT_NONE);
	}
	f->fresh = NULL;
	fault_enter_own(f, &c, pg);
	pmap_close(&c);
	mm_stat_inc(f->page ? STAT_FAULT_COPY : STAT_FAULT_ZERO);
	return fault_finish(f, pg);
}

static int fault_act(struct fault *f, enum vm_fault_result res)
{
	switch (res) {
	case VMF_MAP_RO:
		if (!f->page)
			return map_lower(f, cow_zero_page, page_pfn(cow_zero_page), false);
		return map_lower(f, f->page, page_pfn(f->page), false);
	case VMF_MAP:
		if (!f->page)
			return map_lower(f, NULL, f->pfn, true);
		if (f->access == VM_WRITE && is_file(f->vm))
			cache_mark_dirty(f->page);
		return map_lower(f, f->page, page_pfn(f->page), true);
	case VMF_COPY:
		return fill_upper(f);
	case VMF_DONE:
		return 0;
	case VMF_WAIT:
		return FAULT_AGAIN;
	case VMF_FAIL:
		break;
	}
	return f->error;
}

/* Ask the driver, with the lower layer locked, and do what it says. */
int fault_lower(struct fault *f)
{
	struct vm_object *vo = f->vm->object;
	enum vm_fault_result res;
	int err;

	f->page = NULL;
	f->copy_len = PAGE_SIZE;
	if (!vo)
		return fault_act(f, f->vm->driver->vm_fault(f));

	f->object_exclusive = false;
	rw_read_lock(&vo->lock);
	res = f->vm->driver->vm_fault(f);
	if (res == VMF_WAIT && f->wait == FAULT_WAIT_INSERT) {
		rw_read_unlock(&vo->lock);
		rw_write_lock(&vo->lock);
		f->object_exclusive = true;
		res = f->vm->driver->vm_fault(f);
	}
	err = fault_act(f, res);
	if (err == FAULT_AGAIN && (f->wait == FAULT_WAIT_PAGE || f->wait == FAULT_WAIT_WRITABLE)) {
		f->object = vm_object_get(vo);
		f->wait_index = f->index;
	}
	if (f->object_exclusive)
		rw_write_unlock(&vo->lock);
	else
		rw_read_unlock(&vo->lock);
	return err;
}
