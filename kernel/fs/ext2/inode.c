/*
 * Inodes: from the table into memory, back, new ones, and the end of old ones.
 *
 * An inode in memory is ahead of the table until it is stored: sync and eviction do that when
 * inode->dirty is set. A new inode that is removed before it was ever stored leaves the table
 * untouched (on_disk is false). Link counts change under es->lock; sizes, owners and times under
 * the inode's own lock.
 */
#include "fs/ext2/ext2_priv.h"

#include "fs/filemap.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/cache.h"
#include "mm/slab.h"

static struct ext2_inode_disk *table_slot(struct ext2_sb *es, uint32_t ino, struct ext2_meta *m)
{
	uint32_t g = (ino - 1) / es->inodes_per_group;
	uint64_t byte = (uint64_t)((ino - 1) % es->inodes_per_group) * es->inode_size;
	int err = ext2_meta_get(es, es->groups[g].inode_table + (uint32_t)(byte >> es->bs_bits), m);

	if (err)
		return ERR_PTR(err);
	return (struct ext2_inode_disk *)(m->data + (byte & (es->bs - 1)));
}

/* Does the inode on disk have the wider times? */
static bool has_extra_times(const struct ext2_sb *es, const struct ext2_inode_disk *d)
{
	return es->inode_size >= EXT2_INODE_OLD_SIZE + EXT2_EXTRA_TIMES &&
	       d->i_extra_isize >= EXT2_EXTRA_TIMES;
}

static struct timespec64 time_load(uint32_t sec, uint32_t extra)
{
	struct timespec64 t = {.sec = (int32_t)sec + ((int64_t)(extra & 3) << 32)};

	t.nsec = extra >> 2;
	if (t.nsec >= 1000000000)
		t.nsec = 0;
	return t;
}

static uint32_t time_extra(struct timespec64 t)
{
	return (uint32_t)t.nsec << 2 | (uint32_t)((t.sec - (int32_t)t.sec) >> 32 & 3);
}

static void times_load(
	const struct ext2_sb *es, const struct ext2_inode_disk *d, struct inode *inode)
{
	bool extra = has_extra_times(es, d);

	inode->atime = time_load(d->i_atime, extra ? d->i_atime_extra : 0);
	inode->mtime = time_load(d->i_mtime, extra ? d->i_mtime_extra : 0);
	inode->ctime = time_load(d->i_ctime, extra ? d->i_ctime_extra : 0);
}

static void times_store(const struct ext2_sb *es, struct ext2_inode_disk *d, struct inode *inode)
{
	d->i_atime = (uint32_t)inode->atime.sec;
	d->i_mtime = (uint32_t)inode->mtime.sec;
	d->i_ctime = (uint32_t)inode->ctime.sec;
	if (!has_extra_times(es, d))
		return;
	d->i_atime_extra = time_extra(inode->atime);
	d->i_mtime_extra = time_extra(inode->mtime);
	d->i_ctime_extra = time_extra(inode->ctime);
}

/* The device number lies in the first block number, or wide in the second. */
static uint32_t rdev_load(const uint32_t *block)
{
	return block[0] ? MKDEV(block[0] >> 8 & 0xff, block[0] & 0xff) : block[1];
}

static void rdev_store(uint32_t *block, uint32_t rdev)
{
	uint32_t major = DEV_MAJOR(rdev), minor = DEV_MINOR(rdev);

	block[0] = major < 256 && minor < 256 ? major << 8 | minor : 0;
	block[1] = block[0] ? 0 : rdev;
}

/* Operations and, for a regular file, the object. 0, -ENOMEM, -EIO (unknown type). */
static int set_type(struct inode *inode, uint64_t size)
{
	switch (inode->mode & S_IFMT) {
	case S_IFREG:
		inode->object = vm_object_create_file("ext2", size, &ext2_object_ops, inode);
		if (IS_ERR(inode->object)) {
			int err = (int)PTR_ERR(inode->object);

			inode->object = NULL;
			return err;
		}
		inode->ops = &ext2_file_ops;
		inode->fops = &filemap_file_ops;
		return 0;
	case S_IFDIR:
		inode->ops = &ext2_dir_ops;
		inode->fops = &ext2_dir_fops;
		break;
	case S_IFLNK:
		inode->ops = &ext2_symlink_ops;
		break;
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		inode->ops = &ext2_special_ops;
		break;
	default:
		return -EIO;
	}
	inode->size = size;
	return 0;
}

static struct ext2_inode *priv_alloc(struct inode *inode)
{
	struct ext2_inode *ei = kzalloc(sizeof(*ei), 0);

