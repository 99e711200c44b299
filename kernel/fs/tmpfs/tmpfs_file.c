/*
 * tmpfs: contents of files, and files without a name (memfd).
 *
 * A regular file is a zero object: pages come into being when they are written or touched through a
 * mapping, holes read as zeros without a page. The limit of a file system counts pages: its objects
 * have a quota in common. Where that is used up write(2) gives ENOSPC, a mapping SIGBUS.
 */
#include "fs/tmpfs/tmpfs_priv.h"

#include "fs/filemap.h"
#include "lib/assert.h"
#include "mm/slab.h"

static struct superblock *memfd_sb;

int tmpfs_file_setup(struct inode *inode)
{
	struct vm_object *vo = vm_object_create("tmpfs", 0, VM_READ | VM_WRITE | VM_EXEC);
	struct tmpfs_super *ts = inode->sb->priv;

	if (IS_ERR(vo))
		return (int)PTR_ERR(vo);
	inode->object = vo;
	inode->fops = &filemap_file_ops;
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
