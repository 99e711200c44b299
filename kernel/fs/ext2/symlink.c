/*
 * Symbolic links. A target shorter than 60 bytes lies in the inode, where the block numbers would
 * be; a longer one in a block of its own, which is kept with the metadata.
 */
#include "fs/ext2/ext2_priv.h"

#include "lib/string.h"

/* Is the target in the inode? */
static bool is_fast(const struct inode *inode)
{
	const struct ext2_sb *es = ext2_of(inode);
	uint64_t acl = ext2_i(inode)->file_acl ? 1u << (es->bs_bits - SECTOR_SHIFT) : 0;

	return inode->blocks <= acl && inode->size < sizeof(ext2_i(inode)->block);
}

static ssize_t symlink_read(struct inode *inode, char *buf, size_t size)
{
	struct ext2_sb *es = ext2_of(inode);
	size_t n = MIN(size, (size_t)inode->size);
	uint32_t pb, run;
	struct ext2_meta m;
	int err;

	if (is_fast(inode)) {
		memcpy(buf, ext2_i(inode)->block, n);
		return (ssize_t)n;
	}
	if (inode->size > es->bs)
		return ext2_corrupt(
			es, "symbolic link %llu is too long", (unsigned long long)inode->ino);
	mutex_lock(&es->lock);
	err = ext2_bmap(inode, 0, 1, &pb, &run);
	if (!err && !pb)
		err = ext2_corrupt(
			es, "symbolic link %llu has no target", (unsigned long long)inode->ino);
	if (!err)
		err = ext2_meta_get(es, pb, &m);
	if (!err) {
		memcpy(buf, m.data, n);
		ext2_meta_put(&m);
	}
	mutex_unlock(&es->lock);
	return err ? err : (ssize_t)n;
}

int ext2_symlink_store(struct inode *inode, const char *target, size_t len)
{
	struct ext2_sb *es = ext2_of(inode);
	struct ext2_meta m;
	uint32_t pb;
	bool fresh;
	int err;

	inode->size = len;
	if (len < sizeof(ext2_i(inode)->block)) {
		memcpy(ext2_i(inode)->block, target, len);
		return 0;
	}
	if (len >= es->bs)
		return -ENAMETOOLONG;
	mutex_lock(&es->lock);
	err = es->free_blocks > es->reserved ? ext2_bmap_alloc(inode, 0, &pb, &fresh) : -ENOSPC;
	if (!err) {
		err = ext2_meta_new(es, pb, &m);
		if (err)
			ext2_free_from(inode, 0, true);
	}
	if (!err) {
		memcpy(m.data, target, len);
		ext2_meta_dirty(es, &m);
		ext2_meta_put(&m);
	}
	mutex_unlock(&es->lock);
	return err;
}

const struct inode_ops ext2_symlink_ops = {
	.readlink = symlink_read,
	.setattr = ext2_setattr,
};
