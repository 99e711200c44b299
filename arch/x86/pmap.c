/*
 * pmap: one address space's page table, as real x86-64 tables. The contract is in mm/pmap.h, the
 * reasons in docs/vm.md; ranges are in pmap_range.c, the kernel half in pmap_kernel.c.
 *
 * Rights: user tables have U in every entry, NX only in leaf entries; W in upper entries is the
 * switch that lowers everything below at once. Effective W is the AND of the levels. An entry with
 * W = 0 above says nothing about the W below it; it is made 1 again by
 *
 *	push-down	clear W in all entries of the table below, then set W above
 *	restore		set W above, for a leaf table whose W bits the caller vouches for
 *
 * Neither gives a right that was not there, so neither is flushed: a CPU that still has W = 0
 * cached faults once more and drops it.
 *
 * Locks: an entry changes only under the lock of its table (75, in the table's descriptor); upper
 * tables are locked before lower ones. Upper entries are read without a lock on the way down:
 *
 *	- an entry that points to a table does so until pmap_free_tables or pmap_remove_all, which
 *	  have the context's lock for writing, as no walker has;
 *	- W of an entry over my page is cleared only by who keeps faults out of my vmap;
 *	- it may be set behind my back by a push-down, after which the W below are clear: reading the
 *	  old value only asks for less.
 *
 * Live entries: every table knows which groups of its words may hold something (pmap_internal.h),
 * so that push-down and teardown do not scan 512 words. Accessed is preset, and dirty in entries
 * with W; neither is read back, so plain stores lower and only removal exchanges.
 */
#include "mm/pmap.h"
#include "cpu.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "pmap_internal.h"

#define TABLE_ENTRY (PTE_P | PTE_W | PTE_U | PTE_A)

paddr_t pmap_kernel_root;
uint64_t pmap_nx_bit = PTE_NX;

/* --- life ------------------------------------------------------------------------------------ */

static int stock_fill(struct pmap_stock *st, unsigned flags)
{
	unsigned want = st->want ? st->want : PMAP_STOCK_MAX;

	while (st->n < want) {
		struct page *pg = page_table_alloc(flags);

		if (!pg)
			return -ENOMEM;
		st->tables[st->n++] = pg;
	}
	return 0;
}

int pmap_stock_fill(struct pmap_stock *st)
{
	return stock_fill(st, 0);
}

int pmap_stock_fill_try(struct pmap_stock *st)
{
	return stock_fill(st, ALLOC_NORECLAIM);
}

void pmap_stock_free(struct pmap_stock *st)
{
	while (st->n)
		page_table_free(st->tables[--st->n]);
}

/*
 * Roots that wait for their next use, one a CPU: the kernel half is in them, the user half is
 * empty. Filling a root and cleaning it again for the buddy is 512 words each time.
 */
static struct page *spare_roots[CPU_MAX]; /* atomic */

/* A root with the kernel half. */
static struct page *root_alloc(void)
{
	struct page *pg = __atomic_exchange_n(&spare_roots[cpu_id()], NULL, __ATOMIC_ACQUIRE);

	if (pg)
		return pg;
	pg = page_table_alloc(0);
	if (!pg)
		return NULL;
	memcpy((uint64_t *)page_virt(pg) + USER_ENTRIES,
		(uint64_t *)phys_to_virt(pmap_kernel_root) + USER_ENTRIES,
		(PT_ENTRIES - USER_ENTRIES) * sizeof(uint64_t));
	pg->live = ~0ull << USER_ENTRIES / LIVE_GROUP;
	return pg;
}

/* => the user half is empty */
static void root_free(struct page *pg)
{
	pg->live = ~0ull << USER_ENTRIES / LIVE_GROUP;
	pg = __atomic_exchange_n(&spare_roots[cpu_id()], pg, __ATOMIC_ACQ_REL);
	if (pg)
		page_table_free(pg);
}

uint64_t pmap_drain(void)
{
	uint64_t frames = 0;

	for (unsigned i = 0; i < CPU_MAX; i++) {
		struct page *pg = __atomic_exchange_n(&spare_roots[i], NULL, __ATOMIC_ACQUIRE);

		if (pg) {
			page_table_free(pg);
			frames++;
		}
	}
	return frames;
}

int pmap_create(struct pmap *pm)
{
	struct page *pg = root_alloc();

	if (!pg)
		return -ENOMEM;
	pm->root = page_phys(pg);
	pm->active = 0;
	pm->tables = 1;
	pm->unflushed = 0;
	return 0;
}

