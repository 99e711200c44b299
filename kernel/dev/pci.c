/*
 * PCI configuration space through the ports 0xcf8 and 0xcfc, which every PC has; only the first 256
 * bytes of a function are needed. Buses are followed through bridges. The firmware has placed the
 * windows and routed the interrupt pins (SeaBIOS runs on both ways to boot); what it left out is
 * passed over.
 *
 * Source: PCI Local Bus Specification 3.0, chapter 6; PCI-to-PCI Bridge Architecture 1.2.
 */
#include "dev/pci.h"

#include "dev/block.h"
#include "klog.h"
#include "lib/list.h"
#include "mm/kva.h"
#include "mm/slab.h"

#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc

#define PCI_VENDOR	    0x00
#define PCI_DEVICE	    0x02
#define PCI_COMMAND	    0x04
#define PCI_COMMAND_IO	    0x1
#define PCI_COMMAND_MEM	    0x2
#define PCI_COMMAND_MASTER  0x4
#define PCI_COMMAND_NO_INTX 0x400
#define PCI_STATUS	    0x06
#define PCI_STATUS_CAPS	    0x10
#define PCI_REVISION	    0x08
#define PCI_SUBCLASS	    0x0a
#define PCI_CLASS	    0x0b
#define PCI_HEADER	    0x0e
#define PCI_HEADER_MULTI    0x80
#define PCI_HEADER_BRIDGE   1
#define PCI_BAR0	    0x10
#define PCI_SECONDARY_BUS   0x19
#define PCI_SUBSYSTEM	    0x2e
#define PCI_CAP_POINTER	    0x34
#define PCI_IRQ_LINE	    0x3c
#define PCI_IRQ_PIN	    0x3d

#define PCI_BAR_IO	0x1
#define PCI_BAR_64	0x4
#define PCI_DEPTH_MAX	8 /* bridges behind bridges */
#define PCI_DEVICES_MAX 64

#define MSIX_CONTROL	     2
#define MSIX_CONTROL_ENABLE  0x8000
#define MSIX_CONTROL_MASKALL 0x4000
#define MSIX_CONTROL_SIZE    0x7ff
#define MSIX_TABLE	     4
#define MSIX_ENTRY_WORDS     4

/* Filled at boot by one CPU, constant afterwards. The lock is for the pair of ports. */
static struct pci_device *devices[PCI_DEVICES_MAX];
static unsigned ndevices;
static struct spinlock config_lock = SPINLOCK_INIT(RANK_DEVICE, "pci configuration");

static uint32_t config_address(const struct pci_device *pd, unsigned off)
{
	return 0x80000000u | (uint32_t)pd->bus << 16 | (uint32_t)pd->slot << 11 |
	       (uint32_t)pd->fn << 8 | (off & 0xfcu);
}

uint32_t pci_read32(const struct pci_device *pd, unsigned off)
{
	irqflags_t flags = spin_lock_irqsave(&config_lock);
	uint32_t v;

	port_out32(PCI_ADDRESS, config_address(pd, off));
	v = port_in32(PCI_DATA);
	spin_unlock_irqrestore(&config_lock, flags);
	return v;
}

uint16_t pci_read16(const struct pci_device *pd, unsigned off)
{
	return (uint16_t)(pci_read32(pd, off) >> ((off & 2) * 8));
}

uint8_t pci_read8(const struct pci_device *pd, unsigned off)
{
	return (uint8_t)(pci_read32(pd, off) >> ((off & 3) * 8));
}

void pci_write32(const struct pci_device *pd, unsigned off, uint32_t v)
{
	irqflags_t flags = spin_lock_irqsave(&config_lock);

	port_out32(PCI_ADDRESS, config_address(pd, off));
	port_out32(PCI_DATA, v);
	spin_unlock_irqrestore(&config_lock, flags);
}

