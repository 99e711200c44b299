/*
 * vmaps: make, copy, split, merge and release. What lives where:
 *
 *	tree of the context     by address                        vmap_insert, vmap_remove
 *	list of the object      vmap.object_link                  vmap_attach, vmap_detach
 *	upper layer             handle + first slot index         halves of a split share the handle
 *	file                    reference through vmap_file_ops   dropped with nothing held
 *
 * Split and merge touch no radix tree: the halves of a vmap name the same amap handle with disjoint
 * ranges of slots. The slots of a handle outside its vmaps' ranges are empty, because whatever
 * unmaps a range wipes it; hence a handle may be carried over to a neighbour that has none
 * (amap_may_grow).
 *
 * Locking: mm_lock (write) for all changes; start, end and offset change under the object's lock
 * too, so that who holds either may read them.
 */
#include "mm/vmap.h"

#include "lib/assert.h"
#include "lib/string.h"
#include "mm/amap.h"
#include "mm/commit.h"
#include "mm/edit.h"
#include "mm/slab.h"

static struct slab_cache *vmap_cache;
static const struct vmap_file_ops *file_ops;

static void vmap_ctor(void *obj)
{
	struct vmap *vm = obj;

	rw_init(&vm->lock, RANK_VMAP, "vmap");
}

void vmap_init(void)
{
	vmap_cache = slab_cache_create("vmap", sizeof(struct vmap), 16, vmap_ctor);
}

void vmap_set_file_ops(const struct vmap_file_ops *ops)
{
	file_ops = ops;
}

struct vmap *vmap_create(struct mm_context *ctx, unsigned flags)
{
	struct vmap *vm = slab_alloc(vmap_cache, flags);

	if (!vm)
		return NULL;
	vm->ctx = ctx;
	vm->vmflags = 0;
	vm->type = VMAP_TYPE_PRIVATE;
	vm->content = VMAP_UNKNOWN;
	vm->driver = &driver_anon;
	vm->amap = NULL;
	vm->object = NULL;
	vm->offset = 0;
	vm->file_len = UINT64_MAX;
	vm->charged = 0;
	vm->file = NULL;
	vm->handler = NULL;
	vm->cookie = NULL;
	vm->truncate_seen = 0;
	vm->name[0] = '\0';
	return vm;
}

void vmap_free(struct vmap *vm)
{
	slab_free(vmap_cache, vm);
}

void vmap_set_file(struct vmap *vm, void *file)
{
	vm->file = file;
	if (file)
		file_ops->get(file);
}

void vmap_copy(struct vmap *dst, const struct vmap *src)
{
	dst->vaddr = src->vaddr;
	dst->npages = src->npages;
	dst->vmflags = src->vmflags;
	dst->type = src->type;
	dst->content = src->content;
	dst->driver = src->driver;
	dst->amap = NULL;
	dst->amap_off = src->amap_off;
	dst->object = src->object ? vm_object_get(src->object) : NULL;
	dst->offset = src->offset;
	dst->file_len = src->file_len;
	dst->charged = 0;
	vmap_set_file(dst, src->file);
	dst->handler = src->handler;
	dst->cookie = src->cookie;
	dst->truncate_seen = src->truncate_seen;
	memcpy(dst->name, src->name, sizeof(dst->name));
}

/* May the pages of the object be changed through vm, now or after an mprotect? */
static bool may_write_object(const struct vmap *vm)
{
	return vm->type == VMAP_TYPE_SHARED && vm->vmflags & VM_MAYWRITE;
}

/* Enter vm in its object's list. => object locked (write) */
static void link_object_locked(struct vmap *vm)
{
	struct vm_object *vo = vm->object;

	list_add_tail(&vo->vo_mappings, &vm->object_link);
	vo->vo_nmaps++;
	if (may_write_object(vm))
		vo->writable_maps++;
	if (vo->ops && vo->ops->mapped)
		vo->ops->mapped(vo);
}

void vmap_attach(struct vmap *vm, struct vm_object *vo, uint64_t offset)
{
	rw_write_lock(&vo->lock);
	vm->object = vm_object_get(vo);
	vm->offset = offset;
	vm->truncate_seen = vo->vo_truncations;
	link_object_locked(vm);
	rw_write_unlock(&vo->lock);
}

void vmap_relink(struct vmap *vm)
{
	rw_write_lock(&vm->object->lock);
	link_object_locked(vm);
	rw_write_unlock(&vm->object->lock);
}

void vmap_detach(struct vmap *vm)
{
	struct vm_object *vo = vm->object;

	if (!vo)
		return;
	rw_write_lock(&vo->lock);
	list_remove(&vm->object_link);
	vo->vo_nmaps--;
	if (may_write_object(vm))
		vo->writable_maps--;
	if (vo->ops && vo->ops->unmapped)
		vo->ops->unmapped(vo);
	rw_write_unlock(&vo->lock);
}