/* Free a table of a level below the root, and all below it. */
static void table_free_tree(struct pmap *pm, uint64_t entry, unsigned level)
{
	struct page *pg = table_of(entry);
	uint64_t *e = entries_of(entry);

	if (level > 1) {
		live_for_each (i, pg, 0, PT_ENTRIES) {
			if (e[i] & PTE_P)
				table_free_tree(pm, e[i], level - 1);
		}
	}
	pm->tables--;
	page_table_free(pg);
}

void pmap_destroy(struct pmap *pm)
{
	struct page *root = table_of(pm->root);
	uint64_t *e = entries_of(pm->root);

	assert(READ_ONCE(pm->active) == 0);
	live_for_each (i, root, 0, USER_ENTRIES) {
		if (e[i] & PTE_P) {
			table_free_tree(pm, e[i], 3);
			e[i] = 0;
		}
	}
	pm->tables--;
	assert(pm->tables == 0);
	pm->root = 0;
	root_free(root);
}

/*
 * The mask bit is set before CR3 is loaded, and cleared after another table is: a flusher edits,
 * fences and reads the mask, so either it sees this CPU or this CPU sees the edit.
 */
void pmap_load(struct pmap *pm)
{
	struct cpu *c = this_cpu();
	struct pmap *old = c->loaded;
	cpuset_t bit = (cpuset_t)1 << c->id;

	if (old == pm)
		return;
	if (pm)
		__atomic_fetch_or(&pm->active, bit, __ATOMIC_SEQ_CST);
	c->loaded = pm;
	mmu_load_root(pm ? pm->root : pmap_kernel_root);
	if (old)
		__atomic_fetch_and(&old->active, ~bit, __ATOMIC_SEQ_CST);
}

/* --- entries --------------------------------------------------------------------------------- */

/* above: VM_WRITE when all upper levels have W. */
static inline struct pmap_entry entry_decode(uint64_t e, vm_flags_t above)
{
	struct pmap_entry r = {.pfn = PFN_NONE};

	if (!(e & PTE_P))
		return r;
	r.pfn = (e & PTE_ADDR) >> PAGE_SHIFT;
	r.present = true;
	r.leaf_write = e & PTE_W;
	r.rights = pmap_leaf_flags(e) & (above | ~VM_WRITE);
	return r;
}

/* --- the walk of a fault --------------------------------------------------------------------- */

/* How many tables a walk lacks from this level down, for the stock. */
static int stock_short(struct pmap_stock *st, unsigned level)
{
	if (st)
		st->want = level - 1;
	return -ENOMEM;
}

/*
 * Make *slot, an entry of `table` (of the level), point to a new table from the stock.
 * => table locked
 */
static int entry_link(
	struct pmap *pm, struct page *table, uint64_t *slot, unsigned level, struct pmap_stock *st)
{
	struct page *child;

	if (!st || st->n == 0)
		return stock_short(st, level);
	child = st->tables[--st->n];
	live_add(table, (unsigned)((uintptr_t)slot / sizeof(*slot)) & (PT_ENTRIES - 1));
	STORE_RELEASE(*slot, page_phys(child) | TABLE_ENTRY);
	__atomic_fetch_add(&pm->tables, 1, __ATOMIC_RELAXED);
	return 0;
}

/* Clear W in a group of entries: straight on, this is the longest loop of a fault after fork. */
static inline void group_clear_write(uint64_t *e)
{
	pte_clear_write(&e[0]);
	pte_clear_write(&e[1]);
	pte_clear_write(&e[2]);
	pte_clear_write(&e[3]);
	pte_clear_write(&e[4]);
	pte_clear_write(&e[5]);
	pte_clear_write(&e[6]);
	pte_clear_write(&e[7]);
}

/* Clear W in all entries of the table below, then set W in *slot. => the table of slot locked */
static void entry_push_down(uint64_t *slot)
{
	struct page *child = table_of(*slot);
	uint64_t *e = entries_of(*slot);
	unsigned i, end;

	table_lock(child);
	for (i = 0; live_run(child->live, &i, &end, PT_ENTRIES); i = end) {
#pragma GCC unroll 4
		for (uint64_t *group = &e[i]; group < &e[end]; group += LIVE_GROUP)
			group_clear_write(group);
	}
	STORE_RELEASE(*slot, *slot | PTE_W);
	table_unlock(child);
}

