/*
 * The kernel half of the page tables. It is no cache: what is mapped here stays until it is
 * unmapped. All pmaps share the tables below the 256 upper entries of the root, which physmap_init
 * filled, so a mapping made once is seen everywhere. Tables are made when first needed and kept.
 *
 * Lock: kernel_lock (75) for linking tables; the entries belong to the owner of the range.
 */
#include "lib/assert.h"
#include "mm/buddy.h"
#include "mm/pmap.h"
#include "pmap_internal.h"
#include "sync/spinlock.h"

#define KERNEL_TABLE (PTE_P | PTE_W | PTE_A)

static struct spinlock kernel_lock = SPINLOCK_INIT(RANK_PAGE_TABLE, "kernel page table");

/* Entry of va in its leaf table, tables made on the way if asked. NULL: none, or no memory. */
static uint64_t *kernel_leaf(vaddr_t va, bool make)
{
	uint64_t entry = pmap_kernel_root;

	for (unsigned level = 4; level > 1; level--) {
		uint64_t *slot = &entries_of(entry)[pt_index(va, level)];

		entry = LOAD_ACQUIRE(*slot);
		assert(!(entry & PTE_PS) || level == 4);
		if (entry & PTE_P)
			continue;
		if (!make || level == 4)
			return NULL;
		spin_lock(&kernel_lock);
		if (!(*slot & PTE_P)) {
			struct page *pg = page_table_alloc(ALLOC_NORECLAIM | ALLOC_RESERVE);

			if (pg)
				STORE_RELEASE(*slot, page_phys(pg) | KERNEL_TABLE);
		}
		entry = *slot;
		spin_unlock(&kernel_lock);
		if (!(entry & PTE_P))
			return NULL;
	}
	return &entries_of(entry)[pt_index(va, 1)];
}

int pmap_kernel_map(vaddr_t va, pfn_t pfn, size_t npages, vm_flags_t flags)
{
	for (size_t i = 0; i < npages; i++) {
		uint64_t *e = kernel_leaf(va + i * PAGE_SIZE, true);

		if (!e) {
			if (i)
				pmap_kernel_unmap(va, i);
			return -ENOMEM;
		}
		assert(!(*e & PTE_P));
		STORE_RELEASE(*e, pmap_leaf_bits(flags & ~VM_USER) | (pfn + i) << PAGE_SHIFT);
	}
	return 0;
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
