/*
 * The contract with the MMU. Implemented by arch/x86/pmap.c, which also compiles on the host.
 *
 * A pmap is one user address space's page table. It is a cache: it knows no pages, vmaps or
 * objects, and dropping entries is always safe. The effective rights of a translation are the AND
 * of the levels; every query returns that.
 *
 * A cursor is one walk: it stands in the leaf table (2 MiB) of an address, with that table's lock
 * held, and reads and writes its 512 entries. Rights are lowered eagerly (pmap_lower, pmap_protect,
 * pmap_remove: shot down by the caller's tlb_batch) and raised at the fault (pmap_set: never
 * flushed; a spurious fault that finds its right granted returns).
 *
 * Upper levels: pmap_lower clears W in the highest entries that lie wholly inside the run. A cursor
 * opened with PMAP_OPEN_WRITE makes all levels above the leaf table writable again: by push-down
 * (clear W in all entries of the table below, then set W above, both under the two tables' locks)
 * or, at the last level and only with PMAP_OPEN_RESTORE, by setting W above and leaving the leaf
 * entries as they are. The caller vouches for the purity rule (docs/vm.md).
 *
 * Structure locks: tables are made and linked by cursors under the context's lock (read or write);
 * tables are unlinked only by pmap_free_tables/pmap_remove_all under the context's lock for
 * writing. Table pages are freed after the flush.
 */
#ifndef MM_PMAP_H
#define MM_PMAP_H

#include "cpu.h"
#include "mm/types.h"

struct page;

/* What one entry of the root covers, and one leaf table: 512 GiB, 2 MiB. */
#define PMAP_ROOT_SPAN	(1ul << 39)
#define PMAP_TABLE_SPAN (1ul << 21)

struct pmap {
	paddr_t root;
	cpuset_t active; /* atomic: CPUs that have it loaded */
	uint64_t tables; /* atomic: page-table pages, for VmPTE and the leak check */
	/*
	 * Atomic: batches with changes that some CPU may not know of yet. Raised before the first
	 * change, lowered when all have acknowledged: who finds no translation, and it is zero,
	 * knows that nobody has one.
	 */
	uint32_t unflushed;
};

/* Table pages for one walk, taken with nothing held. */
#define PMAP_STOCK_MAX 3
struct pmap_stock {
	unsigned n;
	unsigned want; /* set by pmap_open's -ENOMEM: how many the walk needs */
	struct page *tables[PMAP_STOCK_MAX];
};
/*
 * Fill up to `want` tables (0: to the brim): 0 or -ENOMEM; may reclaim. => nothing of rank 33 up
 * held. Cheapest use: an empty stock {0} for the first try, filled when pmap_open says -ENOMEM.
 */
int __must_check pmap_stock_fill(struct pmap_stock *st);
/* The same without reclaim: under any lock of rank 75 or below. */
int __must_check pmap_stock_fill_try(struct pmap_stock *st);
void pmap_stock_free(struct pmap_stock *st);
static inline void pmap_stock_drop(struct pmap_stock *st)
{
	if (st->n)
		pmap_stock_free(st);
}

/* 0 or -ENOMEM. The kernel half is in from the start. */
int __must_check pmap_create(struct pmap *pm);
/* Free all tables. => no CPU has it loaded, nobody else knows it */
void pmap_destroy(struct pmap *pm);
/* Give back the tables that are kept for the next pmap_create; how many frames. */
uint64_t pmap_drain(void);
/*
 * Load on this CPU; NULL: the kernel's own table. => interrupts off, or before the scheduler runs
 */
void pmap_load(struct pmap *pm);

struct pmap_entry { /* 16 bytes: returned in registers */
	pfn_t pfn;
	vm_flags_t rights; /* effective: READ, WRITE, EXEC, USER, cache bits */
	bool present;
	bool leaf_write; /* W of the leaf entry alone */
};

