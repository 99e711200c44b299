/*
 * The page fault. One struct fault goes through named stages; any of them may ask for a restart:
 *
 *	begin <----------------------------------------------------------------------------+
 *	  find     the vmap and its rights                          mm_lock, vmap (read)   |
 *	  upper    private: walk the amap to the slot               + amap                 |
 *	             page ours alone          -> raise it, and its neighbours              |
 *	             page shared, write       -> cow.c: own the path, copy, replace        |
 *	             page shared, read        -> enter it and its resident neighbours      |
 *	  lower    slot empty: the driver finds the page            + object               |
 *	  act      map it, or copy it into a frame that fills the slot                     |
 *	  enter    one walk of the page table                       + leaf table           |
 *	wait     nothing held: memory, a page being read, the stack's growth --------------+
 *
 * What a fault may not do under locks it notes in f->wait, lets go of everything and begins anew;
 * only the stock of memory and a pin on the page that was waited for survive. So no stage needs to
 * know what changed meanwhile, and two threads that fault the same page both succeed.
 *
 * Topmost page. A page of the lower layer is entered in a private vmap while both layers are locked
 * and the slot is seen empty once more under the leaf table's lock. Who fills a slot does it under
 * that lock too, where it sees a translation of the lower page, if there is one.
 *
 * Replacing a present translation. Other threads may read the old page through their TLBs until
 * they acknowledge the flush; a write to the new page before that would be seen by some and not by
 * others. So either no other CPU has the context loaded, or the amap is locked for writing until
 * the acknowledgements have come.
 *
 * Next: cow.c, amap.c, the drivers.
 */
#include "mm/fault.h"

#include "lib/assert.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/cache.h"
#include "mm/cow.h"
#include "mm/mmap.h"
#include "mm/physmap.h"
#include "mm/stats.h"
#include "sched/thread.h"

#define TABLE_SPAN   (AMAP_TABLE_SLOTS * PAGE_SIZE)
#define AROUND_PAGES 16 /* of the lower layer, aligned */

/*
 * Stock
 */

int fault_take_frame(struct fault *f, bool zero)
{
	if (!f->fresh) {
		f->fresh = page_alloc(0, ALLOC_NORECLAIM | (zero ? ALLOC_ZERO : 0));
		f->fresh_is_zero = zero;
		if (!f->fresh)
			return fault_again(f, FAULT_WAIT_MEMORY);
	}
	if (zero && !f->fresh_is_zero)
		frame_zero(page_virt(f->fresh));
	f->fresh_is_zero = zero;
	/* An earlier round of the fault may have meant it for another layer. */
	WRITE_ONCE(f->fresh->flags, PG_KERNEL);
	return 0;
}

struct page *fault_frame_as_anon(struct fault *f)
{
	struct page *pg = f->fresh;

	pg->owner = NULL;
	pg->index = 0;
	WRITE_ONCE(pg->flags, PG_ANON);
	return pg;
}

static int fill_stock(struct fault *f)
{
	if (!f->fresh) {
		f->fresh = page_alloc(0, ALLOC_ZERO);
		f->fresh_is_zero = true;
		if (!f->fresh)
			return -ENOMEM;
	}
	return amap_stock_fill(&f->nodes, 0);
}

/*
 * Enter
 */

vm_flags_t fault_rights(const struct fault *f)
{
	vm_flags_t flags = f->vm->vmflags;

	/* What may be written or executed can be read. */
	return (flags & (VM_RIGHTS | VM_CACHE_MASK)) | VM_USER | (flags & VM_RIGHTS ? VM_READ : 0);
}

/* Enter or raise a translation; a forced access to memory without any right leaves none. */
static void enter(struct pmap_cursor *c, vaddr_t va, pfn_t pfn, vm_flags_t rights)
{
	if (likely(rights & VM_RIGHTS))
		pmap_set(c, va, pfn, rights);
}

/*
 * The purity rule (fork.md, rule 9): may the table of this fault get its upper W back with all its
 * entries as they are? Only if no other vmap uses the table, and every leaf below was ours alone
 * all the time since the entries were made.
 */
static bool table_is_pure(const struct fault *f)
{
	vaddr_t base = ALIGN_DOWN(f->va, TABLE_SPAN);
	const struct vmap *prev = vmap_prev(f->vm), *next = vmap_next(f->vm);
	pgidx_t first = vmap_slot(f->vm, base);

	if (!f->amap || f->amap->scattered || !IS_ALIGNED(first, AMAP_TABLE_SLOTS))
		return false;
	if (prev && vmap_end(prev) > base)
		return false;
	if (next && next->vaddr < base + TABLE_SPAN)
		return false;
	return amap_is_pure(f->amap, first, first + AMAP_TABLE_SLOTS - 1);
}

