/* What the files of pmap share: a table page, its lock, its live range, its entries. */
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

/* Entry i became present. Writers hold the table's lock; descents read the range without it. */
static inline void live_add(struct page *pg, unsigned i)
{
	unsigned lo = pg->live_lo, hi = pg->live_hi;

	if (lo == hi) {
		WRITE_ONCE(pg->live_lo, (uint16_t)i);
		WRITE_ONCE(pg->live_hi, (uint16_t)(i + 1));
	} else if (i < lo) {
		WRITE_ONCE(pg->live_lo, (uint16_t)i);
	} else if (i >= hi) {
		WRITE_ONCE(pg->live_hi, (uint16_t)(i + 1));
	}
}

/* No entry of [lo, hi) is present any more. => table locked */
static inline void live_cut(struct page *pg, unsigned lo, unsigned hi)
{
	if (lo <= pg->live_lo && hi > pg->live_lo)
		WRITE_ONCE(pg->live_lo, (uint16_t)MIN(hi, (unsigned)pg->live_hi));
	if (hi >= pg->live_hi && lo < pg->live_hi)
		WRITE_ONCE(pg->live_hi, (uint16_t)MAX(lo, (unsigned)pg->live_lo));
}

/* The kernel half's entries and the rights and cache bits of a translation. */
uint64_t pmap_leaf_bits(vm_flags_t rights);
vm_flags_t pmap_leaf_flags(uint64_t entry);

#endif
