/*
 * buddy: free frames in blocks of 2^order, per-CPU lists of single frames in front.
 *
 * Two zones, below and above 4 GiB, each with a list of free blocks per order; a freed block merges
 * with its buddy (its number with bit `order` flipped) as long as that is free and of its size. A
 * free block is known by its first frame: type FREE, aux = order; the frames inside it are FREE
 * with aux = TAIL, so that a second free of any of them is seen. Ordinary requests use the high
 * zone first, which keeps low memory for devices that need it.
 *
 * Single frames go through a small array of the CPU, filled and spilled in batches. It is used with
 * interrupts off; other CPUs empty it through cpu_call only. Frames that are known to be zero (page
 * tables that were cleaned when they went) have a list of their own, for who asks for zeros. The
 * last `reserve` frames are for ALLOC_RESERVE, one at a time: what lies in the list of a CPU is
 * anybody's. For a caller that may sleep the lists of the other CPUs are emptied, then reclaim is
 * asked, as long as that frees something; what was taken from the reserve is put back first.
 *
 * Debug builds fill freed frames with a pattern and check it when they are handed out.
 *
 * Locks: buddy_lock (85, interrupts off): lists, aux and link of free blocks, the number of free
 * frames.
 */
#include "mm/buddy.h"
#include "cpu.h"
#include "lib/assert.h"
#include "sync/spinlock.h"
#include "lib/string.h"
#include "mm/oom.h"
#include "mm/physmap.h"
#include "mm/slab.h"
#include "mm/stats.h"
#include "panic.h"
#include "sched/thread.h"

#define NORDERS		(BUDDY_MAX_ORDER + 1)
#define RESERVE_MIN	16u
#define TAIL		0xffffffffu
#define PCPU_MAX	64
#define PCPU_MOVE_ORDER 5
#define PCPU_MOVE	(1u << PCPU_MOVE_ORDER) /* frames moved at once between a list and the zones */
#define PCPU_ZEROED_MAX 32
#define DMA32_END	((pfn_t)1 << (32 - PAGE_SHIFT))

#define POISON_WORD 0x5ec0fdfe5ec0fdfeull

enum { ZONE_LOW, ZONE_HIGH, NZONES };

/* Per-CPU lists: stacks of frames, hottest on top. Interrupts off, own CPU only. */
struct page_cache {
	unsigned n, nzeroed;
	struct page *pages[PCPU_MAX];
	struct page *zeroed[PCPU_ZEROED_MAX];
};

static struct spinlock buddy_lock = SPINLOCK_INIT(RANK_BUDDY, "buddy");
static struct list free_list[NZONES][NORDERS];
static uint64_t free_blocks[NZONES][NORDERS]; /* (85) */
static uint64_t zone_frames;		      /* (85) free frames in the lists */
static uint64_t total_frames,
	reserve_frames; /* constant after boot, but for boot memory given back and settings */
static struct page_cache boot_cache;
static struct page_cache *caches[CPU_MAX];
static reclaim_fn reclaim;
uint64_t alloc_fail_countdown;

#define FAIL_ALL ((uint64_t)1 << 63) /* in the countdown: it stays at the last one */

void alloc_fail_nth(uint64_t n)
{
	WRITE_ONCE(alloc_fail_countdown, n);
}

void alloc_fail_from_nth(uint64_t n)
{
	WRITE_ONCE(alloc_fail_countdown, n ? n | FAIL_ALL : 0);
}

