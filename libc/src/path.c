/* System calls on names. */
#include "syscall.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <unistd.h>
#include <utime.h>

int stat(const char *restrict path, struct stat *restrict st)
{
	return (int)SYS(stat, path, st);
}

int lstat(const char *restrict path, struct stat *restrict st)
{
	return (int)SYS(lstat, path, st);
}

int fstatat(int dirfd, const char *restrict path, struct stat *restrict st, int flags)
{
	return (int)SYS(newfstatat, dirfd, path, st, flags);
}

int access(const char *path, int mode)
{
	return (int)SYS(access, path, mode);
}

/* faccessat(2) has no flags argument; faccessat2(2), which has, is newer than some kernels. */
int faccessat(int dirfd, const char *path, int mode, int flags)
{
	if (flags == 0)
		return (int)SYS(faccessat, dirfd, path, mode);
	return (int)SYS(faccessat2, dirfd, path, mode, flags);
}

int eaccess(const char *path, int mode)
{
	return faccessat(AT_FDCWD, path, mode, AT_EACCESS);
}

int euidaccess(const char *path, int mode)
{
	return eaccess(path, mode);
}

int chdir(const char *path)
{
	return (int)SYS(chdir, path);
}

int chroot(const char *path)
{
	return (int)SYS(chroot, path);
}

/* => buf, or a block from malloc when buf is NULL (of len bytes, or as needed when len is 0). */
char *getcwd(char *buf, size_t len)
{
	char tmp[PATH_MAX];

	if (buf) {
		if (len == 0) {
			errno = EINVAL;
			return NULL;
		}
		return SYS(getcwd, buf, len) < 0 ? NULL : buf;
	}
	if (SYS(getcwd, tmp, len && len < sizeof(tmp) ? len : sizeof(tmp)) < 0)
		return NULL;
	buf = malloc(len ? len : strlen(tmp) + 1);
	return buf ? strcpy(buf, tmp) : NULL;
}

int mkdir(const char *path, mode_t mode)
{
	return (int)SYS(mkdir, path, mode);
}

int mkdirat(int dirfd, const char *path, mode_t mode)
{
	return (int)SYS(mkdirat, dirfd, path, mode);
}

int mknod(const char *path, mode_t mode, dev_t dev)
{
	return (int)SYS(mknod, path, mode, dev);
}

int mknodat(int dirfd, const char *path, mode_t mode, dev_t dev)
{
	return (int)SYS(mknodat, dirfd, path, mode, dev);
}

int mkfifo(const char *path, mode_t mode)
{
	return mknod(path, (mode & ~(mode_t)S_IFMT) | S_IFIFO, 0);
}

int rmdir(const char *path)
{
	return (int)SYS(rmdir, path);
}

int unlink(const char *path)
{
	return (int)SYS(unlink, path);
}

int unlinkat(int dirfd, const char *path, int flags)
{
	return (int)SYS(unlinkat, dirfd, path, flags);
}

/* ISO C: a directory too. */
int remove(const char *path)
{
	int saved = errno;

	if (unlink(path) == 0)
		return 0;
	if (errno != EISDIR)
		return -1;
	errno = saved;
	return rmdir(path);
}

int rename(const char *from, const char *to)
{
	return (int)SYS(rename, from, to);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return (int)SYS(renameat, from_fd, from, to_fd, to);
}

int link(const char *from, const char *to)
{
	return (int)SYS(link, from, to);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	return (int)SYS(linkat, from_fd, from, to_fd, to, flags);
}

int symlink(const char *text, const char *path)
{
	return (int)SYS(symlink, text, path);
}

int symlinkat(const char *text, int dirfd, const char *path)
{
	return (int)SYS(symlinkat, text, dirfd, path);
}

ssize_t readlink(const char *restrict path, char *restrict buf, size_t len)
{
	return SYS(readlink, path, buf, len);
}

ssize_t readlinkat(int dirfd, const char *restrict path, char *restrict buf, size_t len)
{
	return SYS(readlinkat, dirfd, path, buf, len);
}

int chmod(const char *path, mode_t mode)
{
	return (int)SYS(chmod, path, mode);
}

int fchmodat(int dirfd, const char *path, mode_t mode, int flags)
{
	if (flags) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return (int)SYS(fchmodat, dirfd, path, mode);
}

int chown(const char *path, uid_t uid, gid_t gid)
{
	return (int)SYS(chown, path, uid, gid);
}

int lchown(const char *path, uid_t uid, gid_t gid)
{
	return (int)SYS(lchown, path, uid, gid);
}

int fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags)
{
	return (int)SYS(fchownat, dirfd, path, uid, gid, flags);
}

int utimensat(int dirfd, const char *path, const struct timespec times[2], int flags)
{
	return (int)SYS(utimensat, dirfd, path, times, flags);
}

int futimens(int fd, const struct timespec times[2])
{
	return (int)SYS(utimensat, fd, NULL, times, 0);
}

int utimes(const char *path, const struct timeval tv[2])
{
	struct timespec ts[2];

	if (!tv)
		return utimensat(AT_FDCWD, path, NULL, 0);
	for (int i = 0; i < 2; i++)
		ts[i] = (struct timespec){tv[i].tv_sec, tv[i].tv_usec * 1000};
	return utimensat(AT_FDCWD, path, ts, 0);
}

int utime(const char *path, const struct utimbuf *times)
{
	struct timespec ts[2];

	if (!times)
		return utimensat(AT_FDCWD, path, NULL, 0);
	ts[0] = (struct timespec){times->actime, 0};
	ts[1] = (struct timespec){times->modtime, 0};
	return utimensat(AT_FDCWD, path, ts, 0);
}

mode_t umask(mode_t mask)
{
	return (mode_t)SYS(umask, mask);
}

int statfs(const char *path, struct statfs *st)
{
	return (int)SYS(statfs, path, st);
}

int mount(const char *source, const char *target, const char *type, unsigned long flags,
	const void *data)
{
	return (int)SYS(mount, source, target, type, flags, data);
}

int umount2(const char *target, int flags)
{
	return (int)SYS(umount2, target, flags);
}

int umount(const char *target)
{
	return umount2(target, 0);
}
