/*
 * Make and unmake areas: the universal constructor behind mmap, exec and drivers, and munmap.
 * Errors are those of mmap(2) and munmap(2).
 */
#include "mm/mmap.h"

#include "lib/assert.h"
#include "lib/string.h"
#include "mm/commit.h"
#include "mm/edit.h"
#include "mm/fault.h"
#include "mm/paging.h"
#include "mm/tune.h"

/* A request, checked: what the new vmap will be. */
struct map_plan {
	const struct mm_map_request *rq;
	uint64_t len;
	vm_flags_t vmflags;
	vmap_type_t type;
	const struct vm_segment_driver *driver;
	struct vm_object *object; /* our reference, or NULL */
	bool claimed;		  /* ... and the right to write it through a shared mapping */
	uint64_t charge;	  /* pages for the commit limit */
	vaddr_t va;
};

static const struct vm_segment_driver *driver_of(const struct mm_map_request *rq)
{
	if (rq->kind == MM_AREA_CALLBACK)
		return &driver_callback;
	if (!rq->object)
		return rq->kind == MM_AREA_MAP ? &driver_phys : &driver_anon;
	switch (rq->object->kind) {
	case VMO_FILE:
		return &driver_file;
	case VMO_PHYS:
		return &driver_phys;
	default:
		return &driver_anon;
	}
}

/* The backing of the area: given, or what its kind makes for it. 0 or -errno. */
static int plan_object(struct map_plan *mp)
{
	const struct mm_map_request *rq = mp->rq;
	struct vm_object *vo = NULL;

	if (rq->object)
		vo = vm_object_get(rq->object);
	else if (rq->kind == MM_AREA_MAP)
		vo = mp->driver->vm_alloc_at(rq->name ? rq->name : "phys", rq->pa, mp->len);
	else if (mp->driver->vm_alloc)
		vo = mp->driver->vm_alloc(mp->len, mp->type, rq->vmflags);
	if (IS_ERR(vo))
		return PTR_ERR(vo);
	mp->object = vo;
	return 0;
}

static int plan_rights(struct map_plan *mp, vm_flags_t def_flags)
{
	const struct mm_map_request *rq = mp->rq;
	vm_flags_t max = rq->max_prot ? rq->max_prot & VM_RIGHTS : VM_RIGHTS;

	/* A private mapping may change its own copies, whatever the object allows. */
	if (mp->object)
		max &= mp->object->vo_prot | (mp->type == VMAP_TYPE_PRIVATE ? VM_WRITE : 0);
	if (rq->vmflags & VM_RIGHTS & ~max)
		return -EACCES;
	mp->vmflags = rq->vmflags | def_flags;
	mp->vmflags |= max & VM_READ ? VM_MAYREAD : 0;
	mp->vmflags |= max & VM_WRITE ? VM_MAYWRITE : 0;
	mp->vmflags |= max & VM_EXEC ? VM_MAYEXEC : 0;
	return 0;
}

/*
 * Of an object that others know, too: between here and the mapping nobody may seal it against
 * writes. 0 or -EPERM.
 */
static int plan_claim(struct map_plan *mp)
{
	int err;

	if (!mp->rq->object || mp->object->kind != VMO_ZERO || mp->type != VMAP_TYPE_SHARED ||
		!(mp->vmflags & VM_MAYWRITE))
		return 0;
	err = vm_object_claim_write(mp->object);
	mp->claimed = !err;
	return err;
}

static void plan_end(struct map_plan *mp)
{
	if (mp->claimed)
		vm_object_unclaim_write(mp->object);
	if (mp->object)
		vm_object_put(mp->object);
}

/* Everything that needs no lock. On success mp holds a reference on its object; plan_end. */
static int plan_request(struct map_plan *mp, const struct mm_map_request *rq, vm_flags_t def_flags)
{
	bool shared = rq->map_flags & MM_MAP_SHARED || rq->kind == MM_AREA_MAP ||
		      rq->kind == MM_AREA_CALLBACK;
	int err;

	*mp = (struct map_plan){.rq = rq};
	if (rq->len == 0 || rq->offset & PAGE_MASK)
		return -EINVAL;
	if (rq->len > USER_MAX)
		return -ENOMEM;
	mp->len = ALIGN_UP(rq->len, PAGE_SIZE);
	if (rq->offset > INT64_MAX - mp->len)
		return -EOVERFLOW;
	if (rq->map_flags & (MM_MAP_FIXED | MM_MAP_EXACT)) {
		if (rq->vaddr & PAGE_MASK)
			return -EINVAL;
		if (rq->vaddr > USER_MAX - mp->len)
			return -ENOMEM;
		if (rq->vaddr < MM_MMAP_MIN && !(rq->map_flags & MM_MAP_LITERAL))
			return -EPERM;
	}
	if ((rq->kind == MM_AREA_FILE || rq->kind == MM_AREA_IMAGE) && !rq->object)
		return -EINVAL;
	if (rq->kind == MM_AREA_CALLBACK && !rq->handler)
		return -EINVAL;
	mp->type = shared ? VMAP_TYPE_SHARED : VMAP_TYPE_PRIVATE;
	mp->driver = driver_of(rq);
	err = plan_object(mp);
	err = err ?: plan_rights(mp, def_flags);
	if (!err && mp->driver == &driver_phys && !shared)
		err = -EINVAL;
	err = err ?: plan_claim(mp);
	if (err)
		plan_end(mp);
	return err;
}

