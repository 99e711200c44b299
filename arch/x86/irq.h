/* Device interrupts (portable side: cpu.h). */
#ifndef X86_IRQ_H
#define X86_IRQ_H

/* Find the I/O APICs, mask all their lines. => after apic_init */
void ioapic_init(void);

#endif
