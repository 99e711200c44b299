/*
 * Block devices in the booted kernel. Whatever disks there are: what is read is written back and
 * read again, so that the content stays. Without a disk there is nothing to test.
 */
#include "dev/block.h"
#include "dev/random.h"
#include "dev/rtc.h"
#include "klog.h"
#include "ktest.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/cache.h"
#include "mm/dmabuf.h"
#include "mm/physmap.h"

#define PAGES 16

static bool pages_take(struct page **pages, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		pages[i] = page_alloc(0, ALLOC_ZERO);
		if (!pages[i])
			return false;
		page_pin(pages[i]);
	}
	return true;
}

static void pages_give(struct page **pages, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		page_unpin(pages[i]);
}

/* Move the first `n` pages of the device; every second page in two halves, out of order. */
static int move(struct block_device *bd, enum block_op op, struct page **pages, unsigned n)
{
	struct block_batch batch;

	block_batch_begin(&batch, bd, op);
	for (unsigned i = n; i-- > 0;) {
		if (i % 2) {
			block_batch_add(&batch, i * 8 + 4, pages[i], 2048, 2048);
			block_batch_add(&batch, i * 8, pages[i], 0, 2048);
		} else {
			block_batch_add(&batch, i * 8, pages[i], 0, 4096);
		}
	}
	return block_batch_finish(&batch);
}

static bool same(struct page **a, struct page **b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (memcmp(page_virt(a[i]), page_virt(b[i]), PAGE_SIZE))
			return false;
	return true;
}

/* NULL, or what went wrong. */
static const char *check_device(struct block_device *bd)
{
	struct page *a[PAGES], *b[PAGES];
	const char *bad = NULL;

	if (bd->nsectors < PAGES * 8) {
		klog_info("%s is too small to be tested", bd->name);
		return NULL;
	}
	if (!pages_take(a, PAGES) || !pages_take(b, PAGES))
		return "no memory";
	if (move(bd, BLOCK_READ, a, PAGES))
		bad = "read";
	else if (!bd->read_only && move(bd, BLOCK_WRITE, a, PAGES))
		bad = "write";
	else if (move(bd, BLOCK_READ, b, PAGES))
		bad = "second read";
	else if (!same(a, b, PAGES))
		bad = "content";
	else if (!bd->read_only && block_flush(bd))
		bad = "flush";
	pages_give(a, PAGES);
	pages_give(b, PAGES);
	return bad;
}

KTEST(block_devices_keep_what_is_written)
{
	struct block_device *bd;

	for (unsigned i = 0; (bd = block_nth(i)); i++) {
		const char *bad = check_device(bd);

		if (bad)
			klog_err("%s: %s failed", bd->name, bad);
		KTEST_ASSERT(!bad);
	}
}

KTEST(block_requests_outside_the_device_are_refused)
{
	struct block_device *bd;
	struct page *pg[1];

	KTEST_ASSERT(pages_take(pg, 1));
	for (unsigned i = 0; (bd = block_nth(i)); i++) {
		struct block_batch batch;

		block_batch_begin(&batch, bd, BLOCK_READ);
		block_batch_add(&batch, bd->nsectors - 1, pg[0], 0, 1024);
		KTEST_ASSERT(block_batch_finish(&batch) == -EINVAL);
		block_batch_begin(&batch, bd, BLOCK_READ);
		block_batch_add(&batch, UINT64_MAX / 512, pg[0], 0, 512);
		KTEST_ASSERT(block_batch_finish(&batch) == -EINVAL);
	}
	pages_give(pg, 1);
}

KTEST(block_cache_reads_what_the_device_holds)
{
	struct block_device *bd;
	struct page *raw[1], *pg;

	KTEST_ASSERT(pages_take(raw, 1));
	for (unsigned i = 0; (bd = block_nth(i)); i++) {
		struct block_batch batch;

		if (bd->nsectors < 16)
			continue;
		KTEST_ASSERT(cache_write_back(bd->object, 1, 1) == 0);
		block_batch_begin(&batch, bd, BLOCK_READ);
		block_batch_add(&batch, 8, raw[0], 0, 4096);
		KTEST_ASSERT(block_batch_finish(&batch) == 0);
		cache_drop_clean(bd->object);
		KTEST_ASSERT(cache_get(bd->object, 1, CACHE_READAHEAD, &pg) == 0);
		KTEST_ASSERT(!memcmp(page_virt(pg), page_virt(raw[0]), PAGE_SIZE));
		cache_put(pg);
	}
	pages_give(raw, 1);
}

KTEST(dmabuf_is_contiguous_zeroed_and_given_back)
{
	uint64_t before;
	paddr_t pa;
	char *va = dmabuf_allocate(5 * PAGE_SIZE, 0, &pa);

	KTEST_ASSERT(va);
	KTEST_ASSERT(virt_to_phys(va + 4 * PAGE_SIZE) == pa + 4 * PAGE_SIZE);
	for (unsigned i = 0; i < 5 * PAGE_SIZE; i++)
		KTEST_ASSERT(!va[i]);
	before = buddy_free_frames();
	dmabuf_free(va, 5 * PAGE_SIZE, 0, pa);
	KTEST_ASSERT(buddy_free_frames() >= before + 5);
	KTEST_ASSERT(!dmabuf_allocate(0, 0, &pa));
	KTEST_ASSERT(!dmabuf_allocate(64 << 20, 0, &pa));
}

/* The test vector of RFC 8439, 2.3.2. */
KTEST(chacha20_matches_its_test_vector)
{
	static const uint8_t want[16] = {0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f,
		0xdd, 0x1f, 0xa3, 0x20, 0x71, 0xc4};
	static const uint32_t nonce[3] = {0x09000000, 0x4a000000, 0};
	uint32_t key[8];
	uint8_t out[64];

	for (unsigned i = 0; i < 32; i++)
		((uint8_t *)key)[i] = (uint8_t)i;
	chacha20_block(key, 1, nonce, out);
	KTEST_ASSERT(!memcmp(out, want, sizeof(want)));
}

KTEST(random_numbers_differ)
{
	uint64_t a = random_u64(), b = random_u64();
	uint8_t many[3000];
	unsigned ones = 0;

	KTEST_ASSERT(a != b);
	random_get(many, sizeof(many));
	for (unsigned i = 0; i < sizeof(many); i++)
		for (unsigned bit = 0; bit < 8; bit++)
			ones += many[i] >> bit & 1;
	KTEST_ASSERT(ones > 11000 && ones < 13000);
}

KTEST(rtc_counts_days_right)
{
	KTEST_ASSERT(rtc_seconds(1970, 1, 1, 0) == 0);
	KTEST_ASSERT(rtc_seconds(2000, 2, 29, 0) == 951782400);
	KTEST_ASSERT(rtc_seconds(2000, 3, 1, 1) == 951868801);
	KTEST_ASSERT(rtc_seconds(2038, 1, 19, 11647) == 2147483647);
}
