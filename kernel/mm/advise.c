/*
 * madvise and mincore: advice that changes contents or attributes is done, hints are accepted.
 * Holes do not stop the work; they are reported at the end, as on Linux.
 */
#include "mm/cache.h"
#include "mm/edit.h"
#include "mm/mmap.h"

#include "abi/mman.h"
#include "lib/assert.h"
#include "lib/string.h"

static bool is_private_anon(const struct vmap *vm)
{
	return vmap_is_private(vm) && !vm->object;
}

/* A seal guards contents that their owner could not write: 0 or -EPERM. */
static int allow_discard(const struct vmap *vm)
{
	bool guarded = is_private_anon(vm) && !(vm->vmflags & VM_WRITE);

	return vm->vmflags & VM_SEALED && guarded ? -EPERM : 0;
}

static int allow_cold(const struct vmap *vm)
{
	return vm->vmflags & VM_LOCKED || vm->driver == &driver_phys ? -EINVAL : 0;
}

static int allow_dontneed_locked(const struct vmap *vm)
{
	if (vm->driver == &driver_phys)
		return -EINVAL;
	return allow_discard(vm);
}

static int allow_dontneed(const struct vmap *vm)
{
	return vm->vmflags & VM_LOCKED ? -EINVAL : allow_dontneed_locked(vm);
}

static int allow_free(const struct vmap *vm)
{
	return is_private_anon(vm) ? allow_dontneed(vm) : -EINVAL;
}

static int allow_wipe_on_fork(const struct vmap *vm)
{
	return is_private_anon(vm) ? allow_discard(vm) : -EINVAL;
}

static int allow_fork(const struct vmap *vm)
{
	return vm->driver == &driver_phys ? -EINVAL : 0;
}

static int discard_check(
	struct vmap_edit *e, vaddr_t start, vaddr_t end, int (*allowed)(const struct vmap *vm))
{
	unsigned need[AMAP_CLASSES] = {0};
	struct vmap *vm;

	vmap_for_each_in (vm, e->ctx, start, end) {
		vaddr_t from = MAX(start, vm->vaddr), to = MIN(end, vmap_end(vm));
		int err = allowed(vm);

		if (err)
			return err;
		edit_discard_need(vm, from, to, need);
	}
	return edit_take(e, 0, need);
}

/* Private pages go, others are only not entered any more. */
static int discard(
	struct mm_context *ctx, vaddr_t start, vaddr_t end, int (*allowed)(const struct vmap *vm))
{
	vaddr_t pos = start;
	struct vmap_edit e;
	struct vmap *vm;
	int err;

	edit_begin_shared(&e, ctx);
	do {
		err = discard_check(&e, start, end, allowed);
	} while (edit_again(&e, &err));
	if (err)
		goto out;
	vmap_for_each_in (vm, ctx, start, end) {
		vaddr_t from = MAX(start, vm->vaddr), to = MIN(end, vmap_end(vm));

		if (from > pos)
			err = -ENOMEM;
		pos = to;
		edit_discard(&e, vm, from, to, true);
	}
	if (pos < end)
		err = -ENOMEM;
out:
	edit_end(&e);
	return err;
}

static int attributes(struct mm_context *ctx, vaddr_t start, vaddr_t end, vm_flags_t set,
	vm_flags_t clear, int (*allowed)(const struct vmap *vm))
{
	struct vmap_edit e;
	int err;

	edit_begin(&e, ctx);
	err = edit_attributes(&e, start, end, set, clear, allowed);
	edit_end(&e);
	return err;
}

/* Is the whole range mapped, and what is there of the kind that is allowed (NULL: any)? */
static int check_mapped(
	struct mm_context *ctx, vaddr_t start, vaddr_t end, int (*allowed)(const struct vmap *vm))
{
	vaddr_t pos = start;
	struct vmap *vm;
	int err = 0, hole = 0;

	rw_read_lock(&ctx->mm_lock);
	vmap_for_each_in (vm, ctx, start, end) {
		err = allowed ? allowed(vm) : 0;
		if (err)
			break;
		if (vm->vaddr > pos)
			hole = -ENOMEM;
		pos = vmap_end(vm);
	}
	rw_read_unlock(&ctx->mm_lock);
	return err ?: pos < end ? -ENOMEM : hole;
}

