/*
 * boot_info from either loader: owns the one struct boot_info and makes its memory map orderly
 * (sorted, without overlaps). Runs on the boot CPU before anything else; the loader's structures
 * are reached through the boot page tables, so they must lie below 4 GiB, where loaders put them.
 */
#include "boot.h"
#include "lib/string.h"
#include "mm/physmap.h"
#include "panic.h"

/* QEMU with -m 16 reports a little less: the firmware keeps some for itself. */
#define MEMORY_MIN (15ull << 20)

struct boot_info boot_info;

void boot_set_cmdline(const char *s)
{
	str_copy(boot_info.cmdline, s, sizeof(boot_info.cmdline));
}

/* Types of the e820 map, which both protocols use (ACPI 6.4, 15.1). */
static enum boot_range_type range_type(uint32_t e820_type)
{
	switch (e820_type) {
	case 1:
		return BOOT_RAM_USABLE;
	case 3:
		return BOOT_RAM_ACPI;
	case 4:
		return BOOT_RAM_NVS;
	case 5:
		return BOOT_RAM_BAD;
	default:
		return BOOT_RAM_RESERVED;
	}
}

void boot_add_range(uint64_t base, uint64_t len, uint32_t e820_type)
{
	struct boot_info *bi = &boot_info;
	unsigned i = bi->nranges;

	if (len == 0 || base + len < base || i == BOOT_RANGES_MAX)
		return;
	for (; i > 0 && bi->ranges[i - 1].base > base; i--)
		bi->ranges[i] = bi->ranges[i - 1];
	bi->ranges[i] = (struct boot_range){base, len, range_type(e820_type)};
	bi->nranges++;
}

/* Make ranges i and i + 1 disjoint: what is usable gives way. */
static void cut_overlap(struct boot_range *a, struct boot_range *b)
{
	uint64_t a_end = a->base + a->len, b_end = b->base + b->len;

	if (a_end <= b->base)
		return;
	if (a->type == BOOT_RAM_USABLE && b->type != BOOT_RAM_USABLE) {
		a->len = b->base - a->base;
	} else {
		uint64_t cut = MIN(a_end, b_end);

		b->len = b_end - cut;
		b->base = cut;
	}
}

void boot_finish_ranges(void)
{
	struct boot_info *bi = &boot_info;
	uint64_t usable = 0;
	unsigned n = 0;

	for (unsigned i = 0; i + 1 < bi->nranges; i++)
		cut_overlap(&bi->ranges[i], &bi->ranges[i + 1]);
	for (unsigned i = 0; i < bi->nranges; i++) {
		if (bi->ranges[i].len == 0)
			continue;
		bi->ranges[n] = bi->ranges[i];
		if (bi->ranges[n].type == BOOT_RAM_USABLE)
			usable += bi->ranges[n].len;
		n++;
	}
	bi->nranges = n;
	if (usable == 0)
		die("The boot loader gave no memory map; Quire cannot tell where memory is.");
	if (usable < MEMORY_MIN)
		die("Too little memory: %llu KiB; Quire needs at least 16 MiB.",
			(unsigned long long)(usable >> 10));
	bi->kernel_base = (uint64_t)image_phys_start;
	bi->kernel_end = (uint64_t)image_phys_end;
}
