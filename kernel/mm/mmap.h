/*
 * The edits that user programs ask for: map, unmap, protect, remap, advise, brk. Any range; check
 * everything, take everything, then change state in steps that cannot fail. All take the context's
 * lock themselves and may sleep.
 * => no mm lock held, nothing of rank 33 or above
 */
#ifndef MM_MMAP_H
#define MM_MMAP_H

#include "mm/vmap.h"

/* Kinds of area of the universal constructor (after Möbius). */
enum mm_area_kind { MM_AREA_NORMAL, MM_AREA_MAP, MM_AREA_FILE, MM_AREA_IMAGE, MM_AREA_CALLBACK };

/* request.flags besides VM_* rights and attributes. */
#define MM_MAP_FIXED	0x1u /* replace what is there */
#define MM_MAP_EXACT	0x2u /* there or -EEXIST */
#define MM_MAP_SHARED	0x4u
#define MM_MAP_POPULATE 0x8u
#define MM_MAP_LITERAL	0x10u /* address 0 is meant: only for who may */
#define MM_MAP_BELOW_4G 0x20u /* MAP_32BIT: below 2 GiB */

struct mm_map_request {
	enum mm_area_kind kind;
	vaddr_t vaddr;	     /* hint or exact address */
	uint64_t len;	     /* bytes, > 0 */
	vm_flags_t vmflags;  /* VM_READ.. and attributes; VM_MAY* are derived: all, unless max_prot
				says less */
	vm_flags_t max_prot; /* ceiling for later mprotect; 0: READ|WRITE|EXEC */
	unsigned map_flags;  /* MM_MAP_* */
	vmap_content_t content;
	struct vm_object *object; /* FILE, IMAGE; NORMAL|SHARED may give a zero object; a reference
				     is taken */
	uint64_t offset;	  /* bytes into the object, page aligned */
	uint64_t file_len;	  /* IMAGE: bytes that come from the file */
	void *file;		  /* a reference is taken through vmap_file_ops; may be NULL */
	paddr_t pa;		  /* MAP */
	vm_callback_fn handler;	  /* CALLBACK */
	void *cookie;
	const char *name;
};

/* Make an area. 0 and *out = address, or -EINVAL, -ENOMEM, -EEXIST, -EACCES, -EPERM, -EAGAIN
 * (RLIMIT_MEMLOCK). */
int __must_check mm_map(struct mm_context *ctx, const struct mm_map_request *rq, vaddr_t *out);
/*
 * Over that: anonymous memory; and a request that names an object (kind FILE unless it says
 * another).
 */
static inline int __must_check mmap_anonymous(struct mm_context *ctx, vaddr_t hint, uint64_t len,
	vm_flags_t flags, unsigned map_flags, vaddr_t *out)
{
	struct mm_map_request rq = {
		.kind = MM_AREA_NORMAL,
		.vaddr = hint,
		.len = len,
		.vmflags = flags,
		.map_flags = map_flags,
		.content = VMAP_MMAP,
	};

	return mm_map(ctx, &rq, out);
}
int __must_check mmap_file(struct mm_context *ctx, const struct mm_map_request *rq, vaddr_t *out);
/* An area whose pages a handler supplies (vmap.h); the rest of the request as for mm_map. */
int __must_check mm_map_callback(struct mm_context *ctx, const struct mm_map_request *rq,
	vm_callback_fn handler, void *cookie, vaddr_t *out);
/* Claim a range without backing. */
int __must_check mm_reserve(
	struct mm_context *ctx, vaddr_t hint, uint64_t len, unsigned map_flags, vaddr_t *out);
/* 0, -EINVAL, -ENOMEM (a split needs a vmap), -EPERM (sealed). Holes are no error. */
int __must_check munmap(struct mm_context *ctx, vaddr_t va, uint64_t len);
/* 0, -EINVAL, -ENOMEM (holes: what lies before is changed, as on Linux), -EACCES (ceiling). */
int __must_check vm_protect(
	struct mm_context *ctx, vaddr_t va, uint64_t len, vm_flags_t rights, bool grows_down);
/* mseal(2). 0, -EINVAL (not aligned, wraps), -ENOMEM (holes; then nothing is sealed). */
int __must_check mm_seal(struct mm_context *ctx, vaddr_t va, uint64_t len);
/* mremap(2): flags are Linux's MREMAP_*. */
int __must_check mm_remap(struct mm_context *ctx, vaddr_t old, uint64_t old_len, uint64_t new_len,
	unsigned flags, vaddr_t new_addr, vaddr_t *out);
/* madvise(2): advice is Linux's MADV_*. */
int __must_check mm_advise(struct mm_context *ctx, vaddr_t va, uint64_t len, int advice);
int __must_check mm_sync(
	struct mm_context *ctx, vaddr_t va, uint64_t len, int flags); /* msync(2) */
/* mincore(2): one byte a page through put. */
int __must_check mm_incore(struct mm_context *ctx, vaddr_t va, uint64_t len,
	int (*put)(void *cookie, const uint8_t *vec, size_t n), void *cookie);
int __must_check mm_lock_range(
	struct mm_context *ctx, vaddr_t va, uint64_t len, bool lock, bool onfault);
int __must_check mm_lock_all(struct mm_context *ctx, int flags); /* mlockall(2); 0: munlockall */
/* brk(2): returns the break as it is afterwards. */
vaddr_t mm_brk(struct mm_context *ctx, vaddr_t new_brk);
/*
 * A fault below the lowest page of a stack: grow it down to va, if its limit and the guard gap
 * below allow. 0 or -EFAULT.
 */
int __must_check mm_grow_stack(struct mm_context *ctx, vaddr_t va);
/* Make the vmaps of the range resident as their first use would; stops at the first error. */
int __must_check mm_populate_range(struct mm_context *ctx, vaddr_t va, uint64_t len);
/* Fault in every page of the range for the access; stops at the first error. */
int __must_check mm_populate(struct mm_context *ctx, vaddr_t va, uint64_t len, vm_flags_t access);
/* Free the whole area that holds va. 0 or -EINVAL. */
int __must_check mm_free_area(struct mm_context *ctx, vaddr_t va);

#endif
