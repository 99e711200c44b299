/* Kernel use of another context's user memory, and the keys of futexes. */
#ifndef MM_ACCESS_H
#define MM_ACCESS_H

#include "mm/vmap.h"

/*
 * Copy n bytes between buf and va in ctx, whichever context is loaded. Returns the bytes moved
 * (short at the first page that cannot be had), or -EFAULT when none were. force: a private page
 * may be read without READ and written without WRITE (breaking the sharing: ptrace, /proc/PID/mem);
 * never a shared one. May sleep. => no mm lock held
 */
ssize_t mm_access(struct mm_context *ctx, vaddr_t va, void *buf, size_t n, bool write, bool force);
/* Pin the page that va shows for the access, sharing broken first for private pages. 0 or a fault
 * error. */
int __must_check mm_pin_page(
	struct mm_context *ctx, vaddr_t va, vm_flags_t access, struct page **out);
void mm_unpin_page(struct mm_context *ctx, struct page *pg);

/* Two opaque words: private (context, address) or shared (object, offset). A queued shared key
 * holds a reference on its object. */
struct futex_key {
	uint64_t a, b;
	struct vm_object *object; /* NULL: private */
};
/* For a private word of ctx in *key: make it the shared one if the word is in shared memory. 0 or
 * -EFAULT. Takes mm_lock (read). */
int __must_check futex_get_shared_key(struct mm_context *ctx, uaddr_t uaddr, struct futex_key *key);

/* shared: FUTEX_PRIVATE_FLAG is not set. 0, -EFAULT, -EINVAL (not aligned to 4). Inline: a private
 * key is what every lock of a threaded program asks for. */
static inline int __must_check futex_get_key(
	struct mm_context *ctx, uaddr_t uaddr, bool shared, struct futex_key *key)
{
	if (uaddr & 3)
		return -EINVAL;
	if (uaddr >= USER_MAX)
		return -EFAULT;
	*key = (struct futex_key){.a = (uintptr_t)ctx, .b = uaddr};
	return shared ? futex_get_shared_key(ctx, uaddr, key) : 0;
}

static inline void futex_put_key(struct futex_key *key)
{
	if (key->object)
		vm_object_put(key->object);
	key->object = NULL;
}

#endif
