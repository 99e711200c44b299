/*
 * Freeing the blocks of an inode from a logical block on.
 *
 * The tree is walked from the top. An indirect block that goes away as a whole is freed in the
 * bitmap *before* its entries are followed: a lying volume may make indirect blocks name each other
 * or themselves, and a block that is free already is not followed a second time, so the work is
 * bounded by the number of blocks. Its page stays pinned meanwhile, and es->lock keeps everybody
 * from taking the block again.
 *
 * Errors do not stop the walk: what can be freed is freed, the first error is returned.
 */
#include "fs/ext2/ext2_priv.h"

#include "lib/assert.h"
#include "sched/sched.h"

struct walk {
	struct inode *inode;
	uint64_t from; /* first logical block to go */
	bool meta;     /* data blocks are in the device's cache (directories, symbolic links) */
	int err;
};

static void note(struct walk *w, int err)
{
	if (err && !w->err)
		w->err = err;
}

/* Free one block in the bitmap. false: it was not ours to free. */
static bool free_one(struct walk *w, uint32_t block, bool meta)
{
	struct ext2_sb *es = ext2_of(w->inode);
	uint64_t units = 1ull << (es->bs_bits - SECTOR_SHIFT);
	int err;

	if (meta && ext2_block_ok(es, block))
		ext2_meta_forget(es, block);
	err = ext2_block_free(es, block);
	note(w, err);
	if (err)
		return false;
	w->inode->blocks -= MIN(units, w->inode->blocks);
	return true;
}

/* Logical blocks below an entry of a table of that level (0: the entry is a data block). */
static uint64_t span(const struct ext2_sb *es, unsigned level)
{
	return 1ull << (es->ptrs_bits * level);
}

/* *slot covers logical blocks from base on; free what lies at or after w->from. Returns true when
 * *slot changed. */
static bool free_tree(struct walk *w, uint32_t *slot, unsigned level, uint64_t base)
{
	struct ext2_sb *es = ext2_of(w->inode);
	uint32_t block = *slot, n = 1u << es->ptrs_bits;
	bool whole = base >= w->from, changed = false;
	struct ext2_meta m;
	int err;

	if (!block || base + span(es, level) <= w->from)
		return false;
	if (level == 0) {
		*slot = 0;
		free_one(w, block, w->meta);
		return true;
	}
	err = ext2_block_ok(es, block) ? ext2_meta_get(es, block, &m)
				       : ext2_corrupt(es, "indirect block %u", block);
	note(w, err);
	if (whole)
		*slot = 0;
	if (err)
		return whole;
	if (!whole || free_one(w, block, true)) {
		uint32_t *tab = (uint32_t *)m.data;

		for (uint32_t i = 0; i < n; i++) {
			uint32_t entry = tab[i];

			/* A block that is free already keeps its bytes: only the copy changes. */
			if (entry && free_tree(w, whole ? &entry : &tab[i], level - 1,
					     base + i * span(es, level - 1)))
				changed = true;
		}
		if (changed && !whole)
			ext2_meta_dirty(es, &m);
	}
	ext2_meta_put(&m);
	cond_resched();
	return whole;
}

int ext2_free_from(struct inode *inode, uint64_t from, bool meta)
{
	struct ext2_sb *es = ext2_of(inode);
	struct ext2_inode *ei = ext2_i(inode);
	struct walk w = {.inode = inode, .from = from, .meta = meta};
	uint64_t base = 0;
	bool changed = false;

	dassert(mutex_held(&es->lock));
	for (unsigned i = 0; i < EXT2_NBLOCKS; i++) {
		unsigned level = i < EXT2_NDIR ? 0 : i - EXT2_NDIR + 1;

		changed |= free_tree(&w, &ei->block[i], level, base);
		base += span(es, level);
	}
	ei->last_pb = 0;
	if (changed)
		ext2_inode_dirty(inode);
	return w.err;
}
