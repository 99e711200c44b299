/* Names: making, removing, renaming, linking; the working directory; owner, mode, times. */
#include "abi/fcntl.h"
#include "abi/stat.h"
#include "lib/string.h"
#include "mm/slab.h"
#include "proc/rlimit.h"
#include "sched/clock.h"
#include "sys/sys.h"

static long mkdir_at(int dfd, uaddr_t name, uint32_t mode)
{
	struct sys_at sa;
	long err = sys_at_get(&sa, dfd, name);

	if (err)
		return err;
	err = path_mkdir(sys_fs(), sa.at, sa.name, mode & 01777);
	sys_at_put(&sa);
	return err;
}

long sys_mkdir(const uint64_t *a)
{
	return mkdir_at(AT_FDCWD, a[0], (uint32_t)a[1]);
}

long sys_mkdirat(const uint64_t *a)
{
	return mkdir_at((int)a[0], a[1], (uint32_t)a[2]);
}

static long mknod_at(int dfd, uaddr_t name, uint32_t mode, uint32_t dev)
{
	struct sys_at sa;
	long err;

	switch (mode & S_IFMT) {
	case 0:
		mode |= S_IFREG;
		break;
	case S_IFREG:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
	err = sys_at_get(&sa, dfd, name);
	if (err)
		return err;
	err = path_mknod(sys_fs(), sa.at, sa.name, mode & (S_IFMT | 07777), dev);
	sys_at_put(&sa);
	return err;
}

long sys_mknod(const uint64_t *a)
{
	return mknod_at(AT_FDCWD, a[0], (uint32_t)a[1], (uint32_t)a[2]);
}

long sys_mknodat(const uint64_t *a)
{
	return mknod_at((int)a[0], a[1], (uint32_t)a[2], (uint32_t)a[3]);
}

static long unlink_at(int dfd, uaddr_t name, bool dir)
{
	struct sys_at sa;
	long err = sys_at_get(&sa, dfd, name);

	if (err)
		return err;
	err = dir ? path_rmdir(sys_fs(), sa.at, sa.name) : path_unlink(sys_fs(), sa.at, sa.name);
	sys_at_put(&sa);
	return err;
}

long sys_rmdir(const uint64_t *a)
{
	return unlink_at(AT_FDCWD, a[0], true);
}

long sys_unlink(const uint64_t *a)
{
	return unlink_at(AT_FDCWD, a[0], false);
}

long sys_unlinkat(const uint64_t *a)
{
	if (a[2] & ~(uint64_t)AT_REMOVEDIR)
		return -EINVAL;
	return unlink_at((int)a[0], a[1], a[2] & AT_REMOVEDIR);
}

static long rename_at(int odfd, uaddr_t oname, int ndfd, uaddr_t nname, unsigned flags)
{
	struct sys_at from, to;
	long err;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	if ((flags & RENAME_EXCHANGE) && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)))
		return -EINVAL;
	err = sys_at_get(&from, odfd, oname);
	if (err)
		return err;
	err = sys_at_get(&to, ndfd, nname);
	if (err)
		goto out_from;
	err = path_rename(sys_fs(), from.at, from.name, to.at, to.name, flags);
	sys_at_put(&to);
out_from:
	sys_at_put(&from);
	return err;
}

long sys_rename(const uint64_t *a)
{
	return rename_at(AT_FDCWD, a[0], AT_FDCWD, a[1], 0);
}

long sys_renameat(const uint64_t *a)
{
	return rename_at((int)a[0], a[1], (int)a[2], a[3], 0);
}

long sys_renameat2(const uint64_t *a)
{
	return rename_at((int)a[0], a[1], (int)a[2], a[3], (unsigned)a[4]);
}

/* Look up relative to dfd. AT_EMPTY_PATH names the descriptor itself. */
static int lookup_at(int dfd, uaddr_t name, unsigned flags, struct path *out)
{
	struct sys_at sa;
	int err = sys_at_get(&sa, dfd, name);

	if (err)
		return err;
	err = sys_at_lookup(&sa, flags, out);
	sys_at_put(&sa);
	return err;
}

