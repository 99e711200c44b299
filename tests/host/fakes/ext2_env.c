/*
 * The volume in memory and the small VFS of ext2_env.h: an inode cache that evicts with the last
 * reference, and the calls of the kernel's VFS in their order (fs/inode.h).
 */
#include "ext2_env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dev/block.h"
#include "fs/devfs/devfs.h"
#include "fs/ext2/ext2.h"
#include "fs/file.h"
#include "fs/filemap.h"
#include "lib/assert.h"
#include "mm/cache.h"
#include "sched/clock.h"

struct ext2_env env;

static struct fs_type *ext2_type;
const struct file_ops filemap_file_ops;
const struct file_ops block_file_ops;

/* The disk. */

static void disk_submit(struct block_device *bd, struct block_request *rq)
{
	uint8_t *at = env.disk + (rq->sector << SECTOR_SHIFT);

	(void)bd;
	rq->status = 0;
	env.requests++;
	if (env.fail_at && --env.fail_at == 0) {
		rq->status = -EIO;
		env.fail_at = env.fail_sticky;
	} else if (rq->op == BLOCK_READ) {
		mdl_write(rq->mdl, at, rq->mdl->size, 0);
	} else if (rq->op == BLOCK_WRITE) {
		mdl_read(rq->mdl, at, rq->mdl->size, 0);
		env.sectors_written += rq->mdl->size >> SECTOR_SHIFT;
	} else {
		env.flushes++;
	}
	rq->done(rq);
}

static const struct block_ops disk_ops = {.submit = disk_submit};

int devfs_register(
	const char *name, uint32_t mode, uint32_t devno, const struct file_ops *ops, void *priv)
{
	(void)name;
	(void)mode;
	(void)devno;
	(void)ops;
	(void)priv;
	return 0;
}

void fs_register(struct fs_type *type)
{
	ext2_type = type;
}

static const char *temp_path(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "/tmp/quire-ext2-%d.img", (int)getpid());
	return path;
}

static void file_move(bool save)
{
	FILE *f = fopen(temp_path(), save ? "wb" : "rb");
	size_t n;

	assert(f);
	n = save ? fwrite(env.disk, 1, env.size, f) : fread(env.disk, 1, env.size, f);
	assert(n == env.size);
	fclose(f);
}

void env_make(const char *options, uint64_t size)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd),
		"rm -f %s; truncate -s %llu %s && "
		"PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F -t ext2 %s %s >/dev/null 2>&1",
		temp_path(), (unsigned long long)size, temp_path(), options, temp_path());
	assert(system(cmd) == 0);
	free(env.disk);
	env.disk = malloc(size);
	env.size = size;
	file_move(false);
	unlink(temp_path());
}

uint8_t *env_snapshot(void)
{
	uint8_t *copy = malloc(env.size);

	memcpy(copy, env.disk, env.size);
	return copy;
}

void env_restore(const uint8_t *snapshot)
{
	memcpy(env.disk, snapshot, env.size);
}

bool env_fsck_clean(void)
{
	char cmd[256];
	int status;

	file_move(true);
	snprintf(cmd, sizeof(cmd),
		"PATH=$PATH:/sbin:/usr/sbin e2fsck -fn %s >%s.log 2>&1 || { cat %s.log >&2; false; "
		"}",
		temp_path(), temp_path(), temp_path());
	status = system(cmd);
	snprintf(cmd, sizeof(cmd), "rm -f %s %s.log", temp_path(), temp_path());
	if (system(cmd))
		return false;
	return status == 0;
}

/* A block device of its own for each mount, so that nothing is cached from before. */
int env_mount(bool read_only)
{
	struct block_device *bd = calloc(1, sizeof(*bd));
	int err;

	if (!ext2_type)
		ext2_init();
	strcpy(bd->name, "mem0");
	bd->nsectors = env.size >> SECTOR_SHIFT;
	bd->ops = &disk_ops;
	assert(block_register(bd) == 0);
	env.bdev = bd;
	err = ext2_type->mount(bd, read_only, NULL, &env.sb);
	if (err) {
		env.sb = NULL;
		env.root = NULL;
		cache_discard(bd->object);
		vm_object_put(bd->object);
		list_remove(&bd->link);
		free(bd);
		return err;
	}
	env.root = env.sb->root;
	return 0;
}

