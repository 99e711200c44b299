/*
 * Metadata blocks: bytes inside pages of the device's object (block.h tells how a page with several
 * blocks is written back).
 *
 * An operation on a file touches the same few pages again and again (a bitmap, a piece of the inode
 * table, a directory block), so the last ones stay pinned in a small table of slots, indexed by
 * page; a hit costs one pin instead of a look-up under the object's lock. ext2_sync empties the
 * slots, so that drop_caches finds the pages unpinned.
 */
#include "fs/ext2/ext2_priv.h"

#include "lib/assert.h"
#include "lib/string.h"
#include "mm/cache.h"

static pgidx_t meta_page_index(const struct ext2_sb *es, uint32_t block)
{
	return ((uint64_t)block << es->bs_bits) >> PAGE_SHIFT;
}

static void meta_set(const struct ext2_sb *es, struct ext2_meta *m, struct page *pg, uint32_t block)
{
	m->pg = pg;
	m->offset = (uint32_t)(((uint64_t)block << es->bs_bits) & PAGE_MASK);
	m->data = (uint8_t *)page_virt(pg) + m->offset;
}

/* Put a page into its slot, which takes a pin of its own. */
static void slot_enter(struct ext2_sb *es, pgidx_t idx, struct page *pg)
{
	struct page **slot = &es->slots[idx % EXT2_META_SLOTS];

	if (*slot == pg)
		return;
	if (*slot)
		cache_put(*slot);
	page_pin(pg);
	*slot = pg;
}

int ext2_meta_get(struct ext2_sb *es, uint32_t block, struct ext2_meta *m)
{
	pgidx_t idx = meta_page_index(es, block);
	struct page *pg = es->slots[idx % EXT2_META_SLOTS];
	int err;

	dassert(mutex_held(&es->lock));
	if (pg && pg->index == idx) {
		page_pin(pg);
	} else {
		err = cache_get(es->bdev->object, idx, 0, &pg);
		if (err)
			return err == -ENXIO ? -EIO : err;
		slot_enter(es, idx, pg);
	}
	meta_set(es, m, pg, block);
	return 0;
}

int ext2_meta_get_unlocked(struct ext2_sb *es, uint32_t block, struct ext2_meta *m)
{
	struct page *pg;
	int err = cache_get(es->bdev->object, meta_page_index(es, block), 0, &pg);

	if (err)
		return err == -ENXIO ? -EIO : err;
	meta_set(es, m, pg, block);
	return 0;
}

int ext2_meta_new(struct ext2_sb *es, uint32_t block, struct ext2_meta *m)
{
	pgidx_t idx = meta_page_index(es, block);
	int err;

	if (es->bs < PAGE_SIZE) {
		err = ext2_meta_get(es, block, m);
		if (err)
			return err;
	} else {
		struct page *pg;

		err = cache_get(es->bdev->object, idx, CACHE_NOFILL, &pg);
		if (err)
			return err == -ENXIO ? -EIO : err;
		block_page_reset(pg);
		slot_enter(es, idx, pg);
		meta_set(es, m, pg, block);
	}
	memset(m->data, 0, es->bs);
	ext2_meta_dirty(es, m);
	return 0;
}

void ext2_meta_put(struct ext2_meta *m)
{
	cache_put(m->pg);
}

void ext2_meta_dirty(struct ext2_sb *es, struct ext2_meta *m)
{
	block_page_dirty(m->pg, m->offset, es->bs);
}

void ext2_meta_forget(struct ext2_sb *es, uint32_t block)
{
	struct page *pg = cache_get_resident(es->bdev->object, meta_page_index(es, block));

	if (!pg)
		return;
	block_page_forget(pg, (uint32_t)(((uint64_t)block << es->bs_bits) & PAGE_MASK), es->bs);
	cache_put(pg);
}

void ext2_meta_drop_slots(struct ext2_sb *es)
{
	for (unsigned i = 0; i < EXT2_META_SLOTS; i++) {
		if (es->slots[i])
			cache_put(es->slots[i]);
		es->slots[i] = NULL;
	}
}
