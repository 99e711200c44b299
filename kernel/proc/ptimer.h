/* Timers of POSIX that a process makes, any number of them: timer_create(2) and its family. */
#ifndef PROC_PTIMER_H
#define PROC_PTIMER_H

#include "abi/signal.h"
#include "proc/itimer.h"

/*
 * All of the current process. event NULL: SIGALRM with the number as its value. 0, -EAGAIN (too
 * many signals, no memory), -EINVAL (clock, notification, no such timer), -EOPNOTSUPP (clock).
 */
int __must_check ptimer_create(int clock, const struct abi_sigevent *event, int *id);
/* The settings are times of the timer's clock; absolute: `value_ns` is a point of it. */
int __must_check ptimer_set(
	int id, bool absolute, const struct itimer_setting *set, struct itimer_setting *old);
int __must_check ptimer_get(int id, struct itimer_setting *now);
/* Periods that the last signal stood for beside its own, or -EINVAL. */
int ptimer_overrun(int id);
int __must_check ptimer_delete(int id);
/* exec, and the end of the last thread: none of p is left. => no lock held */
void ptimers_delete_all(struct process *p);
/* The time of day was set: timers that wait for a point of it look again. => no lock held */
void ptimers_clock_was_set(void);

/*
 * The signal of a timer leaves its queue, to be delivered or forgotten: the next period is begun.
 * info (may be NULL) is told how many were missed. => process lock held
 */
void ptimer_signal_gone_locked(struct process *p, struct sigqueue *sq, struct abi_siginfo *info);

#endif
