/*
 * A short wait for the holder of a sleeping lock that is running on another CPU: two context
 * switches cost more than most critical sections last. Private to kernel/sync.
 */
#ifndef SYNC_SPIN_WAIT_H
#define SYNC_SPIN_WAIT_H

#include "cpu.h"

#define SPIN_WAIT_ROUNDS 100

struct spin_wait {
	unsigned rounds;
	unsigned cpu; /* where the holder was seen running */
};

#define SPIN_WAIT_INIT \
	{              \
		0, 0   \
	}

static inline bool spin_wait_round(struct spin_wait *sw)
{
	if (cpu_count() == 1 || sw->rounds++ == SPIN_WAIT_ROUNDS || cpu_field(need_resched))
		return false;
	cpu_relax();
	return true;
}

/* The thread is only compared, never looked into: it may be gone already. */
static inline bool spin_wait_runs(struct spin_wait *sw, const struct thread *t)
{
	unsigned n = cpu_count();

	if (sw->cpu < n && READ_ONCE(cpus[sw->cpu]->current) == t)
		return true;
	for (sw->cpu = 0; sw->cpu < n; sw->cpu++)
		if (READ_ONCE(cpus[sw->cpu]->current) == t)
			return true;
	return false;
}

/* False: it does not run, or waiting took too long; go to sleep. */
static inline bool spin_wait_on_thread(struct spin_wait *sw, const struct thread *t)
{
	return spin_wait_round(sw) && spin_wait_runs(sw, t);
}

#endif