/* Where it goes, whether the limits allow it, and the memory for it. */
static int map_check(struct vmap_edit *e, struct map_plan *mp)
{
	const struct mm_map_request *rq = mp->rq;
	struct mm_context *ctx = e->ctx;
	struct mm_pick pick = {.npages = mp->len >> PAGE_SHIFT, .base = rq->vaddr};
	unsigned nvmaps = 1, need[AMAP_CLASSES] = {0};
	uint64_t minus = 0;
	int err;

	if (rq->map_flags & MM_MAP_FIXED && !(rq->map_flags & MM_MAP_EXACT)) {
		mp->va = rq->vaddr;
		minus = edit_pages_in(e, mp->va, mp->va + mp->len);
		err = edit_unmap_check(e, mp->va, mp->va + mp->len, &nvmaps, need);
	} else {
		pick.flags = rq->map_flags & MM_MAP_EXACT ? VALLOC_EXACT : VALLOC_DEFAULT;
		pick.high = rq->map_flags & MM_MAP_BELOW_4G ? 1ul << 31 : 0;
		err = mm_pick_vaddr_locked(ctx, &pick, &mp->va);
	}
	if (err)
		return err;
	if (ctx->nvmaps >= READ_ONCE(mm_tune.max_map_count))
		return -ENOMEM;
	if (!edit_within_limits(e, pick.npages, minus, mp->vmflags, mp->type == VMAP_TYPE_PRIVATE))
		return -ENOMEM;
	if (mp->vmflags & VM_LOCKED &&
		ctx->locked_pages + pick.npages > ctx->limit_memlock >> PAGE_SHIFT)
		return -EAGAIN;
	mp->charge = commit_counts(mp->vmflags, mp->type == VMAP_TYPE_PRIVATE) ? pick.npages : 0;
	err = edit_charge(e, mp->charge);
	return err ?: edit_take(e, nvmaps, need);
}

static void map_commit(struct vmap_edit *e, const struct map_plan *mp)
{
	const struct mm_map_request *rq = mp->rq;
	struct vmap *vm;

	if (rq->map_flags & MM_MAP_FIXED)
		edit_unmap(e, mp->va, mp->va + mp->len);
	vm = edit_take_vmap(e);
	vm->vmflags = mp->vmflags;
	vm->type = mp->type;
	vm->content = rq->content;
	vm->driver = mp->driver;
	vm->file_len = rq->kind == MM_AREA_IMAGE ? rq->file_len : UINT64_MAX;
	vmap_set_file(vm, rq->file);
	vm->handler = rq->handler;
	vm->cookie = rq->cookie;
	if (rq->name)
		str_copy(vm->name, rq->name, sizeof(vm->name));
	mm_insert_blank_locked(e->ctx, vm, mp->va, mp->len >> PAGE_SHIFT);
	if (mp->object)
		vmap_attach(vm, mp->object, rq->offset);
	edit_give_charge(e, vm, mp->charge);
	vmap_merge(e, vm);
	edit_touch(e, mp->va, mp->va + mp->len);
}

int mm_map(struct mm_context *ctx, const struct mm_map_request *rq, vaddr_t *out)
{
	struct map_plan mp;
	struct vmap_edit e;
	int err = plan_request(&mp, rq, READ_ONCE(ctx->def_flags));

	if (err)
		return err;
	edit_begin(&e, ctx);
	do {
		err = map_check(&e, &mp);
	} while (edit_again(&e, &err));
	if (!err)
		map_commit(&e, &mp);
	edit_end(&e);
	plan_end(&mp);
	if (err)
		return err;
	*out = mp.va;
	/* Failing to populate is no failure of the mapping (mmap(2)). */
	if (rq->map_flags & MM_MAP_POPULATE ||
		(mp.vmflags & (VM_LOCKED | VM_LOCKONFAULT)) == VM_LOCKED)
		err = mm_populate_range(ctx, mp.va, mp.len);
	return 0;
}

