/* The address space: mmap's family, and the break that malloc grows. */
#include "syscall.h"
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/lock.h>
#include <sys/mman.h>
#include <unistd.h>

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	return (void *)SYS(mmap, addr, len, prot, flags, fd, offset);
}

int munmap(void *addr, size_t len)
{
	return (int)SYS(munmap, addr, len);
}

int mprotect(void *addr, size_t len, int prot)
{
	return (int)SYS(mprotect, addr, len, prot);
}

void *mremap(void *addr, size_t old_len, size_t new_len, int flags, ...)
{
	void *new_addr = NULL;
	va_list ap;

	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) {
		va_start(ap, flags);
		new_addr = va_arg(ap, void *);
		va_end(ap);
	}
	return (void *)SYS(mremap, addr, old_len, new_len, flags, new_addr);
}

int msync(void *addr, size_t len, int flags)
{
	return (int)SYS(msync, addr, len, flags);
}

int madvise(void *addr, size_t len, int advice)
{
	return (int)SYS(madvise, addr, len, advice);
}

/* => 0 or the error number. POSIX's DONTNEED must not throw contents away, so it does nothing. */
int posix_madvise(void *addr, size_t len, int advice)
{
	if (advice == POSIX_MADV_DONTNEED)
		return 0;
	return (int)-RAW(madvise, addr, len, advice);
}

int mincore(void *addr, size_t len, unsigned char *vec)
{
	return (int)SYS(mincore, addr, len, vec);
}

int mlock(const void *addr, size_t len)
{
	return (int)SYS(mlock, addr, len);
}

int munlock(const void *addr, size_t len)
{
	return (int)SYS(munlock, addr, len);
}

int mlockall(int flags)
{
	return (int)SYS(mlockall, flags);
}

int munlockall(void)
{
	return (int)SYS(munlockall);
}

int memfd_create(const char *name, unsigned int flags)
{
	return (int)SYS(memfd_create, name, flags);
}

int mseal(void *addr, size_t len, unsigned long flags)
{
	return (int)SYS(mseal, addr, len, flags);
}

static char *current_break;
__LOCK_INIT_RECURSIVE(static, break_lock)

/* The kernel gives the break it has afterwards: unchanged means that it refused. */
int brk(void *addr)
{
	current_break = (char *)RAW(brk, addr);
	if (current_break == addr)
		return 0;
	errno = ENOMEM;
	return -1;
}

void *sbrk(ptrdiff_t increment)
{
	char *old = (char *)-1;

	__lock_acquire_recursive(break_lock);
	if (!current_break)
		current_break = (char *)RAW(brk, 0);
	if (increment == 0 || brk(current_break + increment) == 0)
		old = current_break - increment;
	__lock_release_recursive(break_lock);
	return old;
}
