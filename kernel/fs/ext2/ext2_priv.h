/*
 * ext2 in memory: what the files of this folder share.
 *
 *	namei, dir, dirindex   names                     data, setattr, inode   contents, inodes
 *	           \                                       /
 *	            bmap (logical block -> block), truncate
 *	                     |
 *	            balloc, ialloc (bitmaps)       super (mount, sync)
 *	                     |                       /
 *	            meta (blocks inside pages of the device's object)
 *
 * One mutex per volume, es->lock (35), guards the block maps, the bitmaps, the counters, all link
 * counts. Contents of a directory are guarded by the directory's own lock (21).
 * Fields: (35) es->lock, (21) the directory's lock, (c) constant, (30) the inode's lock.
 *
 * Nothing on the volume is trusted: every block number is checked where it is used
 * (ext2_block_ok), every directory record before it is read, every inode when it is loaded. What is
 * wrong ends in -EIO for the caller and a line in the log, at mount in -EUCLEAN or -EINVAL.
 */
#ifndef EXT2_PRIV_H
#define EXT2_PRIV_H

#include "dev/block.h"
#include "fs/ext2/ext2_disk.h"
#include "fs/inode.h"
#include "sync/mutex.h"

struct ext2_dirindex;
struct dir_sink;

struct ext2_group {
	uint32_t block_bitmap, inode_bitmap, inode_table; /* (c) block numbers */
	uint32_t head_blocks; /* (c) super block and descriptors at the start; 0: no copy here */
	uint32_t free_blocks, free_inodes, used_dirs; /* (35) */
	uint32_t block_hint, inode_hint;	      /* (35) no free bit below */
	bool dirty;				      /* (35) differs from the volume */
};

#define EXT2_META_SLOTS 16

struct ext2_sb {
	struct superblock *sb;	   /* (c) */
	struct block_device *bdev; /* (c) */
	struct mutex lock;	   /* rank 35 */

	uint32_t bs, bs_bits;			      /* (c) block size */
	uint32_t ptrs_bits;			      /* (c) log2 of block numbers in a block */
	uint32_t blocks_count, inodes_count;	      /* (c) */
	uint32_t first_data_block;		      /* (c) */
	uint32_t blocks_per_group, inodes_per_group;  /* (c) */
	uint32_t inode_size, first_ino;		      /* (c) */
	uint32_t ngroups, desc_blocks, itable_blocks; /* (c) */
	uint32_t overhead;			      /* (c) blocks that hold no data ever */
	bool filetype;				      /* (c) */
	uint32_t root_reserved;			      /* (c) blocks that only root may take */
	uint64_t max_size;			      /* (c) */

	struct ext2_group *groups;
	uint64_t free_blocks, free_inodes;   /* (35) sums over the groups */
	uint64_t reserved;		     /* (35) blocks promised to dirty pages of holes */
	uint16_t mount_state;		     /* (35) s_state to leave behind at unmount */
	bool writable;			     /* (35) the volume may be changed now */
	unsigned complaints;		     /* (a) lines of ext2_corrupt so far */
	bool super_dirty;		     /* (35) */
	uint32_t next_generation;	     /* (35) */
	struct page *super_page;	     /* (c) pinned */
	struct ext2_super_disk *super;	     /* (35) in super_page */
	struct page *slots[EXT2_META_SLOTS]; /* (35) pinned pages used a moment ago, by index */
};

struct ext2_inode {
	struct inode *inode;	       /* (c) */
	uint32_t block[EXT2_NBLOCKS];  /* (35) */
	uint32_t flags;		       /* (35) i_flags */
	uint32_t generation, file_acl; /* (35) */
	uint32_t dtime;		       /* (35) */
	bool on_disk;		     /* (35) the slot in the table holds it, not just the bitmap */
	uint64_t last_lb;	     /* (35) last block allocated: logical */
	uint32_t last_pb;	     /* (35) ... and on the volume; 0: none */
	struct radix reserved;	     /* (35) page index -> blocks promised */
	struct ext2_dirindex *index; /* (21, made under 35) names of a directory, or NULL */
};