bool alloc_fail_count(void)
{
	uint64_t n = READ_ONCE(alloc_fail_countdown);

	while (n) {
		if (n == (FAIL_ALL | 1))
			return true;
		if (__atomic_compare_exchange_n(&alloc_fail_countdown, &n, n - 1, false,
			    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return n == 1;
	}
	return false;
}

static unsigned zone_of(pfn_t pfn)
{
	return pfn < DMA32_END ? ZONE_LOW : ZONE_HIGH;
}

#ifdef QUIRE_DEBUG
static void poison_fill(struct page *pg)
{
	uint64_t *w = page_virt(pg);

	for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
		w[i] = POISON_WORD;
	page_set_flags(pg, PG_POISONED);
}

static void poison_check(const struct page *pg)
{
	const uint64_t *w = page_virt(pg);
	uint64_t want = page_is(pg, PG_ZEROED) ? 0 : POISON_WORD;

	if (!page_is(pg, PG_POISONED | PG_ZEROED))
		return;
	for (unsigned i = 0; i < PAGE_SIZE / 8; i++) {
		if (w[i] != want)
			panic("frame %#llx was written after it was freed: offset %#x holds %#llx",
				(unsigned long long)page_pfn(pg), i * 8, (unsigned long long)w[i]);
	}
}
#else
static void poison_fill(struct page *pg)
{
	(void)pg;
}

static void poison_check(const struct page *pg)
{
	(void)pg;
}
#endif

/*
 * A frame in the zones. Who frees a block looks at the type and aux of its neighbours: frames
 * become FREE and cease to be FREE under buddy_lock only.
 */
static void frame_set_free(struct page *pg)
{
	WRITE_ONCE(pg->aux, TAIL);
	STORE_RELEASE(pg->flags, PG_FREE | (pg->flags & PG_POISONED));
}

/* A frame in a per-CPU list. */
static void frame_set_cached(struct page *pg)
{
	WRITE_ONCE(pg->flags, PG_PCPU | (pg->flags & PG_POISONED));
}

static void block_insert(struct page *pg, unsigned order)
{
	unsigned zone = zone_of(page_pfn(pg));

	WRITE_ONCE(pg->aux, order);
	list_add(&free_list[zone][order], &pg->link);
	free_blocks[zone][order]++;
}

static void block_take(struct page *pg, unsigned order)
{
	list_remove(&pg->link);
	free_blocks[zone_of(page_pfn(pg))][order]--;
	WRITE_ONCE(pg->aux, TAIL);
}

/* Put a block whose frames are all FREE into the lists, merged as far as it goes. */
static void block_free_locked(struct page *pg, unsigned order)
{
	pfn_t pfn = page_pfn(pg);

	WRITE_ONCE(zone_frames, zone_frames + ((uint64_t)1 << order));
	for (; order < BUDDY_MAX_ORDER; order++) {
		pfn_t other = pfn ^ ((pfn_t)1 << order);
		struct page *buddy = &page_array[other];

		if (other >= page_array_count || page_type(buddy) != PG_FREE ||
			READ_ONCE(buddy->aux) != order)
			break;
		block_take(buddy, order);
		WRITE_ONCE(page_array[pfn].aux, TAIL);
		pfn &= ~((pfn_t)1 << order);
	}
	block_insert(&page_array[pfn], order);
}

/* Cut a block down to `order`; the upper halves stay free. */
static struct page *block_split_locked(struct page *pg, unsigned from, unsigned order)
{
	while (from > order) {
		from--;
		block_insert(pg + ((size_t)1 << from), from);
	}
	return pg;
}

static struct page *zone_alloc_locked(unsigned zone, unsigned order)
{
	for (unsigned o = order; o <= BUDDY_MAX_ORDER; o++) {
		struct page *pg;

		if (list_empty(&free_list[zone][o]))
			continue;
		pg = list_first_entry(&free_list[zone][o], struct page, link);
		block_take(pg, o);
		WRITE_ONCE(zone_frames, zone_frames - ((uint64_t)1 << order));
		return block_split_locked(pg, o, order);
	}
	return NULL;
}

static struct page *buddy_alloc_locked(unsigned order, unsigned flags)
{
	struct page *pg = NULL;
	uint64_t keep = flags & ALLOC_RESERVE ? 0 : READ_ONCE(reserve_frames);

	if (zone_frames < keep + ((uint64_t)1 << order))
		return NULL;
	if (!(flags & ALLOC_DMA32))
		pg = zone_alloc_locked(ZONE_HIGH, order);
	return pg ? pg : zone_alloc_locked(ZONE_LOW, order);
}

/* Fill an empty list: with one block if there is one, else frame by frame. */
static void cache_refill(struct page_cache *pc)
{
	struct page *block;

	spin_lock(&buddy_lock);
	block = buddy_alloc_locked(PCPU_MOVE_ORDER, 0);
	for (unsigned i = PCPU_MOVE; block && i-- > 0;) {
		frame_set_cached(&block[i]);
		pc->pages[PCPU_MOVE - 1 - i] = &block[i];
		WRITE_ONCE(pc->n, PCPU_MOVE - i);
	}
	while (pc->n < PCPU_MOVE) {
		struct page *pg = buddy_alloc_locked(0, 0);

		if (!pg)
			break;
		frame_set_cached(pg);
		pc->pages[pc->n] = pg;
		WRITE_ONCE(pc->n, pc->n + 1);
	}
	spin_unlock(&buddy_lock);
}

/* Move the n coldest frames of a list to the zones. */
static __noinline void cache_spill(struct page_cache *pc, unsigned n)
{
	spin_lock(&buddy_lock);
	for (unsigned i = 0; i < n; i++) {
		frame_set_free(pc->pages[i]);
		block_free_locked(pc->pages[i], 0);
	}
	spin_unlock(&buddy_lock);
	WRITE_ONCE(pc->n, pc->n - n);
	memmove(&pc->pages[0], &pc->pages[n], pc->n * sizeof(pc->pages[0]));
}

/* A frame from the CPU's lists as they are; NULL: the one that fits is empty. => interrupts off */
static inline struct page *cache_pop(struct page_cache *pc, unsigned flags)
{
	if (flags & ALLOC_ZERO && pc->nzeroed) {
		WRITE_ONCE(pc->nzeroed, pc->nzeroed - 1);
		return pc->zeroed[pc->nzeroed];
	}
	if (unlikely(pc->n == 0))
		return NULL;
	WRITE_ONCE(pc->n, pc->n - 1);
	return pc->pages[pc->n];
}

/* The same, filled from the zones before. */
static struct page *cache_take(struct page_cache *pc, unsigned flags)
{
	if (pc->n == 0)
		cache_refill(pc);
	return cache_pop(pc, pc->n ? flags : ALLOC_ZERO);
}

/* => interrupts off */
static struct page *zones_take(unsigned order, unsigned flags)
{
	struct page *pg;

	spin_lock(&buddy_lock);
	pg = buddy_alloc_locked(order, flags);
	for (unsigned i = 0; pg && i < 1u << order; i++)
		WRITE_ONCE(pg[i].flags, PG_KERNEL | (pg[i].flags & PG_POISONED));
	spin_unlock(&buddy_lock);
	return pg;
}

/* One attempt, from what is free now. */
static struct page *alloc_now(unsigned order, unsigned flags)
{
	irqflags_t irq = irq_save();
	struct page_cache *pc = this_cpu()->page_cache;
	struct page *pg = NULL;

	if (likely(order == 0 && pc && !(flags & (ALLOC_DMA32 | ALLOC_ZONES))))
		pg = cache_take(pc, flags);
	if (!pg && (order || !pc || flags & (ALLOC_DMA32 | ALLOC_ZONES | ALLOC_RESERVE)))
		pg = zones_take(order, flags);
	irq_restore(irq);
	return pg;
}

/* What reclaim is asked for: the request, in batches, and what the reserve lacks. */
static uint64_t frames_wanted(unsigned order)
{
	uint64_t have = READ_ONCE(zone_frames), reserve = READ_ONCE(reserve_frames);

	return MAX((uint64_t)1 << order, (uint64_t)PCPU_MOVE) +
	       (have < reserve ? reserve - have : 0);
}

/* Nothing left: collect what is free but elsewhere, then ask reclaim. False: nothing was found. */
static bool make_room(unsigned order)
{
	uint64_t before = READ_ONCE(zone_frames);

	buddy_drain();
	if (READ_ONCE(zone_frames) > before)
		return true;
	if (slab_reap() == 0 && (!reclaim || reclaim(frames_wanted(order)) == 0))
		return false;
	/* Into the zones, where the reserve comes first. */
	buddy_drain();
	return true;
}

/* As long as something comes of it. Others may take what was found for us: not for ever. */
static struct page *alloc_with_room(unsigned order, unsigned flags)
{
	/* Large blocks may be out of reach although frames come free. */
	unsigned rounds = order ? 8 : 64;

	while (rounds--) {
		struct page *pg;
		bool more = make_room(order);

		pg = alloc_now(order, flags);
		if (pg || !more)
			return pg;
	}
	return NULL;
}

static struct page *alloc_slow(unsigned order, unsigned flags)
{
	struct page *pg;
	int err = 0;

	rank_assert_none_from(RANK_PAGE_BUSY);
	while (!(pg = alloc_with_room(order, flags)) && order == 0 && !err)
		err = mm_out_of_memory();
	/* Who is being ended must not wait for memory on its way out. */
	return err == -EINTR ? alloc_now(order, flags | ALLOC_RESERVE) : pg;
}

/* A free frame becomes the caller's. */
static inline void frame_hand_out(struct page *pg, unsigned flags)
{
	bool zeroed = page_is(pg, PG_ZEROED);

	poison_check(pg);
	WRITE_ONCE(pg->flags, PG_KERNEL);
	WRITE_ONCE(pg->aux, 0);
	dassert(pg->counts == 0);
	if (flags & ALLOC_ZERO && !zeroed)
		frame_zero(page_virt(pg));
}

/* Where the CPU's list has no answer. */
static __noinline struct page *page_alloc_uncached(unsigned order, unsigned flags)
{
	struct page *pg = alloc_now(order, flags);

	if (!pg && !(flags & ALLOC_NORECLAIM))
		pg = alloc_slow(order, flags);
	if (!pg)
		return NULL;
	for (unsigned i = 0; i < 1u << order; i++)
		frame_hand_out(&pg[i], flags);
	mm_stat_add(STAT_PAGE_ALLOC, (uint64_t)1 << order);
	return pg;
}

struct page *page_alloc(unsigned order, unsigned flags)
{
	struct page_cache *pc;
	struct page *pg = NULL;
	irqflags_t irq;

	assert(order <= BUDDY_MAX_ORDER);
	if (alloc_should_fail())
		return NULL;
	if (unlikely(order || flags & ALLOC_DMA32))
		return page_alloc_uncached(order, flags);
	irq = irq_save();
	pc = cpu_field(page_cache);
	if (likely(pc))
		pg = cache_pop(pc, flags);
	irq_restore(irq);
	if (unlikely(!pg))
		return page_alloc_uncached(0, flags);
	frame_hand_out(pg, flags);
	mm_stat_inc(STAT_PAGE_ALLOC);
	return pg;
}

int buddy_refill_reserve(void)
{
	const struct thread *self = thread_current();
	struct page *pg;

	/* Who is being ended gets a frame out of the reserve: that fills nothing. */
	if (self && thread_flags(self) & THREAD_KILLED)
		return -EINTR;
	pg = alloc_should_fail() ? NULL : page_alloc_uncached(0, ALLOC_ZONES);
	if (!pg)
		return -ENOMEM;
	page_free(pg, 0);
	return 0;
}

unsigned page_alloc_bulk(struct page **pages, unsigned n, unsigned flags)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		pages[i] = page_alloc(0, flags);
		if (!pages[i])
			break;
	}
	return i;
}

