/*
 * Contents of regular files: the object's hooks.
 *
 * Blocks are allocated when pages are written back, not when they become dirty (delayed): files
 * that live shortly never touch a bitmap, and what is written together lies together. So that the
 * write-back finds room, a page over holes gets a promise first (make_writable): its missing blocks
 * plus the indirect blocks on the way are counted in es->reserved, and remembered in ei->reserved
 * by page index. The write-back allocates and then takes the promise of a page; truncate and
 * eviction give promises back. A promise counts the indirect blocks of each page by itself, so it
 * is too large; when it seems that no room is left, the dirty pages are written, which settles the
 * accounts, and it is tried again.
 *
 * Mapping runs under es->lock, I/O without it: blocks cannot be freed meanwhile, because truncate
 * waits for BUSY and WRITING first.
 */
#include "fs/ext2/ext2_priv.h"

#include "fs/direct.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/cache.h"

#define MAP_MAX 64 /* blocks mapped under one hold of the lock */

static unsigned blocks_per_page(const struct ext2_sb *es)
{
	return 1u << (PAGE_SHIFT - es->bs_bits);
}

/* Promises are stored as pointers that are never NULL nor odd. */
static void *promise_pack(uint32_t n)
{
	return (void *)((uintptr_t)(n + 1) << 4);
}

static uint32_t promise_unpack(const void *item)
{
	return item ? (uint32_t)((uintptr_t)item >> 4) - 1 : 0;
}

/* => lock held */
static void promise_take(struct inode *inode, pgidx_t idx)
{
	struct ext2_sb *es = ext2_of(inode);
	void *item = radix_remove(&ext2_i(inode)->reserved, idx);

	assert(es->reserved >= promise_unpack(item));
	es->reserved -= promise_unpack(item);
}

void ext2_unreserve_from(struct inode *inode, pgidx_t first)
{
	uint64_t idx = first;

	while (radix_next(&ext2_i(inode)->reserved, &idx))
		promise_take(inode, idx);
}

/* Where the blocks of pages first .. first + n - 1 lie; 0: a hole. => lock held */
static int map_for_read(struct inode *inode, uint64_t lb, uint32_t n, uint32_t *map)
{
	uint32_t i = 0;

	while (i < n) {
		uint32_t pb, run;
		int err = ext2_bmap(inode, lb + i, n - i, &pb, &run);

		if (err == -EFBIG) /* past what an inode can address: the end of the last page */
			pb = 0, run = n - i;
		else if (err)
			return err;
		for (uint32_t k = 0; k < run; k++, i++)
			map[i] = pb ? pb + k : 0;
	}
	return 0;
}

/* Gather the I/O for the blocks of pg: map has blocks_per_page entries. Holes are passed over. */
static void add_page(
	struct block_batch *batch, const struct ext2_sb *es, struct page *pg, const uint32_t *map)
{
	for (unsigned k = 0; k < blocks_per_page(es); k++)
		if (map[k])
			block_batch_add(batch, (uint64_t)map[k] << (es->bs_bits - SECTOR_SHIFT), pg,
				k << es->bs_bits, es->bs);
}

/* Holes and what lies past the end read as zero. */
static void zero_rest(const struct ext2_sb *es, struct page *pg, const uint32_t *map)
{
	for (unsigned k = 0; k < blocks_per_page(es); k++)
		if (!map[k])
			memset((char *)page_virt(pg) + (k << es->bs_bits), 0, es->bs);
}

static void zero_past_end(const struct inode *inode, struct page *pg)
{
	uint64_t size = inode_size(inode), start = pg->index << PAGE_SHIFT;

	if (start >= size)
		memset(page_virt(pg), 0, PAGE_SIZE);
	else if (size - start < PAGE_SIZE)
		memset((char *)page_virt(pg) + (size - start), 0, PAGE_SIZE - (size - start));
}

static int object_fill(struct vm_object *vo, struct page **pages, unsigned n)
{
	struct inode *inode = vo->owner;
	struct ext2_sb *es = ext2_of(inode);
	unsigned per = blocks_per_page(es), chunk = MAP_MAX / per;
	struct block_batch batch;
	uint32_t map[MAP_MAX];
	int err = 0, io_err;

	block_batch_begin(&batch, es->bdev, BLOCK_READ);
	for (unsigned i = 0; i < n && !err; i += chunk) {
		unsigned now = MIN(chunk, n - i);

		mutex_lock(&es->lock);
		err = map_for_read(inode, pages[i]->index * per, now * per, map);
		mutex_unlock(&es->lock);
		for (unsigned k = 0; k < now && !err; k++) {
			zero_rest(es, pages[i + k], map + k * per);
			add_page(&batch, es, pages[i + k], map + k * per);
		}
	}
	io_err = block_batch_finish(&batch);
	for (unsigned i = 0; i < n; i++)
		zero_past_end(inode, pages[i]);
	return err ? err : io_err;
}

static bool is_zero(const void *data, size_t n)
{
	const uint64_t *w = data;

	for (size_t i = 0; i < n / sizeof(*w); i++)
		if (w[i])
			return false;
	return true;
}

/*
 * The blocks for writing pg back, allocated where they are missing and below the end of the file.
 * A page without a promise was not written through a hole: what reads as zero there stays a hole.
 * => lock held
 */