static inline struct ext2_sb *ext2_sb(const struct superblock *sb)
{
	return sb->priv;
}
static inline struct ext2_inode *ext2_i(const struct inode *inode)
{
	return inode->priv;
}
static inline struct ext2_sb *ext2_of(const struct inode *inode)
{
	return inode->sb->priv;
}

/* super.c */
/* One line in the log: the volume contradicts itself. Returns -EIO. */
__printf(2, 3) int ext2_corrupt(struct ext2_sb *es, const char *fmt, ...);
/* A feature that a new file needs (large_file) is entered in the super block. => lock held */
void ext2_need_large_file(struct ext2_sb *es);
uint32_t ext2_now(void);

/* meta.c: blocks inside pages of the device's object. => lock held unless said otherwise */
struct ext2_meta {
	struct page *pg; /* pinned */
	uint8_t *data;	 /* the block */
	uint32_t offset; /* of the block in the page */
};
/* 0, -EIO, -ENOMEM. The block number was checked. */
int __must_check ext2_meta_get(struct ext2_sb *es, uint32_t block, struct ext2_meta *m);
/* The same without es->lock and without the slots. */
int __must_check ext2_meta_get_unlocked(struct ext2_sb *es, uint32_t block, struct ext2_meta *m);
/* A block that was just allocated: reads as zero, dirty. */
int __must_check ext2_meta_new(struct ext2_sb *es, uint32_t block, struct ext2_meta *m);
void ext2_meta_put(struct ext2_meta *m);
/* After a change of [data + from, + len). Needs no lock. */
void ext2_meta_dirty(struct ext2_sb *es, struct ext2_meta *m);
/* The block is about to be free: it is never written from here again. */
void ext2_meta_forget(struct ext2_sb *es, uint32_t block);
void ext2_meta_drop_slots(struct ext2_sb *es);

/* balloc.c. => lock held */
/* Is it a block that a file may own? */
bool ext2_block_ok(const struct ext2_sb *es, uint32_t block);
uint32_t ext2_group_of_block(const struct ext2_sb *es, uint32_t block);
uint32_t ext2_group_first_block(const struct ext2_sb *es, uint32_t g);
uint32_t ext2_group_blocks(const struct ext2_sb *es, uint32_t g);
/* A free block at or after goal; 0 and *out, -ENOSPC, -EIO, -ENOMEM. */
int __must_check ext2_block_alloc(struct ext2_sb *es, uint32_t goal, uint32_t *out);
/* 0, or -EIO when it is no block of a file or already free (nothing is changed then). */
int ext2_block_free(struct ext2_sb *es, uint32_t block);
/* The first zero bit in [from, to) of a little-endian bitmap, or `to`. */
uint32_t ext2_find_zero(const uint8_t *map, uint32_t from, uint32_t to);

/* ialloc.c. => lock held */
int __must_check ext2_inode_number_alloc(
	struct ext2_sb *es, uint32_t parent_group, bool is_dir, uint32_t *out);
int ext2_inode_number_free(struct ext2_sb *es, uint32_t ino, bool is_dir);

/* bmap.c. => lock held */
/*
 * Where do logical blocks from lb on lie? *pb and the number of blocks (1 .. max) that continue
 * there; *pb = 0: that many are holes. -EIO, -EFBIG (beyond what an inode can address).
 */
int __must_check ext2_bmap(
	struct inode *inode, uint64_t lb, uint32_t max, uint32_t *pb, uint32_t *run);
/*
 * The same for one block, allocating it and what is missing on the way: all or nothing.
 * *fresh: the block was allocated now; its content is undefined. 0, -ENOSPC, -EFBIG, -EIO, -ENOMEM.
 */
int __must_check ext2_bmap_alloc(struct inode *inode, uint64_t lb, uint32_t *pb, bool *fresh);
/* How many indirect blocks are missing on the way to lb. */
int __must_check ext2_bmap_missing(struct inode *inode, uint64_t lb, uint32_t *missing);
/* Splits lb into the indexes of each level; returns the depth 1..4, or 0: beyond the end. */
unsigned ext2_bmap_path(const struct ext2_sb *es, uint64_t lb, uint32_t idx[4]);