int mmap_file(struct mm_context *ctx, const struct mm_map_request *rq, vaddr_t *out)
{
	struct mm_map_request file;

	if (likely(rq->kind != MM_AREA_NORMAL && rq->content != VMAP_UNKNOWN))
		return mm_map(ctx, rq, out);
	file = *rq;
	if (file.kind == MM_AREA_NORMAL)
		file.kind = MM_AREA_FILE;
	if (file.content == VMAP_UNKNOWN)
		file.content = VMAP_FILE;
	return mm_map(ctx, &file, out);
}

int mm_map_callback(struct mm_context *ctx, const struct mm_map_request *rq, vm_callback_fn handler,
	void *cookie, vaddr_t *out)
{
	struct mm_map_request area = *rq;

	area.kind = MM_AREA_CALLBACK;
	area.handler = handler;
	area.cookie = cookie;
	return mm_map(ctx, &area, out);
}

int mm_reserve(struct mm_context *ctx, vaddr_t hint, uint64_t len, unsigned map_flags, vaddr_t *out)
{
	struct mm_map_request rq = {
		.kind = MM_AREA_NORMAL,
		.vaddr = hint,
		.len = len,
		.vmflags = VM_RESERVED | VM_NORESERVE,
		.map_flags = map_flags,
		.content = VMAP_RESERVE,
	};

	return mm_map(ctx, &rq, out);
}

int munmap(struct mm_context *ctx, vaddr_t va, uint64_t len)
{
	struct vmap_edit e;
	vaddr_t end;
	int err;

	if (va & PAGE_MASK || len == 0 || len > USER_MAX || va > USER_MAX - len)
		return -EINVAL;
	end = ALIGN_UP(va + len, PAGE_SIZE);
	edit_begin(&e, ctx);
	do {
		unsigned nvmaps = 0, need[AMAP_CLASSES] = {0};

		err = edit_unmap_check(&e, va, end, &nvmaps, need);
		if (!err)
			err = edit_take(&e, nvmaps, need);
	} while (edit_again(&e, &err));
	if (!err)
		edit_unmap_last(&e, va, end);
	edit_end(&e);
	return err;
}

int mm_free_area(struct mm_context *ctx, vaddr_t va)
{
	struct vmap_edit e;
	struct vmap *vm;

	edit_begin(&e, ctx);
	vm = vmap_find(ctx, va);
	/* A whole vmap is cut nowhere; its range of a handle that it shares may be. */
	while (vm) {
		unsigned nvmaps = 0, need[AMAP_CLASSES] = {0};
		int err = edit_unmap_check(&e, vm->vaddr, vmap_end(vm), &nvmaps, need);

		if (!err)
			err = edit_take(&e, nvmaps, need);
		if (!err) {
			edit_unmap(&e, vm->vaddr, vmap_end(vm));
			break;
		}
		if (!edit_again(&e, &err)) {
			edit_end(&e);
			return err;
		}
		vm = vmap_find(ctx, va);
	}
	edit_end(&e);
	return vm ? 0 : -EINVAL;
}

/*
 * Populate
 */

int mm_populate(struct mm_context *ctx, vaddr_t va, uint64_t len, vm_flags_t access)
{
	vaddr_t end = ALIGN_UP(va + len, PAGE_SIZE);
	int err = 0;

	for (va = ALIGN_DOWN(va, PAGE_SIZE); va < end && !err; va += PAGE_SIZE)
		err = mm_handle_fault(ctx, va, access);
	return err;
}

/* How a range is made resident: as its first use would. Returns 0 for no access at all. */
static vm_flags_t populate_access(const struct vmap *vm)
{
	if (vmap_is_private(vm) && vm->vmflags & VM_WRITE)
		return VM_WRITE;
	return vm->vmflags & VM_RIGHTS ? VM_READ : 0;
}

int mm_populate_range(struct mm_context *ctx, vaddr_t va, uint64_t len)
{
	vaddr_t end = va + len, stop;
	vm_flags_t access;
	struct vmap *vm;
	int err = 0;

	while (va < end && !err) {
		rw_read_lock(&ctx->mm_lock);
		vm = vmap_find_after(ctx, va);
		va = vm ? MAX(va, vm->vaddr) : end;
		stop = vm ? MIN(end, vmap_end(vm)) : end;
		access = vm ? populate_access(vm) : 0;
		rw_read_unlock(&ctx->mm_lock);
		if (access && va < stop)
			err = mm_populate(ctx, va, stop - va, access);
		va = stop;
	}
	return err;
}
