/*
 * Mounting: is this a volume that we understand, and does it hang together? Then sync, statfs,
 * remount and unmount.
 *
 * The group descriptors are copied into memory at mount (struct ext2_group) and written back by
 * sync, as the counters of the super block are. While the volume is mounted for writing its state
 * says "not cleanly unmounted"; sync leaves it so, unmounting and remounting read-only restore what
 * was there before.
 *
 * Checks at mount make later code simple: every group has its bitmaps and its inode table inside
 * itself, apart from each other, and the volume fits the device.
 */
#include "fs/ext2/ext2.h"
#include "fs/ext2/ext2_priv.h"

#include "klog.h"
#include "lib/assert.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/cache.h"
#include "mm/slab.h"

#define COMPLAINTS_MAX		 32
#define EXT2_COMPAT_RESIZE_INODE 0x10u
#define EXT2_STATFS_TYPE	 0xef53
#define EXT2_DESC_SIZE		 ((uint32_t)sizeof(struct ext2_group_disk))
#define EXT2_LOG_BLOCK_MAX	 2 /* 4 KiB: a block never exceeds a page */

int ext2_corrupt(struct ext2_sb *es, const char *fmt, ...)
{
	char line[128];
	va_list ap;

	es->mount_state = (uint16_t)((es->mount_state & ~EXT2_STATE_VALID) | EXT2_STATE_ERROR);
	if (__atomic_add_fetch(&es->complaints, 1, __ATOMIC_RELAXED) > COMPLAINTS_MAX)
		return -EIO;
	va_start(ap, fmt);
	fmt_vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	klog_err("ext2 on %s: %s", es->bdev->name, line);
	return -EIO;
}

uint32_t ext2_now(void)
{
	return (uint32_t)timespec_now().sec;
}

static bool is_power_of(uint32_t n, uint32_t base)
{
	uint64_t p = base;

	while (p < n)
		p *= base;
	return p == n;
}

/* Does group g hold a copy of the super block and the descriptors? */
static bool group_has_super(bool sparse, uint32_t g)
{
	return !sparse || g <= 1 || is_power_of(g, 3) || is_power_of(g, 5) || is_power_of(g, 7);
}

void ext2_need_large_file(struct ext2_sb *es)
{
	struct ext2_super_disk *s = es->super;

	if (s->s_rev_level == 0) {
		s->s_rev_level = 1;
		s->s_first_ino = es->first_ino;
		s->s_inode_size = (uint16_t)es->inode_size;
	}
	if (s->s_feature_ro_compat & EXT2_RO_COMPAT_LARGE_FILE)
		return;
	s->s_feature_ro_compat |= EXT2_RO_COMPAT_LARGE_FILE;
	es->super_dirty = true;
}

/* What the volume can do and we cannot. 0 or -EINVAL. */
static int check_features(struct ext2_sb *es, const struct ext2_super_disk *s, bool read_only)
{
	if (s->s_rev_level == 0)
		return 0;
	if (s->s_feature_incompat & ~EXT2_INCOMPAT_KNOWN) {
		klog_err("ext2 on %s: unknown features %#x", es->bdev->name,
			s->s_feature_incompat & ~EXT2_INCOMPAT_KNOWN);
		return -EINVAL;
	}
	if (!read_only && (s->s_feature_ro_compat & ~EXT2_RO_COMPAT_KNOWN)) {
		klog_err("ext2 on %s: can be mounted read-only only (features %#x)", es->bdev->name,
			s->s_feature_ro_compat & ~EXT2_RO_COMPAT_KNOWN);
		return -EINVAL;
	}
	return 0;
}

