/*
 * The kernel half of the page tables. It is no cache: what is mapped here stays until it is
 * unmapped. All pmaps share the tables below the 256 upper entries of the root, which physmap_init
 * filled, so a mapping made once is seen everywhere. Leaf tables are made when first needed and
 * kept until pmap_kernel_trim finds them empty.
 *
 * Lock: kernel_lock (75) while entries are made, and to link and unlink tables, so that no table is
 * unlinked under a new entry. Removal needs none: it only makes a table emptier, and is done with
 * it before it may be found empty.
 */
#include "lib/assert.h"
#include "mm/buddy.h"
#include "mm/pmap.h"
#include "pmap_internal.h"
#include "sync/spinlock.h"

#define KERNEL_TABLE (PTE_P | PTE_W | PTE_A)

static struct spinlock kernel_lock = SPINLOCK_INIT(RANK_PAGE_TABLE, "kernel page table");

/*
 * Entry of va in its leaf table, tables made on the way if asked. NULL: none, or no memory.
 * => to make tables: kernel_lock held
 */
static uint64_t *kernel_leaf(vaddr_t va, bool make)
{
	uint64_t entry = pmap_kernel_root;

	for (unsigned level = 4; level > 1; level--) {
		uint64_t *slot = &entries_of(entry)[pt_index(va, level)];
		struct page *pg;

		entry = LOAD_ACQUIRE(*slot);
		assert(!(entry & PTE_PS) || level == 4);
		if (entry & PTE_P)
			continue;
		if (!make || level == 4)
			return NULL;
		pg = page_table_alloc(ALLOC_NORECLAIM | ALLOC_RESERVE);
		if (!pg)
			return NULL;
		entry = page_phys(pg) | KERNEL_TABLE;
		STORE_RELEASE(*slot, entry);
	}
	return &entries_of(entry)[pt_index(va, 1)];
}

int pmap_kernel_map(vaddr_t va, pfn_t pfn, size_t npages, vm_flags_t flags)
{
	size_t done = 0;

	spin_lock(&kernel_lock);
	for (; done < npages; done++) {
		uint64_t *e = kernel_leaf(va + done * PAGE_SIZE, true);

		if (!e)
			break;
		assert(!(*e & PTE_P));
		STORE_RELEASE(*e, pmap_leaf_bits(flags & ~VM_USER) | (pfn + done) << PAGE_SHIFT);
	}
	spin_unlock(&kernel_lock);
	if (done == npages)
		return 0;
	if (done)
		pmap_kernel_unmap(va, done);
	return -ENOMEM;
}

void pmap_kernel_unmap(vaddr_t va, size_t npages)
{
	vaddr_t pages[TLB_BATCH_PAGES];
	size_t n = 0;

	for (size_t i = 0; i < npages; i++) {
		uint64_t *e = kernel_leaf(va + i * PAGE_SIZE, false);

		if (!e || !(__atomic_exchange_n(e, 0, __ATOMIC_ACQ_REL) & PTE_P))
			continue;
		if (n < TLB_BATCH_PAGES)
			pages[n] = va + i * PAGE_SIZE;
		n++;
	}
	if (!n)
		return;
	if (n <= TLB_BATCH_PAGES)
		tlb_shootdown(NULL, cpu_online_set(), pages, (unsigned)n, false);
	else
		tlb_shootdown(NULL, cpu_online_set(), NULL, 0, true);
}

static bool table_is_empty(const uint64_t *e)
{
	for (unsigned i = 0; i < PT_ENTRIES; i++) {
		if (READ_ONCE(e[i]))
			return false;
	}
	return true;
}

/* The entry that points to va's leaf table, or NULL. */
static uint64_t *kernel_leaf_slot(vaddr_t va)
{
	uint64_t entry = pmap_kernel_root, *slot = NULL;

	for (unsigned level = 4; level > 1; level--) {
		slot = &entries_of(entry)[pt_index(va, level)];
		entry = *slot;
		if (!(entry & PTE_P))
			return NULL;
	}
	return slot;
}

/* Unlink the empty leaf tables of [start, end) into the batch. => kernel_lock held */
static void unlink_empty_leaves(vaddr_t start, vaddr_t end, struct tlb_batch *dead)
{
	for (vaddr_t va = ALIGN_DOWN(start, PT_SPAN(2)); va < end; va += PT_SPAN(2)) {
		uint64_t *slot = kernel_leaf_slot(va);

		if (!slot || !table_is_empty(entries_of(*slot)))
			continue;
		tlb_batch_add_table(dead, table_of(*slot));
		STORE_RELEASE(*slot, 0);
	}
}

uint64_t pmap_kernel_trim(vaddr_t start, vaddr_t end)
{
	struct tlb_batch dead;
	struct page *pg;
	uint64_t tables = 0;

	tlb_batch_init(&dead, NULL);
	spin_lock(&kernel_lock);
	unlink_empty_leaves(start, end, &dead);
	spin_unlock(&kernel_lock);
	if (!dead.tables)
		return 0;
	/* Upper entries may be cached although nothing was mapped below them. */
	tlb_shootdown(NULL, cpu_online_set(), NULL, 0, true);
	for (; (pg = tlb_batch_pop_table(&dead)) != NULL; tables++)
		page_table_free(pg);
	return tables;
}

bool pmap_kernel_query(vaddr_t va, paddr_t *pa)
{
	uint64_t entry = pmap_kernel_root;

	for (unsigned level = 4; level > 0; level--) {
		entry = LOAD_ACQUIRE(entries_of(entry)[pt_index(va, level)]);
		if (!(entry & PTE_P))
			return false;
		if (level == 1 || (level < 4 && (entry & PTE_PS))) {
			uint64_t inside = PT_SPAN(level) - 1;

			*pa = (entry & PTE_ADDR & ~inside) | (va & inside);
			return true;
		}
	}
	return false;
}
