/*
 * verify: the invariants of docs/vm.md as code.
 *
 *	vmaps sorted, disjoint, aligned, in the user range; gaps right; counters equal a recount
 *	slots of a handle: no two vmaps overlap, nothing occupied outside all of them
 *	an object's list names the vmaps that name it, and their number is right
 *	a translation maps the topmost page with rights within the vmap's
 *	writable in a private vmap  =>  exclusive path and one share
 *	writable in a shared file vmap  =>  page dirty
 *	nodes: references = parents, count = occupied slots; pages: shares = slots that hold them
 */
#include "mm/verify.h"

#include "lib/assert.h"
#include "lib/string.h"
#include "mm/amap.h"
#include "mm/cow.h"
#include "mm/object_pages.h"
#include "mm/slab.h"
#include "panic.h"

#define must(cond, fmt, ...)                                             \
	do {                                                             \
		if (!(cond))                                             \
			panic("verify: %s: " fmt, #cond, ##__VA_ARGS__); \
	} while (0)

#define must_at(cond, vm) must(cond, "vmap [%lx, %lx)", (vm)->vaddr, vmap_end(vm))

/*
 * Vmaps
 */

static void verify_gaps(const struct vmap *vm, const struct vmap *prev)
{
	uint64_t guard = vm->vmflags & VM_GROWSDOWN ? STACK_GUARD_PAGES << PAGE_SHIFT : 0;
	uint64_t gap = vm->vaddr - (prev ? vmap_end(prev) : 0), max;

	gap = gap > guard ? gap - guard : 0;
	must_at(vm->gap_before == gap, vm);
	max = gap;
	if (vm->node.left)
		max = MAX(max, rb_entry(vm->node.left, struct vmap, node)->gap_max);
	if (vm->node.right)
		max = MAX(max, rb_entry(vm->node.right, struct vmap, node)->gap_max);
	must_at(vm->gap_max == max, vm);
}

static void verify_object(struct vmap *vm)
{
	struct vmap *other;
	uint64_t found = 0, all = 0;

	must_at((vm->offset & PAGE_MASK) == 0, vm);
	rw_read_lock(&vm->object->lock);
	list_for_each_entry (other, &vm->object->vo_mappings, object_link) {
		must_at(other->object == vm->object, other);
		found += other == vm;
		all++;
	}
	must_at(vm->object->vo_nmaps == all, vm);
	rw_read_unlock(&vm->object->lock);
	must_at(found == 1, vm);
}

static void verify_vmap(struct mm_context *ctx, struct vmap *vm)
{
	struct vmap *prev = vmap_prev(vm);

	must_at(vm->ctx == ctx, vm);
	must_at(vm->npages > 0 && (vm->vaddr & PAGE_MASK) == 0, vm);
	must_at(vmap_end(vm) > vm->vaddr && vmap_end(vm) <= USER_MAX, vm);
	must_at(!prev || vmap_end(prev) <= vm->vaddr, vm);
	verify_gaps(vm, prev);
	must_at(vmap_is_private(vm) || !vm->amap, vm);
	if (vm->object)
		verify_object(vm);
}

void mm_verify_vmaps(struct mm_context *ctx, vaddr_t start, vaddr_t end)
{
	struct vmap *vm = vmap_find_after(ctx, start ? start - 1 : 0);

	for (; vm; vm = vmap_next(vm)) {
		verify_vmap(ctx, vm);
		if (vm->vaddr >= end)
			break;
	}
}

/* All vmaps of vm's handle: their number, their pages, no overlap. */
static void verify_handle(struct mm_context *ctx, const struct vmap *vm)
{
	const struct amap *am = vm->amap;
	uint64_t users = 0, pages = 0;

	for (const struct vmap *o = vmap_first(ctx); o; o = vmap_next(o)) {
		if (o->amap != am)
			continue;
		users++;
		pages += amap_resident(am, o->amap_off, o->amap_off + o->npages - 1);
		must_at(o == vm || o->amap_off + o->npages <= vm->amap_off ||
				vm->amap_off + vm->npages <= o->amap_off,
			vm);
	}
	must_at(am->refs == users, vm);
	must_at(amap_resident(am, 0, UINT64_MAX) == pages, vm);
	must_at(!am->clone, vm);
}

static void verify_counters(struct mm_context *ctx)
{
	uint64_t n = 0, total = 0, locked = 0, data = 0, stack = 0;

	for (struct vmap *vm = vmap_first(ctx); vm; vm = vmap_next(vm)) {
		n++;
		total += vm->npages;
		if (vm->vmflags & VM_LOCKED)
			locked += vm->npages;
		if (vm->vmflags & VM_GROWSDOWN)
			stack += vm->npages;
		else if (vmap_is_private(vm) && vm->vmflags & VM_WRITE)
			data += vm->npages;
	}
	must(ctx->nvmaps == n, "%lu, counted %lu", ctx->nvmaps, n);
	must(ctx->total_pages == total, "%lu, counted %lu", ctx->total_pages, total);
	must(ctx->locked_pages == locked, "%lu, counted %lu", ctx->locked_pages, locked);
	must(ctx->data_pages == data, "%lu, counted %lu", ctx->data_pages, data);
	must(ctx->stack_pages == stack, "%lu, counted %lu", ctx->stack_pages, stack);
}

/*
 * Translations
 */

/* What the lower layer would show at va. */
static pfn_t lower_pfn(struct vmap *vm, vaddr_t va)
{
	uint64_t off = (uint64_t)vmap_index(vm, va) << PAGE_SHIFT;
	struct page *pg = NULL;

	if (vm->driver == &driver_phys)
		return (vm->object->base + off) >> PAGE_SHIFT;
	if (vm->object && va - vm->vaddr < vm->file_len) {
		rw_read_lock(&vm->object->lock);
		pg = vm_object_get_page(vm->object, off);
		rw_read_unlock(&vm->object->lock);
	}
	if (pg)
		return page_pfn(pg);
	return vmap_is_private(vm) ? page_pfn(cow_zero_page) : PFN_NONE;
}

static void verify_writable(const struct vmap *vm, vaddr_t va, pfn_t pfn, const struct amap_walk *w)
{
	if (vmap_is_private(vm)) {
		must(w->page && w->exclusive, "va %lx", va);
		must(page_shares(w->page) == 1, "va %lx, shares %u", va, page_shares(w->page));
	} else if (vm->driver == &driver_file) {
		must(page_is(page_from_pfn(pfn), PG_DIRTY), "va %lx", va);
	}
}

static void verify_translation(void *cookie, vaddr_t va, struct pmap_entry e)
{
	struct mm_context *ctx = cookie;
	struct vmap *vm = vmap_find(ctx, va);
	struct amap_walk w = {0};
	vm_flags_t granted;

	must(vm, "translation of va %lx without vmap", va);
	granted = vm->vmflags & VM_RIGHTS ? vm->vmflags | VM_READ : 0;
	must(!(e.rights & VM_RIGHTS & ~granted), "va %lx: rights %x of %x", va, e.rights, granted);
	if (vm->amap)
		amap_find(vm->amap, vmap_slot(vm, va), &w);
	if (w.page)
		must(e.pfn == page_pfn(w.page), "va %lx: frame %lx, slot has %lx", va, e.pfn,
			page_pfn(w.page));
	else if (vm->driver != &driver_callback)
		must(e.pfn == lower_pfn(vm, va), "va %lx: frame %lx, lower layer %lx", va, e.pfn,
			lower_pfn(vm, va));
	if (e.rights & VM_WRITE)
		verify_writable(vm, va, e.pfn, &w);
}

void mm_verify_context(struct mm_context *ctx)
{
	for (struct vmap *vm = vmap_first(ctx); vm; vm = vmap_next(vm)) {
		verify_vmap(ctx, vm);
		if (vm->amap)
			verify_handle(ctx, vm);
	}
	verify_counters(ctx);
	pmap_walk(&ctx->pmap, verify_translation, ctx);
}

/*
 * Counts across contexts: a hash table from node or page to the number of times it was met.
 */

struct seen {
	const void *what;
	bool is_page;
	uint32_t times;
};

struct seen_table {
	struct seen *slots;
	size_t size, used; /* size: a power of two */
};

static struct seen *seen_slot(struct seen_table *t, const void *what)
{
	size_t i = ((uintptr_t)what >> 4) * 0x9e3779b97f4a7c15ul >> 20;

	while (t->slots[i & (t->size - 1)].what && t->slots[i & (t->size - 1)].what != what)
		i++;
	return &t->slots[i & (t->size - 1)];
}

static void seen_grow(struct seen_table *t)
{
	struct seen_table old = *t;

	t->size = old.size ? old.size * 2 : 1024;
	t->slots = kzalloc(t->size * sizeof(*t->slots), 0);
	must(t->slots, "no memory for the check");
	for (size_t i = 0; i < old.size; i++) {
		if (old.slots[i].what)
			*seen_slot(t, old.slots[i].what) = old.slots[i];
	}
	kfree(old.slots);
}

/* Count one more parent; true: the first. */
static bool seen_add(struct seen_table *t, const void *what, bool is_page)
{
	struct seen *s;

	if (t->used * 2 >= t->size)
		seen_grow(t);
	s = seen_slot(t, what);
	if (!s->what) {
		s->what = what;
		s->is_page = is_page;
		t->used++;
	}
	return ++s->times == 1;
}

static void count_node(struct seen_table *t, const struct amap_node *n)
{
	unsigned occupied = 0;

	if (!seen_add(t, n, false))
		return;
	for (unsigned i = 0; i < amap_node_slots(n->level); i++) {
		if (!n->slots[i])
			continue;
		occupied++;
		if (n->level == 0)
			seen_add(t, n->slots[i], true);
		else
			count_node(t, n->slots[i]);
	}
	must(n->count == occupied, "level %u: count %u, occupied %u", n->level, n->count, occupied);
}

static void count_object(struct seen_table *t, struct vm_object *vo)
{
	struct page *pg;
	pgidx_t idx = 0;

	rw_read_lock(&vo->lock);
	for (; (pg = object_next_locked(vo, &idx)) != NULL; idx++) {
		must(pg->owner == vo && pg->index == idx, "object %s index %lu", vo->vo_name, idx);
		seen_add(t, pg, true);
	}
	rw_read_unlock(&vo->lock);
}

/* The handles of a context, each once: by the vmap with the lowest address that names it. */
static bool is_first_of_handle(const struct vmap *vm)
{
	for (const struct vmap *o = vmap_prev(vm); o; o = vmap_prev(o)) {
		if (o->amap == vm->amap)
			return false;
	}
	return true;
}

static void verify_seen(const struct seen *s)
{
	if (s->is_page) {
		const struct page *pg = s->what;

		must(page_shares(pg) == s->times, "frame %lx: shares %u, slots %u", page_pfn(pg),
			page_shares(pg), s->times);
		must(page_type(pg) == PG_ANON || page_type(pg) == PG_OBJECT, "frame %lx: type %u",
			page_pfn(pg), page_type(pg));
	} else {
		const struct amap_node *n = s->what;

		must(n->refs == s->times, "node of level %u: refs %u, parents %u", n->level,
			n->refs, s->times);
	}
}

void mm_verify_counts(
	struct mm_context **ctxs, unsigned nctxs, struct vm_object **vos, unsigned nvos)
{
	struct seen_table t = {0};

	for (unsigned i = 0; i < nctxs; i++) {
		for (struct vmap *vm = vmap_first(ctxs[i]); vm; vm = vmap_next(vm)) {
			if (vm->amap && vm->amap->root && is_first_of_handle(vm))
				count_node(&t, vm->amap->root);
		}
	}
	for (unsigned i = 0; i < nvos; i++)
		count_object(&t, vos[i]);
	for (size_t i = 0; i < t.size; i++) {
		if (t.slots[i].what)
			verify_seen(&t.slots[i]);
	}
	kfree(t.slots);
}