static int sync_inodes(void)
{
	struct inode *inode;
	int first = 0;

	list_for_each_entry (inode, &env.sb->inodes, sb_link) {
		int err = inode_write_back(inode);

		if (err && !first)
			first = err;
	}
	return first;
}

int env_sync(void)
{
	int err = sync_inodes(), err2;

	err2 = env.sb->ops->sync(env.sb);
	return err ? err : err2;
}

void env_drop_caches(void)
{
	struct inode *inode;

	list_for_each_entry (inode, &env.sb->inodes, sb_link)
		if (inode->object)
			cache_drop_clean(inode->object);
	cache_drop_clean(env.bdev->object);
}

void env_unmount(void)
{
	struct superblock *sb = env.sb;
	struct block_device *bd = env.bdev;

	if (!sb->read_only)
		env.lost += env_sync() != 0;
	inode_put(sb->root);
	assert(list_empty(&sb->inodes));
	sb->ops->unmount(sb);
	superblock_free(sb);
	cache_discard(bd->object);
	vm_object_put(bd->object);
	list_remove(&bd->link);
	free(bd);
	env.sb = NULL;
}

/* The VFS. */

struct superblock *superblock_alloc(const char *fs_name, const struct superblock_ops *ops)
{
	struct superblock *sb = calloc(1, sizeof(*sb));

	sb->ops = ops;
	sb->fs_name = fs_name;
	list_init(&sb->inodes);
	return sb;
}

void superblock_free(struct superblock *sb)
{
	free(sb);
}

struct timespec64 timespec_now(void)
{
	uint64_t ns = clock_realtime_ns();

	return (struct timespec64){(int64_t)(ns / 1000000000), (int64_t)(ns % 1000000000)};
}

#define STATE_HASHED 1u

struct inode *inode_alloc(struct superblock *sb, uint64_t ino, uint32_t mode)
{
	struct inode *inode = calloc(1, sizeof(*inode));

	inode->refs = 1;
	inode->sb = sb;
	inode->ino = ino;
	inode->mode = mode;
	inode->nlink = 1;
	rw_init(&inode->lock, S_ISDIR(mode) ? RANK_INODE_DIR : RANK_INODE, "inode");
	list_add_tail(&sb->inodes, &inode->sb_link);
	return inode;
}

struct inode *inode_find(struct superblock *sb, uint64_t ino)
{
	struct inode *inode;

	list_for_each_entry (inode, &sb->inodes, sb_link)
		if (inode->ino == ino && (inode->state & STATE_HASHED))
			return inode_get(inode);
	return NULL;
}

static void inode_free(struct inode *inode)
{
	if (inode->object)
		vm_object_put(inode->object);
	list_remove(&inode->sb_link);
	free(inode);
}

struct inode *inode_hash(struct inode *inode)
{
	struct inode *there = inode_find(inode->sb, inode->ino);

	if (there) {
		inode_free(inode);
		return there;
	}
	inode->state |= STATE_HASHED;
	return inode;
}

struct inode *inode_get(struct inode *inode)
{
	inode->refs++;
	return inode;
}

int inode_write_back(struct inode *inode)
{
	int err = inode->object ? cache_write_back(inode->object, 0, UINT64_MAX) : 0, err2 = 0;

	if (inode->dirty)
		err2 = inode->sb->ops->write_inode(inode);
	return err ? err : err2;
}

void inode_put(struct inode *inode)
{
	if (--inode->refs)
		return;
	if (inode->nlink && inode_write_back(inode))
		env.lost++;
	if (inode->object)
		cache_discard(inode->object);
	inode->sb->ops->evict(inode);
	inode_free(inode);
}

