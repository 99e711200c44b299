/*
 * The first C code: make this CPU ours, read what the boot loader says, call kmain. Runs on the
 * boot stack with interrupts off and the boot page tables.
 */
#include "boot.h"
#include "cpu_setup.h"
#include "early_console.h"
#include "main.h"

void arch_start(enum boot_protocol protocol, paddr_t info)
{
	cpu_setup_boot();
	early_console_init();
	cpu_setup_boot_features();
	if (protocol == BOOT_PVH)
		boot_parse_pvh(info);
	else
		boot_parse_multiboot2(info);
	boot_finish_ranges();
	kmain();
}
