/*
 * The phases of an edit:
 *
 *	begin   take mm_lock for writing: no fault of this context is under way
 *	check   look at everything that may forbid the edit; add up what it needs
 *	take    have the vmaps and nodes that it needs; short of memory: unlock, fill the stock (that
 *	        may reclaim), begin again with the check
 *	commit  change the tree, the layers and the page table in steps that cannot fail; flush
 *	end     unlock; release what was unlinked: files, objects, pages
 *
 * While mm_lock is held for writing no vmap is locked: the locks of vmaps (45) are taken only with
 * mm_lock held. That gives an edit three ways to hold them, each of which keeps the faults out that
 * must not be let in before every CPU has acknowledged the flush:
 *
 *	exclusive	mm_lock for writing, to the end. For edits that go on after a flush: mmap over
 *			something, mremap, fork, exec
 *	opened		the same up to the flush, which is the last thing that anybody could see:
 *			munmap, mprotect. mm_lock is opened (rwlock.h), so that the next edit still
 *			waits, but faults do not. Of the vmaps that they can find, one may be concerned;
 *			it is locked for writing until the end. What was unlinked they do not find, and
 *			its addresses are handed out by an edit only, which waits
 *	shared		mm_lock for reading, one vmap after the other locked for writing: what changes
 *			no vmap, but drops pages. madvise(DONTNEED), truncate
 *
 * Beside an edit that is opened or shared faults use other vmaps of the same amap: it is locked
 * where slots are emptied. Tables are unlinked exclusively.
 *
 * Unmapping keeps this order: out of the tree; translations removed; flushed everywhere; out of the
 * objects' lists; tables freed; pages dropped. An object's pages may be taken away (truncate) by
 * who finds the vmap in the object's list and removes its translations; so a vmap stays in that
 * list until no CPU can reach a page through it any more, and leaves it before the tables go that
 * such a walk would use.
 */
#include "mm/edit.h"

#include "lib/assert.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/commit.h"
#include "mm/verify.h"

static void lock_context(struct vmap_edit *e)
{
	if (e->mode == EDIT_SHARED)
		rw_read_lock(&e->ctx->mm_lock);
	else
		rw_write_lock(&e->ctx->mm_lock);
}

static inline void unlock_context(struct vmap_edit *e)
{
	switch (e->mode) {
	case EDIT_EXCLUSIVE:
		rw_write_unlock(&e->ctx->mm_lock);
		break;
	case EDIT_SHARED:
		rw_read_unlock(&e->ctx->mm_lock);
		break;
	case EDIT_OPEN:
		if (e->locked)
			rw_write_unlock(&e->locked->lock);
		rw_open_unlock(&e->ctx->mm_lock);
		break;
	}
}

static inline void begin(struct vmap_edit *e, struct mm_context *ctx)
{
	e->ctx = ctx;
	e->vmaps = NULL;
	e->nvmaps = 0;
	e->charge = 0;
	e->nodes = (struct amap_stock){.handle = NULL};
	e->dead = NULL;
	e->dead_tail = &e->dead;
	e->dead_amaps = (struct amap_dead){.nodes = NULL};
#ifdef QUIRE_DEBUG
	e->low = e->high = 0;
#endif
}

void edit_begin(struct vmap_edit *e, struct mm_context *ctx)
{
	begin(e, ctx);
	e->mode = EDIT_EXCLUSIVE;
	rw_write_lock(&ctx->mm_lock);
}

void edit_begin_shared(struct vmap_edit *e, struct mm_context *ctx)
{
	begin(e, ctx);
	e->mode = EDIT_SHARED;
	rw_read_lock(&ctx->mm_lock);
}

void edit_open(struct vmap_edit *e, struct vmap *vm)
{
	assert(e->mode == EDIT_EXCLUSIVE);
	if (vm) {
		dassert(!rw_held(&vm->lock));
		rw_write_lock(&vm->lock);
	}
	e->locked = vm;
	e->mode = EDIT_OPEN;
	rw_open(&e->ctx->mm_lock);
}

static int stock_vmaps(struct vmap_edit *e, unsigned n, unsigned flags)
{
	while (e->nvmaps < n) {
		struct vmap *vm = vmap_create(e->ctx, flags);

		if (!vm)
			return -ENOMEM;
		vm->next = e->vmaps;
		e->vmaps = vm;
		e->nvmaps++;
	}
	return 0;
}