/* Do what the flags ask at one upper entry: link a table, let W through. Returns 0 or an error. */
static int entry_prepare(struct pmap_cursor *c, struct page *table, uint64_t *slot, unsigned level,
	unsigned flags, struct pmap_stock *st)
{
	int err = 0;

	table_lock(table);
	if (!(*slot & PTE_P)) {
		if (flags & PMAP_OPEN_ALLOC)
			err = entry_link(c->pm, table, slot, level, st);
		else
			err = -ENOENT;
	} else if ((flags & PMAP_OPEN_WRITE) && !(*slot & PTE_W)) {
		if (level == 2 && (flags & PMAP_OPEN_RESTORE)) {
			STORE_RELEASE(*slot, *slot | PTE_W);
			c->restored = true;
		} else {
			entry_push_down(slot);
			c->pushed_down |= level == 2;
		}
	}
	table_unlock(table);
	return err;
}

int pmap_open(
	struct pmap_cursor *c, struct pmap *pm, vaddr_t va, unsigned flags, struct pmap_stock *st)
{
	uint64_t need = PTE_P | (flags & PMAP_OPEN_WRITE ? PTE_W : 0);
	uint64_t entry = pm->root, above;
	uint64_t *slot[5];

	dassert(va < USER_MAX);
	c->pm = pm;
	c->base = ALIGN_DOWN(va, PT_SPAN(2));
	c->pushed_down = false;
	c->restored = false;
#pragma GCC unroll 3
	for (unsigned level = 4; level > 1; level--) {
		uint64_t parent = entry;

		slot[level] = &entries_of(parent)[pt_index(va, level)];
		entry = LOAD_ACQUIRE(*slot[level]);
		if (unlikely((entry & need) != need)) {
			int err = entry_prepare(c, table_of(parent), slot[level], level, flags, st);

			if (err)
				return err;
			entry = LOAD_ACQUIRE(*slot[level]);
		}
	}
	c->leaf = entries_of(entry);
	c->table = table_of(entry);
	table_lock(c->table);
	above = READ_ONCE(*slot[4]) & READ_ONCE(*slot[3]) & READ_ONCE(*slot[2]);
	c->above = above & PTE_W ? VM_WRITE : 0;
	dassert(c->above || !(flags & PMAP_OPEN_WRITE));
	return 0;
}

void pmap_close(struct pmap_cursor *c)
{
	table_unlock(c->table);
	c->leaf = NULL;
}

bool pmap_is_entered(const struct pmap_cursor *c, vaddr_t va)
{
	dassert(va - c->base < PT_SPAN(2));
	return c->leaf[pt_index(va, 1)] & PTE_P;
}

struct pmap_entry pmap_get(const struct pmap_cursor *c, vaddr_t va)
{
	dassert(va - c->base < PT_SPAN(2));
	return entry_decode(c->leaf[pt_index(va, 1)], c->above);
}

void pmap_set(struct pmap_cursor *c, vaddr_t va, pfn_t pfn, vm_flags_t rights)
{
	unsigned i = pt_index(va, 1);
	uint64_t old = c->leaf[i];
	uint64_t e = pmap_leaf_bits(rights | VM_USER) | pfn << PAGE_SHIFT;

	dassert(va - c->base < PT_SPAN(2) && (rights & VM_RIGHTS));
	/*
	 * An upper W = 0 may still be cached as 1 where nothing was live below: never count on it.
	 */
	dassert(!(rights & VM_WRITE) || c->above);
	if (old & PTE_P) {
		assert((old & PTE_ADDR) == (e & PTE_ADDR));
		e |= old & (PTE_W | PTE_D);
		e &= old | ~PTE_NX;
	} else {
		live_add(c->table, i);
	}
	STORE_RELEASE(c->leaf[i], e);
}

struct pmap_entry pmap_clear(struct pmap_cursor *c, vaddr_t va)
{
	unsigned i = pt_index(va, 1);
	uint64_t old;

	dassert(va - c->base < PT_SPAN(2));
	old = __atomic_exchange_n(&c->leaf[i], 0, __ATOMIC_ACQ_REL);
	return entry_decode(old, c->above);
}

struct pmap_entry pmap_query(const struct pmap *pm, vaddr_t va)
{
	uint64_t entry = pm->root, above = PTE_W;

	for (unsigned level = 4; level > 1; level--) {
		entry = LOAD_ACQUIRE(entries_of(entry)[pt_index(va, level)]);
		if (!(entry & PTE_P))
			return entry_decode(0, 0);
		above &= entry;
	}
	entry = LOAD_ACQUIRE(entries_of(entry)[pt_index(va, 1)]);
	return entry_decode(entry, above ? VM_WRITE : 0);
}
