/*
 * mremap: shrink, grow in place, or move a range with its translations dropped and both layers
 * kept. No page is copied: a moved vmap goes on naming its slots of the amap.
 *
 * Order of a move (CVE-2018-18281): translations removed and flushed at the old place, then the
 * vmap appears at the new one; mm_lock is held throughout.
 *
 * Slots. A range that is moved away from the rest of its handle marks the handle as scattered. One
 * that also grows could then run into slots of the part that stayed; it gets a handle of its own
 * first, into which its pages move one by one.
 */
#include "mm/commit.h"
#include "mm/edit.h"
#include "mm/mmap.h"
#include "mm/paging.h"

#include "abi/mman.h"
#include "lib/assert.h"

struct remap {
	vaddr_t old, new_addr, va; /* va: the new place */
	uint64_t old_len, new_len;
	unsigned flags;
	bool moves; /* the tail is cut off, the rest moves */
	struct vmap *vm;
	struct amap *own; /* the pages in a handle of their own, or NULL */
};

static int remap_validate(struct remap *r)
{
	if (r->flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
		return -EINVAL;
	if (r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) && !(r->flags & MREMAP_MAYMOVE))
		return -EINVAL;
	/* All of the old range: a tail that is cut off is held to no vmap. */
	if (r->old & PAGE_MASK || r->old >= USER_MAX || r->old_len > USER_MAX - r->old ||
		r->new_len > USER_MAX)
		return -EINVAL;
	r->old_len = ALIGN_UP(r->old_len, PAGE_SIZE);
	r->new_len = ALIGN_UP(r->new_len, PAGE_SIZE);
	if (r->new_len == 0 || (r->flags & MREMAP_DONTUNMAP && r->old_len != r->new_len))
		return -EINVAL;
	if (!(r->flags & MREMAP_FIXED))
		return 0;
	if (r->new_addr & PAGE_MASK || r->new_addr > USER_MAX - r->new_len)
		return -EINVAL;
	if (r->new_addr < MM_MMAP_MIN)
		return -EPERM;
	if (r->old < r->new_addr + r->new_len && r->new_addr < r->old + MAX(r->old_len, PAGE_SIZE))
		return -EINVAL;
	return 0;
}

/* Find the vmap of the old range, and check that it has what has to be in one. */
static int remap_find(struct vmap_edit *e, struct remap *r)
{
	struct vmap *vm = vmap_find(e->ctx, r->old);

	r->vm = vm;
	if (!vm)
		return -EFAULT;
	if (vm->vmflags & VM_SEALED)
		return -EPERM;
	if (r->old_len == 0 && vmap_is_private(vm))
		return -EINVAL;
	/* A tail may be cut off across several vmaps; what grows or moves is one. */
	if (r->old_len > vmap_end(vm) - r->old && (r->moves || r->new_len > r->old_len))
		return -EFAULT;
	/* What has no resize cannot grow. */
	if (r->new_len > r->old_len && r->old_len && !vm->driver->vm_resize)
		return -EFAULT;
	return 0;
}

/* Pages that are there afterwards and were not before: do the limits allow them? */
static int remap_limits(struct vmap_edit *e, const struct remap *r, uint64_t minus)
{
	uint64_t kept = r->flags & MREMAP_DONTUNMAP ? 0 : r->old_len;
	uint64_t more = r->new_len > kept ? (r->new_len - kept) >> PAGE_SHIFT : 0;
	const struct mm_context *ctx = e->ctx;

	if (!edit_within_limits(e, more, minus, r->vm->vmflags, vmap_is_private(r->vm)))
		return -ENOMEM;
	if (r->vm->vmflags & VM_LOCKED &&
		ctx->locked_pages + more > ctx->limit_memlock >> PAGE_SHIFT)
		return -EAGAIN;
	return 0;
}

/* Shrink or grow where it is. -ENOMEM: it has to move. */
static int remap_in_place(struct vmap_edit *e, struct remap *r)
{
	unsigned nvmaps = 0, need[AMAP_CLASSES] = {0};
	int err;

	r->va = r->old;
	if (r->new_len <= r->old_len) {
		if (r->new_len == r->old_len)
			return 0;
		err = edit_unmap_check(e, r->old + r->new_len, r->old + r->old_len, &nvmaps, need);
		err = err ?: edit_take(e, nvmaps, need);
		if (!err)
			edit_unmap(e, r->old + r->new_len, r->old + r->old_len);
		return err;
	}
	if (r->old + r->old_len != vmap_end(r->vm) || r->old_len == 0)
		return -ENOMEM;
	err = remap_limits(e, r, 0);
	if (err)
		return err == -EAGAIN ? -EAGAIN : -ENOMEM;
	err = r->vm->driver->vm_resize(
		e, r->vm, (r->old + r->new_len - r->vm->vaddr) >> PAGE_SHIFT);
	if (!err)
		edit_merge(e, r->old, r->old + r->new_len);
	return err;
}

