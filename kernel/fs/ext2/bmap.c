/*
 * The block map of an inode: logical block -> block of the volume.
 *
 *	block[0..11]  direct
 *	block[12]     -> indirect block of 2^ptrs_bits block numbers
 *	block[13]     -> of indirect blocks;  block[14] -> one level more
 *
 * 0 is a hole at any level. All under es->lock. Numbers that no file can own are -EIO wherever they
 * turn up; a chain cannot loop, since its depth is given by the logical block.
 */
#include "fs/ext2/ext2_priv.h"

#include "lib/assert.h"

unsigned ext2_bmap_path(const struct ext2_sb *es, uint64_t lb, uint32_t idx[4])
{
	uint32_t bits = es->ptrs_bits, mask = (1u << bits) - 1;

	if (lb < EXT2_NDIR) {
		idx[0] = (uint32_t)lb;
		return 1;
	}
	lb -= EXT2_NDIR;
	for (unsigned level = 1; level <= 3; level++) {
		if (lb >> (bits * level) == 0) {
			idx[0] = EXT2_NDIR + level - 1;
			for (unsigned i = 1; i <= level; i++)
				idx[i] = (uint32_t)(lb >> (bits * (level - i))) & mask;
			return level + 1;
		}
		lb -= 1ull << (bits * level);
	}
	return 0;
}

static int check_block(struct inode *inode, uint32_t block)
{
	struct ext2_sb *es = ext2_of(inode);

	if (!block || ext2_block_ok(es, block))
		return 0;
	return ext2_corrupt(es, "inode %llu names block %u, which no file can own",
		(unsigned long long)inode->ino, block);
}

/* How many entries of tab[at .. n) continue the first one (next blocks, or holes)? */
static uint32_t run_length(const uint32_t *tab, uint32_t at, uint32_t n)
{
	uint32_t len = 1, first = tab[at];

	while (at + len < n && tab[at + len] == (first ? first + len : 0))
		len++;
	return len;
}

int ext2_bmap(struct inode *inode, uint64_t lb, uint32_t max, uint32_t *pb, uint32_t *run)
{
	struct ext2_sb *es = ext2_of(inode);
	struct ext2_inode *ei = ext2_i(inode);
	uint32_t idx[4], block, len;
	unsigned depth = ext2_bmap_path(es, lb, idx);
	int err;

	dassert(mutex_held(&es->lock));
	if (!depth)
		return -EFBIG;
	block = ei->block[idx[0]];
	len = depth == 1 ? run_length(ei->block, idx[0], MIN(idx[0] + max, (uint32_t)EXT2_NDIR))
			 : 1;
	for (unsigned i = 1; i < depth && block; i++) {
		struct ext2_meta m;
		const uint32_t *tab;
		uint32_t n = 1u << es->ptrs_bits;

		err = check_block(inode, block);
		if (!err)
			err = ext2_meta_get(es, block, &m);
		if (err)
			return err;
		tab = (const uint32_t *)m.data;
		block = tab[idx[i]];
		if (i == depth - 1)
			len = run_length(tab, idx[i], (uint32_t)MIN((uint64_t)idx[i] + max, n));
		ext2_meta_put(&m);
	}
	err = check_block(inode, block);
	/* A run must not reach into metadata: check its end too, else take it block by block. */
	if (!err && block && len > 1 &&
		(!ext2_block_ok(es, block + len - 1) ||
			ext2_group_of_block(es, block) != ext2_group_of_block(es, block + len - 1)))
		len = 1;
	*pb = block;
	*run = MIN(len, max);
	return err;
}

int ext2_bmap_missing(struct inode *inode, uint64_t lb, uint32_t *missing)
{
	struct ext2_sb *es = ext2_of(inode);
	uint32_t idx[4], block;
	unsigned depth = ext2_bmap_path(es, lb, idx);

	if (!depth)
		return -EFBIG;
	block = ext2_i(inode)->block[idx[0]];
	for (unsigned i = 1; i < depth; i++) {
		struct ext2_meta m;
		int err;

		if (!block) {
			*missing = depth - i;
			return 0;
		}
		err = check_block(inode, block);
		if (!err)
			err = ext2_meta_get(es, block, &m);
		if (err)
			return err;
		block = ((const uint32_t *)m.data)[idx[i]];
		ext2_meta_put(&m);
	}
	*missing = 0;
	return 0;
}

