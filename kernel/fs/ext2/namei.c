/*
 * Names: the inode operations of directories. The VFS holds the directories' locks and has looked
 * the names up. Each operation takes what may fail first (inode, room in the directory), then
 * changes counts; when a step fails the ones before are undone.
 *
 * Link counts change under es->lock, because a file may lose a name in one directory and get one in
 * another at the same time.
 */
#include "fs/ext2/ext2_priv.h"

#include "lib/assert.h"
#include "lib/string.h"

/* nlink += delta; -EMLINK if it would be too many, -EIO if fewer than none. ctime is now. */
static int nlink_add(struct inode *inode, int delta)
{
	struct ext2_sb *es = ext2_of(inode);
	int64_t n;
	int err = 0;

	mutex_lock(&es->lock);
	n = (int64_t)inode->nlink + delta;
	if (n > EXT2_LINK_MAX && delta > 0)
		err = -EMLINK;
	else if (n < 0)
		err = ext2_corrupt(
			es, "inode %llu has more names than links", (unsigned long long)inode->ino);
	else
		inode->nlink = (uint32_t)n;
	mutex_unlock(&es->lock);
	if (!err) {
		inode->ctime = timespec_now();
		ext2_inode_dirty(inode);
	}
	return err;
}

static int dir_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	uint32_t ino;
	int err = ext2_dir_find(dir, name, len, &ino);

	if (err)
		return err;
	*out = ext2_iget(dir->sb, ino);
	return IS_ERR(*out) ? (int)PTR_ERR(*out) : 0;
}

/* Give a new inode its name, or take it back. */
static int new_name(
	struct inode *dir, const char *name, size_t len, struct inode *inode, struct inode **out)
{
	int err = ext2_dir_insert(dir, name, len, inode);

	if (err) {
		ext2_inode_abandon(inode);
		return err;
	}
	*out = inode;
	return 0;
}

static int dir_mknod(struct inode *dir, const char *name, size_t len, uint32_t mode, uint32_t rdev,
	struct inode **out)
{
	struct inode *inode = ext2_inode_new(dir, mode, rdev);

	if (IS_ERR(inode))
		return (int)PTR_ERR(inode);
	return new_name(dir, name, len, inode, out);
}

static int dir_mkdir(
	struct inode *dir, const char *name, size_t len, uint32_t mode, struct inode **out)
{
	struct inode *inode;
	int err;

	if (dir->nlink >= EXT2_LINK_MAX)
		return -EMLINK;
	inode = ext2_inode_new(dir, S_IFDIR | (mode & 07777) | (dir->mode & 02000), 0);
	if (IS_ERR(inode))
		return (int)PTR_ERR(inode);
	err = ext2_dir_make_empty(inode, dir);
	if (err) {
		ext2_inode_abandon(inode);
		return err;
	}
	err = new_name(dir, name, len, inode, out);
	return err ? err : nlink_add(dir, 1);
}

static int dir_symlink(
	struct inode *dir, const char *name, size_t len, const char *target, struct inode **out)
{
	size_t target_len = strlen(target);
	struct inode *inode;
	int err;

	if (!target_len)
		return -ENOENT;
	inode = ext2_inode_new(dir, S_IFLNK | 0777, 0);
	if (IS_ERR(inode))
		return (int)PTR_ERR(inode);
	err = ext2_symlink_store(inode, target, target_len);
	if (err) {
		ext2_inode_abandon(inode);
		return err;
	}
	return new_name(dir, name, len, inode, out);
}

static int dir_link(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	int err = nlink_add(inode, 1);

	if (err)
		return err;
	err = ext2_dir_insert(dir, name, len, inode);
	if (err)
		(void)nlink_add(inode, -1);
	return err;
}

static int dir_unlink(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	int err = ext2_dir_remove(dir, name, len, (uint32_t)inode->ino);

	return err ? err : nlink_add(inode, -1);
}

/* A directory lost its name: its "." and its parent's ".." go. */
static int dir_gone(struct inode *parent, struct inode *inode)
{
	struct ext2_sb *es = ext2_of(inode);

	mutex_lock(&es->lock);
	inode->nlink = 0;
	mutex_unlock(&es->lock);
	inode->ctime = timespec_now();
	ext2_inode_dirty(inode);
	return nlink_add(parent, -1);
}

static int dir_rmdir(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	int err = ext2_dir_check_empty(inode);

	if (!err)
		err = ext2_dir_remove(dir, name, len, (uint32_t)inode->ino);
	return err ? err : dir_gone(dir, inode);
}

/* newname becomes a name of inode: over an existing entry, or as a new one. */
static int rename_enter(struct inode *inode, struct inode *newdir, const char *name, size_t len,
	struct inode *target)
{
	int err;

	if (!target)
		return ext2_dir_insert(newdir, name, len, inode);
	err = S_ISDIR(target->mode) ? ext2_dir_check_empty(target) : 0;
	if (!err)
		err = ext2_dir_replace(newdir, name, len, inode);
	return err;
}

/* The old name could not be removed: what rename_enter did is undone, as far as it can be. */
static void rename_leave(struct inode *inode, struct inode *newdir, const char *name, size_t len,
	struct inode *target)
{
	int err = target ? ext2_dir_replace(newdir, name, len, target)
			 : ext2_dir_remove(newdir, name, len, (uint32_t)inode->ino);

	if (err)
		ext2_corrupt(ext2_of(inode), "inode %llu has a name too many",
			(unsigned long long)inode->ino);
}

/* The parent of a moved directory changed: its ".." and the link counts follow. */
static int rename_reparent(struct inode *inode, struct inode *olddir, struct inode *newdir)
{
	int err = ext2_dir_parent(inode, newdir);

	if (!err)
		err = nlink_add(newdir, 1);
	return err ? err : nlink_add(olddir, -1);
}

static int dir_rename(struct inode *olddir, const char *oldname, size_t oldlen, struct inode *inode,
	struct inode *newdir, const char *newname, size_t newlen, struct inode *target)
{
	bool moves_dir = S_ISDIR(inode->mode) && olddir != newdir;
	int err;

	if (moves_dir) {
		/* Check first what cannot be undone: that there is a ".." to change. */
		err = ext2_dir_parent(inode, NULL);
		if (err)
			return err;
		if (!target && newdir->nlink >= EXT2_LINK_MAX)
			return -EMLINK;
	}
	/* The new name first: a crash in between leaves two names, not none. */
	err = rename_enter(inode, newdir, newname, newlen, target);
	if (err)
		return err;
	err = ext2_dir_remove(olddir, oldname, oldlen, (uint32_t)inode->ino);
	if (err) {
		rename_leave(inode, newdir, newname, newlen, target);
		return err;
	}
	if (target)
		err = S_ISDIR(target->mode) ? dir_gone(newdir, target) : nlink_add(target, -1);
	if (!err && moves_dir)
		err = rename_reparent(inode, olddir, newdir);
	if (err)
		return err;
	inode->ctime = timespec_now();
	ext2_inode_dirty(inode);
	return 0;
}

const struct inode_ops ext2_dir_ops = {
	.lookup = dir_lookup,
	.mknod = dir_mknod,
	.mkdir = dir_mkdir,
	.symlink = dir_symlink,
	.link = dir_link,
	.unlink = dir_unlink,
	.rmdir = dir_rmdir,
	.rename = dir_rename,
	.setattr = ext2_setattr,
};

const struct inode_ops ext2_file_ops = {
	.setattr = ext2_setattr,
	.map_direct = ext2_map_direct,
};

const struct inode_ops ext2_special_ops = {
	.setattr = ext2_setattr,
};
