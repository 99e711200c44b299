/* Time. Nanoseconds as uint64_t. Sources: TSC calibrated by HPET or PM timer, else HPET or PM timer
 * itself (arch). */
#ifndef SCHED_CLOCK_H
#define SCHED_CLOCK_H

#include "lib/base.h"

#define NSEC_PER_SEC  1000000000ull
#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_USEC 1000ull

uint64_t clock_monotonic_ns(void); /* since boot; never goes back, on any CPU */
uint64_t clock_realtime_ns(void);  /* since 1970-01-01 UTC */
void clock_set_realtime_ns(uint64_t ns);
uint64_t clock_resolution_ns(void);

/* arch: the source, and the one-shot interrupt of this CPU. deadline UINT64_MAX: none. */
uint64_t arch_clock_ns(void);
void arch_timer_program(uint64_t deadline_ns);
/* Called by arch from the timer interrupt. */
void timer_interrupt(void);
/* Busy wait for hardware set-up. */
void clock_delay_us(unsigned us);

/*
 * Patience with a device that is looked at until it moves, and may be dead: starts as {0}, is asked
 * after each look in vain, and ends after some ten seconds. What a look takes differs a hundredfold
 * between machines, and one that stood still has not looked: there must be many, over that time.
 * Any context; before the clock runs their number alone ends it.
 */
struct patience {
	uint64_t since_ns;
	unsigned looks;
};
bool clock_patience_ends(struct patience *p);

#endif
