/*
 * The clocks: monotonic time comes from arch as it is; real time is monotonic time plus an offset
 * that who sets the time of day writes in one store.
 */
#include "sched/clock.h"
#include "cpu.h"
#include "vdso.h"

#define PATIENCE_NS		(10 * NSEC_PER_SEC)
#define PATIENCE_LOOKS		100000u
#define PATIENCE_LOOKS_NO_CLOCK 4000000u

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

bool clock_patience_ends(struct patience *p)
{
	uint64_t now = arch_clock_ns(); /* 0: it does not run yet */

	if (!p->looks++)
		p->since_ns = now;
	if (!now)
		return p->looks >= PATIENCE_LOOKS_NO_CLOCK;
	return p->looks >= PATIENCE_LOOKS && now - p->since_ns >= PATIENCE_NS;
}
