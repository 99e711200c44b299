/*
 * The block bitmaps: which blocks are free, and which no file may own at all.
 *
 * The counters of the groups steer the search, the bitmaps decide. A lying volume may show a block
 * of its own metadata as free: such a bit is set and passed over. A block that a file names is used
 * only if it lies on the volume and belongs to no group's metadata (ext2_block_ok); two files that
 * name the same block damage each other and nobody else, and the second one that frees it gets
 * -EIO.
 */
#include "fs/ext2/ext2_priv.h"

#include "lib/assert.h"
#include "lib/string.h"

uint32_t ext2_group_of_block(const struct ext2_sb *es, uint32_t block)
{
	return (block - es->first_data_block) / es->blocks_per_group;
}

uint32_t ext2_group_first_block(const struct ext2_sb *es, uint32_t g)
{
	return es->first_data_block + g * es->blocks_per_group;
}

uint32_t ext2_group_blocks(const struct ext2_sb *es, uint32_t g)
{
	return MIN(es->blocks_per_group, es->blocks_count - ext2_group_first_block(es, g));
}

bool ext2_block_ok(const struct ext2_sb *es, uint32_t block)
{
	const struct ext2_group *gr;
	uint32_t g, first;

	if (block <= es->first_data_block || block >= es->blocks_count)
		return false;
	g = ext2_group_of_block(es, block);
	gr = &es->groups[g];
	first = ext2_group_first_block(es, g);
	if (block == gr->block_bitmap || block == gr->inode_bitmap)
		return false;
	if (block >= gr->inode_table && block - gr->inode_table < es->itable_blocks)
		return false;
	return block - first >= gr->head_blocks;
}

uint32_t ext2_find_zero(const uint8_t *map, uint32_t from, uint32_t to)
{
	while (from < to) {
		uint64_t word;

		memcpy(&word, map + (from / 64) * 8, sizeof(word));
		word = ~word & (UINT64_MAX << (from % 64));
		if (word) {
			uint32_t bit = (from & ~63u) + (uint32_t)__builtin_ctzll(word);

			return MIN(bit, to);
		}
		from = (from & ~63u) + 64;
	}
	return to;
}

static bool bit_test(const uint8_t *map, uint32_t bit)
{
	return map[bit / 8] >> (bit % 8) & 1;
}

/*
 * Take a free block of group g at or after bit `from`, else before it. 0, -ENOSPC (none in this
 * group), -EIO, -ENOMEM.
 */
static int group_alloc(struct ext2_sb *es, uint32_t g, uint32_t from, uint32_t *out)
{
	struct ext2_group *gr = &es->groups[g];
	uint32_t nbits = ext2_group_blocks(es, g), first = ext2_group_first_block(es, g);
	struct ext2_meta m;
	int err = ext2_meta_get(es, gr->block_bitmap, &m);

	if (err)
		return err;
	err = -ENOSPC;
	if (from < gr->block_hint || from >= nbits)
		from = gr->block_hint;
	for (;;) {
		uint32_t bit = ext2_find_zero(m.data, from, nbits);

		if (bit < nbits) {
			m.data[bit / 8] |= (uint8_t)(1u << (bit % 8));
			ext2_meta_dirty(es, &m);
			if (bit == gr->block_hint)
				gr->block_hint = bit + 1;
			from = bit + 1;
			if (!ext2_block_ok(es, first + bit)) {
				ext2_corrupt(es, "bitmap of group %u shows metadata as free", g);
				continue;
			}
			*out = first + bit;
			err = 0;
			break;
		}
		if (from <= gr->block_hint) {
			gr->block_hint = nbits;
			break;
		}
		from = gr->block_hint;
	}
	ext2_meta_put(&m);
	return err;
}

int ext2_block_alloc(struct ext2_sb *es, uint32_t goal, uint32_t *out)
{
	uint32_t g0;

	dassert(mutex_held(&es->lock));
	if (!es->free_blocks)
		return -ENOSPC;
	if (goal < es->first_data_block || goal >= es->blocks_count)
		goal = es->first_data_block;
	g0 = ext2_group_of_block(es, goal);
	for (uint32_t i = 0; i < es->ngroups; i++) {
		uint32_t g = (g0 + i) % es->ngroups;
		uint32_t from = i ? 0 : goal - ext2_group_first_block(es, g);
		struct ext2_group *gr = &es->groups[g];
		int err;

		if (!gr->free_blocks)
			continue;
		err = group_alloc(es, g, from, out);
		if (!err) {
			gr->free_blocks--;
			gr->dirty = true;
			es->free_blocks--;
			es->super_dirty = true;
			return 0;
		}
		if (err != -ENOSPC)
			return err;
		/* The descriptor promised blocks that the bitmap has not. */
		ext2_corrupt(es, "group %u has no free block of %u", g, gr->free_blocks);
		es->free_blocks -= gr->free_blocks;
		gr->free_blocks = 0;
		gr->dirty = true;
	}
	return -ENOSPC;
}

int ext2_block_free(struct ext2_sb *es, uint32_t block)
{
	struct ext2_group *gr;
	struct ext2_meta m;
	uint32_t g, bit;
	int err;

	dassert(mutex_held(&es->lock));
	if (!ext2_block_ok(es, block))
		return ext2_corrupt(es, "freeing block %u, which no file can own", block);
	g = ext2_group_of_block(es, block);
	gr = &es->groups[g];
	bit = block - ext2_group_first_block(es, g);
	err = ext2_meta_get(es, gr->block_bitmap, &m);
	if (err)
		return err;
	if (!bit_test(m.data, bit)) {
		ext2_meta_put(&m);
		return ext2_corrupt(es, "block %u is free already", block);
	}
	m.data[bit / 8] &= (uint8_t) ~(1u << (bit % 8));
	ext2_meta_dirty(es, &m);
	ext2_meta_put(&m);
	gr->block_hint = MIN(gr->block_hint, bit);
	gr->free_blocks++;
	gr->dirty = true;
	es->free_blocks++;
	es->super_dirty = true;
	return 0;
}
