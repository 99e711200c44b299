/*
 * pmap over ranges: remove, protect, lower, free tables, visit. Each descends from the root through
 * the live entries of the tables; the structure stays as it is meanwhile (context lock, or the
 * vmaps' locks of the range). Entries change under their table's lock, one table at a time.
 *
 * What goes into the batch: exactly the pages whose translation was there, or, for an upper entry
 * that lost W, the live part below it.
 */
#include "lib/assert.h"
#include "mm/pmap.h"
#include "pmap_internal.h"

/* One descent. */
struct range_op {
	struct pmap *pm;
	vaddr_t start, end; /* page aligned, end exclusive */
	struct tlb_batch *tb;
	uint64_t clear; /* bits to take from leaf entries (W) */
	uint64_t set;	/* bits to set in them (NX) */
	bool upper;	/* clear W in upper entries that lie wholly inside */
	void (*fn)(void *cookie, vaddr_t va, struct pmap_entry e); /* walk */
	void *cookie;
};

/* Entries of a table whose first byte is at base that [start, end), not empty, touches. */
struct span {
	unsigned lo, hi;
};

static inline struct span span_of(vaddr_t start, vaddr_t end, vaddr_t base, unsigned level)
{
	struct span s = {0, PT_ENTRIES};
	vaddr_t last = end - 1;

	if (start > base)
		s.lo = (unsigned)MIN((start - base) >> PT_SHIFT(level), (uint64_t)PT_ENTRIES);
	if (last < base)
		s.hi = 0;
	else if ((last - base) >> PT_SHIFT(level) < PT_ENTRIES)
		s.hi = (unsigned)((last - base) >> PT_SHIFT(level)) + 1;
	return s;
}

static bool wholly_inside(const struct range_op *op, vaddr_t va, unsigned level)
{
	return va >= op->start && va + PT_SPAN(level) <= op->end;
}

/* --- remove ---------------------------------------------------------------------------------- */

struct removal {
	vaddr_t start, end; /* as of range_op */
	struct tlb_batch *tb;
	uint64_t count; /* entries that were present */
};

/* The part of s that lies in the first of the groups. */
static inline struct span first_group(uint64_t groups, struct span s)
{
	unsigned lo = (unsigned)__builtin_ctzll(groups) * LIVE_GROUP;

	return (struct span){MAX(s.lo, lo), MIN(s.hi, lo + LIVE_GROUP)};
}

/* => table locked */
static void remove_entries(struct removal *op, uint64_t *e, vaddr_t base, struct span s)
{
	for (unsigned i = s.lo; i < s.hi; i++) {
		if (!(e[i] & PTE_P))
			continue;
		tlb_batch_begin(op->tb);
		__atomic_exchange_n(&e[i], 0, __ATOMIC_ACQ_REL);
		tlb_batch_add(op->tb, base + ((vaddr_t)i << PAGE_SHIFT));
		op->count++;
	}
}

static void remove_leaf(struct removal *op, uint64_t entry, vaddr_t base)
{
	struct page *pg = table_of(entry);
	uint64_t *e = entries_of(entry), rest;
	bool locked = false;
	struct span s;

	if (!op->tb->table_high)
		op->tb->table_low = base;
	op->tb->table_high = base + PMAP_TABLE_SPAN;
	s = span_of(op->start, op->end, base, 1);
	for (rest = READ_ONCE(pg->live) & live_groups(s.lo, s.hi); rest; rest &= rest - 1) {
		struct span g = first_group(rest, s);

		/* Nothing of the range comes in meanwhile: the lock is for what is there. */
		while (g.lo < g.hi && !(READ_ONCE(e[g.lo]) & PTE_P))
			g.lo++;
		if (g.lo == g.hi)
			continue;
		if (!locked)
			table_lock(pg);
		locked = true;
		remove_entries(op, e, base, g);
	}
	if (!locked)
		return;
	live_cut(pg, e, s.lo, s.hi);
	table_unlock(pg);
}

static void remove_below(struct removal *op, uint64_t entry, vaddr_t base, unsigned level)
{
	struct page *pg = table_of(entry);
	uint64_t *e = entries_of(entry);
	struct span s;

	if (level == 1) {
		remove_leaf(op, entry, base);
		return;
	}
	s = span_of(op->start, op->end, base, level);
	live_for_each (i, pg, s.lo, s.hi) {
		uint64_t below = LOAD_ACQUIRE(e[i]);

		if (below & PTE_P)
			remove_below(op, below, base + ((vaddr_t)i << PT_SHIFT(level)), level - 1);
	}
}

/* The entry that points to va's leaf table, or 0. */
static inline uint64_t leaf_table_entry(const struct pmap *pm, vaddr_t va)
{
	uint64_t at = pm->root;

#pragma GCC unroll 3
	for (unsigned level = 4; level > 1; level--) {
		at = LOAD_ACQUIRE(entries_of(at)[pt_index(va, level)]);
		if (!(at & PTE_P))
			return 0;
	}
	return at;
}