int edit_take_more(struct vmap_edit *e, unsigned nvmaps, const unsigned need[AMAP_CLASSES])
{
	static const unsigned none[AMAP_CLASSES];
	bool nodes = need && (need[0] || need[1] || need[2]);

	if (stock_vmaps(e, nvmaps, ALLOC_NORECLAIM) == 0 &&
		(!nodes || amap_stock_reserve(&e->nodes, need, ALLOC_NORECLAIM) == 0))
		return 0;
	if (!nodes)
		need = none;
	e->want_vmaps = nvmaps;
	memcpy(e->want_nodes, need, sizeof(e->want_nodes));
	return EDIT_AGAIN;
}

int edit_charge(struct vmap_edit *e, uint64_t pages)
{
	int err = 0;

	if (pages > e->charge)
		err = commit_charge(pages - e->charge);
	else
		commit_uncharge(e->charge - pages);
	if (!err)
		e->charge = pages;
	return err;
}

bool edit_fill_stock(struct vmap_edit *e, int *err)
{
	unlock_context(e);
	*err = stock_vmaps(e, e->want_vmaps, ALLOC_RESERVE);
	if (!*err)
		*err = amap_stock_reserve(&e->nodes, e->want_nodes, ALLOC_RESERVE);
	lock_context(e);
	return *err == 0;
}

struct vmap *edit_take_vmap(struct vmap_edit *e)
{
	struct vmap *vm = e->vmaps;

	assert(vm);
	e->vmaps = vm->next;
	e->nvmaps--;
	return vm;
}

void edit_end(struct vmap_edit *e)
{
	struct vmap *vm;

#ifdef QUIRE_DEBUG
	if (e->high)
		mm_verify_vmaps(e->ctx, e->low, e->high);
#endif
	unlock_context(e);
	if (e->charge)
		commit_uncharge(e->charge);
	if (e->dead_amaps.nodes || e->dead_amaps.handles)
		amap_dead_release(&e->dead_amaps);
	while ((vm = e->dead) != NULL) {
		e->dead = vm->next;
		vmap_release(vm);
	}
	while ((vm = e->vmaps) != NULL) {
		e->vmaps = vm->next;
		vmap_free(vm);
	}
	amap_stock_drop(&e->nodes);
}

unsigned edit_cut_need(struct vmap_edit *e, vaddr_t va)
{
	return vmap_find_across(e->ctx, va) != NULL;
}

void edit_cut(struct vmap_edit *e, vaddr_t va)
{
	struct vmap *vm = vmap_find_across(e->ctx, va);

	if (vm)
		vmap_split(vm, va, edit_take_vmap(e));
}

void edit_merge(struct vmap_edit *e, vaddr_t start, vaddr_t end)
{
	struct vmap *vm;

	edit_touch(e, start, end);
	/* Each takes in its neighbours on both sides. */
	vmap_for_each_in (vm, e->ctx, start, end)
		vm = vmap_merge(e, vm);
}

int edit_unmap_check(struct vmap_edit *e, vaddr_t start, vaddr_t end, unsigned *nvmaps,
	unsigned need[AMAP_CLASSES])
{
	struct vmap *vm = vmap_focus_after(e->ctx, start);

	for (; vm && vm->vaddr < end; vm = vmap_next(vm)) {
		vaddr_t from = MAX(start, vm->vaddr), to = MIN(end, vmap_end(vm));
		bool whole = from == vm->vaddr && to == vmap_end(vm);

		if (vm->vmflags & VM_SEALED)
			return -EPERM;
		*nvmaps += (from != vm->vaddr) + (to != vmap_end(vm));
		/* The handle goes whole with its only vmap. */
		if (vm->amap && !(whole && vm->amap->refs == 1))
			amap_wipe_need(vm->amap, vmap_slot(vm, from), vmap_slot(vm, to - 1), need);
	}
	return 0;
}

/* What was in a range that is free now. */
struct unlinked {
	struct vmap *first; /* a chain in order of address; it goes on with the rest of the dead */
	struct vmap *next;  /* the vmap behind the range */
	bool has_object, has_amap;
};

/*
 * Take the vmaps of [start, end) out of the tree, onto the end of the dead, and cut those that
 * reach out of it.
 */
static void unlink_range(struct vmap_edit *e, vaddr_t start, vaddr_t end, struct unlinked *u)
{
	struct vmap **first = e->dead_tail, *vm = vmap_find_after(e->ctx, start), *next;

	*u = (struct unlinked){.first = NULL};
	if (vm && vm->vaddr < start) {
		vmap_split(vm, start, edit_take_vmap(e));
		vm = vmap_next(vm);
	}
	for (; vm && vm->vaddr < end; vm = next) {
		if (vmap_end(vm) > end)
			vmap_split(vm, end, edit_take_vmap(e));
		next = vmap_next(vm);
		vmap_remove(vm);
		u->has_object |= vm->object != NULL;
		u->has_amap |= vm->amap != NULL;
		vm->next = NULL;
		*e->dead_tail = vm;
		e->dead_tail = &vm->next;
	}
	u->first = *first;
	u->next = vm;
}

