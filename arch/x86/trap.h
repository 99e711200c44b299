/* Traps and interrupt vectors: who handles what. */
#ifndef X86_TRAP_H
#define X86_TRAP_H

#include "regs.h"

/* Vectors from here on are interrupts; below are the CPU's exceptions. */
#define VECTOR_IRQ_FIRST 32u

/*
 * Handler of an interrupt vector: runs with interrupts off and irq_depth > 0, acknowledges the
 * interrupt itself. Set once per vector, at boot or under the owner's lock.
 */
typedef void (*vector_fn)(unsigned vector, struct user_regs *regs);
void trap_set_vector(unsigned vector, vector_fn fn);

/* Called by entry.S. trap_paranoid: NMI, double fault, machine check, on their own stacks. */
void trap_dispatch(struct user_regs *regs);
void trap_paranoid(struct user_regs *regs);

#endif