/* Up to so many leaf tables are looked up one by one. */
#define REMOVE_DIRECT 4

uint64_t pmap_remove(struct pmap *pm, vaddr_t start, vaddr_t end, struct tlb_batch *tb)
{
	struct removal op = {.start = start, .end = end, .tb = tb};
	vaddr_t base = ALIGN_DOWN(start, PMAP_TABLE_SPAN);

	dassert(end <= USER_MAX);
	if (start >= end)
		return 0;
	if (end - base > REMOVE_DIRECT * PMAP_TABLE_SPAN) {
		remove_below(&op, pm->root, 0, 4);
		return op.count;
	}
	for (; base < end; base += PMAP_TABLE_SPAN) {
		uint64_t entry = leaf_table_entry(pm, base);

		if (entry)
			remove_leaf(&op, entry, base);
	}
	return op.count;
}

/* --- lower and protect ----------------------------------------------------------------------- */

/*
 * Begin to lower: go down as long as the range lies in one entry and does not cover it. False:
 * nothing is there, or nothing that lowering could change.
 */
static bool lower_begin(const struct range_op *op, uint64_t *entry, vaddr_t *base, unsigned *level)
{
	uint64_t need = PTE_P | (op->upper ? PTE_W : 0), at = op->pm->root;
	vaddr_t differ = op->start ^ (op->end - 1), size = op->end - op->start;
	unsigned l;

#pragma GCC unroll 3
	for (l = 4; l > 1; l--) {
		if (differ >> PT_SHIFT(l) || size == PT_SPAN(l))
			break;
		at = LOAD_ACQUIRE(entries_of(at)[pt_index(op->start, l)]);
		if ((at & need) != need)
			return false;
	}
	*entry = at;
	*level = l;
	*base = ALIGN_DOWN(op->start, PT_SPAN(l) * PT_ENTRIES);
	return true;
}

/* W of the entry over [va, va + span) went: flush what may be cached below it. */
static void flush_below(struct range_op *op, uint64_t entry, vaddr_t va, unsigned level)
{
	struct page *pg = table_of(entry);
	uint64_t *e = entries_of(entry);

	if (level > 2) {
		op->tb->whole |= READ_ONCE(pg->live) != 0;
		return;
	}
	live_for_each (i, pg, 0, op->tb->whole ? 0 : PT_ENTRIES) {
		if (READ_ONCE(e[i]) & PTE_P)
			tlb_batch_add(op->tb, va + ((vaddr_t)i << PAGE_SHIFT));
	}
}

static void lower_leaf(struct range_op *op, uint64_t entry, vaddr_t base)
{
	struct page *pg = table_of(entry);
	uint64_t *e = entries_of(entry);
	struct span s;

	s = span_of(op->start, op->end, base, 1);
	table_lock(pg);
	live_for_each (i, pg, s.lo, s.hi) {
		uint64_t new = (e[i] & ~op->clear) | op->set;

		if (!(e[i] & PTE_P) || e[i] == new)
			continue;
		tlb_batch_begin(op->tb);
		STORE_RELEASE(e[i], new);
		tlb_batch_add(op->tb, base + ((vaddr_t)i << PAGE_SHIFT));
	}
	table_unlock(pg);
}

/* True: the descent ends at this upper entry. */
static bool lower_upper(
	struct range_op *op, struct page *pg, uint64_t *slot, vaddr_t va, unsigned level)
{
	bool cleared = false;

	if (!(READ_ONCE(*slot) & PTE_W))
		return true;
	if (!wholly_inside(op, va, level))
		return false;
	table_lock(pg);
	if (*slot & PTE_W) {
		tlb_batch_begin(op->tb);
		STORE_RELEASE(*slot, *slot & ~PTE_W);
		cleared = true;
	}
	table_unlock(pg);
	if (cleared)
		flush_below(op, *slot, va, level);
	return true;
}

static void lower_below(struct range_op *op, uint64_t entry, vaddr_t base, unsigned level)
{
	struct page *pg = table_of(entry);
	uint64_t *e = entries_of(entry);
	struct span s;

	if (level == 1) {
		lower_leaf(op, entry, base);
		return;
	}
	s = span_of(op->start, op->end, base, level);
	live_for_each (i, pg, s.lo, s.hi) {
		vaddr_t va = base + ((vaddr_t)i << PT_SHIFT(level));
		uint64_t below = LOAD_ACQUIRE(e[i]);

		if (!(below & PTE_P))
			continue;
		if (op->upper && lower_upper(op, pg, &e[i], va, level))
			continue;
		lower_below(op, below, va, level - 1);
	}
}

