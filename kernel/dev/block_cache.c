/*
 * The object of a block device: its pages are the cache of metadata and of what /dev/NAME reads and
 * writes. A page is filled whole. What is dirty is known by sector (page.aux, see block.h): a page
 * may hold blocks of files, whose content lives in the files' own pages; writing the neighbours of
 * a changed block would bring back old data.
 *
 *	changer                                write-back (cache.c, then here)
 *	changes the bytes                      clears DIRTY, sets WRITING
 *	sets the sector bits (full barrier)    takes the sector bits (atomic)
 *	DIRTY not set: cache_mark_dirty        writes the bytes
 *
 * If the changer still sees DIRTY, its clearing comes later, and so does the taking of
 * the bits, which then sees them.
 */
#include "dev/block.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/cache.h"

#define SECTORS_PER_PAGE (PAGE_SIZE / SECTOR_SIZE)
#define ALL_SECTORS	 ((1u << SECTORS_PER_PAGE) - 1)

/* A shared map of /dev/NAME may have written anywhere in the page: all of it counts as dirty
 * whenever DIRTY is set, until the page leaves the cache. */
#define AUX_MAPPED (1u << 8)

static uint32_t sector_bits(uint32_t offset, uint32_t len)
{
	uint32_t first = offset >> SECTOR_SHIFT;
	uint32_t end = (offset + len + SECTOR_SIZE - 1) >> SECTOR_SHIFT;

	assert(len && end <= SECTORS_PER_PAGE);
	return ((1u << end) - 1) & ~((1u << first) - 1);
}

void block_page_dirty(struct page *pg, uint32_t offset, uint32_t len)
{
	__atomic_fetch_or(&pg->aux, sector_bits(offset, len), __ATOMIC_SEQ_CST);
	if (!page_is(pg, PG_DIRTY))
		cache_mark_dirty(pg);
}

void block_page_reset(struct page *pg)
{
	__atomic_store_n(&pg->aux, 0, __ATOMIC_SEQ_CST);
}

void block_page_forget(struct page *pg, uint32_t offset, uint32_t len)
{
	__atomic_fetch_and(&pg->aux, ~sector_bits(offset, len), __ATOMIC_SEQ_CST);
	cache_wait_always(pg, PG_WRITING);
}

/* How many bytes of page idx lie on the device. */
static uint32_t page_bytes(const struct block_device *bd, pgidx_t idx)
{
	uint64_t size = bd->nsectors << SECTOR_SHIFT;
	uint64_t off = idx << PAGE_SHIFT;

	if (off >= size)
		return 0;
	return (uint32_t)MIN(size - off, (uint64_t)PAGE_SIZE);
}

static int object_fill(struct vm_object *vo, struct page **pages, unsigned n)
{
	struct block_device *bd = vo->owner;
	struct block_batch batch;

	block_batch_begin(&batch, bd, BLOCK_READ);
	for (unsigned i = 0; i < n; i++) {
		uint32_t len = page_bytes(bd, pages[i]->index);

		WRITE_ONCE(pages[i]->aux, 0);
		if (len < PAGE_SIZE)
			memset((char *)page_virt(pages[i]) + len, 0, PAGE_SIZE - len);
		if (len)
			block_batch_add(
				&batch, pages[i]->index * SECTORS_PER_PAGE, pages[i], 0, len);
	}
	return block_batch_finish(&batch);
}

static void write_runs(struct block_batch *batch, struct page *pg, uint32_t bits)
{
	for (unsigned s = 0; s < SECTORS_PER_PAGE; s++) {
		unsigned first = s;

		if (!(bits >> s & 1))
			continue;
		while (s + 1 < SECTORS_PER_PAGE && bits >> (s + 1) & 1)
			s++;
		block_batch_add(batch, pg->index * SECTORS_PER_PAGE + first, pg,
			first * SECTOR_SIZE, (s + 1 - first) * SECTOR_SIZE);
	}
}

/* At most this many pages in a batch: their bits are kept, to be set again if it fails. */
#define WRITE_CHUNK 64

static int write_chunk(struct block_device *bd, struct page **pages, unsigned n)
{
	struct block_batch batch;
	uint8_t bits[WRITE_CHUNK];
	int err;

	block_batch_begin(&batch, bd, BLOCK_WRITE);
	for (unsigned i = 0; i < n; i++) {
		uint32_t on_device = page_bytes(bd, pages[i]->index) >> SECTOR_SHIFT;

		uint32_t aux = __atomic_fetch_and(&pages[i]->aux, AUX_MAPPED, __ATOMIC_SEQ_CST);

		if (aux & AUX_MAPPED)
			aux = ALL_SECTORS;
		bits[i] = (uint8_t)(aux & ((1u << on_device) - 1));
		write_runs(&batch, pages[i], bits[i]);
	}
	err = block_batch_finish(&batch);
	if (err)
		for (unsigned i = 0; i < n; i++)
			__atomic_fetch_or(&pages[i]->aux, bits[i], __ATOMIC_SEQ_CST);
	return err;
}

static int object_write(struct vm_object *vo, struct page **pages, unsigned n)
{
	struct block_device *bd = vo->owner;
	int err = 0;

	for (unsigned i = 0; i < n; i += WRITE_CHUNK) {
		int e = write_chunk(bd, pages + i, MIN(n - i, (unsigned)WRITE_CHUNK));

		if (e && !err)
			err = e;
	}
	return err;
}

static int object_make_writable(struct vm_object *vo, pgidx_t idx)
{
	struct block_device *bd = vo->owner;
	struct page *pg;
	int err;

	if (bd->read_only)
		return -EROFS;
	err = cache_get(vo, idx, 0, &pg);
	if (err)
		return err;
	__atomic_fetch_or(&pg->aux, AUX_MAPPED, __ATOMIC_SEQ_CST);
	cache_put(pg);
	return 0;
}

const struct vm_object_ops block_object_ops = {
	.fill = object_fill,
	.write = object_write,
	.make_writable = object_make_writable,
};
