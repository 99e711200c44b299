/*
 * Ticketless spinlock: test, test-and-set. The kernel is not preempted, so a plain spin_lock only
 * has to keep other CPUs out; what an interrupt handler also takes (rank 90 and up) uses the
 * _irqsave forms. A waiting CPU keeps its interrupts as they were, so that it acknowledges
 * shoot-downs (rule g: a CPU that waits for acknowledgements holds no spinning lock).
 */
#ifndef SYNC_SPINLOCK_H
#define SYNC_SPINLOCK_H

#include "lib/base.h"
#include "sync/rank.h"

typedef unsigned long irqflags_t;

struct spinlock {
	uint32_t locked;
	uint32_t owner; /* id of the CPU that holds it + 1; 0: free. Written by the owner only. */
#ifdef QUIRE_DEBUG
	struct lock_debug dbg;
#endif
};

#ifdef QUIRE_DEBUG
#define SPINLOCK_INIT(lock_rank, lock_name)                        \
	{                                                          \
		.dbg = {.rank = (lock_rank), .name = (lock_name) } \
	}
#else
#define SPINLOCK_INIT(lock_rank, lock_name) \
	{                                   \
		0                           \
	}
#endif

void spin_init(struct spinlock *l, enum lock_rank rank, const char *name);
void spin_lock(struct spinlock *l);
bool spin_trylock(struct spinlock *l);
void spin_unlock(struct spinlock *l);
irqflags_t spin_lock_irqsave(struct spinlock *l);
void spin_unlock_irqrestore(struct spinlock *l, irqflags_t flags);
/* Two locks of one rank, in address order; a may equal b. */
void spin_lock_pair(struct spinlock *a, struct spinlock *b);
void spin_unlock_pair(struct spinlock *a, struct spinlock *b);
/* Does this CPU hold it? For assertions. */
bool spin_held(const struct spinlock *l);

#endif
