/* PCI: the devices that configuration space shows, their windows and interrupts. */
#ifndef DEV_PCI_H
#define DEV_PCI_H

#include "cpu.h"
#include "mm/types.h"

#define PCI_BARS 6

struct pci_bar {
	uint64_t base, len; /* len 0: none */
	bool io;	    /* ports, not memory */
};

struct pci_device {
	uint8_t bus, slot, fn;
	uint16_t vendor, device, subsystem;
	uint8_t revision, class_code, subclass;
	uint8_t irq_line, irq_pin; /* as the firmware routed it; pin 0: none */
	struct pci_bar bars[PCI_BARS];
	bool claimed; /* a driver has it */
	/* MSI-X: the table, mapped by pci_msix_setup. */
	volatile uint32_t *msix_table;
	unsigned msix_entries;
};

/* The n-th device found, or NULL. */
struct pci_device *pci_nth(unsigned n);

uint8_t pci_read8(const struct pci_device *pd, unsigned off);
uint16_t pci_read16(const struct pci_device *pd, unsigned off);
uint32_t pci_read32(const struct pci_device *pd, unsigned off);
void pci_write16(const struct pci_device *pd, unsigned off, uint16_t v);
void pci_write32(const struct pci_device *pd, unsigned off, uint32_t v);

/* Offset of the capability with that id behind `after` (0: from the start); 0: none. */
unsigned pci_find_capability(const struct pci_device *pd, uint8_t id, unsigned after);
#define PCI_CAP_VENDOR 0x09
#define PCI_CAP_MSIX   0x11

/* Let the device decode its windows and be bus master. */
void pci_enable(const struct pci_device *pd);
/* Map a part of a memory window, uncached. NULL: no such window, or no address space. */
volatile void *pci_map_bar(const struct pci_device *pd, unsigned bar, uint64_t off, uint64_t len);

/* Entry `entry` of the MSI-X table calls fn(cookie). Turns MSI-X on. 0, -ENODEV (the device has
 * none), -ENOMEM, -EINVAL. */
int __must_check pci_msix_setup(
	struct pci_device *pd, unsigned entry, irq_handler_fn fn, void *cookie);
/* The device's interrupt pin calls fn(cookie), shared with others. 0, -ENODEV. */
int __must_check pci_intx_setup(struct pci_device *pd, irq_handler_fn fn, void *cookie);

#endif
