/* System calls on descriptors. */
#include "syscall.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <unistd.h>

int openat(int dirfd, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return (int)SYS(openat, dirfd, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return (int)SYS(open, path, flags, mode);
}

int close(int fd)
{
	return (int)SYS(close, fd);
}

ssize_t read(int fd, void *buf, size_t len)
{
	return SYS(read, fd, buf, len);
}

ssize_t write(int fd, const void *buf, size_t len)
{
	return SYS(write, fd, buf, len);
}

ssize_t pread(int fd, void *buf, size_t len, off_t offset)
{
	return SYS(pread64, fd, buf, len, offset);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t offset)
{
	return SYS(pwrite64, fd, buf, len, offset);
}

ssize_t readv(int fd, const struct iovec *iov, int count)
{
	return SYS(readv, fd, iov, count);
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
	return SYS(writev, fd, iov, count);
}

/* The kernel takes the offset in two halves; on 64 bits the first holds all of it. */
ssize_t preadv(int fd, const struct iovec *iov, int count, off_t offset)
{
	return SYS(preadv, fd, iov, count, offset, 0);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	return SYS(pwritev, fd, iov, count, offset, 0);
}

off_t lseek(int fd, off_t offset, int whence)
{
	return SYS(lseek, fd, offset, whence);
}

int dup(int fd)
{
	return (int)SYS(dup, fd);
}

int dup2(int fd, int fd2)
{
	return (int)SYS(dup2, fd, fd2);
}

int dup3(int fd, int fd2, int flags)
{
	return (int)SYS(dup3, fd, fd2, flags);
}

int pipe(int fds[2])
{
	return (int)SYS(pipe, fds);
}

int pipe2(int fds[2], int flags)
{
	return (int)SYS(pipe2, fds, flags);
}

int fcntl(int fd, int cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	return (int)SYS(fcntl, fd, cmd, arg);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	long arg;

	va_start(ap, request);
	arg = va_arg(ap, long);
	va_end(ap);
	return (int)SYS(ioctl, fd, request, arg);
}

int fsync(int fd)
{
	return (int)SYS(fsync, fd);
}

int fdatasync(int fd)
{
	return (int)SYS(fdatasync, fd);
}

void sync(void)
{
	RAW(sync);
}

int truncate(const char *path, off_t len)
{
	return (int)SYS(truncate, path, len);
}

int ftruncate(int fd, off_t len)
{
	return (int)SYS(ftruncate, fd, len);
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
	return (int)SYS(fallocate, fd, mode, offset, len);
}

/* => 0 or the error number; errno stays as it is. */
int posix_fallocate(int fd, off_t offset, off_t len)
{
	return (int)-RAW(fallocate, fd, 0, offset, len);
}

/* => 0 or the error number; errno stays as it is. */
int posix_fadvise(int fd, off_t offset, off_t len, int advice)
{
	return (int)-RAW(fadvise64, fd, offset, len, advice);
}

int flock(int fd, int op)
{
	return (int)SYS(flock, fd, op);
}

int lockf(int fd, int cmd, off_t len)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_len = len};

	switch (cmd) {
	case F_ULOCK:
		lock.l_type = F_UNLCK;
		return fcntl(fd, F_SETLK, &lock);
	case F_LOCK:
		return fcntl(fd, F_SETLKW, &lock);
	case F_TLOCK:
		return fcntl(fd, F_SETLK, &lock);
	case F_TEST:
		if (fcntl(fd, F_GETLK, &lock) < 0)
			return -1;
		if (lock.l_type == F_UNLCK || lock.l_pid == getpid())
			return 0;
		errno = EACCES;
		return -1;
	}
	errno = EINVAL;
	return -1;
}

int fchmod(int fd, mode_t mode)
{
	return (int)SYS(fchmod, fd, mode);
}

int fchown(int fd, uid_t uid, gid_t gid)
{
	return (int)SYS(fchown, fd, uid, gid);
}

int fchdir(int fd)
{
	return (int)SYS(fchdir, fd);
}

int fstat(int fd, struct stat *st)
{
	return (int)SYS(fstat, fd, st);
}

int fstatfs(int fd, struct statfs *st)
{
	return (int)SYS(fstatfs, fd, st);
}