static void lower_range(struct range_op *op)
{
	uint64_t entry;
	vaddr_t base;
	unsigned level;

	if (lower_begin(op, &entry, &base, &level))
		lower_below(op, entry, base, level);
}

void pmap_lower(struct pmap *pm, vaddr_t start, vaddr_t end, struct tlb_batch *tb)
{
	struct range_op op = {
		.pm = pm, .start = start, .end = end, .tb = tb, .clear = PTE_W, .upper = true};

	dassert(end <= USER_HALF_END);
	if (start < end)
		lower_range(&op);
}

void pmap_protect(
	struct pmap *pm, vaddr_t start, vaddr_t end, vm_flags_t rights, struct tlb_batch *tb)
{
	struct range_op op = {.pm = pm, .start = start, .end = end, .tb = tb};

	dassert(end <= USER_MAX);
	if (!(rights & VM_RIGHTS)) {
		pmap_remove(pm, start, end, tb);
		return;
	}
	if (!(rights & VM_WRITE))
		op.clear = PTE_W;
	if (!(rights & VM_EXEC))
		op.set = pmap_nx_bit;
	op.upper = op.clear && !op.set;
	if (start < end && (op.clear || op.set))
		lower_range(&op);
}

/* --- tables ---------------------------------------------------------------------------------- */

/* Unlink a table and all below it into the batch. */
static void unlink_tree(struct range_op *op, uint64_t entry, unsigned level)
{
	struct page *pg = table_of(entry);
	uint64_t *e = entries_of(entry);

	if (level > 1) {
		live_for_each (i, pg, 0, PT_ENTRIES) {
			if (e[i] & PTE_P)
				unlink_tree(op, e[i], level - 1);
		}
	}
	__atomic_fetch_sub(&op->pm->tables, 1, __ATOMIC_RELAXED);
	tlb_batch_add_table(op->tb, pg);
}

static void free_below(struct range_op *op, uint64_t entry, vaddr_t base, unsigned level)
{
	struct page *pg = table_of(entry);
	uint64_t *e = entries_of(entry);
	struct span s = span_of(op->start, op->end, base, level);

	live_for_each (i, pg, s.lo, s.hi) {
		vaddr_t va = base + ((vaddr_t)i << PT_SHIFT(level));
		uint64_t below = e[i];

		if (!(below & PTE_P))
			continue;
		if (!wholly_inside(op, va, level)) {
			if (level > 2)
				free_below(op, below, va, level - 1);
			continue;
		}
		table_lock(pg);
		__atomic_exchange_n(&e[i], 0, __ATOMIC_ACQ_REL);
		live_cut(pg, e, i, i + 1);
		table_unlock(pg);
		unlink_tree(op, below, level - 1);
	}
}

void pmap_free_tables(struct pmap *pm, vaddr_t floor, vaddr_t ceiling, struct tlb_batch *tb)
{
	/* The last page below the hole belongs to nobody: its entries count as inside. */
	struct range_op op = {.pm = pm,
		.start = floor,
		.end = ceiling == USER_MAX ? USER_MAX + PAGE_SIZE : ceiling,
		.tb = tb};

	if (floor < ceiling)
		free_below(&op, pm->root, 0, 4);
}

void pmap_remove_all(struct pmap *pm, struct tlb_batch *tb)
{
	struct range_op op = {.pm = pm, .end = USER_MAX + PAGE_SIZE, .tb = tb};

	tlb_batch_begin(tb);
	free_below(&op, pm->root, 0, 4);
	tb->whole = true;
}

/* --- visit ----------------------------------------------------------------------------------- */

static void walk_below(struct range_op *op, uint64_t entry, vaddr_t base, unsigned level)
{
	struct page *pg = table_of(entry);
	uint64_t *e = entries_of(entry);

	live_for_each (i, pg, 0, level == 4 ? USER_ENTRIES : PT_ENTRIES) {
		vaddr_t va = base + ((vaddr_t)i << PT_SHIFT(level));
		uint64_t x = LOAD_ACQUIRE(e[i]);

		if (!(x & PTE_P) || va >= op->end || va + (1ul << PT_SHIFT(level)) <= op->start)
			continue;
		if (level > 1)
			walk_below(op, x, va, level - 1);
		else
			op->fn(op->cookie, va, pmap_query(op->pm, va));
	}
}

void pmap_walk(const struct pmap *pm, void (*fn)(void *cookie, vaddr_t va, struct pmap_entry e),
	void *cookie)
{
	pmap_walk_range(pm, 0, USER_HALF_END, fn, cookie);
}

void pmap_walk_range(const struct pmap *pm, vaddr_t start, vaddr_t end,
	void (*fn)(void *cookie, vaddr_t va, struct pmap_entry e), void *cookie)
{
	struct range_op op = {
		.pm = (struct pmap *)pm, .start = start, .end = end, .fn = fn, .cookie = cookie};

	walk_below(&op, pm->root, 0, 4);
}
