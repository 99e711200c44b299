/*
 * The local APIC in xAPIC mode, through its registers in memory.
 * Source: SDM vol. 3A, chapter 10; for the 8259: Intel 8259A data sheet.
 */
#include "apic.h"
#include "cpu.h"
#include "dev/acpi.h"
#include "trap.h"
#include "insn.h"
#include "mm/kva.h"
#include "panic.h"

#define APIC_BASE_ENABLE  (1ul << 11)
#define APIC_BASE_ADDRESS 0xffffff000ul

enum lapic_register {
	LAPIC_ID = 0x20,
	LAPIC_TPR = 0x80,
	LAPIC_EOI = 0xb0,
	LAPIC_SPURIOUS = 0xf0,
	LAPIC_ESR = 0x280,
	LAPIC_ICR_LOW = 0x300,
	LAPIC_ICR_HIGH = 0x310,
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_LVT_LINT0 = 0x350,
	LAPIC_LVT_LINT1 = 0x360,
	LAPIC_LVT_ERROR = 0x370,
	LAPIC_TIMER_INITIAL = 0x380,
	LAPIC_TIMER_CURRENT = 0x390,
	LAPIC_TIMER_DIVIDE = 0x3e0,
};

#define SPURIOUS_ENABLE 0x100u
#define LVT_MASKED	0x10000u
#define LVT_NMI		0x400u
#define ICR_NMI		0x400u
#define ICR_INIT	0x500u
#define ICR_STARTUP	0x600u
#define ICR_ASSERT	0x4000u
#define ICR_PENDING	0x1000u
#define DIVIDE_BY_1	0xbu

#define PIC1_DATA 0x21
#define PIC2_DATA 0xa1

static volatile uint32_t *lapic; /* constant after apic_init */

static inline uint32_t reg_read(enum lapic_register r)
{
	return lapic[r / 4];
}

static inline void reg_write(enum lapic_register r, uint32_t v)
{
	lapic[r / 4] = v;
}

/* A stray interrupt wants no end of interrupt (10.9). */
static void spurious(unsigned vector, struct user_regs *regs)
{
	(void)vector;
	(void)regs;
}

/* The 8259s come up on vectors of exceptions: move them away, then mask every line. */
static void pic_disable(void)
{
	static const uint8_t init[][2] = {
		/* port, value: ICW1..4 of the first, then of the second */
		{0x20, 0x11},
		{0x21, 0x20},
		{0x21, 0x04},
		{0x21, 0x01},
		{0xa0, 0x11},
		{0xa1, 0x28},
		{0xa1, 0x02},
		{0xa1, 0x01},
	};

	for (size_t i = 0; i < ARRAY_SIZE(init); i++)
		port_out8(init[i][0], init[i][1]);
	port_out8(PIC1_DATA, 0xff);
	port_out8(PIC2_DATA, 0xff);
}

void apic_init(void)
{
	uint64_t base = msr_read(MSR_APIC_BASE) & APIC_BASE_ADDRESS;

	if (acpi_info()->lapic_base)
		base = acpi_info()->lapic_base;
	pic_disable();
	lapic = kva_map_device(base, 4096, VM_CACHE_DISABLED);
	if (!lapic)
		panic("apic: no address space for its registers");
	trap_set_vector(VECTOR_SPURIOUS, spurious);
	apic_init_cpu();
}

void apic_init_cpu(void)
{
	msr_write(MSR_APIC_BASE, msr_read(MSR_APIC_BASE) | APIC_BASE_ENABLE);
	reg_write(LAPIC_TPR, 0);
	reg_write(LAPIC_LVT_LINT0, LVT_MASKED);
	reg_write(LAPIC_LVT_LINT1, LVT_NMI);
	reg_write(LAPIC_LVT_ERROR, LVT_MASKED);
	reg_write(LAPIC_LVT_TIMER, VECTOR_TIMER);
	reg_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
	reg_write(LAPIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
	reg_write(LAPIC_EOI, 0);
}

bool apic_ready(void)
{
	return lapic != NULL;
}

unsigned apic_id(void)
{
	return reg_read(LAPIC_ID) >> 24;
}

void apic_eoi(void)
{
	reg_write(LAPIC_EOI, 0);
}

/* One command at a time: the previous one must have left (10.6.1). */
static void icr_write(unsigned id, uint32_t command)
{
	while (reg_read(LAPIC_ICR_LOW) & ICR_PENDING)
		cpu_relax();
	reg_write(LAPIC_ICR_HIGH, id << 24);
	reg_write(LAPIC_ICR_LOW, command);
}

void apic_send(unsigned id, unsigned vector)
{
	icr_write(id, ICR_ASSERT | vector);
}

void apic_send_nmi(unsigned id)
{
	icr_write(id, ICR_ASSERT | ICR_NMI);
}

void apic_send_init(unsigned id)
{
	icr_write(id, ICR_ASSERT | ICR_INIT);
}

void apic_send_startup(unsigned id, unsigned page)
{
	icr_write(id, ICR_ASSERT | ICR_STARTUP | page);
}

void apic_timer_set(uint32_t count)
{
	reg_write(LAPIC_TIMER_INITIAL, count);
}

uint32_t apic_timer_count(void)
{
	return reg_read(LAPIC_TIMER_CURRENT);
}