/* Sizes and numbers of the super block, each in its range. 0, -EINVAL, -EUCLEAN. */
static int load_geometry(struct ext2_sb *es, const struct ext2_super_disk *s)
{
	uint64_t device = es->bdev->nsectors << SECTOR_SHIFT, itable;

	if (s->s_log_block_size > EXT2_LOG_BLOCK_MAX)
		return -EINVAL;
	es->bs_bits = 10 + s->s_log_block_size;
	es->bs = 1u << es->bs_bits;
	es->ptrs_bits = es->bs_bits - 2;
	es->inode_size = s->s_rev_level ? s->s_inode_size : EXT2_INODE_OLD_SIZE;
	es->first_ino = s->s_rev_level ? s->s_first_ino : 11;
	es->blocks_count = s->s_blocks_count;
	es->inodes_count = s->s_inodes_count;
	es->first_data_block = s->s_first_data_block;
	es->blocks_per_group = s->s_blocks_per_group;
	es->inodes_per_group = s->s_inodes_per_group;
	es->root_reserved = s->s_r_blocks_count;
	es->filetype = s->s_rev_level && (s->s_feature_incompat & EXT2_INCOMPAT_FILETYPE);

	if (es->inode_size < EXT2_INODE_OLD_SIZE || es->inode_size > es->bs ||
		(es->inode_size & (es->inode_size - 1)))
		return -EUCLEAN;
	if (es->first_data_block != (es->bs == 1024 ? 1u : 0u))
		return -EUCLEAN;
	if (es->blocks_count <= es->first_data_block + 1 ||
		(uint64_t)es->blocks_count << es->bs_bits > device)
		return -EUCLEAN;
	if (!es->blocks_per_group || es->blocks_per_group > es->bs * 8 ||
		es->blocks_per_group % 8 || !es->inodes_per_group ||
		es->inodes_per_group > es->bs * 8)
		return -EUCLEAN;
	es->ngroups = DIV_ROUND_UP(es->blocks_count - es->first_data_block, es->blocks_per_group);
	itable = DIV_ROUND_UP((uint64_t)es->inodes_per_group * es->inode_size, es->bs);
	if (itable >= es->blocks_per_group)
		return -EUCLEAN;
	es->itable_blocks = (uint32_t)itable;
	es->desc_blocks = (uint32_t)DIV_ROUND_UP((uint64_t)es->ngroups * EXT2_DESC_SIZE, es->bs);
	if ((uint64_t)es->inodes_per_group * es->ngroups != es->inodes_count)
		return -EUCLEAN;
	if (es->first_ino <= EXT2_ROOT_INO || es->first_ino > es->inodes_count)
		return -EUCLEAN;
	return 0;
}

/* The longest file: what three levels address, and what i_blocks can count (2 TiB with the indirect
 * blocks). */
static uint64_t max_file_size(const struct ext2_sb *es)
{
	uint64_t p = 1ull << es->ptrs_bits;
	uint64_t addressed = (EXT2_NDIR + p + p * p + p * p * p) << es->bs_bits;
	uint64_t counted = (uint64_t)UINT32_MAX << SECTOR_SHIFT;

	counted -= counted / (p - 1) + es->bs * 4;
	return MIN(addressed, counted) & ~(uint64_t)(es->bs - 1);
}

/* Is [block, +n) inside the group's blocks and behind its head? */
static bool in_group(const struct ext2_sb *es, uint32_t g, uint32_t block, uint32_t n)
{
	uint32_t first = ext2_group_first_block(es, g), len = ext2_group_blocks(es, g);

	return block >= first && block - first >= es->groups[g].head_blocks &&
	       block - first < len && n <= len - (block - first);
}

static int check_group(const struct ext2_sb *es, uint32_t g)
{
	const struct ext2_group *gr = &es->groups[g];

	if (!in_group(es, g, gr->block_bitmap, 1) || !in_group(es, g, gr->inode_bitmap, 1) ||
		!in_group(es, g, gr->inode_table, es->itable_blocks))
		return -EUCLEAN;
	if (gr->block_bitmap == gr->inode_bitmap ||
		gr->block_bitmap - gr->inode_table < es->itable_blocks ||
		gr->inode_bitmap - gr->inode_table < es->itable_blocks)
		return -EUCLEAN;
	if (gr->free_blocks > ext2_group_blocks(es, g) || gr->free_inodes > es->inodes_per_group ||
		gr->used_dirs > es->inodes_per_group)
		return -EUCLEAN;
	return 0;
}

/* The descriptor of group g in the volume's primary table. => lock held */
static struct ext2_group_disk *desc_get(struct ext2_sb *es, uint32_t g, struct ext2_meta *m)
{
	uint32_t per_block = es->bs / EXT2_DESC_SIZE;
	int err = ext2_meta_get(es, es->first_data_block + 1 + g / per_block, m);

	if (err)
		return ERR_PTR(err);
	return (struct ext2_group_disk *)m->data + g % per_block;
}

