/*
 * Cursor over the memory of a read or write.
 *
 * A uio is private to the call that made it. A copy stops at the first byte that faults and leaves
 * the cursor there, so that the caller knows exactly what was moved. User ranges that are empty are
 * stepped over.
 */
#include "fs/uio.h"

#include "lib/assert.h"
#include "lib/string.h"
#include "mm/page.h"
#include "usercopy.h"

void uio_init_kernel(struct uio *u, void *buf, size_t n)
{
	*u = (struct uio){.kbuf = buf, .left = n};
}

static void next_range(struct uio *u)
{
	u->user = u->iov->base;
	u->room = u->iov->len;
	u->iov++;
	u->niov--;
}

void uio_init_user(struct uio *u, const struct iovec_user *iov, unsigned niov)
{
	*u = (struct uio){.iov = iov, .niov = niov};
	for (unsigned i = 0; i < niov; i++)
		u->left += iov[i].len;
	if (niov)
		next_range(u);
}

uaddr_t uio_user_range(struct uio *u, size_t *len)
{
	while (!u->room) {
		assert(u->niov);
		next_range(u);
	}
	*len = u->room;
	return u->user;
}

/* n bytes of the user range at the cursor are done. */
static void step(struct uio *u, size_t n)
{
	u->user += n;
	u->room -= n;
	u->left -= n;
}

enum uio_move { UIO_TO, UIO_FROM, UIO_FROM_NOFAULT, UIO_ZERO };

static size_t move_user(enum uio_move how, uaddr_t user, void *buf, size_t n)
{
	switch (how) {
	case UIO_TO:
		return copy_to_user_partial(user, buf, n);
	case UIO_FROM:
		return copy_from_user_partial(buf, user, n);
	case UIO_FROM_NOFAULT:
		return copy_from_user_nofault(buf, user, n);
	case UIO_ZERO:
		break;
	}
	/* clear_user does not say how far it came: pages of zeros do. */
	static const char zeros[256];
	size_t left = n;

	while (left) {
		size_t part = MIN(left, sizeof(zeros));
		size_t missed = copy_to_user_partial(user, zeros, part);

		left -= part - missed;
		user += part - missed;
		if (missed)
			break;
	}
	return left;
}

static void move_kernel(enum uio_move how, void *kbuf, void *buf, size_t n)
{
	if (how == UIO_TO)
		memcpy(kbuf, buf, n);
	else if (how == UIO_ZERO)
		memset(kbuf, 0, n);
	else
		memcpy(buf, kbuf, n);
}

static size_t uio_move(struct uio *u, enum uio_move how, void *buf, size_t n)
{
	assert(n <= u->left);
	if (!u->iov) {
		move_kernel(how, u->kbuf, buf, n);
		u->kbuf = (char *)u->kbuf + n;
		u->left -= n;
		return 0;
	}
	while (n) {
		size_t len, part, missed;
		uaddr_t user = uio_user_range(u, &len);

		part = MIN(n, len);
		missed = move_user(how, user, buf, part);
		step(u, part - missed);
		if (buf)
			buf = (char *)buf + part;
		n -= part - missed;
		if (missed)
			return n;
	}
	return 0;
}

void uio_advance(struct uio *u, size_t n)
{
	assert(n <= u->left);
	while (n) {
		size_t len;

		uio_user_range(u, &len);
		len = MIN(len, n);
		step(u, len);
		n -= len;
	}
}

/* Do the next n bytes lie in one user range, one that a program may name? */
static inline bool in_one_range(const struct uio *u, size_t n)
{
	return likely(n <= u->room && user_range_ok(u->user, n));
}

size_t uio_copy_to(struct uio *u, const void *src, size_t n)
{
	size_t missed;

	if (!in_one_range(u, n))
		return uio_move(u, UIO_TO, (void *)(uintptr_t)src, n);
	missed = user_copy_faulting((void *)u->user, src, n);
	step(u, n - missed);
	return missed;
}

size_t uio_copy_pages_to(struct uio *u, struct page *const *pages, size_t from, size_t n)
{
	bool straight = in_one_range(u, n);
	size_t left = n, missed = 0;
	uaddr_t user = u->user;

	for (; left && !missed; pages++, from = 0) {
		size_t part = MIN(PAGE_SIZE - from, left);
		void *src = (char *)page_virt(*pages) + from;

		missed = straight ? user_copy_faulting((void *)user, src, part)
				  : uio_move(u, UIO_TO, src, part);
		user += part;
		left -= part - missed;
	}
	if (straight)
		step(u, n - left);
	return left;
}

size_t uio_copy_from(struct uio *u, void *dst, size_t n)
{
	return uio_move(u, UIO_FROM, dst, n);
}

size_t uio_copy_from_nofault(struct uio *u, void *dst, size_t n)
{
	return uio_move(u, UIO_FROM_NOFAULT, dst, n);
}

size_t uio_zero(struct uio *u, size_t n)
{
	return uio_move(u, UIO_ZERO, NULL, n);
}

int uio_fault_in(const struct uio *u, size_t n, bool write)
{
	struct uio at = *u;

	if (!u->iov)
		return 0;
	n = MIN(n, u->left);
	/*
	 * The first byte must be had; whether the later pages can be had shows when they are
	 * copied.
	 */
	for (bool first = true; n; first = false) {
		size_t len;
		uaddr_t user = uio_user_range(&at, &len);
		size_t part = MIN(n, len);

		part = MIN(part, PAGE_SIZE - (user & PAGE_MASK));

		if (user_fault_in(user, write))
			return first ? -EFAULT : 0;
		step(&at, part);
		n -= part;
	}
	return 0;
}
