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
 * Next: fault_upper.c (the upper layer, the page table), fault_lower.c, cow.c, the drivers.
 */
#include "mm/fault.h"

#include "mm/buddy.h"
#include "mm/cache.h"
#include "mm/fault_stages.h"
#include "mm/mmap.h"
#include "mm/physmap.h"
#include "mm/stats.h"
#include "sched/thread.h"

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
	f->up.page = NULL;
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

	if (unlikely(f->ctx->dying))
		return -EINTR;
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
			f->up.page = NULL;
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

/* In the thread that faults: no other CPU writes there. */
static inline void count_fault(bool major)
{
	struct thread *self = thread_current();
	uint64_t *n;

	if (unlikely(!self))
		return;
	n = major ? &self->major_faults : &self->minor_faults;
	WRITE_ONCE(*n, *n + 1);
}

static int wait_for_page(struct fault *f)
{
	struct vm_object *vo = f->object;
	int err;

	f->object = NULL;
	if (f->wait == FAULT_WAIT_WRITABLE) {
		writeback_throttle();
		err = vo->ops->make_writable(vo, f->wait_index);
		f->made_writable = !err;
		/* No space is a bus error, as on Linux. */
		if (err && err != -ENOMEM && err != -EINTR)
			err = -EIO;
	} else {
		unpin(f);
		err = cache_get(vo, f->wait_index, CACHE_READAHEAD, &f->pinned);
		count_fault(true);
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
	case FAULT_WAIT_RESERVE:
		return buddy_refill_reserve();
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

/* What outlives a restart; the stages set the rest before they read it. */
static inline void fault_begin(
	struct fault *f, struct mm_context *ctx, vaddr_t va, vm_flags_t access)
{
	f->ctx = ctx;
	f->va = ALIGN_DOWN(va, PAGE_SIZE);
	f->access = access;
	f->want_amap_exclusive = false;
	f->want_own = false;
	f->object = NULL;
	f->pinned = NULL;
	f->made_writable = false;
	f->fresh = NULL;
	f->nodes = (struct amap_stock){.handle = NULL};
	f->tables.n = 0;
	f->tables.want = 0;
}

static inline void fault_end(struct fault *f)
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
	struct fault f;
	int err;

	fault_begin(&f, ctx, va, access);
	f.how = how;
	f.out = out;
	mm_stat_inc(STAT_FAULTS);
	do {
		err = fault_once(&f);
		if (err == FAULT_AGAIN)
			err = fault_wait(&f) ?: FAULT_AGAIN;
	} while (err == FAULT_AGAIN);
	fault_end(&f);
	count_fault(false);
	return err;
}

int mm_handle_fault(struct mm_context *ctx, vaddr_t va, vm_flags_t access)
{
	return mm_fault_page(ctx, va, access, 0, NULL);
}