static int load_groups(struct ext2_sb *es, const struct ext2_super_disk *s)
{
	bool sparse = s->s_rev_level && (s->s_feature_ro_compat & EXT2_RO_COMPAT_SPARSE_SUPER);
	uint32_t growth = s->s_rev_level && (s->s_feature_compat & EXT2_COMPAT_RESIZE_INODE)
				  ? s->s_reserved_gdt_blocks
				  : 0;

	es->overhead = es->first_data_block;
	for (uint32_t g = 0; g < es->ngroups; g++) {
		struct ext2_group *gr = &es->groups[g];
		struct ext2_meta m;
		const struct ext2_group_disk *d = desc_get(es, g, &m);
		int err;

		if (IS_ERR(d))
			return (int)PTR_ERR(d);
		gr->head_blocks = group_has_super(sparse, g) ? 1 + es->desc_blocks + growth : 0;
		gr->block_bitmap = d->bg_block_bitmap;
		gr->inode_bitmap = d->bg_inode_bitmap;
		gr->inode_table = d->bg_inode_table;
		gr->free_blocks = d->bg_free_blocks_count;
		gr->free_inodes = d->bg_free_inodes_count;
		gr->used_dirs = d->bg_used_dirs_count;
		ext2_meta_put(&m);
		err = check_group(es, g);
		if (err) {
			klog_err("ext2 on %s: group %u is damaged", es->bdev->name, g);
			return err;
		}
		es->free_blocks += gr->free_blocks;
		es->free_inodes += gr->free_inodes;
		es->overhead += gr->head_blocks + 2 + es->itable_blocks;
	}
	return 0;
}

/* Counters and changed descriptors into their pages. => lock held */
static int store_super(struct ext2_sb *es)
{
	struct ext2_super_disk *s = es->super;

	for (uint32_t g = 0; g < es->ngroups; g++) {
		struct ext2_group *gr = &es->groups[g];
		struct ext2_group_disk *d;
		struct ext2_meta m;

		if (!gr->dirty)
			continue;
		d = desc_get(es, g, &m);
		if (IS_ERR(d))
			return (int)PTR_ERR(d);
		d->bg_free_blocks_count = (uint16_t)gr->free_blocks;
		d->bg_free_inodes_count = (uint16_t)gr->free_inodes;
		d->bg_used_dirs_count = (uint16_t)gr->used_dirs;
		ext2_meta_dirty(es, &m);
		ext2_meta_put(&m);
		gr->dirty = false;
	}
	if (!es->super_dirty)
		return 0;
	s->s_free_blocks_count = (uint32_t)es->free_blocks;
	s->s_free_inodes_count = (uint32_t)es->free_inodes;
	s->s_wtime = ext2_now();
	block_page_dirty(es->super_page, EXT2_SUPER_OFFSET, sizeof(*s));
	es->super_dirty = false;
	return 0;
}

/* Everything in the device's cache to the device. */
static int flush_device(struct ext2_sb *es)
{
	int err = cache_write_back(es->bdev->object, 0, UINT64_MAX);

	return err ? err : block_flush(es->bdev);
}

static int ext2_sync(struct superblock *sb)
{
	struct ext2_sb *es = ext2_sb(sb);
	bool writable;
	int err = 0;

	mutex_lock(&es->lock);
	writable = es->writable;
	if (writable)
		err = store_super(es);
	ext2_meta_drop_slots(es);
	mutex_unlock(&es->lock);
	if (!err && writable)
		err = flush_device(es);
	return err;
}

/* From now on the volume may be changed; it says so. */
static int start_writing(struct ext2_sb *es)
{
	struct ext2_super_disk *s = es->super;

	if (es->bdev->read_only)
		return -EROFS;
	mutex_lock(&es->lock);
	es->mount_state = s->s_state;
	s->s_state &= (uint16_t)~EXT2_STATE_VALID;
	s->s_mtime = ext2_now();
	s->s_mnt_count++;
	es->super_dirty = true;
	es->writable = true;
	mutex_unlock(&es->lock);
	if (!(es->mount_state & EXT2_STATE_VALID))
		klog_warn("ext2 on %s: was not cleanly unmounted, run e2fsck", es->bdev->name);
	return ext2_sync(es->sb);
}

/* The volume is whole and says so; it is not changed after this. */
static int stop_writing(struct ext2_sb *es)
{
	int err;

	mutex_lock(&es->lock);
	es->super->s_state = es->mount_state;
	es->super_dirty = true;
	mutex_unlock(&es->lock);
	err = ext2_sync(es->sb);
	if (!err)
		es->writable = false;
	return err;
}

static int ext2_statfs(struct superblock *sb, struct fs_statfs *st)
{
	struct ext2_sb *es = ext2_sb(sb);

	mutex_lock(&es->lock);
	*st = (struct fs_statfs){
		.type = EXT2_STATFS_TYPE,
		.bsize = es->bs,
		.blocks = es->blocks_count - es->overhead,
		.bfree = es->free_blocks > es->reserved ? es->free_blocks - es->reserved : 0,
		.files = es->inodes_count,
		.ffree = es->free_inodes,
		.namelen = EXT2_NAME_MAX,
	};
	st->bavail = st->bfree > es->root_reserved ? st->bfree - es->root_reserved : 0;
	mutex_unlock(&es->lock);
	return 0;
}