int fault_open(struct fault *f, struct pmap_cursor *c, bool own)
{
	struct pmap *pm = &f->ctx->pmap;
	unsigned flags = PMAP_OPEN_ALLOC;
	pgidx_t first;

	if (pmap_open(c, pm, f->va, flags, &f->tables) != 0)
		return fault_again(f, FAULT_WAIT_TABLES);
	if (!own || c->above & VM_WRITE)
		return 0;
	pmap_close(c);
	flags |= PMAP_OPEN_WRITE | (table_is_pure(f) ? PMAP_OPEN_RESTORE : 0);
	if (pmap_open(c, pm, f->va, flags, &f->tables) != 0)
		return fault_again(f, FAULT_WAIT_TABLES);
	if (c->restored)
		mm_stat_inc(STAT_RESTORE);
	if (c->pushed_down) {
		mm_stat_inc(STAT_PUSH_DOWN);
		first = vmap_slot(f->vm, c->base);
		if (f->amap && !f->amap->scattered && IS_ALIGNED(first, AMAP_TABLE_SLOTS))
			amap_clear_stale(f->amap, first, first + AMAP_TABLE_SLOTS - 1);
	}
	return 0;
}

/* The fault ends with this page. */
int fault_finish(struct fault *f, struct page *pg)
{
	if (!f->out)
		return 0;
	if (!pg)
		return -EFAULT;
	page_pin(pg);
	if (fault_wants_own(f) && page_type(pg) == PG_ANON)
		__atomic_fetch_add(&f->ctx->pins, 1, __ATOMIC_RELAXED);
	*f->out = pg;
	return 0;
}

/* The pages of the fault's amap leaf that vmap and table hold: [first, end) around the fault. */
static void leaf_window(
	const struct fault *f, const struct pmap_cursor *c, vaddr_t *first, vaddr_t *end)
{
	vaddr_t low = MAX(f->vm->vaddr, c->base);
	vaddr_t high = MIN(vmap_end(f->vm), c->base + TABLE_SPAN);
	uint64_t before = (f->slot % AMAP_LEAF_SLOTS) << PAGE_SHIFT;
	uint64_t after = (uint64_t)AMAP_LEAF_SLOTS * PAGE_SIZE - before;

	*first = f->va - MIN(before, f->va - low);
	*end = f->va + MIN(after, high - f->va);
}

/* Let the neighbours be written that are entered and ours alone, so that they need no fault. */
static void raise_neighbours(struct fault *f, struct pmap_cursor *c)
{
	vm_flags_t rights = fault_rights(f);
	vaddr_t va, end;

	leaf_window(f, c, &va, &end);
	for (; va < end; va += PAGE_SIZE) {
		struct page *pg = amap_leaf_page(f->up.leaf, vmap_slot(f->vm, va));
		struct pmap_entry e;

		if (!pg || page_shares(pg) != 1)
			continue;
		e = pmap_get(c, va);
		if (e.present && !e.leaf_write && e.pfn == page_pfn(pg)) {
			enter(c, va, e.pfn, rights);
			mm_stat_inc(STAT_FAULT_AROUND);
		}
	}
}

void fault_enter_own(struct fault *f, struct pmap_cursor *c, struct page *pg)
{
	enter(c, f->va, page_pfn(pg), fault_rights(f));
	/* The table above grants W, so each W bit below is rightly there (fork.md, rule 9). */
	if (READ_ONCE(f->up.leaf->stale) && !f->amap->scattered)
		WRITE_ONCE(f->up.leaf->stale, 0);
}

int fault_evict(struct fault *f, struct pmap_cursor *c)
{
	struct pmap *pm = &f->ctx->pmap;
	struct pmap_entry old = pmap_clear(c, f->va);
	struct tlb_batch tb;

	if (tlb_flush_sole(pm, f->va))
		return 0;
	if (!f->amap_exclusive) {
		/* Others may hold it: as it was, until the amap is locked for writing. */
		enter(c, f->va, old.pfn, old.rights & ~VM_WRITE);
		pmap_close(c);
		f->want_amap_exclusive = true;
		return fault_again(f, FAULT_WAIT_NONE);
	}
	pmap_close(c);
	tlb_batch_init(&tb, pm);
	tlb_batch_add(&tb, f->va);
	tlb_batch_finish(&tb);
	return fault_open(f, c, true);
}

/*
 * Upper layer
 */

int fault_reuse(struct fault *f)
{
	struct page *pg = f->up.page;
	struct pmap_cursor c;
	bool was_entered;
	int err = fault_open(f, &c, true);

	if (err)
		return err;
	was_entered = pmap_get(&c, f->va).present;
	fault_enter_own(f, &c, pg);
	if (was_entered && !c.restored)
		raise_neighbours(f, &c);
	pmap_close(&c);
	mm_stat_inc(STAT_FAULT_REUSE);
	return fault_finish(f, pg);
}

