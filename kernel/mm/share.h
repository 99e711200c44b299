/*
 * Backing under a name (after Möbius): an area's object is published and mapped again by whoever
 * opens the name. SysV shm and named kernel areas stand on it.
 */
#ifndef MM_SHARE_H
#define MM_SHARE_H

#include "mm/mmap.h"

/* Publish the object behind the shared area that holds base. 0, -EFAULT (no area), -EINVAL (private
 * memory), -EEXIST, -ENAMETOOLONG, -ENOMEM. Takes mm_lock (read). */
int __must_check vm_share_publish(struct mm_context *ctx, vaddr_t base, const char *name);
/* The object under the name, referenced, or ERR_PTR(-ENOENT). */
struct vm_object *vm_share_open(const char *name);
/* Take the name away; who has the object keeps it. 0 or -ENOENT. */
int vm_share_withdraw(const char *name);
/* Map a whole object: 0 and *out, errors of mm_map. base 0: anywhere. */
int __must_check mm_map_shared_area(struct mm_context *ctx, struct vm_object *object, vaddr_t base,
	vm_flags_t flags, vaddr_t *out);

#endif