static int ext2_remount(struct superblock *sb, bool read_only)
{
	struct ext2_sb *es = ext2_sb(sb);
	int err = 0;

	if (read_only && es->writable) {
		err = stop_writing(es);
	} else if (!read_only && !es->writable) {
		err = check_features(es, es->super, false);
		if (!err)
			err = start_writing(es);
	}
	if (!err)
		sb->read_only = read_only;
	return err;
}

static void sb_free(struct ext2_sb *es)
{
	ext2_meta_drop_slots(es);
	if (es->super_page)
		cache_put(es->super_page);
	cache_drop_clean(es->bdev->object);
	kfree(es->groups);
	kfree(es);
}

static void ext2_unmount(struct superblock *sb)
{
	struct ext2_sb *es = ext2_sb(sb);

	if (es->writable && stop_writing(es))
		klog_err("ext2 on %s: the last write failed", es->bdev->name);
	sb->priv = NULL;
	sb_free(es);
}

static const struct superblock_ops ext2_super_ops = {
	.evict = ext2_evict,
	.write_inode = ext2_write_inode,
	.sync = ext2_sync,
	.statfs = ext2_statfs,
	.remount = ext2_remount,
	.unmount = ext2_unmount,
};

/* Read and check everything but the root directory. */
static int sb_load(struct ext2_sb *es, bool read_only)
{
	struct ext2_super_disk *s;
	int err;

	if (es->bdev->nsectors < 2 * EXT2_SUPER_OFFSET / SECTOR_SIZE)
		return -EINVAL;
	err = cache_get(es->bdev->object, 0, 0, &es->super_page);
	if (err)
		return err;
	s = (struct ext2_super_disk *)((char *)page_virt(es->super_page) + EXT2_SUPER_OFFSET);
	es->super = s;
	if (s->s_magic != EXT2_MAGIC)
		return -EINVAL;
	err = check_features(es, s, read_only);
	if (!err)
		err = load_geometry(es, s);
	if (err)
		return err;
	es->max_size = max_file_size(es);
	es->mount_state = s->s_state;
	es->next_generation = s->s_wtime ^ s->s_mtime << 16;
	es->groups = kzalloc(es->ngroups * sizeof(*es->groups), 0);
	if (!es->groups)
		return -ENOMEM;
	mutex_lock(&es->lock);
	err = load_groups(es, s);
	mutex_unlock(&es->lock);
	return err;
}

static int mount_root_dir(struct superblock *sb)
{
	struct inode *root = ext2_iget(sb, EXT2_ROOT_INO);

	if (IS_ERR(root))
		return PTR_ERR(root) == -EIO ? -EUCLEAN : (int)PTR_ERR(root);
	if (!S_ISDIR(root->mode)) {
		inode_put(root);
		return -EUCLEAN;
	}
	sb->root = root;
	return 0;
}

static int ext2_mount(
	struct block_device *bdev, bool read_only, const char *data, struct superblock **out)
{
	struct superblock *sb;
	struct ext2_sb *es;
	int err;

	if (data && *data)
		return -EINVAL;
	sb = superblock_alloc("ext2", &ext2_super_ops);
	if (IS_ERR(sb))
		return (int)PTR_ERR(sb);
	err = -ENOMEM;
	es = kzalloc(sizeof(*es), 0);
	if (!es)
		goto out_sb;
	mutex_init(&es->lock, RANK_FS_META, "ext2");
	es->sb = sb;
	es->bdev = bdev;
	sb->priv = es;
	sb->bdev = bdev;
	sb->devno = bdev->devno;
	sb->read_only = read_only;
	err = sb_load(es, read_only);
	if (err)
		goto out_es;
	sb->max_size = es->max_size;
	err = mount_root_dir(sb);
	if (err)
		goto out_es;
	if (!read_only)
		err = start_writing(es);
	if (err)
		goto out_root;
	*out = sb;
	return 0;
out_root:
	es->writable = false;
	inode_put(sb->root);
out_es:
	sb_free(es);
out_sb:
	superblock_free(sb);
	return err;
}

static struct fs_type ext2_type = {
	.name = "ext2",
	.needs_device = true,
	.mount = ext2_mount,
};

void ext2_init(void)
{
	fs_register(&ext2_type);
}
