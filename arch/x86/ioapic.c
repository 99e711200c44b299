/*
 * Device interrupts: I/O APIC lines and message-signalled ones, a vector for each.
 *
 * A line keeps its vector once it has one; PCI lines may be shared, so a vector has a list of
 * handlers, which only grows: the interrupt reads it without a lock. All lines go to the boot CPU.
 * Source: Intel 82093AA data sheet; SDM vol. 3A 10.11 (message format).
 */
#include "irq.h"
#include "apic.h"
#include "cpu.h"
#include "dev/acpi.h"
#include "trap.h"
#include "klog.h"
#include "mm/kva.h"
#include "mm/slab.h"
#include "sync/spinlock.h"

#define IOAPIC_DEFAULT_BASE 0xfec00000ul
#define IOAPIC_VERSION	    1
#define IOAPIC_REDIRECTION  0x10

#define REDIR_ACTIVE_LOW (1u << 13)
#define REDIR_LEVEL	 (1u << 15)
#define REDIR_MASKED	 (1u << 16)

#define MSI_ADDRESS 0xfee00000ul
#define GSI_MAX	    256
#define NVECTORS    (VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST + 1)

struct ioapic {
	volatile uint32_t *regs; /* [0] selects, [4] is the window */
	uint32_t gsi_base, nlines;
};

struct irq_action {
	irq_handler_fn fn;
	void *cookie;
	struct irq_action *next;
};

static struct spinlock irq_lock = SPINLOCK_INIT(RANK_DEVICE, "interrupt lines");
static struct ioapic ioapics[ACPI_IOAPICS_MAX];
static unsigned nioapics;
/* (irq_lock); actions: appended under it, read without. */
static struct irq_action *actions[NVECTORS];
static uint8_t gsi_vector[GSI_MAX]; /* 0: none yet */
static uint32_t gsi_mode[GSI_MAX];  /* REDIR_ACTIVE_LOW, REDIR_LEVEL */
static unsigned next_vector = VECTOR_DEVICE_FIRST;

static uint32_t ioapic_read(struct ioapic *io, uint32_t reg)
{
	io->regs[0] = reg;
	return io->regs[4];
}

static void ioapic_write(struct ioapic *io, uint32_t reg, uint32_t v)
{
	io->regs[0] = reg;
	io->regs[4] = v;
}

static void ioapic_add(paddr_t base, uint32_t gsi_base)
{
	struct ioapic *io = &ioapics[nioapics];

	io->regs = kva_map_device(base, 4096, VM_CACHE_DISABLED);
	if (!io->regs) {
		klog_err("ioapic: no address space for the one at %#lx", base);
		return;
	}
	io->gsi_base = gsi_base;
	io->nlines = (ioapic_read(io, IOAPIC_VERSION) >> 16 & 0xff) + 1;
	for (uint32_t i = 0; i < io->nlines; i++)
		ioapic_write(io, IOAPIC_REDIRECTION + 2 * i, REDIR_MASKED);
	nioapics++;
}

void ioapic_init(void)
{
	const struct acpi_info *info = acpi_info();

	for (unsigned i = 0; i < info->nioapics; i++)
		ioapic_add(info->ioapics[i].base, info->ioapics[i].gsi_base);
	if (!info->nioapics)
		ioapic_add(IOAPIC_DEFAULT_BASE, 0);
}

static void irq_vector(unsigned vector, struct user_regs *regs)
{
	struct irq_action *a = LOAD_ACQUIRE(actions[vector - VECTOR_DEVICE_FIRST]);

	(void)regs;
	for (; a; a = LOAD_ACQUIRE(a->next))
		a->fn(a->cookie);
	/* Only now: a level-triggered line must be quiet before it may interrupt again. */
	apic_eoi();
}

static struct ioapic *ioapic_of(unsigned gsi)
{
	for (unsigned i = 0; i < nioapics; i++)
		if (gsi >= ioapics[i].gsi_base && gsi - ioapics[i].gsi_base < ioapics[i].nlines)
			return &ioapics[i];
	return NULL;
}

/* => irq_lock held. 0: none left */
static unsigned vector_alloc(void)
{
	if (next_vector > VECTOR_DEVICE_LAST)
		return 0;
	trap_set_vector(next_vector, irq_vector);
	return next_vector++;
}

