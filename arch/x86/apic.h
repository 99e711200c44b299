/*
 * The local APIC of each CPU: interrupts between CPUs, end of interrupt, the one-shot timer.
 */
#ifndef X86_APIC_H
#define X86_APIC_H

#include "lib/base.h"

/* Vectors that the kernel gives to itself; device lines and messages get 0x30 .. 0xdf. */
#define VECTOR_DEVICE_FIRST 0x30
#define VECTOR_DEVICE_LAST  0xdf
#define VECTOR_TIMER	    0xf0
#define VECTOR_RESCHEDULE   0xf1
#define VECTOR_CALL	    0xf2
#define VECTOR_TLB	    0xf3
#define VECTOR_SPURIOUS	    0xff

/* Boot CPU: mask the 8259s, map the registers, switch the APIC on. => after acpi_init */
void apic_init(void);
/* Each CPU: switch its APIC on. */
void apic_init_cpu(void);
/* Before apic_init there is nothing to talk to (early panics). */
bool apic_ready(void);
unsigned apic_id(void);
void apic_eoi(void);

/* To the CPU with that APIC id. => interrupts off */
void apic_send(unsigned id, unsigned vector);
void apic_send_nmi(unsigned id);
void apic_send_init(unsigned id);
/* page: physical address / 4096 of the code to start at. */
void apic_send_startup(unsigned id, unsigned page);

/* The timer: counts down once from `count` (0: off) at the bus clock / 1 and then interrupts. */
void apic_timer_set(uint32_t count);
uint32_t apic_timer_count(void);

#endif