/* Empty slots that nobody of this context sees any more. */
static void wipe(struct vmap_edit *e, struct amap *am, pgidx_t first, pgidx_t last)
{
	bool faults = e->mode != EDIT_EXCLUSIVE;

	if (faults)
		rw_write_lock(&am->lock);
	amap_wipe(am, first, last, &e->nodes, &e->dead_amaps);
	if (faults)
		rw_write_unlock(&am->lock);
}

void edit_discard_need(struct vmap *vm, vaddr_t from, vaddr_t to, unsigned need[AMAP_CLASSES])
{
	struct amap *am = LOAD_ACQUIRE(vm->amap);

	if (!am)
		return;
	/*
	 * Faults that come before the wipe make no more of it necessary: what they copy is ours
	 * alone then, and counted as shared now with all below it.
	 */
	rw_read_lock(&am->lock);
	amap_wipe_need(am, vmap_slot(vm, from), vmap_slot(vm, to - 1), need);
	rw_read_unlock(&am->lock);
}

void edit_discard(struct vmap_edit *e, struct vmap *vm, vaddr_t from, vaddr_t to, bool stocked)
{
	struct tlb_batch tb;

	assert(e->mode != EDIT_OPEN);
	rw_write_lock(&vm->lock);
	tlb_batch_init(&tb, &e->ctx->pmap);
	pmap_remove(&e->ctx->pmap, from, to, &tb);
	tlb_batch_finish(&tb);
	vmap_wait_for_unmap(vm);
	if (stocked && vm->amap)
		wipe(e, vm->amap, vmap_slot(vm, from), vmap_slot(vm, to - 1));
	rw_write_unlock(&vm->lock);
}

/* Drop the upper layers of the dead from vm on: handles whole where no vmap names them any more. */
static void drop_upper(struct vmap_edit *e, struct vmap *first)
{
	for (struct vmap *vm = first; vm; vm = vm->next) {
		if (vm->amap && amap_put(vm->amap, &e->dead_amaps))
			vm->amap = NULL;
	}
	for (struct vmap *vm = first; vm; vm = vm->next) {
		if (vm->amap && vm->amap->refs)
			wipe(e, vm->amap, vm->amap_off, vm->amap_off + vm->npages - 1);
		vm->amap = NULL;
	}
}

/*
 * What a range that was unmapped leaves free: [floor, ceiling), the part of the hole around it that
 * its tables may lie in. A hole may be most of the address space: only the entries of the root that
 * the range touches are looked at.
 */
struct hole {
	vaddr_t floor, ceiling;
};

/*
 * The hole around [start, end), which is free now and where leaf tables were seen; next is the vmap
 * behind it. False: the tables are shared with the neighbours, none can go.
 */
static bool hole_find(
	struct mm_context *ctx, struct vmap *next, vaddr_t start, vaddr_t end, struct hole *h)
{
	struct vmap *prev = next ? vmap_prev(next) : vmap_last(ctx);
	vaddr_t floor = prev ? vmap_end(prev) : 0, ceiling = next ? next->vaddr : USER_MAX;
	vaddr_t low = ALIGN_UP(floor, PMAP_TABLE_SPAN);
	vaddr_t high = next ? ALIGN_DOWN(ceiling, PMAP_TABLE_SPAN) : USER_MAX;

	h->floor = MAX(floor, ALIGN_DOWN(start, PMAP_ROOT_SPAN));
	h->ceiling = MIN(ceiling, ALIGN_UP(end, PMAP_ROOT_SPAN));
	return MAX(low, start) < MIN(high, end);
}

void edit_free_tables(struct vmap_edit *e, vaddr_t start, vaddr_t end)
{
	struct tlb_batch tb;
	struct hole h;

	tlb_batch_init(&tb, &e->ctx->pmap);
	if (hole_find(e->ctx, vmap_find_after(e->ctx, start), ALIGN_DOWN(start, PMAP_TABLE_SPAN),
		    ALIGN_UP(end, PMAP_TABLE_SPAN), &h))
		pmap_free_tables(&e->ctx->pmap, h.floor, h.ceiling, &tb);
	tlb_batch_finish(&tb);
}

