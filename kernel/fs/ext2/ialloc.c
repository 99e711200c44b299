/*
 * The inode bitmaps. A file goes into its parent's group, a directory into a group that has at
 * least its average share of free inodes and the most free blocks, so that directories spread and
 * files stay near their directory.
 */
#include "fs/ext2/ext2_priv.h"

#include "lib/assert.h"

/* Where a new directory goes: at least the average of free inodes, then the most free blocks. */
static uint32_t group_for_dir(const struct ext2_sb *es, uint32_t parent_group)
{
	uint64_t average = es->free_inodes / es->ngroups;
	uint32_t best = parent_group, best_blocks = 0;

	for (uint32_t g = 0; g < es->ngroups; g++) {
		const struct ext2_group *gr = &es->groups[g];

		if (!gr->free_inodes || gr->free_inodes < average)
			continue;
		if (gr->free_blocks > best_blocks) {
			best = g;
			best_blocks = gr->free_blocks;
		}
	}
	return best;
}

/* Inodes below first_ino are the file system's own, whatever the bitmap says. */
static uint32_t first_usable_bit(const struct ext2_sb *es, uint32_t g)
{
	uint64_t first = (uint64_t)g * es->inodes_per_group + 1;

	return first < es->first_ino ? (uint32_t)(es->first_ino - first) : 0;
}

/* 0, -ENOSPC (none in this group), -EIO, -ENOMEM. */
static int group_alloc(struct ext2_sb *es, uint32_t g, uint32_t *out)
{
	struct ext2_group *gr = &es->groups[g];
	uint32_t from = MAX(gr->inode_hint, first_usable_bit(es, g)), bit;
	struct ext2_meta m;
	int err = ext2_meta_get(es, gr->inode_bitmap, &m);

	if (err)
		return err;
	bit = ext2_find_zero(m.data, from, es->inodes_per_group);
	gr->inode_hint = bit;
	if (bit < es->inodes_per_group) {
		m.data[bit / 8] |= (uint8_t)(1u << (bit % 8));
		ext2_meta_dirty(es, &m);
		gr->inode_hint = bit + 1;
		*out = g * es->inodes_per_group + bit + 1;
	} else {
		err = -ENOSPC;
	}
	ext2_meta_put(&m);
	return err;
}

int ext2_inode_number_alloc(struct ext2_sb *es, uint32_t parent_group, bool is_dir, uint32_t *out)
{
	uint32_t g0 = is_dir ? group_for_dir(es, parent_group) : parent_group;

	dassert(mutex_held(&es->lock));
	if (!es->free_inodes)
		return -ENOSPC;
	for (uint32_t i = 0; i < es->ngroups; i++) {
		uint32_t g = (g0 + i) % es->ngroups;
		struct ext2_group *gr = &es->groups[g];
		int err;

		if (!gr->free_inodes)
			continue;
		err = group_alloc(es, g, out);
		if (err == -ENOSPC) {
			ext2_corrupt(es, "group %u has no free inode of %u", g, gr->free_inodes);
			es->free_inodes -= gr->free_inodes;
			gr->free_inodes = 0;
			gr->dirty = true;
			continue;
		}
		if (err)
			return err;
		gr->free_inodes--;
		gr->used_dirs += is_dir;
		gr->dirty = true;
		es->free_inodes--;
		es->super_dirty = true;
		return 0;
	}
	return -ENOSPC;
}

int ext2_inode_number_free(struct ext2_sb *es, uint32_t ino, bool is_dir)
{
	uint32_t g = (ino - 1) / es->inodes_per_group, bit = (ino - 1) % es->inodes_per_group;
	struct ext2_group *gr = &es->groups[g];
	struct ext2_meta m;
	int err;

	dassert(mutex_held(&es->lock));
	if (ino < es->first_ino || ino > es->inodes_count)
		return ext2_corrupt(es, "freeing inode %u", ino);
	err = ext2_meta_get(es, gr->inode_bitmap, &m);
	if (err)
		return err;
	if (!(m.data[bit / 8] >> (bit % 8) & 1)) {
		ext2_meta_put(&m);
		return ext2_corrupt(es, "inode %u is free already", ino);
	}
	m.data[bit / 8] &= (uint8_t) ~(1u << (bit % 8));
	ext2_meta_dirty(es, &m);
	ext2_meta_put(&m);
	gr->inode_hint = MIN(gr->inode_hint, bit);
	gr->free_inodes++;
	if (is_dir && gr->used_dirs)
		gr->used_dirs--;
	gr->dirty = true;
	es->free_inodes++;
	es->super_dirty = true;
	return 0;
}