static inline void check_freed(const struct page *pg)
{
	uint32_t type = page_type(pg);

	if (unlikely(type == PG_FREE || type == PG_PCPU))
		panic("double free of frame %#llx", (unsigned long long)page_pfn(pg));
	if (unlikely(type == PG_RESERVED || pg->counts))
		panic("free of frame %#llx that is in use: flags %#x shares %u pins %u",
			(unsigned long long)page_pfn(pg), pg->flags, pg->shares, pg->pins);
}

/* A block that the CPU's list does not take. */
static __noinline void page_free_uncached(struct page *pg, unsigned order)
{
	irqflags_t irq = spin_lock_irqsave(&buddy_lock);

	for (unsigned i = 0; i < 1u << order; i++)
		frame_set_free(&pg[i]);
	block_free_locked(pg, order);
	spin_unlock_irqrestore(&buddy_lock, irq);
}

void page_free(struct page *pg, unsigned order)
{
	irqflags_t irq;
	struct page_cache *pc;

	assert(order <= BUDDY_MAX_ORDER && IS_ALIGNED(page_pfn(pg), (pfn_t)1 << order));
	for (unsigned i = 0; i < 1u << order; i++) {
		check_freed(&pg[i]);
		poison_fill(&pg[i]);
	}
	mm_stat_add(STAT_PAGE_FREE, (uint64_t)1 << order);
	if (unlikely(order)) {
		page_free_uncached(pg, order);
		return;
	}
	irq = irq_save();
	pc = cpu_field(page_cache);
	if (likely(pc)) {
		if (unlikely(pc->n == PCPU_MAX))
			cache_spill(pc, PCPU_MOVE);
		frame_set_cached(pg);
		pc->pages[pc->n] = pg;
		WRITE_ONCE(pc->n, pc->n + 1);
	} else {
		page_free_uncached(pg, 0);
	}
	irq_restore(irq);
}

