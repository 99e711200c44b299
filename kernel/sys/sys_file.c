/* Reading, writing, positions, sizes of open files. */
#include "abi/fcntl.h"
#include "abi/stat.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/slab.h"
#include "sys/sys.h"

#define IOV_MAX	   1024
#define IOV_INLINE 8

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
		v->len = MIN(v->len, RW_BYTES_MAX - total);
		total += v->len;
	}
	if (err && *iov != few)
		kfree(*iov);
	return err ? err : (int)n;
}

static long rw_vector(const uint64_t *a, bool write, uint64_t *pos)
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
	return rw_vector(a, false, NULL);
}

long sys_writev(const uint64_t *a)
{
	return rw_vector(a, true, NULL);
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

static long rw_vector_at(const uint64_t *a, bool write)
{
	uint64_t pos = a[3];
	int err = check_positioned((int)a[0], pos);

	return err ? err : rw_vector(a, write, &pos);
}

long sys_preadv(const uint64_t *a)
{
	return rw_vector_at(a, false);
}

long sys_pwritev(const uint64_t *a)
{
	return rw_vector_at(a, true);
}

/* The flags of preadv2 ask for kinds of I/O that are not offered. */
static long rw_vector2(const uint64_t *a, bool write)
{
	if (a[5])
		return -EOPNOTSUPP;
	if ((int64_t)a[3] == -1)
		return rw_vector(a, write, NULL);
	return rw_vector_at(a, write);
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

/* One buffer's worth: read into it, write it out, and say how much of it arrived. */
static long sendfile_step(
	struct file *out, struct file *in, uint64_t *pos, void *buf, size_t want, bool *done)
{
	struct uio u;
	long got, put;

	uio_init_kernel(&u, buf, want);
	got = file_read(in, &u, pos);
	*done = got < (long)want;
	if (got <= 0)
		return got;
	uio_init_kernel(&u, buf, (size_t)got);
	put = file_write(out, &u, NULL);
	/* What was read and not written is read again next time. */
	if (put < got) {
		*pos -= (uint64_t)(got - MAX(put, 0));
		*done = true;
	}
	return put;
}

static long sendfile_copy(struct file *out, struct file *in, uint64_t *pos, uint64_t count)
{
	void *buf = kmalloc(4 * PAGE_SIZE, 0);
	long total = 0, n = 0;
	bool done = false;

	if (!buf)
		return -ENOMEM;
	while ((uint64_t)total < count && !done) {
		n = sendfile_step(
			out, in, pos, buf, MIN(count - (uint64_t)total, 4 * PAGE_SIZE), &done);
		if (n <= 0)
			break;
		total += n;
	}
	kfree(buf);
	return total ? total : n;
}

long sys_sendfile(const uint64_t *a)
{
	struct file *out = sys_file_get((int)a[0]), *in = sys_file_get((int)a[1]);
	uint64_t pos = 0;
	long n = -EBADF;

	if (!in || !out || !(in->mode & FMODE_READ) || !(out->mode & FMODE_WRITE))
		goto out_put;
	n = -EINVAL;
	if ((in->ops && in->ops->no_seek) || (out->flags & O_APPEND))
		goto out_put;
	n = a[2] ? copy_from_user(&pos, a[2], sizeof(pos)) : 0;
	if (!a[2])
		pos = (uint64_t)file_seek(in, 0, SEEK_CUR);
	if (!n && (int64_t)pos < 0)
		n = -EINVAL;
	if (n)
		goto out_put;
	n = sendfile_copy(out, in, &pos, MIN(a[3], RW_BYTES_MAX));
	if (n < 0)
		goto out_put;
	if (!a[2])
		(void)file_seek(in, (int64_t)pos, SEEK_SET);
	else if (copy_to_user(a[2], &pos, sizeof(pos)))
		n = -EFAULT;
out_put:
	if (in)
		file_put(in);
	if (out)
		file_put(out);
	return n;
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

/* Space ahead of use: the size grows, blocks come with the writes. Holes cannot be punched. */
long sys_fallocate(const uint64_t *a)
{
	int64_t off = (int64_t)a[2], len = (int64_t)a[3], end;
	struct file *f = sys_file_get((int)a[0]);
	long err = 0;

	if (!f)
		return -EBADF;
	if (off < 0 || len <= 0)
		err = -EINVAL;
	else if (__builtin_add_overflow(off, len, &end))
		err = -EFBIG;
	else if (a[1])
		err = -EOPNOTSUPP;
	else if (!(f->mode & FMODE_WRITE))
		err = -EBADF;
	else if (S_ISFIFO(f->inode->mode))
		err = -ESPIPE;
	else if (!S_ISREG(f->inode->mode))
		err = -ENODEV;
	else if ((uint64_t)end > inode_size(f->inode))
		err = set_size(f, (uint64_t)end);
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
	if ((int64_t)a[1] < 0 || (int64_t)a[2] < 0 || (a[3] & ~7ull))
		return -EINVAL;
	return sync_file((int)a[0], true);
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
		if (f->ops && f->ops->ioctl)
			err = f->ops->ioctl(f, cmd, a[2]);
	}
	file_put(f);
	return err;
}