void vmap_free_backing(struct vmap *vm)
{
	if (vm->object)
		vm_object_put(vm->object);
	if (vm->file)
		file_ops->put(vm->file);
}

void vmap_release(struct vmap *vm)
{
	assert(!vm->amap);
	if (vm->driver->vm_free)
		vm->driver->vm_free(vm);
	else
		assert(!vm->object && !vm->file);
	commit_uncharge(vm->charged);
	vmap_free(vm);
}

/* Count vm in or out of the context's totals. */
static void account(struct vmap *vm, int64_t pages)
{
	struct mm_context *ctx = vm->ctx;

	ctx->total_pages += pages;
	ctx->peak_pages = MAX(ctx->peak_pages, ctx->total_pages);
	if (vm->vmflags & VM_LOCKED)
		ctx->locked_pages += pages;
	if (vm->vmflags & VM_GROWSDOWN)
		ctx->stack_pages += pages;
	else if (vmap_is_private(vm) && vm->vmflags & VM_WRITE)
		ctx->data_pages += pages;
}

void vmap_insert(struct mm_context *ctx, struct vmap *vm)
{
	/* Who finds vm in its object's list reads ctx: it is there from the start. */
	dassert(vm->ctx == ctx);
	vmap_tree_insert(ctx, vm);
	ctx->nvmaps++;
	account(vm, vm->npages);
}

void vmap_remove(struct vmap *vm)
{
	vmap_tree_remove(vm);
	vm->ctx->nvmaps--;
	account(vm, -(int64_t)vm->npages);
}

void vmap_set_flags(struct vmap *vm, vm_flags_t flags)
{
	vm_flags_t changed = vm->vmflags ^ flags;

	if (!changed)
		return;
	account(vm, -(int64_t)vm->npages);
	vm->vmflags = flags;
	account(vm, vm->npages);
	if (changed & VM_GROWSDOWN)
		vmap_tree_update(vm);
}

static void lock_object(struct vmap *vm)
{
	if (vm->object)
		rw_write_lock(&vm->object->lock);
}

static void unlock_object(struct vmap *vm)
{
	if (vm->object)
		rw_write_unlock(&vm->object->lock);
}

void vmap_set_end(struct vmap *vm, vaddr_t end)
{
	account(vm, -(int64_t)vm->npages);
	lock_object(vm);
	vm->npages = (end - vm->vaddr) >> PAGE_SHIFT;
	unlock_object(vm);
	account(vm, vm->npages);
	vmap_tree_update(vm);
}

void vmap_set_start(struct vmap *vm, vaddr_t start)
{
	int64_t moved = (int64_t)(start - vm->vaddr);

	account(vm, -(int64_t)vm->npages);
	lock_object(vm);
	vm->vaddr = start;
	vm->npages -= moved >> PAGE_SHIFT;
	vm->offset += vm->object ? moved : 0;
	vm->amap_off += moved >> PAGE_SHIFT;
	unlock_object(vm);
	account(vm, vm->npages);
	vmap_tree_update(vm);
}

void vmap_move(struct vmap *vm, vaddr_t va, size_t npages)
{
	lock_object(vm);
	vm->vaddr = va;
	vm->npages = npages;
	unlock_object(vm);
}

/* Bytes of an image that come from the file, `skip` bytes further on. */
static uint64_t file_len_after(uint64_t file_len, uint64_t skip)
{
	if (file_len == UINT64_MAX)
		return UINT64_MAX;
	return file_len > skip ? file_len - skip : 0;
}

void vmap_split(struct vmap *vm, vaddr_t va, struct vmap *upper)
{
	uint64_t skip = va - vm->vaddr;
	uint64_t charged = vm->charged * (skip >> PAGE_SHIFT) / vm->npages;

	assert(skip > 0 && va < vmap_end(vm));
	vmap_copy(upper, vm);
	upper->vaddr = va;
	upper->npages = vm->npages - (skip >> PAGE_SHIFT);
	upper->amap_off = vm->amap_off + (skip >> PAGE_SHIFT);
	upper->offset = vm->object ? vm->offset + skip : 0;
	upper->file_len = file_len_after(vm->file_len, skip);
	upper->charged = vm->charged - charged;
	vm->charged = charged;
	upper->amap = vm->amap;
	if (upper->amap)
		upper->amap->refs++;

	account(vm, -(int64_t)upper->npages);
	lock_object(vm);
	vm->npages = skip >> PAGE_SHIFT;
	if (vm->object)
		link_object_locked(upper);
	unlock_object(vm);
	vmap_insert(vm->ctx, upper);
}

/* Do the upper layers continue from a to b, as they are or by carrying one's handle over? */
static bool upper_continues(const struct vmap *a, const struct vmap *b)
{
	if (!vmap_is_private(a))
		return true;
	if (b->amap_off != a->amap_off + a->npages)
		return false;
	if (a->amap == b->amap)
		return true;
	if (a->amap && b->amap)
		return false;
	return amap_may_grow(a->amap ? a->amap : b->amap);
}