#define PMAP_OPEN_ALLOC	  0x1u /* make missing tables, from the stock */
#define PMAP_OPEN_WRITE	  0x2u /* make the levels above writable */
#define PMAP_OPEN_RESTORE 0x4u /* with WRITE: the last level may be restored without push-down */

struct pmap_cursor {
	struct pmap *pm;
	vaddr_t base;	/* first address of the leaf table */
	uint64_t *leaf; /* arch: its entries */
	struct page *table;
	vm_flags_t above; /* rights that the upper levels grant */
	bool pushed_down; /* the leaf table was pushed down by this open: all its leaf W are clear
			     now */
	bool restored;
};

/*
 * 0: the cursor stands there, its table is locked. -ENOENT: no leaf table and no PMAP_OPEN_ALLOC.
 * -ENOMEM: the stock is short of tables; fill it with nothing held and begin again.
 * => context lock held; on success the leaf table's lock (75) is held until pmap_close
 */
int __must_check pmap_open(
	struct pmap_cursor *c, struct pmap *pm, vaddr_t va, unsigned flags, struct pmap_stock *st);
void pmap_close(struct pmap_cursor *c);
/* Is there a translation? For this and the next: va lies in [c->base, c->base + 2 MiB). */
bool pmap_is_entered(const struct pmap_cursor *c, vaddr_t va);
struct pmap_entry pmap_get(const struct pmap_cursor *c, vaddr_t va);
/*
 * Enter a translation, or raise the rights of one with the same pfn: W and X of the old entry stay.
 * Accessed is preset; dirty is preset when rights has VM_WRITE, for which the cursor must have been
 * opened with PMAP_OPEN_WRITE. Never replaces another pfn: asserted.
 */
void pmap_set(struct pmap_cursor *c, vaddr_t va, pfn_t pfn, vm_flags_t rights);
/* Remove the entry by exchange; returns what it was. The caller flushes. */
struct pmap_entry pmap_clear(struct pmap_cursor *c, vaddr_t va);

/* The whole walk without lock or cursor: what would the MMU do? Any context (page tables are stable
 * while ctx is locked). */
struct pmap_entry pmap_query(const struct pmap *pm, vaddr_t va);

/*
 * One operation's changes to translations, shot down once: on the CPUs of pm->active, page by page
 * up to TLB_BATCH_PAGES, else whole. tlb_batch_finish waits for all acknowledgements, then frees
 * the table pages.
 * => finish: interrupts on, no spinning lock held; the locks that keep faults out are still held
 */
#define TLB_BATCH_PAGES 20
struct tlb_batch {
	struct pmap *pm;
	bool whole, counted; /* counted: in pm->unflushed */
	/* Where pmap_remove met leaf tables, empty or not; 0, 0: nowhere. */
	vaddr_t table_low, table_high;
	unsigned n;
	vaddr_t pages[TLB_BATCH_PAGES];
	struct page *tables; /* unlinked table pages, chained by next_table */
};
void tlb_batch_init(struct tlb_batch *tb, struct pmap *pm);
/* Before the first change of a translation that others may look for without the context's lock. */
static inline void tlb_batch_begin(struct tlb_batch *tb)
{
	if (tb->counted)
		return;
	tb->counted = true;
	__atomic_fetch_add(&tb->pm->unflushed, 1, __ATOMIC_SEQ_CST);
}
void tlb_batch_add(struct tlb_batch *tb, vaddr_t va);
/* Are there changes of others that some CPU may not know of yet? Asked after our own. */
static inline bool tlb_batch_has_company(const struct tlb_batch *tb)
{
	return __atomic_load_n(&tb->pm->unflushed, __ATOMIC_SEQ_CST) > tb->counted;
}
void tlb_batch_finish(struct tlb_batch *tb);
/* Would the flush now interrupt other CPUs, and wait for them? */
static inline bool tlb_batch_asks_others(const struct tlb_batch *tb)
{
	return READ_ONCE(tb->pm->active) & ~((cpuset_t)1 << cpu_id()) &&
	       (tb->n || tb->whole || tb->tables);
}
/* A table that no entry points to any more; the last one that was added, or NULL. */
void tlb_batch_add_table(struct tlb_batch *tb, struct page *pg);
struct page *tlb_batch_pop_table(struct tlb_batch *tb);

