/*
 * Page-table entries of x86-64 with 4-level paging (SDM vol. 3, 4.5), and the few machine
 * operations that the page-table code needs. Nothing outside arch/x86 (and the host's soft MMU)
 * includes this.
 */
#ifndef X86_PTE_H
#define X86_PTE_H

#include "mm/types.h"

#define PTE_P	      0x001ull
#define PTE_W	      0x002ull
#define PTE_U	      0x004ull
#define PTE_PWT	      0x008ull
#define PTE_PCD	      0x010ull
#define PTE_A	      0x020ull
#define PTE_D	      0x040ull
#define PTE_PS	      0x080ull /* PDPT and PD entries: a page, not a table */
#define PTE_PAT	      0x080ull /* 4 KiB entries */
#define PTE_G	      0x100ull
#define PTE_PAT_LARGE 0x1000ull
#define PTE_NX	      (1ull << 63)
#define PTE_ADDR      0x000ffffffffff000ull

#define PT_ENTRIES 512u

/* Bits of the address that a table of the level indexes: level 4 = PML4 ... level 1 = leaf. */
#define PT_SHIFT(level) (PAGE_SHIFT + 9u * ((level)-1u))
#define PT_SPAN(level)	(1ull << PT_SHIFT(level)) /* bytes that one entry covers */

static inline unsigned pt_index(vaddr_t va, unsigned level)
{
	return (unsigned)(va >> PT_SHIFT(level)) & (PT_ENTRIES - 1);
}

/*
 * Page attribute table, written by every CPU when it starts (MSR 0x277). PWT, PCD and PAT select an
 * entry: 0 WB, 1 WT, 2 UC-, 3 UC as after reset; 4 (PAT alone) is write-combining.
 */
#define MSR_PAT	      0x277u
#define PAT_MSR_VALUE 0x0007040100070406ull

/* Set by physmap_init: the kernel's own PML4, whose upper 256 entries every pmap shares. */
extern paddr_t pmap_kernel_root;
/* PTE_NX where the CPU has it, else 0. Set at boot before the first table is made. */
extern uint64_t pmap_nx_bit;

/*
 * Clear W of an entry, present or not. No CPU writes the word beside us, as accessed and dirty are
 * preset: so one instruction, not locked.
 */
#ifdef QUIRE_HOST
static inline void pte_clear_write(uint64_t *e)
{
	WRITE_ONCE(*e, *e & ~PTE_W);
}
#else
static inline void pte_clear_write(uint64_t *e)
{
	__asm__ volatile("andq %1, %0" : "+m"(*e) : "i"(~PTE_W));
}
#endif

#ifdef QUIRE_HOST
void mmu_load_root(paddr_t root); /* the soft MMU */
#else
/* Load CR3: drops all translations of this CPU that are not global. */
static inline void mmu_load_root(paddr_t root)
{
	__asm__ volatile("movq %0, %%cr3" : : "r"(root) : "memory");
}
#endif

#endif
