/*
 * The upper layer's part of a fault, and what all stages do at the page table: one walk that stands
 * in the leaf table of the address (fault_open), lets a page of ours be written below lowered upper
 * levels, enters the page and its neighbours, or takes a translation away first (fault_evict).
 *
 * W above a leaf table comes back in one of two ways (pmap.h): by push-down, after which every page
 * needs a fault of its own again, or by restore, which keeps the W bits of all 512 entries. Restore
 * needs the purity rule, and the amap's leaves keep `stale` for it: an entry may have W wrongly
 * only if its leaf was copied since the table was lowered.
 */
#include "mm/fault_stages.h"

#include "mm/cow.h"
#include "mm/stats.h"

#define TABLE_SPAN (AMAP_TABLE_SLOTS * PAGE_SIZE)

vm_flags_t fault_rights(const struct fault *f)
{
	vm_flags_t flags = f->vm->vmflags;

	/* What may be written or executed can be read. */
	return (flags & (VM_RIGHTS | VM_CACHE_MASK)) | VM_USER | (flags & VM_RIGHTS ? VM_READ : 0);
}

void fault_enter(struct pmap_cursor *c, vaddr_t va, pfn_t pfn, vm_flags_t rights)
{
	if (likely(rights & VM_RIGHTS))
		pmap_set(c, va, pfn, rights);
}

/*
 * The purity rule (docs/vm.md): may the table of this fault get its upper W back with all its
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

/* Open with the tables that are missing from the stock, or from free memory if it has enough. */
static inline int open_table(struct fault *f, struct pmap_cursor *c, unsigned flags)
{
	struct pmap *pm = &f->ctx->pmap;

	flags |= PMAP_OPEN_ALLOC;
	if (likely(pmap_open(c, pm, f->va, flags, &f->tables) == 0))
		return 0;
	if (pmap_stock_fill_try(&f->tables) == 0 && pmap_open(c, pm, f->va, flags, &f->tables) == 0)
		return 0;
	return fault_again(f, FAULT_WAIT_TABLES);
}

int fault_open(struct fault *f, struct pmap_cursor *c, bool own)
{
	/*
	 * Memory that may not be written needs no W above, and W bits below it may be left from
	 * when it might: mprotect lowers high up, too.
	 */
	bool write = own && f->vm->vmflags & VM_WRITE;
	/* With a leaf that was just copied the table is not pure. */
	bool stale = f->amap && f->up.leaf && READ_ONCE(f->up.leaf->stale);
	pgidx_t first;
	int err = open_table(f, c, write && stale ? PMAP_OPEN_WRITE : 0);

	if (!err && write && !(c->above & VM_WRITE)) {
		pmap_close(c);
		err = open_table(
			f, c, PMAP_OPEN_WRITE | (table_is_pure(f) ? PMAP_OPEN_RESTORE : 0));
	}
	if (err)
		return err;
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
			fault_enter(c, va, e.pfn, rights);
			mm_stat_inc(STAT_FAULT_AROUND);
		}
	}
}

void fault_enter_own(struct fault *f, struct pmap_cursor *c, struct page *pg)
{
	fault_enter(c, f->va, page_pfn(pg), fault_rights(f));
	/* Where the table above grants W, each W bit below is rightly there (the purity rule). */
	if (READ_ONCE(f->up.leaf->stale) && c->above & VM_WRITE && !f->amap->scattered)
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
		fault_enter(c, f->va, old.pfn, old.rights & ~VM_WRITE);
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
 * The upper layer
 */

int fault_reuse(struct fault *f)
{
	struct page *pg = f->up.page;
	struct pmap_cursor c;
	bool was_entered;
	int err = fault_open(f, &c, true);

	if (err)
		return err;
	was_entered = pmap_is_entered(&c, f->va);
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
		if (!pg || (va != f->va && pmap_is_entered(&c, va)))
			continue;
		fault_enter(
			&c, va, page_pfn(pg), ours && page_shares(pg) == 1 ? rights : rights_ro);
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

int fault_upper(struct fault *f)
{
	if (is_past_end(f))
		return -ENXIO;
	if (!fault_wants_own(f))
		return read_upper(f);
	if (f->up.exclusive && page_shares(f->up.page) == 1)
		return fault_reuse(f);
	return mm_resolve_cow_fault(f);
}
