/*
 * Which CPU runs what: where a woken thread goes, and how an idle CPU finds work.
 *
 * A CPU announces that it idles in sched_idle_set before it looks at the other queues for the last
 * time; who leaves a thread waiting in the queue of a busy CPU looks at the set afterwards. With a
 * full barrier between the two steps on either side, one of them sees the other:
 *
 *	idle CPU                          CPU that queues a thread
 *	set bit in sched_idle_set         queue it on a busy CPU
 *	full barrier                      full barrier
 *	look at all queues, then halt     look at the set: send a reschedule interrupt
 */
#include "sched/run_queue.h"
#include "lib/assert.h"

cpuset_t sched_idle_set;

/* Take the CPU's bit out of the idle set; false if somebody else did. */
static bool claim(unsigned cpu)
{
	cpuset_t bit = (cpuset_t)1 << cpu;

	return __atomic_fetch_and(&sched_idle_set, ~bit, __ATOMIC_ACQ_REL) & bit;
}

unsigned balance_select_cpu(const struct thread *t)
{
	cpuset_t allowed = READ_ONCE(t->affinity), idle;
	unsigned last = t->cpu;

	if (cpu_count() == 1)
		return last;
	while ((idle = READ_ONCE(sched_idle_set) & allowed)) {
		unsigned cpu = idle >> last & 1 ? last : (unsigned)__builtin_ctzll(idle);

		if (claim(cpu))
			return cpu;
	}
	if (allowed >> last & 1)
		return last;
	return (unsigned)__builtin_ctzll(allowed & cpu_online_set());
}

bool balance_work_elsewhere(unsigned cpu)
{
	unsigned n = cpu_count();

	for (unsigned i = 0; i < n; i++)
		if (i != cpu && cpus[i] && READ_ONCE(cpus[i]->rq->nr_queued))
			return true;
	return false;
}

static struct thread *first_allowed(struct run_queue *rq, unsigned cpu)
{
	struct rb_node *n;

	rb_for_each (n, &rq->tree) {
		struct thread *t = rb_entry(n, struct thread, run_node);

		if (t->affinity >> cpu & 1)
			return t;
	}
	return NULL;
}

static struct thread *steal_from(struct run_queue *rq, unsigned cpu)
{
	struct thread *t;

	spin_lock(&rq->lock);
	t = first_allowed(rq, cpu);
	if (t) {
		rq_dequeue(rq, t);
		rq_detach(rq, t);
		WRITE_ONCE(t->cpu, cpu);
	}
	spin_unlock(&rq->lock);
	return t;
}

struct thread *balance_steal(unsigned cpu)
{
	unsigned n = cpu_count();

	/* Begin behind ourselves, so that not all idle CPUs meet at the first one. */
	for (unsigned k = 1; k < n; k++) {
		unsigned i = (cpu + k) % n;
		struct thread *t;

		if (!READ_ONCE(cpus[i]->rq->nr_queued))
			continue;
		t = steal_from(cpus[i]->rq, cpu);
		if (t)
			return t;
	}
	return NULL;
}

static unsigned load_of(unsigned cpu)
{
	const struct cpu *c = cpus[cpu];

	return READ_ONCE(c->rq->nr_queued) + (READ_ONCE(c->current) != c->idle);
}

unsigned balance_target(const struct run_queue *rq, const struct thread *t)
{
	unsigned n = cpu_count(), best = CPU_MAX, least = load_of(rq->cpu->id);

	if (n == 1)
		return CPU_MAX;
	for (unsigned i = 0; i < n; i++) {
		unsigned load = load_of(i);

		if (t->affinity >> i & 1 && load + 2 <= least) {
			best = i;
			least = load;
		}
	}
	return best;
}

void balance_call_idle(const struct thread *t)
{
	cpuset_t idle;

	if (cpu_count() == 1)
		return;
	idle = __atomic_fetch_or(&sched_idle_set, 0, __ATOMIC_SEQ_CST) & READ_ONCE(t->affinity);
	if (idle)
		cpu_send_reschedule((unsigned)__builtin_ctzll(idle));
}
