/* Interrupts between CPUs. */
#ifndef X86_IPI_H
#define X86_IPI_H

#include "cpu.h"

/* Install the handlers, once. */
void ipi_init(void);
void tlb_init(void);
struct user_regs;
/*
 * For the trap code: an NMI came. When somebody panics leave our registers to him and stand still;
 * an NMI that nobody sent is the machine's report of an error. Does not return.
 */
void ipi_nmi(struct user_regs *regs);
/* Send the vector to the CPUs of the set, this one excepted. */
void ipi_send_set(cpuset_t set, unsigned vector);

#endif
