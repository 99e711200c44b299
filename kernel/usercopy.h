/*
 * Copies between kernel and user memory of the loaded context, with fault fix-ups. Implemented by
 * arch/x86. A range that is not wholly below the user limit is -EFAULT before a byte is touched.
 * The plain forms may fault pages in (they sleep): only the file-offset and inode locks may be
 * held. The _nofault forms never handle a fault: they stop there. They may be used under spinning
 * locks.
 */
#ifndef USERCOPY_H
#define USERCOPY_H

#include "mm/types.h"

/*
 * The copy itself, of a user range that user_range_ok allows; the bytes that could not be copied.
 */
size_t user_copy_faulting(void *dst, const void *src, size_t n);

static inline bool user_range_ok(uaddr_t addr, size_t n)
{
	return n <= USER_MAX && addr <= USER_MAX - n;
}

/* 0 or -EFAULT (some bytes may have been copied). */
static inline int __must_check copy_from_user(void *dst, uaddr_t src, size_t n)
{
	if (unlikely(!user_range_ok(src, n) || user_copy_faulting(dst, (const void *)src, n)))
		return -EFAULT;
	return 0;
}

static inline int __must_check copy_to_user(uaddr_t dst, const void *src, size_t n)
{
	if (unlikely(!user_range_ok(dst, n) || user_copy_faulting((void *)dst, src, n)))
		return -EFAULT;
	return 0;
}

int __must_check clear_user(uaddr_t dst, size_t n);
/*
 * Number of bytes that could not be copied (exact: the copy stops at the first byte that faults).
 */
size_t copy_from_user_partial(void *dst, uaddr_t src, size_t n);
size_t copy_to_user_partial(uaddr_t dst, const void *src, size_t n);
size_t copy_from_user_nofault(void *dst, uaddr_t src, size_t n);
size_t copy_to_user_nofault(uaddr_t dst, const void *src, size_t n);
/* Length without NUL, -EFAULT, or -ENAMETOOLONG when no NUL is in the first size bytes. */
ssize_t __must_check strncpy_from_user(char *dst, uaddr_t src, size_t size);
/* One aligned word, atomically. */
int __must_check user_load_u32(uaddr_t addr, uint32_t *out);
int __must_check user_load_u32_nofault(uaddr_t addr, uint32_t *out);
int __must_check user_store_u32(uaddr_t addr, uint32_t v);
/* Compare-and-swap: *seen is what was there. 0 or -EFAULT. */
int __must_check user_cmpxchg_u32_nofault(
	uaddr_t addr, uint32_t expected, uint32_t desired, uint32_t *seen);
/* Touch one byte for reading or writing so that it is resident: 0 or -EFAULT. */
int __must_check user_fault_in(uaddr_t addr, bool write);

#endif
