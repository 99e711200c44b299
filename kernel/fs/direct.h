/* O_DIRECT: block I/O straight between a device and the memory of the caller. */
#ifndef FS_DIRECT_H
#define FS_DIRECT_H

#include "fs/uio.h"

struct block_device;
struct page;
struct vm_object;

/* Where a run of bytes lies. */
struct direct_run {
	uint64_t sector; /* of the device */
	uint64_t len;	 /* bytes, a multiple of 512 */
	bool hole;	 /* it lies nowhere: reads as zeros */
};

/* What is read or written: the bytes of an object, on a device. */
struct direct_target {
	struct vm_object *vo; /* the pages that cache them */
	struct block_device *bd;
	void *owner; /* of map */
	/* The run that begins at off, a multiple of 512, of at most max bytes. 0 or -errno. */
	int (*map)(const struct direct_target *t, uint64_t off, uint64_t max, bool write,
		struct direct_run *run);
	/* A page of the cache got the bytes that were written to the device. => pinned */
	void (*changed)(struct page *pg, uint32_t offset, uint32_t len);
};

/* May u at pos be transferred directly? Addresses, lengths and position have to be multiples of the
 * sector. 0 or -EINVAL. */
int __must_check direct_check(const struct uio *u, uint64_t pos);
/*
 * Move n bytes, a multiple of 512 and at most what u has left, at *pos; both advance. Memory is
 * pinned a piece at a time. Returns the bytes moved, short at the first that fail, or their error.
 * A hole is zeros when it is read; a write ends in front of it. May sleep.
 * => the caller wrote back the cache's pages there (direct_write: and dropped them), and keeps the
 *    runs where they are; no lock of rank 33 or above, no mm lock
 */
ssize_t direct_read(const struct direct_target *t, struct uio *u, uint64_t *pos, uint64_t n);
ssize_t direct_write(const struct direct_target *t, struct uio *u, uint64_t *pos, uint64_t n);

#endif
