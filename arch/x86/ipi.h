/* Interrupts between CPUs. */
#ifndef X86_IPI_H
#define X86_IPI_H

#include "cpu.h"

/* Install the handlers, once. */
void ipi_init(void);
void tlb_init(void);
/* Send the vector to the CPUs of the set, this one excepted. */
void ipi_send_set(cpuset_t set, unsigned vector);

#endif
