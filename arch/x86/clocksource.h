/* The clock and what it is calibrated by. */
#ifndef X86_CLOCKSOURCE_H
#define X86_CLOCKSOURCE_H

#include "lib/base.h"

/* Choose and calibrate the clock; also measures the local APIC's timer. => after apic_init */
void clocksource_init(void);
/* The scheduler runs: sources that wrap around are read often enough from now on. */
void clocksource_start(void);
/* Timer counts per nanosecond, times 2^32. */
uint64_t clocksource_apic_mult(void);
/* The TSCs of two CPUs disagree: go over to a clock that all CPUs share. */
void clocksource_distrust_tsc(void);
/* This CPU's TSC as it is. */
uint64_t clocksource_tsc(void);
/* Frequency in Hz of the TSC, 0 if unknown: /proc/cpuinfo. */
uint64_t clocksource_tsc_hz(void);

#endif