	if (ei) {
		ei->inode = inode;
		radix_init(&ei->reserved);
		inode->priv = ei;
	}
	return ei;
}

static uint64_t disk_size(const struct ext2_inode_disk *d)
{
	uint64_t high = S_ISREG(d->i_mode) ? d->i_size_high : 0;

	return high << 32 | d->i_size;
}

/* Is what the table holds an inode that we can work with? 0 or -EIO. */
static int disk_check(struct ext2_sb *es, uint32_t ino, const struct ext2_inode_disk *d)
{
	uint64_t size = disk_size(d);

	if (!d->i_links_count)
		return ext2_corrupt(es, "inode %u is named but deleted", ino);
	if (d->i_flags & (EXT2_FL_EXTENTS | EXT2_FL_INLINE))
		return ext2_corrupt(es, "inode %u has no block map (flags %#x)", ino, d->i_flags);
	if (S_ISREG(d->i_mode) && size > es->max_size)
		return ext2_corrupt(es, "inode %u is too long", ino);
	if (S_ISDIR(d->i_mode) &&
		(!size || size & (es->bs - 1) || size >> es->bs_bits > es->blocks_count))
		return ext2_corrupt(es, "directory %u has a bad size", ino);
	if (S_ISLNK(d->i_mode) && (!size || size > PAGE_SIZE))
		return ext2_corrupt(es, "symbolic link %u has a bad size", ino);
	return 0;
}

static void fields_load(
	const struct ext2_sb *es, const struct ext2_inode_disk *d, struct inode *inode)
{
	struct ext2_inode *ei = ext2_i(inode);

	inode->nlink = d->i_links_count;
	inode->uid = d->i_uid | (uint32_t)d->i_uid_high << 16;
	inode->gid = d->i_gid | (uint32_t)d->i_gid_high << 16;
	inode->blocks = d->i_blocks;
	times_load(es, d, inode);
	memcpy(ei->block, d->i_block, sizeof(ei->block));
	ei->flags = d->i_flags;
	ei->generation = d->i_generation;
	ei->file_acl = d->i_file_acl;
	ei->on_disk = true;
	if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode))
		inode->rdev = rdev_load(ei->block);
}

/* Read inode `ino` into fresh memory, not hashed. ERR_PTR. */
static struct inode *inode_load(struct superblock *sb, uint32_t ino)
{
	struct ext2_sb *es = ext2_sb(sb);
	struct ext2_inode_disk copy = {0};
	struct ext2_inode_disk *d;
	struct inode *inode;
	struct ext2_meta m;
	int err;

	mutex_lock(&es->lock);
	d = table_slot(es, ino, &m);
	if (!IS_ERR(d)) {
		memcpy(&copy, d, MIN(sizeof(copy), (size_t)es->inode_size));
		ext2_meta_put(&m);
	}
	mutex_unlock(&es->lock);
	if (IS_ERR(d))
		return ERR_PTR(PTR_ERR(d));
	err = disk_check(es, ino, &copy);
	if (err)
		return ERR_PTR(err);
	inode = inode_alloc(sb, ino, copy.i_mode);
	if (IS_ERR(inode))
		return inode;
	err = -ENOMEM;
	if (priv_alloc(inode)) {
		fields_load(es, &copy, inode);
		err = set_type(inode, disk_size(&copy));
	}
	if (err) {
		/* nlink stays above 0, so that the put frees memory only. */
		inode->nlink = 1;
		inode->dirty = false;
		inode_put(inode);
		return ERR_PTR(err);
	}
	return inode;
}

struct inode *ext2_iget(struct superblock *sb, uint32_t ino)
{
	struct ext2_sb *es = ext2_sb(sb);
	struct inode *inode, *mine;
	struct ext2_inode *ei;

	if (ino > es->inodes_count || (ino != EXT2_ROOT_INO && ino < es->first_ino))
		return ERR_PTR(ext2_corrupt(es, "a name leads to inode %u", ino));
	inode = inode_find(sb, ino);
	if (inode)
		return inode;
	mine = inode_load(sb, ino);
	if (IS_ERR(mine))
		return mine;
	/* A slower reader's copy goes without evict: its private part is still ours. */
	ei = ext2_i(mine);
	inode = inode_hash(mine);
	if (inode != mine)
		kfree(ei);
	return inode;
}