void inode_touch(struct inode *inode, unsigned which)
{
	struct timespec64 now = timespec_now();

	if (inode->sb->read_only)
		return;
	if (which & ATTR_MTIME)
		inode->mtime = inode->ctime = now;
	if (which & ATTR_ATIME)
		inode->atime = now;
	inode->dirty = true;
}

void inode_setattr_copy(struct inode *inode, const struct inode_attr *attr)
{
	if (attr->valid & ATTR_MODE)
		inode->mode = (inode->mode & S_IFMT) | (attr->mode & ~S_IFMT);
	if (attr->valid & ATTR_UID)
		inode->uid = attr->uid;
	if (attr->valid & ATTR_GID)
		inode->gid = attr->gid;
	if (attr->valid & ATTR_ATIME)
		inode->atime = attr->atime;
	if (attr->valid & ATTR_MTIME)
		inode->mtime = attr->mtime;
	inode->dirty = true;
}

int env_lookup(struct inode *dir, const char *name, struct inode **out)
{
	int err = -ENOTDIR;

	rw_read_lock(&dir->lock);
	if (dir->ops->lookup)
		err = dir->ops->lookup(dir, name, strlen(name), out);
	rw_read_unlock(&dir->lock);
	return err;
}

/* The name must not exist: as the VFS finds out before each creation. */
static int absent_locked(struct inode *dir, const char *name)
{
	struct inode *there;
	int err = dir->ops->lookup(dir, name, strlen(name), &there);

	if (err == 0) {
		inode_put(there);
		return -EEXIST;
	}
	return err == -ENOENT ? 0 : err;
}

int env_create(struct inode *dir, const char *name, uint32_t mode, struct inode **out)
{
	struct inode *inode;
	int err;

	rw_write_lock(&dir->lock);
	err = absent_locked(dir, name);
	if (!err)
		err = dir->ops->mknod(dir, name, strlen(name), mode, 0, &inode);
	rw_write_unlock(&dir->lock);
	if (!err && out)
		*out = inode;
	else if (!err)
		inode_put(inode);
	return err;
}

int env_mkdir(struct inode *dir, const char *name, struct inode **out)
{
	struct inode *inode;
	int err;

	rw_write_lock(&dir->lock);
	err = absent_locked(dir, name);
	if (!err)
		err = dir->ops->mkdir(dir, name, strlen(name), 0755, &inode);
	rw_write_unlock(&dir->lock);
	if (!err && out)
		*out = inode;
	else if (!err)
		inode_put(inode);
	return err;
}

int env_symlink(struct inode *dir, const char *name, const char *target)
{
	struct inode *inode;
	int err;

	rw_write_lock(&dir->lock);
	err = absent_locked(dir, name);
	if (!err)
		err = dir->ops->symlink(dir, name, strlen(name), target, &inode);
	rw_write_unlock(&dir->lock);
	if (!err)
		inode_put(inode);
	return err;
}

int env_link(struct inode *dir, const char *name, struct inode *inode)
{
	int err;

	rw_write_lock(&dir->lock);
	err = absent_locked(dir, name);
	if (!err)
		err = dir->ops->link(dir, name, strlen(name), inode);
	rw_write_unlock(&dir->lock);
	return err;
}

static int remove_name(struct inode *dir, const char *name, bool is_dir)
{
	struct inode *inode;
	int err;

	rw_write_lock(&dir->lock);
	err = dir->ops->lookup(dir, name, strlen(name), &inode);
	if (err) {
		rw_write_unlock(&dir->lock);
		return err;
	}
	if (S_ISDIR(inode->mode) != is_dir)
		err = is_dir ? -ENOTDIR : -EISDIR;
	else if (is_dir)
		err = dir->ops->rmdir(dir, name, strlen(name), inode);
	else
		err = dir->ops->unlink(dir, name, strlen(name), inode);
	rw_write_unlock(&dir->lock);
	inode_put(inode);
	return err;
}

int env_unlink(struct inode *dir, const char *name)
{
	return remove_name(dir, name, false);
}

int env_rmdir(struct inode *dir, const char *name)
{
	return remove_name(dir, name, true);
}

