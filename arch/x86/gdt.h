/* Per-CPU descriptor tables: GDT, TSS and the stacks of the exceptions that bring their own. */
#ifndef X86_GDT_H
#define X86_GDT_H

#include "cpu.h"

/* IST numbers in the IDT; 0: the stack in use. */
enum ist { IST_NONE, IST_DOUBLE_FAULT, IST_NMI, IST_MACHINE_CHECK, IST_COUNT };

#define IST_STACK_SIZE 8192u

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3, iomap_base;
} __packed;
_Static_assert(sizeof(struct tss) == 104, "SDM vol. 3, figure 8-11");

/* What struct cpu.arch points to. */
struct cpu_arch {
	uint8_t stacks[IST_COUNT - 1][IST_STACK_SIZE] __aligned(16);
	uint64_t gdt[16];
	struct tss tss __aligned(16);
};

/* Fill the tables of a CPU; load them on the CPU that runs this (segment registers too). */
void gdt_init(struct cpu *c, struct cpu_arch *arch);
void gdt_load(struct cpu *c);
/* Where traps from user mode put their frame. */
static inline void gdt_set_kernel_sp(struct cpu *c, uint64_t sp)
{
	struct cpu_arch *arch = c->arch;

	c->kernel_sp = sp;
	arch->tss.rsp[0] = sp;
}

#endif
