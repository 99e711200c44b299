/*
 * Regular files through the page cache: read, write, mmap and fsync of files whose contents are the
 * pages of inode->object, a file object (ext2) or a zero object (tmpfs).
 *
 * read: pin a run of pages that are there (or get the first one filled), copy to user with no lock
 * held, unpin. A hole of a zero object has no page and reads as zeros.
 *
 * write, under the inode's lock: per page get, reserve its block when it was clean, copy with the
 * nofault copy (the source may be a mapping of this very page, and faulting it in while the page is
 * being filled would wait for itself), mark dirty, unpin. When the copy stops short the source is
 * faulted in with nothing pinned, and the copy goes on. The file grows page by page, after its tail
 * was zeroed, and before the copy: what could not be copied is cut off again.
 */
#include "fs/filemap.h"

#include "abi/fcntl.h"
#include "dev/block.h"
#include "fs/file.h"
#include "fs/mount.h"
#include "lib/assert.h"
#include "mm/cache.h"
#include "mm/mmap.h"
#include "sched/sched.h"

/* Bytes from pos to the end of its page, of `left` at most. */
static size_t page_part(uint64_t pos, uint64_t left)
{
	return MIN(PAGE_SIZE - (pos & PAGE_MASK), left);
}

/* The next n bytes of a file: their pages, pinned. No page: they lie in a hole that has none. */
#define RUN_MAX 16u
struct run {
	size_t n;
	unsigned npages;
	struct page *pages[RUN_MAX];
};

/* A run at that position, of `want` bytes at most. 0, or as cache_get. */
static int get_run(struct file *f, uint64_t at, size_t want, struct run *r)
{
	struct vm_object *vo = f->inode->object;
	size_t from = at & PAGE_MASK;
	pgidx_t idx = at >> PAGE_SHIFT;
	unsigned max = (unsigned)MIN(page_count(from + want), RUN_MAX), n;

	r->npages = n = cache_get_run(vo, idx, max, r->pages);
	if (!n && vo->kind != VMO_ZERO) {
		unsigned flags = idx == READ_ONCE(f->ra_next) ? CACHE_READAHEAD : 0;
		int err = cache_get(vo, idx, flags, r->pages);

		if (err)
			return err;
		r->npages = 1;
	}
	n = MAX(r->npages, 1u);
	WRITE_ONCE(f->ra_next, (uint32_t)idx + n);
	r->n = MIN(n * PAGE_SIZE - from, want);
	return 0;
}

ssize_t filemap_read(struct file *f, struct uio *u, uint64_t *pos)
{
	struct vm_object *vo = f->inode->object;
	ssize_t done = 0;
	int err = 0;

	if (filemap_is_direct(f, u))
		return filemap_read_direct(f, u, pos);
	while (u->left && !err) {
		uint64_t at = *pos, size = READ_ONCE(vo->vo_size);
		struct run r;
		size_t missed;

		if (at >= size)
			break;
		err = get_run(f, at, MIN(u->left, size - at), &r);
		/* The file was cut behind our back. */
		if (err == -ENXIO) {
			err = 0;
			break;
		}
		if (err)
			break;
		missed = r.npages ? uio_copy_pages_to(u, r.pages, at & PAGE_MASK, r.n)
				  : uio_zero(u, r.n);
		cache_put_run(r.pages, r.npages);
		*pos = at + r.n - missed;
		done += (ssize_t)(r.n - missed);
		if (missed)
			err = -EFAULT;
		else
			cond_resched();
	}
	if (done && !(f->flags & O_NOATIME))
		inode_touch(f->inode, ATTR_ATIME);
	return done ? done : err;
}

/* A page of the file for writing, pinned, with its block reserved. fresh: it lies wholly past what
 * the file had. => inode locked */
static int write_page(struct inode *inode, pgidx_t idx, bool fresh, struct page **out)
{
	struct vm_object *vo = inode->object;
	struct page *pg;
	int err;

	err = cache_get(vo, idx, fresh ? CACHE_NOFILL : 0, &pg);
	if (err)
		return err;
	if (vo->kind == VMO_FILE && vo->ops->make_writable && !page_is(pg, PG_DIRTY)) {
		err = vo->ops->make_writable(vo, idx);
		if (err) {
			cache_put(pg);
			return err;
		}
	}
	*out = pg;
	return 0;
}

/*
 * Copy n bytes into the page at pos, which lies inside the file's size. Returns the bytes moved,
 * fewer than n when the source must be faulted in first, or -errno. => inode locked
 */
static ssize_t write_part(
	struct inode *inode, struct uio *u, uint64_t pos, size_t n, uint64_t old_size)
{
	bool fresh = (pos & ~PAGE_MASK) >= old_size;
	struct page *pg;
	size_t missed;
	int err = write_page(inode, pos >> PAGE_SHIFT, fresh, &pg);

	if (err)
		return err;
	missed = uio_copy_from_nofault(u, (char *)page_virt(pg) + (pos & PAGE_MASK), n);
	/* Dirty even when nothing was moved: a block that was reserved now must be written. */
	cache_mark_dirty(pg);
	cache_put(pg);
	return (ssize_t)(n - missed);
}

