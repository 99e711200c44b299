/*
 * The IDT: 256 interrupt gates to the stubs of entry.S, constant after idt_init. INT3 and INTO may
 * be used by user mode.
 */
#include "idt.h"
#include "gdt.h"
#include "regs.h"

#define GATE_INTERRUPT 0x8e00u /* present, DPL 0, 64-bit interrupt gate */
#define GATE_USER      0x6000u

struct gate {
	uint16_t offset_low, selector, attr, offset_mid;
	uint32_t offset_high, reserved;
};
_Static_assert(sizeof(struct gate) == 16, "SDM vol. 3, figure 6-8");

/* The stubs have one size each. */
#define STUB_SIZE 16u
extern const char trap_stubs[];
extern const char stub_nmi[], stub_double_fault[], stub_machine_check[];

static struct gate idt[256] __aligned(4096);

static void set_gate(unsigned vector, const char *stub, enum ist ist, unsigned attr)
{
	uint64_t addr = (uint64_t)stub;

	idt[vector] = (struct gate){
		.offset_low = (uint16_t)addr,
		.selector = SEL_KERNEL_CODE,
		.attr = (uint16_t)(GATE_INTERRUPT | attr | ist),
		.offset_mid = (uint16_t)(addr >> 16),
		.offset_high = (uint32_t)(addr >> 32),
	};
}

void idt_init(void)
{
	for (unsigned v = 0; v < 256; v++)
		set_gate(v, trap_stubs + v * STUB_SIZE, IST_NONE,
			v == VEC_BP || v == VEC_OF ? GATE_USER : 0);
	set_gate(VEC_NMI, stub_nmi, IST_NMI, 0);
	set_gate(VEC_DF, stub_double_fault, IST_DOUBLE_FAULT, 0);
	set_gate(VEC_MC, stub_machine_check, IST_MACHINE_CHECK, 0);
}

void idt_load(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __packed idtr = {sizeof(idt) - 1, (uint64_t)idt};

	__asm__ volatile("lidt %0" : : "m"(idtr));
}
