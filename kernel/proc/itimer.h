/* Interval timers and CPU-time limits of a process: setitimer(2), alarm(2), RLIMIT_CPU. */
#ifndef PROC_ITIMER_H
#define PROC_ITIMER_H

#include "abi/time.h"
#include "proc/process.h"

/* Of a process that is being made. */
void itimers_init(struct process *p);
/* The last thread ended: no timer of p fires after this. => no lock held */
void itimers_cancel(struct process *p);

/* The clock of a timer: which is ITIMER_*. => process locked */
uint64_t itimer_clock_locked(const struct process *p, unsigned which);

struct itimer_setting {
	uint64_t value_ns; /* from now; 0: off */
	uint64_t interval_ns;
};
/* which: ITIMER_*. Either may be NULL. */
void itimer_change(int which, const struct itimer_setting *set, struct itimer_setting *old);
/* RLIMIT_CPU changed. */
void itimer_cpu_limit(struct process *p);

#endif