/*
 * Ranges: page aligned, in the user half. => context lock held for writing, or the vmaps' locks
 * that cover the range (then table structure does not change: only entries of leaf tables and W of
 * upper entries inside the range).
 */
/* Remove all translations of [start, end). Returns how many leaf entries were present. */
uint64_t pmap_remove(struct pmap *pm, vaddr_t start, vaddr_t end, struct tlb_batch *tb);
/*
 * Take from the rights of present translations what is not in rights: W, X; none of the three:
 * removed. W alone goes at the highest levels, as in pmap_lower; X goes entry by entry, so a caller
 * that knows that no translation of the range has X passes VM_EXEC too.
 */
void pmap_protect(
	struct pmap *pm, vaddr_t start, vaddr_t end, vm_flags_t rights, struct tlb_batch *tb);
/* Clear W over [start, end) at the highest levels that lie wholly inside; ends a descent where W is
 * clear already. */
void pmap_lower(struct pmap *pm, vaddr_t start, vaddr_t end, struct tlb_batch *tb);
/*
 * Unlink the tables that lie wholly inside [floor, ceiling), a hole between vmaps with no
 * translations left in it; they go into tb. => context lock held for writing
 */
void pmap_free_tables(struct pmap *pm, vaddr_t floor, vaddr_t ceiling, struct tlb_batch *tb);
/*
 * Drop every user translation, keep nothing ("page tables are a cache": tests, memory pressure).
 * => context write
 */
void pmap_remove_all(struct pmap *pm, struct tlb_batch *tb);
/* Visit every present leaf translation in order: verify and statistics. => context lock held */
void pmap_walk(const struct pmap *pm, void (*fn)(void *cookie, vaddr_t va, struct pmap_entry e),
	void *cookie);
/* The same for those in [start, end). */
void pmap_walk_range(const struct pmap *pm, vaddr_t start, vaddr_t end,
	void (*fn)(void *cookie, vaddr_t va, struct pmap_entry e), void *cookie);

/* Kernel half: it is no cache. Maps single frames; the caller flushes by pmap_kernel_unmap, which
 * shoots down everywhere. */
int __must_check pmap_kernel_map(vaddr_t va, pfn_t pfn, size_t npages, vm_flags_t flags);
void pmap_kernel_unmap(vaddr_t va, size_t npages);
/*
 * Free the leaf tables of [start, end) in which nothing is mapped any more; returns how many. For a
 * drop of caches: it shoots down on every CPU. => interrupts on, no spinning lock held
 */
uint64_t pmap_kernel_trim(vaddr_t start, vaddr_t end);
/* Physical address that the kernel half has at va; false: not mapped. */
bool pmap_kernel_query(vaddr_t va, paddr_t *pa);

/* arch/x86/tlb.c (the host fake has its own): run the invalidation on the CPUs of the set and wait
 * for them. */
void tlb_shootdown(struct pmap *pm, cpuset_t cpus, const vaddr_t *pages, unsigned n, bool whole);

/*
 * After the removal of va's translation: when no other CPU has pm loaded, flush here and return
 * true; else nothing is flushed. Waits for nobody. A CPU that loads pm later sees the table as it
 * is.
 * => the kernel is not preempted; the leaf table's lock may be held
 */
static inline bool tlb_flush_sole(struct pmap *pm, vaddr_t va)
{
	cpuset_t active = __atomic_load_n(&pm->active, __ATOMIC_SEQ_CST);

	if (active & ~((cpuset_t)1 << cpu_id()))
		return false;
	if (active)
		tlb_shootdown(pm, active, &va, 1, false);
	return true;
}

#endif