/* MADV_POPULATE_*: madvise(2) has its own errors. */
static int populate(struct mm_context *ctx, vaddr_t start, vaddr_t end, vm_flags_t access)
{
	int err = mm_populate(ctx, start, end - start, access);

	switch (err) {
	case -EFAULT:
		return -ENOMEM;
	case -EACCES:
		return -EINVAL;
	case -ENXIO:
	case -EIO:
		return -EFAULT;
	default:
		return err;
	}
}

/* MADV_WILLNEED: read the pages of files that are not resident; errors show at the access. */
static int will_need(struct mm_context *ctx, vaddr_t start, vaddr_t end)
{
	while (start < end) {
		struct vm_object *vo = NULL;
		pgidx_t idx = 0, last = 0;
		struct vmap *vm;
		struct page *pg;

		rw_read_lock(&ctx->mm_lock);
		vm = vmap_find_after(ctx, start);
		if (!vm || vm->vaddr >= end) {
			rw_read_unlock(&ctx->mm_lock);
			break;
		}
		start = MAX(start, vm->vaddr);
		if (vm->object && vm->object->kind == VMO_FILE) {
			vo = vm_object_get(vm->object);
			idx = vmap_index(vm, start);
			last = vmap_index(vm, MIN(end, vmap_end(vm)) - 1);
		}
		start = vmap_end(vm);
		rw_read_unlock(&ctx->mm_lock);
		for (; vo && idx <= last; idx++) {
			if (cache_get(vo, idx, CACHE_READAHEAD, &pg) != 0)
				break;
			cache_put(pg);
		}
		if (vo)
			vm_object_put(vo);
	}
	return 0;
}

/* May vm's pages go for all who share them? As madvise(2): MADV_REMOVE. */
static int allow_remove(const struct vmap *vm)
{
	if (vm->vmflags & VM_LOCKED || is_private_anon(vm))
		return -EINVAL;
	if (vmap_is_private(vm) || !(vm->vmflags & VM_WRITE))
		return -EACCES;
	return vm->object && vm->object->kind == VMO_ZERO ? 0 : -EOPNOTSUPP;
}

/* MADV_REMOVE: shared memory becomes a hole, vmap after vmap; the first that may not ends it. */
static int remove_range(struct mm_context *ctx, vaddr_t start, vaddr_t end)
{
	int err = 0, holes = 0;

	while (start < end && !err) {
		struct vm_object *vo = NULL;
		vaddr_t stop = end;
		uint64_t from = 0;
		struct vmap *vm;

		rw_read_lock(&ctx->mm_lock);
		vm = vmap_find_after(ctx, start);
		if (!vm || vm->vaddr > start)
			holes = -ENOMEM;
		if (vm && vm->vaddr < end) {
			start = MAX(start, vm->vaddr);
			stop = MIN(end, vmap_end(vm));
			err = allow_remove(vm);
			from = vm->offset + (start - vm->vaddr);
			vo = err ? NULL : vm_object_get(vm->object);
		}
		rw_read_unlock(&ctx->mm_lock);
		if (vo) {
			err = cache_punch(vo, from, from + (stop - start));
			vm_object_put(vo);
		}
		start = stop;
	}
	return err ?: holes;
}

