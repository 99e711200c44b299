/*
 * GDT and TSS. The selectors are those of Linux (regs.h). At the top of each exception stack lies
 * the address of its struct cpu: the entry code of those exceptions takes it from there, because
 * the segment base may still be the user's.
 */
#include "gdt.h"
#include "cpu_bits.h"
#include "insn.h"
#include "regs.h"

#define DESC_KERNEL_CODE 0x00af9b000000ffffull
#define DESC_KERNEL_DATA 0x00cf93000000ffffull
#define DESC_USER_CODE32 0x00cffb000000ffffull
#define DESC_USER_DATA	 0x00cff3000000ffffull
#define DESC_USER_CODE	 0x00affb000000ffffull
#define DESC_USER_LIMIT	 0x0040f10000000000ull /* data, read only, byte granular */
#define DESC_TSS	 0x0000890000000000ull

static void set_tss_descriptor(uint64_t *gdt, const struct tss *tss)
{
	uint64_t base = (uint64_t)tss, limit = sizeof(*tss) - 1;

	gdt[SEL_TSS / 8] = DESC_TSS | limit | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
	gdt[SEL_TSS / 8 + 1] = base >> 32;
}

void gdt_init(struct cpu *c, struct cpu_arch *arch)
{
	uint64_t *gdt = arch->gdt;

	gdt[SEL_KERNEL_CODE / 8] = DESC_KERNEL_CODE;
	gdt[SEL_KERNEL_DATA / 8] = DESC_KERNEL_DATA;
	gdt[SEL_USER_CODE32 / 8] = DESC_USER_CODE32;
	gdt[SEL_USER_DATA / 8] = DESC_USER_DATA;
	gdt[SEL_USER_CODE / 8] = DESC_USER_CODE;
	gdt[SEL_CPU_NUMBER / 8] = DESC_USER_LIMIT | c->id;
	set_tss_descriptor(gdt, &arch->tss);
	for (unsigned i = 1; i < IST_COUNT; i++) {
		uint64_t top = (uint64_t)arch->stacks[i - 1] + IST_STACK_SIZE - 16;

		*(struct cpu **)top = c;
		arch->tss.ist[i - 1] = top;
	}
	arch->tss.iomap_base = sizeof(arch->tss); /* no port is allowed in user mode */
	c->arch = arch;
}

void gdt_load(struct cpu *c)
{
	struct cpu_arch *arch = c->arch;
	struct {
		uint16_t limit;
		uint64_t base;
	} __packed gdtr = {sizeof(arch->gdt) - 1, (uint64_t)arch->gdt};

	__asm__ volatile("lgdt %0\n\t"
			 "pushq %1\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\tmovl %2, %%eax\n\t"
			 "movl %%eax, %%ss\n\t"
			 "xorl %%eax, %%eax\n\t"
			 "movl %%eax, %%ds\n\t"
			 "movl %%eax, %%es\n\t"
			 "movl %%eax, %%fs\n\t"
			 "movl %%eax, %%gs\n\t"
			 /* None: reset leaves one that lies in user memory, from address 0. */
			 "lldt %%ax\n\t"
			 "movl %3, %%eax\n\t"
			 "ltr %%ax"
			 :
			 : "m"(gdtr), "i"(SEL_KERNEL_CODE), "i"(SEL_KERNEL_DATA), "i"(SEL_TSS)
			 : "rax", "memory");
	/* Loading GS cleared the base. */
	msr_write(MSR_GS_BASE, (uint64_t)c);
	msr_write(MSR_KERNEL_GS_BASE, 0);
	msr_write(MSR_FS_BASE, 0);
}
