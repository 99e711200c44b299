/*
 * Backing under a name (after Möbius): an object is published, opened by whoever knows the name,
 * and mapped whole. The name is no more than a way to the object: who has the object keeps it when
 * the name goes. SysV shared memory (proc/shm.c) stands on it: a key is a name.
 */
#ifndef MM_SHARE_H
#define MM_SHARE_H

#include "mm/mmap.h"

/* Publish the object; the name holds a reference. 0, -EEXIST, -ENAMETOOLONG, -ENOMEM. May sleep. */
int __must_check vm_share_publish(struct vm_object *vo, const char *name);
/* The object under the name, referenced, or ERR_PTR(-ENOENT). */
struct vm_object *vm_share_open(const char *name);
/*
 * Take the name away. 0 or -ENOENT. => the caller has a reference of the object, or holds nothing
 */
int vm_share_withdraw(const char *name);

/*
 * Map a whole object for sharing: anywhere, at base where nothing may be (base not 0), or at base
 * over what is there (replace). Without VM_WRITE in flags it can never be written through this
 * area. 0 and *out, errors of mm_map. => nothing of rank 40 or above
 */
int __must_check mm_map_shared_area(struct mm_context *ctx, struct vm_object *object, vaddr_t base,
	vm_flags_t flags, bool replace, vaddr_t *out);
/*
 * Unmap what is left of the area that began at base and shows an object of this kind: the pages
 * that were unmapped, replaced or moved meanwhile are none of it. 0, -EINVAL (there is no such
 * area), -EPERM (a part is sealed). => nothing of rank 40 or above
 */
int __must_check mm_unmap_shared_area(
	struct mm_context *ctx, vaddr_t base, const struct vm_object_ops *kind);

#endif
