/*
 * The one-shot interrupt of each CPU: the local APIC's timer. A deadline further away than its 32
 * bits reach interrupts early; the timer queue then programs the rest.
 */
#include "timer.h"
#include "apic.h"
#include "clocksource.h"
#include "cpu.h"
#include "trap.h"
#include "sched/clock.h"

#define DELTA_MAX_NS NSEC_PER_SEC /* keeps the product below 2^64 for clocks up to 4 GHz */

static void timer_vector(unsigned vector, struct user_regs *regs)
{
	(void)vector;
	this_cpu()->irq_regs = regs;
	apic_eoi();
	timer_interrupt();
}

void arch_timer_init(void)
{
	trap_set_vector(VECTOR_TIMER, timer_vector);
}

void arch_timer_program(uint64_t deadline_ns)
{
	uint64_t now = arch_clock_ns(), delta, count;

	if (deadline_ns == UINT64_MAX) {
		apic_timer_set(0);
		return;
	}
	delta = deadline_ns > now ? MIN(deadline_ns - now, DELTA_MAX_NS) : 0;
	count = delta * clocksource_apic_mult() >> 32;
	apic_timer_set((uint32_t)MIN(count + 1, (uint64_t)UINT32_MAX));
}
