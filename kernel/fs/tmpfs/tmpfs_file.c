/*
 * tmpfs: contents of files, and files without a name (memfd).
 *
 * A regular file is a zero object: pages come into being when they are written or touched, holes
 * read as zeros without a page. The limit of a file system counts pages; since a mapping makes
 * pages without asking here, a file's count is brought up to date at each write, truncation and
 * stat of it.
 */
#include "fs/tmpfs/tmpfs_priv.h"

#include "fs/filemap.h"
#include "lib/assert.h"
#include "mm/slab.h"

static struct superblock *memfd_sb;

static struct tmpfs_node *node_of(const struct inode *inode)
{
	return inode->priv;
}

/* Bring the file's share of used_pages up to date. => inode locked for writing, or unreachable */
static void account(struct inode *inode)
{
	struct tmpfs_super *ts = inode->sb->priv;
	uint64_t now = READ_ONCE(inode->object->npages);

	__atomic_add_fetch(&ts->used_pages, now - node_of(inode)->accounted, __ATOMIC_RELAXED);
	node_of(inode)->accounted = now;
	inode->blocks = now * (PAGE_SIZE / 512);
}

/* Called by filemap_write before a page that is not there is made: 0 or -ENOSPC. => inode locked */
static int tmpfs_reserve(struct inode *inode)
{
	const struct tmpfs_super *ts = inode->sb->priv;

	if (!ts->limit_pages)
		return 0;
	account(inode);
	return READ_ONCE(ts->used_pages) < ts->limit_pages ? 0 : -ENOSPC;
}

int tmpfs_file_setup(struct inode *inode)
{
	struct vm_object *vo = vm_object_create("tmpfs", 0, VM_READ | VM_WRITE | VM_EXEC);

	if (IS_ERR(vo))
		return (int)PTR_ERR(vo);
	inode->object = vo;
	inode->fops = &filemap_file_ops;
	inode->reserve_page = tmpfs_reserve;
	return 0;
}

void tmpfs_file_forget(struct inode *inode)
{
	struct tmpfs_super *ts = inode->sb->priv;

	__atomic_sub_fetch(&ts->used_pages, node_of(inode)->accounted, __ATOMIC_RELAXED);
}

int tmpfs_setattr(struct inode *inode, const struct inode_attr *attr)
{
	inode_setattr_copy(inode, attr);
	if (inode->object)
		account(inode);
	return 0;
}

int tmpfs_getattr(struct inode *inode)
{
	if (inode->object) {
		rw_write_lock(&inode->lock);
		account(inode);
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

struct file *tmpfs_create_file(const char *name, uint32_t flags)
{
	struct inode *inode = tmpfs_inode_create(memfd_sb, S_IFREG | 0777, 0);
	struct vm_object *vo;
	struct file *f;

	if (IS_ERR(inode))
		return ERR_PTR(PTR_ERR(inode));
	inode->nlink = 0;
	vo = vm_object_create(name, 0, VM_READ | VM_WRITE | VM_EXEC);
	if (IS_ERR(vo)) {
		inode_put(inode);
		return ERR_PTR(PTR_ERR(vo));
	}
	/* The same with the name that /proc/PID/maps shows. */
	vm_object_put(inode->object);
	inode->object = vo;
	f = file_alloc(inode, &filemap_file_ops, flags);
	if (IS_ERR(f))
		inode_put(inode);
	return f;
}

void tmpfs_file_init(void)
{
	int err = tmpfs_create_superblock("tmpfs", 0, &memfd_sb);

	assert(!err);
}
