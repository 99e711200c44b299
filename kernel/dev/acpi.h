/*
 * What the ACPI tables say about the machine: CPUs, interrupt controllers, timers, power. Read once
 * at boot, constant afterwards.
 */
#ifndef DEV_ACPI_H
#define DEV_ACPI_H

#include "cpu.h"
#include "mm/types.h"

#define ACPI_IOAPICS_MAX 8
#define ACPI_ISA_IRQS	 16

/* Flags of an interrupt override (MPS INTI flags, ACPI 6.4, 5.2.12.5). */
#define ACPI_POLARITY_MASK 0x3u
#define ACPI_ACTIVE_LOW	   0x3u
#define ACPI_TRIGGER_MASK  0xcu
#define ACPI_LEVEL	   0xcu

struct acpi_ioapic {
	paddr_t base;
	uint32_t gsi_base;
};

struct acpi_info {
	bool present;	    /* there are tables at all */
	paddr_t lapic_base; /* 0: no MADT */
	unsigned ncpus;	    /* usable ones, the boot CPU included; 0: no MADT */
	uint8_t apic_ids[CPU_MAX];
	unsigned nioapics;
	struct acpi_ioapic ioapics[ACPI_IOAPICS_MAX];
	struct {
		uint32_t gsi;
		uint16_t flags;
	} isa[ACPI_ISA_IRQS];	/* where ISA line i arrives; identity where nothing is said */
	paddr_t hpet_base;	/* 0: none */
	uint16_t pm_timer_port; /* 0: none */
	bool pm_timer_32bit;
};

/* rsdp: physical address from the boot loader, 0: search for it. => after kva_init */
void acpi_init(paddr_t rsdp);
const struct acpi_info *acpi_info(void);

/* The ports and values whose writing turns the machine off (pm1b_port may be 0). False: unknown. */
bool acpi_poweroff_ports(
	uint16_t *pm1a_port, uint16_t *pm1a_value, uint16_t *pm1b_port, uint16_t *pm1b_value);
/* The port and value of the reset register, if it is a port. */
bool acpi_reset_port(uint16_t *port, uint8_t *value);

#endif