/* Enter the page for reading, and the resident ones of its leaf. */
static int read_upper(struct fault *f)
{
	vm_flags_t rights = fault_rights(f), rights_ro = rights & ~VM_WRITE;
	struct pmap_cursor c;
	vaddr_t va, end;
	bool ours;
	int err = fault_open(f, &c, false);

	if (err)
		return err;
	ours = f->up.exclusive && c.above & VM_WRITE;
	leaf_window(f, &c, &va, &end);
	for (; va < end; va += PAGE_SIZE) {
		struct page *pg = amap_leaf_page(f->up.leaf, vmap_slot(f->vm, va));

		/* The faulting page is raised if it is there: the right to execute is new. */
		if (!pg || (va != f->va && pmap_get(&c, va).present))
			continue;
		enter(&c, va, page_pfn(pg), ours && page_shares(pg) == 1 ? rights : rights_ro);
		mm_stat_inc(STAT_FAULT_AROUND);
	}
	pmap_close(&c);
	return fault_finish(f, f->up.page);
}

/* Truncate takes private pages past the end of a file too; what an image has behind its part of the
 * file is no part of the file. */
static bool is_past_end(const struct fault *f)
{
	const struct vmap *vm = f->vm;

	return vm->object && f->va - vm->vaddr < vm->file_len &&
	       (uint64_t)f->index << PAGE_SHIFT >= READ_ONCE(vm->object->vo_size);
}

static int fault_upper(struct fault *f)
{
	if (is_past_end(f))
		return -ENXIO;
	if (!fault_wants_own(f))
		return read_upper(f);
	if (f->up.exclusive && page_shares(f->up.page) == 1)
		return fault_reuse(f);
	return mm_resolve_cow_fault(f);
}

