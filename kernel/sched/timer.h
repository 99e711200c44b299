/* One-shot timers with nanosecond deadlines, per CPU, run in the timer interrupt. */
#ifndef SCHED_TIMER_H
#define SCHED_TIMER_H

#include "lib/rbtree.h"
#include "sync/spinlock.h"

struct timer {
	struct rb_node node;
	uint64_t deadline_ns; /* clock_monotonic_ns() */
	void (*fn)(
		struct timer *t); /* interrupts off; may start the timer again; must not free it */
	unsigned cpu;		  /* whose queue it is in */
	bool pending;
};

void timer_init(struct timer *t, void (*fn)(struct timer *t));
/* Start, or move to a new deadline. Any context. */
void timer_start(struct timer *t, uint64_t deadline_ns);
/* True if it was pending. On return fn is not running on any CPU. => not from fn itself */
bool timer_cancel(struct timer *t);

#endif
