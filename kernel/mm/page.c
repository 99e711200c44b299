/*
 * page: the array of frame descriptors, and the two counts that keep a frame.
 *
 *	type		link/owner,index	shares	pins	aux
 *	FREE		link of its block	0	0	order, or BUDDY_TAIL inside a block
 *	PCPU		-			0	0	-
 *	RESERVED	-			-	-	-
 *	KERNEL		the owner's		0	0	order (kmalloc of whole frames)
 *	SLAB		link in its cache	first	cache	objects in use
 *			(TAIL: owner = head)	free
 *	TABLE		lock, live words	0	0	-
 *	ANON		-			slots	I/O	-
 *	OBJECT		owner, index		slots	I/O	device: dirty sectors
 *
 * shares and pins are one 64-bit atomic, so that of two CPUs that drop the last share and the last
 * pin exactly one sees zero and frees the frame. No locks here; who holds a count may read the
 * rest.
 */
#include "mm/page.h"
#include "boot_info.h"
#include "cpu.h"
#include "klog.h"
#include "lib/assert.h"
#include "lib/bitmap.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/physmap.h"
#include "sync/waits.h"

struct page *page_array;
pfn_t page_array_count;

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "shares are the low half of counts");
_Static_assert(offsetof(struct page, pins) == offsetof(struct page, shares) + 4, "pins follow");

struct page *page_from_virt(const void *va)
{
	pfn_t pfn = virt_to_phys(va) >> PAGE_SHIFT;

	dassert(pfn < page_array_count);
	return &page_array[pfn];
}

bool page_is_ram(pfn_t pfn)
{
	return pfn < page_array_count && page_type(&page_array[pfn]) != PG_RESERVED;
}

/* The last count went: nobody else can find the frame any more. */
static void page_release(struct page *pg)
{
	if (!page_is(pg, PG_FOREIGN))
		page_free(pg, 0);
}

bool page_unshare(struct page *pg)
{
	uint64_t old = __atomic_fetch_sub(&pg->counts, PAGE_ONE_SHARE, __ATOMIC_ACQ_REL);

	assert((uint32_t)old != 0);
	if (old != PAGE_ONE_SHARE)
		return false;
	page_release(pg);
	return true;
}

static inline bool unpin(struct page *pg)
{
	uint64_t old = __atomic_fetch_sub(&pg->counts, PAGE_ONE_PIN, __ATOMIC_ACQ_REL);

	if (likely(old > PAGE_ONE_PIN))
		return false;
	assert(old == PAGE_ONE_PIN);
	page_release(pg);
	return true;
}

bool page_unpin(struct page *pg)
{
	return unpin(pg);
}

void page_unpin_all(struct page *const *pages, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		unpin(pages[i]);
}

uint32_t page_set_flags(struct page *pg, uint32_t bits)
{
	return __atomic_fetch_or(&pg->flags, bits, __ATOMIC_ACQ_REL);
}

uint32_t page_clear_flags(struct page *pg, uint32_t bits)
{
	return __atomic_fetch_and(&pg->flags, ~bits, __ATOMIC_ACQ_REL);
}

void page_lock(struct page *pg)
{
#ifdef QUIRE_DEBUG
	static const struct lock_debug page_bit = {RANK_AMAP_LEAF, "page bit"};

	rank_acquire(pg, &page_bit);
#endif
	if (likely(!(page_set_flags(pg, PG_LOCKED) & PG_LOCKED)))
		return;
	sync_count_wait(RANK_AMAP_LEAF);
	while (page_set_flags(pg, PG_LOCKED) & PG_LOCKED)
		cpu_relax();
}

void page_unlock(struct page *pg)
{
#ifdef QUIRE_DEBUG
	rank_release(pg);
#endif
	page_clear_flags(pg, PG_LOCKED);
}

/* Groups of live words up to which a table that is freed is cleaned: less than to clear a frame. */
#define TABLE_CLEAN_MAX 40

static inline void group_clear(uint64_t *words)
{
	for (unsigned i = 0; i < 8; i++)
		words[i] = 0;
}

struct page *page_table_alloc(unsigned flags)
{
	struct page *pg = page_alloc(0, flags | ALLOC_ZERO);

	if (!pg)
		return NULL;
	/* The buddy of a frame that is freed elsewhere looks at it. */
	WRITE_ONCE(pg->flags, PG_TABLE);
	pg->table_lock = 0;
	pg->next_table = 0;
	pg->live = 0;
	return pg;
}

void page_table_free(struct page *pg)
{
	uint64_t live = pg->live;
	uint64_t *words = page_virt(pg);

	assert(page_type(pg) == PG_TABLE);
	if (bitmap_word_count(live) > TABLE_CLEAN_MAX) {
		page_free(pg, 0);
		return;
	}
	while (live) {
		unsigned first = (unsigned)__builtin_ctzll(live);
		/* Not all 64 groups are live. */
		unsigned n = (unsigned)__builtin_ctzll(~(live >> first));

		group_clear(words + 8 * first);
		if (n > 1)
			memset(words + 8 * (first + 1), 0, 64 * (n - 1));
		live &= ~(~0ull >> (64 - n) << first);
	}
	page_free_zeroed(pg);
}

/*
 * Frames of no range stay as this leaves them, the others are marked when the buddy takes them: an
 * array for much memory is gone over once. The firmware need not list its ranges in order.
 */
static void mark_holes(const struct boot_mem_range *r, unsigned n, struct page *array, pfn_t count)
{
	pfn_t pfn = 0;

	while (pfn < count) {
		pfn_t stop = count, next = count;

		for (unsigned i = 0; i < n; i++) {
			if (r[i].end >> PAGE_SHIFT > pfn && r[i].base >> PAGE_SHIFT < stop) {
				stop = r[i].base >> PAGE_SHIFT;
				next = r[i].end >> PAGE_SHIFT;
			}
		}
		for (; pfn < stop; pfn++)
			array[pfn].flags = PG_RESERVED;
		pfn = next;
	}
}

void page_init(const struct boot_info *bi)
{
	const struct boot_mem_range *r;
	unsigned n = boot_mem_ranges(bi, &r);
	struct page *array;
	pfn_t count = 0;

	for (unsigned i = 0; i < n; i++)
		count = MAX(count, r[i].end >> PAGE_SHIFT);
	/* The module and the image may be given back one day, so they have descriptors too. */
	count = MAX(count, page_count(bi->kernel_end));
	if (bi->module_len)
		count = MAX(count, page_count(bi->module_base + bi->module_len));
	array = boot_alloc(count * sizeof(struct page));
	n = boot_mem_ranges(bi, &r);
	mark_holes(r, n, array, count);
	page_array = array;
	page_array_count = count;
	for (unsigned i = 0; i < n; i++)
		buddy_add_range(r[i].base >> PAGE_SHIFT, r[i].end >> PAGE_SHIFT);
	klog_info("memory: %llu KiB free of %llu KiB, %llu KiB for frame descriptors",
		(unsigned long long)buddy_free_frames() << 2, (unsigned long long)count << 2,
		(unsigned long long)(count * sizeof(struct page)) >> 10);
}

void page_release_reserved(paddr_t pa, uint64_t len)
{
	pfn_t first = ALIGN_UP(pa, PAGE_SIZE) >> PAGE_SHIFT;
	pfn_t end = MIN((pa + len) >> PAGE_SHIFT, page_array_count);

	for (pfn_t pfn = first; pfn < end; pfn++)
		assert(page_type(&page_array[pfn]) == PG_RESERVED);
	if (first < end)
		buddy_add_range(first, end);
}
