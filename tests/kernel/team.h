/* A few kernel threads that do one thing together, for tests. */
#ifndef TESTS_KERNEL_TEAM_H
#define TESTS_KERNEL_TEAM_H

#include "sched/sched.h"
#include "sync/waitqueue.h"

struct team {
	void (*fn)(struct team *team, unsigned index);
	void *arg;
	unsigned size, left; /* left: under done.lock */
	unsigned failures;   /* atomic: what the members found wrong */
	bool pin;	     /* member i runs on CPU i (modulo the number of CPUs) */
	cpuset_t affinity;   /* else: where they may run; 0: anywhere */
	struct waitqueue done;
};

/* Run fn(team, 0 .. size - 1) in threads of their own and wait for all. False: no memory, or a
 * member found something wrong. */
bool team_run(struct team *team);
/* In two steps. */
bool team_start(struct team *team);
void team_wait(struct team *team);

#define TEAM_CHECK(team, expr)                                                      \
	do {                                                                        \
		if (!(expr))                                                        \
			__atomic_fetch_add(&(team)->failures, 1, __ATOMIC_RELAXED); \
	} while (0)

/*
 * Wait until the threads of teams that are done are gone, and have everything given back that is
 * kept aside.
 */
void team_drain(void);

/*
 * Frames that are free or in slabs, after team_drain. Slabs count as free: a few objects that stay
 * may lie in one slab or in two, by the CPU that made them.
 */
uint64_t team_settled_frames(void);

#endif
