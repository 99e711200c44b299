/*
 * What the files of the boot path share: the two parsers of what the loader tells, and the places
 * of the image (link.ld).
 */
#ifndef X86_BOOT_H
#define X86_BOOT_H

#include "boot_info.h"
#include "mm/types.h"

enum boot_protocol { BOOT_MULTIBOOT2, BOOT_PVH };

/* The early tables reach this far. */
#define BOOT_MAPPED (4ull << 30)

extern char image_phys_start[], image_phys_end[]; /* their addresses are the values */
extern char text_start[], text_end[], rodata_start[], rodata_end[], data_start[], data_end[];
extern char boot_stack_guard[], boot_stack[], boot_stack_top[];

/* The time-stamp counter at the first instructions of the kernel. */
extern uint64_t boot_entry_tsc;

/* Where C begins, called by boot.S. info: physical address. */
__noreturn void arch_start(enum boot_protocol protocol, paddr_t info);

/* Fill boot_info from the loader's structures; boot_add_range for each entry of the memory map. */
void boot_parse_multiboot2(paddr_t info);
void boot_parse_pvh(paddr_t info);
void boot_add_range(uint64_t base, uint64_t len, uint32_t e820_type);
void boot_set_cmdline(const char *s);
/* Sort the ranges, cut overlaps, check that there is enough. */
void boot_finish_ranges(void);

#endif
