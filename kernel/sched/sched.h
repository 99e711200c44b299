/*
 * The scheduler: one run queue per CPU with fair shares (virtual run time), idle CPUs take work, no
 * tick when idle. The kernel is not preempted: a thread leaves the CPU when it waits, at
 * cond_resched() and on the way back to user space.
 */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "sched/thread.h"

void sched_init(void);		       /* boot CPU; makes its boot thread the current one */
void sched_init_cpu(struct cpu *c);    /* each further CPU, before it takes work */
__noreturn void sched_idle_loop(void); /* what a CPU's boot thread becomes */

/*
 * The first thing that a new thread runs, called by its entry code (arch) on its own stack with
 * interrupts off: ends the switch that began in another thread. Enables interrupts.
 */
void sched_switch_done(void);

/* Give the CPU away; returns when the thread runs again. => no spinning lock held. */
void schedule(void);
void sched_yield_current(void);
/* In long loops: schedule() if somebody waits for this CPU. => no spinning lock held */
void cond_resched(void);
/* Make a blocked thread runnable; false if it was not blocked. Any context. */
bool sched_wake(struct thread *t);
/* Stop (SIGSTOP) and continue: the current thread stops itself; sched_continue from anywhere. */
void sched_stop_current(void);
void sched_continue(struct thread *t);
int sched_set_affinity(struct thread *t, cpuset_t set);
void sched_set_nice(struct thread *t, int nice);
/* Runnable threads over all CPUs, and load averages (fixed point, 16 bits after the point). */
unsigned sched_nr_running(void);
void sched_loadavg(uint64_t avg[3]);
uint64_t sched_context_switches(void);

#endif
