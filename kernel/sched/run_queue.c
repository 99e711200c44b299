/*
 * The run queue of a CPU: threads in order of their virtual run time.
 *
 * Virtual run time advances by the time on the CPU divided by the thread's weight, so the thread
 * with the least of it is the one that is owed most. min_vruntime follows the least of the queue
 * upwards; a thread that slept is placed at most half a latency before it, so that it runs soon
 * but cannot monopolise the CPU with time that it saved up.
 * Source: the idea of weighted fair queueing as in Linux's CFS (Documentation/scheduler).
 */
#include "sched/run_queue.h"
#include "lib/assert.h"

void rq_init(struct run_queue *rq, struct cpu *c)
{
	spin_init(&rq->lock, RANK_RUNQUEUE, "run queue");
	rq->cpu = c;
	rq->tree.root = NULL;
	rq->tree.augment = NULL;
	rq->first = NULL;
	rq->nr_queued = 0;
	rq->min_vruntime = 0;
}

static void advance_min(struct run_queue *rq, const struct thread *curr)
{
	uint64_t v = curr->vruntime;

	if (rq->first && vruntime_before(rq->first, curr))
		v = rq->first->vruntime;
	if ((int64_t)(v - rq->min_vruntime) > 0)
		rq->min_vruntime = v;
}

void rq_account(struct run_queue *rq, struct thread *curr, uint64_t now)
{
	uint64_t delta = now - curr->exec_start_ns;

	curr->exec_start_ns = now;
	curr->run_ns += delta;
	if (curr == rq->cpu->idle) {
		rq->cpu->idle_ns += delta;
		return;
	}
	if (curr->weight != SCHED_WEIGHT_0)
		delta = delta * SCHED_WEIGHT_0 / curr->weight;
	curr->vruntime += delta;
	advance_min(rq, curr);
}

void rq_enqueue(struct run_queue *rq, struct thread *t)
{
	struct rb_node **link = &rq->tree.root, *parent = NULL;
	bool leftmost = true;

	dassert(!t->queued && spin_held(&rq->lock));
	while (*link) {
		parent = *link;
		if (vruntime_before(t, rb_entry(parent, struct thread, run_node))) {
			link = &parent->left;
		} else {
			link = &parent->right;
			leftmost = false;
		}
	}
	rb_insert(&rq->tree, &t->run_node, parent, link);
	if (leftmost)
		rq->first = t;
	t->queued = true;
	WRITE_ONCE(t->state, THREAD_RUNNABLE);
	WRITE_ONCE(rq->nr_queued, rq->nr_queued + 1);
}

void rq_dequeue(struct run_queue *rq, struct thread *t)
{
	dassert(t->queued && spin_held(&rq->lock));
	if (rq->first == t) {
		struct rb_node *next = rb_next(&t->run_node);

		rq->first = next ? rb_entry(next, struct thread, run_node) : NULL;
	}
	rb_remove(&rq->tree, &t->run_node);
	t->queued = false;
	WRITE_ONCE(rq->nr_queued, rq->nr_queued - 1);
}

void rq_place(struct run_queue *rq, struct thread *t)
{
	uint64_t least = rq->min_vruntime - SCHED_LATENCY_NS / 2;

	if ((int64_t)(t->vruntime - least) < 0)
		t->vruntime = least;
}

void rq_detach(struct run_queue *rq, struct thread *t)
{
	t->vruntime -= rq->min_vruntime;
}

void rq_attach(struct run_queue *rq, struct thread *t)
{
	t->vruntime += rq->min_vruntime;
}

uint64_t rq_slice_ns(const struct run_queue *rq)
{
	if (rq->nr_queued < SCHED_LATENCY_NS / SCHED_MIN_SLICE_NS)
		return SCHED_LATENCY_NS / (rq->nr_queued + 1);
	return SCHED_MIN_SLICE_NS;
}

struct run_queue *rq_lock_thread(struct thread *t)
{
	for (;;) {
		unsigned cpu = READ_ONCE(t->cpu);
		struct run_queue *rq = cpus[cpu]->rq;

		spin_lock(&rq->lock);
		if (likely(READ_ONCE(t->cpu) == cpu))
			return rq;
		spin_unlock(&rq->lock);
	}
}