/* truncate.c */
/* Free all blocks from logical block `from` on. meta: they are directory blocks. => lock held */
int ext2_free_from(struct inode *inode, uint64_t from, bool meta);

/* data.c */
extern const struct vm_object_ops ext2_object_ops;
/* inode_ops.map_direct. -EIO, -EROFS (writing was given up after an error). */
int ext2_map_direct(
	struct inode *inode, uint64_t off, uint64_t max, bool write, struct direct_run *run);
/* Give back promises for pages from `first` on. => lock held */
void ext2_unreserve_from(struct inode *inode, pgidx_t first);

/* inode.c */
/* The inode with that number, checked. ERR_PTR(-EIO, -ENOMEM). => no lock of rank 35 held */
struct inode *ext2_iget(struct superblock *sb, uint32_t ino);
/* A new inode with number, bitmap bit and fields set, hashed; nlink 1 (2: directory). ERR_PTR. */
struct inode *ext2_inode_new(struct inode *dir, uint32_t mode, uint32_t rdev);
/* Take back one that did not get a name: nlink 0, so that the put frees it. */
void ext2_inode_abandon(struct inode *inode);
/* The inode differs from the volume: sync and eviction will store it. */
static inline void ext2_inode_dirty(struct inode *inode)
{
	WRITE_ONCE(inode->dirty, true);
}
/* Write it to its place in the table. => lock held */
int ext2_inode_store(struct inode *inode);
void ext2_evict(struct inode *inode);
int ext2_write_inode(struct inode *inode);
int ext2_setattr(struct inode *inode, const struct inode_attr *attr);

/* dir.c, dirindex.c. => the directory's lock held (read for find, write for changes), not 35 */
int __must_check ext2_dir_find(struct inode *dir, const char *name, size_t len, uint32_t *ino);
int __must_check ext2_dir_insert(
	struct inode *dir, const char *name, size_t len, const struct inode *inode);
/* Removes the entry of that name, which must lead to ino. -ENOENT, -EIO. */
int __must_check ext2_dir_remove(struct inode *dir, const char *name, size_t len, uint32_t ino);
/* Is there a ".." as the second entry? If parent is not NULL it leads there afterwards. -EIO.
 * => any lock state of dir */
int __must_check ext2_dir_parent(struct inode *dir, const struct inode *parent);
/* Makes the entry of that name lead to another inode. */
int __must_check ext2_dir_replace(
	struct inode *dir, const char *name, size_t len, const struct inode *inode);
/* First block of a new directory. */
int __must_check ext2_dir_make_empty(struct inode *dir, const struct inode *parent);
/* 0 if only "." and ".." are there, -ENOTEMPTY, -EIO. */
int __must_check ext2_dir_check_empty(struct inode *dir);
int ext2_readdir(struct file *f, struct dir_sink *sink);
extern const struct file_ops ext2_dir_fops;

/* The index: where the names of a directory are (dirindex.c). */
struct ext2_dirindex *ext2_dirindex_create(void);
void ext2_dirindex_destroy(struct ext2_dirindex *ix);
uint32_t ext2_name_hash(const char *name, size_t len);
int __must_check ext2_dirindex_add(struct ext2_dirindex *ix, uint32_t hash, uint64_t off);
void ext2_dirindex_remove(struct ext2_dirindex *ix, uint32_t hash, uint64_t off);
/* The offsets stored under hash, one after another; *cursor = 0 at first. false: no more. */
bool ext2_dirindex_next(
	const struct ext2_dirindex *ix, uint32_t hash, uint32_t *cursor, uint64_t *off);
/* Where the search for room begins: there is none before that is worth looking for. */
uint64_t ext2_dirindex_hint(const struct ext2_dirindex *ix);
void ext2_dirindex_set_hint(struct ext2_dirindex *ix, uint64_t off);

/* namei.c, symlink.c */
extern const struct inode_ops ext2_dir_ops, ext2_file_ops, ext2_special_ops, ext2_symlink_ops;
int __must_check ext2_symlink_store(struct inode *inode, const char *target, size_t len);

#endif
