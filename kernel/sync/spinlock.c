/*
 * The slow side of spinlocks.
 *
 * A waiter reads until the lock looks free and only then tries the atomic, so that waiting CPUs
 * share the cache line instead of stealing it from the holder.
 */
#include "sync/spinlock.h"
#include "lib/assert.h"
#include "sync/wordlock.h"

void spin_init(struct spinlock *l, enum lock_rank rank, const char *name)
{
	l->locked = 0;
	l->rank = rank;
#ifdef QUIRE_DEBUG
	l->dbg.rank = rank;
	l->dbg.name = name;
#else
	(void)name;
#endif
}

void spin_lock_contended(struct spinlock *l)
{
	assert(!spin_held(l));
	sync_count_wait(l->rank);
	do {
		while (READ_ONCE(l->locked))
			cpu_relax();
	} while (!spin_try_acquire(l));
}

void wordlock_wait(uint32_t *word, enum lock_rank rank)
{
	sync_count_wait(rank);
	do {
		while (READ_ONCE(*word))
			cpu_relax();
	} while (__atomic_exchange_n(word, 1, __ATOMIC_ACQUIRE));
}

void spin_lock_pair(struct spinlock *a, struct spinlock *b)
{
	spin_lock(a < b ? a : b);
	if (a != b)
		spin_lock(a < b ? b : a);
}

void spin_unlock_pair(struct spinlock *a, struct spinlock *b)
{
	spin_unlock(a);
	if (a != b)
		spin_unlock(b);
}