/* Does somebody count the vmaps of the object? */
static bool is_counted(const struct vm_object *vo)
{
	return vo && vo->ops && vo->ops->mapped;
}

static bool can_merge(const struct vmap *a, const struct vmap *b)
{
	uint64_t size = (uint64_t)a->npages << PAGE_SHIFT;

	return vmap_end(a) == b->vaddr && a->vmflags == b->vmflags && a->type == b->type &&
	       a->content == b->content && a->driver == b->driver && a->object == b->object &&
	       a->file == b->file && a->handler == b->handler && a->cookie == b->cookie &&
	       (!a->object || b->offset == a->offset + size) &&
	       b->file_len == file_len_after(a->file_len, size) && upper_continues(a, b) &&
	       a->truncate_seen == b->truncate_seen && strcmp(a->name, b->name) == 0 &&
	       !is_counted(a->object);
}

/*
 * b's range becomes part of a; b dies. It leaves its object's list last: who takes a page away
 * finds the range's translations through one of the two at any moment.
 */
static void merge_into(struct vmap_edit *e, struct vmap *a, struct vmap *b)
{
	vmap_remove(b);
	if (!a->amap)
		a->amap = b->amap;
	else if (b->amap)
		b->amap->refs--;
	b->amap = NULL;
	a->charged += b->charged;
	b->charged = 0;
	vmap_set_end(a, vmap_end(b));
	vmap_detach(b);
	b->next = NULL;
	*e->dead_tail = b;
	e->dead_tail = &b->next;
}

struct vmap *vmap_merge(struct vmap_edit *e, struct vmap *vm)
{
	struct vmap *prev = vmap_prev(vm), *next = vmap_next(vm);

	if (next && can_merge(vm, next))
		merge_into(e, vm, next);
	if (prev && can_merge(prev, vm)) {
		merge_into(e, prev, vm);
		vm = prev;
	}
	return vm;
}

/*
 * Truncate
 */

/* Where vm shows page idx of its object or, if that lies in front of it, its start. */
static vaddr_t address_of_index(const struct vmap *vm, pgidx_t idx)
{
	pgidx_t base = vm->offset >> PAGE_SHIFT;

	if (idx <= base)
		return vm->vaddr;
	return idx - base < vm->npages ? vm->vaddr + ((idx - base) << PAGE_SHIFT) : vmap_end(vm);
}

/*
 * Drop the slots of ctx's private pages of vo past the end, and what a fault entered of them before
 * it saw the new size.
 */
static void drop_private_of_context(struct mm_context *ctx, struct vm_object *vo, pgidx_t first)
{
	unsigned need[AMAP_CLASSES];
	struct vmap_edit e;
	struct vmap *vm;
	int err;

	edit_begin_shared(&e, ctx);
	do {
		memset(need, 0, sizeof(need));
		for (vm = vmap_first(ctx); vm; vm = vmap_next(vm)) {
			vaddr_t from = address_of_index(vm, first);

			if (vm->object == vo && from < vmap_end(vm))
				edit_discard_need(vm, from, vmap_end(vm), need);
		}
		err = edit_take(&e, 0, need);
	} while (edit_again(&e, &err));
	for (vm = vmap_first(ctx); vm; vm = vmap_next(vm)) {
		vaddr_t from = address_of_index(vm, first);

		if (vm->object != vo)
			continue;
		/* Without memory for the cut the slots stay: nobody sees them past the end. */
		if (from < vmap_end(vm))
			edit_discard(&e, vm, from, vmap_end(vm), !err);
		WRITE_ONCE(vm->truncate_seen, vo->vo_truncations);
	}
	edit_end(&e);
}

/* A context with a private mapping of vo that this visit has not seen; held. */
static struct mm_context *next_unseen_context(struct vm_object *vo)
{
	struct mm_context *ctx = NULL;
	struct vmap *vm;

	rw_read_lock(&vo->lock);
	list_for_each_entry (vm, &vo->vo_mappings, object_link) {
		if (vmap_is_private(vm) && READ_ONCE(vm->truncate_seen) != vo->vo_truncations) {
			ctx = vm->ctx;
			mm_hold_context(ctx);
			break;
		}
	}
	rw_read_unlock(&vo->lock);
	return ctx;
}

void vmap_drop_private_past(struct vm_object *vo, pgidx_t first)
{
	struct mm_context *ctx;

	rw_write_lock(&vo->lock);
	vo->vo_truncations++;
	rw_write_unlock(&vo->lock);
	while ((ctx = next_unseen_context(vo)) != NULL) {
		drop_private_of_context(ctx, vo, first);
		mm_drop_context(ctx);
	}
}