void pci_write16(const struct pci_device *pd, unsigned off, uint16_t v)
{
	irqflags_t flags = spin_lock_irqsave(&config_lock);

	port_out32(PCI_ADDRESS, config_address(pd, off));
	port_out16((uint16_t)(PCI_DATA + (off & 2)), v);
	spin_unlock_irqrestore(&config_lock, flags);
}

struct pci_device *pci_nth(unsigned n)
{
	return n < ndevices ? devices[n] : NULL;
}

unsigned pci_find_capability(const struct pci_device *pd, uint8_t id, unsigned after)
{
	unsigned off;

	if (!(pci_read16(pd, PCI_STATUS) & PCI_STATUS_CAPS))
		return 0;
	off = pci_read8(pd, after ? after + 1 : PCI_CAP_POINTER) & ~3u;
	/* 48 capabilities fill the space: a longer chain is a loop. */
	for (unsigned i = 0; off >= 0x40 && i < 48; i++) {
		if (pci_read8(pd, off) == id)
			return off;
		off = pci_read8(pd, off + 1) & ~3u;
	}
	return 0;
}

/* Size of a window: the bits that can be set. The device does not decode meanwhile. Returns how
 * many registers it takes. */
static unsigned probe_bar(struct pci_device *pd, unsigned i)
{
	unsigned reg = PCI_BAR0 + i * 4;
	uint32_t low = pci_read32(pd, reg), high = 0;
	bool wide = !(low & PCI_BAR_IO) && (low & PCI_BAR_64) && i + 1 < PCI_BARS;
	struct pci_bar *bar = &pd->bars[i];
	uint64_t mask;

	pci_write32(pd, reg, UINT32_MAX);
	mask = pci_read32(pd, reg);
	pci_write32(pd, reg, low);
	if (wide) {
		high = pci_read32(pd, reg + 4);
		pci_write32(pd, reg + 4, UINT32_MAX);
		mask |= (uint64_t)pci_read32(pd, reg + 4) << 32;
		pci_write32(pd, reg + 4, high);
	} else if (mask) {
		mask |= 0xffffffff00000000ull;
	}
	bar->io = low & PCI_BAR_IO;
	if (bar->io) {
		bar->base = low & 0xfffcu;
		mask |= 0xffff0000u;
	} else {
		bar->base = (uint64_t)high << 32 | (low & ~0xfu);
	}
	mask &= bar->io ? ~0x3ull : ~0xfull;
	bar->len = bar->base && mask ? ~mask + 1 : 0;
	return wide ? 2 : 1;
}

static void probe_function(struct pci_device *pd)
{
	uint16_t command = pci_read16(pd, PCI_COMMAND);

	pd->device = pci_read16(pd, PCI_DEVICE);
	pd->subsystem = pci_read16(pd, PCI_SUBSYSTEM);
	pd->revision = pci_read8(pd, PCI_REVISION);
	pd->class_code = pci_read8(pd, PCI_CLASS);
	pd->subclass = pci_read8(pd, PCI_SUBCLASS);
	pd->irq_line = pci_read8(pd, PCI_IRQ_LINE);
	pd->irq_pin = pci_read8(pd, PCI_IRQ_PIN);
	pci_write16(pd, PCI_COMMAND, command & (uint16_t) ~(PCI_COMMAND_IO | PCI_COMMAND_MEM));
	for (unsigned i = 0; i < PCI_BARS;)
		i += probe_bar(pd, i);
	pci_write16(pd, PCI_COMMAND, command);
}

static void scan_bus(uint8_t bus, unsigned depth);

/* One function: enter it into the table, or follow the bridge. Returns the header type. */
static uint8_t scan_function(const struct pci_device *at, unsigned depth)
{
	uint8_t header = pci_read8(at, PCI_HEADER);
	struct pci_device *pd;

	if ((header & 0x7f) == PCI_HEADER_BRIDGE) {
		uint8_t secondary = pci_read8(at, PCI_SECONDARY_BUS);

		if (secondary > at->bus && depth < PCI_DEPTH_MAX)
			scan_bus(secondary, depth + 1);
		return header;
	}
	if ((header & 0x7f) != 0 || ndevices == PCI_DEVICES_MAX)
		return header;
	pd = kmalloc(sizeof(*pd), 0);
	if (pd) {
		*pd = *at;
		probe_function(pd);
		devices[ndevices++] = pd;
	}
	return header;
}

