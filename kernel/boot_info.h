/*
 * What the boot loader told us, in one form whichever of Multiboot2 and PVH was used. Filled by
 * arch/x86 before kmain() and read-only afterwards.
 */
#ifndef BOOT_INFO_H
#define BOOT_INFO_H

#include "lib/base.h"

#define BOOT_RANGES_MAX	 64
#define BOOT_CMDLINE_MAX 2048

enum boot_range_type {
	BOOT_RAM_USABLE = 1,
	BOOT_RAM_RESERVED,
	BOOT_RAM_ACPI,
	BOOT_RAM_NVS,
	BOOT_RAM_BAD
};

struct boot_range {
	uint64_t base, len;
	enum boot_range_type type;
};

struct boot_info {
	struct boot_range
		ranges[BOOT_RANGES_MAX]; /* as the firmware gave them, sorted, no overlaps */
	unsigned nranges;
	uint64_t module_base, module_len; /* physical; the first module or -initrd; len 0: none */
	uint64_t rsdp; /* physical address of the ACPI RSDP, or 0: search for it */
	uint64_t kernel_base, kernel_end; /* physical extent of the kernel image */
	uint64_t fb_base;		  /* framebuffer of Multiboot2, or 0 */
	uint32_t fb_pitch, fb_width, fb_height, fb_bpp, fb_type;
	char cmdline[BOOT_CMDLINE_MAX];
	const char *loader;
};

extern struct boot_info boot_info;

/*
 * Command line. cmdline_get finds `name=value` (or the bare word: *value = "") before a "--"; the
 * last one wins. The value is copied into buf. Words after "--" are init's arguments; unknown words
 * are init's environment (with '=') or arguments, as on Linux.
 */
bool cmdline_get(const char *name, char *buf, size_t size);
bool cmdline_has(const char *name);
/* The next word at *s without its quotes, into buf; false at the end. Cut if it does not fit. */
bool cmdline_word(const char **s, char *buf, size_t size);

#endif