static int map_for_write(struct inode *inode, struct page *pg, uint32_t *map)
{
	struct ext2_sb *es = ext2_of(inode);
	unsigned per = blocks_per_page(es);
	uint64_t lb = pg->index * per, size = inode_size(inode);
	bool promised = radix_get(&ext2_i(inode)->reserved, pg->index);
	int first_err = 0;

	for (unsigned k = 0; k < per; k++) {
		const char *data = (const char *)page_virt(pg) + (k << es->bs_bits);
		uint32_t run;
		bool fresh;
		int err;

		map[k] = 0;
		if ((lb + k) << es->bs_bits >= size)
			break;
		err = ext2_bmap(inode, lb + k, 1, &map[k], &run);
		if (!err && !map[k] && (promised || !is_zero(data, es->bs)))
			err = ext2_bmap_alloc(inode, lb + k, &map[k], &fresh);
		if (err) {
			map[k] = 0;
			first_err = first_err ? first_err : err;
		}
	}
	/* A page that could not be written stays dirty, and will not ask for a promise again. */
	if (promised && !first_err)
		promise_take(inode, pg->index);
	return first_err;
}

static int object_write(struct vm_object *vo, struct page **pages, unsigned n)
{
	struct inode *inode = vo->owner;
	struct ext2_sb *es = ext2_of(inode);
	unsigned per = blocks_per_page(es), chunk = MAP_MAX / per;
	struct block_batch batch;
	uint32_t map[MAP_MAX];
	int err = 0, io_err;

	block_batch_begin(&batch, es->bdev, BLOCK_WRITE);
	for (unsigned i = 0; i < n; i += chunk) {
		unsigned now = MIN(chunk, n - i);

		memset(map, 0, sizeof(map));
		mutex_lock(&es->lock);
		for (unsigned k = 0; k < now; k++) {
			int e = es->writable ? map_for_write(inode, pages[i + k], map + k * per)
					     : -EROFS;

			err = err ? err : e;
		}
		mutex_unlock(&es->lock);
		for (unsigned k = 0; k < now; k++)
			add_page(&batch, es, pages[i + k], map + k * per);
	}
	io_err = block_batch_finish(&batch);
	return err ? err : io_err;
}

/* Missing data blocks of the page, and indirect blocks for the first of them. => lock held */
static int count_missing(struct inode *inode, pgidx_t idx, uint32_t *need)
{
	struct ext2_sb *es = ext2_of(inode);
	uint32_t per = blocks_per_page(es), k = 0, indirect;
	uint64_t lb = idx * per;

	*need = 0;
	while (k < per) {
		uint32_t pb, run;
		int err = ext2_bmap(inode, lb + k, per - k, &pb, &run);

		if (!err && !pb && !*need) {
			err = ext2_bmap_missing(inode, lb + k, &indirect);
			*need = indirect;
		}
		if (err)
			return err;
		if (!pb)
			*need += run;
		k += run;
	}
	return 0;
}

/* 0, -ENOSPC, -EFBIG, -EIO, -ENOMEM */
static int promise_make(struct inode *inode, pgidx_t idx)
{
	struct ext2_sb *es = ext2_of(inode);
	struct ext2_inode *ei = ext2_i(inode);
	uint32_t need;
	int err = 0;

	mutex_lock(&es->lock);
	if (!es->writable) {
		err = -EROFS;
	} else if (!radix_get(&ei->reserved, idx)) {
		err = count_missing(inode, idx, &need);
		if (!err && need) {
			if (es->free_blocks < es->reserved + need)
				err = -ENOSPC;
			else
				err = radix_insert(&ei->reserved, idx, promise_pack(need));
			if (!err)
				es->reserved += need;
		}
	}
	mutex_unlock(&es->lock);
	return err;
}

/* Memory is wanted under the lock, where nobody waits for it: that is done here. */
static int promise(struct inode *inode, pgidx_t idx)
{
	int err;

	do
		err = promise_make(inode, idx);
	while (err == -ENOMEM && buddy_refill_reserve() == 0);
	return err;
}

static int object_make_writable(struct vm_object *vo, pgidx_t idx)
{
	struct inode *inode = vo->owner;
	int err = promise(inode, idx);

	if (err != -ENOSPC || !READ_ONCE(ext2_of(inode)->reserved))
		return err;
	/* Writing the promised pages gives back what their promises counted twice. */
	err = cache_write_back(vo, 0, UINT64_MAX);
	if (!err)
		err = promise(inode, idx);
	if (err != -ENOSPC || !READ_ONCE(ext2_of(inode)->reserved))
		return err;
	err = cache_sync_all();
	return err ? err : promise(inode, idx);
}

int ext2_map_direct(
	struct inode *inode, uint64_t off, uint64_t max, bool write, struct direct_run *run)
{
	struct ext2_sb *es = ext2_of(inode);
	uint32_t in_block = off & (es->bs - 1), pb, n;
	uint32_t want = (uint32_t)MIN((in_block + max + es->bs - 1) >> es->bs_bits, UINT32_MAX);
	int err;

	mutex_lock(&es->lock);
	err = write && !es->writable ? -EROFS : ext2_bmap(inode, off >> es->bs_bits, want, &pb, &n);
	mutex_unlock(&es->lock);
	if (err)
		return err;
	*run = (struct direct_run){
		.sector =
			((uint64_t)pb << (es->bs_bits - SECTOR_SHIFT)) + (in_block >> SECTOR_SHIFT),
		.len = MIN(((uint64_t)n << es->bs_bits) - in_block, max),
		.hole = !pb,
	};
	return 0;
}

const struct vm_object_ops ext2_object_ops = {
	.fill = object_fill,
	.write = object_write,
	.make_writable = object_make_writable,
};
