/*
 * The scheduler: one run queue per CPU with fair shares (virtual run time), idle CPUs take work, no
 * tick when idle. The kernel is not preempted: a thread leaves the CPU when it waits, at
 * cond_resched() and on the way back to user space.
 */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "sched/thread.h"
#include "sync/waitqueue.h"

void sched_init(void);		       /* boot CPU; makes its boot thread the current one */
void sched_init_cpu(struct cpu *c);    /* each further CPU, before it takes work */
__noreturn void sched_idle_loop(void); /* what a CPU's boot thread becomes */

/*
 * The first thing that a new thread runs, called by its entry code (arch) on its own stack with
 * interrupts off: ends the switch that began in another thread. Enables interrupts.
 */
void sched_switch_done(void);

/*
 * Wait for whatever the caller set up with sched_set_blocked(); returns when the thread runs again.
 * Returns at once when it was woken in between, or when nothing is to be done: a running thread
 * gives the CPU away only if need_resched says so. => no spinning lock held
 */
void schedule(void);
void sched_yield_current(void);
/* The slow side of cond_resched. */
void sched_preempt(void);

/* In long loops: give the CPU away if somebody should have it now. => no spinning lock held */
static inline void cond_resched(void)
{
	if (unlikely(cpu_field(need_resched)))
		sched_preempt();
}

/*
 * The building stones of waits (sync). Blocked: the next schedule() leaves the CPU until
 * sched_wake, or a signal that ends a wait of that mode. The caller sees to it that a waker finds
 * the thread only after it is marked.
 */
static inline void sched_set_blocked(enum wait_mode mode)
{
	struct thread *t = thread_current();

	t->wait_mode = mode;
	WRITE_ONCE(t->state, THREAD_BLOCKED);
}

static inline void sched_set_running(void)
{
	WRITE_ONCE(thread_current()->state, THREAD_RUNNING);
}

/* Must a wait of that mode end? 0, -EINTR (fatal signal), -ERESTARTSYS (signal). */
int sched_wait_interrupted(enum wait_mode mode);

/* Make a blocked thread runnable; false if it was not blocked. Any context. */
bool sched_wake(struct thread *t);
/*
 * Stop (SIGSTOP) and continue. sched_stop_current returns after a sched_continue or a fatal signal;
 * a sched_continue that came just before counts, so that none is lost. Hence call it in a loop that
 * tests whether the thread is still to be stopped.
 */
void sched_stop_current(void);
void sched_continue(struct thread *t);
/* -EINVAL if no CPU of the set is online. */
int __must_check sched_set_affinity(struct thread *t, cpuset_t set);
/* -20 .. 19 (limits are the caller's). */
void sched_set_nice(struct thread *t, int nice);
/* Runnable threads over all CPUs, and load averages (fixed point, 16 bits after the point). */
unsigned sched_nr_running(void);
void sched_loadavg(uint64_t avg[3]);
uint64_t sched_context_switches(void);

/* Called by arch from the reschedule interrupt (cpu_send_reschedule). */
void sched_reschedule_interrupt(void);

#endif
