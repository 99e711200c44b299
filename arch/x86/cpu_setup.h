/*
 * Making a CPU ours: segment base, GDT, TSS with its exception stacks, IDT, control registers,
 * system-call MSRs, PAT, FPU. The boot CPU does it in steps because it finds out the features; the
 * others, started by smp, in one call.
 */
#ifndef X86_CPU_SETUP_H
#define X86_CPU_SETUP_H

#include "cpu.h"

/* Boot CPU, first thing: this_cpu() works, traps end in a panic with a message. */
void cpu_setup_boot(void);
/* Then, with consoles: find out what the CPU can do and switch it on. */
void cpu_setup_boot_features(void);
/*
 * Another CPU, before it is started: its struct cpu (zeroed by the caller, id and apic_id set) gets
 * its GDT, TSS and exception stacks. 0 or -ENOMEM.
 */
int __must_check cpu_setup_alloc(struct cpu *c);
/*
 * On that CPU, in long mode on its own stack with the kernel's table loaded, interrupts off:
 * everything up to interrupts, which the caller (APIC) does. kernel_sp: top of the stack that traps
 * from user mode would use.
 */
void cpu_setup_this(struct cpu *c);

#endif
