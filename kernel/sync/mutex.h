/*
 * Sleeping mutual exclusion. One atomic each way when nobody waits; waiters queue in order. A
 * thread that is running may take a free mutex before a waiter that is just waking up (no convoys),
 * but only once: a waiter that lost the race is handed the mutex next. Never in interrupts.
 */
#ifndef SYNC_MUTEX_H
#define SYNC_MUTEX_H

#include "sync/waitqueue.h"

struct thread;

/* Low bits of the owner word. */
#define MUTEX_WAITERS 1ul /* somebody is queued: unlock looks at the queue */
#define MUTEX_HANDOFF 2ul /* unlock gives the mutex to the first of the queue */
#define MUTEX_FLAGS   3ul

struct mutex {
	uintptr_t owner; /* atomic: struct thread * and flags */
	struct waitqueue waiters;
	uint8_t rank; /* constant: enum lock_rank, for the count of waits */
#ifdef QUIRE_DEBUG
	struct lock_debug dbg;
#endif
};

void mutex_init(struct mutex *m, enum lock_rank rank, const char *name);
/* Gives up with -EINTR when a fatal signal is pending. */
int __must_check mutex_lock_killable(struct mutex *m);
/* The ways taken when somebody else holds it, or waits for it. */
void mutex_lock_contended(struct mutex *m);
void mutex_unlock_contended(struct mutex *m);

static inline bool mutex_try_acquire(struct mutex *m)
{
	uintptr_t expected = 0;

	return __atomic_compare_exchange_n(&m->owner, &expected, (uintptr_t)cpu_field(current),
		false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void mutex_lock(struct mutex *m)
{
#ifdef QUIRE_DEBUG
	rank_acquire(m, &m->dbg);
#endif
	if (unlikely(!mutex_try_acquire(m)))
		mutex_lock_contended(m);
}

static inline bool mutex_trylock(struct mutex *m)
{
	if (!mutex_try_acquire(m))
		return false;
#ifdef QUIRE_DEBUG
	rank_acquire_try(m, &m->dbg);
#endif
	return true;
}

static inline void mutex_unlock(struct mutex *m)
{
	uintptr_t expected = (uintptr_t)cpu_field(current);

#ifdef QUIRE_DEBUG
	rank_release(m);
#endif
	if (unlikely(!__atomic_compare_exchange_n(
		    &m->owner, &expected, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)))
		mutex_unlock_contended(m);
}

static inline bool mutex_held(const struct mutex *m)
{
	return (READ_ONCE(m->owner) & ~MUTEX_FLAGS) == (uintptr_t)cpu_field(current);
}

#endif
