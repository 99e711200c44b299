/*
 * The kernel's use of user memory that is not the loaded one, pins for I/O, and futex keys.
 *
 * A private page is pinned for I/O only when it is the context's own: sharing is broken first, for
 * reading too. Otherwise a child could hold the page that the parent's I/O still writes, or the
 * other way round (CVE-2020-29374). The context counts such pins, so that fork gives the child its
 * own copies of pinned pages.
 */
#include "mm/access.h"

#include "lib/string.h"
#include "mm/cache.h"
#include "mm/fault.h"

int mm_pin_page(struct mm_context *ctx, vaddr_t va, vm_flags_t access, struct page **out)
{
	return mm_fault_page(ctx, va, access, FAULT_UNSHARE, out);
}

void mm_unpin_page(struct mm_context *ctx, struct page *pg)
{
	if (ctx && page_type(pg) == PG_ANON)
		__atomic_fetch_sub(&ctx->pins, 1, __ATOMIC_RELAXED);
	page_unpin(pg);
}

/* One page's part of an access. 0 or a fault's error. */
static int access_page(
	struct mm_context *ctx, vaddr_t va, void *buf, size_t n, bool write, unsigned how)
{
	struct page *pg;
	char *at;
	int err = mm_fault_page(ctx, va, write ? VM_WRITE : VM_READ, how, &pg);

	if (err)
		return err;
	at = (char *)page_virt(pg) + (va & PAGE_MASK);
	if (!write) {
		memcpy(buf, at, n);
		page_unpin(pg);
		return 0;
	}
	memcpy(at, buf, n);
	cache_mark_dirty(pg); /* knows which pages have a backing store */
	mm_unpin_page(ctx, pg);
	return 0;
}

ssize_t mm_access(struct mm_context *ctx, vaddr_t va, void *buf, size_t n, bool write, bool force)
{
	unsigned how = force ? FAULT_FORCE : 0;
	size_t done = 0;

	while (done < n) {
		size_t part = MIN(n - done, PAGE_SIZE - (va & PAGE_MASK));

		if (va >= USER_MAX ||
			access_page(ctx, va, (char *)buf + done, part, write, how) != 0)
			break;
		done += part;
		va += part;
	}
	return done || !n ? (ssize_t)done : -EFAULT;
}

/*
 * Futex keys
 */

int futex_get_shared_key(struct mm_context *ctx, uaddr_t uaddr, struct futex_key *key)
{
	struct vmap *vm;
	int err = -EFAULT;

	rw_read_lock(&ctx->mm_lock);
	vm = vmap_find(ctx, uaddr);
	if (vm && vm->vmflags & VM_RIGHTS) {
		err = 0;
		/* Private memory, and areas without object, are told apart by address. */
		if (!vmap_is_private(vm) && vm->object) {
			key->object = vm_object_get(vm->object);
			key->a = (uintptr_t)vm->object;
			key->b = vm->offset + (uaddr - vm->vaddr);
		}
	}
	rw_read_unlock(&ctx->mm_lock);
	return err;
}
