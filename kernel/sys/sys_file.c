/* Reading, writing, positions, sizes of open files. */
#include "abi/fcntl.h"
#include "abi/stat.h"
#include "lib/string.h"
#include "mm/slab.h"
#include "sys/sys.h"

#define IOV_MAX	   1024
#define IOV_INLINE 8

/* Memory that no program has is no buffer, however little of it a call would come to use. */
static bool is_user_range(uaddr_t base, uint64_t len)
{
	return len <= USER_MAX && base <= USER_MAX - len;
}

static long rw_one(const uint64_t *a, bool write, uint64_t *pos)
{
	struct iovec_user iov = {.base = a[1], .len = MIN(a[2], RW_BYTES_MAX)};
	bool owned;
	struct file *f = sys_file_borrow((int)a[0], &owned);
	struct uio u;
	long n;

	if (!f)
		return -EBADF;
	uio_init_user(&u, &iov, 1);
	/* Only what has positions has them given. */
	if (pos && unlikely(f->ops->no_seek))
		n = -ESPIPE;
	else if (unlikely(!is_user_range(a[1], a[2])))
		n = -EFAULT;
	else if (pos && unlikely((int64_t)(*pos + a[2]) < 0))
		n = -EINVAL;
	else
		n = write ? file_write(f, &u, pos) : file_read(f, &u, pos);
	fd_return(f, owned);
	return n;
}

long sys_read(const uint64_t *a)
{
	return rw_one(a, false, NULL);
}

long sys_write(const uint64_t *a)
{
	return rw_one(a, true, NULL);
}

long sys_pread64(const uint64_t *a)
{
	uint64_t pos = a[3];

	return (int64_t)pos < 0 ? -EINVAL : rw_one(a, false, &pos);
}

long sys_pwrite64(const uint64_t *a)
{
	uint64_t pos = a[3];

	return (int64_t)pos < 0 ? -EINVAL : rw_one(a, true, &pos);
}

/* Copies the vector in and checks it. *iov is `few` or must be freed. Number of entries, -errno. */
static int iov_get(uaddr_t addr, uint64_t n, struct iovec_user *few, struct iovec_user **iov)
{
	uint64_t total = 0;
	int err;

	if (n > IOV_MAX)
		return -EINVAL;
	*iov = n <= IOV_INLINE ? few : kmalloc(n * sizeof(**iov), 0);
	if (!*iov)
		return -ENOMEM;
	err = copy_from_user(*iov, addr, n * sizeof(**iov));
	for (uint64_t i = 0; !err && i < n; i++) {
		struct iovec_user *v = &(*iov)[i];

		if ((int64_t)v->len < 0)
			err = -EINVAL;
		else if (!is_user_range(v->base, v->len))
			err = -EFAULT;
		v->len = MIN(v->len, RW_BYTES_MAX - total);
		total += v->len;
	}
	if (err && *iov != few)
		kfree(*iov);
	return err ? err : (int)n;
}

/* rwf: RWF_* of pwritev2. */
static long rw_vector(const uint64_t *a, bool write, uint64_t *pos, unsigned rwf)
{
	struct iovec_user few[IOV_INLINE], *iov;
	struct file *f;
	struct uio u;
	bool owned;
	long n = iov_get(a[1], a[2], few, &iov);

	if (n < 0)
		return n;
	f = sys_file_borrow((int)a[0], &owned);
	if (f) {
		uio_init_user(&u, iov, (unsigned)n);
		u.append = rwf & RWF_APPEND;
		u.sync = rwf & RWF_SYNC ? UIO_SYNC : rwf & RWF_DSYNC ? UIO_DSYNC : 0;
		if (pos && (int64_t)(*pos + u.left) < 0)
			n = -EINVAL;
		else
			n = write ? file_write(f, &u, pos) : file_read(f, &u, pos);
		fd_return(f, owned);
	} else {
		n = -EBADF;
	}
	if (iov != few)
		kfree(iov);
	return n;
}

long sys_readv(const uint64_t *a)
{
	return rw_vector(a, false, NULL, 0);
}

long sys_writev(const uint64_t *a)
{
	return rw_vector(a, true, NULL, 0);
}

static int check_positioned(int fd, uint64_t pos)
{
	struct file *f;
	bool no_seek;

	if ((int64_t)pos < 0)
		return -EINVAL;
	f = sys_file_get(fd);
	if (!f)
		return -EBADF;
	no_seek = f->ops && f->ops->no_seek;
	file_put(f);
	return no_seek ? -ESPIPE : 0;
}

static long rw_vector_at(const uint64_t *a, bool write, unsigned rwf)
{
	uint64_t pos = a[3];
	int err = check_positioned((int)a[0], pos);

	return err ? err : rw_vector(a, write, &pos, rwf);
}

long sys_preadv(const uint64_t *a)
{
	return rw_vector_at(a, false, 0);
}

long sys_pwritev(const uint64_t *a)
{
	return rw_vector_at(a, true, 0);
}

/* RWF_HIPRI is a hint; RWF_NOWAIT is not offered. Position -1 is the file's own. */
static long rw_vector2(const uint64_t *a, bool write)
{
	unsigned rwf = (unsigned)a[5];

	if (rwf & ~(unsigned)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND))
		return -EOPNOTSUPP;
	if ((int64_t)a[3] == -1)
		return rw_vector(a, write, NULL, rwf);
	return rw_vector_at(a, write, rwf);
}

long sys_preadv2(const uint64_t *a)
{
	return rw_vector2(a, false);
}

long sys_pwritev2(const uint64_t *a)
{
	return rw_vector2(a, true);
}

