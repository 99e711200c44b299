/*
 * The clocks: monotonic time comes from arch as it is; real time is monotonic time plus an offset
 * that who sets the time of day writes in one store.
 */
#include "sched/clock.h"
#include "cpu.h"
#include "vdso.h"

static uint64_t realtime_offset_ns; /* atomic; modulo 2^64 */

uint64_t clock_monotonic_ns(void)
{
	return arch_clock_ns();
}

uint64_t clock_realtime_ns(void)
{
	return arch_clock_ns() + READ_ONCE(realtime_offset_ns);
}

void clock_set_realtime_ns(uint64_t ns)
{
	uint64_t offset_ns = ns - arch_clock_ns();

	WRITE_ONCE(realtime_offset_ns, offset_ns);
	vdso_set_realtime(offset_ns);
}

uint64_t clock_resolution_ns(void)
{
	return 1;
}

void clock_delay_us(unsigned us)
{
	uint64_t end = arch_clock_ns() + us * NSEC_PER_USEC;

	while (arch_clock_ns() < end)
		cpu_relax();
}
