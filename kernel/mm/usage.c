/*
 * Memory usage of one vmap. Private pages are counted in the upper layer, where the truth is; pages
 * of the lower layer are nobody's in particular and count where the page table shows them. All
 * locks are taken for reading: what changes meanwhile is seen before or after.
 */
#include "mm/usage.h"

#include "mm/amap.h"
#include "mm/cow.h"
#include "mm/paging.h"

struct object_walk {
	struct vmap *vm;
	struct mm_usage *u;
	uint64_t holders; /* vmaps that map the object */
};

static void count_object_page(void *cookie, vaddr_t va, struct pmap_entry entry)
{
	struct object_walk *walk = cookie;
	struct mm_usage *u = walk->u;
	const struct page *pg;
	bool dirty;

	(void)va;
	if (!page_is_ram(entry.pfn))
		return;
	pg = page_from_pfn(entry.pfn);
	if (page_type(pg) != PG_OBJECT)
		return;
	/* What has no backing store is never clean. */
	dirty = walk->vm->object->kind != VMO_FILE || page_is(pg, PG_DIRTY);
	u->rss++;
	u->pss += PAGE_SIZE / walk->holders;
	if (walk->holders > 1)
		*(dirty ? &u->shared_dirty : &u->shared_clean) += 1;
	else
		*(dirty ? &u->private_dirty : &u->private_clean) += 1;
}

static uint64_t count_holders(struct vm_object *vo)
{
	uint64_t n;

	rw_read_lock(&vo->lock);
	n = vo->vo_nmaps;
	rw_read_unlock(&vo->lock);
	return MAX(n, 1ul);
}

static void count_upper(struct vmap *vm, struct mm_usage *u)
{
	struct amap *am = LOAD_ACQUIRE(vm->amap);
	pgidx_t last = vm->amap_off + vm->npages - 1;
	uint64_t all, own;

	if (!am)
		return;
	rw_read_lock(&am->lock);
	own = amap_exclusive(am, vm->amap_off, last);
	all = MAX(amap_resident(am, vm->amap_off, last), own);
	rw_read_unlock(&am->lock);
	u->anonymous += all;
	u->rss += all;
	u->private_dirty += own;
	u->shared_dirty += all - own;
	/* A shared page has two holders at least. */
	u->pss += own * PAGE_SIZE + (all - own) * (PAGE_SIZE / 2);
}

void mm_vmap_usage_locked(struct vmap *vm, struct mm_usage *u)
{
	uint64_t before = u->rss;
	struct object_walk walk = {.vm = vm, .u = u};

	u->size += vm->npages;
	count_upper(vm, u);
	if (vm->object) {
		walk.holders = count_holders(vm->object);
		pmap_walk_range(&vm->ctx->pmap, vm->vaddr, vmap_end(vm), count_object_page, &walk);
	}
	if (vm->vmflags & VM_LOCKED)
		u->locked += u->rss - before;
}

static bool upper_page_info(struct vmap *vm, vaddr_t va, struct mm_page_info *info)
{
	struct amap *am = LOAD_ACQUIRE(vm->amap);
	struct amap_walk w = {.page = NULL};

	if (!am)
		return false;
	rw_read_lock(&am->lock);
	amap_find(am, vmap_slot(vm, va), &w);
	if (w.page) {
		info->pfn = page_pfn(w.page);
		info->flags = MM_PAGE_PRESENT;
		if (w.exclusive && page_shares(w.page) == 1)
			info->flags |= MM_PAGE_EXCLUSIVE;
	}
	rw_read_unlock(&am->lock);
	return w.page;
}

void mm_page_info_locked(struct mm_context *ctx, vaddr_t va, struct mm_page_info *info)
{
	struct vmap *vm = vmap_find(ctx, va);
	paddr_t pa;

	*info = (struct mm_page_info){.flags = 0};
	if (!vm || upper_page_info(vm, va, info))
		return;
	if (mm_get_phys_addr_locked(ctx, va, &pa) != 0)
		return;
	info->pfn = pa >> PAGE_SHIFT;
	info->flags = MM_PAGE_PRESENT;
	if (vm->object)
		info->flags |= MM_PAGE_FILE;
}
