/*
 * Spinlock: one compare-and-swap to take, one store to give back. The kernel is not preempted, so a
 * plain spin_lock only has to keep other CPUs out; what an interrupt handler also takes (rank 90
 * and up) uses the _irqsave forms. A waiting CPU keeps its interrupts as they were, so that it
 * acknowledges shoot-downs (rule g: a CPU that waits for acknowledgements holds no spinning lock).
 */
#ifndef SYNC_SPINLOCK_H
#define SYNC_SPINLOCK_H

#include "cpu.h"
#include "sync/waits.h"

struct spinlock {
	uint32_t locked; /* atomic: id of the CPU that holds it + 1; 0: free */
	uint8_t rank;	 /* constant: enum lock_rank, for the count of waits */
#ifdef QUIRE_DEBUG
	struct lock_debug dbg;
#endif
};

#ifdef QUIRE_DEBUG
#define SPINLOCK_INIT(lock_rank, lock_name)                                             \
	{                                                                               \
		.rank = (lock_rank), .dbg = {.rank = (lock_rank), .name = (lock_name) } \
	}
#else
#define SPINLOCK_INIT(lock_rank, lock_name) \
	{                                   \
		.rank = (lock_rank)         \
	}
#endif

void spin_init(struct spinlock *l, enum lock_rank rank, const char *name);
/* The way taken when somebody else holds it: spins until it is ours. */
void spin_lock_contended(struct spinlock *l);

/* Does this CPU hold it? For assertions. */
static inline bool spin_held(const struct spinlock *l)
{
	return READ_ONCE(l->locked) == cpu_id() + 1;
}

static inline bool spin_try_acquire(struct spinlock *l)
{
	uint32_t expected = 0;

	return __atomic_compare_exchange_n(
		&l->locked, &expected, cpu_id() + 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void spin_lock(struct spinlock *l)
{
#ifdef QUIRE_DEBUG
	rank_acquire(l, &l->dbg);
#endif
	if (unlikely(!spin_try_acquire(l)))
		spin_lock_contended(l);
}

static inline bool spin_trylock(struct spinlock *l)
{
	if (!spin_try_acquire(l))
		return false;
#ifdef QUIRE_DEBUG
	rank_acquire_try(l, &l->dbg);
#endif
	return true;
}

static inline void spin_unlock(struct spinlock *l)
{
#ifdef QUIRE_DEBUG
	rank_release(l);
#endif
	STORE_RELEASE(l->locked, 0);
}

static inline irqflags_t spin_lock_irqsave(struct spinlock *l)
{
	irqflags_t flags = irq_save();

	spin_lock(l);
	return flags;
}

static inline void spin_unlock_irqrestore(struct spinlock *l, irqflags_t flags)
{
	spin_unlock(l);
	irq_restore(flags);
}

/* Two locks of one rank, in address order; a may equal b. */
void spin_lock_pair(struct spinlock *a, struct spinlock *b);
void spin_unlock_pair(struct spinlock *a, struct spinlock *b);

#endif
