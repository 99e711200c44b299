/*
 * Memory descriptor lists, after PatchworkOS: a pinned list of byte runs of frames, so that I/O can
 * be done to memory of any address space whichever is loaded.
 */
#ifndef MM_MDL_H
#define MM_MDL_H

#include "mm/page.h"

struct mm_context;

#define MDL_SEGS_SMALL_MAX 2

typedef struct mdl_seg {
	pfn_t pfn;	 /* first frame */
	uint32_t offset; /* of the first byte inside it */
	uint64_t size;	 /* bytes; may run over the following frames */
} mdl_seg_t;

typedef struct mdl {
	struct mdl *next;	/* chain */
	struct mm_context *ctx; /* whose private pages are pinned, or NULL */
	bool write;		/* the I/O writes to memory: file pages become dirty at the end */
	uint32_t amount, capacity; /* segments */
	mdl_seg_t *segs;	   /* small_segs, or an array of the heap */
	mdl_seg_t small_segs[MDL_SEGS_SMALL_MAX];
	uint64_t size; /* bytes in all */
} mdl_t;

typedef struct mdl_iter {
	const mdl_t *mdl;
	uint32_t seg;
	uint64_t offset; /* in the segment */
} mdl_iter_t;

#define MDL_ITER_CREATE(m) \
	{                  \
		.mdl = (m) \
	}
#define MDL_FOR_EACH(byte, m) \
	for (mdl_iter_t _mdl_iter = MDL_ITER_CREATE(m); mdl_iter_next(&_mdl_iter, (byte));)

/* An empty list; linked after prev if given. */
void mdl_init(mdl_t *mdl, mdl_t *prev);
/* Drop the pins and the array; NULL is harmless. A write mdl marks file pages dirty first. */
void mdl_deinit(mdl_t *mdl);
/* Deinit every list of a chain, then free_fn(node) if it is not NULL. */
void mdl_free_chain(mdl_t *mdl, void (*free_fn)(mdl_t *));
/* init + add of a user range; on failure nothing is pinned. */
int __must_check mdl_from_region(
	mdl_t *mdl, mdl_t *prev, struct mm_context *ctx, vaddr_t va, size_t size, bool write);
/* Fault in, check access for the direction, pin, append: all or nothing. 0, -EFAULT, -ENOMEM,
 * -EINVAL, -EOVERFLOW. */
int __must_check mdl_add(mdl_t *mdl, struct mm_context *ctx, vaddr_t va, size_t size, bool write);
/* The same as far as it goes: appends the pages from va on up to the first that cannot be had.
 * Returns the bytes appended, or the error if there are none. */
ssize_t __must_check mdl_add_some(
	mdl_t *mdl, struct mm_context *ctx, vaddr_t va, size_t size, bool write);
/* Append bytes of one frame; takes a pin of its own. 0, or -ENOMEM at once: never reclaims. */
int __must_check mdl_add_page(mdl_t *mdl, struct page *pg, uint32_t offset, uint32_t size);
/* Copy between the list and a kernel buffer; returns the bytes moved, short at the end. */
size_t mdl_read(const mdl_t *mdl, void *buf, size_t count, size_t offset);
size_t mdl_write(const mdl_t *mdl, const void *buf, size_t count, size_t offset);
bool mdl_iter_next(mdl_iter_t *iter, uint8_t *byte);
/* The run of bytes at the cursor, max at most, and step behind it: its place in the direct map and
 * *n > 0; NULL at the end. */
void *mdl_iter_run(mdl_iter_t *iter, size_t max, size_t *n);

#endif