void page_free_zeroed(struct page *pg)
{
	irqflags_t irq = irq_save();
	struct page_cache *pc = this_cpu()->page_cache;

	if (unlikely(!pc || pc->nzeroed == PCPU_ZEROED_MAX)) {
		irq_restore(irq);
		page_free(pg, 0);
		return;
	}
	check_freed(pg);
	mm_stat_inc(STAT_PAGE_FREE);
	WRITE_ONCE(pg->flags, PG_PCPU | PG_ZEROED);
	pc->zeroed[pc->nzeroed] = pg;
	WRITE_ONCE(pc->nzeroed, pc->nzeroed + 1);
	irq_restore(irq);
}

uint64_t buddy_free_frames(void)
{
	uint64_t n = READ_ONCE(zone_frames);

	for (unsigned i = 0; i < CPU_MAX; i++) {
		struct page_cache *pc = LOAD_ACQUIRE(caches[i]);

		if (pc)
			n += READ_ONCE(pc->n) + READ_ONCE(pc->nzeroed);
	}
	return n;
}

uint64_t buddy_total_frames(void)
{
	return READ_ONCE(total_frames);
}

uint64_t buddy_free_blocks(unsigned order)
{
	return READ_ONCE(free_blocks[ZONE_LOW][order]) + READ_ONCE(free_blocks[ZONE_HIGH][order]);
}

