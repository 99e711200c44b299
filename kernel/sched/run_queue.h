/*
 * A CPU's run queue, private to kernel/sched. Who holds its lock may rely on this: a thread whose
 * `cpu` names this queue is either the CPU's current thread, or in the tree, or has all its
 * registers saved, because the lock is held across every context switch.
 */
#ifndef SCHED_RUN_QUEUE_H
#define SCHED_RUN_QUEUE_H

#include "sched/thread.h"
#include "sched/timer.h"

#define SCHED_LATENCY_NS   12000000ull /* each of few threads runs once in this time */
#define SCHED_MIN_SLICE_NS 3000000ull  /* but not shorter than this: switches cost */
#define SCHED_WAKE_GAIN_NS 2000000ull  /* a woken thread this far behind preempts at once */
#define SCHED_WEIGHT_0	   1024u       /* of nice 0 */

struct run_queue {
	struct spinlock lock; /* rank 92; everything below is under it unless said otherwise */
	struct cpu *cpu;
	struct rb_tree tree;   /* runnable threads that wait for the CPU, by vruntime */
	struct thread *first;  /* leftmost of the tree, NULL: empty */
	unsigned nr_queued;    /* read without the lock as a hint */
	uint64_t min_vruntime; /* never goes back: where newcomers are placed */
	uint64_t switches;
	struct thread *gone;	  /* switched out for good: freed by the thread that runs next */
	struct thread *push;	  /* switched out, to be queued on another CPU by who runs next */
	struct timer slice_timer; /* runs only while somebody waits in the tree */
};

void rq_init(struct run_queue *rq, struct cpu *c);
/* Bring the times of the CPU's current thread up to `now`. */
void rq_account(struct run_queue *rq, struct thread *curr, uint64_t now);
void rq_enqueue(struct run_queue *rq, struct thread *t);
void rq_dequeue(struct run_queue *rq, struct thread *t);
/* vruntime of a thread that comes from another queue or from sleep: no credit beyond half a latency
 * for the time it was away. */
void rq_place(struct run_queue *rq, struct thread *t);
/* vruntime is kept relative to the queue while a thread changes queues. */
void rq_detach(struct run_queue *rq, struct thread *t);
void rq_attach(struct run_queue *rq, struct thread *t);
uint64_t rq_slice_ns(const struct run_queue *rq);

static inline bool vruntime_before(const struct thread *a, const struct thread *b)
{
	return (int64_t)(a->vruntime - b->vruntime) < 0;
}

/* Lock the queue that the thread belongs to. => interrupts off */
struct run_queue *rq_lock_thread(struct thread *t);

/* sched.c: a runnable thread that is in no tree any more goes to a CPU that it may use. => rq is
 * its queue, locked, interrupts off; unlocks it */
void sched_requeue(struct run_queue *rq, struct thread *t);

/* balance.c: CPUs that idle, and work for them. */
extern cpuset_t sched_idle_set; /* atomic */
/* Where a thread that wakes up should run; an idle CPU is claimed (its bit cleared). */
unsigned balance_select_cpu(const struct thread *t);
/* => own queue unlocked, interrupts off. Take a waiting thread from the fullest queue; it is in
 * nobody's tree. */
struct thread *balance_steal(unsigned cpu);
bool balance_work_elsewhere(unsigned cpu);
/* A CPU that has at least two threads fewer than this one, or CPU_MAX. */
unsigned balance_target(const struct run_queue *rq, const struct thread *t);
/* Somebody waits on a busy CPU: make an idle one, if there is any, look for work. */
void balance_call_idle(const struct thread *t);

/* loadavg.c: called when this CPU starts or ends idling, with the load until now. */
void loadavg_update(uint64_t now, unsigned nr_running);

#endif
