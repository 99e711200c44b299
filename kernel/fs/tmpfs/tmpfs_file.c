/*
 * tmpfs: contents of files, and files without a name (memfd).
 *
 * A regular file is a zero object: pages come into being when they are written or touched through a
 * mapping, holes read as zeros without a page. The limit of a file system counts pages: its objects
 * have a quota in common. Where that is used up write(2) gives ENOSPC, a mapping SIGBUS.
 *
 * Seals are bits of the inode, under its lock; write, truncate, mmap and fallocate look at them.
 * That against writing is told to the object, too, which counts the mappings that may write and is
 * what madvise(MADV_REMOVE) knows.
 */
#include "fs/tmpfs/tmpfs_priv.h"

#include "abi/fcntl.h"
#include "fs/filemap.h"
#include "lib/assert.h"
#include "mm/buddy.h"
#include "mm/cache.h"
#include "mm/slab.h"
#include "sched/sched.h"

#define SEALS_KNOWN (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

static struct superblock *memfd_sb;

/* F_ADD_SEALS: 0, -EPERM, -EINVAL, -EBUSY (somebody may write through a mapping). */
static int add_seals(struct file *f, unsigned long seals)
{
	struct inode *inode = f->inode;
	int err = 0;

	if (!(f->mode & FMODE_WRITE))
		return -EPERM;
	if (seals & ~SEALS_KNOWN)
		return -EINVAL;
	rw_write_lock(&inode->lock);
	if (inode->seals & F_SEAL_SEAL)
		err = -EPERM;
	else if (seals & ~(unsigned long)inode->seals & F_SEAL_WRITE)
		err = vm_object_deny_write(inode->object);
	if (!err && seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		vm_object_deny_holes(inode->object);
	if (!err)
		WRITE_ONCE(inode->seals, inode->seals | (uint32_t)seals);
	rw_write_unlock(&inode->lock);
	return err;
}

static long tmpfs_fcntl(struct file *f, unsigned cmd, unsigned long arg)
{
	switch (cmd) {
	case F_ADD_SEALS:
		return add_seals(f, (unsigned)arg);
	case F_GET_SEALS:
		return READ_ONCE(f->inode->seals);
	default:
		return -EINVAL;
	}
}

/* May all pages of [first, last] be there? 0, -ENOSPC, -ENOMEM. => inode locked */
static int check_room(struct inode *inode, pgidx_t first, pgidx_t last)
{
	const struct tmpfs_super *ts = inode->sb->priv;
	uint64_t missing = last - first + 1 - cache_count_resident(inode->object, first, last);
	uint64_t used = READ_ONCE(ts->pages.used), limit = ts->pages.limit;

	if (limit && missing > limit - MIN(limit, used))
		return -ENOSPC;
	return missing > buddy_total_frames() ? -ENOMEM : 0;
}

/* Make the pages of [off, end), and let the file grow up to end. => inode locked */
static int reserve(struct inode *inode, uint64_t off, uint64_t end)
{
	pgidx_t first = off >> PAGE_SHIFT, last = (end - 1) >> PAGE_SHIFT;
	struct vm_object *vo = inode->object;
	uint64_t old_size = vo->vo_size;
	int err = check_room(inode, first, last);
	struct page *pg;

	if (err)
		return err;
	if (end > old_size)
		cache_truncate(vo, end);
	for (pgidx_t idx = first; idx <= last && !err; idx++) {
		err = cache_get(vo, idx, 0, &pg);
		if (!err)
			cache_put(pg);
		if (!err && thread_flags(thread_current()) & THREAD_KILLED)
			err = -EINTR;
		cond_resched();
	}
	/* What was made inside the old size reads as zeros, as before. */
	if (err && end > old_size)
		cache_truncate(vo, old_size);
	return err;
}

/* => inode locked */
static int fallocate_locked(struct inode *inode, unsigned mode, uint64_t off, uint64_t end)
{
	bool grow = end > inode_size(inode);

	if (mode & FALLOC_FL_PUNCH_HOLE)
		return cache_punch(inode->object, off, end);
	if (grow && inode->seals & F_SEAL_GROW)
		return -EPERM;
	/* Pages past the end of a file are not kept. */
	if (grow && mode & FALLOC_FL_KEEP_SIZE)
		return -EOPNOTSUPP;
	return reserve(inode, off, end);
}

static int tmpfs_fallocate(struct file *f, unsigned mode, uint64_t off, uint64_t len)
{
	struct inode *inode = f->inode;
	int err;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if (!(mode & FALLOC_FL_PUNCH_HOLE) && off + len > inode_size(inode) &&
		off + len > file_size_limit()) {
		file_size_exceeded();
		return -EFBIG;
	}
	rw_write_lock(&inode->lock);
	err = fallocate_locked(inode, mode, off, off + len);
	if (!err)
		inode_touch(inode, ATTR_MTIME);
	rw_write_unlock(&inode->lock);
	return err;
}

const struct file_ops tmpfs_file_ops = {
	.read = filemap_read,
	.write = filemap_write,
	.mmap = filemap_mmap,
	.fsync = filemap_fsync,
	.fallocate = tmpfs_fallocate,
	.fcntl = tmpfs_fcntl,
	.held_pages = filemap_held_pages,
};

int tmpfs_file_setup(struct inode *inode)
{
	struct vm_object *vo = vm_object_create("tmpfs", 0, VM_READ | VM_WRITE | VM_EXEC);
	struct tmpfs_super *ts = inode->sb->priv;

	if (IS_ERR(vo))
		return (int)PTR_ERR(vo);
	inode->object = vo;
	inode->fops = &tmpfs_file_ops;
	inode->seals = F_SEAL_SEAL;
	if (ts->pages.limit)
		vm_object_set_quota(vo, &ts->pages);
	return 0;
}

void tmpfs_file_forget(struct inode *inode)
{
	if (inode->object)
		vm_object_set_quota(inode->object, NULL);
}

static void count_blocks(struct inode *inode)
{
	inode->blocks = READ_ONCE(inode->object->npages) * (PAGE_SIZE / 512);
}

int tmpfs_setattr(struct inode *inode, const struct inode_attr *attr)
{
	inode_setattr_copy(inode, attr);
	if (inode->object)
		count_blocks(inode);
	return 0;
}

int tmpfs_getattr(struct inode *inode)
{
	if (inode->object) {
		rw_write_lock(&inode->lock);
		count_blocks(inode);
		rw_write_unlock(&inode->lock);
	}
	return 0;
}

int tmpfs_fsync(struct file *f, bool datasync)
{
	(void)f;
	(void)datasync;
	return 0;
}

struct file *tmpfs_create_file(const char *name, uint32_t flags, bool may_seal)
{
	struct inode *inode = tmpfs_inode_create(memfd_sb, S_IFREG | 0777, 0);
	struct vm_object *vo;
	struct file *f;

	if (IS_ERR(inode))
		return ERR_PTR(PTR_ERR(inode));
	inode->nlink = 0;
	inode->seals = may_seal ? 0 : F_SEAL_SEAL;
	vo = vm_object_create(name, 0, VM_READ | VM_WRITE | VM_EXEC);
	if (IS_ERR(vo)) {
		inode_put(inode);
		return ERR_PTR(PTR_ERR(vo));
	}
	/* The same with the name that /proc/PID/maps shows. */
	vm_object_put(inode->object);
	inode->object = vo;
	f = file_alloc(inode, &tmpfs_file_ops, flags);
	if (IS_ERR(f))
		inode_put(inode);
	return f;
}

void tmpfs_file_init(void)
{
	int err = tmpfs_create_superblock("tmpfs", 0, &memfd_sb);

	assert(!err);
}
