/* usercopy.h over an array. */
#include "user_mem.h"

#include <string.h>
#include "lib/base.h"

uint8_t host_user[USER_PAGES * PAGE_SIZE];
bool host_user_absent[USER_PAGES];

/* How many of n bytes at va can be had, page by page. */
static size_t reachable(uaddr_t va, size_t n, bool may_fault)
{
	size_t ok = 0;

	while (ok < n) {
		uaddr_t at = va + ok;
		size_t part = MIN(PAGE_SIZE - (at & PAGE_MASK), n - ok);
		uint64_t page = (at - USER_BASE) >> PAGE_SHIFT;

		if (at < USER_BASE || page >= USER_PAGES)
			break;
		if (host_user_absent[page]) {
			if (!may_fault)
				break;
			host_user_absent[page] = false;
		}
		ok += part;
	}
	return ok;
}

size_t copy_from_user_partial(void *dst, uaddr_t src, size_t n)
{
	size_t ok = reachable(src, n, true);

	memcpy(dst, host_user + (src - USER_BASE), ok);
	return n - ok;
}

size_t copy_to_user_partial(uaddr_t dst, const void *src, size_t n)
{
	size_t ok = reachable(dst, n, true);

	memcpy(host_user + (dst - USER_BASE), src, ok);
	return n - ok;
}

size_t copy_from_user_nofault(void *dst, uaddr_t src, size_t n)
{
	size_t ok = reachable(src, n, false);

	memcpy(dst, host_user + (src - USER_BASE), ok);
	return n - ok;
}

size_t user_copy_faulting(void *dst, const void *src, size_t n)
{
	uaddr_t to = (uaddr_t)dst;

	if (to - USER_BASE < sizeof(host_user))
		return copy_to_user_partial(to, src, n);
	return copy_from_user_partial(dst, (uaddr_t)src, n);
}

int user_fault_in(uaddr_t addr, bool write)
{
	(void)write;
	return reachable(addr, 1, true) ? 0 : -EFAULT;
}