static void scan_bus(uint8_t bus, unsigned depth)
{
	struct pci_device at = {.bus = bus};

	for (at.slot = 0; at.slot < 32; at.slot++) {
		unsigned functions = 1;

		for (at.fn = 0; at.fn < functions; at.fn++) {
			at.vendor = pci_read16(&at, PCI_VENDOR);
			if (at.vendor == 0xffff)
				continue;
			if (scan_function(&at, depth) & PCI_HEADER_MULTI)
				functions = 8;
		}
	}
}

void pci_init(void)
{
	scan_bus(0, 0);
	klog_info("pci: %u devices", ndevices);
}

void pci_enable(const struct pci_device *pd)
{
	pci_write16(pd, PCI_COMMAND,
		pci_read16(pd, PCI_COMMAND) | PCI_COMMAND_IO | PCI_COMMAND_MEM |
			PCI_COMMAND_MASTER);
}

volatile void *pci_map_bar(const struct pci_device *pd, unsigned bar, uint64_t off, uint64_t len)
{
	const struct pci_bar *b;
	uint64_t start, shift;
	char *va;

	if (bar >= PCI_BARS)
		return NULL;
	b = &pd->bars[bar];
	if (b->io || off > b->len || len > b->len - off || !len)
		return NULL;
	start = b->base + off;
	shift = start & PAGE_MASK;
	va = kva_map_device(start - shift, len + shift, VM_CACHE_DISABLED);
	return va ? va + shift : NULL;
}

int pci_msix_setup(struct pci_device *pd, unsigned entry, irq_handler_fn fn, void *cookie)
{
	unsigned cap = pci_find_capability(pd, PCI_CAP_MSIX, 0);
	volatile uint32_t *e;
	uint16_t control;
	uint64_t addr;
	uint32_t where, data;
	int err;

	if (!cap)
		return -ENODEV;
	control = pci_read16(pd, cap + MSIX_CONTROL);
	pd->msix_entries = (control & MSIX_CONTROL_SIZE) + 1u;
	if (entry >= pd->msix_entries)
		return -EINVAL;
	if (!pd->msix_table) {
		where = pci_read32(pd, cap + MSIX_TABLE);
		pd->msix_table = pci_map_bar(pd, where & 7, where & ~7u,
			pd->msix_entries * MSIX_ENTRY_WORDS * sizeof(uint32_t));
		if (!pd->msix_table)
			return -ENOMEM;
		for (unsigned i = 0; i < pd->msix_entries; i++)
			pd->msix_table[i * MSIX_ENTRY_WORDS + 3] = 1;
	}
	err = irq_register_msi(fn, cookie, &addr, &data);
	if (err)
		return err;
	e = pd->msix_table + entry * MSIX_ENTRY_WORDS;
	e[0] = (uint32_t)addr;
	e[1] = (uint32_t)(addr >> 32);
	e[2] = data;
	e[3] = 0;
	control = (uint16_t)((control & ~MSIX_CONTROL_MASKALL) | MSIX_CONTROL_ENABLE);
	pci_write16(pd, cap + MSIX_CONTROL, control);
	pci_write16(pd, PCI_COMMAND, pci_read16(pd, PCI_COMMAND) | PCI_COMMAND_NO_INTX);
	return 0;
}

int pci_intx_setup(struct pci_device *pd, irq_handler_fn fn, void *cookie)
{
	if (!pd->irq_pin || pd->irq_line == 0 || pd->irq_line == 0xff)
		return -ENODEV;
	return irq_register_pci(pd->irq_line, fn, cookie);
}
