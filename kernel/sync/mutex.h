/* Sleeping mutual exclusion. One atomic when nobody waits; waiters queue in order. Never in
 * interrupts. */
#ifndef SYNC_MUTEX_H
#define SYNC_MUTEX_H

#include "sync/waitqueue.h"

struct thread;

struct mutex {
	struct thread *owner; /* atomic; bit 0: somebody waits */
	struct waitqueue waiters;
#ifdef QUIRE_DEBUG
	struct lock_debug dbg;
#endif
};

void mutex_init(struct mutex *m, enum lock_rank rank, const char *name);
void mutex_lock(struct mutex *m);
bool mutex_trylock(struct mutex *m);
/* Gives up with -EINTR when a fatal signal is pending. */
int __must_check mutex_lock_killable(struct mutex *m);
void mutex_unlock(struct mutex *m);
bool mutex_held(const struct mutex *m);

#endif
