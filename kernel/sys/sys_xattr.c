/*
 * Extended attributes. No file system here keeps any: after the checks of names and files the
 * answer is that of a file system without them, EOPNOTSUPP, and an empty list.
 */
#include "abi/fcntl.h"
#include "sys/sys.h"

#define XATTR_NAME_SPACE 256 /* with the terminator */
#define XATTR_SIZE_MAX	 65536
#define XATTR_CREATE	 1
#define XATTR_REPLACE	 2

/* Does the name exist? */
static long find_name(uaddr_t name, unsigned look)
{
	struct sys_at sa;
	struct path p;
	long err = sys_at_get(&sa, AT_FDCWD, name);

	if (err)
		return err;
	err = sys_at_lookup(&sa, look, &p);
	sys_at_put(&sa);
	if (!err)
		path_put(&p);
	return err;
}

static long find_fd(int fd)
{
	bool owned;
	struct file *f = sys_file_borrow(fd, &owned);

	if (!f)
		return -EBADF;
	fd_return(f, owned);
	return 0;
}

/* The name of an attribute; there is none of that name. */
static long no_attribute(uaddr_t name)
{
	char text[XATTR_NAME_SPACE];
	ssize_t n = strncpy_from_user(text, name, sizeof(text));

	if (n == 0 || n == -ENAMETOOLONG)
		return -ERANGE;
	return n < 0 ? n : -EOPNOTSUPP;
}

static long no_set(const uint64_t *a)
{
	if (a[4] & ~(uint64_t)(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	if (a[3] > XATTR_SIZE_MAX)
		return -E2BIG;
	return no_attribute(a[1]);
}

long sys_setxattr(const uint64_t *a)
{
	return find_name(a[0], LOOKUP_FOLLOW) ?: no_set(a);
}

long sys_lsetxattr(const uint64_t *a)
{
	return find_name(a[0], 0) ?: no_set(a);
}

long sys_fsetxattr(const uint64_t *a)
{
	return find_fd((int)a[0]) ?: no_set(a);
}

long sys_getxattr(const uint64_t *a)
{
	return find_name(a[0], LOOKUP_FOLLOW) ?: no_attribute(a[1]);
}

long sys_lgetxattr(const uint64_t *a)
{
	return find_name(a[0], 0) ?: no_attribute(a[1]);
}

long sys_fgetxattr(const uint64_t *a)
{
	return find_fd((int)a[0]) ?: no_attribute(a[1]);
}

long sys_listxattr(const uint64_t *a)
{
	return find_name(a[0], LOOKUP_FOLLOW);
}

long sys_llistxattr(const uint64_t *a)
{
	return find_name(a[0], 0);
}

long sys_flistxattr(const uint64_t *a)
{
	return find_fd((int)a[0]);
}

long sys_removexattr(const uint64_t *a)
{
	return find_name(a[0], LOOKUP_FOLLOW) ?: no_attribute(a[1]);
}

long sys_lremovexattr(const uint64_t *a)
{
	return find_name(a[0], 0) ?: no_attribute(a[1]);
}

long sys_fremovexattr(const uint64_t *a)
{
	return find_fd((int)a[0]) ?: no_attribute(a[1]);
}