static int advise(struct mm_context *ctx, vaddr_t va, vaddr_t end, int advice)
{
	switch (advice) {
	case MADV_DONTNEED:
		return discard(ctx, va, end, allow_dontneed);
	case MADV_DONTNEED_LOCKED:
		return discard(ctx, va, end, allow_dontneed_locked);
	case MADV_FREE:
		return discard(ctx, va, end, allow_free);
	case MADV_DONTFORK:
		return attributes(ctx, va, end, VM_DONTFORK, 0, allow_discard);
	case MADV_DOFORK:
		return attributes(ctx, va, end, 0, VM_DONTFORK, allow_fork);
	case MADV_WIPEONFORK:
		return attributes(ctx, va, end, VM_WIPEONFORK, 0, allow_wipe_on_fork);
	case MADV_KEEPONFORK:
		return attributes(ctx, va, end, 0, VM_WIPEONFORK, NULL);
	case MADV_DONTDUMP:
		return attributes(ctx, va, end, VM_DONTDUMP, 0, NULL);
	case MADV_DODUMP:
		return attributes(ctx, va, end, 0, VM_DONTDUMP, NULL);
	case MADV_WILLNEED:
		return check_mapped(ctx, va, end, NULL) ?: will_need(ctx, va, end);
	case MADV_POPULATE_READ:
		return populate(ctx, va, end, VM_READ);
	case MADV_POPULATE_WRITE:
		return populate(ctx, va, end, VM_WRITE);
	case MADV_REMOVE:
		return remove_range(ctx, va, end);
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
		return check_mapped(ctx, va, end, NULL);
	case MADV_COLD:
	case MADV_PAGEOUT:
		return check_mapped(ctx, va, end, allow_cold);
	default:
		return -EINVAL;
	}
}

int mm_advise(struct mm_context *ctx, vaddr_t va, uint64_t len, int advice)
{
	vaddr_t end;

	if (va & PAGE_MASK || len > UINT64_MAX - PAGE_MASK || va + len < va)
		return -EINVAL;
	/* What is beyond user space is not mapped. */
	if (va > USER_MAX || len > USER_MAX - va)
		return advise(ctx, 0, 0, advice) == -EINVAL ? -EINVAL : -ENOMEM;
	end = ALIGN_UP(va + len, PAGE_SIZE);
	if (va == end) /* unknown advice is refused even for nothing */
		return advise(ctx, va, va, advice) == -EINVAL ? -EINVAL : 0;
	return advise(ctx, va, end, advice);
}

/*
 * mincore: a page is in core if the layers have it; the page table is only a cache of them.
 */
static uint8_t page_is_in_core(struct mm_context *ctx, struct vmap *vm, vaddr_t va)
{
	struct amap *am = LOAD_ACQUIRE(vm->amap);
	struct amap_walk w = {0};
	const struct page *pg = NULL;

	if (am) {
		rw_read_lock(&am->lock);
		amap_find(am, vmap_slot(vm, va), &w);
		rw_read_unlock(&am->lock);
	}
	if (w.page || pmap_query(&ctx->pmap, va).present)
		return 1;
	if (vm->object && vm->driver != &driver_phys) {
		rw_read_lock(&vm->object->lock);
		pg = vm_object_get_page(vm->object, (uint64_t)vmap_index(vm, va) << PAGE_SHIFT);
		rw_read_unlock(&vm->object->lock);
	}
	return pg != NULL;
}

/* The answers for up to n pages from va on. Returns how many, or -ENOMEM at a hole. */
static ssize_t incore_chunk(struct mm_context *ctx, vaddr_t va, uint8_t *vec, size_t n)
{
	struct vmap *vm;
	size_t i = 0;

	rw_read_lock(&ctx->mm_lock);
	vm = vmap_find(ctx, va);
	for (; vm && i < n && vmap_holds(vm, va); i++, va += PAGE_SIZE)
		vec[i] = page_is_in_core(ctx, vm, va);
	rw_read_unlock(&ctx->mm_lock);
	return i ? (ssize_t)i : -ENOMEM;
}

int mm_incore(struct mm_context *ctx, vaddr_t va, uint64_t len,
	int (*put)(void *cookie, const uint8_t *vec, size_t n), void *cookie)
{
	uint8_t vec[128];
	vaddr_t end;

	if (va & PAGE_MASK)
		return -EINVAL;
	if (len > USER_MAX || va > USER_MAX - len)
		return -ENOMEM;
	end = ALIGN_UP(va + len, PAGE_SIZE);
	while (va < end) {
		ssize_t n = incore_chunk(ctx, va, vec, MIN((end - va) >> PAGE_SHIFT, sizeof(vec)));
		int err = n < 0 ? (int)n : put(cookie, vec, n);

		if (err)
			return err;
		va += (uint64_t)n << PAGE_SHIFT;
	}
	return 0;
}