int env_rename(struct inode *olddir, const char *oldname, struct inode *newdir, const char *newname)
{
	struct inode *inode = NULL, *target = NULL;
	int err;

	rw_write_lock_pair(&olddir->lock, &newdir->lock);
	err = olddir->ops->lookup(olddir, oldname, strlen(oldname), &inode);
	if (!err) {
		err = newdir->ops->lookup(newdir, newname, strlen(newname), &target);
		if (err == -ENOENT)
			err = 0;
	}
	if (!err && target != inode)
		err = olddir->ops->rename(olddir, oldname, strlen(oldname), inode, newdir, newname,
			strlen(newname), target);
	rw_write_unlock_pair(&olddir->lock, &newdir->lock);
	if (inode)
		inode_put(inode);
	if (target)
		inode_put(target);
	return err;
}

int64_t env_write(struct inode *inode, uint64_t pos, const void *buf, size_t n)
{
	struct vm_object *vo = inode->object;
	size_t done = 0;
	int err = 0;

	rw_write_lock(&inode->lock);
	if (pos > vo->vo_size)
		cache_truncate(vo, pos);
	while (done < n) {
		uint32_t off = pos & PAGE_MASK;
		size_t now = MIN(n - done, PAGE_SIZE - off);
		struct page *pg;

		err = vo->ops->make_writable(vo, pos >> PAGE_SHIFT);
		if (!err && pos + now > vo->vo_size)
			cache_truncate(vo, pos + now);
		if (!err)
			err = cache_get(
				vo, pos >> PAGE_SHIFT, now == PAGE_SIZE ? CACHE_NOFILL : 0, &pg);
		if (err)
			break;
		memcpy((char *)page_virt(pg) + off, (const char *)buf + done, now);
		cache_mark_dirty(pg);
		cache_put(pg);
		pos += now;
		done += now;
	}
	inode_touch(inode, ATTR_MTIME);
	rw_write_unlock(&inode->lock);
	return done ? (int64_t)done : err;
}

int64_t env_read(struct inode *inode, uint64_t pos, void *buf, size_t n)
{
	struct vm_object *vo = inode->object;
	size_t done = 0;

	while (done < n && pos < vo->vo_size) {
		uint32_t off = pos & PAGE_MASK;
		size_t now = MIN(n - done, PAGE_SIZE - off);
		struct page *pg;
		int err;

		now = MIN(now, vo->vo_size - pos);
		err = cache_get(vo, pos >> PAGE_SHIFT, 0, &pg);
		if (err)
			return done ? (int64_t)done : err;
		memcpy((char *)buf + done, (char *)page_virt(pg) + off, now);
		cache_put(pg);
		pos += now;
		done += now;
	}
	return (int64_t)done;
}

int env_truncate(struct inode *inode, uint64_t size)
{
	struct inode_attr attr = {.valid = ATTR_SIZE, .size = size};
	bool shrink = size < inode->object->vo_size;
	int err;

	rw_write_lock(&inode->lock);
	if (shrink)
		cache_truncate(inode->object, size);
	err = inode->ops->setattr(inode, &attr);
	if (!err && !shrink)
		cache_truncate(inode->object, size);
	rw_write_unlock(&inode->lock);
	return err;
}

struct sink {
	struct dir_sink base;
	void (*fn)(const char *name, size_t len, uint64_t ino, unsigned type, void *arg);
	void *arg;
};

static bool sink_put(struct dir_sink *base, const char *name, size_t len, uint64_t ino,
	unsigned type, uint64_t next_pos)
{
	struct sink *s = (struct sink *)base;

	(void)next_pos;
	s->fn(name, len, ino, type, s->arg);
	return true;
}

int env_readdir(struct inode *dir,
	void (*fn)(const char *name, size_t len, uint64_t ino, unsigned type, void *arg), void *arg)
{
	struct file f = {.inode = dir};
	struct sink s = {.base.put = sink_put, .fn = fn, .arg = arg};
	int err;

	rw_read_lock(&dir->lock);
	err = dir->fops->readdir(&f, &s.base);
	rw_read_unlock(&dir->lock);
	return err;
}