static long link_at(int odfd, uaddr_t oname, int ndfd, uaddr_t nname, unsigned flags)
{
	unsigned look = (flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0) |
			(flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
	struct sys_at to;
	struct path old;
	long err;

	if (flags & ~(unsigned)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = lookup_at(odfd, oname, look, &old);
	if (err)
		return err;
	err = sys_at_get(&to, ndfd, nname);
	if (!err) {
		err = path_link(sys_fs(), &old, to.at, to.name);
		sys_at_put(&to);
	}
	path_put(&old);
	return err;
}

long sys_link(const uint64_t *a)
{
	return link_at(AT_FDCWD, a[0], AT_FDCWD, a[1], 0);
}

long sys_linkat(const uint64_t *a)
{
	return link_at((int)a[0], a[1], (int)a[2], a[3], (unsigned)a[4]);
}

static long symlink_at(uaddr_t target, int dfd, uaddr_t name)
{
	char *text = sys_path_get(target);
	struct sys_at sa;
	long err;

	if (IS_ERR(text))
		return PTR_ERR(text);
	err = text[0] ? sys_at_get(&sa, dfd, name) : -ENOENT;
	if (!err) {
		err = path_symlink(sys_fs(), text, sa.at, sa.name);
		sys_at_put(&sa);
	}
	sys_path_put(text);
	return err;
}

long sys_symlink(const uint64_t *a)
{
	return symlink_at(a[0], AT_FDCWD, a[1]);
}

long sys_symlinkat(const uint64_t *a)
{
	return symlink_at(a[0], (int)a[1], a[2]);
}

static long readlink_at(int dfd, uaddr_t name, uaddr_t buf, int size)
{
	struct path p;
	char *text;
	long n;

	if (size <= 0)
		return -EINVAL;
	n = lookup_at(dfd, name, LOOKUP_EMPTY, &p);
	if (n)
		return n;
	if (!S_ISLNK(path_inode(&p)->mode)) {
		char first;

		/* No name at all is no name of anything but a link that a descriptor stands for. */
		n = copy_from_user(&first, name, 1) ?: first ? -EINVAL : -ENOENT;
		goto out_put;
	}
	size = MIN(size, (int)PATH_MAX_LEN);
	text = kmalloc((size_t)size, 0);
	n = -ENOMEM;
	if (!text)
		goto out_put;
	n = path_readlink(&p, text, (size_t)size);
	if (n > 0 && copy_to_user(buf, text, (size_t)n))
		n = -EFAULT;
	kfree(text);
out_put:
	path_put(&p);
	return n;
}

long sys_readlink(const uint64_t *a)
{
	return readlink_at(AT_FDCWD, a[0], a[1], (int)a[2]);
}

long sys_readlinkat(const uint64_t *a)
{
	return readlink_at((int)a[0], a[1], a[2], (int)a[3]);
}

/* Change attributes by name or, with AT_EMPTY_PATH and no name, of the descriptor. */
static long setattr_at(int dfd, uaddr_t name, unsigned look, const struct inode_attr *attr)
{
	struct path p;
	long err = lookup_at(dfd, name, look, &p);

	if (err)
		return err;
	if (S_ISLNK(path_inode(&p)->mode) && (attr->valid & ATTR_MODE))
		err = -EOPNOTSUPP;
	else
		err = path_setattr(&p, attr);
	path_put(&p);
	return err;
}

static long setattr_fd(int fd, const struct inode_attr *attr)
{
	struct file *f = sys_file_get(fd);
	long err;

	if (!f)
		return -EBADF;
	err = sys_file_setattr(f, attr);
	file_put(f);
	return err;
}

static struct inode_attr attr_mode(uint64_t mode)
{
	return (struct inode_attr){.valid = ATTR_MODE, .mode = (uint32_t)mode & 07777};
}

long sys_chmod(const uint64_t *a)
{
	struct inode_attr attr = attr_mode(a[1]);

	return setattr_at(AT_FDCWD, a[0], LOOKUP_FOLLOW, &attr);
}

long sys_fchmod(const uint64_t *a)
{
	struct inode_attr attr = attr_mode(a[1]);

	return setattr_fd((int)a[0], &attr);
}

long sys_fchmodat(const uint64_t *a)
{
	struct inode_attr attr = attr_mode(a[2]);

	return setattr_at((int)a[0], a[1], LOOKUP_FOLLOW, &attr);
}

static struct inode_attr attr_owner(uint64_t uid, uint64_t gid)
{
	struct inode_attr attr = {.valid = ATTR_CHOWN, .uid = (uint32_t)uid, .gid = (uint32_t)gid};

	if (attr.uid != UINT32_MAX)
		attr.valid |= ATTR_UID;
	if (attr.gid != UINT32_MAX)
		attr.valid |= ATTR_GID;
	return attr;
}

long sys_chown(const uint64_t *a)
{
	struct inode_attr attr = attr_owner(a[1], a[2]);

	return setattr_at(AT_FDCWD, a[0], LOOKUP_FOLLOW, &attr);
}

long sys_lchown(const uint64_t *a)
{
	struct inode_attr attr = attr_owner(a[1], a[2]);

	return setattr_at(AT_FDCWD, a[0], 0, &attr);
}

long sys_fchown(const uint64_t *a)
{
	struct inode_attr attr = attr_owner(a[1], a[2]);

	return setattr_fd((int)a[0], &attr);
}

long sys_fchownat(const uint64_t *a)
{
	struct inode_attr attr = attr_owner(a[2], a[3]);
	unsigned flags = (unsigned)a[4];

	if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return setattr_at((int)a[0], a[1],
		(flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
			(flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0),
		&attr);
}

static struct timespec64 timespec_of(uint64_t ns)
{
	return (struct timespec64){(int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC)};
}

static struct inode_attr attr_times_now(void)
{
	struct timespec64 now = timespec_of(clock_realtime_ns());

	return (struct inode_attr){.valid = ATTR_ATIME | ATTR_MTIME, .atime = now, .mtime = now};
}

/* One of the two times of utimensat(2). */
static int attr_time(const struct abi_timespec *ts, unsigned bit, struct timespec64 *out,
	struct inode_attr *attr)
{
	if (ts->tv_nsec == UTIME_OMIT)
		return 0;
	if (ts->tv_nsec != UTIME_NOW && (ts->tv_nsec < 0 || ts->tv_nsec >= (int64_t)NSEC_PER_SEC))
		return -EINVAL;
	attr->valid |= bit;
	if (ts->tv_nsec != UTIME_NOW)
		*out = (struct timespec64){ts->tv_sec, ts->tv_nsec};
	return 0;
}

long sys_utimensat(const uint64_t *a)
{
	struct inode_attr attr = attr_times_now();
	struct abi_timespec ts[2];
	unsigned flags = (unsigned)a[3], look;
	int err;

	if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (a[2]) {
		if (copy_from_user(ts, a[2], sizeof(ts)))
			return -EFAULT;
		attr.valid = 0;
		err = attr_time(&ts[0], ATTR_ATIME, &attr.atime, &attr);
		if (!err)
			err = attr_time(&ts[1], ATTR_MTIME, &attr.mtime, &attr);
		if (err || !attr.valid)
			return err;
	}
	if (!a[1])
		return flags ? -EINVAL : setattr_fd((int)a[0], &attr);
	look = (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
	       (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
	return setattr_at((int)a[0], a[1], look, &attr);
}

static long utimes_at(int dfd, uaddr_t name, uaddr_t times)
{
	struct inode_attr attr = attr_times_now();
	struct abi_timeval tv[2];

	if (times) {
		if (copy_from_user(tv, times, sizeof(tv)))
			return -EFAULT;
		for (int i = 0; i < 2; i++) {
			if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000)
				return -EINVAL;
		}
		attr.atime = (struct timespec64){tv[0].tv_sec, tv[0].tv_usec * 1000};
		attr.mtime = (struct timespec64){tv[1].tv_sec, tv[1].tv_usec * 1000};
	}
	return name ? setattr_at(dfd, name, LOOKUP_FOLLOW, &attr) : setattr_fd(dfd, &attr);
}

long sys_utimes(const uint64_t *a)
{
	return a[0] ? utimes_at(AT_FDCWD, a[0], a[1]) : -EFAULT;
}

long sys_futimesat(const uint64_t *a)
{
	return utimes_at((int)a[0], a[1], a[2]);
}

long sys_utime(const uint64_t *a)
{
	struct inode_attr attr = attr_times_now();
	struct abi_utimbuf ut;

	if (a[1]) {
		if (copy_from_user(&ut, a[1], sizeof(ut)))
			return -EFAULT;
		attr.atime = (struct timespec64){ut.actime, 0};
		attr.mtime = (struct timespec64){ut.modtime, 0};
	}
	return setattr_at(AT_FDCWD, a[0], LOOKUP_FOLLOW, &attr);
}

long sys_truncate(const uint64_t *a)
{
	struct path p;
	long err;

	if ((int64_t)a[1] < 0)
		return -EINVAL;
	err = lookup_at(AT_FDCWD, a[0], LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	err = path_truncate(&p, a[1]);
	path_put(&p);
	return err;
}

/* Everybody is root: any mode may be read and written; to execute one needs an x. */
static long access_at(int dfd, uaddr_t name, unsigned mode, unsigned flags)
{
	unsigned look = (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
			(flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
	struct inode *inode;
	struct path p;
	long err;

	if ((mode & ~(unsigned)(R_OK | W_OK | X_OK)) ||
		(flags & ~(unsigned)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
		return -EINVAL;
	err = lookup_at(dfd, name, look, &p);
	if (err)
		return err;
	inode = path_inode(&p);
	if ((mode & X_OK) && S_ISREG(inode->mode) && !(inode->mode & 0111))
		err = -EACCES;
	else if ((mode & W_OK) && inode->sb->read_only &&
		 (S_ISREG(inode->mode) || S_ISDIR(inode->mode) || S_ISLNK(inode->mode)))
		err = -EROFS;
	path_put(&p);
	return err;
}

long sys_access(const uint64_t *a)
{
	return access_at(AT_FDCWD, a[0], (unsigned)a[1], 0);
}

long sys_faccessat(const uint64_t *a)
{
	return access_at((int)a[0], a[1], (unsigned)a[2], 0);
}

long sys_faccessat2(const uint64_t *a)
{
	return access_at((int)a[0], a[1], (unsigned)a[2], (unsigned)a[3]);
}

long sys_getcwd(const uint64_t *a)
{
	char *buf = kmalloc(PATH_MAX_LEN, 0), *name;
	struct path cwd;
	long n;

	if (!buf)
		return -ENOMEM;
	fs_state_get_cwd(sys_fs(), &cwd);
	name = path_name(sys_fs(), &cwd, buf, PATH_MAX_LEN);
	path_put(&cwd);
	if (IS_ERR(name)) {
		n = PTR_ERR(name);
	} else {
		n = (long)strlen(name) + 1;
		if ((uint64_t)n > a[1])
			n = -ERANGE;
		else if (copy_to_user(a[0], name, (size_t)n))
			n = -EFAULT;
	}
	kfree(buf);
	return n;
}

static long change_dir(uaddr_t name, void (*set)(struct fs_state *, const struct path *))
{
	struct path p;
	long err = lookup_at(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	if (err)
		return err;
	set(sys_fs(), &p);
	path_put(&p);
	return 0;
}

long sys_chdir(const uint64_t *a)
{
	return change_dir(a[0], fs_state_set_cwd);
}

long sys_chroot(const uint64_t *a)
{
	return change_dir(a[0], fs_state_set_root);
}

long sys_fchdir(const uint64_t *a)
{
	struct file *f = fd_get(sys_files(), (int)a[0]);
	long err = 0;

	if (!f)
		return -EBADF;
	if (!f->path.dentry || !S_ISDIR(f->inode->mode))
		err = -ENOTDIR;
	else
		fs_state_set_cwd(sys_fs(), &f->path);
	file_put(f);
	return err;
}

long sys_umask(const uint64_t *a)
{
	struct fs_state *fs = sys_fs();
	uint32_t old;

	spin_lock(&fs->lock);
	old = fs->umask;
	fs->umask = (uint32_t)a[0] & 0777;
	spin_unlock(&fs->lock);
	return old;
}