struct reslot {
	struct amap *from, *to;
	struct amap_stock st;
	int err;
};

static bool reslot_page(void *cookie, pgidx_t idx, struct page *pg)
{
	struct reslot *rs = cookie;
	struct amap_walk w;

	/*
	 * A leaf that we have in common with another context is its alone when our slots go, but
	 * its pages are not: as after a copy of the leaf (amap_node_copy_but), and marked before we
	 * go.
	 */
	amap_find(rs->from, idx, &w);
	if (!w.exclusive)
		WRITE_ONCE(w.leaf->stale, 1);
	rs->err = amap_own(rs->to, idx, &rs->st, &w);
	if (!rs->err)
		amap_fill(&w, idx, pg);
	return !rs->err;
}

/* A second handle with the pages of the range: they get one more share until the old slots go. */
static int remap_make_own(struct remap *r)
{
	pgidx_t first = vmap_slot(r->vm, r->old);
	struct reslot rs = {.from = r->vm->amap};

	rs.to = amap_create(&rs.st);
	if (!rs.to)
		return -ENOMEM;
	amap_visit(rs.from, first, first + (r->old_len >> PAGE_SHIFT) - 1, reslot_page, &rs);
	amap_stock_drop(&rs.st);
	if (rs.err)
		amap_destroy(rs.to);
	else
		r->own = rs.to;
	return rs.err;
}

/* Would the moved range, growing, run into slots of what stays of its handle? */
static bool must_have_own(const struct remap *r)
{
	const struct vmap *vm = r->vm;

	if (!vm->amap || r->old_len == 0 || r->new_len == r->old_len)
		return false;
	return vm->amap->refs > 1 || r->old != vm->vaddr || r->old + r->old_len != vmap_end(vm);
}

/* Pages that the moved vmap, and what stays of it, have more than now. */
static uint64_t charge_of(const struct remap *r)
{
	uint64_t pages = r->new_len > r->old_len ? r->new_len - r->old_len : 0;

	if (r->flags & MREMAP_DONTUNMAP)
		pages += r->old_len;
	return commit_counts(r->vm->vmflags, vmap_is_private(r->vm)) ? pages >> PAGE_SHIFT : 0;
}

/* Where it moves, and all that the move needs. */
static int move_check(struct vmap_edit *e, struct remap *r)
{
	struct mm_pick pick = {
		.npages = r->new_len >> PAGE_SHIFT,
		.congruent = r->old,
	};
	unsigned nvmaps, need[AMAP_CLASSES] = {0};
	uint64_t minus = 0;
	int err = remap_find(e, r);

	if (err)
		return err;
	/* The ends of the range, and the vmap of what stays or of the second mapping. */
	nvmaps = (r->old != r->vm->vaddr) + (r->old + r->old_len != vmap_end(r->vm)) + 1;
	if (r->flags & MREMAP_FIXED) {
		r->va = r->new_addr;
		minus = edit_pages_in(e, r->va, r->va + r->new_len);
		err = edit_unmap_check(e, r->va, r->va + r->new_len, &nvmaps, need);
	} else {
		err = mm_pick_vaddr_locked(e->ctx, &pick, &r->va);
	}
	err = err ?: remap_limits(e, r, minus);
	err = err ?: edit_charge(e, charge_of(r));
	if (!err && must_have_own(r))
		amap_wipe_need(r->vm->amap, vmap_slot(r->vm, r->old),
			vmap_slot(r->vm, r->old + r->old_len - 1), need);
	return err ?: edit_take(e, nvmaps, need);
}

/* A second mapping of shared memory (old_len 0). */
static void duplicate_commit(struct vmap_edit *e, struct remap *r)
{
	struct vmap *vm = edit_take_vmap(e), *src;
	uint64_t skip;

	if (r->flags & MREMAP_FIXED)
		edit_unmap(e, r->va, r->va + r->new_len);
	src = vmap_find(e->ctx, r->old);
	skip = r->old - src->vaddr;
	vmap_copy(vm, src);
	vm->vaddr = r->va;
	vm->npages = r->new_len >> PAGE_SHIFT;
	vm->amap_off = r->va >> PAGE_SHIFT;
	vm->offset += skip;
	vmap_relink(vm);
	vmap_insert(e->ctx, vm);
	vmap_merge(e, vm);
}