/*
 * Lower layer
 */

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
	for (end = MIN(end, high); va < end; va += PAGE_SIZE) {
		struct page *pg;

		if (va == f->va || pmap_get(c, va).present)
			continue;
		pg = vm_object_get_page(vm->object, vm->offset + (va - vm->vaddr));
		if (!pg || !page_is(pg, PG_VALID) || page_is(pg, PG_BUSY | PG_ERROR))
			continue;
		if (!slot_is_empty_at(f, va))
			continue;
		enter(c, va, page_pfn(pg), lower_rights(f, pg, c->above));
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
	enter(&c, f->va, pfn, writable ? rights : rights & ~VM_WRITE);
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
	if (!err && pmap_get(&c, f->va).present)
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
static int fault_lower(struct fault *f)
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

/*
 * The layers of a private vmap
 */

void fault_lock_amap_exclusive(struct fault *f)
{
	if (f->amap_exclusive)
		return;
	rw_read_unlock(&f->amap->lock);
	rw_write_lock(&f->amap->lock);
	f->amap_exclusive = true;
}

/* Give the vmap an upper layer that reaches to the slot. */
static int make_amap(struct fault *f)
{
	struct amap *am = amap_create(&f->nodes), *none = NULL;

	if (!am)
		return fault_again(f, FAULT_WAIT_MEMORY);
	if (amap_own(am, f->slot, &f->nodes, &f->up) != 0) {
		amap_destroy(am);
		return fault_again(f, FAULT_WAIT_MEMORY);
	}
	if (__atomic_compare_exchange_n(
		    &f->vm->amap, &none, am, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		f->amap = am;
		return 0;
	}
	amap_destroy(am);
	f->amap = none;
	return 0;
}

/* Have an exclusive path to the empty slot. */
static int own_slot(struct fault *f)
{
	int err;

	if (f->up.leaf && f->up.exclusive)
		return 0;
	err = f->up.exclusive ? amap_extend(f->amap, f->slot, &f->nodes, &f->up) : -EAGAIN;
	if (err == -EAGAIN) {
		fault_lock_amap_exclusive(f);
		err = amap_own(f->amap, f->slot, &f->nodes, &f->up);
	}
	return err ? fault_again(f, FAULT_WAIT_MEMORY) : 0;
}

static int fault_layers(struct fault *f)
{
	int err = 0;

	if (!f->up.page && fault_wants_own(f))
		err = own_slot(f);
	if (err)
		return err;
	return f->up.page ? fault_upper(f) : fault_lower(f);
}

static int fault_private(struct fault *f)
{
	int err;

	f->amap = LOAD_ACQUIRE(f->vm->amap);
	if (!f->amap && fault_wants_own(f)) {
		err = make_amap(f);
		if (err)
			return err;
	}
	if (!f->amap) {
		f->up = (struct amap_walk){.exclusive = true};
		return fault_lower(f);
	}
	f->amap_exclusive = f->want_amap_exclusive;
	if (f->amap_exclusive)
		rw_write_lock(&f->amap->lock);
	else
		rw_read_lock(&f->amap->lock);
	amap_find(f->amap, f->slot, &f->up);
	err = fault_layers(f);
	if (f->amap_exclusive)
		rw_write_unlock(&f->amap->lock);
	else
		rw_read_unlock(&f->amap->lock);
	return err;
}

/*
 * Find, and the driver of the stages
 */

/* May the access be made? */
static bool access_is_granted(const struct fault *f)
{
	vm_flags_t rights = f->vm->vmflags;

	if (f->how & FAULT_FORCE && vmap_is_private(f->vm))
		return rights & (f->access == VM_WRITE ? VM_MAYWRITE : VM_MAYREAD);
	/* The CPU cannot deny reading to what may be written or executed. */
	return rights & (f->access == VM_READ ? VM_RIGHTS : f->access);
}

static int fault_find(struct fault *f)
{
	struct vmap *above;

	f->vm = vmap_find(f->ctx, f->va);
	if (!f->vm) {
		above = vmap_find_after(f->ctx, f->va);
		if (above && above->vmflags & VM_GROWSDOWN)
			return fault_again(f, FAULT_WAIT_GROW);
		return -EFAULT;
	}
	if (!access_is_granted(f))
		return -EACCES;
	f->slot = vmap_slot(f->vm, f->va);
	f->index = vmap_index(f->vm, f->va);
	return 0;
}

static int fault_once(struct fault *f)
{
	int err;

	rw_read_lock(&f->ctx->mm_lock);
	err = fault_find(f);
	if (!err) {
		rw_read_lock(&f->vm->lock);
		if (vmap_is_private(f->vm)) {
			err = fault_private(f);
		} else {
			f->amap = NULL;
			err = fault_lower(f);
		}
		rw_read_unlock(&f->vm->lock);
	}
	rw_read_unlock(&f->ctx->mm_lock);
	return err;
}

static void unpin(struct fault *f)
{
	if (f->pinned)
		page_unpin(f->pinned);
	f->pinned = NULL;
	f->made_writable = false;
}

static int wait_for_page(struct fault *f)
{
	struct vm_object *vo = f->object;
	int err;

	f->object = NULL;
	if (f->wait == FAULT_WAIT_WRITABLE) {
		err = vo->ops->make_writable(vo, f->wait_index);
		f->made_writable = !err;
		/* No space is a bus error, as on Linux. */
		if (err && err != -ENOMEM && err != -EINTR)
			err = -EIO;
	} else {
		unpin(f);
		err = cache_get(vo, f->wait_index, CACHE_READAHEAD, &f->pinned);
		__atomic_fetch_add(&f->ctx->major_faults, 1, __ATOMIC_RELAXED);
		mm_stat_inc(STAT_FAULTS_MAJOR);
	}
	vm_object_put(vo);
	return err;
}

/* What the stages asked for, with nothing held. */
static int fault_wait(struct fault *f)
{
	const struct thread *self = thread_current();

	if (self && thread_flags(self) & THREAD_KILLED)
		return -EINTR;
	mm_stat_inc(STAT_FAULT_RESTART);
	switch (f->wait) {
	case FAULT_WAIT_MEMORY:
		return fill_stock(f);
	case FAULT_WAIT_TABLES:
		return pmap_stock_fill(&f->tables);
	case FAULT_WAIT_GROW:
		return mm_grow_stack(f->ctx, f->va);
	case FAULT_WAIT_PAGE:
	case FAULT_WAIT_WRITABLE:
		return wait_for_page(f);
	case FAULT_WAIT_INSERT:
	case FAULT_WAIT_NONE:
		break;
	}
	return 0;
}

static void fault_end(struct fault *f)
{
	unpin(f);
	if (f->object)
		vm_object_put(f->object);
	if (f->fresh)
		page_free(f->fresh, 0);
	amap_stock_drop(&f->nodes);
	pmap_stock_drop(&f->tables);
}

int mm_fault_page(
	struct mm_context *ctx, vaddr_t va, vm_flags_t access, unsigned how, struct page **out)
{
	struct fault f = {
		.ctx = ctx,
		.va = ALIGN_DOWN(va, PAGE_SIZE),
		.access = access,
		.how = how,
		.out = out,
	};
	int err;

	mm_stat_inc(STAT_FAULTS);
	do {
		err = fault_once(&f);
		if (err == FAULT_AGAIN)
			err = fault_wait(&f) ?: FAULT_AGAIN;
	} while (err == FAULT_AGAIN);
	fault_end(&f);
	__atomic_fetch_add(&ctx->minor_faults, 1, __ATOMIC_RELAXED);
	return err;
}

int mm_handle_fault(struct mm_context *ctx, vaddr_t va, vm_flags_t access)
{
	return mm_fault_page(ctx, va, access, 0, NULL);
}
