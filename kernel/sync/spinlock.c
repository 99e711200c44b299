/*
 * The slow side of spinlocks, and the count of lock waits.
 *
 * A waiter reads until the lock looks free and only then tries the atomic, so that waiting CPUs
 * share the cache line instead of stealing it from the holder.
 */
#include "sync/spinlock.h"
#include "lib/assert.h"

/* One line a CPU; written by its own CPU only. */
static struct {
	uint64_t waits;
} __aligned(64) wait_counts[CPU_MAX];

void sync_count_wait(void)
{
	uint64_t *n = &wait_counts[cpu_id()].waits;

	WRITE_ONCE(*n, *n + 1);
}

uint64_t sync_lock_waits(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < CPU_MAX; i++)
		sum += READ_ONCE(wait_counts[i].waits);
	return sum;
}

void spin_init(struct spinlock *l, enum lock_rank rank, const char *name)
{
	l->locked = 0;
#ifdef QUIRE_DEBUG
	l->dbg.rank = rank;
	l->dbg.name = name;
#else
	(void)rank;
	(void)name;
#endif
}

void spin_lock_contended(struct spinlock *l)
{
	assert(!spin_held(l));
	sync_count_wait();
	do {
		while (READ_ONCE(l->locked))
			cpu_relax();
	} while (!spin_try_acquire(l));
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
