/*
 * From one open file to another: sendfile(2), copy_file_range(2). Through a buffer; the page cache
 * is on both sides of it.
 */
#include "abi/fcntl.h"
#include "abi/stat.h"
#include "mm/slab.h"
#include "sys/sys.h"

#define COPY_BUFFER (4 * PAGE_SIZE)

struct copy {
	struct file *in, *out;
	uint64_t in_pos, *out_pos; /* out_pos NULL: where the file is */
};

/* A position in user memory, or (addr 0) the file's own. */
static long position_get(struct file *f, uaddr_t addr, uint64_t *pos)
{
	int64_t own;

	if (addr)
		return copy_from_user(pos, addr, sizeof(*pos));
	own = file_seek(f, 0, SEEK_CUR);
	*pos = (uint64_t)own;
	return own < 0 ? own : 0;
}

static long position_put(struct file *f, uaddr_t addr, uint64_t pos)
{
	if (addr)
		return copy_to_user(addr, &pos, sizeof(pos));
	(void)file_seek(f, (int64_t)pos, SEEK_SET);
	return 0;
}

/* One buffer's worth: read into it, write it out, and say how much of it arrived. */
static long copy_step(struct copy *c, void *buf, size_t want, bool *done)
{
	struct uio u;
	long got, put;

	uio_init_kernel(&u, buf, want);
	got = file_read(c->in, &u, &c->in_pos);
	*done = got < (long)want;
	if (got <= 0)
		return got;
	uio_init_kernel(&u, buf, (size_t)got);
	put = file_write(c->out, &u, c->out_pos);
	/* What was read and not written is read again next time. */
	if (put < got) {
		c->in_pos -= (uint64_t)(got - MAX(put, 0));
		*done = true;
	}
	return put;
}

static long copy_data(struct copy *c, uint64_t count)
{
	void *buf = kmalloc(COPY_BUFFER, 0);
	long total = 0, n = 0;
	bool done = false;

	if (!buf)
		return -ENOMEM;
	while ((uint64_t)total < count && !done) {
		n = copy_step(c, buf, MIN(count - (uint64_t)total, COPY_BUFFER), &done);
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
	struct copy c = {.in = in, .out = out};
	long n = -EBADF;

	if (!in || !out || !(in->mode & FMODE_READ) || !(out->mode & FMODE_WRITE))
		goto out_put;
	n = -EINVAL;
	if ((in->ops && in->ops->no_seek) || (out->flags & O_APPEND) || S_ISDIR(in->inode->mode))
		goto out_put;
	n = position_get(in, a[2], &c.in_pos);
	if (!n && (int64_t)c.in_pos < 0)
		n = -EINVAL;
	if (n)
		goto out_put;
	n = copy_data(&c, MIN(a[3], RW_BYTES_MAX));
	if (n >= 0 && position_put(in, a[2], c.in_pos))
		n = -EFAULT;
out_put:
	if (in)
		file_put(in);
	if (out)
		file_put(out);
	return n;
}

/* What copy_file_range(2) refuses before it looks at positions. */
static int range_files_check(const struct file *in, const struct file *out)
{
	if (S_ISDIR(in->inode->mode) || S_ISDIR(out->inode->mode))
		return -EISDIR;
	if (!S_ISREG(in->inode->mode) || !S_ISREG(out->inode->mode))
		return -EINVAL;
	if (!(in->mode & FMODE_READ) || !(out->mode & FMODE_WRITE) || (out->flags & O_APPEND))
		return -EBADF;
	return 0;
}

/* How much of *count there is to copy; within one file the ranges must not meet. */
static int range_check(const struct copy *c, uint64_t out_pos, uint64_t *count)
{
	uint64_t size = inode_size(c->in->inode);

	if (c->in_pos + *count < c->in_pos || out_pos + *count < out_pos)
		return -EOVERFLOW;
	if ((int64_t)c->in_pos < 0 || (int64_t)out_pos < 0)
		return -EINVAL;
	*count = c->in_pos >= size ? 0 : MIN(*count, size - c->in_pos);
	if (c->in->inode == c->out->inode && c->in_pos < out_pos + *count &&
		out_pos < c->in_pos + *count)
		return -EINVAL;
	*count = MIN(*count, RW_BYTES_MAX);
	return 0;
}

static long copy_range(struct copy *c, const uint64_t *a)
{
	uint64_t out_pos, count = a[4];
	long n = range_files_check(c->in, c->out);

	n = n ?: position_get(c->in, a[1], &c->in_pos);
	n = n ?: position_get(c->out, a[3], &out_pos);
	n = n ?: range_check(c, out_pos, &count);
	if (n)
		return n;
	c->out_pos = &out_pos;
	n = copy_data(c, count);
	if (n > 0 && (position_put(c->in, a[1], c->in_pos) || position_put(c->out, a[3], out_pos)))
		n = -EFAULT;
	return n;
}

long sys_copy_file_range(const uint64_t *a)
{
	struct copy c = {.in = sys_file_get((int)a[0]), .out = sys_file_get((int)a[2])};
	long n = -EBADF;

	if (c.in && c.out)
		n = a[5] ? -EINVAL : copy_range(&c, a);
	if (c.in)
		file_put(c.in);
	if (c.out)
		file_put(c.out);
	return n;
}
