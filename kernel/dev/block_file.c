/*
 * /dev/NAME of a block device: read, write and mmap through the device's object, the same pages
 * that a mounted file system keeps its metadata in. f->priv is the block device (what was
 * registered with devfs).
 *
 * Reads and writes hold a pin on one page at a time and no lock while user memory is touched.
 */
#include "abi/fcntl.h"
#include "dev/block.h"
#include "fs/direct.h"
#include "fs/file.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/cache.h"
#include "mm/mmap.h"
#include "usercopy.h"

/* Linux's numbers (linux/fs.h). */
#define BLKROGET     0x125e
#define BLKGETSIZE   0x1260
#define BLKFLSBUF    0x1261
#define BLKSSZGET    0x1268
#define BLKPBSZGET   0x127b
#define BLKBSZGET    0x80081270u
#define BLKGETSIZE64 0x80081272u

static uint64_t device_bytes(const struct block_device *bd)
{
	return bd->nsectors << SECTOR_SHIFT;
}

/* How much of `left` bytes at pos lies in one page and on the device. */
static size_t chunk(uint64_t left, uint64_t pos, uint64_t size)
{
	uint64_t n = MIN(PAGE_SIZE - (pos & PAGE_MASK), size - pos);

	return MIN(left, n);
}

/*
 * O_DIRECT: the device's bytes lie where they lie.
 */
static int map_device(const struct direct_target *t, uint64_t off, uint64_t max, bool write,
	struct direct_run *run)
{
	(void)t;
	(void)write;
	*run = (struct direct_run){.sector = off >> SECTOR_SHIFT, .len = max};
	return 0;
}

static struct direct_target direct_target_of(struct block_device *bd)
{
	return (struct direct_target){
		.vo = bd->object, .bd = bd, .map = map_device, .changed = block_page_dirty};
}

static bool is_direct(const struct file *f, const struct uio *u)
{
	return f->flags & O_DIRECT && u->iov;
}

static ssize_t read_direct(struct block_device *bd, struct uio *u, uint64_t *pos)
{
	struct direct_target t = direct_target_of(bd);
	uint64_t size = device_bytes(bd), n;
	int err = direct_check(u, *pos);

	if (err || !u->left || *pos >= size)
		return err;
	n = MIN(u->left, size - *pos);
	err = cache_write_back(bd->object, *pos >> PAGE_SHIFT, (*pos + n - 1) >> PAGE_SHIFT);
	return err ? err : direct_read(&t, u, pos, n);
}

static ssize_t write_direct(struct block_device *bd, struct uio *u, uint64_t *pos)
{
	struct direct_target t = direct_target_of(bd);
	uint64_t n = MIN(u->left, device_bytes(bd) - *pos);
	pgidx_t first = *pos >> PAGE_SHIFT, last = (*pos + n - 1) >> PAGE_SHIFT;
	int err = direct_check(u, *pos);

	if (err || !n)
		return err;
	err = cache_write_back(bd->object, first, last);
	if (err)
		return err;
	cache_drop_range(bd->object, first, last);
	return direct_write(&t, u, pos, n);
}

static ssize_t block_file_read(struct file *f, struct uio *u, uint64_t *pos)
{
	struct block_device *bd = f->priv;
	uint64_t size = device_bytes(bd);
	ssize_t moved = 0;

	if (is_direct(f, u))
		return read_direct(bd, u, pos);
	while (u->left && *pos < size) {
		uint32_t off = *pos & PAGE_MASK;
		size_t n = chunk(u->left, *pos, size);
		struct page *pg;
		size_t missed;
		int err = cache_get(bd->object, *pos >> PAGE_SHIFT, CACHE_READAHEAD, &pg);

		if (err)
			return moved ? moved : err;
		missed = uio_copy_to(u, (char *)page_virt(pg) + off, n);
		cache_put(pg);
		*pos += n - missed;
		moved += n - missed;
		if (missed)
			return moved ? moved : -EFAULT;
	}
	return moved;
}

