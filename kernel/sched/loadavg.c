/*
 * Load averages of 1, 5 and 15 minutes: every 5 seconds
 *
 *	average = average * e + running * (1 - e),   e = exp(-5 s / period)
 *
 * in fixed point with 16 bits after the point, as /proc/loadavg wants them. There is no tick to
 * take the samples by: they are made up for when a CPU starts or ends idling and when somebody
 * reads, with the load that has been there since.
 */
#include "sched/clock.h"
#include "sched/run_queue.h"
#include "sched/sched.h"

#define SAMPLE_NS   (5 * NSEC_PER_SEC)
#define ONE	    65536ull
#define SAMPLES_MAX 4096 /* 5.7 hours: nothing of the old averages is left after that */

/* exp(-5/60), exp(-5/300), exp(-5/900) times ONE */
static const uint64_t decay[3] = {60297, 64453, 65173};

static struct spinlock load_lock = SPINLOCK_INIT(RANK_TIMER, "load average");
static uint64_t next_sample_ns = SAMPLE_NS; /* read without the lock as a hint */
static uint64_t average[3];

void loadavg_update(uint64_t now, unsigned nr_running)
{
	irqflags_t flags;
	uint64_t missed;

	if (likely(now < READ_ONCE(next_sample_ns)))
		return;
	flags = spin_lock_irqsave(&load_lock);
	if (now >= next_sample_ns) {
		missed = (now - next_sample_ns) / SAMPLE_NS + 1;
		WRITE_ONCE(next_sample_ns, next_sample_ns + missed * SAMPLE_NS);
		for (uint64_t i = 0; i < MIN(missed, (uint64_t)SAMPLES_MAX); i++)
			for (unsigned k = 0; k < 3; k++)
				average[k] =
					(average[k] * decay[k] +
						nr_running * ONE * (ONE - decay[k]) + ONE / 2) /
					ONE;
	}
	spin_unlock_irqrestore(&load_lock, flags);
}

void sched_loadavg(uint64_t avg[3])
{
	irqflags_t flags;

	/* The reader itself runs only now and then. */
	loadavg_update(clock_monotonic_ns(), sched_nr_running() - 1);
	flags = spin_lock_irqsave(&load_lock);
	for (unsigned k = 0; k < 3; k++)
		avg[k] = average[k];
	spin_unlock_irqrestore(&load_lock, flags);
}