static void unmap(struct vmap_edit *e, vaddr_t start, vaddr_t end, bool last)
{
	struct pmap *pm = &e->ctx->pmap;
	struct unlinked u;
	struct tlb_batch tb;
	struct hole h;
	bool tables;

	edit_touch(e, start, end);
	unlink_range(e, start, end, &u);
	if (!u.first)
		return;
	tlb_batch_init(&tb, pm);
	pmap_remove(pm, start, end, &tb);
	tables = tb.table_low < tb.table_high &&
		 hole_find(e->ctx, u.next, tb.table_low, tb.table_high, &h);
	if (u.has_object) {
		if (last && !tables && tlb_batch_asks_others(&tb))
			edit_open(e, NULL);
		tlb_batch_finish(&tb);
		tlb_batch_init(&tb, pm);
		for (struct vmap *vm = u.first; vm; vm = vm->next)
			vmap_detach(vm);
	}
	if (tables)
		pmap_free_tables(pm, h.floor, h.ceiling, &tb);
	if (last && e->mode == EDIT_EXCLUSIVE && tlb_batch_asks_others(&tb))
		edit_open(e, NULL);
	tlb_batch_finish(&tb);
	if (u.has_amap)
		drop_upper(e, u.first);
}

void edit_unmap(struct vmap_edit *e, vaddr_t start, vaddr_t end)
{
	unmap(e, start, end, false);
}

void edit_unmap_last(struct vmap_edit *e, vaddr_t start, vaddr_t end)
{
	unmap(e, start, end, true);
}

int edit_attributes(struct vmap_edit *e, vaddr_t start, vaddr_t end, vm_flags_t set,
	vm_flags_t clear, int (*allowed)(const struct vmap *vm))
{
	vaddr_t pos = start;
	struct vmap *vm;
	int err;

	do {
		err = 0;
		vmap_for_each_in (vm, e->ctx, start, end)
			err = err ?: allowed ? allowed(vm) : 0;
		err = err ?: edit_take(e, edit_cut_need(e, start) + edit_cut_need(e, end), NULL);
	} while (edit_again(e, &err));
	if (err)
		return err;
	edit_cut(e, start);
	edit_cut(e, end);
	vmap_for_each_in (vm, e->ctx, start, end) {
		if (vm->vaddr > pos)
			err = -ENOMEM;
		pos = vmap_end(vm);
		vmap_set_flags(vm, (vm->vmflags & ~clear) | set);
	}
	edit_merge(e, start, end);
	return pos < end ? -ENOMEM : err;
}

uint64_t edit_pages_in(struct vmap_edit *e, vaddr_t start, vaddr_t end)
{
	struct vmap *vm;
	uint64_t pages = 0;

	vmap_for_each_in (vm, e->ctx, start, end)
		pages += (MIN(end, vmap_end(vm)) - MAX(start, vm->vaddr)) >> PAGE_SHIFT;
	return pages;
}

bool edit_within_limits(const struct vmap_edit *e, uint64_t pages, uint64_t minus, vm_flags_t flags,
	bool is_private)
{
	const struct mm_context *ctx = e->ctx;

	if (ctx->total_pages + pages - minus > ctx->limit_as >> PAGE_SHIFT)
		return false;
	if (!is_private || (flags & (VM_WRITE | VM_GROWSDOWN)) != VM_WRITE)
		return true;
	return ctx->data_pages + pages <= ctx->limit_data >> PAGE_SHIFT;
}

int edit_resize(struct vmap_edit *e, struct vmap *vm, size_t npages)
{
	vaddr_t end = vm->vaddr + ((uint64_t)npages << PAGE_SHIFT);
	uint64_t more = npages > vm->npages ? npages - vm->npages : 0;
	int err;

	if (npages < vm->npages) {
		edit_unmap(e, end, vmap_end(vm));
		return 0;
	}
	if (end < vm->vaddr || end > USER_MAX || !vmap_gap_holds(e->ctx, vmap_end(vm), end))
		return -ENOMEM;
	if (!edit_within_limits(e, more, 0, vm->vmflags, vmap_is_private(vm)))
		return -ENOMEM;
	if (!amap_may_grow(vm->amap))
		return -ENOMEM;
	err = edit_charge(e, commit_counts(vm->vmflags, vmap_is_private(vm)) ? more : 0);
	if (err)
		return err;
	edit_touch(e, vm->vaddr, end);
	if (more)
		vmap_set_end(vm, end);
	edit_give_charge(e, vm, more);
	return 0;
}