/*
 * Copy up to n bytes into the page at *pos; the copy does not fault, because the source may be a
 * map of the very page. Returns the bytes moved, 0 when the source must be faulted in first.
 */
static ssize_t write_page(struct block_device *bd, struct uio *u, uint64_t pos, size_t n)
{
	uint32_t off = pos & PAGE_MASK;
	struct page *pg;
	size_t missed;
	int err = cache_get(bd->object, pos >> PAGE_SHIFT, 0, &pg);

	if (err)
		return err;
	missed = uio_copy_from_nofault(u, (char *)page_virt(pg) + off, n);
	if (missed < n)
		block_page_dirty(pg, off, (uint32_t)(n - missed));
	cache_put(pg);
	return (ssize_t)(n - missed);
}

static ssize_t block_file_write(struct file *f, struct uio *u, uint64_t *pos)
{
	struct block_device *bd = f->priv;
	uint64_t size = device_bytes(bd);
	ssize_t moved = 0;

	if (bd->read_only)
		return -EPERM;
	if (u->left && *pos >= size)
		return -ENOSPC;
	if (is_direct(f, u))
		return write_direct(bd, u, pos);
	while (u->left && *pos < size) {
		size_t n = chunk(u->left, *pos, size);
		ssize_t done = write_page(bd, u, *pos, n);
		int err;

		if (done < 0)
			return moved ? moved : done;
		*pos += (uint64_t)done;
		moved += done;
		if ((size_t)done == n)
			continue;
		err = uio_fault_in(u, n - (size_t)done, false);
		if (err)
			return moved ? moved : err;
	}
	return moved;
}

static int64_t block_file_llseek(struct file *f, int64_t off, int whence)
{
	struct block_device *bd = f->priv;
	int64_t base = 0, pos;

	if (whence == 1)
		base = (int64_t)f->pos;
	else if (whence == 2)
		base = (int64_t)device_bytes(bd);
	else if (whence != 0)
		return -EINVAL;
	if (__builtin_add_overflow(base, off, &pos) || pos < 0 || pos > (int64_t)device_bytes(bd))
		return -EINVAL;
	f->pos = (uint64_t)pos;
	return pos;
}

static int block_file_fsync(struct file *f, bool datasync)
{
	struct block_device *bd = f->priv;
	int err = cache_write_back(bd->object, 0, UINT64_MAX);

	(void)datasync;
	if (!err && !bd->read_only)
		err = block_flush(bd);
	return err;
}

static long block_file_ioctl(struct file *f, unsigned cmd, uaddr_t arg)
{
	struct block_device *bd = f->priv;
	uint64_t wide;
	uint32_t word;

	switch (cmd) {
	case BLKGETSIZE64:
		wide = device_bytes(bd);
		return copy_to_user(arg, &wide, sizeof(wide));
	case BLKGETSIZE:
		wide = bd->nsectors;
		return copy_to_user(arg, &wide, sizeof(wide));
	case BLKSSZGET:
	case BLKPBSZGET:
		word = SECTOR_SIZE;
		return copy_to_user(arg, &word, sizeof(word));
	case BLKBSZGET:
		word = PAGE_SIZE;
		return copy_to_user(arg, &word, sizeof(word));
	case BLKROGET:
		word = bd->read_only;
		return copy_to_user(arg, &word, sizeof(word));
	case BLKFLSBUF: {
		int err = block_file_fsync(f, false);

		if (!err)
			cache_drop_clean(bd->object);
		return err;
	}
	default:
		return -ENOTTY;
	}
}

static int block_file_mmap(struct file *f, struct mm_map_request *rq)
{
	struct block_device *bd = f->priv;

	rq->kind = MM_AREA_FILE;
	rq->object = bd->object;
	return 0;
}

static bool block_file_can_direct(const struct file *f)
{
	(void)f;
	return true;
}

const struct file_ops block_file_ops = {
	.read = block_file_read,
	.write = block_file_write,
	.llseek = block_file_llseek,
	.fsync = block_file_fsync,
	.ioctl = block_file_ioctl,
	.mmap = block_file_mmap,
	.can_direct = block_file_can_direct,
};