uint64_t buddy_reserve_frames(void)
{
	return READ_ONCE(reserve_frames);
}

int buddy_set_reserve(uint64_t frames)
{
	if (frames < RESERVE_MIN || frames > buddy_total_frames() / 4)
		return -EINVAL;
	WRITE_ONCE(reserve_frames, frames);
	return 0;
}

static void drain_cpu(void *arg)
{
	struct page_cache *pc = this_cpu()->page_cache;

	(void)arg;
	if (!pc)
		return;
	if (pc->n)
		cache_spill(pc, pc->n);
	while (pc->nzeroed) {
		WRITE_ONCE(pc->nzeroed, pc->nzeroed - 1);
		pc->pages[0] = pc->zeroed[pc->nzeroed];
		WRITE_ONCE(pc->n, 1);
		cache_spill(pc, 1);
	}
}

void buddy_drain(void)
{
	cpu_call(cpu_online_set(), drain_cpu, NULL);
}

void buddy_set_reclaim(reclaim_fn fn)
{
	reclaim = fn;
}

void buddy_init_cpu(struct cpu *c)
{
	struct page_cache *pc = c->id == 0 ? &boot_cache : kzalloc(sizeof(*pc), ALLOC_NORECLAIM);

	if (!pc)
		return; /* the CPU works without a list of its own */
	STORE_RELEASE(caches[c->id], pc);
	c->page_cache = pc;
}

static void lists_init(void)
{
	for (unsigned z = 0; z < NZONES; z++) {
		for (unsigned o = 0; o < NORDERS; o++)
			list_init(&free_list[z][o]);
	}
}

void buddy_add_range(pfn_t first, pfn_t end)
{
	irqflags_t irq = irq_save();

	spin_lock(&buddy_lock);
	if (total_frames == 0)
		lists_init();
	total_frames += end - first;
	reserve_frames = MIN(MAX(total_frames / 256, (uint64_t)RESERVE_MIN), (uint64_t)1024);
	for (struct page *pg = &page_array[first], *stop = &page_array[end]; pg < stop; pg++) {
		pg->flags = PG_FREE;
		pg->aux = TAIL;
		pg->counts = 0;
	}
	while (first < end) {
		unsigned order = 0;

		while (order < BUDDY_MAX_ORDER && !(first >> order & 1) &&
			first + ((pfn_t)2 << order) <= end)
			order++;
		block_free_locked(&page_array[first], order);
		first += (pfn_t)1 << order;
	}
	spin_unlock(&buddy_lock);
	irq_restore(irq);
}