long sys_lseek(const uint64_t *a)
{
	struct file *f = sys_file_get((int)a[0]);
	long pos;

	if (!f)
		return -EBADF;
	pos = file_seek(f, (int64_t)a[1], (int)a[2]);
	file_put(f);
	return pos;
}

static long set_size(struct file *f, uint64_t size)
{
	struct inode_attr attr = {.valid = ATTR_SIZE, .size = size};

	return sys_file_setattr(f, &attr);
}

long sys_ftruncate(const uint64_t *a)
{
	struct file *f;
	long err;

	if ((int64_t)a[1] < 0)
		return -EINVAL;
	f = sys_file_get((int)a[0]);
	if (!f)
		return -EBADF;
	if (!(f->mode & FMODE_WRITE) || !S_ISREG(f->inode->mode))
		err = -EINVAL;
	else
		err = set_size(f, a[1]);
	file_put(f);
	return err;
}

/* Modes that go together: 0 or -EOPNOTSUPP. */
static int check_fallocate_mode(unsigned mode)
{
	const unsigned known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
			       FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_ZERO_RANGE |
			       FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE;

	if (mode & ~known)
		return -EOPNOTSUPP;
	/* A hole changes no size, and says so. */
	if (mode & FALLOC_FL_PUNCH_HOLE && mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	return 0;
}

static int fallocate(struct file *f, unsigned mode, int64_t off, int64_t len)
{
	int64_t end;
	int err;

	if (off < 0 || len <= 0)
		return -EINVAL;
	err = check_fallocate_mode(mode);
	if (err)
		return err;
	if (!(f->mode & FMODE_WRITE))
		return -EBADF;
	if (S_ISFIFO(f->inode->mode))
		return -ESPIPE;
	if (!S_ISREG(f->inode->mode))
		return -ENODEV;
	if (__builtin_add_overflow(off, len, &end))
		return -EFBIG;
	if (f->ops->fallocate)
		return f->ops->fallocate(f, mode, (uint64_t)off, (uint64_t)len);
	if (mode)
		return -EOPNOTSUPP;
	/* The size grows, blocks come with the writes. */
	return (uint64_t)end > inode_size(f->inode) ? (int)set_size(f, (uint64_t)end) : 0;
}

long sys_fallocate(const uint64_t *a)
{
	struct file *f = sys_file_get((int)a[0]);
	long err;

	if (!f)
		return -EBADF;
	err = fallocate(f, (unsigned)a[1], (int64_t)a[2], (int64_t)a[3]);
	file_put(f);
	return err;
}

static long sync_file(int fd, bool datasync)
{
	struct file *f = sys_file_get(fd);
	long err = -EINVAL;

	if (!f)
		return -EBADF;
	if (f->ops && f->ops->fsync)
		err = f->ops->fsync(f, datasync);
	file_put(f);
	return err;
}

long sys_fsync(const uint64_t *a)
{
	return sync_file((int)a[0], false);
}

long sys_fdatasync(const uint64_t *a)
{
	return sync_file((int)a[0], true);
}

long sys_sync_file_range(const uint64_t *a)
{
	struct file *f = sys_file_get((int)a[0]);
	bool seekable;

	if (!f)
		return -EBADF;
	seekable = S_ISREG(f->inode->mode) || S_ISDIR(f->inode->mode) || S_ISBLK(f->inode->mode);
	file_put(f);
	if ((int64_t)a[1] < 0 || (int64_t)a[2] < 0 || (a[3] & ~7ull))
		return -EINVAL;
	return seekable ? sync_file((int)a[0], true) : -ESPIPE;
}

/* Hints about reading: checked, and no promise is broken by doing nothing more. */
long sys_fadvise64(const uint64_t *a)
{
	struct file *f = sys_file_get((int)a[0]);
	long err = 0;

	if (!f)
		return -EBADF;
	if (f->ops && f->ops->no_seek)
		err = -ESPIPE;
	else if ((int64_t)a[2] < 0 || a[3] > 5)
		err = -EINVAL;
	file_put(f);
	return err;
}

long sys_readahead(const uint64_t *a)
{
	struct file *f = sys_file_get((int)a[0]);
	long err = 0;

	if (!f || !(f->mode & FMODE_READ))
		err = -EBADF;
	else if (!S_ISREG(f->inode->mode))
		err = -EINVAL;
	if (f)
		file_put(f);
	return err;
}

/* FIONREAD: negative when the position is past the end, as on Linux. */
static long put_bytes_left(const struct file *f, uaddr_t addr)
{
	uint32_t left = (uint32_t)(inode_size(f->inode) - READ_ONCE(f->pos));

	return copy_to_user(addr, &left, sizeof(left));
}

long sys_ioctl(const uint64_t *a)
{
	struct file *f = sys_file_get((int)a[0]);
	unsigned cmd = (unsigned)a[1];
	long err = -ENOTTY;

	if (!f)
		return -EBADF;
	switch (cmd) {
	case 0x5450: /* FIONCLEX */
	case 0x5451: /* FIOCLEX */
		err = fd_set_cloexec(sys_files(), (int)a[0], cmd == 0x5451);
		break;
	case 0x5421: { /* FIONBIO */
		uint32_t on;

		err = copy_from_user(&on, a[2], sizeof(on));
		if (!err)
			err = file_set_flags(
				f, on ? f->flags | O_NONBLOCK : f->flags & ~(uint32_t)O_NONBLOCK);
		break;
	}
	default:
		if (cmd == 0x541b && S_ISREG(f->inode->mode)) /* FIONREAD */
			err = put_bytes_left(f, a[2]);
		else if (f->ops && f->ops->ioctl)
			err = f->ops->ioctl(f, cmd, a[2]);
	}
	file_put(f);
	return err;
}
