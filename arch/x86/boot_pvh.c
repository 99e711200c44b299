/*
 * PVH: what `qemu -kernel` and small monitors hand over. Source: xen/interface/hvm/start_info.h
 * (the layout is documented there as ABI), version 1 for the memory map.
 */
#include "boot.h"
#include "lib/string.h"
#include "mm/physmap.h"
#include "panic.h"

#define HVM_START_MAGIC 0x336ec578u

struct hvm_start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist_paddr, cmdline_paddr, rsdp_paddr;
	uint64_t memmap_paddr; /* version 1 and later */
	uint32_t memmap_entries, reserved;
};

struct hvm_modlist_entry {
	uint64_t paddr, size, cmdline_paddr, reserved;
};

struct hvm_memmap_entry {
	uint64_t addr, size;
	uint32_t type, reserved;
};

void boot_parse_pvh(paddr_t info)
{
	const struct hvm_start_info *si = phys_to_virt(info);
	const struct hvm_memmap_entry *map;

	boot_info.loader = "PVH";
	if (si->magic != HVM_START_MAGIC)
		die("The PVH start information has the wrong magic number %#x.", si->magic);
	if (si->cmdline_paddr)
		boot_set_cmdline(phys_to_virt(si->cmdline_paddr));
	boot_info.rsdp = si->rsdp_paddr;
	if (si->nr_modules) {
		const struct hvm_modlist_entry *mod = phys_to_virt(si->modlist_paddr);

		boot_info.module_base = mod->paddr;
		boot_info.module_len = mod->size;
	}
	if (si->version == 0 || !si->memmap_paddr)
		return;
	map = phys_to_virt(si->memmap_paddr);
	for (uint32_t i = 0; i < si->memmap_entries; i++)
		boot_add_range(map[i].addr, map[i].size, map[i].type);
}
