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
#include "usercopy.h"

void uio_init_kernel(struct uio *u, void *buf, size_t n)
{
	*u = (struct uio){.kbuf = buf, .left = n};
}

void uio_init_user(struct uio *u, const struct iovec_user *iov, unsigned niov)
{
	*u = (struct uio){.iov = iov, .niov = niov};
	for (unsigned i = 0; i < niov; i++)
		u->left += iov[i].len;
}

uaddr_t uio_user_range(struct uio *u, size_t *len)
{
	for (;;) {
		const struct iovec_user *v = &u->iov[u->cur];

		if (u->done_in_cur < v->len) {
			*len = v->len - u->done_in_cur;
			return v->base + u->done_in_cur;
		}
		u->cur++;
		u->done_in_cur = 0;
		assert(u->cur < u->niov);
	}
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
		part -= missed;
		u->done_in_cur += part;
		u->left -= part;
		if (buf)
			buf = (char *)buf + part;
		n -= part;
		if (missed)
			return n;
	}
	return 0;
}

void uio_advance(struct uio *u, size_t n)
{
	assert(n <= u->left);
	u->left -= n;
	while (n) {
		size_t len;

		uio_user_range(u, &len);
		len = MIN(len, n);
		u->done_in_cur += len;
		n -= len;
	}
}

size_t uio_copy_to(struct uio *u, const void *src, size_t n)
{
	return uio_move(u, UIO_TO, (void *)(uintptr_t)src, n);
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
	/* The first byte must be had; whether the later pages can be had shows when they are copied. */
	for (bool first = true; n; first = false) {
		size_t len;
		uaddr_t user = uio_user_range(&at, &len);
		size_t part = MIN(n, len);

		part = MIN(part, PAGE_SIZE - (user & PAGE_MASK));

		if (user_fault_in(user, write))
			return first ? -EFAULT : 0;
		at.done_in_cur += part;
		n -= part;
	}
	return 0;
}
