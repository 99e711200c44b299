/* The memory side of a read or write: a vector of user ranges, or one kernel buffer. */
#ifndef FS_UIO_H
#define FS_UIO_H

#include "mm/types.h"

struct page;

struct iovec_user {
	uaddr_t base;
	uint64_t len;
};

struct uio {
	uaddr_t user;		      /* the cursor ... */
	uint64_t room;		      /* ... and what its range still has; 0: the next one is due */
	const struct iovec_user *iov; /* the user ranges behind it; NULL: a kernel buffer */
	unsigned niov;
	void *kbuf;
	uint64_t left; /* bytes not yet moved */
	/* how a write is done, beside what the file's flags ask for */
	bool append;
	enum { UIO_DSYNC = 1, UIO_SYNC } sync; /* 0: as the file */
};

void uio_init_kernel(struct uio *u, void *buf, size_t n);
void uio_init_user(struct uio *u, const struct iovec_user *iov, unsigned niov);
/*
 * Move n bytes (n <= left) and advance; return how many could not be moved because of a fault (the
 * cursor stands there). The _nofault forms stop at the first page that is not resident;
 * uio_fault_in makes the next bytes resident.
 */
size_t uio_copy_to(struct uio *u, const void *src, size_t n); /* kernel -> memory */
/* The same from pages, beginning at byte `from` of the first. */
size_t uio_copy_pages_to(struct uio *u, struct page *const *pages, size_t from, size_t n);
size_t uio_copy_from(struct uio *u, void *dst, size_t n);
size_t uio_copy_from_nofault(struct uio *u, void *dst, size_t n);
size_t uio_zero(struct uio *u, size_t n);
/* The user range at the cursor: its address, and how much of it is left (> 0). => left > 0, not a
 * kernel buffer */
uaddr_t uio_user_range(struct uio *u, size_t *len);
/* Step over n bytes that were moved in another way. => n <= left, not a kernel buffer */
void uio_advance(struct uio *u, size_t n);
/* write: memory will be written to. 0 or -EFAULT. */
int __must_check uio_fault_in(const struct uio *u, size_t n, bool write);

#endif
