/*
 * The kernel half at boot: direct map of all RAM with the largest pages the CPU has, the image with
 * the rights of its sections, tables under all 256 upper entries of the root. What is mapped here
 * stays for ever.
 *
 * The direct map covers the ranges that the firmware calls RAM (ACPI tables too, reserved ones not)
 * and the first 2 MiB as a whole. Device memory is not in it: that needs kva_map_device.
 *
 * Runs on the boot CPU alone; pages come from boot_alloc, through the boot page tables.
 */
#include "mm/physmap.h"
#include "boot.h"
#include "cpu_features.h"
#include "insn.h"
#include "lib/assert.h"
#include "mm/page.h"
#include "pte.h"

#define KERNEL_TABLE (PTE_P | PTE_W | PTE_A)
#define KERNEL_LEAF  (PTE_P | PTE_A | PTE_G)
#define KERNEL_DATA  (KERNEL_LEAF | PTE_W | PTE_D | PTE_NX)
#define ROOT_HALF    256u
/* Below this everything is mapped: firmware data, the VGA text screen. */
#define LOW_END 0x200000ull

/* The table below entry idx, made if it is missing. */
static uint64_t *table_below(uint64_t *table, unsigned idx)
{
	if (!(table[idx] & PTE_P))
		table[idx] = virt_to_phys(boot_alloc(PAGE_SIZE)) | KERNEL_TABLE;
	assert(!(table[idx] & PTE_PS));
	return phys_to_virt(table[idx] & PTE_ADDR);
}

/* Map [pa, end), page aligned, at va with the largest pages that fit. */
static void map_range(uint64_t *root, vaddr_t va, paddr_t pa, paddr_t end, uint64_t bits)
{
	unsigned max = cpu_features.pages_1g ? 3 : 2;

	while (pa < end) {
		uint64_t *table = root;
		unsigned level = max;

		while (level > 1 && ((va | pa) & (PT_SPAN(level) - 1) || end - pa < PT_SPAN(level)))
			level--;
		for (unsigned l = 4; l > level; l--)
			table = table_below(table, pt_index(va, l));
		/* Neighbouring ranges may share a page that one of them touched already. */
		if (!(table[pt_index(va, level)] & PTE_P))
			table[pt_index(va, level)] = pa | bits | (level > 1 ? PTE_PS : 0);
		va += PT_SPAN(level);
		pa += PT_SPAN(level);
	}
}

static void map_image(uint64_t *root, const char *start, const char *end, uint64_t bits)
{
	map_range(
		root, (vaddr_t)start, (paddr_t)start - KERNEL_VMA, (paddr_t)end - KERNEL_VMA, bits);
}

static void map_ram(uint64_t *root, const struct boot_info *bi)
{
	paddr_t done = LOW_END;

	map_range(root, PHYSMAP_BASE, 0, LOW_END, KERNEL_DATA);
	for (unsigned i = 0; i < bi->nranges; i++) {
		const struct boot_range *r = &bi->ranges[i];
		paddr_t base = ALIGN_DOWN(r->base, PAGE_SIZE);
		paddr_t end = ALIGN_UP(r->base + r->len, PAGE_SIZE);

		if (r->type == BOOT_RAM_RESERVED || r->type == BOOT_RAM_BAD)
			continue;
		base = MAX(base, done);
		if (base >= end)
			continue;
		map_range(root, PHYSMAP_BASE + base, base, end, KERNEL_DATA);
		done = end;
	}
}

void physmap_init(const struct boot_info *bi)
{
	uint64_t *root = boot_alloc(PAGE_SIZE);

	pmap_nx_bit = PTE_NX;
	map_ram(root, bi);
	map_image(root, text_start, text_end, KERNEL_LEAF);
	map_image(root, rodata_start, rodata_end, KERNEL_LEAF | PTE_NX);
	/* The page below the boot stack stays unmapped. */
	map_image(root, data_start, boot_stack_guard, KERNEL_DATA);
	map_image(root, boot_stack_guard + PAGE_SIZE, data_end, KERNEL_DATA);
	for (unsigned i = ROOT_HALF; i < PT_ENTRIES; i++)
		table_below(root, i);
	pmap_kernel_root = virt_to_phys(root);
	mmu_load_root(pmap_kernel_root);
	/*
	 * The boot tables' entries were not global, but the switch of this bit drops all the same.
	 */
	cr4_write(cr4_read() & ~CR4_PGE);
	if (cpu_features.pge)
		cr4_write(cr4_read() | CR4_PGE);
}

void frame_zero(void *frame)
{
	uint64_t n = PAGE_SIZE / 8;

	__asm__ volatile("rep stosq" : "+D"(frame), "+c"(n) : "a"(0ull) : "memory");
}

void frame_copy(void *dst, const void *src)
{
	uint64_t n = PAGE_SIZE / 8;

	__asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
}