/* Where a new block of the inode should lie: after the last one, else in the inode's group. */
static uint32_t alloc_goal(const struct inode *inode, uint64_t lb)
{
	const struct ext2_sb *es = ext2_of(inode);
	const struct ext2_inode *ei = ext2_i(inode);
	uint32_t g;

	if (ei->last_pb && lb >= ei->last_lb && lb - ei->last_lb < 64)
		return ei->last_pb + (uint32_t)(lb - ei->last_lb);
	if (lb > 0 && lb < EXT2_NDIR && ei->block[lb - 1])
		return ei->block[lb - 1] + 1;
	g = (uint32_t)(inode->ino - 1) / es->inodes_per_group;
	return ext2_group_first_block(es, g);
}

/* The blocks that a missing tail of the path needs, and the pages of the indirect ones. */
struct new_path {
	uint32_t blocks[4];
	struct ext2_meta metas[4];
	unsigned count;	 /* blocks taken */
	unsigned nmetas; /* pages got: of blocks[0 .. count - 2] */
};

static void new_path_undo(struct ext2_sb *es, struct new_path *np)
{
	for (unsigned i = 0; i < np->nmetas; i++) {
		ext2_meta_put(&np->metas[i]);
		ext2_meta_forget(es, np->blocks[i]);
	}
	for (unsigned i = 0; i < np->count; i++)
		ext2_block_free(es, np->blocks[i]);
}

static int new_path_take(struct ext2_sb *es, struct new_path *np, unsigned n, uint32_t goal)
{
	int err;

	np->count = 0;
	np->nmetas = 0;
	while (np->count < n) {
		err = ext2_block_alloc(es, goal, &np->blocks[np->count]);
		if (err)
			goto undo;
		goal = np->blocks[np->count++] + 1;
	}
	while (np->nmetas + 1 < n) {
		err = ext2_meta_new(es, np->blocks[np->nmetas], &np->metas[np->nmetas]);
		if (err)
			goto undo;
		np->nmetas++;
	}
	return 0;
undo:
	new_path_undo(es, np);
	return err;
}

/* Link the chain bottom-up; cannot fail. Entry `slot` (in the inode or in parent) gets the top. */
static void new_path_link(struct inode *inode, struct new_path *np, const uint32_t *idx,
	uint32_t *slot, struct ext2_meta *parent)
{
	struct ext2_sb *es = ext2_of(inode);

	for (unsigned i = 0; i < np->nmetas; i++) {
		((uint32_t *)np->metas[i].data)[idx[i + 1]] = np->blocks[i + 1];
		ext2_meta_dirty(es, &np->metas[i]);
		ext2_meta_put(&np->metas[i]);
	}
	*slot = np->blocks[0];
	if (parent)
		ext2_meta_dirty(es, parent);
	inode->blocks += (uint64_t)np->count << (es->bs_bits - SECTOR_SHIFT);
	ext2_inode_dirty(inode);
}

int ext2_bmap_alloc(struct inode *inode, uint64_t lb, uint32_t *pb, bool *fresh)
{
	struct ext2_sb *es = ext2_of(inode);
	struct ext2_inode *ei = ext2_i(inode);
	uint32_t idx[4], *slot;
	unsigned depth = ext2_bmap_path(es, lb, idx), level = 0;
	struct ext2_meta m;
	struct new_path np;
	bool in_meta = false;
	int err = 0;

	dassert(mutex_held(&es->lock));
	if (!depth)
		return -EFBIG;
	slot = &ei->block[idx[0]];
	for (; *slot && level + 1 < depth; level++) {
		uint32_t block = *slot;

		if (in_meta)
			ext2_meta_put(&m);
		in_meta = false;
		err = check_block(inode, block);
		if (!err)
			err = ext2_meta_get(es, block, &m);
		if (err)
			return err;
		in_meta = true;
		slot = (uint32_t *)m.data + idx[level + 1];
	}
	*fresh = !*slot;
	if (*slot) {
		*pb = *slot;
		err = check_block(inode, *pb);
	} else {
		err = new_path_take(es, &np, depth - level, alloc_goal(inode, lb));
		if (!err) {
			*pb = np.blocks[np.count - 1];
			new_path_link(inode, &np, idx + level, slot, in_meta ? &m : NULL);
			ei->last_lb = lb;
			ei->last_pb = *pb;
		}
	}
	if (in_meta)
		ext2_meta_put(&m);
	return err;
}