int ext2_inode_store(struct inode *inode)
{
	struct ext2_sb *es = ext2_of(inode);
	struct ext2_inode *ei = ext2_i(inode);
	uint64_t size = inode_size(inode);
	struct ext2_inode_disk *d;
	struct ext2_meta m;

	dassert(mutex_held(&es->lock));
	WRITE_ONCE(inode->dirty, false);
	d = table_slot(es, (uint32_t)inode->ino, &m);
	if (IS_ERR(d)) {
		WRITE_ONCE(inode->dirty, true);
		return (int)PTR_ERR(d);
	}
	if (!ei->on_disk) {
		memset(d, 0, es->inode_size);
		if (es->inode_size >= EXT2_INODE_OLD_SIZE + EXT2_EXTRA_ISIZE)
			d->i_extra_isize = EXT2_EXTRA_ISIZE;
		ei->on_disk = true;
	}
	d->i_mode = (uint16_t)inode->mode;
	d->i_uid = (uint16_t)inode->uid;
	d->i_uid_high = (uint16_t)(inode->uid >> 16);
	d->i_gid = (uint16_t)inode->gid;
	d->i_gid_high = (uint16_t)(inode->gid >> 16);
	d->i_links_count = (uint16_t)inode->nlink;
	d->i_size = (uint32_t)size;
	if (S_ISREG(inode->mode)) {
		d->i_size_high = (uint32_t)(size >> 32);
		if (size > INT32_MAX)
			ext2_need_large_file(es);
	}
	d->i_blocks = (uint32_t)inode->blocks;
	d->i_dtime = ei->dtime;
	d->i_flags = ei->flags;
	d->i_generation = ei->generation;
	d->i_file_acl = ei->file_acl;
	memcpy(d->i_block, ei->block, sizeof(ei->block));
	times_store(es, d, inode);
	ext2_meta_dirty(es, &m);
	ext2_meta_put(&m);
	return 0;
}

int ext2_write_inode(struct inode *inode)
{
	struct ext2_sb *es = ext2_of(inode);
	int err;

	mutex_lock(&es->lock);
	err = es->writable ? ext2_inode_store(inode) : -EROFS;
	mutex_unlock(&es->lock);
	return err;
}

/* Group and number for a new inode, with the bit set. => no lock held */
static int number_take(struct inode *dir, uint32_t mode, uint32_t *ino, uint32_t *generation)
{
	struct ext2_sb *es = ext2_of(dir);
	uint32_t parent_group = (uint32_t)(dir->ino - 1) / es->inodes_per_group;
	int err;

	mutex_lock(&es->lock);
	err = ext2_inode_number_alloc(es, parent_group, S_ISDIR(mode), ino);
	*generation = es->next_generation++;
	mutex_unlock(&es->lock);
	return err;
}

static void number_give_back(struct ext2_sb *es, uint32_t ino, uint32_t mode)
{
	mutex_lock(&es->lock);
	ext2_inode_number_free(es, ino, S_ISDIR(mode));
	mutex_unlock(&es->lock);
}

struct inode *ext2_inode_new(struct inode *dir, uint32_t mode, uint32_t rdev)
{
	struct ext2_sb *es = ext2_of(dir);
	struct inode *inode, *entered;
	struct ext2_inode *ei;
	uint32_t ino, generation;
	int err = number_take(dir, mode, &ino, &generation);

	if (err)
		return ERR_PTR(err);
	inode = inode_alloc(dir->sb, ino, mode);
	if (IS_ERR(inode)) {
		number_give_back(es, ino, mode);
		return inode;
	}
	ei = priv_alloc(inode);
	err = ei ? set_type(inode, 0) : -ENOMEM;
	if (err) {
		number_give_back(es, ino, mode);
		inode_put(inode);
		return ERR_PTR(err);
	}
	ei->generation = generation;
	inode->atime = inode->mtime = inode->ctime = timespec_now();
	inode->gid = dir->mode & 02000 ? dir->gid : 0;
	inode->nlink = S_ISDIR(mode) ? 2 : 1;
	inode->rdev = rdev;
	if (S_ISCHR(mode) || S_ISBLK(mode))
		rdev_store(ei->block, rdev);
	entered = inode_hash(inode);
	if (entered != inode) {
		/* The bitmap called a number free whose inode is in use. */
		kfree(ei);
		inode_put(entered);
		return ERR_PTR(ext2_corrupt(es, "inode %u is in use, its bit was clear", ino));
	}
	ext2_inode_dirty(inode);
	return inode;
}

void ext2_inode_abandon(struct inode *inode)
{
	struct ext2_sb *es = ext2_of(inode);

	mutex_lock(&es->lock);
	inode->nlink = 0;
	mutex_unlock(&es->lock);
	inode_put(inode);
}