/* The upper layer of the moved range: as it is, or in the handle made for it. */
static void move_upper(struct vmap_edit *e, struct remap *r, struct vmap *vm)
{
	if (r->own) {
		/* The old slots' shares; the pages live on by the new ones. */
		amap_wipe(vm->amap, vm->amap_off, vm->amap_off + vm->npages - 1, &e->nodes,
			&e->dead_amaps);
		amap_put(vm->amap, &e->dead_amaps);
		vm->amap = r->own;
		r->own = NULL;
	} else if (vm->amap && vm->amap->refs > 1) {
		vm->amap->scattered = true;
	}
}

static void move_commit(struct vmap_edit *e, struct remap *r)
{
	struct mm_context *ctx = e->ctx;
	struct vmap *vm, *stays = NULL;
	struct tlb_batch tb;

	if (r->flags & MREMAP_FIXED)
		edit_unmap(e, r->va, r->va + r->new_len);
	edit_cut(e, r->old);
	edit_cut(e, r->old + r->old_len);
	vm = vmap_find(ctx, r->old);
	tlb_batch_init(&tb, &ctx->pmap);
	pmap_remove(&ctx->pmap, vm->vaddr, vmap_end(vm), &tb);
	tlb_batch_finish(&tb);
	if (r->flags & MREMAP_DONTUNMAP) {
		stays = edit_take_vmap(e);
		vmap_copy(stays, vm);
	}
	move_upper(e, r, vm);
	vmap_remove(vm);
	vmap_move(vm, r->va, r->new_len >> PAGE_SHIFT);
	if (!vm->amap)
		vm->amap_off = r->va >> PAGE_SHIFT;
	edit_give_charge(e, vm, vm->npages - (r->old_len >> PAGE_SHIFT));
	vmap_insert(ctx, vm);
	if (stays) {
		if (stays->object)
			vmap_relink(stays);
		/* The old slots went with the move. */
		stays->amap_off = stays->vaddr >> PAGE_SHIFT;
		edit_give_charge(e, stays, stays->npages);
		vmap_insert(ctx, stays);
		vmap_set_flags(stays, stays->vmflags & ~(VM_LOCKED | VM_LOCKONFAULT));
	}
	if (!stays)
		edit_free_tables(e, r->old, r->old + r->old_len);
	edit_touch(e, r->old, r->old + r->old_len);
	edit_touch(e, r->va, r->va + r->new_len);
	vmap_merge(e, vm);
}

static int remap_move(struct vmap_edit *e, struct remap *r)
{
	int err;

	do {
		err = move_check(e, r);
	} while (edit_again(e, &err));
	if (err)
		return err;
	if (must_have_own(r))
		err = remap_make_own(r);
	if (err)
		return err;
	if (r->old_len == 0)
		duplicate_commit(e, r);
	else
		move_commit(e, r);
	return 0;
}

int mm_remap(struct mm_context *ctx, vaddr_t old, uint64_t old_len, uint64_t new_len,
	unsigned flags, vaddr_t new_addr, vaddr_t *out)
{
	struct remap r = {
		.old = old,
		.new_addr = new_addr,
		.old_len = old_len,
		.new_len = new_len,
		.flags = flags,
	};
	bool must_move = flags & (MREMAP_FIXED | MREMAP_DONTUNMAP), may_move, locked;
	struct vmap_edit e;
	int err = remap_validate(&r);

	if (err)
		return err;
	edit_begin(&e, ctx);
	do {
		err = remap_find(&e, &r);
		if (!err && must_move && r.new_len >= r.old_len)
			break;
		/* A moved range that shrinks loses its tail first. */
		if (!err)
			err = remap_in_place(&e, &r);
	} while (edit_again(&e, &err));
	if (!err && must_move)
		r.old_len = MIN(r.old_len, r.new_len);
	r.moves = true;
	/* A tail that could not be cut for want of memory does not move along. */
	may_move = flags & MREMAP_MAYMOVE && r.new_len > r.old_len;
	if ((!err && must_move) || (err == -ENOMEM && may_move))
		err = remap_move(&e, &r);
	locked = !err && r.vm->vmflags & VM_LOCKED && new_len > old_len;
	edit_end(&e);
	if (err)
		return err;
	*out = r.va;
	if (locked)
		err = mm_populate_range(ctx, r.va, r.new_len);
	return 0;
}
