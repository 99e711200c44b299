/*
 * What every CPU needs before it runs kernel code in earnest: its segment base, GDT and TSS, the
 * IDT, control registers by what CPUID offers, the system-call MSRs, PAT and FPU.
 */
#include "cpu_setup.h"
#include "cpu_bits.h"
#include "boot.h"
#include "cpu_features.h"
#include "fpu.h"
#include "gdt.h"
#include "idt.h"
#include "insn.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "patch.h"
#include "pte.h"
#include "regs.h"

struct cpu *cpus[CPU_MAX];

/* The boot CPU's are in the image: they are needed before there is any allocator. */
static struct cpu boot_cpu;
static struct cpu_arch boot_cpu_arch;

extern const char syscall_entry[];

/* Cleared by SYSCALL: whatever user space could set to disturb us. */
#define SYSCALL_MASK                                                                           \
	(RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_RF | RFLAGS_AC | \
		RFLAGS_ID)

static void set_control_registers(void)
{
	const struct cpu_features *f = &cpu_features;
	uint64_t cr4 = cr4_read() | CR4_OSFXSR | CR4_OSXMMEXCPT;

	cr4 |= f->pge ? CR4_PGE : 0;
	cr4 |= f->smep ? CR4_SMEP : 0;
	cr4 |= f->smap ? CR4_SMAP : 0;
	cr4 |= f->umip ? CR4_UMIP : 0;
	cr4 |= f->fsgsbase ? CR4_FSGSBASE : 0;
	cr4 |= f->xsave ? CR4_OSXSAVE : 0;
	cr4_write(cr4);
	cr0_write((cr0_read() | CR0_WP | CR0_NE | CR0_MP) & ~(CR0_EM | CR0_TS));
	msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SCE | EFER_NXE);
}

static void set_syscall_msrs(void)
{
	/* SYSRET takes CS = base + 16 and SS = base + 8 (SDM vol. 2, SYSRET). */
	msr_write(MSR_STAR, (uint64_t)SEL_USER_CODE32 << 48 | (uint64_t)SEL_KERNEL_CODE << 32);
	msr_write(MSR_LSTAR, (uint64_t)syscall_entry);
	msr_write(MSR_CSTAR, 0);
	msr_write(MSR_SFMASK, SYSCALL_MASK);
}

static void setup_features(void)
{
	set_control_registers();
	set_syscall_msrs();
	if (cpu_features.pat)
		msr_write(MSR_PAT, PAT_MSR_VALUE);
	fpu_setup_cpu();
}

void cpu_setup_boot(void)
{
	struct cpu *c = &boot_cpu;

	c->self = c;
	c->online = true;
	cpus[0] = c;
	gdt_init(c, &boot_cpu_arch);
	gdt_load(c);
	gdt_set_kernel_sp(c, (uint64_t)boot_stack_top);
	idt_init();
	idt_load();
}

void cpu_setup_boot_features(void)
{
	struct cpu *c = this_cpu();

	features_detect();
	c->apic_id = cpuid(1, 0).ebx >> 24;
	patch_apply();
	setup_features();
}

int cpu_setup_alloc(struct cpu *c)
{
	unsigned order = 0;
	struct cpu_arch *arch;
	struct page *pg;

	while (PAGE_SIZE << order < sizeof(*arch))
		order++;
	pg = page_alloc(order, ALLOC_ZERO);
	if (!pg)
		return -ENOMEM;
	arch = page_virt(pg);
	c->self = c;
	gdt_init(c, arch);
	cpus[c->id] = c;
	return 0;
}

void cpu_setup_this(struct cpu *c)
{
	gdt_load(c);
	idt_load();
	setup_features();
}