/* One page's worth: grow, copy, give back what was not used. => inode locked */
static ssize_t write_step(struct inode *inode, struct uio *u, uint64_t pos)
{
	struct vm_object *vo = inode->object;
	uint64_t old_size = vo->vo_size;
	size_t n = page_part(pos, u->left);
	bool grow = pos + n > old_size;
	ssize_t moved;

	if (unlikely(inode->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) ||
		(grow && inode->seals & F_SEAL_GROW))
		return -EPERM;
	if (grow)
		cache_truncate(vo, pos + n);
	moved = write_part(inode, u, pos, n, old_size);
	if (grow && moved < (ssize_t)n)
		cache_truncate(vo, MAX(old_size, moved > 0 ? pos + (uint64_t)moved : 0));
	return moved;
}

/* The end of a write that asks for it: pages and inode on the device. */
static int write_sync(struct file *f, uint64_t start, uint64_t end, bool datasync)
{
	struct inode *inode = f->inode;
	int err;

	if (inode->object->kind != VMO_FILE)
		return 0;
	err = cache_write_back(inode->object, start >> PAGE_SHIFT, (end - 1) >> PAGE_SHIFT);
	return err ? err : filemap_fsync(f, datasync);
}

ssize_t filemap_write_locked(struct inode *inode, struct uio *u, uint64_t *pos)
{
	ssize_t done = 0, moved;

	while (u->left) {
		size_t n = page_part(*pos, u->left);

		moved = write_step(inode, u, *pos);
		if (moved < 0)
			return done ? done : moved;
		*pos += (uint64_t)moved;
		done += moved;
		writeback_throttle();
		if ((size_t)moved < n) {
			int err = uio_fault_in(u, n - (size_t)moved, false);

			if (err)
				return done ? done : err;
		}
		cond_resched();
	}
	return done;
}

ssize_t filemap_write(struct file *f, struct uio *u, uint64_t *pos)
{
	struct inode *inode = f->inode;
	uint64_t max = inode->sb->max_size ? inode->sb->max_size : INT64_MAX, start;
	uint64_t limit = file_size_limit(), cut = 0;
	ssize_t done;

	if (!u->left)
		return 0;
	rw_write_lock(&inode->lock);
	if (f->flags & O_APPEND || u->append)
		*pos = inode_size(inode);
	start = *pos;
	max = MIN(max, limit);
	if (start >= max) {
		rw_write_unlock(&inode->lock);
		if (start >= limit)
			file_size_exceeded();
		return -EFBIG;
	}
	if (u->left > max - start) {
		cut = u->left - (max - start);
		u->left -= cut;
	}
	done = filemap_is_direct(f, u) ? filemap_write_direct_locked(inode, u, pos)
				       : filemap_write_locked(inode, u, pos);
	u->left += cut;
	if (done > 0)
		inode_touch(inode, ATTR_MTIME);
	rw_write_unlock(&inode->lock);
	if (done > 0 && unlikely(f->flags & O_SYNC || u->sync)) {
		bool datasync = (f->flags & O_SYNC) != O_SYNC && u->sync != UIO_SYNC;
		int err = write_sync(f, start, start + (uint64_t)done, datasync);

		if (err)
			return err;
	}
	return done;
}

int filemap_mmap(struct file *f, struct mm_map_request *rq)
{
	bool shared = rq->map_flags & MM_MAP_SHARED;

	if (!(f->mode & FMODE_READ))
		return -EACCES;
	if (shared && !(f->mode & FMODE_WRITE)) {
		if (rq->vmflags & VM_WRITE)
			return -EACCES;
		rq->max_prot = VM_READ | VM_EXEC;
	}
	/* What is mapped for reading never becomes writable. */
	if (shared && READ_ONCE(f->inode->seals) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) {
		if (rq->vmflags & VM_WRITE)
			return -EPERM;
		rq->max_prot = VM_READ | VM_EXEC;
	}
	rq->kind = MM_AREA_FILE;
	rq->content = VMAP_FILE;
	rq->object = f->inode->object;
	rq->file = f;
	if (!(f->flags & O_NOATIME))
		inode_touch(f->inode, ATTR_ATIME);
	return 0;
}

int filemap_fsync(struct file *f, bool datasync)
{
	struct inode *inode = f->inode;
	struct superblock *sb = inode->sb;
	int err;

	/* The size and block map of a file belong to its data; only times could be left out, and
	 * they lie in the same block. */
	(void)datasync;
	if (inode->object->kind != VMO_FILE)
		return 0;
	err = inode_write_back(inode);
	if (!err && sb->ops->sync && !sb->read_only)
		err = sb->ops->sync(sb);
	return err;
}

static bool filemap_can_direct(const struct file *f)
{
	return f->inode->ops->map_direct;
}

/*
 * A file in memory that has no name any more goes with who has it open. What is mapped counts
 * there.
 */
uint64_t filemap_held_pages(const struct file *f)
{
	const struct vm_object *vo = f->inode->object;

	if (vo->kind != VMO_ZERO || READ_ONCE(f->inode->nlink) || !list_empty(&vo->vo_mappings))
		return 0;
	return READ_ONCE(vo->npages);
}

const struct file_ops filemap_file_ops = {
	.read = filemap_read,
	.write = filemap_write,
	.mmap = filemap_mmap,
	.fsync = filemap_fsync,
	.can_direct = filemap_can_direct,
	.held_pages = filemap_held_pages,
};