/* => irq_lock held */
static void action_append(unsigned vector, struct irq_action *a)
{
	struct irq_action **link = &actions[vector - VECTOR_DEVICE_FIRST];

	while (*link)
		link = &(*link)->next;
	STORE_RELEASE(*link, a);
}

static struct irq_action *action_create(irq_handler_fn fn, void *cookie)
{
	struct irq_action *a = kmalloc(sizeof(*a), 0);

	if (a)
		*a = (struct irq_action){fn, cookie, NULL};
	return a;
}

/* => irq_lock held. 0, -EBUSY: the line is in use in another mode, -ENOSPC: no vector left */
static int line_enable(struct ioapic *io, unsigned gsi, uint32_t mode)
{
	uint32_t reg = IOAPIC_REDIRECTION + 2 * (gsi - io->gsi_base);

	if (gsi_vector[gsi])
		return gsi_mode[gsi] == mode ? 0 : -EBUSY;
	gsi_vector[gsi] = (uint8_t)vector_alloc();
	if (!gsi_vector[gsi])
		return -ENOSPC;
	gsi_mode[gsi] = mode;
	ioapic_write(io, reg + 1, cpus[0]->apic_id << 24);
	ioapic_write(io, reg, mode | gsi_vector[gsi]);
	return 0;
}

static int line_register(unsigned gsi, uint32_t mode, irq_handler_fn fn, void *cookie)
{
	struct ioapic *io = ioapic_of(gsi);
	struct irq_action *a;
	irqflags_t flags;
	int err;

	if (!io || gsi >= GSI_MAX)
		return -ENODEV;
	a = action_create(fn, cookie);
	if (!a)
		return -ENOMEM;
	flags = spin_lock_irqsave(&irq_lock);
	err = line_enable(io, gsi, mode);
	if (!err)
		action_append(gsi_vector[gsi], a);
	spin_unlock_irqrestore(&irq_lock, flags);
	if (err)
		kfree(a);
	return err;
}

int irq_register(unsigned gsi, irq_handler_fn fn, void *cookie)
{
	uint16_t flags = 0;
	uint32_t mode = 0;

	if (gsi < ACPI_ISA_IRQS) {
		flags = acpi_info()->isa[gsi].flags;
		gsi = acpi_info()->isa[gsi].gsi;
	}
	if ((flags & ACPI_POLARITY_MASK) == ACPI_ACTIVE_LOW)
		mode |= REDIR_ACTIVE_LOW;
	if ((flags & ACPI_TRIGGER_MASK) == ACPI_LEVEL)
		mode |= REDIR_LEVEL;
	return line_register(gsi, mode, fn, cookie);
}

int irq_register_pci(unsigned gsi, irq_handler_fn fn, void *cookie)
{
	uint32_t mode = REDIR_ACTIVE_LOW | REDIR_LEVEL;

	/*
	 * An interrupt line register below 16 names an ISA line, whose override says how it is
	 * wired.
	 */
	if (gsi < ACPI_ISA_IRQS && acpi_info()->isa[gsi].flags) {
		uint16_t flags = acpi_info()->isa[gsi].flags;

		if ((flags & ACPI_POLARITY_MASK) != ACPI_ACTIVE_LOW)
			mode &= ~REDIR_ACTIVE_LOW;
		gsi = acpi_info()->isa[gsi].gsi;
	}
	return line_register(gsi, mode, fn, cookie);
}

int irq_register_msi(irq_handler_fn fn, void *cookie, uint64_t *addr, uint32_t *data)
{
	struct irq_action *a = action_create(fn, cookie);
	irqflags_t flags;
	unsigned vector;

	if (!a)
		return -ENOMEM;
	flags = spin_lock_irqsave(&irq_lock);
	vector = vector_alloc();
	if (vector)
		action_append(vector, a);
	spin_unlock_irqrestore(&irq_lock, flags);
	if (!vector) {
		kfree(a);
		return -ENOSPC;
	}
	*addr = MSI_ADDRESS | (uint64_t)cpus[0]->apic_id << 12;
	*data = vector;
	return 0;
}