/* Drop one use of the block of extended attributes. => lock held */
static void xattr_release(struct inode *inode)
{
	struct ext2_sb *es = ext2_of(inode);
	struct ext2_inode *ei = ext2_i(inode);
	uint32_t block = ei->file_acl;
	struct ext2_xattr_disk *x;
	struct ext2_meta m;

	ei->file_acl = 0;
	if (!block || !ext2_block_ok(es, block) || ext2_meta_get(es, block, &m))
		return;
	x = (struct ext2_xattr_disk *)m.data;
	if (x->h_magic != EXT2_XATTR_MAGIC) {
		ext2_corrupt(es, "block %u holds no extended attributes", block);
	} else if (x->h_refcount > 1) {
		x->h_refcount--;
		ext2_meta_dirty(es, &m);
	} else {
		ext2_meta_forget(es, block);
		ext2_block_free(es, block);
	}
	ext2_meta_put(&m);
}

/* Has the inode blocks in its map, rather than a device number or a short target? */
static bool has_block_map(const struct inode *inode)
{
	const struct ext2_sb *es = ext2_of(inode);
	uint64_t acl = ext2_i(inode)->file_acl ? 1u << (es->bs_bits - SECTOR_SHIFT) : 0;

	if (S_ISLNK(inode->mode))
		return inode->blocks > acl;
	return S_ISREG(inode->mode) || S_ISDIR(inode->mode);
}

/* The last name and the last user are gone: give everything back. => lock held */
static void inode_delete(struct inode *inode)
{
	struct ext2_sb *es = ext2_of(inode);
	struct ext2_inode *ei = ext2_i(inode);
	int err = 0;

	if (has_block_map(inode))
		ext2_free_from(inode, 0, !S_ISREG(inode->mode));
	xattr_release(inode);
	ei->dtime = ext2_now();
	inode->blocks = 0;
	if (!inode->object)
		inode->size = 0;
	if (ei->on_disk)
		err = ext2_inode_store(inode);
	if (!err)
		err = ext2_inode_number_free(es, (uint32_t)inode->ino, S_ISDIR(inode->mode));
	if (err)
		ext2_corrupt(
			es, "inode %llu is lost (error %d)", (unsigned long long)inode->ino, -err);
}

void ext2_evict(struct inode *inode)
{
	struct ext2_sb *es = ext2_of(inode);
	struct ext2_inode *ei = ext2_i(inode);

	if (!ei)
		return;
	mutex_lock(&es->lock);
	ext2_unreserve_from(inode, 0);
	if (!inode->nlink && es->writable)
		inode_delete(inode);
	mutex_unlock(&es->lock);
	ext2_dirindex_destroy(ei->index);
	inode->priv = NULL;
	kfree(ei);
}

/* The rest of the block that holds the new end reads as zero from now on, on the volume too. */
static int zero_tail(struct inode *inode, uint64_t size)
{
	struct ext2_sb *es = ext2_of(inode);
	uint32_t pb, run, off = size & PAGE_MASK;
	struct page *pg;
	int err;

	if (!(size & (es->bs - 1)))
		return 0;
	mutex_lock(&es->lock);
	err = ext2_bmap(inode, size >> es->bs_bits, 1, &pb, &run);
	mutex_unlock(&es->lock);
	if (err || !pb)
		return err;
	err = cache_get(inode->object, size >> PAGE_SHIFT, 0, &pg);
	if (err)
		return err;
	/* A dirty page has a promise for its holes, since a later write will not ask again. */
	err = page_is(pg, PG_DIRTY) ? 0 : ext2_object_ops.make_writable(inode->object, pg->index);
	if (err) {
		cache_put(pg);
		return err;
	}
	memset((char *)page_virt(pg) + off, 0, PAGE_SIZE - off);
	cache_mark_dirty(pg);
	cache_put(pg);
	return 0;
}

static int set_size(struct inode *inode, uint64_t size)
{
	struct ext2_sb *es = ext2_of(inode);
	uint64_t first = (size + es->bs - 1) >> es->bs_bits;
	int err;

	if (size > es->max_size)
		return -EFBIG;
	/* Growing: the object still has the old size; only a hole comes into being. */
	if (size > inode_size(inode))
		return 0;
	mutex_lock(&es->lock);
	ext2_unreserve_from(inode, page_count(size));
	err = ext2_free_from(inode, first, false);
	mutex_unlock(&es->lock);
	return err ? err : zero_tail(inode, size);
}

int ext2_setattr(struct inode *inode, const struct inode_attr *attr)
{
	int err = 0;

	if (attr->valid & ATTR_SIZE) {
		if (!S_ISREG(inode->mode))
			return -EINVAL;
		err = set_size(inode, attr->size);
	}
	if (!err)
		inode_setattr_copy(inode, attr);
	return err;
}
