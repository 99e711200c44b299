/* What the files of pmap share: a table page, its lock, its live mask, its entries. */
#ifndef X86_PMAP_INTERNAL_H
#define X86_PMAP_INTERNAL_H

#include "mm/page.h"
#include "mm/physmap.h"
#include "mm/pmap.h"
#include "pte.h"
#include "sync/wordlock.h"

WORDLOCK_CLASS(pmap_table_class, RANK_PAGE_TABLE, "page table");

static inline void table_lock(struct page *pg)
{
	wordlock_acquire(&pg->table_lock, pmap_table_class);
}

static inline void table_unlock(struct page *pg)
{
	wordlock_release(&pg->table_lock);
}

/* The table page that an entry (or CR3) points to, and its words. */
static inline struct page *table_of(uint64_t entry)
{
	return page_from_pfn((entry & PTE_ADDR) >> PAGE_SHIFT);
}

static inline uint64_t *entries_of(uint64_t entry)
{
	return phys_to_virt(entry & PTE_ADDR);
}

/*
 * Live entries: bit g of pg->live says that one of the entries of group g, 8g .. 8g+7, may be
 * present (one cache line of entries a bit). So whoever goes over a table meets 8 words for each of
 * the few regions that a process has at its upper levels, instead of 512.
 */
#define LIVE_GROUP   8u
#define USER_ENTRIES (PT_ENTRIES / 2) /* of the root */

/* Entry i became present. Writers hold the table's lock; descents read the mask without it. */
static inline void live_add(struct page *pg, unsigned i)
{
	uint64_t bit = 1ull << (i / LIVE_GROUP);

	if (!(pg->live & bit))
		WRITE_ONCE(pg->live, pg->live | bit);
}

/* The groups that [lo, hi), not empty, touches. */
static inline uint64_t live_groups(unsigned lo, unsigned hi)
{
	return ~0ull << lo / LIVE_GROUP & ~0ull >> (63 - (hi - 1) / LIVE_GROUP);
}

/* No entry of [lo, hi) is present any more: forget the groups that have none. => table locked */
static inline void live_cut(struct page *pg, const uint64_t *e, unsigned lo, unsigned hi)
{
	uint64_t live = pg->live;

	for (uint64_t rest = live & live_groups(lo, hi); rest; rest &= rest - 1) {
		const uint64_t *w = &e[(unsigned)__builtin_ctzll(rest) * LIVE_GROUP];

		if (!(w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7]))
			live &= ~(rest & -rest);
	}
	WRITE_ONCE(pg->live, live);
}

/* Set [*i, *end) to the next entries from *i on and below hi that may be present. False: none. */
static inline bool live_run(uint64_t live, unsigned *i, unsigned *end, unsigned hi)
{
	unsigned g = *i / LIVE_GROUP, skip, stop;
	uint64_t rest;

	if (*i >= hi || !(live >> g))
		return false;
	rest = live >> g;
	skip = (unsigned)__builtin_ctzll(rest);
	if (skip)
		*i = (g + skip) * LIVE_GROUP;
	rest = ~(rest >> skip);
	stop = rest ? (g + skip + (unsigned)__builtin_ctzll(rest)) * LIVE_GROUP : PT_ENTRIES;
	*end = MIN(stop, hi);
	return *i < *end;
}

/* For each i in [lo, hi) whose entry in the table may be present. `break` leaves one run only. */
#define live_for_each(i, pg, lo, hi)                                                            \
	for (unsigned i = (lo), i##_end = 0; live_run(READ_ONCE((pg)->live), &i, &i##_end, hi); \
		i = i##_end)                                                                    \
		for (; i < i##_end; i++)

#define CACHE_ENTRIES (PTE_PWT | PTE_PCD | PTE_PAT)

/* The kernel half's entries and the rights and cache bits of a translation. */
static inline uint64_t pmap_leaf_bits(vm_flags_t rights)
{
	uint64_t e = PTE_P | PTE_A;

	if (rights & VM_WRITE)
		e |= PTE_W | PTE_D;
	if (rights & VM_USER)
		e |= PTE_U;
	if (!(rights & VM_EXEC))
		e |= pmap_nx_bit;
	if (unlikely(rights & (VM_CACHE_MASK | VM_GLOBAL))) {
		if (rights & VM_CACHE_DISABLED)
			e |= PTE_PCD | PTE_PWT;
		else if (rights & VM_WRITE_COMBINE)
			e |= PTE_PAT;
		else if (rights & VM_WRITE_THROUGH)
			e |= PTE_PWT;
		if (rights & VM_GLOBAL)
			e |= PTE_G;
	}
	return e;
}

static inline vm_flags_t pmap_leaf_flags(uint64_t e)
{
	vm_flags_t f = VM_READ;

	if (e & PTE_W)
		f |= VM_WRITE;
	if (e & PTE_U)
		f |= VM_USER;
	if (!(e & PTE_NX))
		f |= VM_EXEC;
	if (unlikely(e & (CACHE_ENTRIES | PTE_G))) {
		if (e & PTE_PAT)
			f |= VM_WRITE_COMBINE;
		else if (e & PTE_PCD)
			f |= VM_CACHE_DISABLED;
		else if (e & PTE_PWT)
			f |= VM_WRITE_THROUGH;
		if (e & PTE_G)
			f |= VM_GLOBAL;
	}
	return f;
}

#endif
