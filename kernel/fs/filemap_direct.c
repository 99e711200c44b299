/*
 * O_DIRECT reads and writes of regular files.
 *
 * The inode's lock keeps the blocks where they are: truncate frees them under it. Write-back may
 * give blocks to holes meanwhile, which is no harm: what is dirty was written before, so a hole
 * that is met then reads as zero.
 *
 * A write goes past the cache where the file has blocks below its end. Holes and what grows the
 * file are written through the cache, which reserves, allocates and zeroes, and then from there to
 * the device and out of the cache (as Linux does it for holes).
 */
#include "fs/direct.h"
#include "fs/filemap.h"
#include "dev/block.h"
#include "mm/cache.h"

static int map_inode(const struct direct_target *t, uint64_t off, uint64_t max, bool write,
	struct direct_run *run)
{
	struct inode *inode = t->owner;

	return inode->ops->map_direct(inode, off, max, write, run);
}

static void page_changed(struct page *pg, uint32_t offset, uint32_t len)
{
	(void)offset;
	(void)len;
	cache_mark_dirty(pg);
}

static struct direct_target target_of(struct inode *inode)
{
	return (struct direct_target){
		.vo = inode->object,
		.bd = inode->sb->bdev,
		.owner = inode,
		.map = map_inode,
		.changed = page_changed,
	};
}

ssize_t filemap_read_direct(struct file *f, struct uio *u, uint64_t *pos)
{
	struct inode *inode = f->inode;
	struct direct_target t = target_of(inode);
	uint64_t start = *pos, size, n;
	ssize_t done = direct_check(u, start);

	if (done || !u->left)
		return done;
	rw_read_lock(&inode->lock);
	size = inode_size(inode);
	if (start < size) {
		/* The last sector of the file as a whole. */
		n = MIN(u->left, ALIGN_UP(size - start, SECTOR_SIZE));
		done = cache_write_back(t.vo, start >> PAGE_SHIFT, (start + n - 1) >> PAGE_SHIFT);
		if (!done)
			done = direct_read(&t, u, pos, n);
		*pos = MIN(*pos, size);
		done = MIN(done, (ssize_t)(size - start));
	}
	rw_read_unlock(&inode->lock);
	if (done > 0 && !(f->flags & O_NOATIME))
		inode_touch(inode, ATTR_ATIME);
	return done;
}

/* Write back, and drop what can be dropped: the pages of [start, end). */
static int flush_pages(struct vm_object *vo, uint64_t start, uint64_t end)
{
	pgidx_t first = start >> PAGE_SHIFT, last = (end - 1) >> PAGE_SHIFT;
	int err = cache_write_back(vo, first, last);

	if (!err)
		cache_drop_range(vo, first, last);
	return err;
}

/* n bytes of u through the cache and on to the device. Bytes moved or -errno. => inode locked */
static ssize_t write_through_cache(struct inode *inode, struct uio *u, uint64_t *pos, uint64_t n)
{
	uint64_t rest = u->left - n, start = *pos;
	ssize_t done;
	int err = 0;

	u->left = n;
	done = filemap_write_locked(inode, u, pos);
	u->left += rest;
	if (done > 0)
		err = flush_pages(inode->object, start, *pos);
	return err ? err : done;
}

/* How much of u at pos has no blocks: it grows the file, or lies in a hole. 0 or -errno: none. */
static ssize_t missing_bytes(const struct direct_target *t, uint64_t pos, uint64_t n, uint64_t size)
{
	struct direct_run run;
	int err;

	if (pos >= ALIGN_DOWN(size, SECTOR_SIZE))
		return (ssize_t)n;
	n = MIN(n, ALIGN_DOWN(size, SECTOR_SIZE) - pos);
	err = t->map(t, pos, n, true, &run);
	if (err)
		return err;
	return run.hole ? (ssize_t)MIN(run.len, n) : 0;
}

/* The next part: past the cache up to the first byte that has no block, or through it up to the
 * next that has one. */
static ssize_t write_part(struct inode *inode, struct uio *u, uint64_t *pos)
{
	struct direct_target t = target_of(inode);
	uint64_t size = inode_size(inode);
	ssize_t missing = missing_bytes(&t, *pos, u->left, size);

	if (missing < 0)
		return missing;
	if (missing)
		return write_through_cache(inode, u, pos, (uint64_t)missing);
	return direct_write(&t, u, pos, MIN(u->left, ALIGN_DOWN(size, SECTOR_SIZE) - *pos));
}

ssize_t filemap_write_direct_locked(struct inode *inode, struct uio *u, uint64_t *pos)
{
	ssize_t done = 0, moved = direct_check(u, *pos);

	if (!moved)
		moved = flush_pages(inode->object, *pos, *pos + u->left);
	if (moved)
		return moved;
	while (u->left) {
		moved = write_part(inode, u, pos);
		if (moved <= 0)
			break;
		done += moved;
		if (*pos % SECTOR_SIZE)
			break; /* the way through the cache ended early */
	}
	return done ? done : moved;
}
