/*
 * Shares and places that somebody asks for: nice and affinity.
 *
 * One step of nice is a factor of 1.25 in the share of the CPU (POSIX leaves the amount open; 10 %
 * up or down against one competitor is what people expect from Linux).
 */
#include "lib/assert.h"
#include "sched/clock.h"
#include "sched/run_queue.h"
#include "sched/sched.h"

/* 1024 * 1.25 ^ -nice, rounded. */
static const uint32_t nice_weights[40] = {
	88818,
	71054,
	56843,
	45475,
	36380,
	29104,
	23283,
	18626,
	14901,
	11921,
	9537,
	7629,
	6104,
	4883,
	3906,
	3125,
	2500,
	2000,
	1600,
	1280,
	1024,
	819,
	655,
	524,
	419,
	336,
	268,
	215,
	172,
	137,
	110,
	88,
	70,
	56,
	45,
	36,
	29,
	23,
	18,
	15,
};

void sched_set_nice(struct thread *t, int nice)
{
	irqflags_t flags = irq_save();
	struct run_queue *rq = rq_lock_thread(t);

	assert(nice >= -20 && nice <= 19);
	if (t == rq->cpu->current)
		rq_account(rq, t, clock_monotonic_ns());
	t->nice = nice;
	t->weight = nice_weights[nice + 20];
	spin_unlock_irqrestore(&rq->lock, flags);
}

int sched_set_affinity(struct thread *t, cpuset_t set)
{
	irqflags_t flags;
	struct run_queue *rq;
	bool wrong_cpu;

	set &= cpu_online_set();
	if (!set)
		return -EINVAL;
	flags = irq_save();
	rq = rq_lock_thread(t);
	WRITE_ONCE(t->affinity, set);
	wrong_cpu = !(set >> rq->cpu->id & 1);
	if (wrong_cpu && t->queued) {
		rq_dequeue(rq, t);
		sched_requeue(rq, t);
	} else if (wrong_cpu && t == rq->cpu->current) {
		rq->cpu->need_resched = true;
		spin_unlock(&rq->lock);
		if (rq->cpu->id != cpu_id())
			cpu_send_reschedule(rq->cpu->id);
	} else {
		spin_unlock(&rq->lock);
	}
	irq_restore(flags);
	if (t == thread_current())
		schedule();
	return 0;
}
